"""A hostile package index on loopback: each path begins with how it behaves.

    http://127.0.0.1:PORT/BEHAVIOUR/simple/oddball/

It runs in a process of its own, since what forks must have no threads.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import signal
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, cast

from tests.local_index import build_wheel

WHEEL: Final = build_wheel("oddball", "1.17.0").content
FILE: Final = "oddball-1.17.0-py3-none-any.whl"
METADATA: Final = b"Metadata-Version: 2.1\nName: oddball\nVersion: 1.17.0\n"
JSON: Final = "application/vnd.pypi.simple.v1+json"
MOST: Final = 3 << 30
"""Bytes after which even an endless answer ends."""

_SECRET: Final = "root:x:0:0"


def page(**changes: Any) -> bytes:
    """The index's page of the project, with a row that is changed."""
    row = {
        "filename": FILE,
        "url": FILE,
        "hashes": {"sha256": hashlib.sha256(WHEEL).hexdigest()},
        "core-metadata": True,
        **changes,
    }
    document = {"meta": {"api-version": "1.1"}, "name": "oddball", "files": [row]}
    return json.dumps(document).encode()


class Handler(BaseHTTPRequestHandler):
    """Answers as the first part of the path says."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        _, behaviour, *rest = self.path.split("/", 2)
        self.rest = rest[0] if rest else ""
        with suppress(ConnectionError, TimeoutError):
            BEHAVIOURS[behaviour](self)

    def log_message(self, format: str, *arguments: object) -> None:
        """Quiet."""

    def handle(self) -> None:
        """A client that goes away is expected here."""
        with suppress(ConnectionError, TimeoutError, ValueError):
            super().handle()

    # -- parts of answers ---------------------------------------------------------------------

    @property
    def is_page(self) -> bool:
        return self.rest.endswith("simple/oddball/")

    @property
    def is_wheel(self) -> bool:
        return self.rest.endswith(".whl")

    @property
    def is_metadata(self) -> bool:
        return self.rest.endswith(".metadata")

    def answer(self, body: bytes, status: int = 200, /, kind: str = JSON, **headers: str) -> None:
        self.head(status, **{"Content-Type": kind, "Content-Length": str(len(body)), **headers})
        self.wfile.write(body)

    def head(self, status: int = 200, /, **headers: str) -> None:
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()

    def honest(self) -> None:
        if self.is_page:
            self.answer(page())
        elif self.is_metadata:
            self.answer(METADATA, kind="text/plain")
        elif self.is_wheel:
            self.answer(WHEEL, kind="application/zip")
        else:
            self.answer(b"", 404)

    def endless(self, chunks: Iterator[bytes], status: int = 200, /, **headers: str) -> None:
        """An answer without a length, until the client goes away."""
        self.close_connection = True
        self.head(status, Connection="close", **headers)
        sent = 0
        for chunk in chunks:
            self.wfile.write(chunk)
            sent += len(chunk)
            if sent > MOST:
                return


def _deflated(size: int) -> bytes:
    """Few bytes that become so many spaces: one block, flushed so that it can be repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(b" " * (1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * (size >> 20) + packer.flush()


BOMB: Final = b"\x1f\x8b\x08" + bytes(7) + _deflated(2 << 30)


def zip_bomb() -> bytes:
    """A wheel whose METADATA says that it is small, and is not."""
    data = _deflated(2 << 30)
    name = b"oddball-1.17.0.dist-info/METADATA"
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 0, 0, len(data), 100, len(name), 0)
    entry = struct.pack(
        "<4s6H3L5H2L",
        *(b"PK\1\2", 20, 20, 0, 8, 0, 0, 0, len(data), 100, len(name), 0, 0, 0, 0, 0, 0),
    )
    start = len(local) + len(name) + len(data)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(entry) + len(name), start, 0)
    return local + name + data + entry + name + end


def _repeat(chunk: bytes) -> Iterator[bytes]:
    while True:
        yield chunk


def _drip(text: bytes, pause: float) -> Iterator[bytes]:
    for letter in text:
        time.sleep(pause)
        yield bytes([letter])


