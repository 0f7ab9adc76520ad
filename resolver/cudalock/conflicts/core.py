"""Narrow an impossible query down to a minimal core: requirements and facts in conflict.

resolvelib's causes are only the last dead end. Here parts of the query are left out until every
one that is left is needed for the conflict. The parts are its *elements*: each requirement of the
goal, each option, each part of the target, each fact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cudalock.records import dataclass
from cudalock.resolution.blockers import Blame
from cudalock.resolution.elements import (
    LIBRARY_OPTIONS,
    TARGET_GLIBC,
    TOOLKIT_OPTION,
    Element,
    ElementKind,
)
from cudalock.resolution.minimal import minimal_conflict
from cudalock.resolution.problem import Problem
from cudalock.resolution.search import Search
from cudalock.resolution.unreachable import unreachable_requirements
from cudalock.targets.accelerators import LIBRARIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# QuickXplain prefers what comes first. The user's own words explain a conflict best, and a conflict
# that needs no fact is the simplest to explain: requirements, where they may come from, the target,
# options that may be defaults, and facts last.
_ORDER: Final[tuple[ElementKind, ...]] = ("goal", "source", "target", "option", "fact")


@dataclass(frozen=True, slots=True)
class Core:
    """A minimal impossible part of a query: without any one of `elements` there is a solution."""

    elements: tuple[Element, ...]
    others: frozenset[Element]
    """all other elements of the query"""
    blamed: frozenset[str] = frozenset()
    """where a search proved it, the projects that the proof rests on"""


class Conflict:
    """Finds the cores of an impossible goal. One wide network serves every query."""

    def __init__(self, problem: Problem, *, is_closed: bool = False) -> None:
        """`problem` is a wide one: only those tell which element rules a candidate out.

        `is_closed` says that no index could add to what the problem has, so that "impossible" of
        any part of it is the truth.
        """
        self.problem = problem
        self.search = Search(problem)
        self._all = frozenset(self._elements())
        self.elements = tuple(sorted(self._all, key=self._importance))
        """those that a core is made of"""
        # Of listed projects a search sees a window of releases, so that with less of the query it
        # may fail for want of releases alone: propagation does not, and is what reads as a proof.
        self._needs_no_search = problem.universe.is_open and self._is_empty(frozenset())
        # An assumption is no reason where there is a real one: without it the conflict is the same.
        if is_closed and problem.target.assumes_glibc and TARGET_GLIBC in self._all:
            real = tuple(element for element in self.elements if element != TARGET_GLIBC)
            if not self.is_possible(real):
                self.elements = real

    def _elements(self) -> Iterable[Element]:
        # A soft fact costs a warning and rules nothing out, so it is part of no conflict.
        yield from self.search.elements - self.problem.soft_elements
        # Packages of a toolkit depend on the chosen framework build, so the network, which is built
        # before that choice, has no element for these options.
        goal = self.problem.goal
        if goal.toolkit is not None:
            yield TOOLKIT_OPTION
        for library in LIBRARIES.values():
            if goal.of(library) is not None:
                yield LIBRARY_OPTIONS[library.name]

    def _importance(self, element: Element) -> tuple[int, bool, bool, Element]:
        kind, id = element
        matrix = self.problem.matrix
        # Of facts those come first that are about what the user named: QuickXplain then leaves out
        # a fact about a dependency wherever one about the goal is enough.
        central = {*self.problem.goal_names, matrix.framework}
        # What nobody has read is the last of all reasons.
        is_aside = kind == "fact" and (
            matrix.fact_owner(id) not in central or matrix.fact(id).basis == "unverified"
        )
        # Before all others what no choice of versions changes: a driver that does not see the GPU.
        is_version = all(element not in each for _, each in self.problem.unusable_accelerators)
        return _ORDER.index(kind), is_version, is_aside, element

    @property
    def ignored(self) -> frozenset[Element]:
        """The elements that no core is made of: an assumption that changes nothing."""
        return self._all.difference(self.elements)

    def is_possible(self, elements: Iterable[Element]) -> bool:
        """Return whether the query has a solution with only these elements."""
        if self._needs_no_search:
            return not self._is_empty(self._all.difference(elements))
        return self._is_found(elements)

    def _is_found(self, elements: Iterable[Element]) -> bool:
        """Return whether a search finds a solution of the query with only these elements."""
        return self.search.is_possible(self._all.difference(elements))

    def _is_empty(self, off: frozenset[Element]) -> bool:
        """Return whether propagation alone proves that there is no solution without `off`."""
        off |= self.problem.soft_elements
        network = self.search.network
        return network.propagate(network.alive(off), off) is not None

    def core(
        self,
        without: frozenset[Element] = frozenset(),
        is_possible: Callable[[Iterable[Element]], bool] | None = None,
    ) -> Core | None:
        """Return a minimal core of the query less `without`; None where that has a solution.

        `is_possible` decides that, by default the method of this name.
        """
        is_possible = is_possible or self.is_possible
        candidates = [element for element in self.elements if element not in without]
        if is_possible(candidates):
            return None
        needed = set(minimal_conflict(candidates, is_possible))
        return Core(
            tuple(element for element in candidates if element in needed),
            (self.search.elements | self._all) - needed,
        )

    def _unreachable_cores(self) -> list[Core]:
        """A core for each requirement that is impossible by itself: all have to be fixed."""
        # A problem that is not wide: what the target rules out is the reason that is looked for.
        problem = Problem(self.problem.goal, self.problem.target, self.problem.universe)
        impossible = dict.fromkeys(
            requirement.origin for requirement in unreachable_requirements(problem)
        )
        requirements = frozenset(element for element in self.elements if element.kind == "goal")
        cores = (self.core(requirements - {element}, self._is_found) for element in impossible)
        return [core for core in cores if core is not None]

    def _proven_cores(self) -> list[Core]:
        """The requirements of the goal that a proof of the search rests on, as one core."""
        # A problem that is not wide: the proof is that of the query itself.
        problem = Problem(self.problem.goal, self.problem.target, self.problem.universe)
        # The proof names projects, and the user knows requirements.
        blamed = frozenset(blocker.name for blocker in Blame(Search(problem)).of_no_solution())
        required = [element for element in self.elements if element.kind == "goal"]
        in_proof = [
            element
            for element in required
            if self.problem.project_named(self.problem.stated[element].name) in blamed
        ]
        elements = tuple(in_proof or required)
        others = (self.search.elements | frozenset(self.elements)).difference(elements)
        return [Core(elements, others, blamed)]

    def cores(self) -> list[Core]:
        """Return a core, and a second one that would be left once the first is fixed.

        How the first will be fixed is not known: the least important requirement of it is dropped
        to see the second.
        """
        unreachable = self._unreachable_cores()
        if unreachable:
            return unreachable
        if self.problem.universe.is_open and not self._needs_no_search:
            return self._proven_cores()
        first = self.core()
        if first is None:
            return []
        required = [element for element in first.elements if element.kind == "goal"]
        if len(required) < 2:
            return [first]
        # Without the framework hardly anything conflicts: the second core would tell nothing.
        framework = self.problem.matrix.framework
        droppable = [
            element for element in required if self.problem.stated[element].name != framework
        ] or required
        second = self.core(frozenset(droppable[-1:]))
        return [first] if second is None else [first, second]
