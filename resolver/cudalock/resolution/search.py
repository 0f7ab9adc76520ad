"""Find the best solution by the cost vector of :mod:`cudalock.resolution.cost`.

Propagation strikes out what is impossible. What it leaves of the framework's builds is tried from
the best to the worst, and resolvelib pins the rest beside each: so the first solution is the best
one. Where resolvelib meets dead ends, :mod:`~cudalock.resolution.pinning` takes over.

The framework's builds are tried by what is unknown of them, the least first. At first all soft
facts about the framework and the target are in force. If that leaves no solution, the fewest of
them are dropped: every set of soft facts that cannot all hold is a conflict, and a member of each
has to go.

    Conflicts {a, b} and {b, c}: dropping b resolves both, so a solution with the one warning b is
    looked for first. If there is none, the conflict that is left without b is added, and so on
    (an implicit hitting set). However many facts there are, the fewest warnings are found.

The soft facts about other projects are no part of that: those of a goal component are a point of
its key, and those of the closure are enforced at the end, where that moves nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import combinations, groupby
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Final

from cudalock.records import NamedTuple
from cudalock.resolution.choices import Choices
from cudalock.resolution.cost import (
    Key,
    Newest,
    Ranking,
    component_order,
    cuda_build_key,
    index_key,
    release_key,
    with_doubts,
)
from cudalock.resolution.elements import Element, fact_element
from cudalock.resolution.minimal import minimal_conflict, smallest_hitting_sets
from cudalock.resolution.model import Candidate, label
from cudalock.resolution.network import build_network
from cudalock.resolution.propagation import (
    ABSENT,
    NOTHING,
    Alive,
    Network,
)
from cudalock.resolution.warnings import own_violated_facts, violated_facts
from cudalock.resolution.witness import Witness
from cudalock.targets.accelerators import CUDA
from cudalock.versions import parse_version

if TYPE_CHECKING:
    from cudalock.resolution.model import Assignment, Requirement
    from cudalock.resolution.pinning import ClauseSearch
    from cudalock.resolution.problem import Problem
    from cudalock.resolution.unknowns import UnknownClause


NO_MASKS: Final[Mapping[str, int]] = {}


class Solution(NamedTuple):
    """A solution: what is pinned, the soft facts that it goes against, and its cost."""

    assignment: Assignment
    off: frozenset[Element]
    cost: Key


class _Option(NamedTuple):
    """A candidate of a goal component, with the soft facts that are enforced for its key."""

    key: Key
    candidate: Candidate
    enforced: frozenset[Element]


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
        self.framework = problem.matrix.framework
        self.components: list[str] = sorted(
            (name for name in problem.goal_names if name != self.framework),
            key=lambda name: component_order(problem, name),
        )

    def best(self) -> Solution | None:
        """Return the best solution, or None if there is none or none was found: see `gave_up`."""
        framework, doubtful = self.framework, self._doubtful_builds
        if framework is None or not doubtful:
            best = self._fewest_warnings({}, 0)
        else:
            best = self._fewest_warnings({framework: ~doubtful}, 0)
            # One warning is as bad as one build that nobody has seen.
            has_warnings = best is not None and best.cost[0] != 0
            if has_warnings or (best is None and self.is_possible()):
                other = self._fewest_warnings({framework: doubtful}, 1)
                if best is None or (other is not None and other.cost < best.cost):
                    best = other
        return best and self._with_closure_facts(best)

    @cached_property
    def _doubtful_builds(self) -> int:
        """The builds of the framework of which something is unknown, or that have a known trap."""
        domain = self.network.domains.get(self.framework or "")
        mask = 0
        for position, candidate in domain.real() if domain else ():
            mask |= self.problem.unknowns.is_doubtful(candidate) << position
        return mask

    def _fewest_warnings(self, certain: Mapping[str, int], doubts: int) -> Solution | None:
        """Return the best solution among some builds of the framework."""
        guiding = self._guiding_facts
        solution = self._without(self.problem.soft_elements - guiding, certain, doubts)
        if solution is not None or not guiding or not self.is_possible():
            return solution
        if not self._is_possible_without(self.problem.soft_elements, certain):
            return None
        return self._drop_fewest(guiding, certain, doubts)

    @property
    def gave_up(self) -> bool:
        """Whether a search reached its limit, so that "no solution" is not proven."""
        return any(choices.problem.gave_up for choices in self._translations.values())

    def is_possible(self, off: frozenset[Element] = NOTHING) -> bool:
        """Return whether there is a solution without these elements, with however many warnings."""
        return self._is_possible_without(off | self.problem.soft_elements)

    def _is_possible_without(
        self, off: frozenset[Element], certain: Mapping[str, int] = NO_MASKS
    ) -> bool:
        if any(
            witness.shows_possible(off) and self._is_among(witness, certain)
            for witness in self._witnesses
        ):
            return True
        assignment = self._first_assignment(self._alive(off, certain), off)
        if assignment is None:
            return False
        self._witnesses.append(Witness(self.problem, self.network, assignment))
        return True

    def _alive(self, off: frozenset[Element], certain: Mapping[str, int]) -> Alive:
        """Return what may be chosen, of some components only some candidates."""
        alive = self.network.alive(off)
        for name, mask in certain.items():
            alive[name] &= mask
        return alive

    def _is_among(self, witness: Witness, certain: Mapping[str, int]) -> bool:
        """Return whether a solution has only these candidates of some components."""
        chosen = ((witness.candidate_of(name), mask) for name, mask in certain.items())
        return all(candidate is None or self._bit(candidate) & mask for candidate, mask in chosen)

    def is_possible_without_warnings(self) -> bool:
        """Return whether there is a solution that goes against no soft fact."""
        return self._has_solution(self.network.alive(), self.problem.off)

    def versions_left(self, name: str, pins: dict[str, str]) -> set[str] | None:
        """Return the public versions of a project that propagation leaves, soft facts apart.

        ``pins`` (project to public version) are taken as given. None if the project is not in the
        network. Each version may still prove impossible: see :meth:`is_possible_at`.
        """
        candidates = self._candidates_left(name, pins)
        if candidates is None:
            return None
        return {candidate.version for candidate in candidates if candidate.version}

    def ranked_versions_left(self, name: str, pins: dict[str, str]) -> dict[str, Key] | None:
        """Return what :meth:`versions_left` does, each version with a key of how good it is: the
        less, the better."""
        candidates = self._candidates_left(name, pins)
        if candidates is None:
            return None
        ranked: dict[str, Key] = {}
        for candidate in candidates:
            if candidate.version:
                key = self._version_key(candidate)
                ranked[candidate.version] = min(key, ranked.get(candidate.version, key))
        return ranked

    def unknown_clauses(self, name: str) -> tuple[UnknownClause, ...]:
        """Return the facts that nobody can tell of a project, whichever of the candidates and of
        the framework's builds that propagation leaves is chosen."""
        candidates = self._candidates_left(name, {}) or []
        builds: list[Candidate | None] = [*(self._candidates_left(self.framework or "", {}) or ())]
        clauses: tuple[UnknownClause, ...] = ()
        for candidate in candidates:
            for build in [None] if name == self.framework or not builds else builds:
                clauses = self.problem.unknowns.clauses_beside(candidate, build)
                if not clauses:
                    return ()
        return clauses

    def _version_key(self, candidate: Candidate) -> Key:
        if candidate.name == self.framework:
            newest = Newest(parse_version(candidate.version or ""))
            return self.problem.unknowns.is_doubtful(candidate), newest
        return release_key(self._ranking.key(candidate, None))

    def _candidates_left(self, name: str, pins: dict[str, str]) -> list[Candidate] | None:
        domain = self.network.domains.get(name)
        if domain is None:
            return None
        off = self.problem.soft_elements
        alive = self.network.alive(off)
        for other, version in pins.items():
            if other in alive:
                alive[other] &= self.network.domains[other].versions.get(version, 0) | ABSENT
        if self.network.propagate(alive, off) is not None:
            return []
        return domain.members(alive[name] & ~ABSENT)

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
        # Any assignment will do, and not the first in order: the clause-learning search takes a
        # fifth of resolvelib's time, and what it learns holds beside the next build as well.
        search = self.clause_search(off)
        assignments = (search.pin(part, cuda) for part, cuda in self.by_build(alive, off))
        return next((assignment for assignment in assignments if assignment is not None), None)

    def _is_hopeless(self, alive: Alive, off: frozenset[Element]) -> bool:
        """Return whether a search beside no particular build proves that there is no solution.

        Among the projects of the matrix there nearly always is one if propagation leaves something.
        What leads out of the matrix may be impossible whatever the build, and to find that out
        again beside each of a hundred builds takes long.
        """
        return self.problem.universe.is_open and self.clause_search(off).is_hopeless(alive)

    # -- soft facts ---------------------------------------------------------------------------

    @cached_property
    def elements(self) -> frozenset[Element]:
        """What may be left out: the elements of the network, and the facts about projects or
        requirements that are in the closure only."""
        members, matrix = self.network.domains, self.problem.matrix
        closure = {
            fact_element(id) for id, owner in matrix.fact_owners.items() if owner not in members
        }
        leading_out = {
            fact_element(fact.id)
            for name in members
            for fact in matrix.component(name).facts
            if any(demand.template.name not in members for demand in fact.beside)
        }
        return self.network.elements | closure | leading_out

    @cached_property
    def _guiding_facts(self) -> frozenset[Element]:
        """The soft facts whose warnings count before any version."""
        problem, owners = self.problem, self.problem.matrix.fact_owners
        return frozenset(
            element
            for element in problem.soft_elements & self.elements
            if problem.may_guide(owners[element.id])
            and problem.is_guiding(problem.matrix.fact(element.id))
        )

    def _drop_fewest(
        self, guiding: frozenset[Element], certain: Mapping[str, int], doubts: int
    ) -> Solution | None:
        relaxed = self.problem.soft_elements - guiding
        conflicts = [self._conflict(guiding, certain)]
        while all(conflicts):
            solutions: list[Solution] = []
            for off in smallest_hitting_sets(conflicts):
                solution = self._without(relaxed | off, certain, doubts + len(off))
                if solution is None:
                    conflicts.append(self._conflict(guiding - off, certain))
                else:
                    solutions.append(solution)
            if solutions:
                return min(solutions, key=lambda solution: solution.cost)
        return None

    def _conflict(self, enforced: frozenset[Element], certain: Mapping[str, int]) -> list[Element]:
        """Return a minimal set of soft facts that cannot all hold, from a set that cannot."""
        soft = self.problem.soft_elements
        return minimal_conflict(
            sorted(enforced),
            lambda facts: self._is_possible_without(soft.difference(facts), certain),
        )

    def _with_closure_facts(self, solution: Solution) -> Solution:
        """Return the solution with the soft facts that it goes against; with fewer of those about
        the closure, if that moves nothing else."""
        chosen = solution.assignment.candidates
        violated = violated_facts(self.problem, chosen)
        members = [
            name
            for name in (self.framework, *self.components)
            if name is not None and name in self.network.domains
        ]
        off = solution.off
        for element in sorted(violated & off - self._guiding_facts):
            if self.problem.matrix.fact(element.id).component in members:
                continue
            alive = self.network.alive(off - {element})
            for name in members:
                alive[name] &= self._bit(chosen[name]) if name in chosen else ABSENT
            if self.network.propagate(alive, off - {element}) is None:
                build = chosen.get(self.framework or "")
                assignment = self._pin(alive, self._cuda(build), off - {element})
                # A wheel that may not exist is a worse answer than one with a warning.
                if assignment is not None and _unseen(assignment) <= _unseen(solution.assignment):
                    off -= {element}
                    solution = solution._replace(assignment=assignment)
        final = violated_facts(self.problem, solution.assignment.candidates)
        return solution._replace(off=final & self.problem.soft_elements)

    # -- one set of facts in force ------------------------------------------------------------

    def _without(
        self, off: frozenset[Element], certain: Mapping[str, int], doubts: int
    ) -> Solution | None:
        alive = self._alive(off, certain)
        if self.network.propagate(alive, off) is not None or self._is_hopeless(alive, off):
            return None
        best = self._fewest(self._unseen_wheels, alive, off, self._newest_framework)
        return best and Solution(best[1], off, (doubts, *best[0]))

    @cached_property
    def _unseen_wheels(self) -> dict[str, int]:
        """The wheels of goal components that nobody has seen, nor their like for another Python."""
        return self._wheels_of_components(attrgetter("is_unseen"))

    @cached_property
    def _trapped_wheels(self) -> dict[str, int]:
        """The wheels of goal components that have a known trap."""
        return self._wheels_of_components(attrgetter("has_trap"))

    def _wheels_of_components(self, is_marked: Callable[[Candidate], bool]) -> dict[str, int]:
        marked: dict[str, int] = {}
        for name in self.components:
            for position, candidate in self.network.domains[name].real():
                if is_marked(candidate):
                    marked[name] = marked.get(name, 0) | 1 << position
        return marked

    def _fewest(
        self,
        marked: Mapping[str, int],
        alive: Alive,
        off: frozenset[Element],
        best_of: Callable[[Alive, frozenset[Element]], tuple[Key, Assignment] | None],
    ) -> tuple[Key, Assignment] | None:
        """Return the best solution with as few marked wheels of goal components as possible: its
        key, with their number in front, and the assignment."""
        names = [name for name, mask in marked.items() if alive[name] & mask]
        for count in range(len(names) + 1):
            solutions = []
            for allowed in combinations(names, count):
                part = dict(alive)
                for name in names:
                    if name not in allowed:
                        part[name] &= ~marked[name]
                if self.network.propagate(part, off) is None:
                    best = best_of(part, off)
                    if best is not None:
                        solutions.append(best)
            if solutions:
                key, assignment = min(solutions, key=itemgetter(0))
                return (count, *key), assignment
        return None

    def _newest_framework(
        self, alive: Alive, off: frozenset[Element]
    ) -> tuple[Key, Assignment] | None:
        for version, part in self._by_framework_version(alive, off):
            best = self._fewest(self._trapped_wheels, part, off, self._best_build)
            if best is not None:
                newest = Newest(parse_version(version)) if version else 0
                return (newest, *best[0]), best[1]
        return None

    def _by_framework_version(
        self, alive: Alive, off: frozenset[Element]
    ) -> Iterator[tuple[str, Alive]]:
        """Yield the part of the network for each public version of the framework, newest first."""
        name = self.framework
        if name is None or name not in self.network.domains:
            yield "", alive
            return
        domain = self.network.domains[name]
        # Absence possible: something in the goal has releases that need no framework.
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
        part = {**alive, self.framework or "": ABSENT}
        return (
            self.network.propagate(part, off) is None
            and self._pin(part, self._cuda(None), off) is not None
        )

    def _framework_version(self, alive: Alive, off: frozenset[Element]) -> str | None:
        """Return the framework's version beside the best versions of what is required, None if
        those are without the framework."""
        # Not the first solution: where the newest release leads to many projects, that may be one
        # of an SGLang from before it named a framework.
        assignment = self._pin_beside(None, alive, off)
        chosen = assignment.candidate_of(self.framework or "") if assignment else None
        return chosen.version if chosen else None

    def _best_build(self, alive: Alive, off: frozenset[Element]) -> tuple[Key, Assignment] | None:
        name = self.framework
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
            self.network.domains[name].members(alive[name] & ~ABSENT) for name in self.components
        )
        return _cost(
            build,
            (min(self._ranking.key(wheel, cuda) for wheel in wheels) for wheels in members),
        )

    def by_build(self, alive: Alive, off: frozenset[Element]) -> Iterator[tuple[Alive, str | None]]:
        """Yield the part of the network for each build of the framework, with its CUDA release."""
        name = self.framework
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
            # Imported here: a check, and a goal without a solution, do without resolvelib.
            from resolvelib import ResolutionTooDeep

            from cudalock.resolution.provider import pin

            try:
                return pin(self._choices(off), alive, cuda)
            except ResolutionTooDeep:
                self._meets_dead_ends = True
        return self.clause_search(off).pin(alive, cuda)

    def clause_search(self, off: frozenset[Element]) -> ClauseSearch:
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
        for name in self.components:
            enforced = self._kept_facts(assignment.candidates[name], assignment)
            for option in self._better_options(name, assignment, alive, build):
                rest = off - option.enforced
                part = self._only(alive, name, self._bit(option.candidate), rest)
                better = part and self._pin(part, cuda, rest)
                if better:
                    assignment, enforced = better, option.enforced
                    break
            off -= enforced
            part = self._only(alive, name, self._bit(assignment.candidates[name]), off)
            if part is not None:
                alive = part
        return assignment

    def _better_options(
        self, name: str, assignment: Assignment, alive: Alive, build: Candidate | None
    ) -> list[_Option]:
        """Return what would be better for a component than what an assignment has, the best first.

        A warning that depends on a project which is chosen later is counted if its fact is not
        enforced.
        """
        key = self._key(name, assignment, build)
        options = [
            option
            for candidate in self.network.domains[name].members(alive[name] & ~ABSENT)
            if self._ranking.key(candidate, self._cuda(build)) < key
            for option in self._options(candidate, build)
            if option.key < key
        ]
        return sorted(options, key=attrgetter("key"))

    def _options(self, candidate: Candidate, build: Candidate | None) -> Iterator[_Option]:
        key = self._ranking.key(candidate, self._cuda(build))
        unknowns = self.problem.unknowns
        beside = _fixed_by(build)
        later = frozenset(
            requirement.origin
            for requirement in self._soft_requirements(candidate)
            if requirement.name not in beside
            and not self.problem.matrix.component(requirement.name).is_virtual
        )
        violated = own_violated_facts(self.problem, candidate, beside)
        doubts = unknowns.count_clauses(candidate, build)
        doubts += unknowns.count_warnings(candidate, violated - later)
        for dropped in range(len(later) + 1):
            for given_up in combinations(sorted(later), dropped):
                enforced = later.difference(given_up)
                yield _Option(with_doubts(key, doubts + dropped), candidate, enforced)

    def _kept_facts(self, candidate: Candidate, assignment: Assignment) -> frozenset[Element]:
        """Return the soft facts about a candidate that an assignment keeps beside other projects:
        what is chosen later must not turn them into warnings."""
        own = frozenset(each.origin for each in self._soft_requirements(candidate))
        return own - own_violated_facts(self.problem, candidate, assignment.candidates)

    def _soft_requirements(self, candidate: Candidate) -> Iterator[Requirement]:
        soft = self.problem.unknowns.soft_facts(candidate.name)
        for requirement in self.problem.fact_requirements(candidate) if soft else ():
            if requirement.origin in soft:
                yield requirement

    def _key(self, name: str, assignment: Assignment, build: Candidate | None) -> Key:
        """Return the key of what an assignment has of a component."""
        candidate = assignment.candidates[name]
        violated = own_violated_facts(self.problem, candidate, assignment.candidates)
        unknowns = self.problem.unknowns
        doubts = unknowns.count_clauses(candidate, build)
        doubts += unknowns.count_warnings(candidate, violated)
        return with_doubts(self._ranking.key(candidate, self._cuda(build)), doubts)

    def _cuda(self, build: Candidate | None) -> str | None:
        """Return the CUDA release that the closure belongs to: the build's or the toolkit's."""
        if build is not None:
            return label(build, CUDA.name)
        toolkit = self.problem.goal.toolkit
        return toolkit[0] if toolkit else None

    def _cost(self, build: Candidate | None, assignment: Assignment) -> Key:
        return _cost(build, (self._key(name, assignment, build) for name in self.components))


def _unseen(assignment: Assignment) -> int:
    """How many wheels of an assignment nobody has seen."""
    return sum(candidate.is_unseen for candidate in assignment.candidates.values())


def _fixed_by(build: Candidate | None) -> dict[str, Candidate]:
    """Return a build of the framework, and the virtual components that it fixes, by name."""
    if build is None or build.build is None:
        return {}
    values = {name: label(build, name) for name in build.build.labels}
    fixed = {name: Candidate(name, value) for name, value in values.items() if value is not None}
    return {**fixed, build.name: build}


def _cost(build: Candidate | None, components: Iterable[Key]) -> Key:
    """Return points 5 to 7 of the cost vector."""
    return (
        cuda_build_key(build) if build else (),
        tuple(components),
        index_key(build) if build else 0,
    )
