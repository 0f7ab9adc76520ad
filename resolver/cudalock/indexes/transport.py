"""The wire, and the cache before it: what an HTTP client sends its requests through.

:class:`Cached` decides what the cache may see, :class:`Polite` is the wire: so many requests to a
host at once, all counted, none without an end.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
import zlib
from functools import cache
from typing import TYPE_CHECKING, Final, Protocol

import httpx

from cudalock.files import INTERRUPTIBLE
from cudalock.indexes.cache import responses_path
from cudalock.text import read_number
from cudalock.urls import without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hishel.httpx import CacheTransport

DEADLINE: Final = 180.0
"""Seconds for one answer that is not a download."""

BEGIN: Final = 40.0
"""Seconds until the headers of an answer are there, however slowly they come."""

PATIENCE: Final = 30.0
"""Seconds for which an answer may come slower than SLOWEST."""

SLOWEST: Final = 1024.0
"""Bytes of an answer in a second, on average: a server that sends less never ends."""

LARGEST: Final = 32 << 20
"""Bytes of one answer that is not a download, decompressed: 2,400 files of a project take one MiB
on the package index."""

LARGEST_CACHED: Final = LARGEST

ENCODINGS: Final = "gzip, deflate"
"""What is accepted: their decompression can be bounded."""

CACHE_SIZE: Final = 1 << 30

UNSAID: Final = 600
"""Seconds for which a response is fresh that has no lifetime: what the package index itself allows
its listings."""

PIECE: Final = 1 << 18
"""Bytes that are decompressed at a time: a thousand times as many may be in a few of a bomb."""

AT_ONCE: Final = 8
"""Requests to one host at the same time."""

CACHED_ONLY: Final = "cached-only"

UNCACHED: Final = "uncached"
"""The extension of a request that goes past the cache."""

UNBOUNDED: Final = "download"
"""The extension of a request for a file of any size: it goes neither through the cache nor against
the clock, and nothing is decompressed."""

_SAYS_HOW_LONG: Final = frozenset({"cache-control", "expires", "etag", "last-modified"})
_FILES: Final = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz")
_SEAL: Final = "x-cudalock-sha256"
"""The header of a page in the cache that has its digest."""
_AUTHORIZATION: Final = "authorization"


class Traffic:
    """Counts of what was requested so far. `cached` responses cost no body: fresh ones, and those
    that a server confirmed; `requests` and `received` (bytes) are what went over the wire."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.began = time.monotonic()
        self.requests = 0
        self.received = 0
        self.cached = 0

    def add(self, **counts: int) -> None:
        """Count, from any thread."""
        with self._lock:
            for name, number in counts.items():
                setattr(self, name, getattr(self, name) + number)

    @property
    def seconds(self) -> float:
        """Since the client was made."""
        return time.monotonic() - self.began

    def __str__(self) -> str:
        size = f"{self.received / 1e6:.1f} MB" if self.received > 1e5 else f"{self.received} bytes"
        return (
            f"{self.requests} requests, {size} received, {self.cached} answers from the cache, "
            f"{self.seconds:.1f} s"
        )


class Cached(httpx.BaseTransport):
    """The cache before the wire. hishel is imported, and its file made, with the first request."""

    def __init__(self, wire: httpx.BaseTransport, traffic: Traffic) -> None:
        self._wire = wire
        self._traffic = traffic
        self._lock = threading.Lock()
        self._cache: CacheTransport | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """httpx's hook."""
        if passes_by(request):
            return self._wire.handle_request(request)
        authorization = request.headers.get(_AUTHORIZATION, "")
        url = httpx.URL(without_credentials(str(request.url)))
        stale = request.extensions.get(CACHED_ONLY, False)
        asked = httpx.Request(
            request.method,
            url,
            headers=[
                header for header in request.headers.raw if header[0].lower() != b"authorization"
            ],
            extensions={
                **request.extensions,
                _AUTHORIZATION: authorization,
                "caching": {
                    "key": hashlib.sha256(f"{url} {authorization}".encode()).hexdigest(),
                    "rfc": {"shared": False, "allow_stale": stale},
                },
            },
        )
        response = self._layer().handle_request(asked)
        if response.extensions["caching"]["from_cache"]:
            self._traffic.add(cached=1)
            _check_seal(response)
        return response

    def _layer(self) -> CacheTransport:
        with self._lock:
            if self._cache is None:
                self._cache = _cache_layer(self._wire)
            return self._cache

    def close(self) -> None:
        """httpx's hook."""
        (self._cache or self._wire).close()


def _cache_layer(wire: httpx.BaseTransport) -> CacheTransport:
    from hishel import SqliteStorage
    from hishel.httpx import CacheTransport

    # A cache that does not work is no failure, and not worth a traceback.
    logging.getLogger("hishel").addHandler(_silent())
    storage = SqliteStorage(
        database_path=responses_path(),
        max_stream_size=LARGEST_CACHED,
        max_size=CACHE_SIZE,
    )
    return CacheTransport(_Sealing(wire), storage, rfc=True)


