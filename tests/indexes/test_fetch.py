"""Downloads that break off, resume and lie; and locks carried to a machine without a network."""

from __future__ import annotations

import hashlib
import re
import shlex
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from cudalock.cli import main
from cudalock.errors import BadFile, HashMismatch, NetworkError, OutputError
from cudalock.formats import WriteOptions, load_format
from cudalock.indexes.client import Web
from cudalock.indexes.downloads import ATTEMPTS, download
from cudalock.projects.locks import locked_wheels
from cudalock.projects.locks.locked_wheels import WheelToFetch
from cudalock.targets import Target
from tests.local_index import LocalIndex, build_wheel, clean_environment, make_environment, run_tool
from tests.sample_locks import NUMPY, lock, pin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result

    from cudalock.lock import Lock

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
BODY = bytes(range(256)) * 4000
DIGEST = hashlib.sha256(BODY).hexdigest()


class Host:
    """A file host whose answers are scripted: each is taken once, then the file is served whole.

    "truncated" sends half and hangs up, a number is a status, "other" sends other bytes. `ranges`
    lists the Range header of each request.
    """

    def __init__(self) -> None:
        self.script: list[str | int] = []
        self.ranges: list[str | None] = []
        self.tag = '"v1"'
        self.resumes = True
        self.body = BODY

    def respond(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range")
        self.ranges.append(wanted)
        step = self.script.pop(0) if self.script else "whole"
        body, status, start = self.body, 200, 0
        if isinstance(step, int):
            body, status = b"no", step
        elif step == "other":
            body = b"x" * len(body)
        elif wanted and self.resumes and request.headers.get("If-Range", self.tag) == self.tag:
            start, status = int(wanted.removeprefix("bytes=").rstrip("-")), 206
        if start and start >= len(body):
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(body)}")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        rest = body[start:]
        request.send_response(status)
        request.send_header("Content-Length", str(len(rest)))
        if self.tag:
            request.send_header("ETag", self.tag)
        request.end_headers()
        request.wfile.write(rest[: len(rest) // 2] if step == "truncated" else rest)
        request.close_connection = True


@pytest.fixture
def host() -> Iterator[tuple[Host, str]]:
    host = Host()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host.respond(self)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield host, f"http://127.0.0.1:{server.server_address[1]}/a.whl"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def bring(tmp_path: Path, host: tuple[Host, str]) -> Iterator[Callable[[str | None], str]]:
    """Download the host's file, waiting for nothing."""
    with Web() as web:
        yield lambda sha256: download(
            web, host[1], tmp_path / "a.whl", sha256, sleep=lambda seconds: None
        )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("sha256", [DIGEST, None])
def test_a_file_comes_whole(
    sha256: str | None, bring: Callable[[str | None], str], host: tuple[Host, str], tmp_path: Path
) -> None:
    assert bring(sha256) == DIGEST
    assert (tmp_path / "a.whl").read_bytes() == BODY
    assert names(tmp_path) == ["a.whl"]
    assert bring(sha256) == DIGEST
    assert host[0].ranges == [None]


def test_what_breaks_off_is_resumed(
    bring: Callable[[str | None], str], host: tuple[Host, str], tmp_path: Path
) -> None:
    host[0].script = ["truncated", 503, "truncated"]
    assert bring(DIGEST) == DIGEST
    assert host[0].ranges[0] is None
    assert host[0].ranges[1] == host[0].ranges[2] == f"bytes={len(BODY) // 2}-"
    assert host[0].ranges[3] == f"bytes={len(BODY) * 3 // 4}-"
    assert names(tmp_path) == ["a.whl"]


def test_a_later_run_goes_on(
    bring: Callable[[str | None], str], host: tuple[Host, str], tmp_path: Path
) -> None:
    host[0].script = ["truncated", *[500] * (ATTEMPTS - 1)]
    with pytest.raises(NetworkError, match="500"):
        bring(None)
    assert names(tmp_path) == [".a.whl.part", ".a.whl.part.etag"]
    assert bring(None) == DIGEST
    assert host[0].ranges[-1] == f"bytes={len(BODY) // 2}-"


def test_another_version_starts_anew(
    bring: Callable[[str | None], str], host: tuple[Host, str], tmp_path: Path
) -> None:
    """Without a digest only the server can say that the rest belongs to what is there."""
    host[0].script = ["truncated", *[500] * (ATTEMPTS - 1)]
    with pytest.raises(NetworkError):
        bring(None)
    host[0].tag, host[0].body = '"v2"', BODY[::-1]
    assert bring(None) == hashlib.sha256(BODY[::-1]).hexdigest()


def test_a_wrong_beginning_is_thrown_away(
    bring: Callable[[str | None], str], host: tuple[Host, str], tmp_path: Path
) -> None:
    (tmp_path / ".a.whl.part").write_bytes(b"y" * 1000)
    assert bring(DIGEST) == DIGEST
    assert host[0].ranges == ["bytes=1000-", None]


def test_a_complete_beginning_needs_no_more(
    bring: Callable[[str | None], str], host: tuple[Host, str], tmp_path: Path
) -> None:
    (tmp_path / ".a.whl.part").write_bytes(BODY)
    assert bring(DIGEST) == DIGEST
    assert names(tmp_path) == ["a.whl"]


def test_a_host_that_cannot_resume(
    bring: Callable[[str | None], str], host: tuple[Host, str]
) -> None:
    host[0].script, host[0].resumes = ["truncated"], False
    assert bring(DIGEST) == DIGEST


def test_a_wrong_file_is_refused_and_leaves_nothing(
    bring: Callable[[str | None], str], host: tuple[Host, str], tmp_path: Path
) -> None:
    host[0].script = ["other"]
    with pytest.raises(HashMismatch) as caught:
        bring(DIGEST)
    assert (caught.value.expected, caught.value.exit_status) == (DIGEST, 1)
    assert caught.value.actual in str(caught.value)
    assert names(tmp_path) == []


def test_a_wrong_file_that_was_there_is_replaced(
    bring: Callable[[str | None], str], tmp_path: Path
) -> None:
    (tmp_path / "a.whl").write_bytes(b"old")
    assert bring(DIGEST) == DIGEST
    assert (tmp_path / "a.whl").read_bytes() == BODY


@pytest.mark.parametrize(("status", "asked"), [(404, 1), (403, 1), (500, ATTEMPTS)])
def test_statuses(
    status: int, asked: int, bring: Callable[[str | None], str], host: tuple[Host, str]
) -> None:
    host[0].script = [status] * ATTEMPTS
    with pytest.raises(NetworkError, match=str(status)):
        bring(DIGEST)
    assert len(host[0].ranges) == asked


def test_a_folder_that_cannot_be(host: tuple[Host, str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with Web() as web, pytest.raises(OutputError):
        download(web, host[1], tmp_path / "file" / "a.whl", DIGEST)


# The lock that is read.


def a_lock(index: LocalIndex) -> Lock:
    """numpy from the package index; a renamed flash-attn and another wheel from their builders."""
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    extension = build_wheel("exllamav2", "0.2.4+cu121", f"{tag}-{tag}-linux_x86_64")
    torch = build_wheel("torch", "2.5.1", requires=["numpy"])
    flash = build_wheel(
        "flash-attn",
        "2.7.4.post1",
        file_version="2.7.4.post1+cu12torch2.5cxx11abiFALSE",
        requires=["torch"],
    )
    index.add("/simple/", NUMPY, torch, build_wheel("numpy", "1.26.4"))
    return lock(
        pin(NUMPY),
        pin(torch),
        pin(extension, builder="b/c", url=index.release("/c/", extension), direct=True),
        pin(
            flash,
            version="2.7.4.post1",
            builder="Dao-AILab/flash-attention",
            url=index.release("/d/", flash),
            direct=True,
        ),
        target=Target(HERE, "linux-x86_64"),
    )


def fetched(file: Path, folder: Path, *more: str) -> Result:
    return CliRunner().invoke(main, ["fetch", str(file), "-d", str(folder), *more])


FILES = {
    "exllamav2",
    "flash_attn",
    "numpy",
    "torch",
}


@pytest.mark.parametrize("name", ["requirements", "pylock"])
@pytest.mark.parametrize("wheels", [None, "wheels"])
def test_fetch_brings_every_wheel(name: str, wheels: str | None, tmp_path: Path) -> None:
    with LocalIndex() as index:
        made = a_lock(index)
        addresses = {}
        if wheels is None and name == "pylock":
            from cudalock.indexes.package_index import find_addresses

            addresses = find_addresses(made, index.url("/simple/"))
        file = tmp_path / ("pylock.toml" if name == "pylock" else "requirements.txt")
        options = WriteOptions(addresses=addresses, wheels=wheels, filename=file.name)
        file.write_text(load_format(name).render(made, options), encoding="utf-8")
        result = fetched(file, tmp_path / "wheels", "--index-url", index.url("/simple/"))
        assert result.exit_code == 0, result.output
        assert [each.partition("-")[0] for each in names(tmp_path / "wheels")] == sorted(FILES)
        assert len(re.findall(r"^[0-9a-f]{64}  ", result.stdout, re.MULTILINE)) == 4
        index.asked.clear()
        again = fetched(file, tmp_path / "wheels", "--index-url", index.url("/simple/"), "-q")
        assert (again.stdout, again.stderr) == (result.stdout, "")
        assert result.stderr == f"4 wheels are in {tmp_path / 'wheels'}\n"
        assert not [path for path in index.asked if path.endswith(".whl")]


def test_fetch_says_how_names_are_installed(tmp_path: Path) -> None:
    with LocalIndex() as index:
        torch = build_wheel("torch", "2.5.1", requires=["numpy"])
        index.add("/simple/", NUMPY, torch)
        made = lock(pin(NUMPY), pin(torch), target=Target(HERE, "linux-x86_64"))
        file = tmp_path / "requirements.txt"
        file.write_text(load_format("requirements").render(made, WriteOptions()), encoding="utf-8")
        result = fetched(file, tmp_path / "wheels", "--index-url", index.url("/simple/"))
    assert result.exit_code == 0, result.output
    command = result.stderr.splitlines()[-1].partition("install without a network: ")[2]
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(command), "--dry-run"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Would install" in done.stdout or "already satisfied" in done.stdout


def test_fetch_computes_what_has_no_hash(tmp_path: Path) -> None:
    """The others are checked all the same, by what stands beside them."""
    with LocalIndex() as index:
        made = a_lock(index)
        bare = build_wheel("bare", "1.0")
        unhashed = pin(bare.without_digest(), builder="b/c", url=index.release("/c/", bare))
        text = load_format("requirements").render(
            lock(*made.pins, unhashed), WriteOptions(wheels="wheels")
        )
        assert "--hash=" not in text
        file = tmp_path / "requirements.txt"
        file.write_text(text)
        found = locked_wheels.read(file).wheels
        assert [wheel.project for wheel in found if not wheel.digests] == ["bare"]
        result = fetched(file, tmp_path / "w", "--index-url", index.url("/simple/"))
        assert result.exit_code == 0, result.output
        assert f"{bare.sha256}  " in result.stdout


@pytest.mark.parametrize(
    ("change", "status"),
    [("hash", 1), ("address", 3), ("unhashed", 2), ("nonsense", 2), ("folder", 2)],
)
def test_fetch_says_what_is_wrong(change: str, status: int, tmp_path: Path) -> None:
    with LocalIndex() as index:
        text = load_format("requirements").render(a_lock(index), WriteOptions())
        if change == "hash":
            text = re.sub(r"(flash-attn @ .*\n.*sha256:)[0-9a-f]{64}", r"\g<1>" + "0" * 64, text)
        elif change == "address":
            text = text.replace("/d/", "/nowhere/")
        elif change == "unhashed":
            text = re.sub(r" \\\n    --hash=\S+", "", text)
        else:
            text += {"nonsense": "what is this?\n", "folder": "thing @ ./thing\n"}[change]
        file = tmp_path / "requirements.txt"
        file.write_text(text)
        result = fetched(file, tmp_path / "w", "--index-url", index.url("/simple/"))
    assert result.exit_code == status, result.output
    assert result.output.count("error: ") == 1


def test_a_lock_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "pylock.toml"
    file.write_text("a = ")
    with pytest.raises(BadFile):
        locked_wheels.read(file)
    with pytest.raises(BadFile, match="cannot be read"):
        locked_wheels.read(tmp_path / "absent.txt")


def test_a_windows_path_is_a_wheel_too(tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text("C:/w/a_b-1.0-py3-none-any.whl ; sys_platform == 'win32'\n")
    assert locked_wheels.read(file).wheels == (
        WheelToFetch("a-b", "a_b-1.0-py3-none-any.whl", None, ()),
    )


# Without a network.


@contextmanager
def cut_off() -> Iterator[list[str]]:
    """What to put before a command so that it has no network, where this system can."""
    unshare = shutil.which("unshare")
    if unshare:
        tried = subprocess.run([unshare, "-rn", "true"], capture_output=True, check=False)
        if tried.returncode == 0:
            yield [unshare, "-rn"]
            return
    yield []


@pytest.mark.skipif(sys.platform != "linux", reason="the stand-in wheels are for Linux")
@pytest.mark.parametrize("name", ["requirements", "pylock"])
@pytest.mark.parametrize("tool", ["pip", "uv install", "uv sync"])
def test_a_machine_without_a_network(name: str, tool: str, tmp_path: Path) -> None:
    with LocalIndex() as index:
        made = a_lock(index)
        file = tmp_path / ("pylock.toml" if name == "pylock" else "requirements.txt")
        options = WriteOptions(wheels="wheels", filename=file.name)
        file.write_text(load_format(name).render(made, options), encoding="utf-8")
        assert "127.0.0.1" in file.read_text()
        result = fetched(file, tmp_path / "wheels", "--index-url", index.url("/simple/"))
        assert result.exit_code == 0, result.output
    environment = {
        **clean_environment(tmp_path, None),
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9"),
    }
    environment = make_environment(tmp_path, environment)
    from uv import find_uv_bin

    uv = str(find_uv_bin())
    command = {
        "pip": [sys.executable, "-m", "pip", "--python", "env", "install", "--no-index", "-r"],
        "uv install": [uv, "pip", "install", "--offline", "-r"],
        "uv sync": [uv, "pip", "sync", "--offline"],
    }[tool]
    with cut_off() as before:
        done = subprocess.run(
            [*before, *command, file.name],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    listing = run_tool(["uv", "pip", "freeze"], tmp_path, environment).stdout
    assert {re.split(r"[ =]", line)[0] for line in listing.splitlines()} == {
        "exllamav2",
        "flash-attn",
        "numpy",
        "torch",
    }
