"""What an index lists, as rows: both kinds of listing, metadata by every way, and every fault."""

from __future__ import annotations

import hashlib
import html
import json
import re
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any, Final

import pytest

from cudalock.errors import NetworkError
from cudalock.indexes import client as module
from cudalock.indexes import listings
from cudalock.indexes.cache import CACHE_VARIABLE
from cudalock.indexes.client import Web
from cudalock.indexes.listings import File, Listing, read_listing, with_credentials_of
from cudalock.indexes.metadata import MalformedMetadata, Metadata, parse_metadata, read_metadata
from cudalock.indexes.pip_config import PipSettings
from cudalock.indexes.rows import (
    grouped,
    is_kept,
    listed_row,
    may_be_used,
    releases_of,
    representative,
)
from tests.local_index import ServedFile, build_sdist, build_wheel
from tests.scripted import Answer, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JSON: Final = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
HTML: Final = {"Content-Type": "text/html"}
PAGE: Final = "/simple/a-b/"

OLD = build_wheel("a-b", "1.0", requires=["numpy>=1.0", 'X_Y; extra == "more"'])
NEW = build_wheel("a-b", "1.1", "cp311-cp311-manylinux_2_28_x86_64", requires=["numpy>=1.2"])
ARM = build_wheel("a-b", "1.1", "cp311-cp311-manylinux_2_28_aarch64", requires=["numpy>=1.3"])
WIN = build_wheel("a-b", "1.1", "cp311-cp311-win_amd64", requires=["numpy>=1.2", "colorama"])
MUSL = build_wheel("a-b", "1.1", "cp311-cp311-musllinux_1_2_x86_64")


BASE: Final = "https://index.example/simple/a-b/"
URLS: Final = (
    "https://files.example/a/b/a_b-1.0-py3-none-any.whl",
    "http://files.example:8080/a_b-1.0.tar.gz",
    "https://files.example/a_b-1.0+cu124-py3-none-any.whl",
    "https://files.example/a_b-1.0%2Bcu124-py3-none-any.whl",
    "https://files.example/a/../a_b-1.0.zip",
    "https://user:secret@files.example/a_b-1.0.zip",
    "https://files.example/a_b-1.0.zip#sha256=" + "a" * 64,
    "https://files.example/a_b-1.0.zip?token=1",
    "https://files.example/a_b 1.0.zip",
    "https://files.example/a_b-1.0.zip\n",
    "https://files.example//a_b-1.0.zip",
    "https://files.example/a_b-1.0.zip/",
    "https://[x/a_b-1.0.zip",
    "HTTPS://files.example/a_b-1.0.zip",
    "../../files/a_b-1.0.zip",
    "/files/\u0430_b-1.0.zip",
)


