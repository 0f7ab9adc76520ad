"""Several targets at once: the same versions on all of them where one fits all, and what is said
where none does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cudalock.goals import Goal
from cudalock.matrix.universe import ClosedUniverse
from cudalock.resolution.find import find
from cudalock.resolution.joint import Unsolvable, find_joint
from cudalock.targets import Target

if TYPE_CHECKING:
    from cudalock.matrix.matrix import Matrix

LINUX = Target("3.11", "linux-x86_64")
WINDOWS = Target("3.11", "windows-x86_64")
MAC = Target("3.11", "macos-arm64")
OLD = Target("3.9", "linux-x86_64")
NEW = Target("3.13", "linux-x86_64")
NEWEST = Target("3.14", "linux-x86_64")
DAY = "2026-11-01"
"""What was released later changes no answer here."""

CASES: list[tuple[str, list[Target], list[str], str, list[str]]] = [
    # Alone, Linux would have a newer torch.
    ("torch xformers", [LINUX, WINDOWS], ["torch 2.13.0", "torch 2.13.0"], "torch 2.15.0", []),
    ("torch triton", [LINUX, OLD], ["triton 3.4.0", "triton 3.4.0"], "triton 3.9.0", []),
    # No project of the goal: the closure agrees as well.
    ("torch==2.6.0", [LINUX, OLD], ["networkx 3.2.1", "networkx 3.2.1"], "networkx 3.6.1", []),
    (
        "torch",
        [OLD, NEWEST],
        ["torch 2.8.0", "torch 2.15.0"],
        "torch 2.8.0",
        ["no version of torch serves every target, so each has its own"],
    ),
    # The least important one is given up first.
    (
        "torch==2.6.0 numpy",
        [OLD, NEW],
        ["numpy 2.0.2", "numpy 2.5.4"],
        "numpy 2.0.2",
        ["no version of numpy serves every target, so each has its own"],
    ),
    (
        "torch==2.5.1 flash-attn",
        [LINUX, MAC],
        ["torch 2.5.1", "torch 2.5.1"],
        "torch 2.5.1",
        ["flash-attn left out on macOS arm64"],
    ),
]


@pytest.mark.parametrize(("words", "targets", "together", "alone", "notes"), CASES)
def test_versions_agree_where_one_fits_all(
    matrix: Matrix,
    words: str,
    targets: list[Target],
    together: list[str],
    alone: str,
    notes: list[str],
) -> None:
    universe = ClosedUniverse(matrix)
    goal = Goal(tuple(words.split()), exclude_newer=DAY)
    name = alone.split()[0]
    found = find_joint([(goal, target) for target in targets], universe)
    assert [f"{name} {each.pins[name].version}" for each in found.resolutions] == together
    assert list(found.notes) == notes
    assert [each.target for each in found.resolutions] == targets
    assert found.resolutions[0].goal == goal, "the pins that were tried are no wish"
    first = find(goal, targets[0], universe)
    assert first is not None
    assert f"{name} {first.pins[name].version}" == alone


def test_the_target_that_has_no_solution_is_named(matrix: Matrix) -> None:
    goal = Goal(("torch==2.6.0",))
    queries = [(goal, target) for target in (LINUX, NEWEST, OLD)]
    with pytest.raises(Unsolvable) as error:
        find_joint(queries, ClosedUniverse(matrix))
    assert error.value.target == NEWEST
