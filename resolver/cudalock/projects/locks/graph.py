"""Which entries of a lock a machine needs, followed along its requirements like an installer."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from cudalock.projects.syntax.pep508 import may_hold

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cudalock.projects.model import Declared, Edge, ProjectFile

_EXTRA: Final = re.compile(r"extra\s*([!=])=\s*(?:'([^']*)'|\"([^\"]*)\")")
_FORK: Final = re.compile(r"(extra|group)-[0-9]+-")
"""How uv writes an extra or a group that excludes another: `extra-3-app-cpu`."""
_GIVEN: Final = re.compile(r"['\"]([^'\"]*)['\"]\s+(not\s+)?in\s+(?:extras|dependency_groups)\b")
"""How a pylock.toml asks for an extra or a group: `'cpu' in extras`."""
_ALWAYS: Final = "python_version != '0'"
_NEVER: Final = "python_version == '0'"


def entries_for(
    file: ProjectFile,
    environment: Mapping[str, str],
    fork: str | None = None,
    *,
    extras: bool = True,
) -> list[Declared]:
    """Return the entries that count for these PEP 508 marker values, in the order of the file.

    Every extra and group of the project itself is requested, none with `extras` False. Of those
    that conflict, the file's forks, at most one is: the given one, and without one none of them.
    """

    def holds(marker: str | None) -> bool:
        return marker is None or may_hold(_in_fork(marker, fork, file.forks), environment)

    here = [package for package in file.declared if holds(package.marker)]
    if file.roots is None:
        return here
    by_name: dict[str, list[Declared]] = {}
    for package in here:
        by_name.setdefault(package.name, []).append(package)
    # By id: the hash of an entry is made of all its files.
    reached: set[int] = set()
    # With the extras: an entry is followed again for requirements of other extras.
    visited: set[tuple[int, tuple[str, ...]]] = set()
    waiting: list[Edge] = [
        edge
        for edge in file.roots
        if edge.extra in (None, fork) or (extras and fork is None and edge.extra not in file.forks)
    ]
    while waiting:
        edge = waiting.pop()
        if not holds(edge.marker):
            continue
        for package in _packages_of(edge, by_name):
            # Locks have cycles: torch 2.0 requires triton 2.0, which requires torch.
            key = id(package), edge.extras
            if key not in visited:
                visited.add(key)
                reached.add(id(package))
                # Requirements of an extra count only along an edge that requests it.
                waiting += [e for e in package.requires if e.extra in (None, *edge.extras)]
    return [package for package in here if id(package) in reached]


def _packages_of(edge: Edge, by_name: Mapping[str, list[Declared]]) -> Iterable[Declared]:
    return [
        package
        for package in by_name.get(edge.name, ())
        if edge.version in (None, package.version)
        and edge.url in (None, package.url)
        and edge.registry in (None, package.index)
    ]


@lru_cache(maxsize=4096)
def _in_fork(marker: str, fork: str | None, forks: tuple[str, ...] = ()) -> str:
    """Return a marker that names no extra: the fork is given, and every other extra is
    requested."""

    # PEP 751: `'cu126' in extras`.
    def is_given(match: re.Match[str]) -> str:
        given = match[1] == fork if match[1] in forks else True
        return _ALWAYS if given is (match[2] is None) else _NEVER

    # uv writes conflicts into markers as extras with a name of its own, which no PEP 508
    # environment has. Text is replaced, since a marker is evaluated for one extra at a time.
    def answer(match: re.Match[str]) -> str:
        name = match[2] or match[3] or ""
        # Poetry has the extras themselves: `extra == "cpu" and extra != "cuda"`.
        if not (_FORK.match(name) or name in forks):
            return _ALWAYS
        return _ALWAYS if (match[1] == "=") == (name == fork) else _NEVER

    return _EXTRA.sub(answer, _GIVEN.sub(is_given, marker))


__all__ = ["entries_for"]
