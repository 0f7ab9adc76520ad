"""What must always hold of answers, tried on the real matrix with goals and targets at random.

An answer is checked by :mod:`tests.verifier`, which shares no code with the package; a no, by its
hints, which must lead to an answer.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import replace

import pytest
from click.testing import CliRunner
from hypothesis import given

from cudalock.cli import main
from cudalock.errors import NoSolution, NotKnown
from cudalock.formats import json_lock
from cudalock.goals import Goal, command_line
from cudalock.lock import Lock
from cudalock.lock.build import from_resolution
from cudalock.matrix.universe import ClosedUniverse
from cudalock.solving import solve
from cudalock.targets import Target
from tests.properties import BOUNDED, book, goals, matrix, targets
from tests.verifier import choices_of, preferred, tag_ranks_of, verify


def lock_of(goal: Goal, target: Target) -> Lock:
    command = command_line(goal, target)
    return from_resolution(solve(goal, target, ClosedUniverse(matrix())), command=command)


# -- what must hold -------------------------------------------------------------------------------


@BOUNDED
@given(goals(), targets())
def test_an_answer_breaks_nothing_and_a_no_leads_on(goal: Goal, target: Target) -> None:
    """One test for all that must hold: to solve a goal takes longer than to check its answer."""
    try:
        lock = lock_of(goal, target)
    except NoSolution as error:
        check_hints(error, goal, target)
        return
    report = verify(book(), goal, target, choices_of(lock))
    assert report.errors == [], lock.command
    assert report.warnings == {warning.fact for warning in lock.warnings}, lock.command
    check_command(lock)
    check_strict(goal, target, lock)
    check_fewer_requirements(goal, target)


def check_hints(error: NoSolution, goal: Goal, target: Target) -> None:
    """Each command that a no suggests has an answer."""
    # The first hint of what is not known leads to an index, which has not been asked.
    hints = error.hints[1:] if isinstance(error, NotKnown) else error.hints
    for command in re.findall(r"`cudalock ([^`]*)`", "\n".join(hints)):
        result = CliRunner().invoke(main, [*shlex.split(command), "--offline", "-q"])
        assert result.exit_code == 0, f"{command_line(goal, target)}\n{result.stderr}"


def check_command(lock: Lock) -> None:
    """The command in a lock makes it again."""
    words = shlex.split(lock.command)[1:]
    result = CliRunner().invoke(main, [*words, "--json", "--offline", "-q"])
    assert result.exit_code == 0, result.stderr
    assert result.stdout == json_lock.render(lock)


def check_strict(goal: Goal, target: Target, lock: Lock) -> None:
    """A strict goal has no warnings, and has an answer where the other has none either."""
    try:
        strict = lock_of(replace(goal, strict=True), target)
    except NoSolution:
        assert lock.warnings
    else:
        assert strict.warnings == ()


def check_fewer_requirements(goal: Goal, target: Target) -> None:
    """Where a goal has an answer, it has one without the first of its requirements."""
    rest = goal.requirements[1:]
    if rest:
        solve(replace(goal, requirements=rest), target, ClosedUniverse(matrix()))


@pytest.mark.parametrize("torch", matrix().versions("torch"))
@pytest.mark.parametrize(
    "target",
    [
        Target("3.11", "linux-x86_64"),
        Target("3.10", "windows-x86_64"),
        Target("3.11", "linux-aarch64"),
        Target("3.11", "macos-arm64"),
    ],
    ids=lambda target: target.platform,
)
def test_every_torch_has_an_answer_that_holds(torch: str, target: Target) -> None:
    goal = Goal((f"torch=={torch}",))
    if torch.startswith("1."):
        # The Python that all of them have wheels for.
        target = replace(target, python="3.8")
    try:
        lock = lock_of(goal, target)
    except NoSolution:
        # Before 2.15 that target has no wheel with CUDA; others may have none for the Python.
        ranks = tag_ranks_of(target)
        rows = [row for row in book().rows("torch") if row.version == torch]
        assert target.platform == "linux-aarch64" or not any(
            [*preferred(row, ranks)] for row in rows
        )
        return
    report = verify(book(), goal, target, choices_of(lock))
    assert report.errors == []
