"""METADATA of a wheel without the wheel: offered beside it (PEP 658), else read out of its zip by
Range requests."""

from __future__ import annotations

import hashlib
import io
import zipfile
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

import httpx
from packaging.metadata import parse_email

from cudalock.errors import NetworkError
from cudalock.files import read_member, read_small
from cudalock.indexes.cache import cache_folder, remember
from cudalock.indexes.client import status_of, unreachable
from cudalock.text import read_number
from cudalock.versions import (
    normalized_requirement,
    readable_requirement,
    readable_specifier,
)

if TYPE_CHECKING:
    from cudalock.indexes.client import Web
    from cudalock.indexes.listings import File

TAIL: Final = 1 << 16
MOST_REQUIREMENTS: Final = 4_000
"""Lines of METADATA that are requirements; the largest package has a thousand."""
MOST_READ: Final = 64 << 20
"""Bytes of a wheel that are read for its METADATA."""
"""Bytes asked for at the end of a wheel: most wheels' table of contents, and METADATA with it."""

LARGEST: Final = 16 << 20


class Metadata(NamedTuple):
    """What a resolver reads of METADATA: `requires` as packaging writes requirements."""

    name: str
    version: str
    python: str | None
    requires: tuple[str, ...]
    repaired: tuple[str, ...] = ()
    """requirements as they are written, where that is not PEP 508 and `requires` has them so"""


class MalformedMetadata(NamedTuple):
    """METADATA that no lock can rest on: one of its requirements, as written, is none."""

    name: str
    version: str
    requirement: str


def read_metadata(
    web: Web, file: File, url: str | None = None
) -> Metadata | MalformedMetadata | None:
    """The metadata of a listed wheel; None where neither it nor the wheel's parts are served.

    `url` is the wheel's address with credentials. Raises NetworkError for a server in trouble.
    """
    where = url or file.url
    text = _offered(web, file, where)
    if text is None:
        text = _kept(web, file, where)
    return parse_metadata(text) if text is not None else None


def parse_metadata(text: bytes) -> Metadata | MalformedMetadata | None:
    """Requirements that are not PEP 508 are read as installers once did, if that can be; None for
    a text without a name and a version."""
    raw, _ = parse_email(text)
    if "name" not in raw or "version" not in raw:
        return None
    if len(raw.get("requires_dist", ())) > MOST_REQUIREMENTS:
        return None
    requires, repaired = [], []
    for written in raw.get("requires_dist", ()):
        readable = readable_requirement(written)
        if readable is None:
            return MalformedMetadata(raw["name"], raw["version"], written)
        requires.append(normalized_requirement(readable))
        if readable != written:
            repaired.append(written)
    # pip takes no notice of a Requires-Python that it cannot read.
    python = readable_specifier(raw.get("requires_python", ""))
    return Metadata(
        raw["name"], raw["version"], python or None, tuple(dict.fromkeys(requires)), tuple(repaired)
    )


def _offered(web: Web, file: File, url: str) -> bytes | None:
    if file.metadata is None:
        return None
    content = _get(web, f"{url}.metadata")
    if content is None:
        return None
    # PyTorch's index has served damaged ones: the wheel itself knows better.
    if file.metadata and hashlib.sha256(content).hexdigest() != file.metadata:
        return None
    return content


def _get(web: Web, url: str) -> bytes | None:
    try:
        response = web.get(url)
    except httpx.HTTPError as error:
        raise unreachable(url, error) from None
    if response.status_code in (403, 404, 410):
        return None
    if response.is_error:
        raise unreachable(url, status_of(response))
    return response.content


def _kept(web: Web, file: File, url: str) -> bytes | None:
    """METADATA out of the wheel; kept under the wheel's digest, for a wheel never changes."""
    note = cache_folder() / "metadata" / file.sha256 if file.sha256 else None
    if note is not None:
        with suppress(OSError):
            return read_small(note, LARGEST)
    content = _inside(web, url, file.name)
    if note is not None and content is not None:
        with suppress(UnicodeDecodeError):
            remember(note, content.decode("utf-8"))
    return content


def _inside(web: Web, url: str, name: str) -> bytes | None:
    try:
        return metadata_in(io.BufferedReader(RemoteFile(web, url), TAIL))
    except NoRanges:
        return None


def metadata_in(wheel: BinaryIO | io.BufferedReader) -> bytes | None:
    """METADATA of an opened wheel, which is closed; None where there is none that can be read."""
    try:
        with wheel, zipfile.ZipFile(wheel) as archive:
            (inside,) = [
                info
                for info in archive.infolist()
                if info.filename.endswith(".dist-info/METADATA") and info.filename.count("/") == 1
            ]
            return read_member(archive, inside, LARGEST)
    except NetworkError:
        raise
    except Exception:  # zipfile and the decompressors raise what they like of a damaged file
        return None


class NoRanges(Exception):
    """A server that sends whole files only."""


class RemoteFile(io.RawIOBase):
    """A file on a server, read by Range requests. Its end is asked for first, and kept.

    Raises NoRanges for a server that does not serve parts, NetworkError for one in trouble.
    """

    def __init__(self, web: Web, url: str) -> None:
        self._web = web
        self._url = url
        self._position = self._read = 0
        self._tail, self._size = self._ask(f"bytes=-{TAIL}")

    def _ask(self, span: str) -> tuple[bytes, int]:
        """The bytes of a range, and how large the whole is."""
        # gzip over a part of a zip helps nobody, and confuses some servers.
        headers = {"Range": span, "Accept-Encoding": "identity"}
        try:
            with self._web.stream("GET", self._url, headers=headers) as response:
                if response.status_code != 206:
                    if response.status_code in (200, 403, 404, 410, 416, 501):
                        raise NoRanges
                    raise unreachable(self._url, status_of(response))
                total = read_number(response.headers.get("Content-Range", "").rpartition("/")[2])
                if total is None:
                    raise NoRanges
                return response.read(), total
        except httpx.HTTPError as error:
            raise unreachable(self._url, error) from None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    # What a BufferedReader hands in, of all the buffers that there are.
    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        first = self._position
        last = min(first + len(buffer), self._size)
        if first >= last:
            return 0
        kept_from = self._size - len(self._tail)
        if first >= kept_from:
            chunk = self._tail[first - kept_from : last - kept_from]
        else:
            chunk, _ = self._ask(f"bytes={first}-{last - 1}")
        self._read += len(chunk)
        # A directory of a wheel has a hundred bytes for a file, and METADATA is small.
        if self._read > MOST_READ:
            raise NoRanges
        buffer[: len(chunk)] = chunk
        self._position += len(chunk)
        return len(chunk)


__all__ = ["MalformedMetadata", "Metadata", "metadata_in", "parse_metadata", "read_metadata"]
