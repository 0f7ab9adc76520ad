"""`cudalock matrix update --from` against a local site, with each fault that one may have."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cudalock.cli import main
from cudalock.indexes import client
from cudalock.matrix.matrix import EMBEDDED, Matrix
from cudalock.matrix.store import CURRENT, USER_FOLDER
from cudalock.update import from_site
from cudalock.update.from_site import digest_list, files_of
from tests.files import write_all
from tests.scripted import Answer, ScriptedServer

LIST, FILES = "/api/v1/matrix/digests.json", "/api/v1/matrix/files/"
HEADER = """\
schema = 1
version = "{version}"
[[index]]
id = "pypi"
trust = "own"
"""
THING = """\
{{
"project": "thing",
"retrieved": "2026-01-02",
"sources": ["made up"],
"releases": {{
"1.{minor}": {{"wheels":[["py3-none-any",null]]}}
}}
}}
"""


def small(version: str, minor: int) -> dict[str, str]:
    return {
        "matrix.toml": HEADER.format(version=version),
        "README.md": "# A matrix\n",
        "components/torch.toml": 'name = "torch"\nrole = "framework"\n',
        "components/cuda-toolkit.toml": 'name = "cuda-toolkit"\nrole = "toolkit"\n',
        "components/thing.toml": 'name = "thing"\n',
        "index/thing.json": THING.format(minor=minor),
        "cuda/gpus.json": '{"gpus": {}, "capabilities": {}}',
        "cuda/toolkits.json": '{"releases": {}}',
    }


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "BACK_OFF", 0)


@pytest.fixture(scope="module")
def running() -> Iterator[ScriptedServer]:
    """One for all tests: to end one takes half a second."""
    with ScriptedServer() as started:
        yield started


@pytest.fixture
def server(running: ScriptedServer) -> ScriptedServer:
    running.answers.clear()
    running.asked.clear()
    return running


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The matrix in use, in a folder."""
    folder = tmp_path / "own"
    write_all(folder, small("2026.01.02", 0))
    return folder


@pytest.fixture
def newer(tmp_path: Path, server: ScriptedServer) -> dict[str, bytes]:
    """The site's matrix, by its files, which are published."""
    write_all(tmp_path / "site", small("2026.01.03", 1))
    contents = files_of(Matrix.load(tmp_path / "site"))
    publish(server, "2026.01.03", contents)
    return contents


def publish(server: ScriptedServer, version: str, contents: dict[str, bytes]) -> None:
    server.answers[LIST] = [Answer(body=digest_list(version, contents))]
    server.answers |= {f"{FILES}{name}": [Answer(body=body)] for name, body in contents.items()}


def take(server: ScriptedServer, *words: str) -> Result:
    return CliRunner().invoke(main, ["matrix", "update", "--from", server.url(""), *words])


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_only_what_differs_is_taken(
    server: ScriptedServer, own: Path, newer: dict[str, bytes]
) -> None:
    done = take(server, "--output", str(own))
    assert done.exit_code == 0, done.output
    assert "matrix 2026.01.02 -> 2026.01.03" in done.output
    assert sorted(server.paths()) == [LIST, f"{FILES}index/thing.json", f"{FILES}matrix.toml"]
    assert Matrix.load(own).versions("thing") == ["1.1"]
    assert Matrix.load(own).version == "2026.01.03"


def test_a_new_folder_gets_all_of_it(
    server: ScriptedServer, tmp_path: Path, newer: dict[str, bytes]
) -> None:
    done = take(server, "--output", str(tmp_path / "new"), "--json")
    assert done.exit_code == 0, done.output
    found = content(tmp_path / "new")
    assert set(found) == {*newer, "compiled.json"}
    assert all(found[name] == body for name, body in newer.items())
    assert json.loads(done.stdout)["matrix"] == "2026.01.03"


def test_what_is_not_newer_changes_nothing(
    server: ScriptedServer, own: Path, newer: dict[str, bytes]
) -> None:
    publish(server, "2026.01.02", newer)
    before = content(own)
    done = take(server, "--output", str(own))
    assert (done.exit_code, server.paths()) == (0, [LIST])
    assert "which is not newer" in done.output
    assert content(own) == before


# -- faults ---------------------------------------------------------------------------------------


