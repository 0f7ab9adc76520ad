"""The user's refreshed rows: when they are used, and what damage earns."""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path

import platformdirs
import pytest
from click.testing import CliRunner, Result

from cudalock.cli import main
from cudalock.files import DATA_VARIABLE, data_folder
from cudalock.indexes import client as web
from cudalock.indexes.cache import CACHE_VARIABLE, cache_folder
from cudalock.matrix.matrix import EMBEDDED, Matrix
from cudalock.matrix.store import CURRENT, MANIFEST, USER_FOLDER, USER_SCHEMA, checksum

NEWER, OLDER = "2099.01.02", "2020.01.02"
ROWS = (
    '{\n"project": "six",\n"retrieved": "2099-01-02",\n"sources": ["made up"],\n"releases": {\n'
    '"9.0": {"wheels":[["py3-none-any",null]]}\n}\n}\n'
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's data folder, with a refreshed `six`."""
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    refresh(tmp_path, NEWER)
    return tmp_path


def refresh(folder: Path, version: str) -> None:
    directory = folder / USER_FOLDER / version
    (directory / "index").mkdir(parents=True)
    (directory / "index" / "six.json").write_text(ROWS, encoding="utf-8", newline="\n")
    files = {"index/six.json": checksum(ROWS.encode())}
    manifest = {"schema": USER_SCHEMA, "version": version, "base": "2020.01.01", "files": files}
    (directory / MANIFEST).write_text(json.dumps(manifest))
    (folder / USER_FOLDER / CURRENT).write_text(version)


def versions(matrix: Matrix) -> list[str]:
    return matrix.versions("six")


def test_newer_rows_are_used_and_the_others_stay(folder: Path) -> None:
    matrix = Matrix.load()
    assert versions(matrix) == ["9.0"]
    assert matrix.version == NEWER
    assert "torch" in matrix.projects
    assert versions(Matrix.load(EMBEDDED)) != ["9.0"]
    assert versions(Matrix.load(Matrix.load().directory)) != ["9.0"]


def test_older_rows_are_not_used(folder: Path) -> None:
    refresh(folder, OLDER)
    assert versions(Matrix.load()) != ["9.0"]


@pytest.mark.parametrize(
    ("file", "content", "falls_back"),
    [
        (f"{NEWER}/index/six.json", ROWS[:-9], "the file"),
        (f"{NEWER}/index/six.json", None, "the file"),
        (f"{NEWER}/{MANIFEST}", "{", "all"),
        (f"{NEWER}/{MANIFEST}", "{}", "all"),
        (f"{NEWER}/{MANIFEST}", "[]", "all"),
        (f"{NEWER}/{MANIFEST}", None, "all"),
        (CURRENT, "2001.02.03", "all"),
        (CURRENT, "../..", "all"),
        (CURRENT, "", "all"),
    ],
)
def test_damage_falls_back_with_a_warning(
    folder: Path, file: str, content: str | None, falls_back: str
) -> None:
    path = folder / USER_FOLDER / file
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    said: list[str] = []
    matrix = Matrix.load(warn=said.append)
    assert versions(matrix) == versions(Matrix.load(EMBEDDED))
    assert versions(matrix) == versions(matrix)
    assert (matrix.user_matrix is None) == (falls_back == "all")
    assert len(said) == 1
    assert "is damaged: the embedded matrix is used instead" in said[0]


def test_without_a_refreshed_matrix_there_is_one_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "absent"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Matrix.load().user_matrix is None


def run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words), catch_exceptions=False)


def test_the_command_line_says_which_matrix_it_uses(folder: Path) -> None:
    assert f"(matrix {NEWER}, refreshed, 0 days old)" in run("--version").stdout
    (folder / USER_FOLDER / NEWER / MANIFEST).write_text("{")
    result = run("--version")
    assert ", embedded, " in result.stdout
    assert result.stderr.startswith("warning: `")
    assert result.exit_code == 0


def test_a_matrix_is_chosen(folder: Path) -> None:
    words = ["matrix", "show", "six", "9.0"]
    assert run(*words).exit_code == 0
    assert run(*words, "--matrix", EMBEDDED).exit_code == 2


@pytest.mark.skipif(sys.platform == "win32", reason="every user has a folder there")
@pytest.mark.parametrize(
    "words",
    [
        ["solve", "--torch", "2.9.1", "--python", "3.12", "--platform", "linux"],
        ["check", "requirements.txt", "--python", "3.12", "--platform", "linux"],
        ["activate", "--python", "~nobody-of-that-name/env"],
        ["solve", "--torch", "2.9.1", "--python", "~nobody-of-that-name/env"],
        ["solve", "zz-top", "--index-url", "http://127.0.0.1:9/", "--python", "3.12"],
    ],
)
def test_a_user_whom_the_system_does_not_know(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container under a bare number: no HOME, and no entry of whose it would be."""
    import pwd

    def unknown(_: object) -> None:
        raise KeyError

    for name in ("HOME", DATA_VARIABLE, CACHE_VARIABLE, "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(pwd, "getpwnam", unknown)
    monkeypatch.setattr(web, "BACK_OFF", 0)
    monkeypatch.chdir(tmp_path)
    Path("requirements.txt").write_text("torch==2.9.1\n")
    result = run(*words)
    assert result.exit_code in (0, 1, 2, 3), result.output
    assert [each.name for each in tmp_path.iterdir()] == ["requirements.txt"]


def test_the_cache_is_where_the_system_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    for folder in ("", os.fspath(Path("elsewhere").absolute())):
        monkeypatch.setenv("XDG_CACHE_HOME", folder)
        assert cache_folder() == platformdirs.user_cache_path("cudalock", appauthor=False)


def test_the_data_folder_is_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DATA_VARIABLE)
    assert data_folder() == platformdirs.user_data_path("cudalock", appauthor=False)
    monkeypatch.setenv("XDG_DATA_HOME", os.fspath(Path("elsewhere").absolute()))
    assert data_folder() == platformdirs.user_data_path("cudalock", appauthor=False)
