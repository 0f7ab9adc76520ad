"""The Pythons of a lock as version ranges."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cudalock.targets import Target

Bound = tuple[int, ...]
"""A version as numbers: a minor release, or a patch of one."""


def requires_python(targets: Iterable[Target]) -> str:
    """Return the specifier that contains the targets' Pythons and no other minor release.

    For 3.10 and 3.12 that is `>=3.10,<3.13,!=3.11.*`.
    """
    ranges = joined(bounds_of(target) for target in targets)
    parts = [f">={dotted(ranges[0][0])}", f"<{dotted(ranges[-1][1])}"]
    for (_, high), (low, _) in pairwise(ranges):
        parts += [f"!=3.{minor}.*" for minor in range(high[1], low[1])]
    return ",".join(parts)


def bounds_of(target: Target) -> tuple[Bound, Bound]:
    """Return the range of a target: from its Python up to the next minor release."""
    low = tuple(int(part) for part in target.python.split("."))
    return low, (low[0], low[1] + 1)


def joined(bounds: Iterable[tuple[Bound, Bound]]) -> list[tuple[Bound, Bound]]:
    """Return the ranges in order, with adjacent ones merged."""
    ranges: list[tuple[Bound, Bound]] = []
    for low, high in sorted(bounds):
        if ranges and low <= ranges[-1][1]:
            ranges[-1] = ranges[-1][0], max(high, ranges[-1][1])
        else:
            ranges.append((low, high))
    return ranges


def dotted(bound: Bound) -> str:
    """Return `3.12` for (3, 12)."""
    return ".".join(map(str, bound))
