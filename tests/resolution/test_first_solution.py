"""The first solution that a driver finds is any, and never the answer by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cudalock.conflicts.pin_reasons import PinExplainer
from cudalock.conflicts.step import NotLookedUp, render
from cudalock.goals import Goal, ProjectRequirement
from cudalock.matrix.universe import ClosedUniverse, Unlisted
from cudalock.resolution.find import find
from cudalock.resolution.model import UnknownNewer
from cudalock.resolution.pinning import ClauseSearch
from cudalock.resolution.problem import Problem
from cudalock.resolution.search import Search
from cudalock.targets import Target
from cudalock.versions import canonical
from tests.small_matrix import matrix_of, release

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cudalock.resolution.model import Assignment
    from cudalock.resolution.propagation import Alive

COMPONENTS = {
    "cuda": 'name = "cuda"\nkind = "virtual"\n',
    "torch": 'name = "torch"\nrole = "framework"\n',
}
# The newest engines need the framework, the oldest does without.
ENGINE = {"1.0": release(), "2.0": release("torch"), "3.0": release("torch", "nobody-has-it")}


def problem_of(root: Path, projects: Mapping[str, Mapping[str, Any]], *wanted: str) -> Problem:
    matrix = matrix_of(root, projects, COMPONENTS)
    goal = Goal(requirements=(ProjectRequirement(canonical("engine")), *wanted))
    return Problem(goal, Target("3.11", "macos-arm64"), ClosedUniverse(matrix))


def test_an_old_release_that_needs_no_framework_is_not_preferred(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = Search(problem_of(tmp_path, {"engine": ENGINE, "torch": {"1.0": release()}}))
    # What the clause-learning search may do, and does where the newest lead to many projects.
    search._meets_dead_ends = True
    pin = ClauseSearch.pin

    def oldest_first(self: ClauseSearch, alive: Alive, cuda: str | None) -> Assignment | None:
        oldest = search.network.domains["engine"].versions["1.0"]
        part = {**alive, "engine": alive["engine"] & oldest}
        return (part["engine"] and pin(self, part, cuda)) or pin(self, alive, cuda)

    monkeypatch.setattr(ClauseSearch, "pin", oldest_first)
    best = search.best()
    assert best is not None
    chosen = {name: each.version for name, each in best.assignment.candidates.items()}
    assert chosen["engine"] == "2.0"
    assert chosen["torch"] == "1.0"


def test_projects_that_require_one_another_and_are_given_up(tmp_path: Path) -> None:
    """resolvelib follows them without an end; the other driver has the answer."""
    projects = {
        "torch": {"1.0": release()},
        "a": {"1.0": release(), "2.0": release("b==1.0")},
        "b": {"1.0": release("c==1.0"), "2.0": release("a==1.0", "c==1.0")},
        "c": {"1.0": release("a==1.0", "b==1.0"), "2.0": release()},
        "engine": {"1.0": release(), "2.0": release("a"), "3.0": release("torch", "a")},
    }
    best = Search(problem_of(tmp_path, projects)).best()
    assert best is not None
    assert best.assignment.candidates["engine"].version == "3.0"


def test_what_a_newer_release_requires_and_nobody_was_asked_about(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, {"engine": ENGINE, "torch": {"1.0": release()}})
    found = find(problem.goal, problem.target, problem.universe)
    assert found is not None
    unknown = UnknownNewer("engine", "3.0", (Unlisted("nobody-has-it", None),))
    assert found.unknown_newer == (unknown,)
    assert render(NotLookedUp(unknown.unlisted[0])) == "nobody-has-it is not in the matrix"


@pytest.mark.parametrize(
    ("newest", "why"),
    [
        (release("part>=2"), "it requires part>=2, of which no known wheel is for this target"),
        # The nearest release that would do is 2.0, which nothing rules out: so it is the chosen
        # one that is told, and not what stands against 1.0.
        (release("torch<3"), "it requires torch<3, and torch 3.0 is pinned"),
    ],
)
def test_why_the_newest_is_not_taken(tmp_path: Path, newest: dict[str, Any], why: str) -> None:
    torch = {"1.0": release("part>=2"), "2.0": release(), "3.0": release()}
    engine = {"1.0": release("torch"), "2.0": newest}
    projects = {"engine": engine, "torch": torch, "part": {"1.0": release()}}
    problem = problem_of(tmp_path, projects, "torch>=1")
    found = find(problem.goal, problem.target, problem.universe)
    assert found is not None
    passed = PinExplainer(found).newest_passed_over("engine")
    assert passed is not None
    assert passed.why == why


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        # An old release without a bound fits the newest torch by its METADATA alone.
        ((), ("2.0", "1.0")),
        (("torch",), ("2.0", "1.0")),
        (("torch==2.0",), ("1.0", "2.0")),
    ],
)
def test_a_release_that_states_no_bound_yet(
    tmp_path: Path, wanted: tuple[str, ...], chosen: tuple[str, str]
) -> None:
    engine = {"1.0": release("torch"), "2.0": release("torch<2")}
    torch = {"1.0": release(), "2.0": release()}
    problem = problem_of(tmp_path, {"engine": engine, "torch": torch}, *wanted)
    found = find(problem.goal, problem.target, problem.universe)
    assert found is not None
    assert tuple(found.pins[name].version for name in ("engine", "torch")) == chosen
