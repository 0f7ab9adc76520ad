"""The named switches of the command line, `--torch` and `--fa2`: keys of component files.

They are read from a small file that is made from the component files, so that a command's help
need not wait for the matrix. Always the embedded one: another matrix does not change the flags.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from cudalock.errors import MatrixError
from cudalock.files import SWITCHES, data_directory, read_text
from cudalock.records import NamedTuple
from cudalock.text import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping


class Switches(NamedTuple):
    """What the command line has a flag for."""

    framework: str
    """the project whose flag takes a version: `--torch 2.5`"""
    by_project: Mapping[str, str]
    """project to its switch without dashes, in the order in which commands are written;
    `--PROJECT` is always a synonym"""


@cache
def read_switches() -> Switches:
    """Return the switches of the embedded matrix. Raises MatrixError where it is damaged."""
    path = data_directory() / SWITCHES
    try:
        table = read_json(read_text(path))
        return Switches(str(table["framework"]), dict(table["switches"]))
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise MatrixError(path.name, "", f"cannot be read: {error}") from None
