"""What a source distribution on an index states of itself, and whether it compiles anything.

The archive is streamed into memory, never onto the disk, checked against the digest of the index
page, and read once: what was found is in the cache under its digest, for a file never changes.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
import zlib
from contextlib import suppress
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import httpx

from cudalock.files import read_small
from cudalock.indexes.cache import cache_folder, remember
from cudalock.indexes.client import DOWNLOAD, status_of, unreachable
from cudalock.matrix.sources import UNUSABLE, SourceState
from cudalock.sdists import SourceMetadata, UnreadableArchive, read_archive, read_source
from cudalock.sdists.archive import LARGEST
from cudalock.text import read_json
from cudalock.versions import canonical, parse_version

if TYPE_CHECKING:
    from pathlib import Path

    from cudalock.indexes.client import Web
    from cudalock.indexes.listings import File

ENDINGS: Final = (".tar.gz", ".zip", ".tgz", ".tar.bz2", ".tar.xz")
"""Of source archives that pip and uv build, in the order in which they are preferred."""

DEADLINE: Final = 180.0
"""Seconds for one archive."""

FORM: Final = 3
"""Of the notes in the cache: one more when the code reads archives otherwise."""

# Each may take LARGEST bytes of memory.
_READING: Final = threading.BoundedSemaphore(2)


def source_file(listed: list[File]) -> File | None:
    """Return the source archive of a release that an installer takes; None for none."""
    archives = [file for file in listed if file.name.endswith(ENDINGS) and file.yanked is None] or [
        file for file in listed if file.name.endswith(ENDINGS)
    ]
    return min(archives, key=lambda file: (_ending(file.name), file.name), default=None)


def _ending(name: str) -> int:
    return next(place for place, ending in enumerate(ENDINGS) if name.endswith(ending))


def read_source_file(
    web: Web, file: File, url: str, project: str, version: str, *, offline: bool = False
) -> SourceMetadata:
    """Return what a listed source archive states; `url` is its URL with credentials.

    What cannot be used is UNUSABLE, with the reason. Raises NetworkError for a server in trouble,
    and with `offline` for an archive that was not read before.
    """
    note = cache_folder() / "sdists" / f"{_form()}-{file.sha256}" if file.sha256 else None
    metadata = _remembered(note)
    if metadata is None:
        if offline:
            raise unreachable(url, "it is not in the cache, and the network is not used")
        try:
            with _READING:
                metadata = _read(file, _download(web, file, url))
        except UnreadableArchive as problem:
            return _unusable(project, version, str(problem))
        if note is not None:
            remember(note, json.dumps(metadata.as_json(), sort_keys=True))
    if (metadata.name, parse_version(metadata.version)) != (project, parse_version(version)):
        return _unusable(project, version, f"states that it is {metadata.name} {metadata.version}")
    return metadata


def _unusable(project: str, version: str, problem: str) -> SourceMetadata:
    return SourceMetadata(project, version, None, None, SourceState(UNUSABLE, problem))


def _form() -> str:
    """Return a key that changes with the rules."""
    rules = files("cudalock.sdists").joinpath("rules.toml").read_text(encoding="utf-8")
    return f"{FORM}{zlib.crc32(rules.encode()):08x}"


def _remembered(note: Path | None) -> SourceMetadata | None:
    if note is not None:
        # A note that was damaged is written again.
        with suppress(OSError, ValueError, TypeError, LookupError):
            return SourceMetadata.from_json(read_json(read_small(note)))
    return None


def _read(file: File, content: bytes) -> SourceMetadata:
    metadata = read_source(read_archive(file.name, content))
    if metadata is None:
        raise UnreadableArchive("states neither a name nor a version")
    try:
        parse_version(metadata.version)
    except ValueError:
        raise UnreadableArchive("states a version that is none") from None
    return metadata._replace(name=canonical(metadata.name))


def _download(web: Web, file: File, url: str) -> bytes:
    """Return the archive. Raises UnreadableArchive if it is too large or not what was listed."""
    if file.size is not None and file.size > LARGEST:
        raise UnreadableArchive(_too_large(file.size))
    end = time.monotonic() + DEADLINE
    chunks: list[bytes] = []
    received = 0
    try:
        with web.stream(
            "GET", url, headers={"Accept-Encoding": "identity"}, extensions=DOWNLOAD
        ) as response:
            if response.status_code in (403, 404, 410):
                raise UnreadableArchive("is listed, and its server does not have it")
            if response.status_code != 200:
                raise unreachable(url, status_of(response))
            for chunk in response.iter_raw():
                chunks.append(chunk)
                received += len(chunk)
                if received > LARGEST:
                    raise UnreadableArchive(_too_large(None))
                if time.monotonic() > end:
                    raise unreachable(url, "the answer came too slowly")
    except httpx.HTTPError as error:
        raise unreachable(url, error) from None
    content = b"".join(chunks)
    if file.sha256 and hashlib.sha256(content).hexdigest() != file.sha256:
        raise UnreadableArchive("does not have the hash that the index publishes")
    return content


def _too_large(size: int | None) -> str:
    has = f"has {size / (1 << 20):.0f} MiB" if size is not None else "is longer"
    return f"{has}, and at most {LARGEST >> 20} MiB are read"


__all__ = ["ENDINGS", "read_source_file", "source_file"]
