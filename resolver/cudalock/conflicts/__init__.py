"""Why an answer is what it is, why there is none, and what to change.

:mod:`pin_reasons` explains the pins of an answer. Where there is none, :mod:`core` narrows the
question down to a minimal impossible part, :mod:`explanation` tells it (:mod:`no_wheel` what has no
wheel) in :mod:`step`, and :mod:`suggestions` looks for the least change that has an answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.conflicts.core import Conflict
from cudalock.conflicts.explanation import CoreExplainer, Explanation
from cudalock.conflicts.pin_reasons import Choice, Chooser
from cudalock.conflicts.step import IndexTrouble, Step, render
from cudalock.conflicts.suggestions import Suggestion, suggest
from cudalock.errors import NoSolution
from cudalock.resolution.problem import Problem

if TYPE_CHECKING:
    from cudalock.goals import Goal
    from cudalock.matrix.universe import Universe
    from cudalock.targets import Target


def explain(goal: Goal, target: Target, universe: Universe) -> NoSolution:
    """The error to raise for a goal that has no answer on a target."""
    conflict = Conflict(Problem(goal, target, universe, wide=True))
    cores = conflict.cores()
    wanted = ", ".join(goal.requirements) or "this goal"
    suggestions = tuple(suggest(goal, target, universe, cores))
    conflicts = [CoreExplainer(conflict, core).steps() for core in cores]
    told = {render(step) for steps in conflicts for step in steps}
    troubles = tuple(IndexTrouble(text) for text in universe.troubles() if text not in told)
    explanation = Explanation(
        headline=f"there is no answer for {wanted} on {target.label}",
        elements=tuple(dict.fromkeys(each for core in cores for each in core.elements)),
        conflicts=(*conflicts, troubles) if troubles else tuple(conflicts),
        suggestions=suggestions,
    )
    return NoSolution(explanation, hints=map(str, suggestions))


__all__ = [
    "Choice",
    "Chooser",
    "Conflict",
    "Explanation",
    "Step",
    "Suggestion",
    "explain",
    "suggest",
]
