"""What is read inside a wheel on a server, for the labels that neither its name nor METADATA gives:
the text of a small file, and what its shared objects link. Nothing is unpacked to the disk.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Final

from cudalock.files import read_member
from cudalock.indexes.elf import Links, read_links
from cudalock.indexes.metadata import TAIL, NoRanges, RemoteFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.indexes.client import Web

LARGEST_TEXT: Final = 1 << 16
LARGEST_LIBRARY: Final = 64 << 20
"""Bytes of a shared object that is read; larger ones are machine code for GPUs, and the small ones
beside them link the same libraries."""
MOST_LIBRARIES: Final = 16


class WheelContents:
    """The members of one wheel, read when they are asked for, each request a part of the file.

    What cannot be read is not there. Raises NetworkError for a server in trouble.
    """

    def __init__(self, web: Web, url: str) -> None:
        self._web = web
        self._url = url

    @cached_property
    def _archive(self) -> zipfile.ZipFile | None:
        try:
            # Buffered: zipfile reads a few bytes at a time, and each would be a request.
            return zipfile.ZipFile(io.BufferedReader(RemoteFile(self._web, self._url), TAIL))
        except (NoRanges, zipfile.BadZipFile, ValueError, OSError):
            return None

    def text(self, pattern: str) -> str | None:
        """Return the first small file whose path fits a pattern."""
        content = next(self._contents(pattern, LARGEST_TEXT), None)
        return None if content is None else content.decode("utf-8", "replace")

    @cached_property
    def links(self) -> tuple[Links, ...]:
        """What the smallest shared objects link; empty if there are none, or none can be read."""
        contents = self._contents("*.so*", LARGEST_LIBRARY)
        return tuple(links for links in map(read_links, contents) if links is not None)

    def _contents(self, pattern: str, largest: int) -> Iterator[bytes]:
        archive = self._archive
        members = archive.infolist() if archive is not None else []
        fitting = [
            member
            for member in members
            if fnmatchcase(member.filename, pattern) and 0 < member.file_size <= largest
        ]
        for member in sorted(fitting, key=lambda member: member.file_size)[:MOST_LIBRARIES]:
            try:
                if archive is not None:
                    yield read_member(archive, member, largest)
            except (NoRanges, zipfile.BadZipFile, zlib.error, ValueError, OSError):
                continue


__all__ = ["WheelContents"]
