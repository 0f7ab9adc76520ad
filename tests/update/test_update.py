"""`cudalock matrix update` against a local server that speaks like the package index, PyTorch's and
GitHub's API, with each fault that such a server may have."""

from __future__ import annotations

import hashlib
import html
import json
import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from click.testing import CliRunner, Result

from cudalock.cli import main
from cudalock.indexes import client as web_module
from cudalock.lint import Defect
from cudalock.matrix.matrix import EMBEDDED, Matrix
from cudalock.update import update as update_module
from cudalock.update.update import next_version
from cudalock.update.update import update as refresh
from tests.files import write_all
from tests.local_index import metadata_text
from tests.scripted import Answer, ScriptedServer

OLD, NEW, OTHER = "ab" * 32, "cd" * 32, "ef" * 32
VARIANT, MAIN, API = "/whl/cu124/thing/", "/simple/thing/", "/repos/me/thing/releases"
HEADER = """\
schema = 1
version = "2026.01.02"
[[index]]
id = "pypi"
trust = "own"
[[index]]
id = "cu124"
url = "{server}/whl/cu124"
cuda = "12.4"
trust = "own"
projects = ["thing"]
[[pattern]]
id = "cu-torch"
local = 'cu(?P<cuda__1>\\d\\d)(?P<cuda__2>\\d)torch(?P<torch>\\d+\\.\\d+)'
[[label]]
projects = ["thing"]
label = "torch"
pins = ["torch"]
source = "METADATA"
[[builder]]
id = "me/thing"
project = "thing"
url = "https://github.com/me/thing/releases/download/{{tag}}/{{file}}"
trust = "known"
source = "https://github.com/me/thing/releases"
"""
THING = """\
{
"project": "thing",
"retrieved": "2026-01-02",
"sources": ["made up"],
"releases": {
"1.0": {"uploaded":"2026-01-01","requires":["torch==2.5.0"],"builds":[\
{"index":"pypi","wheels":[["cp311-cp311-win_amd64","OLD"]]},\
{"index":"cu124","local":"cu124","labels":{"cuda":"12.4.1","archs":["8.0"]},"known":"derived",\
"source":"a rule","wheels":[["cp311-cp311-linux_x86_64",null],["cp312-cp312-linux_x86_64",null]]},\
{"builder":"me/thing","tag":"v1","local":"cu124torch2.5","labels":{"torch":"2.5","cuda":"12.4.1"},\
"known":"seen","source":"somewhere","warning":"odd","wheels":[["cp311-cp311-win_amd64",null]]}]}
}
}
"""
OTHER_FILES = {
    "components/torch.toml": 'name = "torch"\nrole = "framework"\n',
    "components/cuda.toml": 'name = "cuda"\nkind = "virtual"\n',
    "components/cuda-toolkit.toml": 'name = "cuda-toolkit"\nrole = "toolkit"\n',
    "components/thing.toml": 'name = "thing"\n',
    "index/torch.json": """\
{
"project": "torch",
"retrieved": "2026-01-02",
"sources": ["made up"],
"releases": {
"2.5.0": {"builds":[{"index":"pypi","labels":{"cuda":"none"},"wheels":[["py3-none-any",null]]}]}
}
}
""",
    "cuda/gpus.json": '{"gpus": {}, "capabilities": {}}',
    "cuda/toolkits.json": '{"releases": {}}',
}