class _Sealing(httpx.BaseTransport):
    """The wire before the cache: each page gets the digest by which damage is noticed later.

    SQLite finds what destroys its structure; other bytes would be read as another page.
    """

    def __init__(self, wire: httpx.BaseTransport) -> None:
        self._wire = wire

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """httpx's hook."""
        response = self._wire.handle_request(request)
        response.headers.pop(_SEAL, None)
        if response.status_code == 200:
            body = _body(response)
            response.headers[_SEAL] = hashlib.sha256(body).hexdigest()
            response.stream = httpx.ByteStream(body)
        return response

    def close(self) -> None:
        """httpx's hook."""
        self._wire.close()


def _body(response: httpx.Response) -> bytes:
    assert isinstance(response.stream, httpx.SyncByteStream)
    try:
        return b"".join(response.stream)
    finally:
        response.stream.close()


def _check_seal(response: httpx.Response) -> None:
    """Raise RuntimeError for a page of the cache that is not as it was written."""
    body = _body(response)
    seal = response.headers.get(_SEAL)
    if seal is not None and seal != hashlib.sha256(body).hexdigest():
        raise RuntimeError("what the cache has is damaged")
    response.stream = httpx.ByteStream(body)


@cache
def _silent() -> logging.Handler:
    return logging.NullHandler()


def passes_by(request: httpx.Request) -> bool:
    """Whether a request has no business with the cache: parts, downloads, files of any size."""
    return (
        request.method != "GET"
        or "range" in request.headers
        or UNBOUNDED in request.extensions
        or UNCACHED in request.extensions
        or request.url.path.endswith(_FILES)
    )


class Polite(httpx.BaseTransport):
    """The wire: AT_ONCE requests to a host, each counted and, downloads apart, bounded."""

    def __init__(
        self,
        wire: httpx.BaseTransport,
        traffic: Traffic,
        hosts: dict[str, threading.BoundedSemaphore],
        deadline: float,
    ) -> None:
        self._wire = wire
        self._traffic = traffic
        self._hosts = hosts
        self._deadline = deadline

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """httpx's hook."""
        if request.extensions.get(CACHED_ONLY):
            raise httpx.ConnectError("the cache has no answer, and the network is not asked")
        authorization = request.extensions.get(_AUTHORIZATION)
        if authorization:
            request.headers[_AUTHORIZATION] = authorization
        turn = self._hosts.setdefault(request.url.host, threading.BoundedSemaphore(AT_ONCE))
        # Windows interrupts no wait without a limit.
        while not turn.acquire(timeout=INTERRUPTIBLE):
            pass
        self._traffic.add(requests=1)
        try:
            response = _begun(self._wire, request, min(BEGIN, self._deadline))
        except BaseException:
            turn.release()
            raise
        assert isinstance(response.stream, httpx.SyncByteStream)
        # A file of any size may take its time; what is kept in memory has a limit everywhere.
        is_file = request.url.path.endswith(_FILES) or UNBOUNDED in request.extensions
        deadline = float("inf") if is_file else time.monotonic() + self._deadline
        if response.status_code == 200 and _SAYS_HOW_LONG.isdisjoint(response.headers):
            response.headers["Cache-Control"] = f"max-age={UNSAID}"
        most = float("inf") if UNBOUNDED in request.extensions else _most(request)
        response.stream = _Counted(response.stream, self._traffic, turn, deadline, most)
        return response

    def close(self) -> None:
        """httpx's hook."""
        self._wire.close()


class Unpacking(httpx.BaseTransport):
    """The cache and the wire, with what they give decompressed, as far as it may be.

    httpx itself decompresses whatever a few bytes become. What the cache damaged is noticed here.
    """

    def __init__(self, transport: httpx.BaseTransport) -> None:
        self._transport = transport

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """httpx's hook."""
        response = self._transport.handle_request(request)
        if UNBOUNDED in request.extensions:
            return response
        inflater = _inflater(response)
        if inflater is not None:
            assert isinstance(response.stream, httpx.SyncByteStream)
            response.stream = _Inflated(response.stream, inflater, _most(request))
            for name in ("Content-Encoding", "Content-Length"):
                response.headers.pop(name, None)
        return response

    def close(self) -> None:
        """httpx's hook."""
        self._transport.close()


class TooSlow(httpx.RequestError):
    """An answer that would never end. Not a transport error: another attempt would end alike."""