def change_list(change: Callable[[dict[str, Any]], None]) -> Callable[[ScriptedServer], None]:
    """A list that was changed by somebody who makes its digest again."""

    def apply(server: ScriptedServer) -> None:
        document = json.loads(server.answers[LIST][0].body)
        change(document)
        document["sha256"] = from_site._digest_of_list(document["matrix"], document["files"])
        server.answers[LIST] = [Answer(body=json.dumps(document).encode())]

    return apply


def add(name: str) -> Callable[[ScriptedServer], None]:
    def apply(server: ScriptedServer) -> None:
        change_list(lambda document: document["files"].update({name: row}))(server)
        server.answers[f"{FILES}{name}"] = [Answer(body=b"x")]

    row = {"sha256": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881", "size": 1}
    return apply


def drop_unnoticed(server: ScriptedServer) -> None:
    document = json.loads(server.answers[LIST][0].body)
    del document["files"]["index/thing.json"]
    server.answers[LIST] = [Answer(body=json.dumps(document).encode())]


def replace(name: str, body: bytes) -> Callable[[ScriptedServer], None]:
    def apply(server: ScriptedServer) -> None:
        server.answers[f"{FILES}{name}"] = [Answer(body=body)]

    return apply


def answer(path: str, given: Answer) -> Callable[[ScriptedServer], None]:
    def apply(server: ScriptedServer) -> None:
        server.answers[path] = [given]

    return apply


def cut(server: ScriptedServer) -> None:
    server.answers[LIST] = [Answer(body=server.answers[LIST][0].body[:-200])]


def break_facts(server: ScriptedServer) -> None:
    contents = {
        path.removeprefix(FILES): answers[0].body
        for path, answers in server.answers.items()
        if path.startswith(FILES)
    }
    contents["components/thing.toml"] = b'name = "thing"\n[[fact]]\nid = 3\n'
    publish(server, "2026.01.03", contents)


FAULTS = {
    "another digest": (
        replace("index/thing.json", THING.format(minor=7).encode()),
        1,
        "not what the list states",
    ),
    "a larger file": (replace("index/thing.json", b"x" * 100_000), 1, "larger than the"),
    "a shorter file": (replace("index/thing.json", b"{"), 1, "not what the list states"),
    "a file that is gone": (answer(f"{FILES}matrix.toml", Answer(404)), 3, "404"),
    "a server that fails": (answer(f"{FILES}matrix.toml", Answer(500)), 3, "500"),
    "a cut list": (cut, 1, "damaged"),
    "a list with less": (drop_unnoticed, 1, "not whole"),
    "no header": (change_list(lambda d: d["files"].pop("matrix.toml")), 1, "not whole"),
    "no list": (answer(LIST, Answer(404)), 3, "404"),
    "a page of HTML": (answer(LIST, Answer(body=b"<!doctype html>")), 1, "damaged"),
    "an endless list": (answer(LIST, Answer(body=b" " * (5 << 20))), 1, "larger than the"),
    "deep nesting": (answer(LIST, Answer(body=b"[" * 100_000)), 1, "damaged"),
    "a path outside": (add("../../evil.toml"), 1, "which no matrix has"),
    "an absolute path": (add("/etc/evil.toml"), 1, "which no matrix has"),
    "a path of Windows": (add("components\\evil.toml"), 1, "which no matrix has"),
    "a drive": (add("C:evil.toml"), 1, "which no matrix has"),
    "a device": (add("components/nul.toml"), 1, "which no matrix has"),
    "a program": (add("components/evil.py"), 1, "which no matrix has"),
    "a deep path": (add("components/a/evil.toml"), 1, "which no matrix has"),
    "a huge size": (
        change_list(lambda d: d["files"]["matrix.toml"].update(size=1 << 40)),
        1,
        "larger than 32 MiB",
    ),
    "another version": (
        change_list(lambda d: d.update(matrix="2026.02.02")),
        1,
        "its files are of",
    ),
    "a version that is none": (change_list(lambda d: d.update(matrix="../x")), 1, "damaged"),
    "another form": (change_list(lambda d: d.update(schema="cudalock.matrix-files/2")), 1, "newer"),
    "facts that cannot be read": (break_facts, 1, "cannot read the site's matrix"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_leaves_the_old_matrix(
    fault: str, server: ScriptedServer, own: Path, newer: dict[str, bytes]
) -> None:
    damage, status, says = FAULTS[fault]
    damage(server)
    before = content(own)
    done = take(server, "--output", str(own))
    assert done.exit_code == status, done.output
    assert says in done.output
    assert "Traceback" not in done.output
    assert content(own) == before
    assert [path.name for path in own.parent.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--from", "ftp://x"], "needs the URL of a site"),
        (["--from", "nowhere"], "needs the URL of a site"),
        (["--from", "https://x.example", "torch"], "takes the whole matrix"),
        (["--from", "https://x.example", "--digests", "2"], "`--digests`"),
        (["--from", "https://x.example", "--index-url", "https://y.example"], "`--index-url`"),
        (["--index-map", "pytorch=https://x.example"], "`--index-map` needs `--from`"),
    ],
)
def test_what_it_cannot_be_combined_with(words: list[str], says: str) -> None:
    done = CliRunner().invoke(main, ["matrix", "update", *words])
    assert done.exit_code == 2
    assert says in done.output


def test_a_mirror_is_asked_in_place_of_the_site(
    server: ScriptedServer, own: Path, newer: dict[str, bytes]
) -> None:
    words = ["--from", "https://site.example", "--output", str(own)]
    mirror = f"https://site.example={server.url('')}"
    done = CliRunner().invoke(main, ["matrix", "update", *words, "--index-map", mirror])
    assert done.exit_code == 0, done.output
    assert LIST in server.paths()


def test_a_copy_on_disk_needs_no_network(
    server: ScriptedServer, own: Path, newer: dict[str, bytes], tmp_path: Path
) -> None:
    for path, answers in server.answers.items():
        file = tmp_path / "stick" / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(answers[0].body)
    words = ["matrix", "update", "--from", str(tmp_path / "stick"), "--output", str(own)]
    done = CliRunner().invoke(main, words)
    assert (done.exit_code, server.paths()) == (0, []), done.output
    assert Matrix.load(own).version == "2026.01.03"
    (tmp_path / "stick" / LIST.lstrip("/")).unlink()
    assert CliRunner().invoke(main, words).exit_code == 2


# -- for the user ---------------------------------------------------------------------------------


def test_the_users_matrix_is_whole(
    server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Facts too, which no other update changes; the next update keeps them."""
    data = tmp_path / "data"
    monkeypatch.setenv("CUDALOCK_DATA_DIR", str(data))
    embedded = Matrix.load(EMBEDDED)
    contents = files_of(embedded)
    name = "components/bitsandbytes.toml"
    old = "imports triton.ops, which Triton 3.2 removed"
    assert old.encode() in contents[name]
    contents[name] = contents[name].replace(old.encode(), b"says something new")
    # Tables beside the components belong to the curated half as well.
    for table in ("containers.toml", "licenses.toml"):
        contents[table] = b""
    header = contents["matrix.toml"].decode()
    contents["matrix.toml"] = header.replace(embedded.version, "2099.01.01").encode()
    del contents["components/torchrec.toml"]
    publish(server, "2099.01.01", contents)
    # What is linted is not what this is about, and takes a while.
    monkeypatch.setattr(from_site, "new_defects", lambda before, after, names: [])
    done = take(server)
    assert done.exit_code == 0, done.output
    changed = [name, "matrix.toml", "containers.toml", "licenses.toml"]
    assert sorted(server.paths()) == sorted([LIST, *(f"{FILES}{file}" for file in changed)])

    matrix = Matrix.load()
    assert (matrix.version, matrix.embedded_version) == ("2099.01.01", embedded.version)
    assert matrix.fact("bnb-triton-ops").says == "says something new"
    assert "torchrec" not in matrix.components
    assert (matrix.licenses, matrix.containers.bases) == ({}, ())
    assert Matrix.load(EMBEDDED).fact("bnb-triton-ops").says == old
    assert files_of(matrix).keys() == contents.keys()

    # A damaged file of it is replaced by the embedded one, with a warning.
    path = data / USER_FOLDER / "2099.01.01" / name
    path.write_bytes(path.read_bytes() + b"\n# x\n")
    warnings: list[str] = []
    assert Matrix.load(warn=warnings.append).fact("bnb-triton-ops").says == old
    assert len(warnings) == 1
    shutil.rmtree(data / USER_FOLDER / "2099.01.01")
    assert Matrix.load(warn=warnings.append).version == embedded.version
    assert (data / USER_FOLDER / CURRENT).is_file()