def _page_only(do: Callable[[Handler], None]) -> Callable[[Handler], None]:
    return lambda request: do(request) if request.is_page else request.honest()


def _metadata_only(do: Callable[[Handler], None]) -> Callable[[Handler], None]:
    return lambda request: do(request) if request.is_metadata else request.honest()


def _wheel_only(do: Callable[[Handler], None]) -> Callable[[Handler], None]:
    """The wheel alone misbehaves, and has no METADATA beside it."""

    def behave(request: Handler) -> None:
        if request.is_page:
            request.answer(page(**{"core-metadata": False}))
        elif request.is_wheel:
            do(request)
        else:
            request.honest()

    return behave


def _status(status: int) -> Callable[[Handler], None]:
    return lambda request: request.answer(b"{}", status)


def _headers_alone(request: Handler) -> None:
    request.endless(iter(()), **{f"X-{number}": "y" for number in range(3)})
    time.sleep(300)


def _redirect(where: str, status: int = 302) -> Callable[[Handler], None]:
    def behave(request: Handler) -> None:
        port = cast("ThreadingHTTPServer", request.server).server_port
        target = where.replace("{port}", str(port)).replace("{path}", request.path)
        request.answer(b"", status, Location=target)

    return behave


def _reset(request: Handler) -> None:
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.connection.close()
    raise ConnectionError


def _raw(content: bytes) -> Callable[[Handler], None]:
    def behave(request: Handler) -> None:
        request.wfile.write(content)
        request.close_connection = True

    return behave


def _lie(length: int) -> Callable[[Handler], None]:
    def behave(request: Handler) -> None:
        request.head(Content_Type=JSON, Content_Length=str(len(page()) + length))
        request.wfile.write(page())
        request.close_connection = True

    return behave


def _ranges(do: Callable[[Handler, str], None]) -> Callable[[Handler], None]:
    return _wheel_only(lambda request: do(request, request.headers.get("Range", "")))


def _part(request: Handler, span: str, total: str, body: Iterator[bytes]) -> None:
    request.endless(body, 206, Content_Range=f"bytes 0-1/{total}")


def _whole_part(request: Handler, content: bytes, total: int | None = None) -> None:
    size = len(content)
    request.answer(
        content,
        206,
        "application/zip",
        **{"Content-Range": f"bytes 0-{size - 1}/{total or size}"},
    )


def _bounded_ranges(content: bytes) -> Callable[[Handler], None]:
    """An honest server of parts, of a dishonest file."""

    def behave(request: Handler) -> None:
        span = request.headers.get("Range", "").removeprefix("bytes=")
        first, _, last = span.partition("-")
        if not first:
            start, stop = max(0, len(content) - int(last or 0)), len(content)
        else:
            start, stop = int(first), min(len(content), int(last or len(content)) + 1)
        where = f"bytes {start}-{stop - 1}/{len(content)}"
        request.answer(content[start:stop], 206, "application/zip", **{"Content-Range": where})

    return _wheel_only(behave)