def _begun(wire: httpx.BaseTransport, request: httpx.Request, seconds: float) -> httpx.Response:
    """The answer as soon as its headers are there.

    A timeout of httpx's is that of one read, and a server may send a header a second for ever. So
    another thread reads; one that is too slow is left to itself. Raises TooSlow and what `wire`
    raises.
    """
    exchange = _Exchange(wire, request)
    threading.Thread(target=exchange.run, daemon=True).start()
    end = time.monotonic() + seconds
    while not exchange.ended.wait(INTERRUPTIBLE):
        if time.monotonic() > end:
            exchange.abandon()
            raise TooSlow(f"the answer did not begin within {seconds:g} seconds")
    if exchange.failure is not None:
        raise exchange.failure
    assert exchange.response is not None
    return exchange.response


class _Exchange:
    """One request in a thread of its own."""

    def __init__(self, wire: httpx.BaseTransport, request: httpx.Request) -> None:
        self._wire = wire
        self._request = request
        self._lock = threading.Lock()
        self._is_abandoned = False
        self.ended = threading.Event()
        self.response: httpx.Response | None = None
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Read the headers; close what nobody waits for any more."""
        try:
            response = self._wire.handle_request(self._request)
        except BaseException as error:
            self.failure = error
        else:
            with self._lock:
                self.response = response
                is_abandoned = self._is_abandoned
            if is_abandoned:
                response.close()
        self.ended.set()

    def abandon(self) -> None:
        """Wait no longer."""
        with self._lock:
            self._is_abandoned = True
            response = self.response
        if response is not None:
            response.close()


class _Counted(httpx.SyncByteStream):
    """A body on its way: counted, bounded, and its host's turn given back at its end."""

    def __init__(
        self,
        stream: httpx.SyncByteStream,
        traffic: Traffic,
        turn: threading.BoundedSemaphore,
        deadline: float,
        most: float,
    ) -> None:
        self._stream = stream
        self._traffic = traffic
        self._turn: threading.BoundedSemaphore | None = turn
        self._deadline = deadline
        self._most = most
        self._received = 0
        self._begun = time.monotonic()

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            self._traffic.add(received=len(chunk))
            self._received += len(chunk)
            self._check(time.monotonic())
            yield chunk

    def _check(self, now: float) -> None:
        if now > min(self._deadline, self._begun + PATIENCE + self._received / SLOWEST):
            raise TooSlow("the answer came too slowly")
        if self._received > self._most:
            raise _too_long(self._most)

    def close(self) -> None:
        """httpx's hook."""
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.release()
        self._stream.close()


def _most(request: httpx.Request) -> int:
    """How many bytes an answer may have: no more than the range that was asked for."""
    span = request.headers.get("Range", "").removeprefix("bytes=")
    first, _, last = span.partition("-")
    start, stop = read_number(first or "-1"), read_number(last)
    if stop is None:
        return LARGEST
    return min(LARGEST, stop if start is None else stop - start + 1)


class _Inflater(Protocol):
    """zlib's decompressor, as far as it is used."""

    @property
    def eof(self) -> bool: ...

    @property
    def unconsumed_tail(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


def _inflater(response: httpx.Response) -> _Inflater | None:
    """What decompresses an answer; None if it is not compressed.

    Raises httpx.DecodingError for what was not asked for, such as two compressions.
    """
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return None
    if encoding in ("gzip", "x-gzip", "deflate"):
        # 32: of gzip or of zlib, as the first bytes say.
        return zlib.decompressobj(32 + zlib.MAX_WBITS)
    response.close()
    raise httpx.DecodingError(f"the answer is compressed by `{encoding[:80]}`")


class _Inflated(httpx.SyncByteStream):
    """A body, decompressed."""

    def __init__(self, stream: httpx.SyncByteStream, inflater: _Inflater, most: int) -> None:
        self._stream = stream
        self._inflater = inflater
        self._most = most

    def __iter__(self) -> Iterator[bytes]:
        length, is_empty = 0, True
        for chunk in self._stream:
            is_empty = is_empty and not chunk
            for piece in self._pieces(chunk):
                length += len(piece)
                if length > self._most:
                    raise _too_long(self._most)
                yield piece
        if not (is_empty or self._inflater.eof):
            raise httpx.DecodingError("the answer was cut short")

    def _pieces(self, chunk: bytes) -> Iterator[bytes]:
        try:
            piece = self._inflater.decompress(chunk, PIECE)
            while piece:
                yield piece
                piece = self._inflater.decompress(self._inflater.unconsumed_tail, PIECE)
        except zlib.error as error:
            raise httpx.DecodingError(str(error)) from None

    def close(self) -> None:
        """httpx's hook."""
        self._stream.close()


def _too_long(most: float) -> httpx.RequestError:
    size = f"{int(most) >> 20} MiB" if most >= 1 << 20 else f"{most:.0f} bytes"
    return httpx.RequestError(f"the answer has more than {size}")


__all__ = [
    "CACHED_ONLY",
    "DEADLINE",
    "ENCODINGS",
    "UNBOUNDED",
    "UNCACHED",
    "Cached",
    "Polite",
    "TooSlow",
    "Traffic",
    "Unpacking",
    "passes_by",
]
