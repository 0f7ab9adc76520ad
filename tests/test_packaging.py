"""The wheel has the code and every file of the matrix, and the sdist what a build needs."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cudalock import __version__
from cudalock.toml import loads
from tests.local_index import run_tool
from tests.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping


def build(kind: str, directory: Path) -> Path:
    """Builds the wheel or sdist as pip would, without its isolation and so without a network."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(directory)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (built,) = directory.iterdir()
    return built


def files_under(directory: Path) -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for path in directory.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    with zipfile.ZipFile(build("wheel", tmp_path_factory.mktemp("wheel"))) as wheel:
        return set(wheel.namelist())


def test_the_wheel_has_the_code(wheel_names: set[str]) -> None:
    expected = files_under(ROOT / "resolver" / "cudalock")
    assert {name.removeprefix("resolver/") for name in expected} <= wheel_names
    assert "cudalock/py.typed" in wheel_names


def test_the_wheel_has_every_file_of_the_matrix(wheel_names: set[str]) -> None:
    expected = files_under(ROOT / "matrix")
    assert expected
    installed = {f"cudalock/data/{file.removeprefix('matrix/')}" for file in expected}
    assert installed <= wheel_names


def test_the_wheel_has_nothing_else(wheel_names: set[str]) -> None:
    dist_info = f"cudalock-{__version__}.dist-info/"
    assert {name for name in wheel_names if not name.startswith(("cudalock/", dist_info))} == set()


def test_the_matrix_is_data_alone() -> None:
    assert not [name for name in files_under(ROOT / "matrix") if name.endswith(".py")]


@pytest.fixture(scope="module")
def sdist_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    with tarfile.open(build("sdist", tmp_path_factory.mktemp("sdist"))) as sdist:
        return {name.partition("/")[2] for name in sdist.getnames()}


def test_the_sdist_has_what_a_build_needs(sdist_names: set[str]) -> None:
    needed = files_under(ROOT / "resolver") | files_under(ROOT / "matrix")
    assert needed | {"pyproject.toml", "README.md", "LICENSE"} <= sdist_names


def test_the_sdist_has_every_file_that_the_tests_read(sdist_names: set[str]) -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=False, capture_output=True, text=True
    ).stdout.split("\n")
    if tracked == [""]:
        pytest.skip("no checkout: this is the sdist itself")
    assert {name for name in tracked if name and (ROOT / name).is_file()} <= sdist_names


# -- the data as a wheel of its own ---------------------------------------------------------------


def build_data(matrix: Path, output: Path) -> Path:
    spec = importlib.util.spec_from_file_location("data_wheel", ROOT / ".ci" / "data_wheel.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    built: Path = module.build(matrix, output)
    return built


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both wheels in one folder, as pip unpacks them; the data is of a later edition."""
    folder = tmp_path_factory.mktemp("installed")
    matrix = tmp_path_factory.mktemp("newer") / "matrix"
    shutil.copytree(ROOT / "matrix", matrix)
    header = matrix / "matrix.toml"
    text = header.read_text(encoding="utf-8")
    header.write_text(re.sub(r'(?m)^version = ".*"', 'version = "2099.1.2"', text), "utf-8")
    output = tmp_path_factory.mktemp("dist")
    for wheel in (build("wheel", output), build_data(matrix, tmp_path_factory.mktemp("data"))):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    return folder


SOLVE = ("solve", "torch 2.6.0", "--python", "3.11", "--platform", "linux", "--offline")


def ask(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cudalock", *words],
        env={**os.environ, "PYTHONPATH": str(folder), "CUDALOCK_DATA_DIR": str(folder / "none")},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_data_that_is_newer_is_used(installed: Path) -> None:
    assert "matrix 2099.1.2, released" in ask(installed, "--version").stdout
    solved = ask(installed, *SOLVE)
    assert "# matrix: 2099.1.2" in solved.stdout, solved.stderr


@pytest.mark.parametrize("name", ["index/torch.json", "compiled.json", "components/torch.toml"])
def test_data_that_was_changed_is_refused(installed: Path, name: str) -> None:
    path = installed / "cudalock_matrix" / name
    content = path.read_bytes()
    path.write_bytes(content + b"\n")
    try:
        refused = ask(
            installed,
            "solve",
            "torch 2.6.0",
            "--python",
            "3.11",
            "--platform",
            "linux",
            "--offline",
        )
    finally:
        path.write_bytes(content)
    assert refused.returncode == 2
    assert "reinstall cudalock-matrix" in refused.stderr


@pytest.mark.parametrize("change", [{"version": "2020.1.1"}, {"format": 99}])
def test_data_that_is_older_or_of_another_format_is_left_alone(
    installed: Path, change: dict[str, object]
) -> None:
    path = installed / "cudalock_matrix" / "release.json"
    content = path.read_bytes()
    path.write_text(json.dumps({**json.loads(content), **change}), encoding="utf-8")
    try:
        assert "embedded" in ask(installed, "--version").stdout
    finally:
        path.write_bytes(content)


def test_the_data_wheel_lists_the_digest_of_each_file(installed: Path) -> None:
    folder = installed / "cudalock_matrix"
    listed = json.loads((folder / "release.json").read_bytes())["files"]
    for name in ("compiled.json", "index/torch.json"):
        assert listed[name] == hashlib.sha256((folder / name).read_bytes()).hexdigest()
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files - {"release.json"} == set(listed)


ADVICE = re.compile(r"(?:install|run|add|upgrade) +(?:-[^ ]+ +)*[\"']?cudalock(?:\[|\b(?![-./]))")


def test_nothing_advises_a_name_that_is_not_ours() -> None:
    """`cudalock` is not registered on the package index: anybody may register it."""
    folders = [ROOT / name for name in ("docs", "resolver", "web", ".ci", ".github")]
    paths = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    for path in (ROOT / "README.md", ROOT / "action.yml", *paths):
        if path.suffix in (".md", ".py", ".toml", ".yml", ".html", ".js", ".txt"):
            found = ADVICE.search(path.read_text(encoding="utf-8", errors="replace"))
            assert found is None, f"{path}: {found and found[0]}"


@pytest.mark.network
def test_every_extra_can_be_had_on_every_python(network_environment: Mapping[str, str]) -> None:
    """CI's first step, for the Pythons that it is not run with here too."""
    project = loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lowest = project["requires-python"].removeprefix(">=")
    command = ["uv", "pip", "compile", "--quiet", "--python", sys.executable, "--universal"]
    command += ["--python-version", lowest, "--all-extras"]
    done = run_tool([*command, "pyproject.toml"], ROOT, network_environment)
    assert done.returncode == 0, done.stderr


def test_the_changelog_has_the_matrix_in_it() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{__version__}]" in changelog or "## [Unreleased]" in changelog
    assert "### Matrix" in changelog
