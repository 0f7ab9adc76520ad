"""Which soft facts a choice goes against: each is a warning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from cudalock.resolution.elements import Element

if TYPE_CHECKING:
    from cudalock.matrix.facts import Fact
    from cudalock.resolution.model import Candidate, Requirement
    from cudalock.resolution.problem import Problem


def violated_facts(problem: Problem, chosen: Mapping[str, Candidate]) -> frozenset[Element]:
    """Return the facts that the chosen candidates, by name, go against."""
    violated: set[Element] = set()
    for candidate in chosen.values():
        violated |= _refusing_facts(problem, candidate)
        violated.update(_unmet(problem.fact_requirements(candidate), chosen))
    violated.update(_unmet((each for each, _ in problem.fixed_requirements), chosen))
    return frozenset(violated)


def own_violated_facts(
    problem: Problem, candidate: Candidate, chosen: Mapping[str, Candidate]
) -> frozenset[Element]:
    """Return the soft facts about one candidate that it goes against beside the chosen ones."""
    soft = problem.unknowns.soft_facts(candidate.name)
    if not soft:
        return soft
    unmet = _unmet(problem.fact_requirements(candidate), chosen)
    return soft & _refusing_facts(problem, candidate).union(unmet)


def warnings_in_force(problem: Problem, chosen: Mapping[str, Candidate]) -> tuple[Fact, ...]:
    """Return the soft facts that the chosen candidates (by name) go against, ordered by id."""
    violated = violated_facts(problem, chosen)
    return tuple(problem.matrix.fact(id) for id in sorted(element.id for element in violated))


def _refusing_facts(problem: Problem, candidate: Candidate) -> set[Element]:
    return {
        element
        for elements in problem.refusals(candidate)
        for element in elements
        if element.kind == "fact"
    }


def _unmet(
    requirements: Iterable[Requirement], chosen: Mapping[str, Candidate]
) -> Iterator[Element]:
    for requirement in requirements:
        if not requirement.accepts(chosen.get(requirement.name)):
            yield requirement.origin
