"""The question whether what is held goes together, as the engine asks questions."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import TYPE_CHECKING

from cudalock.compat.wheels import comes_from
from cudalock.goals import Goal
from cudalock.resolution.minimal import minimal_conflict
from cudalock.resolution.policy import Policy
from cudalock.resolution.problem import Problem
from cudalock.resolution.search import Search

if TYPE_CHECKING:
    from cudalock.compat.pins import PinnedProject
    from cudalock.matrix.universe import Universe
    from cudalock.resolution.model import Candidate, Requirement
    from cudalock.targets import Target


class PinPolicy(Policy):
    """Check pins as they are: nothing is wished for beside them, and each comes from its source.

    Of metadata's requirements those count that are about a pin or about a project of ``stack``
    (None: about any), that nobody has ``overridden``, and whose project the matrix has.
    """

    reads_aliases = False

    def __init__(
        self,
        pins: Sequence[PinnedProject],
        universe: Universe,
        overridden: frozenset[str] = frozenset(),
        stack: Container[str] | None = None,
    ) -> None:
        self._names = {pin.name for pin in pins}
        self._universe = universe
        self._overridden = overridden
        self._stack = stack
        self._with_source: dict[str, list[PinnedProject]] = {}
        for pin in pins:
            if pin.file is not None or pin.indexes is not None:
                self._with_source.setdefault(pin.name, []).append(pin)

    def wants_cuda(self, goal: Goal) -> bool:
        return False

    def source_allowed(self, candidate: Candidate) -> bool:
        build = candidate.build
        return build is None or all(
            comes_from(pin, build, candidate.version or "")
            for pin in self._with_source.get(candidate.name, ())
        )

    def source_key(self, candidate: Candidate) -> str | None:
        pins = self._with_source.get(candidate.name, ())
        return candidate.full_version if any(pin.file is not None for pin in pins) else None

    def requirement_counts(self, candidate: Candidate, requirement: Requirement) -> bool:
        name = requirement.name
        # Without a stack a closure of hundreds of projects would be searched for each question.
        is_checked = self._stack is None or name in self._names or name in self._stack
        return (
            is_checked and name not in self._overridden and self._universe.project(name) is not None
        )


class PinQuery:
    """Asks whether some of what is held goes together, and counts how often. A ``strict`` one takes
    a warning for a no."""

    def __init__(
        self,
        target: Target,
        universe: Universe,
        solves: int,
        overridden: frozenset[str] = frozenset(),
        strict: bool = False,
        stack: Container[str] | None = None,
    ) -> None:
        self.strict = strict
        self._stack = stack
        self.target = target
        self.universe = universe
        self.solves = solves
        self._overridden = overridden

    @property
    def is_spent(self) -> bool:
        """Whether no more may be asked."""
        return self.solves <= 0

    def search(self, held: Sequence[PinnedProject]) -> Search:
        """The search of an answer with all of these."""
        self.solves -= 1
        return Search(self.problem(held))

    def problem(self, held: Sequence[PinnedProject], *, wide: bool = False) -> Problem:
        """What is asked of the engine: a goal of these pins, whoever built them."""
        goal = Goal(
            requirements=tuple(dict.fromkeys(each.text for each in held if each.required)),
            constraints=tuple(dict.fromkeys(each.text for each in held if not each.required)),
            builders="any",
            strict=self.strict,
        )
        policy = PinPolicy(held, self.universe, self._overridden, self._stack)
        return Problem(goal, self.target, self.universe, wide=wide, policy=policy)

    def is_possible(self, held: Sequence[PinnedProject]) -> bool:
        """Whether these go together, at whatever price in warnings."""
        if not any(each.required for each in held):
            return True
        return self.search(held).is_possible()

    def core(self, held: Sequence[PinnedProject]) -> list[PinnedProject]:
        """A smallest part of what does not go together that does not either; what comes first is
        rather in it."""
        return minimal_conflict(held, self.is_possible)
