"""A source archive as a stream: the names of its members, and the text of a few small ones.

Nothing is written to disk, and nothing is trusted: sizes in headers, numbers of members and what
decompression makes of a few bytes are all bounded.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Final, cast

from cudalock.files import read_member
from cudalock.records import NamedTuple
from cudalock.versions import canonical

LARGEST: Final = 128 << 20
"""Bytes of an archive. The largest pure one that goals of this field led to has 20 MiB: jieba."""
LARGEST_UNPACKED: Final = 512 << 20
"""Bytes that an archive may unpack to; the sources of PyTorch have 400 MiB."""
LARGEST_TEXT: Final = 2 << 20
"""Bytes of one member that is read."""
MOST_MEMBERS: Final = 50_000
AT_ONCE: Final = 4 << 20
"""Bytes of a single read. tarfile takes the length of a header from the header itself."""

_TEXTS: Final = re.compile(
    r"(?:PKG-INFO|pyproject\.toml|setup\.py|setup\.cfg"
    r"|(?:[^/]+/)?[^/]+\.egg-info/(?:PKG-INFO|requires\.txt|SOURCES\.txt))"
)


_EGG_INFO: Final = re.compile(r"(?:[^/]+/)?([^/]+)\.egg-info/([^/]+)")


class UnreadableArchive(Exception):
    """An archive that is damaged, hostile or too large; the message is a clause about it."""


class Contents(NamedTuple):
    """What was read of an archive, with paths below its one top folder."""

    names: tuple[str, ...]
    texts: dict[str, str]

    def text(self, name: str) -> str | None:
        """Return the text of a member such as `setup.py`."""
        return self.texts.get(name)

    def egg_info(self, project: str | None, file: str) -> str | None:
        """Return a file of the project's egg-info, at the top or one folder below."""
        found = [
            name
            for name in self.texts
            if (match := _EGG_INFO.fullmatch(name)) is not None
            and match[2] == file
            and (project is None or canonical(match[1]) == canonical(project))
        ]
        return self.texts[min(found, key=lambda name: (name.count("/"), name))] if found else None


def read_archive(file: str, content: bytes) -> Contents:
    """Read an archive by the ending of its file name. Raises UnreadableArchive."""
    try:
        members = _zip(content) if file.endswith(".zip") else _tar(file, content)
        return _contents(members)
    except UnreadableArchive:
        raise
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, zlib.error, lzma.LZMAError):
        raise UnreadableArchive("is damaged, or was cut short") from None
    # A chain of headers, an encrypted member, an unknown compression, a name that is empty: zipfile
    # and tarfile raise what they like.
    except Exception:
        raise UnreadableArchive("is not a readable archive") from None


def _contents(members: Iterator[tuple[str, bytes | None]]) -> Contents:
    names: list[str] = []
    texts: dict[str, str] = {}
    for path, content in members:
        name = _below_top(path)
        if name is None:
            continue
        names.append(name)
        if len(names) > MOST_MEMBERS:
            raise UnreadableArchive(f"has more than {MOST_MEMBERS:,} members")
        # Of two members of one name an installer keeps the last.
        if content is not None:
            texts[name] = content.decode("utf-8", "replace")
    if not names:
        raise UnreadableArchive("is empty")
    return Contents(tuple(names), texts)


def _below_top(path: str) -> str | None:
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]
    return "/".join(parts[1:]) if len(parts) > 1 and ".." not in parts else None


def _is_text(path: str) -> bool:
    name = _below_top(path)
    return name is not None and _TEXTS.fullmatch(name) is not None


# -- tar ----------------------------------------------------------------------------------------


def _tar(file: str, content: bytes) -> Iterator[tuple[str, bytes | None]]:
    stream = _Forward(_decompressed(file, io.BytesIO(content)))
    # "r:", and not the mode for streams: that one gathers a header of any length in memory.
    with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r:") as archive:
        while (member := archive.next()) is not None:
            if not member.isfile():
                continue
            if not _is_text(member.name):
                yield member.name, None
                continue
            if member.size > LARGEST_TEXT:
                raise UnreadableArchive(f"has a `{_shown(member.name)}` of {member.size:,} bytes")
            opened = archive.extractfile(member)
            yield member.name, opened.read(LARGEST_TEXT) if opened else b""


def _decompressed(file: str, raw: IO[bytes]) -> IO[bytes]:
    if file.endswith((".tar.gz", ".tgz")):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=raw))
    if file.endswith((".tar.bz2", ".tbz")):
        return cast("IO[bytes]", bz2.BZ2File(raw))
    if file.endswith((".tar.xz", ".tar.lzma")):
        return cast("IO[bytes]", lzma.LZMAFile(raw))
    if file.endswith(".tar"):
        return raw
    raise UnreadableArchive("has an ending that is none of a source archive")


class _Forward:
    """A bounded file for tarfile: no large read, and no byte past the limit."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= AT_ONCE:
            raise UnreadableArchive("has a header that is too long")
        self._check(self._file.tell() + size)
        return self._file.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET:
            raise UnreadableArchive("is not a readable archive")
        self._check(offset)
        return self._file.seek(offset)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()

    @staticmethod
    def _check(position: int) -> None:
        if position > LARGEST_UNPACKED:
            raise UnreadableArchive(f"unpacks to more than {LARGEST_UNPACKED >> 20} MiB")


# -- zip ----------------------------------------------------------------------------------------


def _zip(content: bytes) -> Iterator[tuple[str, bytes | None]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if len(members) > MOST_MEMBERS:
            raise UnreadableArchive(f"has more than {MOST_MEMBERS:,} members")
        if sum(member.file_size for member in members) > LARGEST_UNPACKED:
            raise UnreadableArchive(f"unpacks to more than {LARGEST_UNPACKED >> 20} MiB")
        for member in members:
            if member.is_dir():
                continue
            if not _is_text(member.filename):
                yield member.filename, None
                continue
            if member.file_size > LARGEST_TEXT:
                raise UnreadableArchive(f"has a `{_shown(member.filename)}` that is too long")
            yield member.filename, read_member(archive, member, LARGEST_TEXT)


def _shown(path: str) -> str:
    return re.sub(r"[^\x20-\x7e]|`", "?", path)[-60:]
