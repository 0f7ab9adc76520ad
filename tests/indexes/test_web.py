"""The HTTP client: what it keeps, how often it asks, what it does about a server in trouble."""

from __future__ import annotations

import gc
import gzip
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
import weakref
import zlib
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import TYPE_CHECKING

import httpx
import pytest
import trustme
from click.testing import CliRunner

from cudalock.cli import main
from cudalock.errors import NetworkError
from cudalock.indexes import client as module
from cudalock.indexes import transport
from cudalock.indexes.cache import CACHE_VARIABLE
from cudalock.indexes.client import ATTEMPTS, DOWNLOAD, ONCE, Web
from cudalock.indexes.downloads import download
from cudalock.indexes.pip_config import PipSettings
from tests.scripted import Answer, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = "/simple/x/"
FRESH = {"Cache-Control": "max-age=600", "Content-Type": "text/html"}
TAGGED = {"ETag": '"one"', "Content-Type": "text/html"}


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache, and no waiting."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(module, "BACK_OFF", 0)
    return tmp_path / "cache"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


def read(server: ScriptedServer, *, offline: bool = False, path: str = PAGE) -> bytes:
    """The body as a client of its own gets it."""
    with Web(PipSettings(), offline=offline) as web:
        return web.get(server.url(path)).raise_for_status().content


# The cache.


def test_a_fresh_answer_is_asked_for_once(server: ScriptedServer) -> None:
    server.answers[PAGE] = [Answer(headers=FRESH, body=b"a"), Answer(headers=FRESH, body=b"b")]
    assert [read(server), read(server)] == [b"a", b"a"]
    assert server.paths() == [PAGE]


@pytest.mark.parametrize("kind", ["of the server", "of the cache"])
def test_an_answer_is_freed_without_a_garbage_collection(server: ScriptedServer, kind: str) -> None:
    server.answers[PAGE] = [Answer(headers=FRESH, body=b"a")]
    with Web(PipSettings()) as web:
        if kind == "of the cache":
            read(server)
        gc.disable()
        try:
            answer = web.get(server.url(PAGE))
            assert answer.content == b"a"
            is_there = weakref.ref(answer)
            del answer
            assert is_there() is None
        finally:
            gc.enable()


def test_an_answer_is_asked_about_by_its_tag(server: ScriptedServer) -> None:
    server.answers[PAGE] = [Answer(headers=TAGGED, body=b"a")]
    assert [read(server), read(server)] == [b"a", b"a"]
    assert [each.headers.get("if-none-match") for each in server.asked] == [None, '"one"']


def test_an_answer_that_does_not_say_is_fresh_for_a_while(server: ScriptedServer) -> None:
    server.answers[PAGE] = [Answer(body=b"a")]
    read(server)
    read(server)
    assert len(server.asked) == 1


def test_what_may_not_be_kept_is_not(server: ScriptedServer) -> None:
    server.answers[PAGE] = [Answer(headers={**FRESH, "Cache-Control": "no-store"}, body=b"a")]
    read(server)
    read(server)
    assert len(server.asked) == 2
    with pytest.raises(httpx.ConnectError):
        read(server, offline=True)


@pytest.mark.parametrize("headers", [{}, TAGGED, FRESH], ids=["plain", "tagged", "fresh"])
def test_offline_what_was_said_before_serves(
    server: ScriptedServer, headers: dict[str, str]
) -> None:
    server.answers[PAGE] = [Answer(headers=headers, body=b"a")]
    read(server)
    assert read(server, offline=True) == b"a"
    assert len(server.asked) == 1


def test_offline_nothing_is_asked(server: ScriptedServer) -> None:
    with pytest.raises(httpx.ConnectError):
        read(server, offline=True)
    assert server.asked == []