@pytest.mark.parametrize("url", URLS)
def test_a_plain_url_is_read_as_any_other(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def read() -> File | str:
        try:
            return listings._of_row({"url": url, "upload-time": "2026-01-02T03:04:05Z"}, BASE)
        except ValueError as error:
            return str(error)

    by_pattern = read()
    monkeypatch.setattr(listings, "_PLAIN_URL", re.compile(r"(?!)"))
    assert read() == by_pattern


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(module, "BACK_OFF", 0)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


def serve(server: ScriptedServer, *files: ServedFile, ranges: bool = True) -> None:
    for file in files:
        headers = {"Accept-Ranges": "bytes"} if ranges else {}
        server.answers[f"/files/{file.name}"] = [Answer(headers=headers, body=file.content)]


def as_json(*files: ServedFile, **more: Any) -> bytes:
    rows = [
        {
            "filename": file.name,
            "url": f"../../files/{file.name}",
            "hashes": {"sha256": file.sha256},
            "requires-python": ">=3.9",
            "size": len(file.content),
            "upload-time": "2026-11-03T10:00:00.5Z",
            **more,
        }
        for file in files
    ]
    return json.dumps({"meta": {"api-version": "1.1"}, "name": "a-b", "files": rows}).encode()


def as_html(*files: ServedFile, more: str = "") -> bytes:
    lines = [
        f'<a href="../../files/{file.name}#sha256={file.sha256}"'
        f' data-requires-python="{html.escape(">=3.9")}" {more}>{file.name}</a><br>'
        for file in files
    ]
    return "\n".join(["<!DOCTYPE html><html><body>", *lines, "</body></html>"]).encode()


def rows_of(server: ScriptedServer) -> dict[str, dict[str, Any]]:
    with Web(PipSettings()) as web:
        listing = read_listing(web, server.url("/simple/"), "a-b")
        assert listing is not None
        return {
            version: {**listed_row(files), "builds": builds_of(web, files)}
            for version, files in releases_of(listing).items()
        }


def builds_of(web: Web, files: list[File]) -> list[tuple[list[str], list[list[Any]]]]:
    """What the wheels of each system require, and their rows."""
    found = []
    for _, group, rows in grouped("a-b", files):
        metadata = read_metadata(web, representative(group))
        found.append((list(metadata.requires) if isinstance(metadata, Metadata) else [], rows))
    return found


NUMBERED = [
    ("json", {"uploaded": "2026-11-03"}),
    ("html", {}),
    ("html with days", {"uploaded": "2026-11-03"}),
    ("html with capitals", {}),
]


@pytest.mark.parametrize(("kind", "dated"), NUMBERED, ids=[kind for kind, _ in NUMBERED])
def test_rows(server: ScriptedServer, kind: str, dated: dict[str, str]) -> None:
    files = (ARM, WIN, MUSL, OLD, NEW)
    body = as_json(*files) if kind == "json" else as_html(*files)
    if kind == "html with capitals":
        body = re.sub(rb"(?<=sha256=)\w+", lambda found: found[0].upper(), body)
    if kind == "html with days":
        body = as_html(*files, more='data-upload-time="2026-11-03T10:00:00Z"')
    server.answers[PAGE] = [Answer(headers=JSON if kind == "json" else HTML, body=body)]
    serve(server, *files)
    said = {**dated, "python": ">=3.9"}
    assert rows_of(server) == {
        "1.0": {
            **said,
            "builds": [
                (["numpy>=1.0", 'x-y; extra == "more"'], [["py3-none-any", OLD.sha256]]),
            ],
        },
        "1.1": {
            **said,
            "builds": [
                (["numpy>=1.2"], [["cp311-cp311-manylinux_2_28_x86_64", NEW.sha256]]),
                (["numpy>=1.3"], [["cp311-cp311-manylinux_2_28_aarch64", ARM.sha256]]),
                (["numpy>=1.2", "colorama"], [["cp311-cp311-win_amd64", WIN.sha256]]),
            ],
        },
    }


YANKS = [
    ({"yanked": "broken"}, "json", "broken"),
    ({"yanked": True}, "json", True),
    ({"yanked": False}, "json", None),
    ({"more": 'data-yanked="broken"'}, "html", "broken"),
    ({"more": 'data-yanked=""'}, "html", True),
]


@pytest.mark.parametrize(("more", "kind", "expected"), YANKS)
def test_yanked(server: ScriptedServer, more: dict[str, Any], kind: str, expected: object) -> None:
    body = as_json(OLD, **more) if kind == "json" else as_html(OLD, **more)
    server.answers[PAGE] = [Answer(headers=JSON if kind == "json" else HTML, body=body)]
    serve(server, OLD)
    assert rows_of(server)["1.0"].get("yanked") == expected


def test_names_that_are_no_wheels_of_it_are_passed_over() -> None:
    names = [
        "a_b-1.0-py3-none-any.whl",
        "A.B-1.0-2-py3-none-win_amd64.whl",
        "a_b-1.0.0-py3-none-any.whl",
        "other-1.0-py3-none-any.whl",
        "a_b-broken.whl",
        "a_b-one-py3-none-any.whl",
        "a_b-2.0.tar.gz",
        "a_b-x.tar.gz",
        "a_b-1.0.exe",
    ]
    files = tuple(File(name, f"https://x.example/{name}") for name in names)
    releases = releases_of(Listing("a-b", "https://x.example", files))
    assert {version: [file.name for file in found] for version, found in releases.items()} == {
        "1.0": names[:2],
        "2.0": ["a_b-2.0.tar.gz"],
    }
    assert listed_row(releases["2.0"]) == {"sdist": True}
    assert [rows for _, _, rows in grouped("a-b", releases["1.0"])] == [
        [["py3-none-any", None]],
        [["2-py3-none-win_amd64", None, {"dist": "A.B"}]],
    ]


KEPT = {
    "cp311-cp311-manylinux_2_28_x86_64": True,
    "cp38-cp38-manylinux1_x86_64.manylinux_2_5_x86_64": True,
    "cp37-abi3-win_amd64": True,
    "cp37-cp37m-win_amd64": False,
    "cp314-cp314t-linux_aarch64": True,
    "py2.py3-none-any": True,
    "py2-none-any": False,
    "pp310-pypy310_pp73-win_amd64": False,
    "cp311-cp311-musllinux_1_2_x86_64": False,
    "cp311-cp311-win32": False,
    "cp311-cp311-macosx_11_0_universal2": True,
    "1-cp311-cp311-macosx_11_0_arm64": True,
    "cp311-cp311-manylinux2014_i686": False,
}


@pytest.mark.parametrize(("tags", "expected"), KEPT.items())
def test_wheels_for_machines_that_are_solved_for(tags: str, expected: bool) -> None:
    assert is_kept(tags) is expected


# Metadata.


def metadata_of(server: ScriptedServer, wheel: ServedFile, offer: str | None) -> Metadata | None:
    url = server.url(f"/files/{wheel.name}")
    with Web(PipSettings()) as web:
        read = read_metadata(web, File(wheel.name, url, wheel.sha256, metadata=offer))
    assert not isinstance(read, MalformedMetadata)
    return read


def test_metadata_beside_the_wheel(server: ScriptedServer) -> None:
    wheel = build_wheel("a-b", "1.0", requires=["six"], offer_metadata=True)
    content = wheel.metadata or b""
    server.answers[f"/files/{wheel.name}.metadata"] = [Answer(body=content)]
    for offer in ("", hashlib.sha256(content).hexdigest()):
        found = metadata_of(server, wheel, offer)
        assert found == Metadata("a-b", "1.0", None, ("six",))
    assert server.paths() == [f"/files/{wheel.name}.metadata"]


@pytest.mark.parametrize("status", [200, 404], ids=["damaged", "missing"])
def test_metadata_beside_the_wheel_that_is_not_right(server: ScriptedServer, status: int) -> None:
    wheel = build_wheel("a-b", "1.0", requires=["six"])
    server.answers[f"/files/{wheel.name}.metadata"] = [Answer(status, body=b"Name: other\n")]
    serve(server, wheel)
    found = metadata_of(server, wheel, "0" * 64)
    assert found is not None
    assert found.requires == ("six",)


def test_metadata_out_of_a_large_wheel(server: ScriptedServer) -> None:
    """Parts of it alone are asked for, and once: they are kept."""
    wheel = build_wheel("a-b", "1.0", requires=["six"], contents="x = 1\n" * 300_000)
    serve(server, wheel)
    for _ in range(2):
        found = metadata_of(server, wheel, None)
        assert found is not None
        assert found.requires == ("six",)
    sizes = [each.headers["range"] for each in server.asked]
    assert sizes[0] == "bytes=-65536"
    assert len(sizes) <= 2


def test_metadata_in_the_middle_of_a_wheel(server: ScriptedServer) -> None:
    """As in the wheels of torch, whose table of contents alone is a megabyte."""
    import io
    import zipfile

    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("a_b-1.0.dist-info/METADATA", "Name: a-b\nVersion: 1.0\n")
        for number in range(3000):
            archive.writestr(f"a_b/{number:060}.py", "")
    wheel = ServedFile("a_b-1.0-py3-none-any.whl", sink.getvalue())
    serve(server, wheel)
    assert metadata_of(server, wheel, None) == Metadata("a-b", "1.0", None, ())


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=b"a whole file, whatever was asked"),
        Answer(404),
        Answer(403),
        Answer(headers={"Accept-Ranges": "bytes"}, body=b"this is no zip"),
        Answer(416),
    ],
    ids=["no ranges", "404", "403", "no zip", "416"],
)
def test_metadata_that_cannot_be_had_is_not_known(server: ScriptedServer, answer: Answer) -> None:
    server.answers[f"/files/{OLD.name}"] = [answer]
    assert metadata_of(server, OLD, None) is None


