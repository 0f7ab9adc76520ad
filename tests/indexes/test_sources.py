"""The package index asked for addresses, hashes that nobody recorded, and pip's settings."""

from __future__ import annotations

import json
import os
import re
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest
from click.testing import CliRunner
from packaging.pylock import Pylock
from unearth.collector import IndexPage
from unearth.link import Link

from cudalock import toml
from cudalock.cli import main
from cudalock.errors import HashMismatch, NetworkError
from cudalock.indexes import client as web
from cudalock.indexes import digests, listings
from cudalock.indexes.cache import CACHE_VARIABLE
from cudalock.indexes.client import Web
from cudalock.indexes.digests import with_hashes
from cudalock.indexes.listings import File
from cudalock.indexes.package_index import PackageIndexes, find_addresses
from cudalock.indexes.pip_config import PipSettings, read_pip_settings
from cudalock.lock import FileUrl
from cudalock.urls import without_credentials
from tests.local_index import LocalIndex, build_wheel
from tests.sample_locks import CU124, NUMPY, lock, pin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cudalock.lock import Lock


class Listed(LocalIndex):
    """A LocalIndex some of whose paths answer as `pages` says."""

    def __init__(self) -> None:
        super().__init__()
        self.pages: dict[str, tuple[str, bytes]] = {}

    def answer(self, path: str) -> tuple[str, bytes] | None:
        return self.pages.get(path) or super().answer(path)


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither this machine's configuration of pip nor its cache."""
    for name in list(os.environ):
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))


@pytest.fixture
def index() -> Iterator[Listed]:
    with Listed() as index:
        index.add("/main/", NUMPY)
        yield index


def test_an_address_is_found_by_name_and_digest(index: Listed) -> None:
    with PackageIndexes(index.url("/main/")) as indexes:
        found = indexes.find("numpy", NUMPY.name, NUMPY.sha256)
    url = index.url(f"/main/numpy/{NUMPY.name}")
    assert found == FileUrl(url, NUMPY.sha256, None, index.url("/main/"))


def test_another_digest_is_an_error_that_names_both(index: Listed) -> None:
    with PackageIndexes(index.url("/main/")) as indexes, pytest.raises(HashMismatch) as caught:
        indexes.find("numpy", NUMPY.name, "0" * 64)
    assert "0" * 64 in str(caught.value)
    assert (NUMPY.sha256 or "?") in str(caught.value)


def test_further_indexes_are_asked_in_order(index: Listed) -> None:
    other = build_wheel("numpy", "2.1.3", contents="other")
    index.add("/other/", other)
    with PackageIndexes(index.url("/main/"), [index.url("/other/")]) as indexes:
        assert indexes.find("numpy", NUMPY.name, NUMPY.sha256).index == index.url("/main/")
        assert indexes.find("numpy", other.name, other.sha256).index == index.url("/other/")
        assert [name for name, _ in indexes.by_digest("numpy", [NUMPY.sha256 or ""])] == [
            NUMPY.name
        ]


def test_no_more_than_the_digests_ask_for(index: Listed) -> None:
    index.add("/main/", build_wheel("numpy", "1.26.4"))
    with PackageIndexes(index.url("/main/")) as indexes:
        found = indexes.by_digest("numpy", [NUMPY.sha256 or ""])
    assert [name for name, _ in found] == [NUMPY.name]


def test_without_a_digest_another_index_is_no_source(index: Listed) -> None:
    index.add("/other/", build_wheel("absent", "1.0"))
    with (
        PackageIndexes(index.url("/main/"), [index.url("/other/")]) as indexes,
        pytest.raises(NetworkError, match="is not at"),
    ):
        indexes.find("absent", "absent-1.0-py3-none-any.whl", None)


def test_a_digest_that_nobody_lists(index: Listed) -> None:
    with (
        PackageIndexes(index.url("/main/")) as indexes,
        pytest.raises(NetworkError, match=r"0{64}"),
    ):
        indexes.by_digest("numpy", [NUMPY.sha256 or "", "0" * 64])


def test_an_index_in_a_folder_is_passed_over(index: Listed, tmp_path: Path) -> None:
    with PackageIndexes(index.url("/main/"), [tmp_path.as_uri()]) as indexes:
        assert indexes.urls == [index.url("/main/")]