@pytest.mark.parametrize(
    "trouble",
    [Answer(503), Answer(body=b"abcdef", cut=2)],
    ids=["unavailable", "truncated"],
)
def test_a_server_in_trouble_is_stood_in_for(server: ScriptedServer, trouble: Answer) -> None:
    server.answers[PAGE] = [Answer(headers=TAGGED, body=b"a"), trouble]
    read(server)
    with Web(PipSettings()) as web:
        assert web.get(server.url(PAGE)).content == b"a"
        assert web.stood_in == {server.url(PAGE)}
    with Web(PipSettings(), stale=False) as web:
        try:
            assert web.get(server.url(PAGE)).status_code == 503
        except httpx.TransportError:
            assert trouble.cut is not None


def test_wheels_and_parts_pass_the_cache_by(server: ScriptedServer, cache: Path) -> None:
    wheel = "/files/x-1-py3-none-any.whl"
    server.answers[wheel] = server.answers[PAGE] = [
        Answer(headers={**FRESH, "Accept-Ranges": "bytes"}, body=b"a wheel")
    ]
    with Web(PipSettings()) as web:
        assert web.get(server.url(wheel)).content == b"a wheel"
        part = web.get(server.url(PAGE), headers={"Range": "bytes=2-4"})
        assert (part.status_code, part.content) == (206, b"whe")
        assert web.get(server.url(PAGE), extensions=DOWNLOAD).content == b"a wheel"
    assert not (cache / "http.db").exists()


def test_what_is_too_large_is_not_kept(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "LARGEST_CACHED", 1000)
    server.answers[PAGE] = [Answer(headers=FRESH, body=b"x" * 1001)]
    assert len(read(server)) == len(read(server)) == 1001
    assert len(server.asked) == 2


def test_a_page_of_the_cache_is_the_page_that_was_sent(server: ScriptedServer, cache: Path) -> None:
    """A byte that changed on the disk would be another answer: nothing else notices it."""
    server.answers[PAGE] = [
        Answer(headers={**FRESH, "X-Cudalock-Sha256": "0" * 64}, body=b"a page")
    ]
    assert read(server) == read(server) == b"a page"
    assert len(server.asked) == 1
    content = (cache / "http.db").read_bytes()
    assert b"a page" in content
    (cache / "http.db").write_bytes(content.replace(b"a page", b"a sage"))
    assert read(server) == b"a page"
    assert len(server.asked) == 2


def packed(content: bytes, wbits: int = 31) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    return packer.compress(content) + packer.flush()


SPACES = b" " * (1 << 20)
TOO_LARGE = {
    "plain": ({}, SPACES),
    "gzip": ({"Content-Encoding": "gzip"}, packed(SPACES)),
    "deflate": ({"Content-Encoding": "deflate"}, packed(SPACES, 15)),
    "two compressions": ({"Content-Encoding": "gzip, gzip"}, packed(packed(SPACES))),
    "many compressions": ({"Content-Encoding": "gzip, " * 400 + "gzip"}, b"x"),
    "another compression": ({"Content-Encoding": "br"}, b"x"),
    "no compression": ({"Content-Encoding": "gzip"}, b"not gzip"),
    "cut": ({"Content-Encoding": "gzip"}, packed(SPACES)[:-9]),
}


