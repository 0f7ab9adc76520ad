"""Lists of installed packages, as pip, uv, conda and PyTorch's `collect_env` print them.

torch        2.2.0+cu121                                     pip list, uv pip list, poetry show
pytorch      2.2.2    py3.10_cuda11.8_cudnn8.7.0_0  pytorch  conda list
pytorch=2.2.2=py3.10_cuda11.8_cudnn8.7.0_0                   conda list --export
https://conda.anaconda.org/pytorch/linux-64/pytorch-2.2.2-py3.10_cuda11.8_0.tar.bz2    --explicit
[pip3] torch==2.2.2     [conda] pytorch  2.2.2  py3.10_...   python -m torch.utils.collect_env
Name: torch / Version: 2.2.2                                 pip show
{"name": "torch", "version": "2.2.2"}                        pip list --format=json
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from cudalock.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NAME: Final = r"(?P<name>_?[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)"
_VERSION: Final = r"(?P<version>v?[0-9][A-Za-z0-9.!+_-]*)"
_REST: Final = r"(?:[ \t]+(?P<rest>\S.*?))?[ \t]*"

_TABLE_HEAD: Final = re.compile(r"[#\s]*(?:Package|Name)[ \t]+Version(?:[ \t]+(?P<columns>.*))?")
_ROW: Final = re.compile(rf"[\s│├└─]*{_NAME}[ \t]+{_VERSION}{_REST}")
_EXPORTED: Final = re.compile(rf"{_NAME}={_VERSION}=(?P<build>[^=\s]+)[ \t]*")
_EXPLICIT: Final = re.compile(
    r"https?://\S+/(?P<channel>[^/\s]+)/[^/\s]+/(?P<file>[^/\s]+)\.(?:conda|tar\.bz2)"
    r"(?:#\S*)?[ \t]*"
)
_COLLECTED: Final = re.compile(
    rf"\[(?P<tool>pip[0-9]?|conda)\][ \t]+{_NAME}(?:==|[ \t]+){_VERSION}{_REST}"
)
_SHOWN_NAME: Final = re.compile(rf"Name: {_NAME}\s*")
_SHOWN_VERSION: Final = re.compile(rf"Version: {_VERSION}\s*")
_OBJECT: Final = re.compile(r"\{[^{}]*\}")
_FIELD: Final = re.compile(r'"(name|version|build_string|channel)"\s*:\s*"([^"\\]*)"')

_COMMAND: Final = re.compile(r"\b(?:pip[0-9]?|conda|mamba|uv|poetry|python\S*) [a-z-]|\$ ")
"""In a line that was copied with the list: the command that printed it."""
_LONGEST: Final = 1000
"""Characters: a longer line is none of such a list, and patterns slow down on it."""
_CONDA_COLUMNS: Final = ("build", "channel")
_OF_PIP: Final = "pypi"
"""What conda names as channel, and begins a build string with, for what pip installed."""


class ListedPackage(NamedTuple):
    """One installed package, at the characters `start` to `end` of the text."""

    name: str
    version: str
    start: int
    end: int
    is_of_conda: bool = False
    """whether conda installed it, whose names are not those of the package index"""
    build: str | None = None
    channel: str | None = None


def is_package_list(text: str) -> bool:
    """Return whether a text of no known kind is such a list, and not a requirements file."""
    lines = [line for line in text.splitlines() if line.strip()]
    if has_list(lines) or (text.lstrip()[:1] == "[" and any(_of_json(text))):
        return True
    entries = [
        line
        for line in lines
        if not line.lstrip().startswith(("#", "@")) and not _COMMAND.search(line[:_LONGEST])
    ]
    return bool(entries) and any(all(map(form, entries)) for form in (_row, _exported, _explicit))


def has_list(lines: Sequence[str]) -> bool:
    """Return whether some line is one that only such lists have: a header, a `[pip3]`."""
    if any(map(_head, lines)) or any(map(_collected, lines)):
        return True
    return any(
        _SHOWN_NAME.fullmatch(first) and _SHOWN_VERSION.fullmatch(second)
        for first, second in pairwise(lines)
    )


def packages(text: str) -> Iterator[ListedPackage]:
    """Yield the packages of a list, in order. What is on other lines is not looked at."""
    if text.lstrip()[:1] == "[" and any(_of_json(text)):
        yield from _of_json(text)
        return
    # Beside lines that only such lists have, a word and a number may be anything.
    is_table = not has_list(text.splitlines())
    columns: tuple[str, ...] = ()
    shown: str | None = None
    position = 0
    for line in text.splitlines(keepends=True):
        start, bare = position, line.rstrip("\r\n")
        position += len(line)
        if not bare:
            is_table = is_table and not columns
            continue
        if head := _head(bare):
            is_table, columns = True, tuple((head["columns"] or "").lower().split())
            continue
        is_table = is_table and (bool(bare.strip()) or not columns)
        listed = _collected(bare) or _exported(bare) or _explicit(bare)
        listed = listed or (_row(bare, columns) if is_table else None)
        if match := _SHOWN_NAME.fullmatch(bare[:_LONGEST]):
            shown = match["name"]
        elif shown is not None and (match := _SHOWN_VERSION.fullmatch(bare[:_LONGEST])):
            listed = ListedPackage(shown, match["version"], 0, len(bare))
            shown = None
        if listed is not None:
            yield listed._replace(start=start + listed.start, end=start + listed.end)


# -- one line -----------------------------------------------------------------------------------


def _match(form: re.Pattern[str], line: str) -> re.Match[str] | None:
    return form.fullmatch(line) if len(line) <= _LONGEST else None


def _head(line: str) -> re.Match[str] | None:
    return _match(_TABLE_HEAD, line)


def _row(line: str, columns: tuple[str, ...] = ()) -> ListedPackage | None:
    match = _match(_ROW, line)
    if match is None:
        return None
    words = (match["rest"] or "").split()
    build = channel = None
    if any(column in columns for column in _CONDA_COLUMNS):
        by_column = dict(zip(columns, words, strict=False))
        build, channel = by_column.get("build"), by_column.get("channel") or by_column.get("kind")
    elif not columns and len(words) in (1, 2) and _is_build(words[0]):
        build, channel = (*words, None)[:2]
    return _listed(match, build, channel, is_of_conda=build is not None)


def _collected(line: str) -> ListedPackage | None:
    match = _match(_COLLECTED, line)
    if match is None:
        return None
    build, channel = (*(match["rest"] or "").split(), None, None)[:2]
    return _listed(match, build, channel, is_of_conda=match["tool"] == "conda")


def _exported(line: str) -> ListedPackage | None:
    match = _match(_EXPORTED, line)
    return _listed(match, match["build"], None, is_of_conda=True) if match else None


def _explicit(line: str) -> ListedPackage | None:
    address = _match(_EXPLICIT, line)
    parts = address["file"].rsplit("-", 2) if address else []
    match = _ROW.fullmatch(" ".join(parts[:2])) if len(parts) == 3 else None
    if address is None or match is None:
        return None
    package = _listed(match, parts[2], address["channel"], is_of_conda=True)
    return package._replace(start=0, end=len(line.rstrip()))


def _listed(
    match: re.Match[str], build: str | None, channel: str | None, *, is_of_conda: bool
) -> ListedPackage:
    of_pip = channel == _OF_PIP or (build or "").startswith(f"{_OF_PIP}_")
    span = match.start("name"), len(match[0].rstrip())
    if of_pip:
        return ListedPackage(match["name"], match["version"], *span)
    return ListedPackage(match["name"], match["version"], *span, is_of_conda, build, channel)


def _is_build(word: str) -> bool:
    """Whether a word is a conda build string: `py310h5eee18b_0`, `pypi_0`."""
    return re.fullmatch(r"(?:[\w.*]*_)?[0-9]+", word) is not None


def _of_json(text: str) -> Iterator[ListedPackage]:
    for match in _OBJECT.finditer(text):
        fields = dict(_FIELD.findall(match[0]))
        name, version = fields.get("name"), fields.get("version")
        if name and version:
            channel, build = fields.get("channel"), fields.get("build_string")
            of_pip = channel in (None, _OF_PIP)
            yield ListedPackage(
                name,
                version,
                match.start(),
                match.end(),
                not of_pip,
                None if of_pip else build,
                None if of_pip else channel,
            )


__all__ = ["ListedPackage", "has_list", "is_package_list", "packages"]
