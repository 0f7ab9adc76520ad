"""Whether a file says how something is built that has no wheel: without isolation, beside torch."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cudalock.compat.unbuilt import SOURCE_ONLY
from cudalock.files import read_limited
from cudalock.projects.kinds import MEGABYTE
from cudalock.projects.model import Declared
from cudalock.records import replace
from cudalock.versions import canonical, pins_exactly

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cudalock.compat.pins import PinConflict
    from cudalock.projects.model import ProjectFile

_FLAG: Final = "--no-build-isolation"
_KEY: Final = "no-build-isolation"
_EXTRA_KEY: Final = "extra-build-dependencies"
_OF_UV: Final = ("pyproject", "uv-lock", "pixi")
"""The kinds of files that uv's settings are about, or pixi's, which hands its own to uv; those of a
lock stand beside it."""
_OF_PIXI: Final = ("pypi-options",)
_EXTRA: Final = "extra:"
_BUILT: Final = re.compile(r"^\s*\[build-system\]", re.MULTILINE)
_IN_PYPROJECT: Final = ("tool", "uv")


class BuildRecipes:
    """The projects of one file of which the command, or uv's settings, say how they are built."""

    def __init__(self, file: ProjectFile) -> None:
        self._file = file

    def has(self, declared: Declared) -> bool:
        """Return whether the file says how to build one of its entries."""
        if self._file.kind in _OF_UV:
            return self._by_uv is None or declared.name in self._by_uv
        text = self._file.text
        return _FLAG in text and _FLAG in command_at(text, declared.place.start)

    @cached_property
    def _by_uv(self) -> set[str] | None:
        """The projects that uv builds beside the installed ones, None for all of them."""
        named: set[str] = set()
        for text, keys in self._settings():
            if _KEY in text or _EXTRA_KEY in text:
                table = _table(text, keys)
                if table.get(_KEY) is True:
                    return None
                # pixi has the names under the key itself.
                names = table.get(_KEY)
                if isinstance(names, list):
                    named |= {canonical(name) for name in names if isinstance(name, str)}
                named |= set(_named_in(table))
        return named

    def _settings(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The texts that hold uv's settings for the file, with the keys that lead to them."""
        if self._file.kind == "pixi":
            yield self._file.text, _OF_PIXI
            return
        if self._file.kind == "pyproject":
            yield self._file.text, _IN_PYPROJECT
            yield self._file.text, ("tool", "pixi", *_OF_PIXI)
        elif (beside := _read_beside(self._file.name, "pyproject.toml")) is not None:
            yield beside, _IN_PYPROJECT
        # uv.toml stands for the whole table of pyproject.toml; what either says is a recipe.
        if (beside := _read_beside(self._file.name, "uv.toml")) is not None:
            yield beside, ()


def offered_in_extra(clash: PinConflict, file: ProjectFile, framework: str) -> PinConflict:
    """Return a finding on what has to be built as a warning, where a library offers a range of it
    as an extra.

    A range is the most that published metadata can say: a package index takes no project that
    requires a URL, and a wheel is for one release of the framework, which the user chooses. An
    exact pin is an application's, which can name the wheel.
    """
    declared = clash.members[0].origin if clash.members else None
    if clash.finding.code != SOURCE_ONLY or not isinstance(declared, Declared):
        return clash
    owner = file.at(declared.place)
    is_extra = (declared.group or "").startswith(_EXTRA)
    is_open = not declared.url and not pins_exactly([declared.specifier])
    if not is_extra or not is_open or owner is None or not _is_published(owner):
        return clash
    fix = (
        "keep it an extra, and advise users to add a wheel to their environment: `cudalock solve"
        f" --keep {framework} {declared.name}`; published metadata takes no URL"
    )
    return clash._replace(finding=replace(clash.finding, severity="warning", fix=fix), changes=())


def _is_published(file: ProjectFile) -> bool:
    """Whether a file is the metadata of a package that is built, and not of an application."""
    return file.kind == "setup-cfg" or (
        file.kind == "pyproject" and _BUILT.search(file.text) is not None
    )


def command_at(text: str, at: int) -> str:
    """Return the line at a place, with the lines that continue it."""
    lines = text.splitlines(keepends=True)
    starts, position = [], 0
    for line in lines:
        starts.append(position)
        position += len(line)
    first = max((number for number, start in enumerate(starts) if start <= at), default=0)
    last = first
    while first > 0 and lines[first - 1].rstrip().endswith("\\"):
        first -= 1
    while last + 1 < len(lines) and lines[last].rstrip().endswith("\\"):
        last += 1
    return "".join(lines[first : last + 1])


def _table(text: str, keys: Iterable[str]) -> dict[str, Any]:
    """The table that keys lead to; empty where there is none, or the text is no TOML."""
    # Imported here: a check of a requirements file reads no TOML.
    from cudalock import toml

    try:
        table: Any = toml.loads(text)
    except toml.TOMLDecodeError:
        return {}
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    return table if isinstance(table, dict) else {}


def _named_in(table: Mapping[str, Any]) -> Iterator[str]:
    for key in (f"{_KEY}-package", _EXTRA_KEY):
        names = table.get(key)
        if isinstance(names, list | dict):
            yield from (canonical(name) for name in names if isinstance(name, str))


def _read_beside(file: str, name: str) -> str | None:
    """The text of a file in the same folder, None where there is none that can be read."""
    try:
        return read_limited(Path(file).with_name(name), MEGABYTE).decode("utf-8")
    except (OSError, ValueError):
        return None


__all__ = ["BuildRecipes", "command_at", "offered_in_extra"]