@pytest.fixture(scope="module")
def running() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def server(
    running: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> ScriptedServer:
    monkeypatch.setattr(web_module, "BACK_OFF", 0)
    monkeypatch.setenv("CUDALOCK_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("GITHUB_TOKEN", "GH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GITHUB_API_URL", running.url(""))
    monkeypatch.setenv("PIP_INDEX_URL", running.url("/simple/"))
    running.answers = {}
    healthy(running)
    return running


@pytest.fixture
def matrix(server: ScriptedServer, tmp_path: Path) -> Path:
    files = {
        **OTHER_FILES,
        "matrix.toml": HEADER.format(server=server.url("")),
        "index/thing.json": THING.replace("OLD", OLD),
    }
    return write_all(tmp_path / "matrix", files)


def listing(*anchors: str, kind: str = "text/html") -> Answer:
    body = "<!DOCTYPE html><html><body>" + "<br/>".join(anchors) + "</body></html>"
    return Answer(headers={"Content-Type": kind}, body=body.encode())


def anchor(file: str, sha256: str | None = None, folder: str = "", **attributes: str) -> str:
    extra = "".join(f' data-{key}="{html.escape(value)}"' for key, value in attributes.items())
    fragment = f"#sha256={sha256}" if sha256 else ""
    return f'<a href="{folder}{quote(file)}{fragment}"{extra.replace("_", "-")}>{file}</a>'


def metadata(*requires: str, python: str | None = None) -> bytes:
    return metadata_text("thing", "1.0+cu124", requires, python).encode()


CU = "thing-1.0+cu124-cp311-cp311-linux_x86_64.whl"
CU_312 = CU.replace("311", "312")
WIN = "thing-1.0-cp311-cp311-win_amd64.whl"
ASSET = "thing-1.0+cu124torch2.5-cp311-cp311-win_amd64.whl"


def healthy(server: ScriptedServer) -> None:
    """Everything that is held, listed; METADATA beside the wheels of the variant, with an extra
    that the matrix does not keep."""
    said = metadata("torch==2.5.0", "numpy", 'pytest; extra == "dev"')
    offered = {"dist_info_metadata": f"sha256={sha256(said)}"}
    server.answers[VARIANT] = [
        listing(
            anchor(CU, NEW, "/whl/cu124/", **offered),
            anchor(CU_312, NEW, "/whl/cu124/", **offered),
            anchor("filelock-3.0-py3-none-any.whl", OTHER, "/whl/"),
        )
    ]
    for file in (CU, CU_312):
        server.answers[f"/whl/cu124/{file}.metadata"] = [Answer(body=said)]
    server.answers[MAIN] = [
        Answer(
            headers={"Content-Type": "application/vnd.pypi.simple.v1+json"},
            body=json.dumps(
                {
                    "meta": {"api-version": "1.1"},
                    "name": "thing",
                    "files": [{"filename": WIN, "url": f"/files/{WIN}", "hashes": {"sha256": OLD}}],
                }
            ).encode(),
        )
    ]
    server.answers[API] = [assets(ASSET, tag="v1")]


def assets(
    *files: str, tag: str, digest: str | None = f"sha256:{OTHER}", size: int | None = None
) -> Answer:
    rows = [
        {
            "name": file,
            "browser_download_url": "https://github.com/me/thing/releases/download/"
            f"{tag}/{quote(file)}",
            "digest": digest,
            "size": size,
        }
        for file in files
    ]
    return Answer(body=json.dumps([{"tag_name": tag, "assets": rows}]).encode())


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def update(matrix: Path, *words: str) -> Result:
    arguments = ["matrix", "update", "thing", "--output", str(matrix), *words]
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


def rows(matrix: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((matrix / "index" / "thing.json").read_text("utf-8"))
    return dict(found["releases"])


def build(matrix: Path, place: str, version: str = "1.0") -> dict[str, Any]:
    found = [
        each
        for each in rows(matrix)[version]["builds"]
        if place in (each.get("index"), each.get("builder"))
    ]
    assert len(found) == 1, found
    return dict(found[0])


# -- what is listed --------------------------------------------------------------------------------


def test_what_is_held_takes_what_is_listed_and_keeps_the_rest(matrix: Path) -> None:
    result = update(matrix)
    assert result.exit_code == 0, result.output
    assert build(matrix, "cu124") == {
        "index": "cu124",
        "local": "cu124",
        "labels": {"cuda": "12.4.1", "archs": ["8.0"]},
        "requires": ["torch==2.5.0", "numpy"],
        "wheels": [["cp311-cp311-linux_x86_64", NEW], ["cp312-cp312-linux_x86_64", NEW]],
    }
    assert build(matrix, "me/thing") == {
        "builder": "me/thing",
        "tag": "v1",
        "local": "cu124torch2.5",
        "labels": {"torch": "2.5", "cuda": "12.4.1"},
        "known": "listed",
        "source": "files of the GitHub releases",
        "warning": "odd",
        "wheels": [["cp311-cp311-win_amd64", OTHER]],
    }
    assert "0 new releases, 1 changed release, 0 vanished wheels (3 sources asked)" in result.stdout


def test_a_second_update_writes_nothing(matrix: Path) -> None:
    update(matrix)
    before = {path: path.read_bytes() for path in matrix.rglob("*") if path.is_file()}
    result = update(matrix)
    assert "written: nothing" in result.stdout
    assert {path: path.read_bytes() for path in matrix.rglob("*") if path.is_file()} == before


def test_the_same_answers_make_the_same_bytes(matrix: Path) -> None:
    update(matrix)
    first = (matrix / "index" / "thing.json").read_bytes()
    (matrix / "index" / "thing.json").write_text(THING.replace("OLD", OLD), newline="\n")
    update(matrix)
    assert (matrix / "index" / "thing.json").read_bytes() == first


def test_a_new_release_and_a_new_wheel(server: ScriptedServer, matrix: Path) -> None:
    new = CU.replace("1.0", "1.1")
    offered = {"dist_info_metadata": "true", "requires_python": ">=3.10"}
    page = server.answers[VARIANT][0].body.decode()
    page = page.replace("<br/>", f"<br/>{anchor(new, OTHER, '/whl/cu124/', **offered)}<br/>", 1)
    server.answers[VARIANT] = [Answer(headers={"Content-Type": "text/html"}, body=page.encode())]
    server.answers[f"/whl/cu124/{new}.metadata"] = [Answer(body=metadata("torch==2.5.0"))]
    server.answers[API] = [assets(ASSET, ASSET.replace("311", "312"), tag="v1")]
    result = update(matrix)
    assert "new: thing 1.1 (1 added)" in result.stdout
    assert build(matrix, "cu124", "1.1") == {
        "index": "cu124",
        "local": "cu124",
        "labels": {"cuda": "12.4", "torch": "2.5.0"},
        "python": ">=3.10",
        "requires": ["torch==2.5.0"],
        "wheels": [["cp311-cp311-linux_x86_64", OTHER]],
    }
    assert build(matrix, "me/thing")["wheels"] == [
        ["cp311-cp311-win_amd64", OTHER],
        ["cp312-cp312-win_amd64", OTHER],
    ]


def test_a_vanished_wheel_goes_and_is_told(server: ScriptedServer, matrix: Path) -> None:
    server.answers[VARIANT] = [listing(anchor(CU, NEW, "/whl/cu124/"))]
    result = update(matrix)
    assert "1 vanished wheel" in result.stdout
    assert "vanished: thing 1.0 cu124 cp312-cp312-linux_x86_64" in result.stdout
    assert [row[0] for row in build(matrix, "cu124")["wheels"]] == ["cp311-cp311-linux_x86_64"]


def test_without_a_digest_the_size_is_kept(server: ScriptedServer, matrix: Path) -> None:
    """Until there is one."""
    server.answers[API] = [assets(ASSET, tag="v1", digest=None, size=7)]
    update(matrix)
    assert build(matrix, "me/thing")["wheels"] == [["cp311-cp311-win_amd64", None, {"size": 7}]]
    server.answers[API] = [assets(ASSET, tag="v1", size=7)]
    shutil.rmtree(os.environ["CUDALOCK_CACHE_DIR"])
    update(matrix)
    assert build(matrix, "me/thing")["wheels"] == [["cp311-cp311-win_amd64", OTHER]]


def test_a_yank_is_recorded(server: ScriptedServer, matrix: Path) -> None:
    files = [{"filename": WIN, "url": WIN, "hashes": {"sha256": OLD}, "yanked": "broken"}]
    body = json.dumps({"meta": {"api-version": "1.1"}, "name": "thing", "files": files})
    kind = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
    server.answers[MAIN] = [Answer(headers=kind, body=body.encode())]
    update(matrix)
    assert rows(matrix)["1.0"]["yanked"] == "broken"


def test_another_digest_is_an_alarm(server: ScriptedServer, matrix: Path) -> None:
    body = server.answers[MAIN][0].body.replace(OLD.encode(), NEW.encode())
    server.answers[MAIN] = [server.answers[MAIN][0]._replace(body=body)]
    result = update(matrix)
    assert result.exit_code == 1
    assert "other digest: thing 1.0 cp311-cp311-win_amd64" in result.stdout


def test_a_name_that_says_nothing_is_left_out(server: ScriptedServer, matrix: Path) -> None:
    server.answers[API] = [assets(ASSET, "thing-1.0-cp311-cp311-linux_x86_64.whl", tag="v1")]
    result = update(matrix)
    assert result.exit_code == 0
    assert "name not understood, left out: v1/thing-1.0-cp311-cp311-linux" in result.stdout
    assert len(build(matrix, "me/thing")["wheels"]) == 1


def test_what_lies_elsewhere_and_what_is_no_release_is_left_out(
    server: ScriptedServer, matrix: Path
) -> None:
    """A variant's page lists wheels of other variants, and pre-releases."""
    page = server.answers[VARIANT][0].body.decode()
    others = [
        anchor(CU.replace("cu124", "cu121"), OTHER, "/whl/cu121/"),
        anchor(CU.replace("311", "313"), OTHER, "/whl/cu121/"),
        anchor(CU.replace("1.0", "1.1rc1"), OTHER, "/whl/cu124/"),
        anchor(CU.replace("1.0", "0.9"), OTHER, "/whl/cu124/"),
    ]
    page = page.replace("</body>", "<br/>".join(["", *others, "</body>"]))
    server.answers[VARIANT] = [Answer(headers={"Content-Type": "text/html"}, body=page.encode())]
    assert update(matrix).exit_code == 0
    assert list(rows(matrix)) == ["1.0"]
    assert [row[1] for row in build(matrix, "cu124")["wheels"]] == [NEW, NEW]


def test_from_an_empty_folder_metadata_is_read_anew(
    server: ScriptedServer, matrix: Path, tmp_path: Path
) -> None:
    """Also of wheels that are held with the same digest; what METADATA says holds."""
    update(matrix)
    header = (matrix / "matrix.toml").read_text()
    asked = f"/whl/cu124/{CU}.metadata"
    for output, times in ((matrix, 0), (tmp_path / "made", 1)):
        server.asked.clear()
        shutil.rmtree(tmp_path / "cache")
        refresh(Matrix.load(matrix), ["thing"], output=output, today="2099-01-02")
        assert server.paths().count(asked) == times
    assert (tmp_path / "made" / "matrix.toml").read_text() == header
    assert rows(tmp_path / "made") == rows(matrix)


def test_what_the_cache_has_does_not_stand_in(server: ScriptedServer, matrix: Path) -> None:
    """An update that could not ask says so, though the page was read before."""
    old = {"Content-Type": "text/html", "Cache-Control": "max-age=0"}
    server.answers[VARIANT] = [server.answers[VARIANT][0]._replace(headers=old), Answer(503)]
    assert update(matrix).exit_code == 0
    result = update(matrix)
    assert result.exit_code == 3
    assert "thing on cu124: cannot read" in result.stdout


def test_a_page_that_moved_is_followed(server: ScriptedServer, matrix: Path) -> None:
    server.answers["/elsewhere/"] = server.answers[VARIANT]
    server.answers[VARIANT] = [Answer(301, {"Location": "/elsewhere/"})]
    assert update(matrix).exit_code == 0
    assert build(matrix, "cu124")["wheels"][0][1] == NEW


@pytest.mark.parametrize(
    "answer",
    [Answer(404), Answer(body=b"x"), Answer(body=metadata("not a requirement ==")), Answer(403)],
)
def test_metadata_that_cannot_be_read_is_not_made_up(
    server: ScriptedServer, matrix: Path, answer: Answer
) -> None:
    """Nor is that of a wrong hash: then the wheel is asked, which is not served here."""
    for file in (CU, CU_312):
        server.answers[f"/whl/cu124/{file}.metadata"] = [answer]
    assert update(matrix).exit_code == 0
    found = build(matrix, "cu124")
    assert (found["known"], "requires" in found) == ("listed", False)
    assert found["wheels"][0][1] == NEW


# -- faults ----------------------------------------------------------------------------------------

RESET = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1767323045"}
PROXY = b"<html><body><a href='/login'>log in</a></body></html>"
FAULTS = [
    (VARIANT, Answer(500), "thing on cu124: cannot read"),
    (VARIANT, Answer(404), "cu124 lists no wheel of thing"),
    (VARIANT, Answer(403), "thing on cu124: cannot read"),
    (VARIANT, listing(), "cu124 lists no wheel of thing"),
    (VARIANT, Answer(headers={"Content-Type": "text/html"}, body=PROXY), "is no listing"),
    (VARIANT, Answer(headers={"Content-Type": "image/png"}, body=b"x"), "thing on cu124"),
    (VARIANT, listing(anchor(CU, NEW))._replace(cut=60), "thing on cu124: cannot read"),
    (VARIANT, listing(anchor(CU, NEW))._replace(pause=0.2, pieces=9), "too slowly"),
    (MAIN, Answer(503), "thing on pypi: cannot read"),
    (MAIN, Answer(headers={"Content-Type": "text/html"}, body=PROXY), "is no listing"),
    (API, Answer(403, RESET), "me/thing: GitHub's API allows no more requests until 2026-01-02"),
    (API, Answer(429, RESET), "me/thing: GitHub's API allows no more requests"),
    (API, Answer(500), "me/thing: cannot read"),
    (API, Answer(body=b"{}"), "is none of GitHub's"),
    (API, Answer(body=b"[]"), "no release has a wheel"),
    (API, assets(ASSET, tag="v1")._replace(cut=40), "me/thing: cannot read"),
]


@pytest.mark.parametrize(("path", "answer", "said"), FAULTS)
def test_a_source_that_fails_keeps_its_rows(
    server: ScriptedServer,
    matrix: Path,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    answer: Answer,
    said: str,
) -> None:
    if answer.pause:
        impatient = partial(web_module.Web, deadline=0.3)
        monkeypatch.setattr(update_module, "Web", impatient)
    server.answers[path] = [answer]
    place = {VARIANT: "cu124", MAIN: "pypi", API: "me/thing"}[path]
    before = build(matrix, place)
    result = update(matrix)
    assert result.exit_code == 3, result.output
    assert build(matrix, place) == before
    assert f"failed, its rows are kept: {said.partition(':')[0]}" in result.stdout or said in (
        result.stdout
    )
    assert said in result.stdout
    assert "Traceback" not in result.output
    # The other sources were merged all the same.
    for other in {"cu124", "me/thing"} - {place}:
        assert build(matrix, other).get("known", "metadata") in ("metadata", "listed")


def test_a_limit_has_a_hint(server: ScriptedServer, matrix: Path) -> None:
    server.answers[API] = [Answer(403, RESET)]
    assert "hint: a token in GITHUB_TOKEN" in update(matrix).stderr


def test_releases_that_moved_are_not_vanished(server: ScriptedServer, matrix: Path) -> None:
    body = server.answers[API][0].body.replace(b"/me/thing/", b"/you/thing/")
    server.answers[API] = [Answer(body=body)]
    result = update(matrix)
    assert result.exit_code == 3
    assert "the files of me/thing have moved" in result.stdout


def test_all_sources_failing_leaves_every_byte(server: ScriptedServer, matrix: Path) -> None:
    server.answers = {}
    before = {path: path.read_bytes() for path in matrix.rglob("*") if path.is_file()}
    assert update(matrix).exit_code == 3
    assert {path: path.read_bytes() for path in matrix.rglob("*") if path.is_file()} == before


def test_an_interruption_leaves_the_old(matrix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.read_bytes() for path in matrix.rglob("*") if path.is_file()}

    def interrupt(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(update_module, "new_defects", interrupt)
    arguments = ["matrix", "update", "thing", "--output", str(matrix)]
    assert CliRunner().invoke(main, arguments).exit_code == 130
    assert {path: path.read_bytes() for path in matrix.rglob("*") if path.is_file()} == before
    assert [path.name for path in matrix.parent.iterdir() if path.name.startswith(".cuda")] == []


# -- where it goes ---------------------------------------------------------------------------------


def test_curated_files_are_not_touched_but_for_the_version(matrix: Path) -> None:
    (matrix / "README.md").write_text("mine")
    (matrix / "extra.txt").write_text("mine too")
    before = {path: path.read_bytes() for path in (matrix / "components").iterdir()}
    header = (matrix / "matrix.toml").read_text()
    update(matrix)
    assert {path: path.read_bytes() for path in (matrix / "components").iterdir()} == before
    assert (matrix / "extra.txt").read_text() == "mine too"
    version = Matrix.load(matrix).version
    assert version > "2026.01.02"
    assert (matrix / "matrix.toml").read_text() == header.replace("2026.01.02", version)


def test_the_users_own_is_laid_over_the_embedded(
    server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDALOCK_DATA_DIR", str(tmp_path / "data"))
    body = json.dumps(
        {
            "meta": {"api-version": "1.1"},
            "name": "six",
            "files": [
                {"filename": f, "url": f, "hashes": {"sha256": d}, "core-metadata": True}
                for f, d in (
                    ("six-1.16.0-py2.py3-none-any.whl", _digest("1.16.0")),
                    ("six-99.0-py2.py3-none-any.whl", NEW),
                )
            ],
        }
    )
    kind = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
    server.answers["/simple/six/"] = [Answer(headers=kind, body=body.encode())]
    server.answers["/simple/six/six-99.0-py2.py3-none-any.whl.metadata"] = [
        Answer(body=metadata_text("six", "99.0").encode())
    ]
    result = CliRunner().invoke(main, ["matrix", "update", "six"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    loaded = Matrix.load()
    assert loaded.user_matrix is not None
    assert "99.0" in loaded.versions("six")
    assert list(loaded.user_matrix.files) == ["index/six.json"]
    assert "99.0" not in Matrix.load(EMBEDDED).versions("six")
    shown = CliRunner().invoke(main, ["--version"]).stdout
    assert f"(matrix {loaded.version}, refreshed, 0 days old)" in shown


def _digest(version: str) -> str:
    project = Matrix.load(EMBEDDED).project("six")
    assert project is not None
    return str(project.release(version).builds[0].wheels[0].sha256)


@pytest.mark.parametrize(
    ("was", "today", "version"),
    [
        ("2026.01.02", "2026-01-03", "2026.01.03"),
        ("2026.01.02", "2026-01-02", "2026.01.02.1"),
        ("2026.01.02.1", "2026-01-02", "2026.01.02.2"),
        ("2026.01.02.9", "2026-01-02", "2026.01.02.10"),
        ("2026.01.05", "2026-01-02", "2026.01.05.1"),
    ],
)
def test_versions_rise(was: str, today: str, version: str) -> None:
    assert next_version(was, today) == version


def test_a_folder_that_is_no_matrix_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    result = update(tmp_path)
    assert result.exit_code == 2
    assert "is not a matrix" in result.stderr
    assert (tmp_path / "precious.txt").read_text() == "mine"


def test_an_unknown_name_is_said(server: ScriptedServer, matrix: Path) -> None:
    arguments = ["matrix", "update", "nosuch", "--output", str(matrix)]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 2
    assert "`nosuch` is neither in the matrix nor on the package index" in result.stderr


def test_the_summary_as_json(matrix: Path) -> None:
    document = json.loads(update(matrix, "--json").stdout)
    assert document["schema"] == "cudalock.update/1"
    assert document["was"] == "2026.01.02"
    (change,) = document["changes"]
    assert (change["project"], change["version"], change["new"]) == ("thing", "1.0", False)
    assert document["failures"] == document["defects"] == []


# -- damage ----------------------------------------------------------------------------------------


def own_update(*names: str) -> Result:
    return CliRunner().invoke(main, ["matrix", "update", *names], catch_exceptions=False)


def no_defects(before: Matrix, after: Matrix, names: list[str]) -> list[Defect]:
    return []


def list_six(server: ScriptedServer, *new: str) -> None:
    """`six` as it is embedded, and new releases, which are not to be kept in the cache."""
    held = Matrix.load(EMBEDDED).project("six")
    assert held is not None
    files: list[dict[str, Any]] = [
        {
            "filename": wheel.file(release.version, None),
            "hashes": {"sha256": wheel.sha256},
        }
        for release in held
        for build in release.builds
        for wheel in build.wheels
    ]
    for version in new:
        name = f"six-{version}-py2.py3-none-any.whl"
        files.append({"filename": name, "hashes": {"sha256": NEW}, "core-metadata": True})
        text = metadata_text("six", version).encode()
        server.answers[f"/simple/six/{name}.metadata"] = [Answer(body=text)]
    for file in files:
        file["url"] = f"/simple/six/{file['filename']}"
    body = json.dumps({"meta": {"api-version": "1.1"}, "name": "six", "files": files})
    kind = {"Content-Type": "application/vnd.pypi.simple.v1+json", "Cache-Control": "no-store"}
    server.answers["/simple/six/"] = [Answer(headers=kind, body=body.encode())]


@pytest.fixture(scope="module")
def refreshed() -> list[Path]:
    """Where the folder of `own` was made first: an update of the embedded matrix takes seconds."""
    return []


@pytest.fixture
def own(
    server: ScriptedServer,
    refreshed: list[Path],
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A data folder with a refreshed `six`; the index lists it as it is embedded, and 99.0.

    How folders are kept is tried here; to lint the whole embedded matrix takes seconds each time.
    """
    monkeypatch.setattr(update_module, "new_defects", no_defects)
    list_six(server, "99.0")
    if not refreshed:
        folder = tmp_path_factory.mktemp("refreshed")
        monkeypatch.setenv("CUDALOCK_DATA_DIR", str(folder))
        result = own_update("six")
        assert "1 new release, 0 changed releases, 0 vanished wheels" in result.stdout
        refreshed.append(folder)
    shutil.copytree(refreshed[0], tmp_path / "data")
    monkeypatch.setenv("CUDALOCK_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data" / "matrix"


@pytest.mark.parametrize("file", ["index/six.json", "manifest.json", "../current"])
def test_an_update_mends_what_is_damaged(own: Path, file: str) -> None:
    folder = own / (own / "current").read_text()
    (folder / file).write_text("damaged")
    said: list[str] = []
    assert "99.0" not in Matrix.load(warn=said.append).versions("six")
    assert "is damaged" in said[0]
    assert own_update("six").exit_code == 0
    assert "99.0" in Matrix.load(warn=pytest.fail).versions("six")
    assert len([path for path in own.iterdir() if path.is_dir()]) == 1


def test_an_update_of_something_else_mends_it_too(own: Path, server: ScriptedServer) -> None:
    (own / (own / "current").read_text() / "manifest.json").write_text("damaged")
    server.answers["/simple/six/"] = []
    own_update("wheel")
    assert Matrix.load(warn=pytest.fail).user_matrix is None


@pytest.mark.parametrize("whose", ["the user's", "a checkout's"])
def test_the_slower_of_two_updates_is_told(
    own: Path,
    matrix: Path,
    server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    whose: str,
) -> None:
    """What the faster one brought is not lost."""

    def run() -> Result:
        return update(matrix) if whose == "a checkout's" else own_update("six")

    def meanwhile(before: Matrix, after: Matrix, names: list[str]) -> list[Defect]:
        monkeypatch.setattr(update_module, "new_defects", no_defects)
        assert run().exit_code == 0
        return no_defects(before, after, names)

    list_six(server, "99.0", "100.0")
    monkeypatch.setattr(update_module, "new_defects", meanwhile)
    slower = run()
    assert slower.exit_code == 2
    assert "error: another update was faster" in slower.stderr
    assert "is damaged" not in slower.stderr
    if whose == "a checkout's":
        assert build(matrix, "cu124")["wheels"][0][1] == NEW
    else:
        found = Matrix.load(warn=pytest.fail)
        assert "100.0" in found.versions("six")
        assert [path.name for path in own.iterdir() if path.is_dir()] == [found.version]


@pytest.mark.skipif(os.name == "nt", reason="folders have no such mode there")
def test_a_data_folder_that_cannot_be_written(
    server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CUDALOCK_DATA_DIR", str(tmp_path / "file"))
    result = own_update("six")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: cannot write ")


def test_a_full_disk_ends_in_a_sentence(matrix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(update_module, "copy_matrix", full)
    before = {path: path.read_bytes() for path in matrix.rglob("*") if path.is_file()}
    result = update(matrix)
    assert (result.exit_code, "No space left on device" in result.stderr) == (2, True)
    assert {path: path.read_bytes() for path in matrix.rglob("*") if path.is_file()} == before
