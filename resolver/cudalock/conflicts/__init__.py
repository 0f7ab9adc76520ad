"""Explain a solution, explain why there is none, and suggest what to change.

:mod:`pin_reasons` explains the pins of a solution. Where there is none, :mod:`core` narrows the
query down to a minimal impossible part, :mod:`explanation` turns that into the steps of
:mod:`step` (with :mod:`no_wheel` for what leads to a project without a wheel), and
:mod:`suggestions` looks for the smallest change that has a solution.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.conflicts.core import Conflict
from cudalock.conflicts.explanation import CoreExplainer, Explanation
from cudalock.conflicts.pin_reasons import PinExplainer, PinReasons
from cudalock.conflicts.step import IndexTrouble, NotLookedUp, Step, render
from cudalock.conflicts.suggestions import Suggestion, suggest
from cudalock.errors import NoSolution, NotKnown
from cudalock.goals import command_line
from cudalock.resolution.problem import Problem
from cudalock.resolution.search import Search

if TYPE_CHECKING:
    from cudalock.goals import Goal
    from cudalock.matrix.universe import Universe
    from cudalock.targets import Target


def explain(goal: Goal, target: Target, universe: Universe) -> NoSolution:
    """Return the error to raise for a goal that has no solution on a target.

    It is NotKnown if that rests on releases that the matrix lacks and no index was asked about.
    """
    conflict = Conflict(Problem(goal, target, universe, wide=True))
    cores = conflict.cores()
    requirements = ", ".join(goal.requirements) or "this goal"
    suggestions = tuple(suggest(goal, target, universe, cores)) if cores else ()
    conflicts = [CoreExplainer(conflict, core).steps() for core in cores]
    unlisted = universe.unlisted(Search(Problem(goal, target, universe)).blockers())
    if unlisted:
        conflicts.append(tuple(map(NotLookedUp, unlisted)))
    # The universe may report of a project what the steps of a core say already.
    lines = {render(step) for steps in conflicts for step in steps}
    troubles = tuple(IndexTrouble(text) for text in universe.troubles() if text not in lines)
    where = "in the matrix " if unlisted else ""
    explanation = Explanation(
        headline=f"no compatible versions found {where}for {requirements} on {target.label}",
        elements=tuple(dict.fromkeys(element for core in cores for element in core.elements)),
        conflicts=(*conflicts, troubles) if troubles else tuple(conflicts),
        suggestions=suggestions,
    )
    hints = [str(suggestion) for suggestion in suggestions]
    if unlisted:
        command = command_line(goal, target)
        return NotKnown(explanation, hints=[f"`{command}` looks them up", *hints])
    return NoSolution(explanation, hints=hints)


__all__ = [
    "Conflict",
    "Explanation",
    "PinExplainer",
    "PinReasons",
    "Step",
    "Suggestion",
    "explain",
    "suggest",
]
