"""A solution of part of a query shows nothing that a search would not find."""

from __future__ import annotations

import random

import pytest

from cudalock.goals import Goal
from cudalock.matrix.matrix import Matrix
from cudalock.matrix.universe import ClosedUniverse
from cudalock.resolution.problem import Problem
from cudalock.resolution.search import Search
from cudalock.targets import Target
from cudalock.targets.accelerators import Wish
from tests.paths import MATRIX

UNIVERSE = ClosedUniverse(Matrix.load(MATRIX))
LINUX = Target("3.11", "linux-x86_64")
WINDOWS = Target("3.12", "windows-x86_64")
IMPOSSIBLE = {
    "wheels": (Goal(("flash-attn", "torch==2.5.1")), Target("3.14", "linux-x86_64")),
    "facts": (Goal(("bitsandbytes==0.43.0", "torch==2.4.1", "triton-windows==3.2.*")), WINDOWS),
    "driver": (
        Goal(("torch==2.7.1", "xformers"), accelerator=Wish("cuda", "==12.8.*")),
        Target("3.11", "linux-x86_64", driver="450.80.02"),
    ),
    "closure": (Goal(("numpy==1.26.4", "torchvision==0.20.1", "torch==2.6.0")), LINUX),
    "options": (
        Goal(
            ("torch==2.5.1",), toolkit=("12.4.1", ("cudart",)), accelerator=Wish("cuda", "==11.8.*")
        ),
        LINUX,
    ),
    "extras": (Goal(("cuda-toolkit[cudart]==13.0.*", "torch==2.14.1", "numpy<1.0")), LINUX),
    "date": (Goal(("torch==2.6.0",), exclude_newer="2024-06-01"), LINUX),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_a_query_asked_after_others_has_the_answer_of_a_new_search(name: str) -> None:
    goal, target = IMPOSSIBLE[name]
    problem = Problem(goal, target, UNIVERSE, wide=True)
    asked_before = Search(problem)
    elements = sorted(asked_before.elements - problem.soft_elements)
    chance = random.Random(name)
    answers = set()
    for _ in range(25):
        off = frozenset(chance.sample(elements, chance.randrange(len(elements) + 1)))
        expected = Search(Problem(goal, target, UNIVERSE, wide=True)).is_possible(off)
        assert asked_before.is_possible(off) == expected, sorted(off)
        answers.add(expected)
    assert answers == {True, False}