@pytest.mark.parametrize("status", [500, 429, 503])
def test_metadata_of_a_server_in_trouble(server: ScriptedServer, status: int) -> None:
    server.answers[f"/files/{OLD.name}"] = [Answer(status)]
    with pytest.raises(NetworkError, match=str(status)):
        metadata_of(server, OLD, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"Name: a\nVersion: 1\nRequires-Dist: x (>=1.0)\n", ("x>=1.0",)),
        (b"Name: a\nVersion: 1\nRequires-Dist: x (>=1.8.*)\n", ("x>=1.8",)),
        (b"Name: a\nVersion: 1\nRequires-Dist: x>=1<2; extra == 'y'\n", ('x<2,>=1; extra == "y"',)),
        (b"Name: a\nVersion: 1\nRequires-Dist: not a requirement\n", None),
        (b"\xff\xfe\x00", None),
        (b"", None),
    ],
)
def test_metadata_is_read_or_refused(text: bytes, expected: tuple[str, ...] | None) -> None:
    found = parse_metadata(text)
    assert (found.requires if isinstance(found, Metadata) else None) == expected


# Listings that are none, and indexes in trouble.


@pytest.mark.parametrize(
    "answer",
    [
        Answer(headers=HTML, body=b'<html><a href="/login">Please log in</a></html>'),
        Answer(headers=JSON, body=b"<html>"),
        Answer(headers=JSON, body=b'{"files": [1]}'),
        Answer(headers=JSON, body=b'{"files": [{"filename": "a_b-1.0.zip"}]}'),
        Answer(headers=JSON, body=b'{"files": [{"url": 5}]}'),
        Answer(headers=JSON, body=b'{"files": {"url": "https://x.example/a_b-1.0.zip"}}'),
        Answer(headers=JSON, body=b'{"detail": "no"}'),
        Answer(headers={"Content-Type": "application/json"}, body=b"{}"),
        Answer(headers=HTML, body=as_html(OLD), cut=100),
        Answer(500),
        Answer(503, {"Retry-After": "0"}),
        Answer(429, {"Retry-After": "900"}),
        Answer(401),
    ],
    ids=lambda answer: f"{answer.status} {answer.body[:16].decode()}",
)
def test_no_listing(server: ScriptedServer, answer: Answer) -> None:
    server.answers[PAGE] = [answer]
    with Web(PipSettings()) as web, pytest.raises(NetworkError, match="cannot read http://127"):
        read_listing(web, server.url("/simple/"), "a-b")


