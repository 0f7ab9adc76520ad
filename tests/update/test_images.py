"""What `matrix update` reads of base images, from a server that answers as Docker Hub and GitHub.

The shapes of their answers were recorded, and are shrunk to a few rows.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cudalock.indexes.client import Web
from cudalock.matrix.matrix import Matrix
from cudalock.update.images import listed_text, read_images
from tests.files import write_all
from tests.scripted import Answer, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TAGS, FREEZE, SYSTEM = "/v2/repositories/me/torch/tags", "/main/pip-freeze.txt", "/main/os-info.txt"
FILES = {
    "matrix.toml": 'schema = 1\nversion = "2026.01.02"\n[[index]]\nid = "pypi"\ntrust = "own"\n',
    "components/torch.toml": 'name = "torch"\nrole = "framework"\n',
    "images/me.toml": """\
[[image]]
name = "me/torch"
platform = "linux"
tags = ['(?P<framework>[0-9.]+)-cuda(?P<cuda>[0-9.]+)']
listing = {kind = "tags", url = "SERVER/v2/repositories/me/torch/tags"}
source = "https://example.org/"
checked = 2026-01-02

[[image]]
name = "notebook"
platform = "linux"
by_day = true
tags = ['(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})']
source = "https://example.org/"
checked = 2026-01-02
[image.listing]
kind = "freeze"
url = "SERVER/main/pip-freeze.txt"
system = "SERVER/main/os-info.txt"
projects = ["torch", "numpy"]
""",
}
FRESH = {"Cache-Control": "no-store"}
SYSTEM_TEXT = "# generated\nUbuntu 22.04.5 LTS\nPython 3.12.13\nR version 4.5.2\n"
FREEZE_TEXT = """\
# python3 -m pip freeze
absl-py==1.4.0
numpy==2.0.2
torch @ https://download.pytorch.org/whl/cu128/torch-2.10.0%2Bcu128-cp312-cp312-manylinux_2_28_x86_64.whl
-e git+https://example.org/x.git#egg=x
"""


def page(*names: object, following: str | None = None) -> Answer:
    results = [{"name": name, "full_size": 3_000_000_000, "images": []} for name in names]
    body = {"count": 9, "next": following, "previous": None, "results": results}
    return Answer(headers=FRESH, body=json.dumps(body).encode())


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        server.answers[TAGS] = [page("2.9.0-cuda12.8", "latest", "2.8.0-cuda12.8")]
        server.answers[FREEZE] = [Answer(headers=FRESH, body=FREEZE_TEXT.encode())]
        server.answers[SYSTEM] = [Answer(headers=FRESH, body=SYSTEM_TEXT.encode())]
        yield server


def small(tmp_path: Path, server: ScriptedServer) -> Matrix:
    origin = server.url("/").rstrip("/")
    write_all(tmp_path, {name: text.replace("SERVER", origin) for name, text in FILES.items()})
    return Matrix.load(tmp_path)


def listed(matrix: Matrix, today: str = "2026-02-01") -> Any:
    with Web(stale=False) as web:
        return read_images(matrix, web, today)


def held(matrix: Matrix, rows: dict[str, Any]) -> Matrix:
    write_all(matrix.directory, {"cuda/images.json": listed_text(rows)})
    return Matrix.load(matrix.directory)


def test_what_is_listed_becomes_known(tmp_path: Path, server: ScriptedServer) -> None:
    matrix = small(tmp_path, server)
    read = listed(matrix)
    assert not read.failures
    assert len(read.notes) == 2
    matrix = held(matrix, read.rows)
    there = matrix.images.read("me/torch:2.9.0-cuda12.8")
    assert there is not None
    assert (there.framework, there.cuda, there.unlisted_on) == ("2.9.0", "12.8", None)
    missing = matrix.images.read("me/torch:2.9.0-cuda12.9")
    assert missing is not None
    assert missing.unlisted_on == "2026-02-01"
    day = matrix.images.read("notebook:2026-02-01")
    assert day is not None
    assert day.installed == {"numpy": "2.0.2", "torch": "2.10.0+cu128"}
    assert (day.python, day.cuda) == ("3.12.13", "12.8")
    # Nothing is known of the day after, until there is a newer list.
    tomorrow = matrix.images.read("notebook:2026-02-02")
    assert tomorrow is not None
    assert tomorrow.installed == {}


def test_a_list_that_says_the_same_is_no_news(tmp_path: Path, server: ScriptedServer) -> None:
    matrix = small(tmp_path, server)
    matrix = held(matrix, listed(matrix).rows)
    again = listed(matrix, "2026-03-01")
    assert again.notes == ()
    server.answers[FREEZE] = [
        Answer(headers=FRESH, body=FREEZE_TEXT.replace("2.0.2", "2.1.0").encode())
    ]
    changed = listed(matrix, "2026-03-01")
    assert [row["tag"] for row in changed.rows["notebook"]["releases"]] == [
        "2026-02-01",
        "2026-03-01",
    ]
    between = held(matrix, changed.rows).images.read("notebook:2026-02-20")
    assert between is not None
    assert (between.installed["numpy"], between.as_of) == ("2.0.2", "2026-02-01")


def test_pages_follow_one_another(tmp_path: Path, server: ScriptedServer) -> None:
    second = server.url(f"{TAGS}/2")
    server.answers[TAGS] = [page("1.0-cuda12.8", following=second)]
    server.answers[f"{TAGS}/2"] = [page("2.0-cuda12.8", "../../etc", 7)]
    read = listed(small(tmp_path, server))
    assert read.rows["me/torch"]["tags"] == ["1.0-cuda12.8", "2.0-cuda12.8"]


FAULTS = [
    (TAGS, Answer(500, FRESH), "500"),
    (TAGS, Answer(headers=FRESH, body=b"<html>"), "it is not JSON"),
    (TAGS, Answer(headers=FRESH, body=b'{"results": {}}'), "it is not a list of tags"),
    (TAGS, page(), "no tag is listed"),
    (TAGS, page("1.0", following="https://example.org/tags"), "on another host"),
    (FREEZE, Answer(404, FRESH), "404"),
    (FREEZE, Answer(headers=FRESH, body=b"absl-py==1.4.0\n"), "lists no project"),
    (SYSTEM, Answer(503, FRESH), "503"),
]


@pytest.mark.parametrize(("path", "answer", "says"), FAULTS)
def test_a_source_that_fails_changes_nothing(
    path: str, answer: Answer, says: str, tmp_path: Path, server: ScriptedServer
) -> None:
    matrix = small(tmp_path, server)
    before = listed(matrix).rows
    server.answers[path] = [answer]
    read = listed(held(matrix, before))
    assert [says in error.message for _, error in read.failures] == [True]
    assert read.rows == before


def test_an_endless_list_ends(tmp_path: Path, server: ScriptedServer) -> None:
    server.answers[TAGS] = [page("1.0-cuda12.8", following=server.url(TAGS))]
    [(_, error)] = listed(small(tmp_path, server)).failures
    assert "more than 200 pages" in error.message
