"""What facts, metadata and filters require of a whole domain at once.

A domain may have thousands of wheels, but they differ in few values: so each query is made once for
each distinct value of a label, a version or a tag set, and the result is a set of candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from cudalock.matrix.facts import VERSION
from cudalock.resolution.elements import ACCELERATOR_OPTION, Element, fact_element
from cudalock.targets.facets import flag_of

if TYPE_CHECKING:
    from cudalock.matrix.facts import Demand, Fact
    from cudalock.resolution.model import Candidate, Requirement
    from cudalock.resolution.problem import Problem
    from cudalock.resolution.propagation import Domain


class Columns:
    """One domain of a problem, by columns."""

    def __init__(self, problem: Problem, domain: Domain) -> None:
        self._problem = problem
        self.domain = domain
        self._facts: list[tuple[Fact, int]] | None = None

    def facts(self) -> list[tuple[Fact, int]]:
        """The facts in force about some candidate, each with the candidates that it is about."""
        if self._facts is None:
            facts = self._problem.facts_in_force(self.domain.name)
            self._facts = [(fact, owners) for fact in facts if (owners := self._covered(fact))]
        return self._facts

    def beside(self) -> Iterator[tuple[Fact, Requirement, int]]:
        """Yield what facts require of other components, each with the candidates that it is
        about."""
        for fact, owners in self.facts():
            for demand in fact.beside:
                for requirement, asking in self._filled(fact, demand, owners):
                    if not self._problem.is_fixed(self.domain.name, requirement.name):
                        yield fact, requirement, asking

    def metadata(self, names: frozenset[str]) -> Iterator[tuple[Requirement, int]]:
        """Yield what metadata requires of the projects in ``names``, with the candidates it is
        of."""
        if self.domain.metadata_groups is None:
            self.domain.metadata_groups = tuple(self._metadata_groups())
        for candidate, owners in self.domain.metadata_groups:
            for requirement in self._problem.metadata_requirements(candidate, names):
                yield requirement, owners

    def _metadata_groups(self) -> Iterator[tuple[Candidate, int]]:
        by_list: dict[Hashable, int] = {}
        example: dict[Hashable, Candidate] = {}
        for position, candidate in self.domain.real():
            if candidate.build is not None:
                # By identity: a release shares one tuple among its builds, and hashing a hundred
                # texts is slow. The version counts too, since replacements by facts depend on it.
                key: Hashable = (id(candidate.build.requires), candidate.version)
                by_list[key] = by_list.get(key, 0) | 1 << position
                example.setdefault(key, candidate)
        return ((example[key], owners) for key, owners in by_list.items())

    def refusals(self) -> Iterator[tuple[frozenset[Element], int]]:
        """Yield the sets of elements that together rule candidates out, with the candidates."""
        for fact, owners in self.facts():
            element = fact_element(fact.id)
            if fact.refuses and not self._problem.is_fixed(self.domain.name, self.domain.name):
                yield frozenset([element]), owners
            for demand in fact.of_machine:
                for requirement, asking in self._filled(fact, demand, owners):
                    settled = self._problem.is_fixed(self.domain.name, requirement.name)
                    if not settled and not self._problem.target_accepts(requirement):
                        yield (
                            frozenset([element, Element("target", flag_of(requirement.name))]),
                            asking,
                        )
        if self.domain.name == self._problem.matrix.framework:
            others = sum(
                self._problem.is_for_the_default_accelerator(candidate) << position
                for position, candidate in self.domain.real()
            )
            if others:
                yield frozenset([ACCELERATOR_OPTION]), others
        # Only a wide problem still has the candidates that the goal and the target rule out.
        if self._problem.wide:
            if self.domain.filtered is None:
                self.domain.filtered = tuple(self._filtered())
            yield from self.domain.filtered

    def _filtered(self) -> Iterator[tuple[frozenset[Element], int]]:
        groups: dict[Hashable, int] = {}
        example: dict[Hashable, Candidate] = {}
        for position, candidate in self.domain.real():
            build = candidate.build
            if build is not None:
                rest = self._problem.filter_key(candidate)
                # Everything that the filters look at: wheels that agree in it are ruled out
                # together.
                key: Hashable = (build.index, build.builder, build.python, *rest, *build.tags)
                groups[key] = groups.get(key, 0) | 1 << position
                example.setdefault(key, candidate)
        for key, owners in groups.items():
            for elements in self._problem.missed_filters(example[key]):
                yield elements, owners

    def _covered(self, fact: Fact) -> int:
        owners = self.domain.owners.get(fact.id)
        if owners is None:
            owners = self.domain.owners[fact.id] = self._find_covered(fact)
        return owners

    def _find_covered(self, fact: Fact) -> int:
        owners = self.domain.inside(fact.versions)
        for key, patterns in fact.where.items():
            owners &= self._any(
                mask for values, mask in self.column(key).items() if fact.matches(values, patterns)
            )
        if owners and fact.rows is not None:
            owners &= self._any(
                1 << position
                for position, candidate in self.domain.real()
                if owners >> position & 1 and self._problem.is_about(fact.rows, candidate)
            )
        return owners

    def _filled(
        self, fact: Fact, demand: Demand, owners: int
    ) -> tuple[tuple[Requirement, int], ...]:
        """Return a demand for each combination of the labels that it names, of the candidates that
        its fact is about."""
        if self._problem.is_skipped(demand):
            return ()
        filled = self.domain.demands.get(id(demand))
        if filled is None:
            filled = tuple(self._fill(fact, demand, owners))
            self.domain.demands[id(demand)] = filled
        return filled

    def _fill(self, fact: Fact, demand: Demand, owners: int) -> Iterator[tuple[Requirement, int]]:
        combinations: list[tuple[tuple[tuple[str, ...], ...], int]] = [((), owners)]
        for name in demand.template.label_names:
            combinations = [
                ((*chosen, values), asking & mask)
                for chosen, asking in combinations
                for values, mask in self.column(name).items()
                # Combinations that no candidate has are most of them: torch releases times CUDA
                # releases.
                if asking & mask
            ]
        for values, asking in combinations:
            requirement = self._problem.fill(fact, demand, values)
            if requirement is not None:
                yield requirement, asking

    def column(self, name: str) -> dict[tuple[str, ...], int]:
        """Return the candidates by their values of a label, without those that have none."""
        column = self.domain.columns.get(name)
        if column is None:
            if name == VERSION:
                column = {(version,): mask for version, mask in self.domain.versions.items()}
            else:
                column = self._group(lambda candidate: candidate.row(name))
            self.domain.columns[name] = column
        return column

    def _group(
        self, values_of: Callable[[Candidate], tuple[str, ...]]
    ) -> dict[tuple[str, ...], int]:
        groups: dict[tuple[str, ...], int] = {}
        for position, candidate in self.domain.real():
            values = values_of(candidate)
            if values:
                groups[values] = groups.get(values, 0) | 1 << position
        return groups

    @staticmethod
    def _any(masks: Iterator[int]) -> int:
        return reduce(or_, masks, 0)
