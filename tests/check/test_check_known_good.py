"""What is known to install raises no alarm: published sets, and locks that solve itself makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cudalock import solve, toml
from cudalock.check import check
from cudalock.formats import WriteOptions, load_format
from cudalock.goals import Goal
from cudalock.goals.targets import targets_of
from cudalock.matrix.universe import ClosedUniverse
from cudalock.projects.read import read_file
from cudalock.targets import Target
from cudalock.targets.accelerators import Wish
from tests.paths import CASES

if TYPE_CHECKING:
    from cudalock.findings import Finding
    from cudalock.matrix.matrix import Matrix

SETS: list[dict[str, Any]] = toml.loads((CASES / "known_good.toml").read_text(encoding="utf-8"))[
    "set"
]
INDEX = "https://download.pytorch.org/whl/"


def errors(findings: list[Finding]) -> list[str]:
    return [str(each) for each in findings if each.severity == "error"]


def text_of(entry: dict[str, Any]) -> str:
    first = [f"--extra-index-url {INDEX}{entry['index']}"] if "index" in entry else []
    return "\n".join([*first, *entry["requirements"]]) + "\n"


@pytest.mark.parametrize("entry", SETS, ids=lambda each: " ".join(each["requirements"])[:70])
def test_a_published_set(entry: dict[str, Any], matrix: Matrix) -> None:
    file = read_file("-", stdin=text_of(entry).encode())
    assert errors(check(file, matrix, targets_of([entry["target"]], ClosedUniverse(matrix)))) == []
    assert errors(check(file, matrix)) == []


CUDA_13 = Wish("cuda", "==13.0.*")
GOALS = [
    (("torch==2.5.1",), "3.11", "linux-x86_64", {}),
    (("flash-attn", "torch==2.5.1"), "3.11", "windows-x86_64", {}),
    (("flash-attn", "torch==2.6.0"), "3.12", "linux-x86_64", {}),
    (("bitsandbytes", "torch", "xformers"), "3.12", "linux-x86_64", {}),
    (("torch==2.4.1", "torchaudio", "torchvision", "xformers"), "3.10", "windows-x86_64", {}),
    (("bitsandbytes", "torch==2.7.1", "triton"), "3.12", "windows-x86_64", {}),
    (
        ("torch==2.9.1", "torchvision"),
        "3.13",
        "linux-x86_64",
        {"accelerator": Wish("cuda", "==13.0.*")},
    ),
    (("torch==2.5.1", "torchvision"), "3.11", "linux-x86_64", {"accelerator": Wish("cpu")}),
    (("torch", "torchvision"), "3.12", "macos-arm64", {}),
    (("torch==2.8.0",), "3.12", "linux-aarch64", {}),
    (("unsloth",), "3.11", "linux-x86_64", {}),
    (("flash-attn", "torch==2.7.1", "xformers"), "3.10", "linux-x86_64", {}),
    (("flash-attn-3", "torch"), "3.12", "linux-x86_64", {}),
    (("torch==2.0.1", "xformers"), "3.9", "linux-x86_64", {}),
]


@pytest.mark.parametrize("goal", GOALS, ids=str)
@pytest.mark.parametrize("form", ["requirements", "constraints"])
def test_a_lock_of_ones_own(goal: Any, form: str, matrix: Matrix) -> None:
    requirements, python, platform, more = goal
    target = Target(python, platform)
    lock = solve(Goal(tuple(requirements), **more), target, matrix)
    text = load_format(form).render(lock, WriteOptions(hashes="auto"))
    file = read_file("-", stdin=text.encode(), kind=form)
    assert errors(check(file, matrix, [target])) == []


def test_a_lock_for_several_targets(matrix: Matrix) -> None:
    targets = [Target("3.11", "linux-x86_64"), Target("3.12", "windows-x86_64")]
    lock = solve(Goal(("flash-attn", "torch==2.5.1", "torchvision")), targets, matrix)
    text = load_format("requirements").render(lock, WriteOptions(hashes="off"))
    file = read_file("-", stdin=text.encode())
    assert errors(check(file, matrix, targets)) == []
    assert errors(check(file, matrix)) == []


def test_there_are_enough() -> None:
    assert len(SETS) >= 30
