"""Whether a file says how something is built that has no wheel: without isolation, beside torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cudalock.versions import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cudalock.projects.model import Declared, ProjectFile

_FLAG: Final = "--no-build-isolation"
_KEY: Final = "no-build-isolation"
_EXTRA_KEY: Final = "extra-build-dependencies"


def may_tell_how(file: ProjectFile) -> bool:
    """Whether it is worth asking `is_told_how` about a file's entries."""
    return _KEY in file.text or _EXTRA_KEY in file.text


def is_told_how(declared: Declared, file: ProjectFile) -> bool:
    """Whether the command, or uv's table, that asks for an entry says how it is built."""
    if file.kind == "pyproject":
        return declared.name in _named_by_uv(file)
    return _FLAG in _command(file.text, declared.place.start)


def _command(text: str, at: int) -> str:
    """The line at a place, with the lines that continue it."""
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


def _named_by_uv(file: ProjectFile) -> set[str]:
    # Imported here: a check of a requirements file reads no TOML.
    from cudalock import toml

    try:
        table: Any = toml.loads(file.text).get("tool", {}).get("uv", {})
    except (toml.TOMLDecodeError, AttributeError):
        return set()
    if not isinstance(table, dict):
        return set()
    if table.get(_KEY) is True:
        return {declared.name for declared in file.declared}
    named: list[Iterable[Any]] = [
        names
        for key in (f"{_KEY}-package", _EXTRA_KEY)
        if isinstance(names := table.get(key), list | dict)
    ]
    return {canonical(name) for names in named for name in names if isinstance(name, str)}


__all__ = ["is_told_how", "may_tell_how"]
