"""The start of the resolver in the browser: files that come when they are opened, then the page.

Most of the standard library, of the engine and of the matrix is never needed. Such a file lies in
its folder, empty, until something opens it: then it is fetched, alone or with the pack that it is
in. Nothing of the engine knows of that.
"""

from __future__ import annotations

import gzip
import json
import sys
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from web.engine.pageapi import Page

MATRIX: Final = "cudalock/data"
"""Where the matrix lies, below the folder of packages."""
TARGETS: Final = 8
"""Targets of which it is kept what problems share: enough for the options of one selection."""


class Buffer(Protocol):
    """Bytes of the browser."""

    def to_bytes(self) -> bytes:
        """Return a copy of them as Python's."""


class Server(Protocol):
    """What the browser does for Python, at once."""

    def read(self, name: str) -> Buffer:
        """Return a file of the engine's folder."""

    def store(self, name: str, path: str) -> None:
        """Write a file of the engine's folder to a path."""

    def in_use(self) -> int:
        """Return how many bytes of the memory are in use."""


class LateFiles:
    """Files that are fetched when they are opened."""

    def __init__(self, sources: Mapping[str, str], server: Server) -> None:
        """`sources` names what each file, by its path, comes in: a pack, or a file of the site."""
        self._sources = dict(sources)
        self._server = server

    def on_open(self, event: str, arguments: tuple[Any, ...]) -> None:
        """The audit hook: fetch a file before it is opened."""
        if event != "open" or not isinstance(arguments[0], str):
            return
        source = self._sources.get(arguments[0])
        if source is None:
            return
        if not source.endswith(".pack"):
            del self._sources[arguments[0]]
            # Past Python: two copies of a large file would stay with the browser's memory.
            self._server.store(source, arguments[0])
            return
        # First: what is written below is opened as well.
        self._sources = {path: other for path, other in self._sources.items() if other != source}
        packed = self._server.read(source).to_bytes()
        with gzip.open(BytesIO(packed)) as pack:
            for path, content in unpacked(pack):
                Path(path).write_bytes(content)


def unpacked(pack: IO[bytes] | gzip.GzipFile) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a pack: the length of a table, the table, and their contents.

    One after the other: all of them at once would stay with the browser's memory.
    """
    length = int.from_bytes(pack.read(4), "little")
    table: list[tuple[str, int]] = json.loads(pack.read(length))
    for path, size in table:
        yield path, pack.read(size)


def open_page(packages: str, sources: Mapping[str, str], server: Server) -> Page:
    """Return the page over the matrix below the folder of packages."""
    sys.addaudithook(LateFiles(sources, server).on_open)
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.store import COMPILED
    from cudalock.resolution.shared import keep_targets
    from web.engine.pageapi import Page, Room

    keep_targets(TARGETS)
    folder = Path(packages) / MATRIX
    # The TOML files, which `Matrix.load` compares the copy with, are not here.
    compiled = json.loads((folder / COMPILED).read_bytes())
    tables = {name: table for name, (_, table) in compiled.items()}

    def opened() -> Matrix:
        return Matrix(folder, tables)

    return Page(opened(), Room(server.in_use, opened))