@pytest.mark.parametrize("status", [200, 404, 302])
@pytest.mark.parametrize("kind", TOO_LARGE)
def test_what_is_too_large_unpacked_is_an_error(
    kind: str, status: int, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred kilobytes may become gigabytes, in a page, an error or a redirect."""
    monkeypatch.setattr(transport, "LARGEST", 1 << 16)
    headers, body = TOO_LARGE[kind]
    where = {"Location": server.url("/elsewhere")} if status == 302 else {}
    server.answers[PAGE] = [Answer(status, {**headers, **where}, body)]
    with Web(PipSettings()) as web, pytest.raises(httpx.RequestError):
        web.get(server.url(PAGE))


@pytest.mark.parametrize("wbits", [31, 15])
def test_what_is_compressed_is_unpacked(wbits: int, server: ScriptedServer) -> None:
    name = {31: "gzip", 15: "deflate"}[wbits]
    body = packed(b"a page" * 100_000, wbits)
    server.answers[PAGE] = [Answer(headers={**FRESH, "Content-Encoding": name}, body=body)]
    assert read(server) == read(server) == b"a page" * 100_000
    assert len(server.asked) == 1
    server.answers["/empty"] = [Answer(404, {"Content-Encoding": name})]
    with Web(PipSettings()) as web:
        assert web.get(server.url("/empty")).content == b""


def test_a_part_is_no_longer_than_was_asked_for(server: ScriptedServer) -> None:
    headers = {"Content-Range": "bytes 0-9/10"}
    server.answers[PAGE] = [Answer(206, headers, b"x" * 100_000)]
    with Web(PipSettings()) as web:
        for span in ("bytes=0-9", "bytes=-10"):
            with pytest.raises(httpx.RequestError, match="more than 10 bytes"):
                web.get(server.url(PAGE), headers={"Range": span})


def test_a_damaged_cache_is_passed_over(
    server: ScriptedServer, cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    server.answers[PAGE] = [Answer(headers=FRESH, body=b"a")]
    cache.mkdir()
    (cache / "http.db").write_bytes(b"this is not a database" * 100)
    assert [read(server), read(server)] == [b"a", b"a"]
    assert capfd.readouterr().err == ""


def test_a_damaged_entry_is_passed_over(
    server: ScriptedServer, cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its head cannot be read, or its body is gone, or is not what its head says."""
    zipped = {**FRESH, "Content-Encoding": "gzip"}
    server.answers[PAGE] = [Answer(headers=zipped, body=gzip.compress(b"a"))]
    for damage in (
        "UPDATE entries SET data = x'ff'",
        "DELETE FROM streams",
        "UPDATE streams SET chunk_data = zeroblob(40)",
    ):
        assert read(server) == b"a"
        with sqlite3.connect(cache / "http.db") as database:
            database.execute(damage)
        database.close()
        assert read(server) == b"a"
        with sqlite3.connect(cache / "http.db") as database:
            database.execute("DELETE FROM entries")
        database.close()
    assert capfd.readouterr().err == ""


def test_a_cache_that_cannot_be_written_is_no_failure(
    server: ScriptedServer, cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cache.write_text("a file where the folder should be")
    server.answers[PAGE] = [Answer(headers=FRESH, body=b"a")]
    assert read(server) == b"a"
    assert capfd.readouterr().err == ""


def test_credentials_are_sent_and_not_kept(server: ScriptedServer, cache: Path) -> None:
    server.answers[PAGE] = [Answer(headers=TAGGED, body=b"a")]
    url = server.url(PAGE).replace("//", "//me:secret@")
    with Web(PipSettings()) as web:
        assert web.get(url).content == b"a"
    assert server.asked[0].headers["authorization"] == "Basic bWU6c2VjcmV0"
    kept = b"".join(path.read_bytes() for path in cache.rglob("*") if path.is_file())
    assert b"/simple/x/" in kept
    assert b"secret" not in kept
    assert b"bWU6c2VjcmV0" not in kept


def test_credentials_stay_with_their_host(server: ScriptedServer) -> None:
    """They follow a redirect on one host, and no further."""
    with ScriptedServer() as other:
        other.answers["/x/"] = [Answer(body=b"theirs")]
        server.answers["/moved/"] = [Answer(302, {"Location": other.url("/x/")})]
        server.answers[PAGE] = [Answer(302, {"Location": "/moved/"})]
        with Web(PipSettings()) as web:
            assert web.get(server.url(PAGE).replace("//", "//me:secret@")).content == b"theirs"
        assert [each.headers.get("authorization") for each in other.asked] == [None]
    assert [each.headers.get("authorization") for each in server.asked] == [
        "Basic bWU6c2VjcmV0",
        "Basic bWU6c2VjcmV0",
    ]


def test_credentials_have_answers_of_their_own(server: ScriptedServer) -> None:
    server.answers[PAGE] = [Answer(headers=FRESH, body=b"mine"), Answer(401)]
    with Web(PipSettings()) as web:
        assert web.get(server.url(PAGE).replace("//", "//me:pw@")).content == b"mine"
        assert web.get(server.url(PAGE)).status_code == 401


# Patience.


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_trouble_that_passes(server: ScriptedServer, status: int) -> None:
    server.answers[PAGE] = [Answer(status), Answer(status), Answer(body=b"a")]
    assert read(server) == b"a"
    assert len(server.asked) == ATTEMPTS


@pytest.mark.parametrize("answer", [Answer(500), Answer(body=b"abc", cut=1)], ids=["500", "cut"])
def test_trouble_that_stays(server: ScriptedServer, answer: Answer) -> None:
    server.answers[PAGE] = [answer]
    with pytest.raises(httpx.HTTPError):
        read(server)
    assert len(server.asked) == ATTEMPTS


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_clear_answer_is_taken_at_once(server: ScriptedServer, status: int) -> None:
    server.answers[PAGE] = [Answer(status)]
    with pytest.raises(httpx.HTTPStatusError):
        read(server)
    assert len(server.asked) == 1


def test_a_sender_that_tries_again_itself(server: ScriptedServer) -> None:
    server.answers[PAGE] = [Answer(503)]
    with Web(PipSettings()) as web:
        assert web.get(server.url(PAGE), extensions=ONCE).status_code == 503
    assert len(server.asked) == 1


def test_retry_after_is_honoured(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    date = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=30), usegmt=True)
    server.answers[PAGE] = [
        Answer(429, {"Retry-After": "7"}),
        Answer(503, {"Retry-After": date}),
        Answer(body=b"a"),
    ]
    assert read(server) == b"a"
    assert slept[0] == 7
    assert 20 < slept[1] <= 30


def test_too_much_patience_is_refused(server: ScriptedServer) -> None:
    server.answers[PAGE] = [Answer(429, {"Retry-After": "3600"})]
    with pytest.raises(httpx.HTTPStatusError, match="429"):
        read(server)
    assert len(server.asked) == 1


def test_a_slow_body_ends(server: ScriptedServer) -> None:
    server.answers[PAGE] = [Answer(body=b"x" * 100, pause=0.05, pieces=100)]
    with Web(PipSettings(), deadline=0.2) as web, pytest.raises(httpx.RequestError, match="slowly"):
        web.get(server.url(PAGE))
    assert len(server.asked) == 1


class DrippingServer:
    """A server that sends a piece of an answer every tenth of a second, and never ends."""

    def __init__(self, start: bytes, piece: bytes) -> None:
        self.start, self.piece = start, piece
        self.requests = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/simple/"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.requests += 1
                threading.Thread(target=self._drip, args=(connection,), daemon=True).start()

    def _drip(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.recv(65_536)
            connection.sendall(self.start)
            while True:
                time.sleep(0.1)
                connection.sendall(self.piece)

    def close(self) -> None:
        self._listener.close()


DRIPPING = {
    "a header line at a time": (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
    "a letter of the status line": (b"HTTP/1.1 200 ", b"O"),
    "a byte of the body": (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", b"x"),
    "a chunk of the body": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1\r\nx\r\n",
    ),
}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "BEGIN", 0.2)
    monkeypatch.setattr(transport, "PATIENCE", 0.2)


@pytest.mark.parametrize("kind", DRIPPING)
@pytest.mark.parametrize("is_download", [False, True], ids=["page", "download"])
def test_a_server_that_sends_a_little_for_ever_is_left(
    kind: str, is_download: bool, impatient: None
) -> None:
    server = DrippingServer(*DRIPPING[kind])
    began = time.monotonic()
    extensions = DOWNLOAD if is_download else {}
    with Web(PipSettings()) as web, pytest.raises(httpx.RequestError, match=r"slowly|not begin"):
        web.get(server.url, extensions=extensions)
    server.close()
    assert server.requests == 1
    assert time.monotonic() - began < 60


def test_a_server_that_did_not_answer_is_not_waited_for_again(impatient: None) -> None:
    """A command makes a request for each project."""
    server = DrippingServer(*DRIPPING["a header line at a time"])
    with Web(PipSettings()) as web:
        for name in "abcdef":
            with pytest.raises(httpx.RequestError):
                web.get(f"{server.url}{name}/")
    server.close()
    assert server.requests == 1


@pytest.mark.parametrize("kind", DRIPPING)
@pytest.mark.parametrize(
    "words",
    [
        ["solve", "somepackage", "--platform", "linux", "--python", "3.11", "--index-url"],
        [
            "solve",
            "somepackage",
            "otherone",
            "athird",
            "--platform",
            "linux",
            "--python",
            "3.11",
            "--index-url",
        ],
        ["fetch", "lock.txt", "-d", "wheels", "--index-url"],
    ],
    ids=["solve", "several", "fetch"],
)
def test_a_command_ends_though_its_index_does_not(
    kind: str,
    words: list[str],
    impatient: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    digest = "0" * 64
    (tmp_path / "lock.txt").write_text(f"six==1.17.0 --hash=sha256:{digest}\n", encoding="utf-8")
    server = DrippingServer(*DRIPPING[kind])
    began = time.monotonic()
    result = CliRunner().invoke(main, [*words, server.url])
    server.close()
    assert result.exit_code == 3, result.output
    assert time.monotonic() - began < 60


def test_a_download_is_tried_again_after_a_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIMEOUT", 0.3)
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/x.whl"

    def serve() -> None:
        silent, _ = listener.accept()
        connection, _ = listener.accept()
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhere")
        connection.close()
        silent.close()

    threading.Thread(target=serve, daemon=True).start()
    with Web(PipSettings()) as web:
        download(web, url, tmp_path / "x.whl", sleep=lambda seconds: None)
    listener.close()
    assert (tmp_path / "x.whl").read_bytes() == b"here"


def test_a_steady_answer_may_take_longer(server: ScriptedServer, impatient: None) -> None:
    body = b"x" * 40_000
    server.answers[PAGE] = [Answer(body=body, pause=0.05, pieces=20)]
    with Web(PipSettings()) as web:
        assert web.get(server.url(PAGE)).content == body


def test_an_endless_body_ends(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LARGEST", 1 << 20)
    server.answers[PAGE] = [Answer(body=b"x" * (3 << 20))]
    with pytest.raises(httpx.RequestError, match="more than 1 MiB"):
        read(server)


def test_a_host_is_asked_so_much_at_once(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "AT_ONCE", 2)
    here, most, lock = [0], [0], threading.Lock()
    answer = server.next

    def counted(path: str) -> Answer:
        with lock:
            here[0] += 1
            most[0] = max(most[0], here[0])
        threading.Event().wait(0.03)
        with lock:
            here[0] -= 1
        return answer(path)

    monkeypatch.setattr(server, "next", counted)
    with Web(PipSettings()) as web:
        threads = [
            threading.Thread(target=web.get, args=[server.url(f"/{number}")]) for number in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert most[0] == 2


# Counting.


def test_what_was_asked_is_counted(server: ScriptedServer) -> None:
    server.answers[PAGE] = [Answer(headers=TAGGED, body=b"a" * 1000)]
    server.answers["/other"] = [Answer(headers=FRESH, body=b"b" * 50)]
    with Web(PipSettings()) as web:
        for path in (PAGE, PAGE, "/other", "/other"):
            web.get(server.url(path))
        traffic = web.traffic
    assert (traffic.requests, traffic.received, traffic.cached) == (3, 1050, 2)
    assert str(traffic).startswith("3 requests, 1050 bytes received, 2 answers from the cache, ")


# PipSettings of pip's.


@pytest.mark.parametrize("trusted", [(), ("nowhere.invalid",)])
@pytest.mark.parametrize("scheme", ["", "http://"])
def test_pips_proxy_is_asked(server: ScriptedServer, scheme: str, trusted: tuple[str, ...]) -> None:
    """For everything, as pip's is; the address may leave the scheme out."""
    server.answers["http://nowhere.invalid/simple/x/"] = [Answer(headers=FRESH, body=b"here")]
    proxy = scheme + server.url("").removeprefix("http://")
    with Web(PipSettings(proxy=proxy, trusted_hosts=trusted)) as web:
        assert web.get("http://nowhere.invalid/simple/x/").content == b"here"


def test_a_trusted_host_needs_no_certificate() -> None:
    """Its own alone: a certificate that nobody vouches for is refused of any other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with ScriptedServer(context) as secure:
        secure.answers[PAGE] = [Answer(headers=FRESH, body=b"here")]
        url = secure.url(PAGE)
        port = httpx.URL(url).port
        for host in ("127.0.0.1", f"127.0.0.1:{port}"):
            with Web(PipSettings(trusted_hosts=(host,))) as web:
                assert web.get(url).content == b"here"
        for host in ("example.org", f"127.0.0.1:{(port or 0) - 1}"):
            with (
                Web(PipSettings(trusted_hosts=(host,)), stale=False) as web,
                pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"),
            ):
                web.get(url, headers={"Cache-Control": "no-cache"})


TRUSTED = ["cert", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"]


@pytest.mark.parametrize("where", [*TRUSTED, "machine", "nowhere"])
def test_whose_certificates_are_trusted(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pip: a setting, what requests reads, what OpenSSL reads, else what the machine trusts."""
    for variable in TRUSTED:
        monkeypatch.delenv(variable, raising=False)
    authority = trustme.CA()
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    settings = PipSettings(cert=str(bundle)) if where == "cert" else PipSettings()
    if where == "SSL_CERT_DIR":
        subprocess.run(["openssl", "rehash", str(tmp_path)], check=True, capture_output=True)
    if where in TRUSTED[1:]:
        monkeypatch.setenv(where, str(tmp_path if where == "SSL_CERT_DIR" else bundle))
    if where == "machine":
        load = ssl.SSLContext.load_default_certs
        monkeypatch.setattr(
            ssl.SSLContext,
            "load_default_certs",
            lambda self, *words: (load(self, *words), self.load_verify_locations(bundle)),
        )
    with ScriptedServer(context) as secure, Web(settings) as web:
        secure.answers[PAGE] = [Answer(headers=FRESH, body=b"here")]
        if where == "nowhere":
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                web.get(secure.url(PAGE))
        else:
            assert web.get(secure.url(PAGE)).content == b"here"


@pytest.mark.parametrize(
    "settings",
    [
        PipSettings(proxy="ftp://me:secret@x"),
        PipSettings(proxy="http://[::1"),
        PipSettings(trusted_hosts=("a:b:c",)),
        PipSettings(cert=__file__),
    ],
)
def test_a_setting_that_is_none_ends_in_a_sentence(settings: PipSettings) -> None:
    with pytest.raises(NetworkError, match="that is set cannot be used") as caught:
        Web(settings)
    assert "secret" not in str(caught.value)


def test_a_proxy_that_needs_another_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    with pytest.raises(NetworkError, match="SOCKS") as caught:
        Web(PipSettings(proxy="socks5://127.0.0.1:9"))
    assert caught.value.hints == ("pip install 'httpx[socks]'",)


# Breaking off.


@pytest.mark.usefixtures("heeded_stops")
@pytest.mark.skipif(sys.platform == "win32", reason="no such signal for one process there")
def test_ctrl_c_does_not_wait_for_a_silent_server(tmp_path: Path) -> None:
    """The threads that wait are left behind, and nothing is."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environment = {
            **os.environ,
            "PIP_INDEX_URL": f"http://127.0.0.1:{silent.getsockname()[1]}/simple/",
            "CUDALOCK_CACHE_DIR": str(tmp_path / "cache"),
            "CUDALOCK_DATA_DIR": str(tmp_path / "data"),
        }
        words = ["matrix", "update", "six", "wheel", "--quiet"]
        with subprocess.Popen(
            [sys.executable, "-m", "cudalock", *words], env=environment, stderr=subprocess.PIPE
        ) as process:
            silent.settimeout(30)
            with silent.accept()[0]:
                began = time.monotonic()
                process.send_signal(signal.SIGINT)
                try:
                    _, said = process.communicate(timeout=30)
                finally:
                    process.kill()
        assert process.returncode == 130
        assert time.monotonic() - began < 60
        assert b"Traceback" not in said
    assert list((tmp_path / "data" / "matrix").iterdir()) == []