def test_a_listing_with_more_than_files(server: ScriptedServer) -> None:
    """What has a URL of its own and is no file is no reason to refuse a page."""
    row = {"url": "a_b-1.0.zip", "provenance": {"url": "https://x.example/y"}}
    document = {"url": "https://x.example", "meta": {"url": ""}, "files": [{"url": ""}, row]}
    server.answers[PAGE] = [Answer(headers=JSON, body=json.dumps(document).encode())]
    with Web(PipSettings()) as web:
        listing = read_listing(web, server.url("/simple/"), "a-b")
    assert [file.name for file in (listing.files if listing else ())] == ["a_b-1.0.zip"]


@pytest.mark.parametrize("kind", ["json", "html"])
def test_a_listing_without_what_nobody_uses(server: ScriptedServer, kind: str) -> None:
    wheels = [build_wheel("a-b", "1.1", tags) for tags in KEPT]
    files = (*wheels, OLD, build_sdist("a-b", "1.0", {}), build_sdist("a-b", "2.0", {}))
    body = as_json(*files) if kind == "json" else as_html(*files)
    server.answers[PAGE] = [Answer(headers=JSON if kind == "json" else HTML, body=body)]
    with Web(PipSettings()) as web:
        whole = read_listing(web, server.url("/simple/"), "a-b")
        part = read_listing(web, server.url("/simple/"), "a-b", may_be_used)
    assert whole is not None
    assert part is not None
    assert releases_of(part) == releases_of(whole)
    assert len(part.files) == len(files) - list(KEPT.values()).count(False)


def test_a_project_that_is_not_there(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch's index answers 403 for what it lacks, as Amazon's file store does; from another
    index that is no answer."""
    address = server.url("/simple/")
    server.answers[PAGE] = [Answer(404)]
    with Web(PipSettings()) as web:
        assert read_listing(web, address, "a-b") is None
        server.answers[PAGE] = [Answer(403)]
        with pytest.raises(NetworkError, match="403"):
            read_listing(web, address, "a-b")
        monkeypatch.setattr(listings, "absent_statuses", lambda: {"127.0.0.1": 403})
        assert read_listing(web, address, "a-b") is None


def test_an_empty_listing(server: ScriptedServer) -> None:
    server.answers[PAGE] = [Answer(headers=HTML, body=b"<html><body></body></html>")]
    assert rows_of(server) == {}


def test_credentials_go_with_files_of_the_same_place() -> None:
    index = "https://me:pw@x.example/simple"
    assert with_credentials_of(index, "https://x.example/f") == "https://me:pw@x.example/f"
    assert with_credentials_of(index, "https://y.example/f") == "https://y.example/f"
    assert with_credentials_of("https://x.example", "https://x.example/f") == "https://x.example/f"


# ru_maxrss would begin with what the process that started this one had.
MANY = textwrap.dedent(
    """
    import re, sys
    from pathlib import Path
    from cudalock.indexes.listings import read_listing
    from cudalock.indexes.rows import releases_of
    from cudalock.indexes.pip_config import PipSettings
    from cudalock.indexes.client import Web

    def peak():
        return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

    with Web(PipSettings()) as web:
        before = peak()
        listing = read_listing(web, sys.argv[1], "a-b")
        releases = releases_of(listing)
    print(len(listing.files), len(releases), peak() - before)
    """
)


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize("kind", ["html", "json"])
def test_a_page_of_fifty_thousand_links(server: ScriptedServer, kind: str) -> None:
    digest = "0123456789abcdef" * 4
    files = [
        ServedFile(f"a_b-1.{number}-cp311-cp311-manylinux_2_28_x86_64.whl", b"", digest)
        for number in range(50_000)
    ]
    body = as_json(*files) if kind == "json" else as_html(*files)
    server.answers[PAGE] = [Answer(headers=JSON if kind == "json" else HTML, body=body)]
    command = [sys.executable, "-c", MANY, server.url("/simple/")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    links, releases, grown = map(int, done.stdout.split())
    assert links == releases == 50_000
    assert grown < 200 * 1024, f"{grown >> 10} MiB for a page of {len(body) >> 20} MiB"
