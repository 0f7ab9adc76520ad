"""Why a goal does not fit what is kept, in the words of what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.conflicts import Conflict, Explanation, Step
from cudalock.conflicts.explanation import Narrator, unique
from cudalock.conflicts.step import GoalRequires, IsInstalled, PinRequires
from cudalock.keep.policy import meets
from cudalock.resolution.elements import Element

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cudalock.compat.pins import PinnedProject
    from cudalock.conflicts.core import Core
    from cudalock.resolution import Resolution
    from cudalock.resolution.problem import Problem
    from cudalock.resolution.propagation import Restriction, Strike


def explain(problem: Problem, kept: Sequence[PinnedProject], headline: str) -> Explanation:
    """Why what is kept leaves no answer to a wide problem."""
    conflict = Conflict(problem)
    cores = conflict.cores()
    return Explanation(
        headline=headline,
        elements=tuple(dict.fromkeys(each for core in cores for each in core.elements)),
        conflicts=tuple(KeepingNarrator(conflict, core, kept).steps() for core in cores),
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


class KeepingNarrator(Narrator):
    """Tells what is installed from what is asked for, and leaves out where it came from."""

    def __init__(self, conflict: Conflict, core: Core, kept: Sequence[PinnedProject]) -> None:
        super().__init__(conflict, core)
        self._kept = kept

    def steps(self) -> tuple[Step, ...]:
        """As those of any conflict, in the words of what is there."""
        by_text = {each.text: each for each in self._kept}
        placed = [
            _installed(each)
            for each in self._kept
            if Element("source", each.name) in self._core.elements
        ]
        told = [
            _installed(by_text[step.requirement])
            if isinstance(step, GoalRequires) and step.requirement in by_text
            else step
            for step in super().steps()
        ]
        return unique([*told[:1], *placed, *told[1:]])

    def _restriction(self, strike: Strike, cause: Restriction) -> Iterator[Step]:
        if not any(each.kind == "source" for each in cause.elements):
            yield from super()._restriction(strike, cause)


__all__ = ["explain", "explain_changes"]
