"""A web server on loopback that answers as a test's script says, faults included.

    with ScriptedServer() as server:
        server.answers["/simple/x/"] = [Answer(503, {"Retry-After": "0"}), Answer(body=b"...")]
        server.url("/simple/x/")

Each request takes the next answer of its path, and the last one stays. `asked` holds each request's
path and headers. An answer with `cut` promises its whole body and breaks off after so many bytes;
one with `pause` waits so many seconds between its `pieces`. With a `context` it speaks TLS.
"""

from __future__ import annotations

import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from typing_extensions import Self


class Answer(NamedTuple):
    """What is sent. With an ETag that the request already has, 304 is sent in its stead."""

    status: int = 200
    headers: Mapping[str, str] = {}
    body: bytes = b""
    cut: int | None = None
    pause: float = 0
    pieces: int = 1


class RequestedProject(NamedTuple):
    """One request, by its path (decoded) and headers in lower case."""

    path: str
    headers: Mapping[str, str]


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away while an answer is flushed is no failure of a test either."""
        if not isinstance(sys.exc_info()[1], ConnectionError | ssl.SSLError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class ScriptedServer:
    """Alive inside its `with` block."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.asked: list[RequestedProject] = []
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._scheme = "http"
        if context is not None:
            self._scheme = "https"
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def url(self, path: str) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}{path}"

    def paths(self) -> list[str]:
        """The paths asked for, in order."""
        return [each.path for each in self.asked]

    def next(self, path: str) -> Answer:
        """The answer to a request, made for each one anew."""
        waiting = self.answers.get(path, [Answer(404)])
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                path = unquote(self.path.partition("?")[0])
                headers = {name.lower(): value for name, value in self.headers.items()}
                server.asked.append(RequestedProject(path, headers))
                answer = server.next(path)
                tag = answer.headers.get("ETag")
                if tag is not None and headers.get("if-none-match") == tag:
                    answer = answer._replace(status=304, body=b"", cut=None, pause=0)
                self._send(answer, headers.get("range"))

            def _send(self, answer: Answer, wanted: str | None) -> None:
                body, status = answer.body, answer.status
                if wanted and status == 200 and answer.headers.get("Accept-Ranges") == "bytes":
                    status, body = 206, self._part(answer, wanted)
                self.send_response(status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if status != 304:
                    self.send_header("Content-Length", str(len(body)))
                if status == 206:
                    first = answer.body.find(body)
                    span = f"bytes {first}-{first + len(body) - 1}/{len(answer.body)}"
                    self.send_header("Content-Range", span)
                self.end_headers()
                sent = body if answer.cut is None else body[: answer.cut]
                size = max(1, -(-len(sent) // answer.pieces))
                for start in range(0, len(sent), size):
                    self.wfile.write(sent[start : start + size])
                    if answer.pause:
                        self.wfile.flush()
                        time.sleep(answer.pause)
                if answer.cut is not None:
                    self.close_connection = True

            @staticmethod
            def _part(answer: Answer, wanted: str) -> bytes:
                first, _, last = wanted.removeprefix("bytes=").partition("-")
                if not first:
                    return answer.body[-int(last) :]
                return answer.body[int(first) : int(last) + 1 if last else None]

            def handle(self) -> None:
                """A client that goes away is no failure of a test."""
                try:
                    super().handle()
                except ConnectionError:
                    self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:
                """Quiet: pytest's output is for failures."""

        return Handler
