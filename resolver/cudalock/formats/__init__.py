"""Formats a lock can be written in, by name and by file name.

A format's module is imported when it renders, so a solve pays only for the one it writes.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cudalock.lock import Lock


class Options(NamedTuple):
    """What the command line says about writing. Each format takes what concerns it.

    `filename` is the name of the file to be written, without its folder.
    """

    hashes: str = "auto"
    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    filename: str | None = None


class Format(NamedTuple):
    """One way to write a lock.

    `suffix` is the file name's ending that means it. `commands` gives the tools that install such a
    file, each with its command: a format that no tool installs has none.
    """

    name: str
    suffix: str
    summary: str
    write: Callable[[Lock, Options], str]
    commands: Callable[[Lock, Options], tuple[tuple[str, str], ...]]

    def render(self, lock: Lock, options: Options | None = None) -> str:
        """The text. Raises HashesMissing if `options` require hashes that are not published."""
        return self.write(lock, options or Options())


def format_for(path: str | PurePath) -> Format | None:
    """The format that a file's name means, None where it means none of them."""
    name = PurePath(path).name.lower()
    return next((known for known in FORMATS.values() if name.endswith(known.suffix)), None)


def _write_requirements(lock: Lock, options: Options) -> str:
    from cudalock.formats import requirements_txt

    return requirements_txt.render(
        lock,
        options.hashes,
        options.index_url,
        options.extra_index_urls,
        filename=options.filename or requirements_txt.FILE,
    )


def _requirements_commands(lock: Lock, options: Options) -> tuple[tuple[str, str], ...]:
    from cudalock.formats import requirements_txt

    return requirements_txt.install_commands(
        lock,
        hashes=options.hashes,
        extra_index_urls=options.extra_index_urls,
        filename=options.filename or requirements_txt.FILE,
    )


def _no_commands(lock: Lock, options: Options) -> tuple[tuple[str, str], ...]:
    return ()


def _write_json(lock: Lock, options: Options) -> str:
    from cudalock.formats import json_lock
    from cudalock.lock import demand_hashes

    if options.hashes == "require":
        demand_hashes(lock)
    return json_lock.render(lock)


def _registry(formats: Sequence[Format]) -> Mapping[str, Format]:
    return {known.name: known for known in formats}


FORMATS: Final = _registry(
    (
        Format(
            "requirements",
            ".txt",
            "requirements.txt, for pip and uv",
            _write_requirements,
            _requirements_commands,
        ),
        Format(
            "json",
            ".json",
            "JSON, for programs (schema cudalock.solve/1)",
            _write_json,
            _no_commands,
        ),
    )
)
"""Every format, by the name `--format` takes."""
