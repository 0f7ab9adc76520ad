"""The lock: exact pins, their wheels and hashes, and what requires each, in no particular format.

    Resolution ─> build.from_resolution ──> Lock ─┐
    Resolution ─> build.from_resolution ──> Lock ─┴> merge.from_resolutions ─> Lock

`lock` holds the values, `build` makes them from a resolution, `merge` puts several targets into one
lock, `lines` makes one for each line of a project, `markers` finds the markers that separate the
targets, `wheels` chooses each target's wheel, `sources` describes what is built from source, and
`summary` the whole lock in a few lines.
"""

from cudalock.lock.lock import (
    DERIVED,
    GOAL,
    HASHES,
    FileUrl,
    KeptVersion,
    Lock,
    LockedWheel,
    LockWarning,
    NewerRelease,
    Pin,
    PinAdvisory,
    ReplacedRequirement,
    UnknownFact,
    origin,
    require_hashes,
)

__all__ = [
    "DERIVED",
    "GOAL",
    "HASHES",
    "FileUrl",
    "KeptVersion",
    "Lock",
    "LockWarning",
    "LockedWheel",
    "NewerRelease",
    "Pin",
    "PinAdvisory",
    "ReplacedRequirement",
    "UnknownFact",
    "origin",
    "require_hashes",
]
