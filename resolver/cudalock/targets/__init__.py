"""Targets: the machine solved for.

`target` is the value. `platforms` and `pythons` are the tables of what there is, and read what
people call it. `tags` ranks wheels for a target and reads what a tag says, `marker_values` lists
what the variables of markers may be anywhere. `facets` is the table of a target's parts and
`accelerators` that of GPU builds. `detect` answers for what nobody stated.
"""

from cudalock.targets.detect import Here, current, current_python, this_platform
from cudalock.targets.platforms import (
    DEFAULT_GLIBC,
    LIKELY,
    LIKELY_WITH_GPU,
    LINUX,
    MACOS,
    PLATFORMS,
    SYSTEMS,
    WINDOWS,
    Platform,
    System,
    is_musl,
    parse_platform,
    platform_words,
)
from cudalock.targets.pythons import LIKELY_PYTHONS, PYTHONS, parse_python
from cudalock.targets.tags import Ranker, Tags, best_wheel, fits_any
from cudalock.targets.target import Target, newest_driver, platforms_of_markers

__all__ = [
    "DEFAULT_GLIBC",
    "LIKELY",
    "LIKELY_PYTHONS",
    "LIKELY_WITH_GPU",
    "LINUX",
    "MACOS",
    "PLATFORMS",
    "PYTHONS",
    "SYSTEMS",
    "WINDOWS",
    "Here",
    "Platform",
    "Ranker",
    "System",
    "Tags",
    "Target",
    "best_wheel",
    "current",
    "current_python",
    "fits_any",
    "is_musl",
    "newest_driver",
    "parse_platform",
    "parse_python",
    "platform_words",
    "platforms_of_markers",
    "this_platform",
]