BIG: Final = 1 << 20
BEHAVIOURS: Final[dict[str, Callable[[Handler], None]]] = {
    "honest": Handler.honest,
    # redirects
    "redirect-to-itself": _redirect("{path}"),
    "redirect-longer": _redirect("{path}x"),
    "redirect-to-a-file": _redirect("file:///etc/passwd"),
    "redirect-to-nowhere": _redirect("http://127.0.0.1:9/"),
    "redirect-to-a-script": _redirect("javascript:alert(1)"),
    "redirect-to-noise": _redirect("http://[::"),
    "redirect-without-a-place": lambda request: request.answer(b"", 302),
    "redirect-of-the-wheel": _wheel_only(_redirect("file:///etc/passwd")),
    "redirect-to-data": _redirect("data:application/json,%7B%7D"),
    "redirect-with-a-huge-place": _redirect("http://127.0.0.1:9/" + "x" * 60_000),
    # statuses
    **{
        f"status-{status}": _status(status)
        for status in (204, 206, 300, 304, 400, 401, 403, 407, 410, 418, 451, 500, 503)
    },
    "retry-after-long": lambda request: request.answer(b"", 503, **{"Retry-After": "9" * 30}),
    "retry-after-date": lambda request: request.answer(
        b"", 429, **{"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}
    ),
    "retry-after-noise": lambda request: request.answer(b"", 503, **{"Retry-After": "\xff\x01"}),
    # the wire
    "reset": _reset,
    "silence": lambda request: time.sleep(300),
    "no-http": _raw(b"SSH-2.0-OpenSSH_9.9\r\n"),
    "zero-bytes": _raw(b"\0" * 4096),
    "status-noise": _raw(b"HTTP/1.1 abc OK\r\n\r\n"),
    "status-long": _raw(b"HTTP/1.1 " + b"9" * 5000 + b" OK\r\n\r\n"),
    "header-long": _raw(b"HTTP/1.1 200 OK\r\nX: " + b"y" * (4 << 20) + b"\r\n\r\n"),
    "header-many": _raw(b"HTTP/1.1 200 OK\r\n" + b"X-Y: z\r\n" * 200_000 + b"\r\n"),
    "continue-for-ever": _raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000),
    "chunk-noise": _raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc"),
    "chunk-huge": _raw(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 15 + b"\r\nabc"
    ),
    "length-long": _raw(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n{}"),
    "length-negative": _raw(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}"),
    "length-too-long": _lie(1000),
    "length-too-short": _lie(-20),
    "cookies": lambda request: request.answer(page(), **{"Set-Cookie": "x=" + "y" * 20_000}),
    "encoding-noise": lambda request: request.answer(page(), **{"Content-Encoding": "gzip"}),
    "encoding-unknown": lambda request: request.answer(page(), **{"Content-Encoding": "x-lzma"}),
    "kind-noise": lambda request: request.answer(page(), kind="a/b; charset=\xff\xfe"),
    "charset-unknown": lambda request: request.answer(page(), kind=f"{JSON}; charset=klingon"),
    "cache-noise": lambda request: request.answer(
        page(),
        **{"Cache-Control": "max-age=" + "9" * 400, "Expires": "\x01", "Age": "-1", "Date": "x"},
    ),
    "etag-noise": lambda request: request.answer(page(), ETag='"' + "\xff" * 8000),
    "vary-all": lambda request: request.answer(page(), Vary="*"),
    # slow
    "slow-headers": _headers_alone,
    "slow-page": _page_only(lambda request: request.endless(_drip(page(), 0.5), Content_Type=JSON)),
    "slow-metadata": _metadata_only(lambda request: request.endless(_drip(METADATA * 50, 0.5))),
    "slow-wheel": _wheel_only(lambda request: request.endless(_drip(WHEEL, 0.5))),
    # huge
    "endless-page": _page_only(lambda request: request.endless(_repeat(b" " * BIG))),
    "endless-json": _page_only(
        lambda request: request.endless(_repeat(b"[" * BIG), Content_Type=JSON)
    ),
    "endless-links": _page_only(
        lambda request: request.endless(
            _repeat(b'<a href="oddball-1.0-py3-none-any.whl">x</a>' * 20_000),
            Content_Type="text/html",
        )
    ),
    "endless-metadata": _metadata_only(
        lambda request: request.endless(_repeat(b"Requires-Dist: six\n" * 50_000))
    ),
    "endless-part": _ranges(
        lambda request, span: _part(request, span, "99999999", _repeat(b"\0" * BIG))
    ),
    "endless-error": lambda request: request.endless(_repeat(b"x" * BIG), 404),
    "endless-failure": lambda request: request.endless(_repeat(b"x" * BIG), 500),
    "endless-redirect": lambda request: request.endless(
        _repeat(b"x" * BIG), 302, Location="/honest/simple/oddball/"
    ),
    "bomb-page": _page_only(lambda request: request.answer(BOMB, **{"Content-Encoding": "gzip"})),
    "bomb-html": _page_only(
        lambda request: request.answer(BOMB, kind="text/html", **{"Content-Encoding": "gzip"})
    ),
    "bomb-metadata": _metadata_only(
        lambda request: request.answer(BOMB, **{"Content-Encoding": "gzip"})
    ),
    "bomb-part": _ranges(
        lambda request, span: request.answer(
            BOMB, 206, **{"Content-Encoding": "gzip", "Content-Range": "bytes 0-1/2"}
        )
    ),
    "bomb-wheel": _bounded_ranges(zip_bomb()),
    "bomb-twice": _page_only(
        lambda request: request.answer(gzip.compress(BOMB), **{"Content-Encoding": "gzip, gzip"})
    ),
    "bomb-many-times": _page_only(
        lambda request: request.answer(page(), **{"Content-Encoding": "gzip, " * 500 + "gzip"})
    ),
    "bomb-error": lambda request: request.answer(BOMB, 404, **{"Content-Encoding": "gzip"}),
    # lies
    "page-of-another": _page_only(
        lambda request: request.answer(page().replace(b'"name": "oddball"', b'"name": "other"'))
    ),
    "digest-wrong": _page_only(lambda request: request.answer(page(hashes={"sha256": "0" * 64}))),
    "size-wrong": _page_only(lambda request: request.answer(page(size=10**30))),
    "metadata-of-another": _metadata_only(
        lambda request: request.answer(METADATA.replace(b"oddball", b"torch"))
    ),
    "part-wrong-total": _ranges(lambda request, span: _whole_part(request, WHEEL, 10**17)),
    "part-wrong-content": _ranges(lambda request, span: _whole_part(request, b"\0" * 5000)),
    "part-empty": _ranges(lambda request, span: _whole_part(request, b"", 5000)),
    "page-of-numbers": _page_only(lambda request: request.answer(b"[" + b"9" * 100_000 + b"]")),
    "page-deep": _page_only(lambda request: request.answer(b'{"files":' * 100_000)),
    "page-deep-html": _page_only(
        lambda request: request.answer(b"<div>" * 300_000, kind="text/html")
    ),
    "page-noise": _page_only(lambda request: request.answer(os.urandom(1 << 16))),
    "page-noise-html": _page_only(
        lambda request: request.answer(os.urandom(1 << 16), kind="text/html")
    ),
    "page-keys-twice": _page_only(
        lambda request: request.answer(b'{"files":1,' + page()[1:].replace(b"1.1", b"9.9"))
    ),
    "page-of-nothing": _page_only(lambda request: request.answer(b"null")),
    "page-of-nan": _page_only(lambda request: request.answer(b'{"files": NaN}')),
    "page-of-a-row": _page_only(lambda request: request.answer(b'{"files": [null, 7, [], {}]}')),
    "page-surrogates": _page_only(
        lambda request: request.answer(page(yanked="\udcff", **{"requires-python": "\ud800"}))
    ),
    "page-base": _page_only(
        lambda request: request.answer(
            b'<base href="file:///etc/"><a href="passwd#oddball-1-py3-none-any.whl">x</a>'
            b'<a href="file:///etc/oddball-1-py3-none-any.whl">x</a>',
            kind="text/html",
        )
    ),
    "many-releases": _page_only(
        lambda request: request.answer(
            json.dumps(
                {
                    "meta": {"api-version": "1.1"},
                    "name": "oddball",
                    "files": [
                        {
                            "filename": f"oddball-1.{number}-py3-none-any.whl",
                            "url": f"oddball-1.{number}-py3-none-any.whl",
                            "hashes": {},
                        }
                        for number in range(100_000)
                    ],
                }
            ).encode()
        )
    ),
}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients go away from such a server."""


class HostileIndex(AbstractContextManager["HostileIndex"]):
    """Alive inside its `with` block, in a process of its own."""

    def __init__(self) -> None:
        server = _Server(("127.0.0.1", 0), Handler)
        self.port = server.server_address[1]
        self._process = os.fork()
        if not self._process:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            try:
                server.serve_forever()
            finally:
                os._exit(0)
        server.socket.close()

    def url(self, behaviour: str) -> str:
        return f"http://127.0.0.1:{self.port}/{behaviour}/simple/"

    def __exit__(self, *_: object) -> None:
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)


__all__ = ["BEHAVIOURS", "FILE", "WHEEL", "HostileIndex", "page"]
