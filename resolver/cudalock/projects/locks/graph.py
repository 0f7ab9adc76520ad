"""Which entries of a lock a machine needs, as an installer walks the lock."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from cudalock.projects.syntax.pep508 import may_hold

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cudalock.projects.model import Declared, Edge, ProjectFile

_EXTRA: Final = re.compile(r"extra\s*([!=])=\s*(?:'([^']*)'|\"([^\"]*)\")")
_FORK: Final = re.compile(r"(extra|group)-\d+-")
"""How uv writes an extra or a group that excludes another: `extra-3-app-cpu`."""
_ALWAYS: Final = "python_version != '0'"
_NEVER: Final = "python_version == '0'"


def entries_for(
    file: ProjectFile, environment: Mapping[str, str], fork: str | None = None
) -> list[Declared]:
    """The entries that count where these PEP 508 marker values hold, in the order of the file.

    Every extra and group of the project itself counts as wanted. Of those that exclude each other,
    the file's forks, one at most is: the one that is named, and beside it no other.
    """

    def holds(marker: str | None) -> bool:
        return marker is None or may_hold(_in_fork(marker, fork), environment)

    here = [entry for entry in file.declared if holds(entry.marker)]
    if file.roots is None:
        return here
    by_name: dict[str, list[Declared]] = {}
    for entry in here:
        by_name.setdefault(entry.name, []).append(entry)
    reached: set[int] = set()
    seen: set[tuple[int, tuple[str, ...]]] = set()
    waiting: list[Edge] = [
        edge
        for edge in file.roots
        if edge.extra in (None, fork) or (fork is None and edge.extra not in file.forks)
    ]
    while waiting:
        edge = waiting.pop()
        if not holds(edge.marker):
            continue
        for entry in _meant(edge, by_name):
            key = id(entry), edge.extras
            if key not in seen:
                seen.add(key)
                reached.add(id(entry))
                waiting += [e for e in entry.requires if e.extra in (None, *edge.extras)]
    return [entry for entry in here if id(entry) in reached]


def _meant(edge: Edge, by_name: Mapping[str, list[Declared]]) -> Iterable[Declared]:
    return [
        entry
        for entry in by_name.get(edge.name, ())
        if edge.version in (None, entry.version)
        and edge.url in (None, entry.url)
        and edge.registry in (None, entry.index)
    ]


@lru_cache(maxsize=4096)
def _in_fork(marker: str, fork: str | None) -> str:
    """A marker that asks for no extra: which fork is wanted is known, and all else is wanted."""

    def answer(found: re.Match[str]) -> str:
        name = found[2] or found[3] or ""
        if not _FORK.match(name):
            return _ALWAYS
        return _ALWAYS if (found[1] == "=") == (name == fork) else _NEVER

    return _EXTRA.sub(answer, marker)


__all__ = ["entries_for"]
