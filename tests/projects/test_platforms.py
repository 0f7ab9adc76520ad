"""The platforms that a repository's files name, as targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cudalock.check.targets import likely
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


@pytest.mark.parametrize(
    ("flags", "platform"),
    [
        ("", "linux-x86_64"),
        ("--platform=linux/amd64 ", "linux-x86_64"),
        ("--platform=linux/arm64 ", "linux-aarch64"),
        ("--platform=linux/arm64/v8 ", "linux-aarch64"),
        ("--platform=windows/amd64 ", "windows-x86_64"),
        ("--platform=$BUILDPLATFORM ", "linux-x86_64"),
    ],
)
def test_docker_images(tmp_path: Path, flags: str, platform: str) -> None:
    path = tmp_path / "Dockerfile"
    path.write_text(f"FROM {flags}python:3.11\nRUN pip install torch==2.5.1\n", encoding="utf-8")
    names = [parse_platform(flag)[0] for flag in read_file(path).platforms]
    assert names == [platform]


@pytest.mark.parametrize(
    ("subdirs", "platforms"),
    [
        ("linux-64", ["linux-x86_64"]),
        ("osx-64", ["macos-x86_64"]),
        ("win-64, linux-64", ["linux-x86_64", "windows-x86_64"]),
        ("noarch", ["linux-x86_64", "windows-x86_64", "macos-arm64", "linux-aarch64"]),
    ],
)
def test_a_file_is_checked_on_the_platforms_it_names(
    tmp_path: Path, subdirs: str, platforms: list[str]
) -> None:
    path = tmp_path / "environment.yml"
    text = f"dependencies: [python=3.11, pytorch=2.2.2]\nplatforms: [{subdirs}]\n"
    path.write_text(text, encoding="utf-8")
    checked = [target.platform for target in likely(read_file(path))]
    assert list(dict.fromkeys(checked)) == platforms


def test_every_platform_has_a_subdir_of_its_own() -> None:
    assert len({row.conda for row in PLATFORMS.values()}) == len(PLATFORMS)
