"""GitHub's release API, spoken by a local server: pages, digests, tokens, and each fault."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cudalock.errors import NetworkError
from cudalock.indexes import client as web_module
from cudalock.indexes.client import Web
from cudalock.indexes.github_releases import TOKEN_VARIABLES, Asset, list_assets, repository_of
from cudalock.indexes.pip_config import PipSettings
from tests.scripted import Answer, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = "/repos/me/thing/releases"
DIGEST = "ab" * 32
ASSET = {
    "name": "thing-1.0+cu124torch2.5-cp311-cp311-linux_x86_64.whl",
    "browser_download_url": "https://github.com/me/thing/releases/download/v1/thing-1.0%2Bcu.whl",
    "digest": f"sha256:{DIGEST}",
    "size": 7,
    "state": "uploaded",
    "created_at": "2026-01-02T03:04:05Z",
}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ScriptedServer]:
    monkeypatch.setattr(web_module, "BACK_OFF", 0)
    monkeypatch.setenv("CUDALOCK_CACHE_DIR", str(tmp_path / "cache"))
    for name in TOKEN_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with ScriptedServer() as server:
        monkeypatch.setenv("GITHUB_API_URL", server.url(""))
        yield server


def page(*assets: dict[str, Any], tag: str = "v1", **release: Any) -> bytes:
    return json.dumps([{"tag_name": tag, "assets": assets, **release}]).encode()


def read() -> list[Asset]:
    with Web(PipSettings(), stale=False) as web:
        return list_assets(web, "me/thing")


def test_every_page_is_read(server: ScriptedServer) -> None:
    more = {"Link": f'<{server.url(PAGE)}?page=2>; rel="next", <{server.url(PAGE)}>; rel="last"'}
    old = {**ASSET, "name": "old.whl", "digest": None, "size": None, "created_at": None}
    server.answers[PAGE] = [Answer(200, more, page(ASSET)), Answer(body=page(old, tag="v0"))]
    new, other = read()
    assert (new.tag, new.sha256, new.size, new.uploaded) == ("v1", DIGEST, 7, "2026-01-02")
    assert new.name == ASSET["name"]
    assert other == Asset("v0", "old.whl", str(ASSET["browser_download_url"]), None, None, None)
    assert server.asked[0].headers["accept"] == "application/vnd.github+json"
    assert "authorization" not in server.asked[0].headers


@pytest.mark.parametrize("variable", TOKEN_VARIABLES)
def test_a_token_is_sent(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "secret")
    server.answers[PAGE] = [Answer(body=page())]
    assert read() == []
    assert server.asked[0].headers["authorization"] == "Bearer secret"


def test_drafts_and_files_on_their_way_are_left_out(server: ScriptedServer) -> None:
    started = {**ASSET, "state": "starter"}
    odd = {**ASSET, "digest": "md5:abc"}
    server.answers[PAGE] = [
        Answer(body=page(started, odd)[:-1] + b"," + page(ASSET, draft=True)[1:])
    ]
    assert [asset.sha256 for asset in read()] == [None]


def test_a_moved_repository_is_followed(server: ScriptedServer) -> None:
    moved = "/repositories/1/releases"
    server.answers[PAGE] = [Answer(301, {"Location": server.url(moved)})]
    server.answers[moved] = [Answer(body=page(ASSET))]
    assert len(read()) == 1


def test_a_token_stays_with_its_host(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    with ScriptedServer() as other:
        server.answers[PAGE] = [Answer(301, {"Location": other.url("/x")})]
        other.answers["/x"] = [Answer(body=page(ASSET))]
        assert len(read()) == 1
        assert [each.headers.get("authorization") for each in other.asked] == [None]


RESET = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1767323045"}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(403, RESET), "allows no more requests until 2026-01-02 03:04 UTC"),
        (Answer(429, {"Retry-After": "90"}), "allows no more requests for 90 s"),
        (Answer(403, {"Retry-After": "60"}), "allows no more requests for 60 s"),
        (Answer(403), "403 Forbidden"),
        (Answer(404), "404 Not Found"),
        (Answer(500), "500 Internal Server Error"),
        (Answer(body=b"<html>log in</html>"), "is none of GitHub's"),
        (Answer(body=b'{"message": "no"}'), "is none of GitHub's: not a list of releases"),
        (Answer(body=b'[{"tag_name": "v1"}]'), "is none of GitHub's"),
        (Answer(body=b'[{"tag_name": "v1", "assets": [{}]}]'), "is none of GitHub's"),
        (Answer(body=page(ASSET), cut=20), "cannot read http://127.0.0.1"),
        (Answer(200, {"Link": '<https://example.org/2>; rel="next"'}, page()), "is not at http:"),
    ],
)
def test_a_fault_is_an_error_and_no_list(server: ScriptedServer, answer: Answer, said: str) -> None:
    server.answers[PAGE] = [answer]
    with pytest.raises(NetworkError) as caught:
        read()
    assert said in str(caught.value)
    assert caught.value.exit_status == 3


def test_a_fault_on_a_later_page_is_an_error_too(server: ScriptedServer) -> None:
    more = {"Link": f'<{server.url(PAGE)}?page=2>; rel="next"'}
    server.answers[PAGE] = [Answer(200, more, page(ASSET)), Answer(502)]
    with pytest.raises(NetworkError, match="502"):
        read()


def test_a_limit_says_how_to_have_more(server: ScriptedServer) -> None:
    server.answers[PAGE] = [Answer(403, RESET)]
    with pytest.raises(NetworkError) as caught:
        read()
    assert caught.value.hints == ("a token in GITHUB_TOKEN is allowed more requests",)


def test_a_limit_that_passes_is_waited_for(server: ScriptedServer) -> None:
    server.answers[PAGE] = [Answer(429, {"Retry-After": "0"}), Answer(body=page(ASSET))]
    assert len(read()) == 1


@pytest.mark.parametrize(
    ("template", "repository"),
    [
        ("https://github.com/me/thing/releases/download/{tag}/{file}", "me/thing"),
        ("https://huggingface.co/me/thing/resolve/{tag}/{file}", None),
        ("https://download.pytorch.org/whl/{tag}/{file}", None),
    ],
)
def test_the_repository_of_a_builder(template: str, repository: str | None) -> None:
    assert repository_of(template) == repository
