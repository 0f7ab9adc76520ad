"""A minimal core: what was asked, and the facts, that cannot hold together.

resolvelib's causes are only the last dead end. Here the question is asked again with less of it,
until nothing more can be left out. The parts that can be left out are its *elements*: each
requirement of the goal, each option, each part of the target, each fact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cudalock.resolution.elements import LIBRARY_OPTIONS, TOOLKIT_OPTION, Element, ElementKind
from cudalock.resolution.minimal import minimal_conflict
from cudalock.resolution.problem import Problem
from cudalock.resolution.search import Search
from cudalock.resolution.unreachable import out_of_reach
from cudalock.targets.accelerators import LIBRARIES

if TYPE_CHECKING:
    from collections.abc import Iterable

# The parts of a core are looked for in this order: what was asked for in so many words, where it
# may come from, the target, what the goal leaves to the defaults, and facts last, for a conflict
# that needs none of them is the simplest to tell.
_ORDER: Final[tuple[ElementKind, ...]] = ("goal", "source", "target", "option", "fact")


@dataclass(frozen=True, slots=True)
class Core:
    """A minimal impossible part of a question, and everything else in it.

    Without any one of ``elements`` the rest of them has an answer.
    """

    elements: tuple[Element, ...]
    others: frozenset[Element]


class Conflict:
    """An impossible goal, asked again with less of it. One wide network serves every question."""

    def __init__(self, problem: Problem) -> None:
        """Takes a wide problem: it names the elements that stand in the way."""
        self.problem = problem
        self.search = Search(problem)
        self.elements = tuple(sorted(self._elements(), key=self._importance))

    def _elements(self) -> Iterable[Element]:
        yield from self.search.elements - self.problem.soft_elements
        goal = self.problem.goal
        if goal.toolkit is not None:
            yield TOOLKIT_OPTION
        for library in LIBRARIES.values():
            if goal.of(library) is not None:
                yield LIBRARY_OPTIONS[library.name]

    def _importance(self, element: Element) -> tuple[int, bool, Element]:
        kind, id = element
        matrix = self.problem.matrix
        central = {*self.problem.goal_names, matrix.framework}
        is_aside = kind == "fact" and matrix.fact(id).component not in central
        return _ORDER.index(kind), is_aside, element

    def is_possible(self, kept: Iterable[Element]) -> bool:
        """Whether the question has an answer when only these elements of it are kept."""
        return self.search.is_possible(frozenset(self.elements).difference(kept))

    def core(self, without: frozenset[Element] = frozenset()) -> Core | None:
        """A minimal core of the question less ``without``; None where that has an answer."""
        candidates = [element for element in self.elements if element not in without]
        if self.is_possible(candidates):
            return None
        found = set(minimal_conflict(candidates, self.is_possible))
        return Core(
            tuple(element for element in candidates if element in found),
            (self.search.elements | frozenset(self.elements)) - found,
        )

    def _out_of_reach(self) -> list[Core]:
        """A conflict for each requirement that cannot be had by itself: all are to be mended."""
        problem = Problem(self.problem.goal, self.problem.target, self.problem.universe)
        alone = dict.fromkeys(each.origin for each in out_of_reach(problem))
        others = frozenset(element for element in self.elements if element.kind == "goal")
        found = (self.core(others - {each}) for each in alone)
        return [core for core in found if core is not None]

    def cores(self) -> list[Core]:
        """The conflict, and a second one that would be left once the first was mended.

        What the first is mended by is not known, so the least important thing asked for in it is
        let go to see the other.
        """
        alone = self._out_of_reach()
        if alone:
            return alone
        first = self.core()
        if first is None:
            return []
        asked = [element for element in first.elements if element.kind == "goal"]
        if len(asked) < 2:
            return [first]
        framework = self.problem.matrix.framework
        let_go = [each for each in asked if not each.id.startswith(f"{framework}=")] or asked
        second = self.core(frozenset(let_go[-1:]))
        return [first] if second is None else [first, second]


__all__ = ["Conflict", "Core"]
