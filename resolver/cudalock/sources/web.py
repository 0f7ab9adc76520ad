"""One HTTP client for everything: proxies, certificates and credentials as pip finds them."""

from __future__ import annotations

import os
import ssl
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx

from cudalock.addresses import without_credentials
from cudalock.errors import NetworkError
from cudalock.sources.pip_settings import Settings, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TIMEOUT: Final = 30.0
"""Seconds without a byte."""

_BASIC: Final = ("https", "*", "*")
_LOOPBACK: Final = ("*", "127.0.0.0/8", "*")


class Web(httpx.Client):
    """An `httpx.Client` that follows redirects, and a `Fetcher` for unearth.

    Credentials come from the address itself, else from the netrc file.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        certificates = (settings or read_settings()).cert or os.environ.get("SSL_CERT_FILE")
        # None keeps httpx's own certificates.
        verify: ssl.SSLContext | bool = True
        if certificates and Path(certificates).is_file():
            verify = ssl.create_default_context(cafile=certificates)
        super().__init__(
            verify=verify,
            timeout=TIMEOUT,
            follow_redirects=True,
            transport=None,
            auth=_Credentials(),
            headers={"User-Agent": "cudalock"},
        )

    def get_stream(self, url: str, *, headers: Mapping[str, str] | None = None) -> object:
        """What unearth calls a stream."""
        return self.stream("GET", url, headers=headers)

    def iter_secure_origins(self) -> Iterable[tuple[str, str, str]]:
        """What unearth trusts: https, and this machine."""
        return (_BASIC, _LOOPBACK)


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

    def auth_flow(self, request: httpx.Request):  # type: ignore[no-untyped-def]
        """httpx's hook."""
        url = request.url
        if url.userinfo:
            basic = httpx.BasicAuth(url.username, url.password)
            yield from basic.auth_flow(request)
        elif self._netrc is not None:
            yield from self._netrc.auth_flow(request)
        else:
            yield request


def unreachable(url: str, error: Exception | str) -> NetworkError:
    """The error for an address that could not be asked."""
    reason = str(error) or type(error).__name__
    return NetworkError(f"cannot read {without_credentials(url)}: {' '.join(reason.split())}")


__all__ = ["TIMEOUT", "Web", "unreachable"]
