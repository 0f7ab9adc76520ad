"""Which entries of a lock a machine needs, as an installer walks the lock."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cudalock.projects.declared import Declared, Edge, ProjectFile

_EXTRA: Final = re.compile(r"extra\s*[!=]=\s*(?:'[^']*'|\"[^\"]*\")")
_ALWAYS: Final = "python_version != '0'"


def entries_for(file: ProjectFile, environment: Mapping[str, str]) -> list[Declared]:
    """The entries that count where these PEP 508 marker values hold, in the order of the file.

    Every extra and group of the project itself counts as wanted: of two that exclude each other
    both are here.
    """
    here = [entry for entry in file.declared if _holds(entry.marker, environment)]
    if file.roots is None:
        return here
    by_name: dict[str, list[Declared]] = {}
    for entry in here:
        by_name.setdefault(entry.name, []).append(entry)
    reached: set[int] = set()
    seen: set[tuple[int, tuple[str, ...]]] = set()
    waiting: list[Edge] = list(file.roots)
    while waiting:
        edge = waiting.pop()
        if not _holds(edge.marker, environment):
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
        if edge.version in (None, entry.version) and edge.url in (None, entry.url)
    ]


def _holds(marker: str | None, environment: Mapping[str, str]) -> bool:
    """Whether a marker holds. Which extras are wanted is not asked here."""
    if marker is None:
        return True
    from packaging.markers import InvalidMarker, Marker

    try:
        return Marker(_EXTRA.sub(_ALWAYS, marker)).evaluate({**environment, "extra": ""})
    except (InvalidMarker, RecursionError, ValueError):
        return True


__all__ = ["entries_for"]
