"""The platforms that a repository's files name, as targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cudalock.projects.read import read_file
from cudalock.targets import PLATFORMS, parse_platform

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("subdir", "platform"),
    [
        ("linux-64", "linux-x86_64"),
        ("linux-aarch64", "linux-aarch64"),
        ("win-64", "windows-x86_64"),
        ("win-arm64", "windows-arm64"),
        ("osx-64", "macos-x86_64"),
        ("osx-arm64", "macos-arm64"),
        ("noarch", None),
        ("linux-ppc64le", None),
    ],
)
def test_conda_subdirs(tmp_path: Path, subdir: str, platform: str | None) -> None:
    path = tmp_path / "environment.yml"
    path.write_text(f"dependencies: [pytorch=2.2.2]\nplatforms: [{subdir}]\n", encoding="utf-8")
    names = [parse_platform(flag)[0] for flag in read_file(path).platforms]
    assert names == ([platform] if platform else [])


def test_every_platform_has_a_subdir_of_its_own() -> None:
    assert len({row.conda for row in PLATFORMS.values()}) == len(PLATFORMS)
