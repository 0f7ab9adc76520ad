"""Notebooks: the Python in their cells, and the commands that install something."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cudalock.text import read_json

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


_WRITTEN: Final = re.compile(
    r"%%writefile[ \t]+(?:-a[ \t]+)?([^\s'\"]+|'[^'\n]*'|\"[^\"\n]*\")[ \t]*\n"
)
_TOKEN: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_ESCAPE: Final = re.compile(r"\\u[0-9A-Fa-f]{4}|\\.", re.DOTALL)


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


class SourceCell(NamedTuple):
    """The source of a code cell, and where each character of it stands in the file."""

    source: str
    pieces: tuple[tuple[int, int, str], ...]
    """strings of the file that follow each other: where each begins in the source and, behind its
    quote, in the file, and how it is written"""

    def offset(self, position: int) -> int:
        """Return where in the file a character of the source begins."""
        index = max(bisect_right([start for start, _, _ in self.pieces], position) - 1, 0)
        start, where, written = self.pieces[index]
        wanted = position - start
        if "\\" not in written[: wanted + 1]:
            return where + wanted
        index = source = 0
        for match in _ESCAPE.finditer(written):
            if index + match.start() - source >= wanted:
                break
            index += match.start() - source + 1
            source = match.end()
        return where + source + wanted - index


def read_notebook(content: bytes) -> Notebook:
    """Read the code cells. Raises ValueError, with a sentence, for an invalid notebook."""
    try:
        # Windows' editors write a byte order mark, which json refuses.
        document = read_json(content.decode("utf-8-sig"))
        sources = list(_sources(document))
    except (ValueError, AttributeError, TypeError, KeyError):
        raise ValueError("cannot read this notebook") from None
    cells, commands = [], []
    for number, source in sources:
        python, lines = parted(source)
        cells.append(Cell(number, python))
        commands += [Command(number, line, source[start:end]) for line, start, end in lines]
    return Notebook(tuple(cells), tuple(commands))


def _sources(document: dict[str, Any]) -> Iterator[tuple[int, str]]:
    for number, cell in enumerate(document["cells"], 1):
        if cell.get("cell_type") == "code":
            source = cell.get("source", "")
            # nbformat allows a list of lines as well as a string.
            yield number, source if isinstance(source, str) else "".join(source)


def source_cells(text: str) -> list[SourceCell]:
    """Return the code cells of the text of a valid notebook, with places."""
    # `cell_type` may stand behind the source that it is about.
    kinds: dict[int, str] = {}
    strings: dict[int, list[tuple[str, int, str]]] = {}
    for path, token, start in _scalars(text):
        if len(path) < 3 or path[0] != "cells" or not isinstance(path[1], int):
            continue
        if path[2:] == ("cell_type",):
            kinds[path[1]] = json.loads(token)
        elif path[2] == "source" and len(path) <= 4 and token.startswith('"'):
            strings.setdefault(path[1], []).append((json.loads(token), start + 1, token[1:-1]))
    cells = []
    for number in sorted(strings):
        if kinds.get(number) == "code":
            source, pieces = "", []
            for value, start, written in strings[number]:
                pieces.append((len(source), start, written))
                source += value
            cells.append(SourceCell(source, tuple(pieces)))
    return cells


def _scalars(text: str) -> Iterator[tuple[tuple[str | int | None, ...], str, int]]:
    """Yield each scalar of a valid JSON text: its path, its text and where it begins."""
    # No recursion: a notebook of somebody else may be nested as deep as it likes.
    above: list[tuple[bool, str | int | None]] = []
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token in "{[":
            above.append((token == "{", None if token == "{" else 0))
        elif token in "}]":
            above.pop()
        elif token == ",":
            is_object, key = above[-1]
            above[-1] = (is_object, None if is_object else int(key or 0) + 1)
        elif token != ":" and above and above[-1] == (True, None):
            above[-1] = (True, json.loads(token))
        elif token != ":":
            yield tuple(key for _, key in above), token, match.start()


def written_file(source: str) -> tuple[str, int] | None:
    """Return the name of the file that a cell writes, and where its content begins."""
    match = _WRITTEN.match(source)
    return (match[1].strip("'\""), match.end()) if match else None


def parted(source: str) -> tuple[str, list[tuple[int, int, int]]]:
    """Return a cell's Python, and its lines that install something: the number, start and end of
    the command within the source."""
    lines = source.splitlines(keepends=True)
    if lines and _SHELL_CELL.match(lines[0]):
        return "", _installing(lines, 1)
    # `%%writefile`, `%%html` and the like: the cell is text of something else.
    if lines and lines[0].startswith("%%") and lines[0].split()[0] not in _PYTHON_CELL:
        return "", []
    python: list[str] = []
    found: list[tuple[int, int, int]] = []
    position = 0
    # The place in `found` of a command that goes on in the next line.
    open_at: int | None = None
    for number, line in enumerate(lines, 1):
        bare = line.rstrip("\r\n")
        end = position + len(bare)
        if open_at is not None:
            python.append("")
            first, start, _ = found[open_at]
            found[open_at] = (first, start, end)
            open_at = open_at if bare.endswith("\\") else None
        elif not _MAGIC.match(bare):
            python.append(bare)
        else:
            # Something has to be there, or an `if` above would have no body.
            python.append(bare[: len(bare) - len(bare.lstrip())] + "pass")
            command = _COMMAND.match(bare)
            if command is not None and _INSTALLS.search(command[1]):
                found.append((number, position + command.start(1), end))
                open_at = len(found) - 1 if bare.endswith("\\") else None
        position += len(line)
    return "\n".join(python), found


def _installing(lines: list[str], first: int) -> list[tuple[int, int, int]]:
    found = []
    position = 0
    for number, line in enumerate(lines, 1):
        end = position + len(line.rstrip("\r\n"))
        if number > first and _INSTALLS.search(line):
            found.append((number, position, end))
        position += len(line)
    return found


__all__ = [
    "Cell",
    "Command",
    "Notebook",
    "SourceCell",
    "parted",
    "read_notebook",
    "source_cells",
    "written_file",
]
