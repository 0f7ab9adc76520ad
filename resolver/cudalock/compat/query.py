"""The question whether what is held goes together, as the engine asks questions."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from cudalock.compat.wheels import comes_from
from cudalock.goals import Goal
from cudalock.resolution.elements import Element
from cudalock.resolution.problem import Problem
from cudalock.resolution.propagation import NOTHING
from cudalock.resolution.search import Search

if TYPE_CHECKING:
    from cudalock.compat.pins import PinnedProject
    from cudalock.matrix.universe import Universe
    from cudalock.resolution.candidate import Candidate
    from cudalock.resolution.requirement import Requirement
    from cudalock.targets import Target


class HeldProblem(Problem):
    """What is held, as a goal whose candidates come from where the holder lets them come from.

    Nothing is wished for beside it: no CUDA, no builder's good name. A name is the project of that
    name, also where a goal would mean another. What the matrix does not hold is taken to be there,
    and what is neither held nor of the ``stack``, and what is ``overridden`` to be as metadata
    wants it.
    """

    def __init__(
        self,
        held: Iterable[PinnedProject],
        target: Target,
        universe: Universe,
        off: frozenset[Element] = NOTHING,
        wide: bool = False,
        overridden: frozenset[str] = frozenset(),
        strict: bool = False,
        stack: Container[str] | None = None,
    ) -> None:
        self.held = tuple(held)
        self.overridden = overridden
        self.stack = stack
        self._names = {each.name for each in self.held}
        goal = Goal(
            requirements=tuple(dict.fromkeys(each.text for each in self.held if each.required)),
            constraints=tuple(dict.fromkeys(each.text for each in self.held if not each.required)),
            builders="any",
            strict=strict,
        )
        super().__init__(goal, target, universe, off, wide)
        self._places: dict[str, list[PinnedProject]] = {}
        for each in self.held:
            if each.file is not None or each.indexes is not None:
                self._places.setdefault(each.name, []).append(each)

    def without(self, off: frozenset[Element]) -> HeldProblem:
        return HeldProblem(
            self.held,
            self.target,
            self.universe,
            off,
            overridden=self.overridden,
            strict=self.goal.strict,
            stack=self.stack,
        )

    def meant(self, name: str) -> str:
        return name

    def cuda_wishes(self) -> Iterator[Requirement]:
        yield from ()

    def missed_filters(self, candidate: Candidate) -> Iterator[frozenset[Element]]:
        yield from super().missed_filters(candidate)
        build = candidate.build
        for held in self._places.get(candidate.name, ()):
            if build is not None and not comes_from(held, build, candidate.version or ""):
                yield frozenset([Element("source", candidate.name)])

    def told_apart_by(self, candidate: Candidate) -> str | None:
        held = self._places.get(candidate.name, ())
        return candidate.full_version if any(each.file is not None for each in held) else None

    def _metadata_requirements(
        self, candidate: Candidate, names: frozenset[str] | None
    ) -> Iterator[Requirement]:
        for requirement in super()._metadata_requirements(candidate, names):
            name = requirement.name
            if (
                name not in self.overridden
                and self._counts(name)
                and self.universe.project(name) is not None
            ):
                yield requirement

    def _counts(self, name: str) -> bool:
        """Whether a project matters: what is neither held nor of the stack is taken to be there.
        A closure of hundreds would else be searched for each question."""
        return self.stack is None or name in self._names or name in self.stack


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

    def problem(self, held: Sequence[PinnedProject], *, wide: bool = False) -> HeldProblem:
        """What is asked of the engine."""
        return HeldProblem(
            held,
            self.target,
            self.universe,
            wide=wide,
            overridden=self._overridden,
            strict=self.strict,
            stack=self._stack,
        )

    def is_possible(self, held: Sequence[PinnedProject]) -> bool:
        """Whether these go together, at whatever price in warnings."""
        if not any(each.required for each in held):
            return True
        return self.search(held).is_possible()

    def core(self, held: Sequence[PinnedProject]) -> list[PinnedProject]:
        """A smallest part of what does not go together that does not either; what comes first is
        rather in it."""
        # Imported here: what goes together, as most does, has no use for it.
        from cudalock.conflicts.core import smallest

        return smallest(held, self.is_possible)
