""".python-version, as pyenv and uv write it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cudalock.projects.model import ProjectFile, StatedValue

if TYPE_CHECKING:
    from cudalock.projects.model import Encoding
    from cudalock.projects.syntax.text import Text

# pyenv takes `3.11` and `3.11.9`, uv also `cpython-3.12` and `3.13t`, the free-threaded build.
# Other implementations (`pypy3.10-7.3`) are not CPython, and match nothing.
_VERSION: Final = re.compile(
    r"^[ \t]*(?:c?python-?|cp)?(3\.[0-9]{1,2}(?:\.[0-9]{1,3})?t?)(?=[ \t\r]*(?:#|$))", re.M
)


def read(text: Text, encoding: Encoding) -> ProjectFile:
    """The first version of CPython that the file names: pyenv runs `python` with the first."""
    match = _VERSION.search(text.text)
    python = StatedValue(match[1], text.place(*match.span(1))) if match else None
    return ProjectFile(text.name, "python-version", text.text, encoding, python=python)
