"""One HTTP client for everything: cached on disk, patient, polite, and configured as pip is.

A response is kept as long as its server allows (hishel follows RFC 9111) and revalidated by its
ETag. If a server cannot be reached, its last response is used. Wheels and parts of files bypass the
cache; the cache never has credentials.

:class:`Web` tries again and falls back on the cache; :mod:`~cudalock.indexes.transport` is what its
requests go through.
"""

from __future__ import annotations

import os
import re
import ssl
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import httpx

from cudalock.errors import NetworkError
from cudalock.files import expanded, home
from cudalock.indexes.pip_config import PipSettings, read_pip_settings
from cudalock.indexes.transport import (
    CACHED_ONLY,
    DEADLINE,
    ENCODINGS,
    UNBOUNDED,
    UNCACHED,
    Cached,
    Polite,
    TooSlow,
    Traffic,
    Unpacking,
    passes_by,
)
from cudalock.mirrors import NO_MIRRORS, Mirrors
from cudalock.text import read_number
from cudalock.urls import split, without_credentials

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

TIMEOUT: Final = 30.0
"""Seconds without a byte."""

ATTEMPTS: Final = 3
BACK_OFF = 0.5
"""Seconds before the second attempt; twice that before the third."""

LONGEST_WAIT: Final = 60.0
"""Seconds: a server that requires more patience is not queried again."""

ONCE: Final = {"attempts": 1}
"""Extensions of a request whose sender tries again itself."""

DOWNLOAD: Final = {**ONCE, UNBOUNDED: True}
"""Extensions of a request for a file of any size."""

ANEW: Final = {**ONCE, UNCACHED: True}
"""Extensions of a request that goes past the cache."""

MOST_UNREACHED: Final = 3
"""Requests to a host that fail for want of a connection, before it is not asked again."""

