"""The search: the best answer by the cost vector of :mod:`cudalock.resolution.cost`.

Propagation strikes out the hopeless; what is left of the framework's builds is walked from the best
to the worst, and resolvelib settles the rest. So the first answer found is the best one. In a
closure where it goes round in circles (of a dead end it knows the last cause alone), a search that
learns takes over: :mod:`cudalock.resolution.pinning`.

Soft facts hold at first. Where that leaves no answer, the fewest of them that must be given up are
found: each set of them that cannot all hold is a core, and what is given up must hit every core.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import combinations, groupby
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
    """An answer: what is pinned, the soft facts left out for it, and its cost from point 2 on."""

    pinned: Assignment
    off: frozenset[Element]
    cost: Key


class Search:
    """Searches one problem. The network is built once and shared by every attempt."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._witnesses: list[Witness] = []
        self._translations: dict[frozenset[Element], Choices] = {}
        self._pinnings: dict[frozenset[Element], ClauseSearch] = {}
        self._goes_round = False
        """whether resolvelib was seen to go round in circles here"""
        self.network: Network = build_network(problem)
        self._ranking = Ranking(problem, self.network.domains)
        self._framework = problem.matrix.framework
        self._components = sorted(
            (name for name in problem.goal_names if name != self._framework),
            key=lambda name: component_order(problem, name),
        )
        self._flawed = {
            name: sum(
                1 << position
                for position, candidate in enumerate(domain.candidates)
                if candidate.is_doubtful
            )
            for name, domain in self.network.domains.items()
        }

    def best(self) -> Solution | None:
        """The best answer, or None where there is none."""
        strict = self._without(NOTHING)
        if strict is not None:
            return strict
        soft = self.problem.soft_elements
        if not soft or not self.is_possible():
            return None
        return self._least_given_up(soft & self.elements)

    @property
    def gave_up(self) -> bool:
        """Whether some choice was given up, so that a no is not proven."""
        return any(choices.problem.gave_up for choices in self._translations.values())

    def is_possible(self, off: frozenset[Element] = NOTHING) -> bool:
        """Whether there is any answer without these elements, at whatever price in warnings."""
        return self._is_possible_without(off | self.problem.soft_elements)

    def _is_possible_without(self, off: frozenset[Element]) -> bool:
        if any(witness.shows_possible(off) for witness in self._witnesses):
            return True
        answer = self._first_answer(self.network.alive(off), off)
        if answer is None:
            return False
        self._witnesses.append(Witness(self.problem, self.network, answer))
        return True

    def is_possible_without_warnings(self) -> bool:
        """Whether there is an answer that no fact is given up for."""
        return self._has_answer(self.network.alive(), self.problem.off)

    def versions_left(self, name: str, pins: dict[str, str]) -> set[str] | None:
        """The versions of a member of the network that propagation leaves, soft facts apart, with
        others held at public versions; None where the network does not have it."""
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
        return {each.version for each in domain.members(alive[name]) if each.version}

    def is_possible_at(self, name: str, version: str) -> bool:
        """Whether there is an answer with a member of the network at a public version."""
        off = self.problem.soft_elements
        alive = self.network.alive(off)
        alive[name] &= self.network.domains[name].versions.get(version, 0)
        return self._has_answer(alive, off)

    def is_possible_with(self, candidate: Candidate) -> bool:
        """Whether there is an answer with this very candidate, at whatever price in warnings."""
        off = self.problem.soft_elements
        alive = self.network.alive(off)
        alive[candidate.name] &= self._bit(candidate)
        return self._has_answer(alive, off)

    def _has_answer(self, alive: Alive, off: frozenset[Element]) -> bool:
        """Whether a search settles what propagation leaves of a part of the network."""
        return self._first_answer(alive, off) is not None

    def _first_answer(self, alive: Alive, off: frozenset[Element]) -> Assignment | None:
        if self.network.propagate(alive, off) is not None or self._is_hopeless(alive, off):
            return None
        answers = (self._pin(part, cuda, off) for part, cuda in self._by_build(alive, off))
        return next((answer for answer in answers if answer is not None), None)

    def _is_hopeless(self, alive: Alive, off: frozenset[Element]) -> bool:
        """Whether a search beside no build in particular proves that there is no answer.

        What the matrix holds is closed, and where propagation leaves something there is one as a
        rule. What leads out of it may be impossible whatever the build, and to find that again for
        each of a hundred takes long.
        """
        return self.problem.universe.is_open and self._pinning(off).is_hopeless(alive)

    # -- soft facts ---------------------------------------------------------------------------

    @cached_property
    def elements(self) -> frozenset[Element]:
        """What may be left out: the elements of the network, and the facts that it does not see,
        for what they are about or what they ask for is in the closure alone."""
        seen = self.network.domains
        closure = {
            fact_element(fact.id)
            for component in self.problem.matrix.components.values()
            for fact in component.facts
            if component.name not in seen
            or any(demand.template.name not in seen for demand in fact.beside)
        }
        return self.network.elements | closure

    def _least_given_up(self, soft: frozenset[Element]) -> Solution | None:
        conflicts = [self._conflict(soft)]
        while all(conflicts):
            answers: list[Solution] = []
            for off in smallest_hitting_sets(conflicts):
                answer = self._without(off)
                if answer is None:
                    conflicts.append(self._conflict(soft - off))
                else:
                    answers.append(answer)
            if answers:
                return min(answers, key=lambda answer: answer.cost)
        return None

    def _conflict(self, enforced: frozenset[Element]) -> list[Element]:
        """A minimal set of soft facts that cannot all hold, from a set that cannot."""
        soft = self.problem.soft_elements

        return minimal_conflict(
            sorted(enforced), lambda held: self._is_possible_without(soft.difference(held))
        )

    # -- one set of facts in force ------------------------------------------------------------

    def _without(self, off: frozenset[Element]) -> Solution | None:
        alive = self.network.alive(off)
        if self.network.propagate(alive, off) is not None or self._is_hopeless(alive, off):
            return None
        for version, part in self._by_framework_version(alive, off):
            found = self._least_flawed(part, off)
            if found is not None:
                flaws, cost, pinned = found
                newest = Newest(parse_version(version)) if version else 0
                return Solution(pinned, off, (newest, flaws, *cost))
        return None

    def _by_framework_version(
        self, alive: Alive, off: frozenset[Element]
    ) -> Iterator[tuple[str, Alive]]:
        """The part of the network for each public version of the framework, newest first."""
        name = self._framework
        if name is None or name not in self.network.domains:
            yield "", alive
            return
        domain = self.network.domains[name]
        if alive[name] & ABSENT:
            wanted = ~ABSENT
            if self._does_without_framework(alive, off):
                # So no version of it was wanted for its own sake: what was asked for decides, and
                # then the builds are walked.
                version = self._framework_version(alive, off)
                wanted = domain.versions[version] if version else ABSENT
            alive = {**alive, name: alive[name] & wanted}
            if self.network.propagate(alive, off) is not None:
                return
            if wanted == ABSENT:
                yield "", alive
                return
        members = domain.members(alive[name])
        members.sort(key=lambda each: Newest(parse_version(each.version or "")))
        for version, group in groupby(members, key=lambda each: each.version or ""):
            part = self._only(alive, name, sum(map(self._bit, group)), off)
            if part is not None:
                yield version, part

    def _does_without_framework(self, alive: Alive, off: frozenset[Element]) -> bool:
        """Whether some releases of what was asked for need no framework."""
        part = {**alive, self._framework or "": ABSENT}
        return (
            self.network.propagate(part, off) is None
            and self._pin(part, self._cuda(None), off) is not None
        )

    def _framework_version(self, alive: Alive, off: frozenset[Element]) -> str | None:
        """The version of the framework in the first answer that is found, if there is one among
        wheels without a flaw; None without."""
        name = self._framework or ""
        sound = {each: mask & ~self._flawed[each] for each, mask in alive.items()}
        answer = None
        if self.network.propagate(sound, off) is None:
            answer = self._pin(sound, self._cuda(None), off)
        answer = answer or self._pin(alive, self._cuda(None), off)
        chosen = answer.candidate_of(name) if answer else None
        return chosen.version if chosen else None

    def _least_flawed(
        self, alive: Alive, off: frozenset[Element]
    ) -> tuple[int, Key, Assignment] | None:
        """Points 3 to 6: as few flawed wheels as can be, then the best build and components."""
        doubtful = [name for name, mask in alive.items() if mask & self._flawed[name]]
        for flaws in range(len(doubtful) + 1):
            answers = []
            for allowed in combinations(doubtful, flaws):
                part = dict(alive)
                for name in doubtful:
                    if name not in allowed:
                        part[name] &= ~self._flawed[name]
                if self.network.propagate(part, off) is None:
                    answer = self._best_build(part, off)
                    if answer is not None:
                        answers.append(answer)
            if answers:
                cost, pinned = min(answers, key=lambda answer: answer[0])
                return flaws, cost, pinned
        return None

    def _best_build(self, alive: Alive, off: frozenset[Element]) -> tuple[Key, Assignment] | None:
        name = self._framework
        if name is None or name not in self.network.domains or alive[name] & ABSENT:
            pinned = self._settle(alive, None, off)
            return (self._cost(None, pinned), pinned) if pinned else None
        members = self.network.domains[name].members(alive[name])
        members.sort(key=lambda each: (cuda_build_key(each), index_key(each)))
        for _, group in groupby(members, key=cuda_build_key):
            answers: list[tuple[Key, Assignment]] = []
            for build in group:
                part = self._only(alive, name, self._bit(build), off)
                if part is None:
                    continue
                bound = self._bound(build, part) if answers else ()
                # Costs know `<` alone.
                if not all(bound < cost for cost, _ in answers):
                    continue
                pinned = self._settle(part, build, off)
                if pinned is not None:
                    answers.append((self._cost(build, pinned), pinned))
            if answers:
                return min(answers, key=lambda answer: answer[0])
        return None

    def _bound(self, build: Candidate, alive: Alive) -> Key:
        """What an answer beside a build costs at least: with each component at its best."""
        cuda = self._cuda(build)
        left = (
            self.network.domains[name].members(alive[name] & ~ABSENT) for name in self._components
        )
        return _cost(
            build,
            (min(self._ranking.key(each, cuda) for each in members) for members in left),
        )

    def _by_build(
        self, alive: Alive, off: frozenset[Element]
    ) -> Iterator[tuple[Alive, str | None]]:
        """The part of the network for each build of the framework, and its CUDA release."""
        name = self._framework
        if name is None or name not in self.network.domains:
            yield alive, self._cuda(None)
            return
        for build in self.network.domains[name].members(alive[name]):
            part = self._only(alive, name, self._bit(build), off)
            if part is not None:
                yield part, self._cuda(build)

    def _only(self, alive: Alive, name: str, mask: int, off: frozenset[Element]) -> Alive | None:
        """The network with only some candidates of a component left; None where that is no part of
        an answer."""
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
        """The best choice among what is alive, if there is one."""
        if not self._goes_round:
            try:
                return pin(self._choices(off), alive, cuda)
            except ResolutionTooDeep:
                self._goes_round = True
        return self._pinning(off).pin(alive, cuda)

    def _pinning(self, off: frozenset[Element]) -> ClauseSearch:
        if off not in self._pinnings:
            from cudalock.resolution.pinning import ClauseSearch

            self._pinnings[off] = ClauseSearch(self._choices(off))
        return self._pinnings[off]

    # -- one build of the framework ---------------------------------------------------------------

    def _settle(
        self, alive: Alive, build: Candidate | None, off: frozenset[Element]
    ) -> Assignment | None:
        """The rest beside one build: the first answer, then each goal component in turn
        raised to the best that still has one."""
        cuda = self._cuda(build)
        answer = self._pin(alive, cuda, off)
        if answer is None:
            return None
        for name in self._components:
            better = self._better_than(answer.candidates[name], alive, cuda)
            for candidate in better:
                part = self._only(alive, name, self._bit(candidate), off)
                found = part and self._pin(part, cuda, off)
                if found:
                    answer = found
                    break
            part = self._only(alive, name, self._bit(answer.candidates[name]), off)
            if part is not None:
                alive = part
        return answer

    def _cuda(self, build: Candidate | None) -> str | None:
        """The CUDA release that the rest should belong to: the build's, else the toolkit's."""
        if build is not None:
            return label(build, CUDA.name)
        toolkit = self.problem.goal.toolkit
        return toolkit[0] if toolkit else None

    def _better_than(self, chosen: Candidate, alive: Alive, cuda: str | None) -> list[Candidate]:
        name = chosen.name
        key = self._ranking.key(chosen, cuda)
        members = self.network.domains[name].members(alive[name] & ~ABSENT)
        keyed = [(self._ranking.key(each, cuda), each) for each in members]
        return [each for own, each in sorted(keyed, key=lambda pair: pair[0]) if own < key]

    def _cost(self, build: Candidate | None, pinned: Assignment) -> Key:
        cuda = self._cuda(build)
        chosen = (pinned.candidates[name] for name in self._components)
        return _cost(build, (self._ranking.key(each, cuda) for each in chosen))


def _cost(build: Candidate | None, components: Iterable[Key]) -> Key:
    """Points 4 to 6 of the cost vector."""
    return (
        cuda_build_key(build) if build else (),
        tuple(components),
        index_key(build) if build else 0,
    )
