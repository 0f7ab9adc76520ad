"""One HTTP client for everything: cached on disk, patient, polite, and configured as pip is.

An answer is kept as its server allows (hishel follows RFC 9111) and asked about again by its ETag.
When a server cannot be reached, what it said before stands in. Wheels and parts of files pass by
the cache; the cache never holds credentials.

Who does what: :class:`Web` tries again and falls back on the cache, :class:`_Cached` decides what
the cache may see, :class:`_Polite` is the wire: so many requests to a host at once, all counted.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import ssl
import threading
import time
from contextlib import suppress
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx

from cudalock.addresses import without_credentials
from cudalock.errors import NetworkError
from cudalock.sources.cache import cache_folder
from cudalock.sources.pip_settings import Settings, read_settings

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

    from hishel.httpx import CacheTransport

TIMEOUT: Final = 30.0
"""Seconds without a byte."""

DEADLINE: Final = 180.0
"""Seconds for one answer that is not a download."""

LARGEST: Final = 512 << 20
"""Bytes of one answer that is not a download."""

LARGEST_CACHED: Final = 64 << 20
CACHE_SIZE: Final = 1 << 30
ATTEMPTS: Final = 3
BACK_OFF = 0.5
"""Seconds before the second attempt; twice that before the third."""

LONGEST_WAIT: Final = 60.0
"""Seconds: a server that asks for more patience is not asked again."""

UNSAID: Final = 600
"""Seconds for which an answer is fresh that says nothing of it: what the package index itself
allows its listings."""

AT_ONCE: Final = 8
"""Requests to one host at the same time."""

ONCE: Final = {"attempts": 1}
"""Extensions of a request whose sender tries again itself."""

DOWNLOAD: Final = {**ONCE, "download": True}
"""Extensions of a request for a file of any size: it goes neither through the cache nor against
the clock."""

_TRY_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_SAYS_HOW_LONG: Final = frozenset({"cache-control", "expires", "etag", "last-modified"})
_FILES: Final = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz")
_CACHED_ONLY: Final = "cached-only"
_AUTHORIZATION: Final = "authorization"
_BASIC: Final = ("https", "*", "*")
_LOOPBACK: Final = ("*", "127.0.0.0/8", "*")


class Traffic:
    """What was asked so far. `cached` answers cost no body: fresh ones, and those that a server
    confirmed; `requests` and `received` (bytes) are what went over the wire."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.began = time.monotonic()
        self.requests = 0
        self.received = 0
        self.cached = 0
        self.retries = 0

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


