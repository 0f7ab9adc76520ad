"""The recorded facts, served as download.pytorch.org, GitHub's API and a package index serve them:
the same rows come out. And the real package index, against what is embedded."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

import pytest

from cudalock.matrix.matrix import EMBEDDED, Matrix
from cudalock.update.from_builders import is_listed
from cudalock.update.update import update
from tests.recorded import MAIN, RecordedIndex

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cudalock.matrix.releases import Build

API = "/repos/"
HUGGING_FACE = "/api/models/"
PAGES = "/pages/"


class RecordedSources(RecordedIndex):
    """The recorded indexes, each builder's releases as GitHub's API lists them, its files as
    Hugging Face's does, and its pages of links."""

    def answer(self, path: str) -> tuple[str, bytes] | None:
        if path.startswith(HUGGING_FACE):
            return self._tree(path.removeprefix(HUGGING_FACE))
        if path.startswith(PAGES):
            return self._page_of_links(path.removeprefix(PAGES))
        if not path.startswith(API):
            return super().answer(path)
        owner, name, _ = path.removeprefix(API).split("/", 2)
        tags: dict[str, list[dict[str, Any]]] = {}
        for build, version in self._built_by(f"{owner}/{name}"):
            for wheel in build.wheels:
                asset = {
                    "name": wheel.file(version, build.local),
                    "browser_download_url": self._matrix.url(build, wheel, version),
                    "digest": wheel.sha256 and f"sha256:{wheel.sha256}",
                }
                tags.setdefault(build.tag or "", []).append(asset)
        releases = [{"tag_name": tag, "assets": assets} for tag, assets in tags.items()]
        return "application/json", json.dumps(releases).encode()

    def _tree(self, path: str) -> tuple[str, bytes]:
        repository = path.removesuffix("/tree/main")
        rows: list[dict[str, Any]] = [{"type": "directory", "path": "old"}]
        for build, version in self._built_by(f"hf:{repository}"):
            for wheel in build.wheels:
                row: dict[str, Any] = {"type": "file", "path": wheel.file(version, build.local)}
                if wheel.sha256:
                    row["lfs"] = {"oid": wheel.sha256, "size": 1}
                rows.append(row)
        return "application/json", json.dumps(rows).encode()

    def _page_of_links(self, path: str) -> tuple[str, bytes] | None:
        """`0/whl/torch-2.5.0+cu124.html` is a page of the first builder that has pages."""
        number, _, rest = path.partition("/")
        builder = [row for row in self._matrix.builders.values() if row.page][int(number)]
        tags: dict[str, list[str]] = {}
        for build, version in self._built_by(builder.id):
            files = [wheel.file(version, build.local) for wheel in build.wheels]
            tags.setdefault(unquote(build.tag or ""), []).extend(files)
        links = [quote(f"{tag}.html") for tag in tags]
        if builder.pages is None or not builder.pages.endswith(f"/{rest}"):
            # The path of a page within that of all of them says the tag.
            page = urlsplit(builder.page or "").path.lstrip("/")
            before, _, after = page.partition("{tag}")
            tag = rest.removeprefix(before).removesuffix(after)
            place = urlsplit(builder.url).path.lstrip("/")
            links = [
                self.url(f"{PAGES}{number}/{place.format(tag=tag, file=file)}")
                for file in tags.get(tag, ())
            ]
        anchors = "".join(f'<a href="{link}">{link}</a><br/>' for link in links)
        return "text/html", f"<!DOCTYPE html><html><body>{anchors}</body></html>".encode()

    def _built_by(self, repository: str) -> Iterator[tuple[Build, str]]:
        builder = self._matrix.builders[repository]
        for name in sorted(filter(builder.has, self._matrix.projects)):
            for release in self._matrix.project(name) or ():
                for build in release.builds:
                    if build.builder == repository:
                        yield build, release.version


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RecordedSources]:
    with RecordedSources(Matrix.load(EMBEDDED)) as server:
        monkeypatch.setenv("GITHUB_API_URL", server.url("/").rstrip("/"))
        monkeypatch.setenv("HF_ENDPOINT", server.url("/").rstrip("/"))
        monkeypatch.setenv("PIP_INDEX_URL", server.url(MAIN))
        monkeypatch.setenv("CUDALOCK_CACHE_DIR", str(tmp_path / "cache"))
        yield server


@pytest.fixture
def copy(sources: RecordedSources, tmp_path: Path) -> Path:
    """The embedded matrix with its PyTorch indexes moved to the server."""
    folder = tmp_path / "matrix"
    shutil.copytree(Matrix.load(EMBEDDED).directory, folder)
    header = folder / "matrix.toml"
    text = header.read_text(encoding="utf-8")
    moved = text.replace(
        'url = "https://download.pytorch.org/whl/', f'url = "{sources.url("/whl/")}'
    )
    assert moved != text
    paged = [row for row in Matrix.load(EMBEDDED).builders.values() if row.page]
    for number, builder in enumerate(paged):
        for url in {builder.url, builder.page or "", builder.pages or ""} - {""}:
            path = urlsplit(url).path
            # The braces of a template stay: only a URL's own characters are encoded.
            moved = moved.replace(f'"{url}"', f'"{sources.url(PAGES)}{number}{path}"')
    header.write_text(moved, encoding="utf-8")
    return folder


Rows = dict[tuple[str | None, ...], dict[str, Any]]


