"""The engine's answer beside the oracle's and the verifier's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.lock.build import from_resolution
from cudalock.resolution.find import best_resolution
from cudalock.resolution.problem import Problem
from tests.oracle.solver import Oracle, judge
from tests.verifier import choices_of, verify

if TYPE_CHECKING:
    from cudalock.goals import Goal
    from cudalock.resolution.model import Resolution
    from cudalock.targets import Target


def disagreements(
    oracle: Oracle, goal: Goal, target: Target, found: Resolution | None
) -> list[str]:
    """What is wrong with the engine's answer (None: there is none); empty where all agree."""
    best = oracle.best(goal, target)
    if found is None:
        return [] if best is None else [f"no answer, but the oracle has one: {best.cost}"]
    lock = from_resolution(found, command="")
    report = verify(oracle.book, goal, target, choices_of(lock))
    wrong = [f"verifier: {error}" for error in report.errors]
    said = {warning.fact for warning in lock.warnings}
    if said != report.warnings:
        wrong.append(f"warns of {sorted(said)}, but it goes against {sorted(report.warnings)}")
    if best is None:
        return [*wrong, "an answer, but the oracle has none"]
    cost = judge(oracle.book, goal, target, report, best.needs_framework)
    if cost != best.cost:
        # What comes after the order of choice, a release of the framework's day, costs something.
        first = best_resolution(Problem(goal, target, found.universe))
        assert first is not None
        choices = choices_of(from_resolution(first, command=""))
        report = verify(oracle.book, goal, target, choices)
        cost = judge(oracle.book, goal, target, report, best.needs_framework)
    if cost != best.cost:
        wrong.append(f"it costs {cost}, but the oracle's costs {best.cost}")
    return wrong
