"""Explain why a goal has no solution beside what is preserved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.compat.tied import tying_facts
from cudalock.conflicts.core import Conflict
from cudalock.conflicts.explanation import CoreExplainer, Explanation, unique
from cudalock.conflicts.step import GoalRequires, IsInstalled, NotBuiltFor, PinRequires, Step
from cudalock.keep.policy import meets
from cudalock.resolution.elements import Element, ids_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cudalock.compat.pins import PinnedProject
    from cudalock.conflicts.core import Core
    from cudalock.resolution.model import Resolution
    from cudalock.resolution.problem import Problem


def explain(problem: Problem, preserved: Sequence[PinnedProject], headline: str) -> Explanation:
    """Return why a wide problem has no solution beside the preserved pins."""
    conflict = Conflict(problem)
    cores = conflict.cores()
    return Explanation(
        headline=headline,
        elements=tuple(dict.fromkeys(element for core in cores for element in core.elements)),
        conflicts=tuple(_steps(conflict, core, preserved) for core in cores),
    )


def explain_changes(
    changed: Iterable[PinnedProject], resolution: Resolution, headline: str
) -> Explanation:
    """Return what a solution would change, and which of its pins require that."""
    steps: list[Step] = []
    for pin in changed:
        steps.append(_installed(pin))
        for requirement, parent in resolution.reasons.get(pin.name, ()):
            specifiers = requirement.specifiers
            if parent and specifiers and not meets(specifiers, str(pin.version)):
                text = f"{requirement.name}{','.join(specifiers)}"
                steps.append(PinRequires(str(resolution.pins[parent]), text))
    return Explanation(headline, (), (tuple(steps),))


def _installed(pin: PinnedProject) -> IsInstalled:
    return IsInstalled(str(pin.origin))


def _steps(conflict: Conflict, core: Core, preserved: Sequence[PinnedProject]) -> tuple[Step, ...]:
    """The steps of a core, with `is installed` where a preserved pin is the requirement."""
    steps = CoreExplainer(conflict, core).steps()
    pins = {pin.constraint: pin for pin in preserved}
    installed = [
        _installed(pins[step.requirement])
        if isinstance(step, GoalRequires) and step.requirement in pins
        else step
        for step in steps
    ]
    # A wheel that has to stay is part of the core as well, though the steps do not need it.
    wheels = [_installed(pin) for pin in preserved if Element("source", pin.name) in core.elements]
    others = list(_not_built(conflict.problem, core, preserved))
    return unique([*installed[:1], *wheels, *installed[1:], *others])


def _not_built(problem: Problem, core: Core, preserved: Sequence[PinnedProject]) -> Iterator[Step]:
    """What has no wheel for a preserved framework that is no release."""
    framework = next((pin for pin in preserved if pin.name == problem.matrix.framework), None)
    kept = {pin.name for pin in preserved}
    for name in sorted(ids_of(core.elements, "source")):
        if framework is not None and name not in kept:
            facts = tying_facts(problem.matrix, problem.matrix.component(name).facts)
            fact = next((fact.id for fact in facts), None)
            yield _installed(framework)
            yield NotBuiltFor(name, str(framework.origin), fact)
