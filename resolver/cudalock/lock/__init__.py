"""The lock: exact pins, their wheels and hashes, and why each is there, in no particular format.

    Resolution ─> build.from_resolution ──> Lock ─┐
    Resolution ─> build.from_resolution ──> Lock ─┴> merge.from_resolutions ─> Lock

`lock` holds the values, `build` fills them from a resolution, `merge` puts several targets into
one lock, `markers` tells the targets apart, `wheels` says which wheel each target takes.
"""

from cudalock.lock.lock import (
    DERIVED,
    GOAL,
    HASHES,
    FileUrl,
    Lock,
    LockedWheel,
    LockWarning,
    Pin,
    ReplacedRequirement,
    origin,
    require_hashes,
)

__all__ = [
    "DERIVED",
    "GOAL",
    "HASHES",
    "FileUrl",
    "Lock",
    "LockWarning",
    "LockedWheel",
    "Pin",
    "ReplacedRequirement",
    "origin",
    "require_hashes",
]