def test_what_is_not_there(index: Listed) -> None:
    with PackageIndexes(index.url("/main/")) as indexes:
        for project in ("numpy", "absent"):
            for digest in (None, "0" * 64):
                with pytest.raises(NetworkError, match="is not at"):
                    indexes.find(project, "absent-1.0-py3-none-any.whl", digest)


def test_an_index_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "BACK_OFF", 0)
    with LocalIndex() as gone:
        url = gone.url("/main/")
    with PackageIndexes(url) as indexes, pytest.raises(NetworkError, match="cannot read"):
        indexes.find("numpy", NUMPY.name, None)


def test_a_listing_in_json_has_sizes() -> None:
    file = {
        "url": "../files/numpy-2.1.3-py3-none-any.whl",
        "hashes": {"sha256": "A" * 64},
        "size": 7,
        "upload-time": "2024-11-02T17:48:55.832863Z",
        "filename": "numpy-2.1.3-py3-none-any.whl",
    }
    content = json.dumps({"files": [file, {**file, "url": "b-1.0.tar.gz", "hashes": {}}]})
    kind = "application/vnd.pypi.simple.v1+json"
    page = IndexPage(Link("https://me:pw@x.example/s/numpy/"), content.encode(), "utf-8", kind)
    found, other = listings._files(page)
    assert found == File(
        name="numpy-2.1.3-py3-none-any.whl",
        url="https://x.example/s/files/numpy-2.1.3-py3-none-any.whl",
        sha256="a" * 64,
        size=7,
        uploaded="2024-11-02",
        uploaded_at="2024-11-02T17:48:55.832863Z",
    )
    assert (other.sha256, other.size) == (None, 7)


def test_only_what_the_matrix_lacks_is_asked(index: Listed) -> None:
    elsewhere = build_wheel("torch", "2.5.1")
    made = lock(pin(NUMPY), pin(elsewhere, index="cu124", url="https://x.example/t.whl"))
    assert set(find_addresses(made, index.url("/main/"))) == {NUMPY.name}
    assert not [path for path in index.asked if "torch" in path]


# Credentials and settings.


def test_credentials_come_from_the_address_or_netrc(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine a.example login me password pw\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with Web() as web:
        sent = {}
        for url in ("https://a.example/", "https://you:word@a.example/", "https://b.example/"):
            flow = web.auth.auth_flow(httpx.Request("GET", url)) if web.auth else iter(())
            sent[url] = next(flow).headers.get("Authorization")
    assert list(sent.values()) == ["Basic bWU6cHc=", "Basic eW91OndvcmQ=", None]
    assert without_credentials("https://me:pw@x.example/a") == "https://x.example/a"


def test_settings_of_pip(tmp_path: Path) -> None:
    (tmp_path / ".config" / "pip").mkdir(parents=True)
    (tmp_path / ".config" / "pip" / "pip.conf").write_text(
        "[global]\nindex-url = https://user.example\nextra-index-url =\n  https://a\n  https://b\n"
    )
    (tmp_path / "pip.conf").write_text("[install]\nindex_url = https://env.example\n")
    home = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path), "APPDATA": str(tmp_path)}
    variables = {"PIP_CERT": "c.pem", "PIP_PROXY": "p:1", "PIP_TRUSTED_HOST": "h i:2"}
    read = read_pip_settings({**home, **variables, "VIRTUAL_ENV": str(tmp_path)})
    if os.name == "posix":
        assert read == PipSettings(
            "https://env.example", ("https://a", "https://b"), "c.pem", "p:1", ("h", "i:2")
        )
    assert read_pip_settings({**home, "PIP_INDEX_URL": "https://x"}).index_url == "https://x"
    assert read_pip_settings({**home, "PIP_CONFIG_FILE": os.devnull}) == PipSettings()


