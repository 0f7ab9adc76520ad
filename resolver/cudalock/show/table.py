"""A table, and its layouts: plain text, Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
import textwrap
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from cudalock.show.wheels import python_ranges
from cudalock.text import ascii_line, ascii_text

if TYPE_CHECKING:
    from collections.abc import Iterator

Cell = str | tuple[str, ...] | None
"""A value, several, or None where nothing is known."""

GAP: Final = "  "
# Narrower columns break package names and versions apart.
NARROWEST: Final = 20
SCHEMA: Final = "cudalock.table/1"


@dataclass(frozen=True, slots=True)
class Column:
    """`key` is its name for programs; `shows` what it is made from (`cudalock.show.cells`)."""

    key: str
    title: str
    shows: str = ""

    def words(self, cell: Cell) -> str:
        """A cell in words; empty where nothing is known."""
        if cell is None or isinstance(cell, str):
            return ascii_line(cell or "")
        return ascii_line(", ".join(python_ranges(cell) if self.shows == "pythons" else cell))


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns. `facts` and `notes` are what a reader has to know besides."""

    name: str
    title: str
    matrix: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    facts: tuple[tuple[str, str], ...] = ()
    """id and sentence of each fact the table rests on or refers to"""
    notes: tuple[str, ...] = ()

    def text(self, width: int | None = None) -> str:
        """Aligned columns. One wider than `width` comes in parts, each with the first column."""
        lines = [f"{self.title} (matrix {self.matrix})", "", *self.lines(width)]
        if self.facts or self.notes:
            lines.append("")
        lines += [f"[{id}] {sentence}" for id, sentence in self.facts]
        lines += self.notes
        return "\n".join(map(plain_line, lines)) + "\n"

    def lines(self, width: int | None = None) -> list[str]:
        """Return only the columns, without title and notes."""
        grid = [[column.title for column in self.columns], *self._words(empty="-")]
        sizes = _sizes(grid, width)
        lines: list[str] = []
        for part in _parts(sizes, width):
            if lines:
                lines.append("")
            for number, row in enumerate(grid):
                lines += _aligned([row[each] for each in part], [sizes[each] for each in part])
                if number == 0:
                    lines.append(GAP.join("-" * sizes[each] for each in part))
        return lines

    def markdown(self) -> str:
        """A pipe table, with its title above and its notes below."""
        grid = [[column.title for column in self.columns], ["---"] * len(self.columns)]
        grid += self._words(empty="")
        # A bar would begin another cell of the Markdown table.
        rows = [
            f"| {' | '.join(word.replace('|', chr(92) + '|') for word in row)} |" for row in grid
        ]
        notes = [f"- `{id}`: {sentence}" for id, sentence in self.facts]
        notes += [f"- {note}" for note in self.notes]
        blocks = [f"{self.title} (matrix {self.matrix})", "\n".join(rows), "\n".join(notes)]
        lines = "\n\n".join(block for block in blocks if block).splitlines()
        return "\n".join(map(plain_line, lines)) + "\n"

    def csv(self) -> str:
        """Comma-separated values under the columns' keys; several values in one cell by `, `."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([column.key for column in self.columns])
        writer.writerows(self._words(empty=""))
        return out.getvalue()

    def document(self) -> dict[str, Any]:
        """The table as JSON has it: `rows` are objects by column key.

        A value is text, a list of texts, or null where nothing is known.
        """
        return {
            "schema": SCHEMA,
            "matrix": self.matrix,
            "name": self.name,
            "title": self.title,
            "columns": [{"key": column.key, "title": column.title} for column in self.columns],
            "rows": [
                {column.key: _json(cell) for column, cell in zip(self.columns, row, strict=True)}
                for row in self.rows
            ],
            "facts": dict(self.facts),
            "notes": list(self.notes),
        }

    def _words(self, *, empty: str) -> Iterator[list[str]]:
        for row in self.rows:
            yield [
                column.words(cell) or empty for column, cell in zip(self.columns, row, strict=True)
            ]


def plain_line(line: str) -> str:
    """A line in printable ASCII, its spaces as they are."""
    shown = "".join(letter if letter.isprintable() else " " for letter in line)
    return ascii_text(shown).rstrip()


def _json(cell: Cell) -> str | list[str] | None:
    return list(cell) if isinstance(cell, tuple) else cell


def _sizes(grid: list[list[str]], width: int | None) -> list[int]:
    """How wide each column is: as its widest cell, or what is left beside the first column."""
    sizes = [max(map(len, cells)) for cells in zip(*grid, strict=True)]
    if width is None:
        return sizes
    room = max(width - sizes[0] - len(GAP), NARROWEST)
    return [sizes[0], *(min(size, room) for size in sizes[1:])]


def _aligned(cells: list[str], sizes: list[int]) -> Iterator[str]:
    """One row: a cell that is too long goes on in the next line."""
    wrapped = [textwrap.wrap(cell, size) or [""] for cell, size in zip(cells, sizes, strict=True)]
    for words in zip_longest(*wrapped, fillvalue=""):
        padded = (word.ljust(size) for word, size in zip(words, sizes, strict=True))
        yield GAP.join(padded).rstrip()


def _parts(sizes: list[int], width: int | None) -> Iterator[list[int]]:
    """Which columns stand beside each other; every part begins with the first column."""
    part = [0]
    for position in range(1, len(sizes)):
        used = sum(sizes[column] + len(GAP) for column in part)
        if width and len(part) > 1 and used + sizes[position] > width:
            yield part
            part = [0]
        part.append(position)
    yield part


__all__ = ["Cell", "Column", "Table", "plain_line"]
