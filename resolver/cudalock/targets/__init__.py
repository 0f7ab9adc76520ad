"""Targets: the machine solved for.

`target` is the value, `platforms` and `pythons` read what people call its parts, `tags` ranks
wheels for it, and `detect` answers for what nobody stated.
"""

from cudalock.targets.detect import Here, current, current_python, this_platform
from cudalock.targets.platforms import (
    DEFAULT_GLIBC,
    DEFAULT_MACOS,
    PLATFORMS,
    is_musl,
    parse_platform,
    platform_words,
)
from cudalock.targets.pythons import parse_python
from cudalock.targets.tags import Tags, is_bare_linux
from cudalock.targets.target import Target, newest_driver

__all__ = [
    "DEFAULT_GLIBC",
    "DEFAULT_MACOS",
    "PLATFORMS",
    "Here",
    "Tags",
    "Target",
    "current",
    "current_python",
    "is_bare_linux",
    "is_musl",
    "newest_driver",
    "parse_platform",
    "parse_python",
    "platform_words",
    "this_platform",
]
