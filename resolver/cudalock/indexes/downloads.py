"""Wheels over the network: streamed to disk, resumed, checked, and in place only when whole."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Literal, cast

import httpx

from cudalock.errors import BadFile, HashMismatch, OutputError
from cudalock.files import open_file, replace_patiently
from cudalock.indexes.client import DOWNLOAD, TRY_AGAIN, Web, status_of, unreachable
from cudalock.text import read_number
from cudalock.urls import local_path, without_credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    from cudalock.errors import NetworkError

    Progress = Callable[[str, int, int | None], None]

ATTEMPTS: Final = 5
CHUNK: Final = 1 << 18

LARGEST: Final = 32 << 30
"""Bytes of a file: the largest wheels have four gigabytes, and a server may send for ever."""
# A server that compresses on the way would break offsets, lengths and digests.
_IDENTITY: Final = {"Accept-Encoding": "identity"}


def download(
    web: Web,
    url: str,
    target: Path,
    sha256: str | None = None,
    *,
    progress: Progress = lambda file, done, total: None,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Download a file to `target` and return its sha256. A file that is there and right is kept.

    An earlier attempt is resumed, in a hidden file beside the target; a failure leaves that file
    and nothing else. `progress` is called with the file's name, the bytes so far, and the total.

    Raises HashMismatch, NetworkError after ATTEMPTS, or OutputError for a disk that refuses.
    """
    try:
        present = digest_of(target) if target.is_file() else None
        if present is not None and sha256 in (None, present):
            return present
        target.parent.mkdir(parents=True, exist_ok=True)
        if path := local_path(url):
            return _copy(Path(path), target, sha256)
        return _Download(web, url, target, progress).run(sha256, sleep)
    except OSError as error:
        raise OutputError(f"cannot write `{target}`: {error.strerror or error}") from None


def _copy(source: Path, target: Path, sha256: str | None) -> str:
    """Copy a wheel of a folder here. Raises BadFile for one that is not there."""
    part = target.with_name(f".{target.name}.part")
    try:
        with open_file(source) as file, _open_own(part, "wb") as copy:
            shutil.copyfileobj(file, copy, CHUNK)
    except FileNotFoundError:
        raise BadFile(f"`{source}`, which the lock names, is not there") from None
    digest = digest_of(part)
    if sha256 is not None and digest != sha256:
        part.unlink()
        raise HashMismatch(target.name, str(source.parent), sha256, digest)
    replace_patiently(part, target)
    return digest


class _Download:
    """The state of one download. `part` has the bytes so far, `tag` the server's ETag for them."""

    def __init__(self, web: Web, url: str, target: Path, progress: Progress) -> None:
        self._web = web
        self._url = url
        self._target = target
        self._progress = progress
        self._part = target.with_name(f".{target.name}.part")
        self._tag = target.with_name(f".{target.name}.part.etag")

    def run(self, sha256: str | None, sleep: Callable[[float], None]) -> str:
        resumed = self._begin(sha256)
        self._stream_all(sleep)
        digest = digest_of(self._part)
        if resumed and sha256 is not None and digest != sha256:
            # What was begun may have been another file: once more from its start.
            self._discard()
            self._stream_all(sleep)
            digest = digest_of(self._part)
        if sha256 is not None and digest != sha256:
            self._discard()
            where = without_credentials(self._url)
            raise HashMismatch(self._target.name, where, sha256, digest)
        replace_patiently(self._part, self._target)
        self._discard()
        return digest

    def _begin(self, sha256: str | None) -> bool:
        """Return whether there is something to resume: only what a digest or the server can vouch
        for."""
        is_own = not (self._part.is_symlink() or self._tag.is_symlink())
        if is_own and self._part.is_file() and (sha256 is not None or self._tag.is_file()):
            return True
        self._discard()
        return False

    def _discard(self) -> None:
        self._part.unlink(missing_ok=True)
        self._tag.unlink(missing_ok=True)

    def _stream_all(self, sleep: Callable[[float], None]) -> None:
        for attempt in range(ATTEMPTS):
            failure = self._stream()
            if failure is None:
                return
            if attempt == ATTEMPTS - 1:
                raise failure
            sleep(0.5 * 2**attempt)

    def _stream(self) -> NetworkError | None:
        """Make one attempt: None if the file is complete, the failure if another attempt may
        help."""
        done = self._part.stat().st_size if self._part.is_file() else 0
        try:
            with self._web.stream(
                "GET", self._url, headers=self._headers(done), extensions=DOWNLOAD
            ) as response:
                if response.status_code in TRY_AGAIN:
                    return unreachable(self._url, status_of(response))
                if response.status_code == 416:
                    return self._restart(response, done)
                if response.status_code not in (200, 206):
                    raise unreachable(self._url, status_of(response))
                # 200 to a Range request is the whole file from its start, as after a change of the
                # file.
                self._write(response, done if response.status_code == 206 else 0)
        except httpx.TransportError as error:
            return unreachable(self._url, error)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise unreachable(self._url, error) from None
        return None

    def _headers(self, done: int) -> dict[str, str]:
        if not done:
            return _IDENTITY
        headers = {**_IDENTITY, "Range": f"bytes={done}-"}
        # If-Range: the server sends the rest only if the file is the same as before.
        with suppress(FileNotFoundError):
            headers["If-Range"] = self._tag.read_text(encoding="ascii")
        return headers

    def _restart(self, response: httpx.Response, done: int) -> NetworkError | None:
        """Handle a refused range: the file was complete already, or it is another one."""
        if response.headers.get("Content-Range") == f"bytes */{done}":
            return None
        self._discard()
        return unreachable(self._url, status_of(response))

    def _write(self, response: httpx.Response, start: int) -> None:
        length = read_number(response.headers.get("Content-Length", ""))
        total = None if length is None else start + length
        tag = response.headers.get("ETag", "")
        if tag.startswith('"') and tag.isascii():
            with _open_own(self._tag, "wb") as file:
                file.write(tag.encode("ascii"))
        elif not start:
            self._tag.unlink(missing_ok=True)
        done = start
        with _open_own(self._part, "ab" if start else "wb") as file:
            self._progress(self._target.name, done, total)
            # As it comes: gathered into larger pieces, the last would be lost when it breaks off.
            for chunk in response.iter_raw():
                file.write(chunk)
                done += len(chunk)
                if done > LARGEST:
                    raise httpx.RequestError(f"the file has more than {LARGEST >> 30} GiB")
                self._progress(self._target.name, done, total)


def _open_own(path: Path, mode: Literal["ab", "wb"]) -> BinaryIO:
    """Open a file that only we write: where somebody left a link, what it leads to is not ours.

    Raises OSError.
    """
    # A pipe has no reader, and opening it would wait for one.
    flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    return cast(
        "BinaryIO", open(path, mode, opener=lambda name, own: os.open(name, own | flags, 0o666))
    )


def digest_of(path: Path) -> str:
    """Return the sha256 of a file. Raises OSError, also for what is none."""
    digest = hashlib.sha256()
    with open_file(path) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


__all__ = ["ATTEMPTS", "digest_of", "download"]
