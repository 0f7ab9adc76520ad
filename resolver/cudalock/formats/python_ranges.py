"""Which Pythons a lock is for, as ranges of versions."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cudalock.targets import Target

Bound = tuple[int, ...]
"""A version as numbers: a minor release, or a patch of one."""


def requires_python(targets: Iterable[Target]) -> str:
    """The specifier that admits the targets' Pythons and no other minor."""
    ranges = joined(bounds_of(target) for target in targets)
    parts = [f">={dotted(ranges[0][0])}", f"<{dotted(ranges[-1][1])}"]
    for (_, high), (low, _) in pairwise(ranges):
        parts += [f"!=3.{minor}.*" for minor in range(high[1], low[1])]
    return ",".join(parts)


def bounds_of(target: Target) -> tuple[Bound, Bound]:
    """The range of a target: from the Python it names to the next minor release."""
    low = tuple(int(part) for part in target.python.split("."))
    return low, (low[0], low[1] + 1)


def joined(bounds: Iterable[tuple[Bound, Bound]]) -> list[tuple[Bound, Bound]]:
    """The ranges in order, those that touch made one."""
    found: list[tuple[Bound, Bound]] = []
    for low, high in sorted(bounds):
        if found and low <= found[-1][1]:
            found[-1] = found[-1][0], max(high, found[-1][1])
        else:
            found.append((low, high))
    return found


def dotted(bound: Bound) -> str:
    """`3.12` for (3, 12)."""
    return ".".join(map(str, bound))


__all__ = ["Bound", "bounds_of", "dotted", "joined", "requires_python"]
