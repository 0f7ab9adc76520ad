"""kernels.lock: which releases of the framework its kernels have a variant for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from cudalock.cli import main
from cudalock.projects.read import read_file

if TYPE_CHECKING:
    from pathlib import Path


def locked(tmp_path: Path, *variants: str) -> Path:
    path = tmp_path / "kernels.lock"
    kernel = {"repo_id": "some/kernel", "sha": "0", "variants": {name: {} for name in variants}}
    path.write_text(json.dumps([kernel]), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("variants", "specifier"),
    [
        ("torch27-cxx11-cu126-x86_64-linux", ">=2.7,<2.8"),
        ("torch28-cxx11-cu126-x86_64-linux torch29-cxx11-cu128-x86_64-linux", ">=2.8,<2.10"),
        ("torch28-cxx98-cu126-x86_64-linux torch210-cxx11-cpu-x86_64-linux", ">=2.8,<2.11,!=2.9.*"),
        ("torch-stable-abi210-cu126-x86_64-linux", ">=2.10"),
        (
            "torch28-cxx11-cu126-x86_64-linux torch-stable-abi210-cu126-x86_64-linux",
            ">=2.8,!=2.9.*",
        ),
        ("torch211-cxx11-cpu-x86_64-linux torch-stable-abi29-cu126-x86_64-linux", ">=2.9"),
    ],
)
def test_the_range_of_the_variants(tmp_path: Path, variants: str, specifier: str) -> None:
    (limit,) = read_file(str(locked(tmp_path, *variants.split()))).declared
    assert (limit.name, limit.role, limit.specifier) == ("torch", "constraint", specifier)


@pytest.mark.parametrize("other", ["torch-universal", "jax09-cu128-x86_64-plan9", "x"])
def test_what_is_not_understood_limits_nothing(tmp_path: Path, other: str) -> None:
    file = read_file(str(locked(tmp_path, "torch29-cxx11-cu128-x86_64-linux", other)))
    assert (file.declared, file.problems) == ((), ())
    assert file.notes


def test_generate_and_check_heed_them(tmp_path: Path) -> None:
    locked(tmp_path, "torch28-cxx11-cu128-x86_64-linux", "torch29-cxx11-cu128-x86_64-linux")
    project = tmp_path / "pyproject.toml"
    text = '[project]\nname = "app"\nversion = "1"\ndependencies = ["torch>=2.7"]\n'
    kernels = '[tool.kernels.dependencies]\n"some/kernel" = 1\n'
    project.write_text(text + kernels, encoding="utf-8")
    words = [str(tmp_path), "--platform", "linux", "--python", "3.12", "--offline", "-q"]
    made = CliRunner().invoke(main, ["generate", *words])
    assert made.exit_code == 0, made.output
    assert "\ntorch==2.9.1 \\\n" in made.stdout
    project.write_text(text.replace(">=2.7", "==2.10.0") + kernels, encoding="utf-8")
    checked = CliRunner().invoke(main, ["check", str(project), *words[1:]])
    assert checked.exit_code == 1
    assert "torch==2.10.0 and torch>=2.8,<2.10 are incompatible" in checked.stdout
    # Without a kernel that the project requires, the file beside it is somebody else's.
    project.write_text(text.replace(">=2.7", "==2.10.0"), encoding="utf-8")
    assert CliRunner().invoke(main, ["check", str(project), *words[1:]]).exit_code == 0
