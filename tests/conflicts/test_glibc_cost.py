"""What an assumed glibc costs is said with the flag that changes it, and only where it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cudalock.conflicts.glibc_cost import cost_of_glibc
from cudalock.goals import Goal
from cudalock.matrix.matrix import Matrix
from cudalock.matrix.universe import ClosedUniverse
from cudalock.solving import solve
from cudalock.targets import Target
from tests.small_matrix import matrix_of, release

if TYPE_CHECKING:
    from pathlib import Path

UNIVERSE = ClosedUniverse(Matrix.load())


@pytest.mark.parametrize(
    ("requirements", "said"),
    [
        # Upstream links its wheels on a newer Linux: a fact, and no tag.
        (
            ("flash-attn", "torch==2.5.1"),
            "flash-attn 2.8.3.post1 needs glibc 2.32: add `--glibc 2.32`",
        ),
        # What it requires has wheels for a newer glibc alone.
        (("exllamav3", "torch==2.11.0"), "needs glibc 2.31: add `--glibc 2.31`"),
        # The goal gets its newest, or misses it for another reason.
        (("torch",), None),
        (("torch==2.5.1", "torchvision"), None),
        (("flash-attn", "torch==2.6.0"), None),
    ],
)
def test_what_an_assumed_glibc_costs(requirements: tuple[str, ...], said: str | None) -> None:
    target = Target("3.11", "linux-x86_64", stated=frozenset({"platform"}))
    cost = cost_of_glibc(solve(Goal(requirements), target, UNIVERSE))
    assert (said in str(cost)) if said else cost is None


@pytest.mark.parametrize(
    "target",
    [
        Target("3.11", "linux-x86_64", glibc="2.28"),
        Target("3.11", "windows-x86_64"),
        Target("3.11", "macos-arm64"),
    ],
    ids=str,
)
def test_a_known_glibc_costs_nothing(target: Target) -> None:
    assert cost_of_glibc(solve(Goal(("torch==2.5.1",)), target, UNIVERSE)) is None


def test_a_requirement_of_a_newer_release_counts(tmp_path: Path) -> None:
    newer = {"sdist": True, "wheels": [["py3-none-manylinux_2_34_x86_64", "0" * 64]]}
    projects = {
        "app": {"1.0": release(), "2.0": release("part>=2")},
        "part": {"1.0": release(), "2.0": {"requires": [], **newer}},
    }
    universe = ClosedUniverse(matrix_of(tmp_path, projects))
    cost = cost_of_glibc(solve(Goal(("app",)), Target("3.11", "linux-x86_64"), universe))
    assert cost is not None
    assert (cost.releases, cost.glibc) == ((("app", "2.0"),), "2.34")
