"""Find the best solution by the cost vector of :mod:`cudalock.resolution.cost`.

Propagation strikes out what is impossible. What it leaves of the framework's builds is tried from
the best to the worst, and resolvelib pins the rest beside each: so the first solution is the best
one. Where resolvelib meets dead ends, :mod:`~cudalock.resolution.pinning` takes over.

At first all soft facts are in force. If that leaves no solution, the fewest of them are dropped:
every set of soft facts that cannot all hold is a conflict, and a member of each has to go.

    Conflicts {a, b} and {b, c}: dropping b resolves both, so a solution with the one warning b is
    looked for first. If there is none, the conflict that is left without b is added, and so on
    (an implicit hitting set). However many facts there are, the fewest warnings are found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import combinations, groupby
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from resolvelib import ResolutionTooDeep

from cudalock.resolution.choices import Choices
from cudalock.resolution.cost import (
    Key,
    Newest,
    Ranking,
    component_order,
    cuda_build_key,
    index_key,
)
from cudalock.resolution.elements import Element, fact_element
from cudalock.resolution.minimal import minimal_conflict, smallest_hitting_sets
from cudalock.resolution.model import Candidate, label
from cudalock.resolution.network import build_network
from cudalock.resolution.propagation import ABSENT, NOTHING, Alive, Network
from cudalock.resolution.provider import pin
from cudalock.resolution.witness import Witness
from cudalock.targets.accelerators import CUDA
from cudalock.versions import parse_version

if TYPE_CHECKING:
    from cudalock.resolution.model import Assignment
    from cudalock.resolution.pinning import ClauseSearch
    from cudalock.resolution.problem import Problem


class Solution(NamedTuple):
    """A solution: what is pinned, the soft facts dropped for it, and its cost from point 2 on."""

    assignment: Assignment
    off: frozenset[Element]
    cost: Key


class Search:
    """Searches one problem. The network is built once, for every set of elements left out."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._witnesses: list[Witness] = []
        self._translations: dict[frozenset[Element], Choices] = {}
        self._clause_searches: dict[frozenset[Element], ClauseSearch] = {}
        self._meets_dead_ends = False
        """whether resolvelib gave up here once: it would again, beside the next build"""
        self.network: Network = build_network(problem)
        self._ranking = Ranking(problem, self.network.domains)
        self._framework = problem.matrix.framework
        self._components = sorted(
            (name for name in problem.goal_names if name != self._framework),
            key=lambda name: component_order(problem, name),
        )
        self._doubtful = {
            name: sum(
                1 << position
                for position, candidate in enumerate(domain.candidates)
                if candidate.is_doubtful
            )
            for name, domain in self.network.domains.items()
        }

    def best(self) -> Solution | None:
        """Return the best solution, or None if there is none or none was found: see `gave_up`."""
        strict = self._without(NOTHING)
        if strict is not None:
            return strict
        soft = self.problem.soft_elements
        if not soft or not self.is_possible():
            return None
        return self._drop_fewest(soft & self.elements)

    @property
    def gave_up(self) -> bool:
        """Whether a search reached its limit, so that "no solution" is not proven."""
        return any(choices.problem.gave_up for choices in self._translations.values())

    def is_possible(self, off: frozenset[Element] = NOTHING) -> bool:
        """Return whether there is a solution without these elements, with however many warnings."""
        return self._is_possible_without(off | self.problem.soft_elements)

    def _is_possible_without(self, off: frozenset[Element]) -> bool:
        if any(witness.shows_possible(off) for witness in self._witnesses):
            return True
        assignment = self._first_assignment(self.network.alive(off), off)
        if assignment is None:
            return False
        self._witnesses.append(Witness(self.problem, self.network, assignment))
        return True

    def is_possible_without_warnings(self) -> bool:
        """Return whether there is a solution that goes against no soft fact."""
        return self._has_solution(self.network.alive(), self.problem.off)

    def versions_left(self, name: str, pins: dict[str, str]) -> set[str] | None:
        """Return the public versions of a project that propagation leaves, soft facts apart.

        ``pins`` (project to public version) are taken as given. None if the project is not in the
        network. Each version may still prove impossible: see :meth:`is_possible_at`.
        """
        domain = self.network.domains.get(name)
        if domain is None:
            return None
        off = self.problem.soft_elements
        alive = self.network.alive(off)
        for other, version in pins.items():
            if other in alive:
                alive[other] &= self.network.domains[other].versions.get(version, 0) | ABSENT
        if self.network.propagate(alive, off) is not None:
            return set()
        candidates = domain.members(alive[name])
        return {candidate.version for candidate in candidates if candidate.version}

    def is_possible_at(self, name: str, version: str) -> bool:
        """Return whether there is a solution with a project of the network at a public version."""
        off = self.problem.soft_elements
        alive = self.network.alive(off)
        alive[name] &= self.network.domains[name].versions.get(version, 0)
        return self._has_solution(alive, off)

    def is_possible_with(self, candidate: Candidate) -> bool:
        """Return whether there is a solution with this very candidate of the network."""
        off = self.problem.soft_elements
        alive = self.network.alive(off)
        alive[candidate.name] &= self._bit(candidate)
        return self._has_solution(alive, off)

    def _has_solution(self, alive: Alive, off: frozenset[Element]) -> bool:
        return self._first_assignment(alive, off) is not None

    def _first_assignment(self, alive: Alive, off: frozenset[Element]) -> Assignment | None:
        if self.network.propagate(alive, off) is not None or self._is_hopeless(alive, off):
            return None
        assignments = (self._pin(part, cuda, off) for part, cuda in self._by_build(alive, off))
        return next((assignment for assignment in assignments if assignment is not None), None)

    def _is_hopeless(self, alive: Alive, off: frozenset[Element]) -> bool:
        """Return whether a search beside no particular build proves that there is no solution.

        Among the projects of the matrix there nearly always is one if propagation leaves something.
        What leads out of the matrix may be impossible whatever the build, and to find that out
        again beside each of a hundred builds takes long.
        """
        return self.problem.universe.is_open and self._clause_search(off).is_hopeless(alive)

    # -- soft facts ---------------------------------------------------------------------------

    @cached_property
    def elements(self) -> frozenset[Element]:
        """What may be left out: the elements of the network, and the facts about projects or
        requirements that are in the closure only."""
        members = self.network.domains
        closure = {
            fact_element(fact.id)
            for fact in self.problem.matrix.facts.values()
            if fact.component not in members
            or any(demand.template.name not in members for demand in fact.beside)
        }
        return self.network.elements | closure

    def _drop_fewest(self, soft: frozenset[Element]) -> Solution | None:
        conflicts = [self._conflict(soft)]
        while all(conflicts):
            solutions: list[Solution] = []
            for off in smallest_hitting_sets(conflicts):
                solution = self._without(off)
                if solution is None:
                    conflicts.append(self._conflict(soft - off))
                else:
                    solutions.append(solution)
            if solutions:
                return min(solutions, key=lambda solution: solution.cost)
        return None

    def _conflict(self, enforced: frozenset[Element]) -> list[Element]:
        """Return a minimal set of soft facts that cannot all hold, from a set that cannot."""
        soft = self.problem.soft_elements
        return minimal_conflict(
            sorted(enforced), lambda facts: self._is_possible_without(soft.difference(facts))
        )

    # -- one set of facts in force ------------------------------------------------------------

    def _without(self, off: frozenset[Element]) -> Solution | None:
        alive = self.network.alive(off)
        if self.network.propagate(alive, off) is not None or self._is_hopeless(alive, off):
            return None
        for version, part in self._by_framework_version(alive, off):
            best = self._fewest_doubtful(part, off)
            if best is not None:
                doubts, cost, assignment = best
                newest = Newest(parse_version(version)) if version else 0
                return Solution(assignment, off, (newest, doubts, *cost))
        return None

    def _by_framework_version(
        self, alive: Alive, off: frozenset[Element]
    ) -> Iterator[tuple[str, Alive]]:
        """Yield the part of the network for each public version of the framework, newest first."""
        name = self._framework
        if name is None or name not in self.network.domains:
            yield "", alive
            return
        domain = self.network.domains[name]
        if alive[name] & ABSENT:
            allowed = ~ABSENT
            if self._does_without_framework(alive, off):
                # The goal does not require the framework for its own sake, so its newest version is
                # no aim: the best versions of what is required decide which version comes along.
                version = self._framework_version(alive, off)
                allowed = domain.versions[version] if version else ABSENT
            alive = {**alive, name: alive[name] & allowed}
            if self.network.propagate(alive, off) is not None:
                return
            if allowed == ABSENT:
                yield "", alive
                return
        members = domain.members(alive[name])
        members.sort(key=lambda build: Newest(parse_version(build.version or "")))
        for version, group in groupby(members, key=lambda build: build.version or ""):
            part = self._only(alive, name, sum(map(self._bit, group)), off)
            if part is not None:
                yield version, part

    def _does_without_framework(self, alive: Alive, off: frozenset[Element]) -> bool:
        """Return whether some releases of what the goal requires need no framework."""
        part = {**alive, self._framework or "": ABSENT}
        return (
            self.network.propagate(part, off) is None
            and self._pin(part, self._cuda(None), off) is not None
        )

    def _framework_version(self, alive: Alive, off: frozenset[Element]) -> str | None:
        """Return the framework's version in the first solution, by wheels beyond doubt if they have
        one; None if that is without the framework."""
        certain = {name: mask & ~self._doubtful[name] for name, mask in alive.items()}
        assignment = None
        if self.network.propagate(certain, off) is None:
            assignment = self._pin(certain, self._cuda(None), off)
        assignment = assignment or self._pin(alive, self._cuda(None), off)
        chosen = assignment.candidate_of(self._framework or "") if assignment else None
        return chosen.version if chosen else None

    def _fewest_doubtful(
        self, alive: Alive, off: frozenset[Element]
    ) -> tuple[int, Key, Assignment] | None:
        """Return points 3 to 6 of the best: as few doubtful wheels as possible, then the best build
        of the framework and the best components."""
        doubtful = [name for name, mask in alive.items() if mask & self._doubtful[name]]
        for doubts in range(len(doubtful) + 1):
            solutions = []
            for allowed in combinations(doubtful, doubts):
                part = dict(alive)
                for name in doubtful:
                    if name not in allowed:
                        part[name] &= ~self._doubtful[name]
                if self.network.propagate(part, off) is None:
                    best = self._best_build(part, off)
                    if best is not None:
                        solutions.append(best)
            if solutions:
                cost, assignment = min(solutions, key=lambda solution: solution[0])
                return doubts, cost, assignment
        return None

    def _best_build(self, alive: Alive, off: frozenset[Element]) -> tuple[Key, Assignment] | None:
        name = self._framework
        if name is None or name not in self.network.domains or alive[name] & ABSENT:
            assignment = self._pin_beside(None, alive, off)
            return (self._cost(None, assignment), assignment) if assignment else None
        builds = self.network.domains[name].members(alive[name])
        builds.sort(key=lambda build: (cuda_build_key(build), index_key(build)))
        for _, group in groupby(builds, key=cuda_build_key):
            solutions: list[tuple[Key, Assignment]] = []
            for build in group:
                part = self._only(alive, name, self._bit(build), off)
                if part is None:
                    continue
                bound = self._bound(build, part) if solutions else ()
                # That is: where the bound is no better than what was found. Keys define `<` alone.
                if not all(bound < cost for cost, _ in solutions):
                    continue
                assignment = self._pin_beside(build, part, off)
                if assignment is not None:
                    solutions.append((self._cost(build, assignment), assignment))
            if solutions:
                return min(solutions, key=lambda solution: solution[0])
        return None

    def _bound(self, build: Candidate, alive: Alive) -> Key:
        """Return the least that a solution beside a build can cost: with every component at its
        best."""
        cuda = self._cuda(build)
        members = (
            self.network.domains[name].members(alive[name] & ~ABSENT) for name in self._components
        )
        return _cost(
            build,
            (min(self._ranking.key(wheel, cuda) for wheel in wheels) for wheels in members),
        )

    def _by_build(
        self, alive: Alive, off: frozenset[Element]
    ) -> Iterator[tuple[Alive, str | None]]:
        """Yield the part of the network for each build of the framework, with its CUDA release."""
        name = self._framework
        if name is None or name not in self.network.domains:
            yield alive, self._cuda(None)
            return
        for build in self.network.domains[name].members(alive[name]):
            part = self._only(alive, name, self._bit(build), off)
            if part is not None:
                yield part, self._cuda(build)

    def _only(self, alive: Alive, name: str, mask: int, off: frozenset[Element]) -> Alive | None:
        """Return the network with only these candidates of a component left, None if that leaves no
        solution."""
        part = dict(alive)
        part[name] &= mask
        return part if self.network.propagate(part, off) is None else None

    def _bit(self, candidate: Candidate) -> int:
        return 1 << self.network.domains[candidate.name].place(candidate)

    def _choices(self, off: frozenset[Element]) -> Choices:
        if off not in self._translations:
            is_own = off == self.problem.off
            problem = self.problem if is_own else self.problem.without(off)
            self._translations[off] = Choices(problem, self.network, self._ranking)
        return self._translations[off]

    def _pin(self, alive: Alive, cuda: str | None, off: frozenset[Element]) -> Assignment | None:
        """Return the first assignment among what is alive, None if there is none."""
        if not self._meets_dead_ends:
            try:
                return pin(self._choices(off), alive, cuda)
            except ResolutionTooDeep:
                self._meets_dead_ends = True
        return self._clause_search(off).pin(alive, cuda)

    def _clause_search(self, off: frozenset[Element]) -> ClauseSearch:
        if off not in self._clause_searches:
            from cudalock.resolution.pinning import ClauseSearch

            self._clause_searches[off] = ClauseSearch(self._choices(off))
        return self._clause_searches[off]

    # -- one build of the framework ---------------------------------------------------------------

    def _pin_beside(
        self, build: Candidate | None, alive: Alive, off: frozenset[Element]
    ) -> Assignment | None:
        """Return the best assignment beside one build of the framework.

        It is the first one, in which each goal component in turn is then raised to its best
        candidate that still has a solution.
        """
        cuda = self._cuda(build)
        assignment = self._pin(alive, cuda, off)
        if assignment is None:
            return None
        for name in self._components:
            for candidate in self._better_than(assignment.candidates[name], alive, cuda):
                part = self._only(alive, name, self._bit(candidate), off)
                better = part and self._pin(part, cuda, off)
                if better:
                    assignment = better
                    break
            part = self._only(alive, name, self._bit(assignment.candidates[name]), off)
            if part is not None:
                alive = part
        return assignment

    def _cuda(self, build: Candidate | None) -> str | None:
        """Return the CUDA release that the closure belongs to: the build's or the toolkit's."""
        if build is not None:
            return label(build, CUDA.name)
        toolkit = self.problem.goal.toolkit
        return toolkit[0] if toolkit else None

    def _better_than(self, chosen: Candidate, alive: Alive, cuda: str | None) -> list[Candidate]:
        name = chosen.name
        key = self._ranking.key(chosen, cuda)
        members = self.network.domains[name].members(alive[name] & ~ABSENT)
        keyed = [(self._ranking.key(candidate, cuda), candidate) for candidate in members]
        return [candidate for own, candidate in sorted(keyed, key=itemgetter(0)) if own < key]

    def _cost(self, build: Candidate | None, assignment: Assignment) -> Key:
        cuda = self._cuda(build)
        chosen = (assignment.candidates[name] for name in self._components)
        return _cost(build, (self._ranking.key(candidate, cuda) for candidate in chosen))


def _cost(build: Candidate | None, components: Iterable[Key]) -> Key:
    """Return points 4 to 6 of the cost vector."""
    return (
        cuda_build_key(build) if build else (),
        tuple(components),
        index_key(build) if build else 0,
    )
