"""Notebooks: what the `pip install` lines of their cells install, and files that cells write.

A cell that begins with `%%writefile requirements.txt` is read as that file where a line of the
notebook installs from it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from cudalock.projects.model import Declared, DeclaredIndex, FileProblem, Option, Place, ProjectFile
from cudalock.projects.readers.requirements import Reader
from cudalock.projects.syntax import pip_command
from cudalock.projects.syntax.logical_lines import logical_lines
from cudalock.projects.syntax.notebook import parted, read_notebook, source_cells, written_file
from cudalock.projects.syntax.shell import commands
from cudalock.projects.syntax.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cudalock.projects.model import Encoding
    from cudalock.projects.readers.requirements import Nested
    from cudalock.projects.syntax.notebook import SourceCell

_OTHER_INSTALLERS: Final = ("conda", "mamba", "micromamba")


def read(text: Text, encoding: Encoding, *, nested: Nested | None = None) -> ProjectFile:
    """Read a notebook."""
    reader = _Notebook(text, nested)
    reader.read()
    return ProjectFile(
        text.name,
        "notebook",
        text.text,
        encoding,
        declared=tuple(sorted(reader.declared, key=lambda declared: declared.place.start)),
        indexes=tuple(reader.indexes),
        options=tuple(reader.options),
        notes=tuple(dict.fromkeys(reader.notes)),
        problems=tuple(dict.fromkeys(reader.problems)),
        nested=tuple(reader.nested),
    )


class _Notebook:
    """The state of reading one notebook."""

    def __init__(self, text: Text, nested: Nested | None) -> None:
        self.text = text
        self.nested_reader = nested
        self.declared: list[Declared] = []
        self.indexes: list[DeclaredIndex] = []
        self.options: list[Option] = []
        self.notes: list[str] = []
        self.problems: list[FileProblem] = []
        self.nested: list[ProjectFile] = []
        self.written: dict[str, tuple[SourceCell, int]] = {}
        """files that cells write: the cell, and where in it the content begins"""

    def read(self) -> None:
        try:
            read_notebook(self.text.text.encode("utf-8", "replace"))
        except ValueError as error:
            self.problems.append(FileProblem(self.text.place(0, 0), str(error)))
            return
        # Files first: a cell may install from one that a later cell writes, when run again.
        cells = source_cells(self.text.text)
        for cell in cells:
            if (found := written_file(cell.source)) is not None:
                name, start = found
                self.written[PurePath(name).as_posix()] = (cell, start)
        for cell in cells:
            _, lines = parted(cell.source)
            for _, start, end in lines:
                self._command(cell, start, end)

    def _command(self, cell: SourceCell, start: int, end: int) -> None:
        inner = Text(self.text.name, cell.source)
        for words in commands(inner.text, start, end, {}):
            installed = pip_command.read(words, inner, self._of_file(cell))
            if installed is not None:
                self._take(cell, installed.declared, installed.indexes, installed.problems)
                self.options += [
                    option._replace(place=self._place(cell, option.place))
                    for option in installed.options
                ]
                self.nested += installed.nested
            elif any(word.value in _OTHER_INSTALLERS for word in words):
                self.notes.append("what conda installs in a cell is not read")

    def _of_file(self, cell: SourceCell) -> Nested:
        """Return what reads the file of a `-r`: one that a cell writes, else one beside it."""

        def nested(name: str, is_constraint: bool, start: int, end: int) -> ProjectFile | None:
            written = self.written.get(PurePath(name).as_posix())
            if written is None:
                if self.nested_reader is None:
                    return None
                place = self._place(cell, Text(self.text.name, cell.source).place(start, end))
                return self.nested_reader(name, is_constraint, place.start, place.end)
            self._written(*written, is_constraint=is_constraint)
            return None

        return nested

    def _written(self, cell: SourceCell, start: int, *, is_constraint: bool) -> None:
        # A `%%writefile` cell is a requirements file, of which the first line is the magic.
        reader = Reader(Text(self.text.name, cell.source), is_constraint)
        for line in logical_lines(cell.source[start:]):
            pieces = tuple((offset, start + where) for offset, where in line.pieces)
            reader.read_line(type(line)(line.text, pieces, start + line.end))
        self._take(cell, reader.declared, reader.indexes, reader.problems)

    def _take(
        self,
        cell: SourceCell,
        declared: Iterable[Declared],
        indexes: Iterable[DeclaredIndex],
        problems: Iterable[FileProblem],
    ) -> None:
        self.declared += [self._placed(cell, found) for found in declared]
        self.indexes += [index._replace(place=self._place(cell, index.place)) for index in indexes]
        self.problems += [
            problem._replace(place=self._place(cell, problem.place)) for problem in problems
        ]

    def _placed(self, cell: SourceCell, declared: Declared) -> Declared:
        """Return an entry with its places in the file: JSON escapes and splits the text."""
        version, hashes = declared.version_place, declared.hashes_place
        place = self._place(cell, declared.place)
        return replace(
            declared,
            place=place,
            text=self.text.text[place.start : place.end],
            version_place=version and self._exact(cell, version),
            hashes_place=hashes and self._exact(cell, hashes),
        )

    def _place(self, cell: SourceCell, place: Place) -> Place:
        start, end = cell.offset(place.start), cell.offset(max(place.end - 1, place.start))
        return self.text.place(start, end + int(place.end > place.start))

    def _exact(self, cell: SourceCell, place: Place) -> Place | None:
        """Return the place of a text that stands in the file as it is; None for another."""
        # A rewrite puts in plain text, so nothing in the span may be escaped.
        found = self._place(cell, place)
        # An empty span, behind a bare name, is where a version may be put in.
        if place.start == place.end:
            start = cell.offset(place.start - 1) + 1 if place.start else cell.offset(0)
            return self.text.place(start, start)
        same = self.text.text[found.start : found.end] == cell.source[place.start : place.end]
        return found if same else None
