"""The lock: exact pins, their wheels and hashes, and why each is there, in no particular format.

    Resolution ─> making.from_resolution ──> Lock ─┐
    Resolution ─> making.from_resolution ──> Lock ─┴> merging.from_resolutions ─> Lock

`lock` holds the values, `making` fills them from a resolution, `merging` puts several targets into
one lock, `markers` tells the targets apart, `placing` says which wheel each target takes.
"""

from cudalock.lock.lock import (
    DERIVED,
    GOAL,
    HASHES,
    Address,
    Lock,
    LockedWheel,
    Pin,
    Replaced,
    Warning_,
    demand_hashes,
    origin,
)

__all__ = [
    "DERIVED",
    "GOAL",
    "HASHES",
    "Address",
    "Lock",
    "LockedWheel",
    "Pin",
    "Replaced",
    "Warning_",
    "demand_hashes",
    "origin",
]
