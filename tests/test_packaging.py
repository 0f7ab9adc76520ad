"""The wheel has the code and every file of the matrix, and the sdist what a build needs."""

from __future__ import annotations

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


def test_the_sdist_has_what_a_build_needs(tmp_path: Path) -> None:
    with tarfile.open(build("sdist", tmp_path)) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    needed = files_under(ROOT / "resolver") | files_under(ROOT / "matrix")
    assert needed | {"pyproject.toml", "README.md", "LICENSE"} <= names


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