def test_damaged_settings_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("no section\n")
    variables = {"HOME": str(tmp_path / "h"), "PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}
    assert read_pip_settings({**variables, "PIP_INDEX_URL": "https://x"}).index_url == "https://x"


# Hashes.


def bare_lock(index: LocalIndex) -> tuple[str, Lock]:
    wheel = build_wheel("flash-attn", "2.8.3")
    url = index.release("/o/r/releases/download/v1/", wheel)
    made = lock(pin(wheel.without_digest(), builder="o/r", url=url, direct=True))
    return wheel.sha256 or "", made


def test_a_hash_is_computed_once(index: Listed, tmp_path: Path) -> None:
    sha256, made = bare_lock(index)
    for _ in range(2):
        found = with_hashes(made)
        (filled,) = found.pins
        assert (filled.wheel.sha256, filled.hashes, filled.hashes_complete) == (
            sha256,
            (sha256,),
            True,
        )
        assert "nobody publishes a hash of flash_attn" in str(found.notes[0])
    assert len([path for path in index.asked if path.endswith(".whl")]) == 1
    assert not list((tmp_path / "cache" / "files").rglob("*.whl"))


def test_what_has_no_address_stays_without_a_hash(index: Listed) -> None:
    made = lock(pin(build_wheel("flash-attn", "2.8.3").without_digest(), builder="o/r"))
    assert [each.wheel for each in with_hashes(made).pins] == [each.wheel for each in made.pins]
    assert index.asked == []


def test_a_file_may_be_kept(index: Listed, tmp_path: Path) -> None:
    _, made = bare_lock(index)
    with_hashes(made, keep=tmp_path / "w")
    assert [path.suffix for path in (tmp_path / "w").iterdir()] == [".whl"]


def test_a_published_hash_comes_first(index: Listed, monkeypatch: pytest.MonkeyPatch) -> None:
    _, made = bare_lock(index)
    host = re.escape(index.url("/").rstrip("/"))
    pattern = host + r"/([^/]+/[^/]+)/releases/download/([^/]+)/([^/]+)"
    monkeypatch.setattr(digests, "_RELEASE_FILE", pattern)
    monkeypatch.setenv("GITHUB_API_URL", index.url("/api"))
    file = "flash_attn-2.8.3-py3-none-any.whl"
    assets = [
        {"name": name, "browser_download_url": index.url(f"/{name}"), "digest": digest}
        for name, digest in (("other", None), (file, f"sha256:{'d' * 64}"))
    ]
    release = json.dumps({"tag_name": "v1", "assets": assets}).encode()
    index.pages["/api/repos/o/r/releases/tags/v1"] = ("application/json", release)
    found = with_hashes(made)
    assert found.pins[0].hashes == ("d" * 64,)
    assert found.notes == ()
    assert not [path for path in index.asked if path.endswith(".whl")]


def test_what_an_index_lists_comes_first(index: Listed) -> None:
    """As in the `#sha256=` of a page of download.pytorch.org."""
    wheel = build_wheel("torch", "2.5.1+cu124")
    here = replace(CU124, url=index.url("/whl/cu124"))
    url = index.url("/whl/cu124/") + wheel.name.replace("+", "%2B")
    made = lock(pin(wheel.without_digest(), index="cu124", url=url), indexes=(here,))
    link = f'<a href="../{url.rpartition("/")[2]}#sha256={wheel.sha256}">{wheel.name}</a>'
    index.pages["/whl/cu124/torch/"] = ("text/html", link.encode())
    found = with_hashes(made)
    assert found.pins[0].hashes == (wheel.sha256,)
    assert found.notes == ()
    assert not [path for path in index.asked if path.endswith(".whl")]


# The command's options.

WORDS = "--torch 2.5.1 --fa2 --python 3.11 --platform linux --platform windows --builders any"


def solve(*more: str) -> str:
    result = CliRunner().invoke(main, ["solve", *shlex.split(WORDS), "--offline", *more])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_urls_leave_no_index() -> None:
    text = solve("--urls", "--cuda", "12.1")
    assert "index-url" not in text
    assert re.search(r"^# command: .* --urls$", text, re.MULTILINE)
    assert "torch @ https://" in text


def test_wheels_are_paths_from_where_the_installer_runs() -> None:
    text = solve("--wheels", "w")
    assert "./w/torch-2.5.1" in text
    assert " --wheels w\n" in text
    assert "index-url" not in text


def test_wheels_are_paths_from_the_pylock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "locks").mkdir()
    words = "--toolkit 12.4.1:cudart --python 3.11 --platform linux -o locks/pylock.toml"
    command = ["solve", *shlex.split(words), "--wheels", "w", "--offline"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    text = (tmp_path / "locks" / "pylock.toml").read_text()
    assert 'path = "../w/nvidia_cuda_runtime_cu12' in text
    assert Pylock.from_dict(toml.loads(text)).packages


def test_hashes_cannot_be_fetched_offline() -> None:
    words = ["solve", "--torch", "2.5.1", "--offline", "--fetch-hashes", "--python", "3.11"]
    result = CliRunner().invoke(main, [*words, "--platform", "linux"])
    assert result.exit_code == 2
    assert "cannot be combined" in result.output
