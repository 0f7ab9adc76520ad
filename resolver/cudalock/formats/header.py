"""The comments at the head of a lock: targets, command, matrix, needs, and what is unusual."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from cudalock.lock import DERIVED, Lock, origin
from cudalock.lock.sources import source_lines
from cudalock.text import ascii_line, listed, one_line
from cudalock.urls import without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_COMMANDS = (
    r"^# (?:cudalock: )?command: (?P<plain>cudalock (?:solve|generate)\b.*?)\r?$",
    r"^\s*\"command\": (?P<quoted>\"cudalock (?:solve|generate)\b.*\")",
    r"^command = (?P<quoted>\"cudalock (?:solve|generate)\b.*\")\r?$",
)
"""The command in a header, in a uv project's comment block, in a notebook, and as a TOML file has
it."""


def find_command(text: str) -> tuple[str, int, int] | None:
    """Return the command recorded in a lock, and where it starts and ends; None without one."""
    for pattern in _COMMANDS:
        match = re.search(pattern, text, re.MULTILINE)
        if match is not None:
            group = match.lastgroup or ""
            try:
                # A TOML basic string of one line is a JSON string as well.
                command = match[group] if group == "plain" else json.loads(match[group])
            except ValueError:
                continue
            return command, match.start(group), match.end(group)
    return None


def of_lines(sentences: Iterable[tuple[str, tuple[str, ...]]]) -> Iterator[str]:
    """Yield the sentences of several lines, each once, with the lines that it is about unless that
    is all of them."""
    lines_by_sentence: dict[str, list[str]] = {}
    count = 0
    for name, own in sentences:
        count += 1
        for sentence in own:
            lines_by_sentence.setdefault(sentence, []).append(name)
    for sentence, names in lines_by_sentence.items():
        yield sentence if len(names) == count else f"{', '.join(names)}: {sentence}"


def header_lines(
    lock: Lock, hashes: str = "require", user_index_urls: Sequence[str | None] = ()
) -> Iterator[str]:
    """Yield the comments: targets, command, matrix, needs, and what is unusual.

    `hashes` is as in `--hashes`: wheels without one are reported for "auto". `user_index_urls` are
    those of `--index-url` and `--extra-index-url`.
    """
    for target in lock.targets:
        built = lock.built_for or lock.not_built_for if target.accelerators else "no CUDA"
        yield f"# cudalock: {ascii_line(target.label)}{f', {built}' if lock.framework else ''}"
    yield f"# command: {one_line(lock.command)}"
    yield f"# matrix: {ascii_line(lock.matrix_version)}"
    yield f"# needs: {ascii_line(listed(lock.needs))}"
    # Pins of several targets may have the same remark.
    for key, text in dict.fromkeys(_remarks(lock, hashes, user_index_urls)):
        yield f"# {key}: {ascii_line(text)}"
    # Notes contain paths and commands, which have to keep their letters.
    for note in dict.fromkeys(lock.notes):
        yield f"# note: {one_line(str(note))}"


def _remarks(
    lock: Lock, hashes: str, user_index_urls: Sequence[str | None]
) -> Iterator[tuple[str, str]]:
    """Yield the lines that only some locks have, as key and sentence."""
    for pin in lock.third_party:
        yield "builder", f"{pin} from {origin(pin.wheel)}"
    for warning in lock.warnings:
        yield "warning", str(warning)
    for pin in lock.pins:
        if pin.wheel.warning:
            yield "warning", f"{pin.wheel.file}: {pin.wheel.warning}"
    for sentence in source_lines(lock):
        yield "source", sentence
    for pin in lock.derived:
        place = pin.wheel.url or origin(pin.wheel)
        yield "derived", f"{pin.wheel.file} is {DERIVED}; see {place}"
    for pin in lock.alike:
        yield (
            "derived",
            f"{pin.wheel.file} by rule; the same build for another Python has been seen",
        )
    for unknown in lock.unknowns:
        yield "unknown", str(unknown)
    for newer in lock.newer:
        yield "newer", str(newer)
    for sentence in lock.replaced:
        yield "replaced", f"{sentence}; --no-deps keeps the installer from undoing it"
    if hashes == "auto":
        yield from _unhashed_remarks(lock)
    if any(
        url is not None and without_credentials(url, keep_variables=True) != url
        for url in user_index_urls
    ):
        yield "note", "the credentials of an index URL were left out"


def _unhashed_remarks(lock: Lock) -> Iterator[tuple[str, str]]:
    for pin in lock.unhashed:
        yield "no hash", f"{pin.wheel.file} from {origin(pin.wheel)} has no published hash"
    if lock.unhashed:
        yield "no hash", "pip needs all hashes or none, so none is written; see --fetch-hashes"
