"""Where builders list their wheels: Hugging Face's API and pages of links, from a server here."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from cudalock.errors import NetworkError
from cudalock.indexes.client import Web
from cudalock.indexes.hugging_face import hugging_face_of, list_files, published_digest
from cudalock.indexes.link_pages import list_pages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DIGEST = "0" * 63 + "1"
WHEEL = "natten-0.17.5+torch260cu126-cp310-cp310-win_amd64.whl"


class Site:
    """Answers by path: the body, and further headers."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[str, dict[str, str]]] = {}
        self.asked: list[str] = []
        self.url = ""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(f"{self.command} {self.path}")
            body, headers = site.answers.get(self.path, ("", {}))
            content = body.encode()
            self.send_response(200 if self.path in site.answers else 404)
            for name, text in {"Content-Type": "text/html", **headers}.items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("HF_ENDPOINT", site.url)
    monkeypatch.setenv("CUDALOCK_CACHE_DIR", str(tmp_path))
    yield site
    server.shutdown()
    server.server_close()
    thread.join()


TREE = "/api/models/me/wheels/tree/main?recursive=true"


def test_a_repository_on_hugging_face(site: Site) -> None:
    rows = [
        {"type": "directory", "path": "old"},
        {"type": "file", "path": f"old/{WHEEL}", "lfs": {"oid": DIGEST, "size": 7}},
    ]
    more = [{"type": "file", "path": "README.md", "size": 3}]
    link = {"Link": f'<{site.url}/next>; rel="next"'}
    site.answers = {TREE: (json.dumps(rows), link), "/next": (json.dumps(more), {})}
    with Web() as web:
        wheel, text = list_files(web, "me/wheels")
    assert (wheel.tag, wheel.name, wheel.sha256, wheel.size) == ("main", WHEEL, DIGEST, 7)
    assert wheel.url == (
        "https://huggingface.co/me/wheels/resolve/main/old/" + WHEEL.replace("+", "%2B")
    )
    assert (text.name, text.sha256) == ("README.md", None)


@pytest.mark.parametrize(
    ("body", "link"),
    [
        ("<html>", ""),
        ('{"error": "gated"}', ""),
        ('[{"path": "a.whl"}]', ""),
        ("[]", '<http://elsewhere.invalid/next>; rel="next"'),
    ],
)
def test_what_is_no_list_of_files(site: Site, body: str, link: str) -> None:
    site.answers = {TREE: (body, {"Link": link} if link else {})}
    with Web() as web, pytest.raises(NetworkError):
        list_files(web, "me/wheels")


@pytest.mark.parametrize(
    ("etag", "digest"), [(f'"{DIGEST}"', DIGEST), ('"a1b2"', None), (None, None)]
)
def test_a_digest_costs_one_request(site: Site, etag: str | None, digest: str | None) -> None:
    path = "/me/wheels/resolve/main/a.whl"
    site.answers = {path: ("", {"X-Linked-Etag": etag} if etag else {})}
    with Web() as web:
        assert published_digest(web, f"https://huggingface.co{path}") == digest
    assert site.asked == [f"HEAD {path}"]


def test_other_hosts_have_no_such_digest(site: Site) -> None:
    with Web() as web:
        assert published_digest(web, "https://github.com/a/b/releases/download/v1/a.whl") is None
    assert site.asked == []


@pytest.mark.parametrize(
    ("template", "repository"),
    [
        ("https://huggingface.co/me/wheels/resolve/{tag}/{file}", "me/wheels"),
        ("https://huggingface.co/datasets/me/wheels/resolve/{tag}/{file}", "datasets/me/wheels"),
        ("https://github.com/me/wheels/releases/download/{tag}/{file}", None),
    ],
)
def test_whose_urls_are_those_of_hugging_face(template: str, repository: str | None) -> None:
    assert hugging_face_of(template) == repository


FILE = "torch_scatter-2.1.2+pt25cu124-cp311-cp311-linux_x86_64.whl"


def test_pages_of_links(site: Site) -> None:
    """The page of torch 2.5.1 links to the files of torch 2.5.0, and one page to them all."""
    link = f'<a href="torch-2.5.0%2Bcu124/{FILE.replace("+", "%2B")}">it</a>'
    foreign = '<a href="https://elsewhere.invalid/torch-2.5.0/b-1-py3-none-any.whl">other</a>'
    site.answers = {
        "/whl/index.html": (
            '<a href="torch-2.5.0%2Bcu124.html">a</a><a href="torch-2.5.1%2Bcu124.html">b</a>'
            '<a href="../about.html">c</a>',
            {},
        ),
        "/whl/torch-2.5.0%2Bcu124.html": (link + foreign, {}),
        "/whl/torch-2.5.1%2Bcu124.html": (link, {}),
    }
    base = f"{site.url}/whl"
    with Web() as web:
        template, page = f"{base}/{{tag}}/{{file}}", f"{base}/{{tag}}.html"
        (asset,) = list_pages(web, template, page, f"{base}/index.html", ())
        assert (asset.tag, asset.name) == ("torch-2.5.0%2Bcu124", FILE)
        # Without a page of pages those of the tags that are known; one that is gone has no files.
        (asset,) = list_pages(web, template, page, None, ["torch-2.5.1%2Bcu124", "torch-9"])
        assert asset.tag == "torch-2.5.0%2Bcu124"


@pytest.mark.parametrize("body", ["", '<a href="/login">Sign in</a>'])
def test_a_page_of_pages_that_is_none(site: Site, body: str) -> None:
    site.answers = {"/whl/index.html": (body, {})} if body else {}
    base = f"{site.url}/whl"
    with Web() as web, pytest.raises(NetworkError):
        list_pages(
            web, f"{base}/{{tag}}/{{file}}", f"{base}/{{tag}}.html", f"{base}/index.html", ()
        )