class Web(httpx.Client):
    """An `httpx.Client` that follows redirects, and a `Fetcher` for unearth.

    Proxy and certificates are pip's, else those of the environment's variables; NetworkError is
    raised for what is none. Credentials come from the address itself, else from the netrc file. A
    request that fails for the moment is made again, ATTEMPTS times in all. With `offline` the cache
    alone answers. Without `stale` a failure is one, though the cache could stand in; `stood_in` has
    the addresses where it did.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        offline: bool = False,
        stale: bool = True,
        deadline: float = DEADLINE,
    ) -> None:
        settings = settings or read_settings()
        self.traffic = Traffic()
        self.stood_in: set[str] = set()
        self._offline = offline
        self._stale = stale
        self._hosts: dict[str, threading.BoundedSemaphore] = {}
        self._deadline = deadline
        # pip's may leave the scheme out.
        said = settings.proxy
        proxy = said if said is None or "://" in said else f"http://{said}"
        try:
            super().__init__(
                verify=_certificates(settings.cert),
                proxy=proxy,
                mounts={
                    f"all://{host}": self._layers(httpx.HTTPTransport(verify=False, proxy=proxy))
                    for host in settings.trusted_hosts
                },
                timeout=TIMEOUT,
                follow_redirects=True,
                auth=_Credentials(),
                headers={"User-Agent": "cudalock"},
            )
        except (ValueError, httpx.InvalidURL, ssl.SSLError) as error:
            raise _unusable(error) from None
        except ImportError:
            message = "the proxy that is set speaks SOCKS, which needs one more package"
            raise NetworkError(message, hints=["pip install 'httpx[socks]'"]) from None

    def get_stream(self, url: str, *, headers: Mapping[str, str] | None = None) -> object:
        """What unearth calls a stream."""
        return self.stream("GET", url, headers=headers)

    def iter_secure_origins(self) -> Iterable[tuple[str, str, str]]:
        """What unearth trusts: https, and this machine."""
        return (_BASIC, _LOOPBACK)

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """httpx's, made again where that may help, and else answered by what is in the cache."""
        if self._offline:
            return self._send_cached_only(request, **options)
        attempts = request.extensions.get("attempts", ATTEMPTS)
        for attempt in range(1, attempts + 1):
            wait = BACK_OFF * 2 ** (attempt - 1)
            try:
                response = self._send_uncorrupted(request, **options)
            except httpx.TransportError:
                if attempt == attempts:
                    found = self._in_its_stead(request, **options)
                    if found is None:
                        raise
                    return found
            else:
                if response.status_code not in _TRY_AGAIN:
                    return response
                wait = max(wait, _asked_wait(response))
                if attempt == attempts or wait > LONGEST_WAIT:
                    return self._in_its_stead(request, **options) or response
                response.close()
            self.traffic.add(retries=1)
            time.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def _send_uncorrupted(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """One attempt. What the cache garbled is asked for anew, past it."""
        try:
            return super().send(request, **options)
        except httpx.DecodingError:
            pass
        except httpx.HTTPError:
            raise
        except Exception as error:
            if not _is_of_the_cache(error):
                raise
        request.extensions = {**request.extensions, "download": True}
        return super().send(request, **options)

    def _in_its_stead(self, request: httpx.Request, **options: Any) -> httpx.Response | None:
        """What the cache has, however old, where a server cannot be asked."""
        if self._stale and not _passes_by(request):
            with suppress(httpx.HTTPError):
                found = self._send_cached_only(request, **options)
                self.stood_in.add(without_credentials(str(request.url)))
                return found
        return None

    def _send_cached_only(self, request: httpx.Request, **options: Any) -> httpx.Response:
        request.extensions = {**request.extensions, _CACHED_ONLY: True}
        try:
            return super().send(request, **options)
        except httpx.HTTPError:
            raise
        except Exception as error:
            if not _is_of_the_cache(error):
                raise
            raise httpx.ConnectError("what the cache has is damaged", request=request) from None

    def _init_transport(self, *arguments: Any, **settings: Any) -> httpx.BaseTransport:
        return self._layers(super()._init_transport(*arguments, **settings))

    def _init_proxy_transport(self, *arguments: Any, **settings: Any) -> httpx.BaseTransport:
        return self._layers(super()._init_proxy_transport(*arguments, **settings))

    def _layers(self, wire: httpx.BaseTransport) -> httpx.BaseTransport:
        return _Cached(_Polite(wire, self.traffic, self._hosts, self._deadline), self.traffic)


class _Cached(httpx.BaseTransport):
    """The cache before the wire. hishel is imported, and its file made, with the first request."""

    def __init__(self, wire: httpx.BaseTransport, traffic: Traffic) -> None:
        self._wire = wire
        self._traffic = traffic
        self._lock = threading.Lock()
        self._cache: CacheTransport | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """httpx's hook."""
        if _passes_by(request):
            return self._wire.handle_request(request)
        authorization = request.headers.get(_AUTHORIZATION, "")
        url = httpx.URL(without_credentials(str(request.url)))
        stale = request.extensions.get(_CACHED_ONLY, False)
        asked = httpx.Request(
            request.method,
            url,
            headers=[each for each in request.headers.raw if each[0].lower() != b"authorization"],
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
        database_path=cache_folder() / "http.db",
        max_stream_size=LARGEST_CACHED,
        max_size=CACHE_SIZE,
    )
    return CacheTransport(wire, storage, rfc=True)


@cache
def _silent() -> logging.Handler:
    return logging.NullHandler()


def _passes_by(request: httpx.Request) -> bool:
    return (
        request.method != "GET"
        or "range" in request.headers
        or "download" in request.extensions
        or request.url.path.endswith(_FILES)
    )


def _is_of_the_cache(error: Exception) -> bool:
    """Whether an error that is none of httpx's comes from reading the cache's file."""
    import sqlite3

    return isinstance(error, sqlite3.Error | RuntimeError | OSError)


class _Polite(httpx.BaseTransport):
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
        if request.extensions.get(_CACHED_ONLY):
            raise httpx.ConnectError("the cache has no answer, and the network is not asked")
        authorization = request.extensions.get(_AUTHORIZATION)
        if authorization:
            request.headers[_AUTHORIZATION] = authorization
        turn = self._hosts.setdefault(request.url.host, threading.BoundedSemaphore(AT_ONCE))
        turn.acquire()
        self._traffic.add(requests=1)
        try:
            response = self._wire.handle_request(request)
        except BaseException:
            turn.release()
            raise
        assert isinstance(response.stream, httpx.SyncByteStream)
        bounded = not (request.url.path.endswith(_FILES) or "download" in request.extensions)
        deadline = time.monotonic() + self._deadline if bounded else None
        if response.status_code == 200 and _SAYS_HOW_LONG.isdisjoint(response.headers):
            response.headers["Cache-Control"] = f"max-age={UNSAID}"
        response.stream = _Counted(response.stream, self._traffic, turn, deadline)
        return response

    def close(self) -> None:
        """httpx's hook."""
        self._wire.close()


class _Counted(httpx.SyncByteStream):
    """A body on its way: counted, bounded, and its host's turn given back at its end."""

    def __init__(
        self,
        stream: httpx.SyncByteStream,
        traffic: Traffic,
        turn: threading.BoundedSemaphore,
        deadline: float | None,
    ) -> None:
        self._stream = stream
        self._traffic = traffic
        self._turn: threading.BoundedSemaphore | None = turn
        self._deadline = deadline
        self._received = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            self._traffic.add(received=len(chunk))
            self._received += len(chunk)
            if self._deadline is not None:
                self._check(self._deadline)
            yield chunk

    def _check(self, deadline: float) -> None:
        # Not one of httpx's transport errors: another attempt would end alike.
        if time.monotonic() > deadline:
            raise httpx.RequestError("the answer came too slowly")
        if self._received > LARGEST:
            raise httpx.RequestError(f"the answer has more than {LARGEST >> 20} MiB")

    def close(self) -> None:
        """httpx's hook."""
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.release()
        self._stream.close()


def _asked_wait(response: httpx.Response) -> float:
    """The seconds that `Retry-After` asks for; 0 without it."""
    said = response.headers.get("Retry-After", "").strip()
    if said.isdigit():
        return float(said)
    with suppress(ValueError, TypeError):
        until = parsedate_to_datetime(said)
        if until.tzinfo is None:
            until = until.replace(tzinfo=timezone.utc)
        return max(0.0, (until - datetime.now(timezone.utc)).total_seconds())
    return 0.0


class _Credentials(httpx.Auth):
    """Those of the address, else those that the netrc file has for its host."""

    def __init__(self) -> None:
        self._netrc: httpx.Auth | None = None
        for name in filter(None, (os.environ.get("NETRC"), "~/.netrc", "~/_netrc")):
            path = Path(name).expanduser()
            if path.is_file():
                # A damaged netrc file is passed over, as pip does.
                with suppress(SyntaxError, OSError):
                    self._netrc = httpx.NetRCAuth(str(path))
                    break

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """httpx's hook."""
        url = request.url
        if url.userinfo:
            basic = httpx.BasicAuth(url.username, url.password)
            yield from basic.auth_flow(request)
        elif self._netrc is not None:
            yield from self._netrc.auth_flow(request)
        else:
            yield request


def _certificates(said: str | None) -> ssl.SSLContext | bool:
    """A file of certificates as httpx wants it; True keeps its own. Raises ssl.SSLError."""
    file = said or os.environ.get("SSL_CERT_FILE")
    if file and Path(file).is_file():
        return ssl.create_default_context(cafile=file)
    return True


def _unusable(error: Exception) -> NetworkError:
    """For what is said of a setting, which may hold a password."""
    reason = re.sub(r"(?<=//)[^/@\s]*@", "", str(error))
    return NetworkError(
        f"a proxy, trusted host or certificate file that is set cannot be used: {reason}"
    )


def unreachable(url: str, error: Exception | str) -> NetworkError:
    """The error for an address that could not be asked."""
    reason = str(error) or type(error).__name__
    return NetworkError(f"cannot read {without_credentials(url)}: {' '.join(reason.split())}")


__all__ = ["ATTEMPTS", "DOWNLOAD", "ONCE", "TIMEOUT", "Traffic", "Web", "unreachable"]
