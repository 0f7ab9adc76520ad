"""What a solution of part of a query shows about other parts of it.

To narrow a conflict down, a query is asked some thirty times with ever other elements left out. Of
each solution it is seen here which elements it goes against: every query without those has that
solution, and need not be searched.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cudalock.resolution.choices import identify
from cudalock.resolution.model import label
from cudalock.resolution.propagation import ABSENT
from cudalock.targets.accelerators import CUDA
from cudalock.versions import is_prerelease

if TYPE_CHECKING:
    from cudalock.resolution.elements import Element
    from cudalock.resolution.model import Assignment, Candidate, Requirement
    from cudalock.resolution.problem import Problem
    from cudalock.resolution.propagation import Network


class Witness:
    """A solution that was found without some elements of a query."""

    def __init__(self, problem: Problem, network: Network, assignment: Assignment) -> None:
        """``problem`` and ``network`` are those of the query with all of its elements."""
        self._problem = problem
        self._network = network
        self._chosen = assignment.candidates
        self._violations = frozenset(self._violated())

    def shows_possible(self, off: frozenset[Element]) -> bool:
        """Return whether it is a solution of the query without the elements ``off``."""
        return not any(off.isdisjoint(violation) for violation in self._violations)

    def candidate_of(self, name: str) -> Candidate | None:
        """Return what the solution has of a component, None if it does without."""
        return self._chosen.get(name)

    def _violated(self) -> Iterator[frozenset[Element]]:
        """The sets of elements that together rule the solution out."""
        nothing: frozenset[Element] = frozenset()
        for candidate in self._chosen.values():
            is_member = candidate.name in self._network.domains
            if not is_member and (candidate.is_yanked or is_prerelease(candidate.version or "")):
                # Whether it may be taken depends on what the goal says of the project.
                yield nothing
            if not is_member:
                yield from self._problem.refusals(candidate)
            for requirement in self._problem.fact_requirements(candidate):
                if not requirement.accepts(self._chosen.get(requirement.name)):
                    yield frozenset([requirement.origin])
        yield from self._violated_roots()
        yield from self._violated_in_network()

    def _violated_roots(self) -> Iterator[frozenset[Element]]:
        framework = self._chosen.get(self._problem.matrix.framework or "")
        cuda = label(framework, CUDA.name) if framework is not None else None
        for requirement in (*self._problem.roots, *self._problem.option_requirements(cuda)):
            if not requirement.accepts(self._of(requirement)):
                yield frozenset([requirement.origin])
        for requirement, elements in self._problem.fixed_requirements:
            if not requirement.accepts(self._of(requirement)):
                yield elements

    def _of(self, requirement: Requirement) -> Candidate | None:
        return self._chosen.get(identify(requirement.name, requirement.extras))

    def _violated_in_network(self) -> Iterator[frozenset[Element]]:
        bits = {
            name: 1 << domain.place(self._chosen[name]) if name in self._chosen else ABSENT
            for name, domain in self._network.domains.items()
        }
        for restriction in self._network.restrictions:
            if not bits[restriction.component] & restriction.allowed:
                yield restriction.elements
        for table in self._network.tables:
            owner, other = bits[table.owner], bits[table.other]
            if owner & table.covered and any(
                owner & group and not other & accepted for group, accepted in table.groups
            ):
                yield frozenset([table.element]) if table.element else frozenset()
