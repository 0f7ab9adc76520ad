"""Targets: the machine solved for.

`machine` is the value, `platforms` and `pythons` read what people call its parts, `tags` ranks
wheels for it, and `here` answers for what nobody stated.
"""

from cudalock.target.here import Here, current, current_python, this_platform
from cudalock.target.machine import Target, newest_driver
from cudalock.target.platforms import (
    DEFAULT_GLIBC,
    DEFAULT_MACOS,
    PLATFORMS,
    is_musl,
    parse_platform,
    platform_words,
)
from cudalock.target.pythons import parse_python
from cudalock.target.tags import Tags, is_bare_linux

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