TRY_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""The statuses of a server that may respond soon."""


class Web(httpx.Client):
    """An `httpx.Client` that follows redirects.

    Proxy and certificates are pip's, else those of the environment's variables; NetworkError is
    raised for invalid ones. Credentials come from the URL itself, else from the netrc file. A
    request that fails for the moment is made again, ATTEMPTS times in all. With `offline` only the
    cache responds. Without `stale` a failure is raised even if the cache has an older response;
    `stood_in` has the URLs for which that was used.
    """

    def __init__(
        self,
        settings: PipSettings | None = None,
        *,
        offline: bool = False,
        stale: bool = True,
        deadline: float = DEADLINE,
        mirrors: Mirrors = NO_MIRRORS,
    ) -> None:
        """`mirrors` are those that may be asked, with their secrets."""
        self.mirrors = mirrors
        settings = settings or read_pip_settings()
        self.traffic = Traffic()
        self.stood_in: set[str] = set()
        self._offline = offline
        self._stale = stale
        self._silent: dict[str, str] = {}
        """by host that is not asked again: why"""
        self._unreached: Counter[str] = Counter()
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
                    # pip's `--trusted-host` means no verification for that host alone.
                    f"all://{host}": self._layers(httpx.HTTPTransport(verify=False, proxy=proxy))
                    for host in settings.trusted_hosts
                },
                timeout=TIMEOUT,
                follow_redirects=True,
                auth=_Credentials(mirrors.secrets),
                headers={"User-Agent": "cudalock", "Accept-Encoding": ENCODINGS},
            )
        except (ValueError, httpx.InvalidURL, ssl.SSLError) as error:
            raise _unusable(error) from None
        except ImportError:
            message = "the proxy that is set speaks SOCKS, which needs one more package"
            raise NetworkError(message, hints=["pip install 'httpx[socks]'"]) from None

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """httpx's, made again where that may help, and else answered by what is in the cache."""
        if self._offline:
            return self._send_cached_only(request, **options)
        attempts = request.extensions.get("attempts", ATTEMPTS)
        if request.url.host in self._silent:
            cached = self._in_its_stead(request, **options)
            if cached is None:
                raise httpx.ConnectError(self._silent[request.url.host], request=request)
            return cached
        for attempt in range(1, attempts + 1):
            wait = BACK_OFF * 2 ** (attempt - 1)
            try:
                response = self._send_uncorrupted(request, **options)
            # Other errors, such as an invalid URL, would be the same again.
            except (httpx.TransportError, TooSlow) as error:
                if attempt == attempts or isinstance(error, TooSlow):
                    # One that is made once is made again by its sender, as a download is.
                    if attempts > 1:
                        self._note_failure(request.url.host, error)
                    cached = self._in_its_stead(request, **options)
                    if cached is None:
                        raise
                    return cached
            else:
                if response.status_code not in TRY_AGAIN:
                    return response
                # A server that asks for patience knows better than our own back-off.
                wait = max(wait, _asked_wait(response))
                if attempt == attempts or wait > LONGEST_WAIT:
                    return self._in_its_stead(request, **options) or response
                response.close()
            time.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def _note_failure(self, host: str, error: Exception) -> None:
        """Note that a host answers nothing: a command makes many requests, and would wait for each
        in turn."""
        if isinstance(error, httpx.TimeoutException | TooSlow):
            self._silent[host] = "the server did not answer before"
        elif isinstance(error, httpx.ConnectError):
            self._unreached[host] += 1
            if self._unreached[host] >= MOST_UNREACHED:
                self._silent[host] = str(error)

    def _send_uncorrupted(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Make one attempt. What the cache damaged is requested again, past it."""
        try:
            return self._send_once(request, **options)
        except httpx.DecodingError:
            pass
        except httpx.HTTPError:
            raise
        except Exception as error:
            if not _is_of_the_cache(error):
                raise
        request.extensions = {**request.extensions, UNCACHED: True}
        return self._send_once(request, **options)

    def _send_once(self, request: httpx.Request, **options: Any) -> httpx.Response:
        response = super().send(request, **options)
        # The stream has its response, and the response the body: no page would be freed before a
        # garbage collection, and while a command runs there is none.
        if response.is_closed:
            response.stream = httpx.ByteStream(b"")
        return response

    def _in_its_stead(self, request: httpx.Request, **options: Any) -> httpx.Response | None:
        """Return what the cache has, however old, if a server cannot be reached."""
        if self._stale and not passes_by(request):
            with suppress(httpx.HTTPError):
                cached = self._send_cached_only(request, **options)
                self.stood_in.add(without_credentials(str(request.url)))
                return cached
        return None

    def _send_cached_only(self, request: httpx.Request, **options: Any) -> httpx.Response:
        request.extensions = {**request.extensions, CACHED_ONLY: True}
        try:
            return self._send_once(request, **options)
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
        polite = Polite(wire, self.traffic, self._hosts, self._deadline)
        return Unpacking(Cached(polite, self.traffic))


def _is_of_the_cache(error: Exception) -> bool:
    """Whether an error that does not come from httpx comes from reading the cache's file."""
    import sqlite3

    return isinstance(error, sqlite3.Error | RuntimeError | OSError)


def _asked_wait(response: httpx.Response) -> float:
    """Return the seconds of `Retry-After`; 0 without it."""
    retry_after = response.headers.get("Retry-After", "").strip()
    seconds = read_number(retry_after)
    if seconds is not None:
        return float(seconds)
    with suppress(ValueError, TypeError):
        until = parsedate_to_datetime(retry_after)
        if until.tzinfo is None:
            until = until.replace(tzinfo=timezone.utc)
        return max(0.0, (until - datetime.now(timezone.utc)).total_seconds())
    return 0.0


class _Credentials(httpx.Auth):
    """Those of the address, else those that are given for its beginning, else those that the netrc
    file has for its host. Variables in them, `${TOKEN}`, are expanded as pip does."""

    def __init__(self, secrets: Sequence[tuple[str, str]] = ()) -> None:
        self._secrets = secrets
        self._netrc: httpx.Auth | None = None
        named = os.environ.get("NETRC")
        own = (home() / ".netrc", home() / "_netrc")
        for path in (*([expanded(Path(named))] if named else []), *own):
            if path.is_file():
                from netrc import NetrcParseError

                # A damaged netrc file is passed over, as pip does.
                with suppress(NetrcParseError, OSError, ValueError):
                    self._netrc = httpx.NetRCAuth(str(path))
                    break

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """httpx's hook."""
        url = request.url
        plain = without_credentials(str(url))
        given = next((secret for start, secret in self._secrets if plain.startswith(start)), None)
        if url.userinfo or given:
            user, _, password = (given or url.userinfo.decode("ascii")).partition(":")
            basic = httpx.BasicAuth(_expanded(unquote(user)), _expanded(unquote(password)))
            yield from basic.auth_flow(request)
        elif self._netrc is not None:
            yield from self._netrc.auth_flow(request)
        else:
            yield request


def _expanded(text: str) -> str:
    """Return a text with the variables that are set; others stay, as with pip."""
    return re.sub(r"\$\{([A-Z0-9_]+)\}", lambda name: os.environ.get(name[1], name[0]), text)


BUNDLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""The variables that name a file or folder of certificates, in the order of pip, then OpenSSL's."""


def _certificates(certificate_path: str | None) -> ssl.SSLContext:
    """The certificates to trust: those that a setting names, else the machine's and certifi's.

    A company's proxy signs with a certificate that only the machine has. Raises ssl.SSLError.
    """
    return _context(tuple(filter(None, (certificate_path, *map(os.environ.get, BUNDLES)))))


@cache
def _context(named: tuple[str, ...]) -> ssl.SSLContext:
    # Once in a process: to read the machine's certificates takes 30 ms.
    for path in map(Path, named):
        if path.is_file():
            return ssl.create_default_context(cafile=path)
        if path.is_dir():
            return ssl.create_default_context(capath=path)
    # OpenSSL knows no keychain of macOS. truststore comes with unearth, and may be gone one day.
    if sys.platform == "darwin":
        with suppress(ImportError):
            import truststore

            return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context


def _unusable(error: Exception) -> NetworkError:
    """Return the error for an invalid setting, which may contain a password."""
    # httpx quotes the proxy's URL.
    reason = re.sub(r"(?<=//)[^/@\s]*@", "", str(error))
    return NetworkError(
        f"a proxy, trusted host or certificate file that is set cannot be used: {reason}"
    )


def status_of(response: httpx.Response) -> str:
    """Return `404 Not Found`: why a response is an error."""
    return f"{response.status_code} {response.reason_phrase}".strip()


def unreachable(url: str, error: Exception | str) -> NetworkError:
    """Return the error for a URL that could not be read."""
    reason = " ".join((str(error) or type(error).__name__).split())
    return NetworkError(
        f"cannot read {without_credentials(url)}: {reason}",
        host=split(url).hostname or "",
        reason=reason,
    )


__all__ = [
    "ANEW",
    "ATTEMPTS",
    "DOWNLOAD",
    "ONCE",
    "TIMEOUT",
    "TRY_AGAIN",
    "Web",
    "status_of",
    "unreachable",
]
