"""Notebooks: the Python in their cells, and the commands that install something."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# `!pip` runs a shell, `%pip` the magic for the kernel's own environment.
_COMMAND: Final = re.compile(r"^\s*[!%]{1,2}\s*(.*)$")
_INSTALLS: Final = re.compile(r"\b(?:pip3?|conda|mamba|micromamba)\s+install\b")
# `name?` and `name??` show help in IPython, and are no Python.
_MAGIC: Final = re.compile(r"^\s*[!%?]|^[^#\n]*\?\??\s*$")
# The whole cell goes to a shell.
_SHELL_CELL: Final = re.compile(r"^%%(?:bash|sh|shell|script\s+(?:ba)?sh)\b")
_PYTHON_CELL: Final = ("%%time", "%%timeit", "%%capture", "%%prun", "%%memit")
"""Magics that run the cell below them as Python."""


class Cell(NamedTuple):
    """The Python of a cell, with all other lines left empty. `number` counts from 1."""

    number: int
    source: str


class Command(NamedTuple):
    """A line for the shell that installs something, without the sign before it."""

    cell: int
    line: int
    text: str


class Notebook(NamedTuple):
    """The code of a notebook."""

    cells: tuple[Cell, ...]
    commands: tuple[Command, ...]


def read_notebook(content: bytes) -> Notebook:
    """Read the code cells. Raises ValueError, with a sentence, for an invalid notebook."""
    try:
        # Windows' editors write a byte order mark, which json refuses.
        document = json.loads(content.decode("utf-8-sig"))
        sources = list(_sources(document))
    except (ValueError, RecursionError, AttributeError, TypeError, KeyError):
        raise ValueError("cannot read this notebook") from None
    cells, commands = [], []
    for number, source in sources:
        python, lines = _parted(source)
        cells.append(Cell(number, python))
        commands += [Command(number, line, text) for line, text in lines if _INSTALLS.search(text)]
    return Notebook(tuple(cells), tuple(commands))


def _sources(document: dict[str, Any]) -> Iterator[tuple[int, str]]:
    for number, cell in enumerate(document["cells"], 1):
        if cell.get("cell_type") == "code":
            source = cell.get("source", "")
            # nbformat allows a list of lines as well as a string.
            yield number, source if isinstance(source, str) else "".join(source)


def _parted(source: str) -> tuple[str, list[tuple[int, str]]]:
    """Return a cell's Python, and its lines for the shell with their numbers."""
    lines = source.splitlines()
    if lines and _SHELL_CELL.match(lines[0]):
        return "", list(enumerate(lines[1:], 2))
    # `%%writefile`, `%%html` and the like: the cell is text of something else.
    if lines and lines[0].startswith("%%") and lines[0].split()[0] not in _PYTHON_CELL:
        return "", []
    python, shell = [], []
    for number, line in enumerate(lines, 1):
        if not _MAGIC.match(line):
            python.append(line)
            continue
        # Something has to be there, or an `if` above would have no body.
        python.append(line[: len(line) - len(line.lstrip())] + "pass")
        if command := _COMMAND.match(line):
            shell.append((number, command[1]))
    return "\n".join(python), shell


__all__ = ["Cell", "Command", "Notebook", "read_notebook"]
