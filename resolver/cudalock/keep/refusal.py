"""Why a goal does not fit what is kept, in the words of what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.conflicts import Conflict, Explanation, Step
from cudalock.conflicts.explanation import CoreExplainer, unique
from cudalock.conflicts.step import GoalRequires, IsInstalled, PinRequires
from cudalock.keep.policy import meets
from cudalock.resolution.elements import Element

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cudalock.compat.pins import PinnedProject
    from cudalock.conflicts.core import Core
    from cudalock.resolution.model import Resolution
    from cudalock.resolution.problem import Problem


def explain(problem: Problem, kept: Sequence[PinnedProject], headline: str) -> Explanation:
    """Why what is kept leaves no answer to a wide problem."""
    conflict = Conflict(problem)
    cores = conflict.cores()
    return Explanation(
        headline=headline,
        elements=tuple(dict.fromkeys(each for core in cores for each in core.elements)),
        conflicts=tuple(_steps(conflict, core, kept) for core in cores),
    )


def explain_changes(
    changed: Iterable[PinnedProject], found: Resolution, headline: str
) -> Explanation:
    """What an answer would change, and who requires it: without a change none was found."""
    steps: list[Step] = []
    for held in changed:
        steps.append(_installed(held))
        for reason in found.reasons.get(held.name, ()):
            wanted = reason.requirement
            refuses = wanted.specifiers and not meets(wanted.specifiers, str(held.version))
            if reason.parent and refuses:
                text = f"{wanted.name}{','.join(wanted.specifiers)}"
                steps.append(PinRequires(str(found.pins[reason.parent]), text))
    return Explanation(headline, (), (tuple(steps),))


def _installed(held: PinnedProject) -> IsInstalled:
    return IsInstalled(str(held.origin))


def _steps(conflict: Conflict, core: Core, preserved: Sequence[PinnedProject]) -> tuple[Step, ...]:
    """The steps of a core, in which what is installed is told from what the goal requires."""
    steps = CoreExplainer(conflict, core).steps()
    by_text = {pin.text: pin for pin in preserved}
    installed = [
        _installed(by_text[step.requirement])
        if isinstance(step, GoalRequires) and step.requirement in by_text
        else step
        for step in steps
    ]
    # A wheel that has to stay is part of the core as well, though the steps do not need it.
    wheels = [_installed(pin) for pin in preserved if Element("source", pin.name) in core.elements]
    return unique([*installed[:1], *wheels, *installed[1:]])
