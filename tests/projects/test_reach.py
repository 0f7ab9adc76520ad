"""Which entries of a lock count on a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from cudalock.projects.locks.graph import entries_for
from cudalock.projects.read import read_file
from cudalock.targets import Target

FILES = Path(__file__).parent / "files"
LINUX = Target(python="3.11", platform="linux-x86_64", glibc="2.28")
ARM = Target(python="3.11", platform="linux-aarch64", glibc="2.28")
WINDOWS = Target(python="3.11", platform="windows-x86_64")


@pytest.mark.parametrize(
    ("file", "target", "expected"),
    [
        ("locks/uv.lock", LINUX, "nvidia-cublas-cu12 12.4.5.8, pytest 8.3.3, torch 2.5.1+cu124"),
        ("locks/uv.lock", ARM, "pytest 8.3.3, torch 2.5.1+cu124"),
        ("locks/uv.lock", WINDOWS, "pytest 8.3.3, torch 2.5.1"),
        ("locks/poetry.lock", WINDOWS, "pytest 8.3.3, flash-attn 2.6.3+cu123torch2.4cxx11abifalse"),
        ("locks/pdm.lock", WINDOWS, "ruff 0.4.0, sage 1.0"),
        (
            "locks/pylock.linux.toml",
            WINDOWS,
            "flash-attn 2.7.4.post1+cu12torch2.5cxx11abifalse, filelock 3.16.1, sageattention None",
        ),
        ("poetry_lock_old/poetry.lock", WINDOWS, "torch 1.13.1, typing-extensions 4.5.0"),
        (
            "poetry_lock_old/poetry.lock",
            LINUX,
            "torch 1.13.1, nvidia-cublas-cu11 11.10.3.66, typing-extensions 4.5.0",
        ),
    ],
)
def test_entries_for(file: str, target: Target, expected: str) -> None:
    found = entries_for(read_file(FILES / file), target.marker_environment())
    assert ", ".join(f"{each.name} {each.version}" for each in found) == expected


@pytest.mark.parametrize(
    ("file", "group", "expected"),
    [
        ("pep621/pyproject.toml", None, ""),
        ("pep621/pyproject.toml", "extra:cu124", "extra:cu124"),
        ("pep621/pyproject.toml", "extra:all", "extra:all extra:cu124 extra:gpu-extra"),
        ("pep621/pyproject.toml", "group:test", "group:test group:typing"),
        ("pep621/pyproject.toml", "group:typing", "group:typing"),
        ("uv_project/pyproject.toml", "extra:cpu", "extra:cpu"),
        ("docker_project/app.Dockerfile", "stage:2", "stage:2 stage:gpu"),
        ("docker_project/app.Dockerfile", "stage:gpu", "stage:gpu"),
        ("docker_project/app.Dockerfile", "stage:cpu", "stage:cpu"),
        ("docker_project/Dockerfile", None, ""),
    ],
)
def test_what_a_group_brings(file: str, group: str | None, expected: str) -> None:
    found = read_file(FILES / file).wanted_with(group)
    assert None in found
    assert " ".join(sorted(each for each in found if each)) == expected