def wheels(matrix: Matrix, project: str) -> Rows:
    """Each wheel with all that its row says, but for how that is known."""
    held = matrix.project(project)
    assert held is not None
    return {
        (build.index, build.builder, build.tag, wheel.file(release.version, build.local)): {
            "sha256": wheel.sha256,
            "labels": dict(build.labels),
            "requires": set(build.requires),
            "python": build.python,
            "renamed": build.renamed,
            "warning": build.warning,
            "yanked": release.yanked,
            "uploaded": release.uploaded,
            "default": dict(release.default),
        }
        for release in held
        for build in release.builds
        for wheel in build.wheels
    }


NAMES = ["torch", "flash-attn", "flash-attn-3", "xformers", "nvidia-cudnn-cu13"]


def test_the_same_rows_come_out(copy: Path) -> None:
    before = Matrix.load(copy)
    report = update(before, NAMES, output=copy, today="2099-01-02")
    assert report.failures == ()
    assert report.unread == ()
    # That an address is none says the server, which has no https.
    assert [each for each in report.defects if "its address http:" not in each.says] == []
    assert [change for change in report.changes if change.added or change.gone] == []
    after = Matrix.load(copy)
    for name in NAMES:
        assert wheels(after, name) == wheels(before, name), name
    derived = {
        build.builder
        for release in after.project("flash-attn") or ()
        for build in release.builds
        if build.known == "derived"
    }
    assert derived == {"bdashore3/flash-attention"}  # which has moved; a listing settled the others


# Each by another kind of source, or another rule for its names; of the first, nothing tells what
# they were built for but their names and folders.
UNLABELLED = ["torch-scatter", "mmcv", "natten", "llama-cpp-python"]
LABELLED = ["nunchaku", "sgl-kernel", "pytorch3d"]


def test_the_rows_of_other_places_come_out(copy: Path) -> None:
    recorded = Matrix.load(copy)
    truth = {name: wheels(recorded, name) for name in (*UNLABELLED, *LABELLED)}
    for name in UNLABELLED:
        path = copy / "index" / f"{name}.json"
        text = re.sub(r'"labels":\{[^}]*\},', "", path.read_text(encoding="utf-8"))
        path.write_text(text, encoding="utf-8")
    report = update(Matrix.load(copy), list(truth), output=copy, today="2099-01-02")
    assert report.failures == ()
    assert report.unread == ()
    assert [change for change in report.changes if change.added or change.gone] == []
    after = Matrix.load(copy)
    for name in LABELLED:
        assert wheels(after, name) == truth[name], name
    for name in UNLABELLED:
        for key, row in wheels(after, name).items():
            for label in ("torch", "cuda"):
                known, told = truth[name][key]["labels"].get(label), row["labels"].get(label)
                assert bool(known) == bool(told), (key, label)
                if known and told:
                    assert f"{told[0]}.".startswith(f"{known[0]}."), (key, label)


def test_from_nothing_a_listing_says_the_same_as_far_as_it_can(copy: Path) -> None:
    names = ["flash-attn", "xformers"]
    embedded = Matrix.load(EMBEDDED)
    for name in names:
        (copy / "index" / f"{name}.json").unlink()
    report = update(Matrix.load(copy), names, output=copy, today="2099-01-02")
    assert report.failures == ()
    after = Matrix.load(copy)
    unread = {file.partition("/")[2] for file in report.unread}
    for name in names:
        made, recorded = wheels(after, name), wheels(embedded, name)
        listed = {
            key: row
            for key, row in recorded.items()
            if (key[1] is None or is_listed(after.builders[key[1]])) and key[3] not in unread
        }
        assert made.keys() == listed.keys()
        for key, row in made.items():
            assert row["sha256"] == listed[key]["sha256"], key
            if key[0] is not None:
                assert row["requires"] == listed[key]["requires"], key
            for label in ("torch", "cuda"):
                told, truth = row["labels"].get(label), listed[key]["labels"].get(label)
                if told and truth:
                    assert f"{truth[0]}.".startswith(f"{told[0]}."), (key, label)


# -- the real package index ------------------------------------------------------------------------

REAL = ["triton", "triton-windows", "cuda-toolkit", "nvidia-cudnn-cu12"]
if os.environ.get("CUDALOCK_TEST_ALL"):  # 1,300 requests, 350 MB
    REAL += ["torch", "xformers", "bitsandbytes"]


@pytest.mark.network
def test_the_real_index_says_what_is_embedded(
    network_environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From an empty folder, so that METADATA is read anew; then again, which is cheap."""
    monkeypatch.setenv("CUDALOCK_CACHE_DIR", str(tmp_path / "cache"))
    embedded = Matrix.load(EMBEDDED)
    first = update(embedded, REAL, output=tmp_path / "made", today="2099-01-02")
    assert [each.source for each in first.failures if each.source.endswith(" on pypi")] == []
    made = Matrix.load(tmp_path / "made")
    for name in REAL:
        rows, recorded = permanent(made, name), permanent(embedded, name)
        listed = rows.keys() & recorded.keys()
        # Projects delete wheels now and then, and a reader that misses some misses a kind of them.
        assert len(listed) > 0.9 * len(recorded), name
        assert {key: rows[key] for key in listed} == {key: recorded[key] for key in listed}, name
    second = update(made, REAL, output=tmp_path / "made", today="2099-01-02")
    assert second.changes == ()
    print(first.traffic, second.traffic, sep="\n")


def permanent(matrix: Matrix, project: str) -> Rows:
    """What an index can never say otherwise about a wheel: its digest and its METADATA.

    A release may be yanked, and get more wheels, at any time.
    """
    return {
        key: {name: row[name] for name in ("sha256", "labels", "requires", "python")}
        for key, row in wheels(matrix, project).items()
    }
