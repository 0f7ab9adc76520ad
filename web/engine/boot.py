"""The start of the resolver in the browser: files that come when they are opened, then the page.

Most of the standard library, of the engine and of the matrix is never needed. Such a file lies in
its folder, empty, until something opens it: then it is fetched, alone or with the pack that it is
in. Nothing of the engine knows of that.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from web.engine.pageapi import Page

MATRIX: Final = "cudalock/data"
"""Where the matrix lies, below the folder of packages."""
TARGETS: Final = 8
"""Targets of which it is kept what problems share: enough for the options of one selection."""


class LateFiles:
    """Files that are fetched when they are opened."""

    def __init__(self, sources: Mapping[str, str], fetch: Callable[[str], bytes]) -> None:
        """`sources` names what each file, by its path, comes in: a pack, or a file of the site."""
        self._sources = dict(sources)
        self._fetch = fetch

    def on_open(self, event: str, arguments: tuple[Any, ...]) -> None:
        """The audit hook: fetch a file before it is opened."""
        if event != "open" or not isinstance(arguments[0], str):
            return
        source = self._sources.get(arguments[0])
        if source is None:
            return
        if not source.endswith(".pack"):
            del self._sources[arguments[0]]
            Path(arguments[0]).write_bytes(self._fetch(source))
            return
        # First: what is written below is opened as well.
        self._sources = {path: other for path, other in self._sources.items() if other != source}
        for path, content in unpacked(gzip.decompress(self._fetch(source))):
            Path(path).write_bytes(content)


def unpacked(pack: bytes) -> Iterator[tuple[str, memoryview]]:
    """Yield the files of a pack: the length of a table, the table, and their contents."""
    length = int.from_bytes(pack[:4], "little")
    table: list[tuple[str, int]] = json.loads(pack[4 : 4 + length])
    # A view: a copy of every file at once would stay with the browser's memory.
    contents, start = memoryview(pack), 4 + length
    for path, size in table:
        yield path, contents[start : start + size]
        start += size


def open_page(packages: str, sources: Mapping[str, str], fetch: Callable[[str], bytes]) -> Page:
    """Return the page over the matrix below the folder of packages."""
    sys.addaudithook(LateFiles(sources, fetch).on_open)
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.store import COMPILED
    from cudalock.resolution.shared import keep_targets
    from web.engine.pageapi import Page

    keep_targets(TARGETS)
    folder = Path(packages) / MATRIX
    # The TOML files, which `Matrix.load` compares the copy with, are not here.
    compiled = json.loads((folder / COMPILED).read_bytes())
    return Page(Matrix(folder, {name: table for name, (_, table) in compiled.items()}))
