"""A problem as choices to be made: it translates, and decides nothing.

:class:`~cudalock.resolution.problem.Problem` knows what exists and what it asks for,
:mod:`~cudalock.resolution.order` what is better; :mod:`~cudalock.resolution.learning` searches. An
identifier is a project's name, with its extras in brackets where they were asked for, or a virtual
component; where a release of the closure has several builds, the choice of one has the identifier
``name@version``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.resolution.candidate import Candidate
from cudalock.resolution.learning import ANYTHING, Clause, Learner, TooLong
from cudalock.resolution.order import Key, better_versions, component_key, component_order
from cudalock.resolution.propagation import ABSENT, Alive, Network, meeting
from cudalock.resolution.requirement import Requirement
from cudalock.resolution.specifiers import (
    accepts,
    is_prerelease,
    may_accept,
    pins_exactly,
    specifier_set,
)

if TYPE_CHECKING:
    from cudalock.releases import Project
    from cudalock.resolution.problem import Problem

MOST_DEAD_ENDS: Final = 4_000
"""After so many a choice is given up. Answers take none as a rule, of a large closure some tens."""

DEEPER: Final = 4
"""How many windows of releases are looked at of a project of the closure."""

DEEPEST: Final = 128
"""How many releases of such a project are looked at at most."""

SOME: Final = 2
MOST_AT_ONCE: Final = 16
"""After how many releases more are asked for at once, and how many."""

QUICK: Final = 300
"""The same where a longer search is not worth its time: for a view that can still be widened, and
for a proof that need not be found."""

_RISING: Final = (">", ">=")
_FALLING: Final = ("<", "<=")


class Pinned(NamedTuple):
    """A complete choice: the candidate of every identifier, and who asked for each."""

    candidates: Mapping[str, Candidate]
    requirements: Mapping[str, tuple[tuple[Requirement, str | None], ...]]

    def version_of(self, name: str) -> Candidate | None:
        """The candidate chosen for a component, None where it is absent."""
        return self.candidates.get(name)


class Pinning:
    """The choices of one problem, with what was learned of them. Each search may see a part of the
    network alone."""

    def __init__(self, problem: Problem, network: Network) -> None:
        self._problem = problem
        self._network = network
        self._pinned: dict[str, int] = {}
        self.made = 0
        """how many choices were made"""
        self.dead_ends = 0
        self._restart()

    def _restart(self) -> None:
        self._choices = _Choices(self._problem, self._network, self._pinned)
        self._learner = Learner(self._choices)
        for clause in self._choices.roots():
            self._learner.add(clause)

    def pin(self, alive: Alive, cuda: str | None) -> Pinned | None:
        """The best choice among what is alive; None where there is no choice, or where none was
        found in as much time as there is, which the problem then remembers."""
        most = self._problem.max_dead_ends or MOST_DEAD_ENDS
        if not self._problem.matrix.is_whole:
            most = min(QUICK, most)
        options = tuple(self._problem.option_roots(cuda))
        try:
            found = self._search(alive, cuda, options, most)
        except TooLong:
            self._problem.gave_up = True
            return None
        return None if found is None else self._choices.result(found, options)

    def is_hopeless(self, alive: Alive) -> bool:
        """Whether a short search proves that there is no choice among what is alive, options apart.

        What it learns is known to every search after it.
        """
        try:
            return self._search(alive, None, (), QUICK) is None
        except TooLong:
            return False

    def _search(
        self, alive: Alive, cuda: str | None, options: tuple[Requirement, ...], most: int
    ) -> dict[str, int] | None:
        while True:
            learner, choices = self._learner, self._choices
            before = learner.made, learner.dead_ends
            choices.cuda = cuda
            try:
                for clause in choices.wanted(options):
                    learner.add(clause)
                return learner.search(choices.assumed(alive, options), most)
            except _Pinned:
                # A withdrawn release was passed over, and now somebody pins it.
                self._restart()
            finally:
                self.made += learner.made - before[0]
                self.dead_ends += learner.dead_ends - before[1]


class _Pinned(Exception):
    """A release that was passed over, for it was withdrawn, is asked for by its version."""


class _Releases:
    """A project of the closure: its versions as bits, the newest the highest."""

    def __init__(self, problem: Problem, name: str, pinned: int) -> None:
        self.name = name
        self._problem = problem
        self._project: Project | None = problem.matrix.project(name)
        self.versions: Sequence[str] = self._project.versions if self._project else ()
        self._place = {version: place for place, version in enumerate(self.versions, 1)}
        self._masks: dict[str, int] = {}
        self._offered: dict[int, tuple[Candidate, ...]] = {}
        self._first: dict[str | None, tuple[int, ...]] = {}
        self._viable = 0
        self._pinned = pinned
        self._passed_over = 0
        self._foreseen: set[str] = set()

    def bit(self, version: str) -> int:
        """The bit of a version; 0 for one that does not exist."""
        place = self._place.get(version)
        return 1 << place if place is not None else 0

    def version(self, bit: int) -> str:
        """The version of a bit."""
        return self.versions[bit.bit_length() - 2]

    @cached_property
    def newest(self) -> int:
        """The newest version that is not too early to be taken."""
        may_be_early = self._project is None or not self._project.has_final
        for version in reversed(self.versions):
            if may_be_early or not is_prerelease(version):
                return self.bit(version)
        return 0

    # -- what meets a requirement -------------------------------------------------------------

    def accepted(self, requirement: Requirement) -> int:
        """The versions of which some build may meet a requirement."""
        return meeting(requirement, self._inside)

    def pin(self, mask: int) -> None:
        """Told that somebody asks for a version by its number. Raises _Pinned where it was passed
        over before."""
        self._pinned |= mask
        if mask & self._passed_over:
            raise _Pinned

    def _inside(self, specifier: str) -> int:
        mask = self._masks.get(specifier)
        if mask is None:
            mask = ~ABSENT
            for clause in specifier_set(specifier):
                mask &= self._inside_clause(clause.operator, clause.version, str(clause))
            self._masks[specifier] = mask
        return mask

    def _inside_clause(self, operator: str, version: str, text: str) -> int:
        if operator in _RISING or operator in _FALLING:
            # Of versions in their order, those that are inside stand at one end.
            rising = operator in _RISING
            place = bisect_left(self.versions, True, key=lambda each: accepts(text, each) is rising)
            below = (2 << place) - 2
            return ~below & ~ABSENT if rising else below
        if operator == "==" and (exact := self.bit(version)):
            return exact
        return sum(
            1 << place for place, each in enumerate(self.versions, 1) if may_accept(text, each)
        )

    # -- what is offered ----------------------------------------------------------------------

    def best(self, allowed: int, cuda: str | None) -> tuple[int, int]:
        """See :class:`~cudalock.resolution.learning.Choices`."""
        none = withdrawn = 0
        there = allowed & ((2 << len(self.versions)) - 2)
        for bit in self._in_order(there, cuda):
            if bit not in self._offered:
                self._look_ahead(there & (2 * bit - 1))
            offered = self._offered_now(bit)
            if not offered:
                none |= bit
            elif not offered[0].is_withdrawn:
                return bit, none
            elif bit & self._pinned:
                withdrawn = withdrawn or bit
            else:
                self._passed_over |= bit
                none |= bit
        return withdrawn, none if withdrawn else allowed

    def _look_ahead(self, mask: int) -> None:
        """Where one release after another turned out to be of no use, the next ones are asked for
        at once: each doubling of what was looked at, so that little is asked in vain."""
        if self._project is None or self._project.window is None or self._viable < SOME:
            return
        following = [
            self.version(bit) for bit in self._in_order(mask, None) if bit not in self._offered
        ]
        if following and following[0] not in self._foreseen:
            following = following[: min(self._viable, MOST_AT_ONCE)]
            self._foreseen.update(following)
            self._problem.look_ahead(self.name, following)

    def _in_order(self, mask: int, cuda: str | None) -> Iterator[int]:
        if cuda not in self._first:
            better = better_versions(self._problem, self.name, cuda)
            self._first[cuda] = tuple(filter(None, map(self.bit, better)))
        for bit in self._first[cuda]:
            if bit & mask:
                yield bit
                mask &= ~bit
        while mask:
            bit = 1 << mask.bit_length() - 1
            yield bit
            mask &= ~bit

    def _offered_now(self, bit: int) -> tuple[Candidate, ...]:
        """The candidates of a version; none of one that is not looked at."""
        project = self._project
        if project is None or bit in self._offered:
            return self._offered.get(bit, ())
        if project.window is not None and self._viable >= min(project.window * DEEPER, DEEPEST):
            project.cut()
            return ()
        found = self.offered(bit)
        self._viable += bool(found)
        return found

    def offered(self, bit: int) -> tuple[Candidate, ...]:
        """The candidates of a version."""
        found = self._offered.get(bit)
        if found is None:
            problem = self._problem
            found = tuple(
                candidate
                for candidate in problem.candidates_at(self.name, self.version(bit))
                if not problem.refusals(candidate)
            )
            self._offered[bit] = found
        return found


class _Identifier(NamedTuple):
    """What a choice is about: a project, with extras, or a build of one of its releases."""

    name: str
    extras: frozenset[str] = frozenset()
    version: str = ""
    """of which a build is chosen; empty where the version is"""

    def __str__(self) -> str:
        extras = f"[{','.join(sorted(self.extras))}]" if self.extras else ""
        return f"{self.name}{extras}@{self.version}" if self.version else f"{self.name}{extras}"


class _Choices:
    """What :class:`Learner` chooses from."""

    def __init__(self, problem: Problem, network: Network, pinned: dict[str, int]) -> None:
        self.cuda: str | None = None
        self._problem = problem
        self._domains = network.domains
        self._pinned = pinned
        self._order = {name: (0, *component_order(problem, name)) for name in network.domains}
        self._releases: dict[str, _Releases] = {}
        self._builds: dict[str, list[Candidate]] = {}
        self._identifiers: dict[str, _Identifier] = {}
        """what was asked for so far, in the order in which it was met"""
        self._places: dict[str, int] = {}
        self._with: dict[str, list[str]] = {}
        """the identifiers with extras, by the one without"""
        self._kept_back: dict[str, list[tuple[dict[str, int], Requirement]]] = {}
        """what is asked of projects that nobody wants so far"""
        self._told: set[tuple[str, int]] = set()
        self._tied: set[tuple[str, int]] = set()
        self._keys: dict[tuple[Candidate, str | None], Key] = {}
        self._extended: dict[tuple[Candidate, frozenset[str]], Candidate] = {}

    # -- what holds whatever is chosen ----------------------------------------------------------

    def roots(self) -> Iterator[Clause]:
        """What the goal and the target ask for."""
        for requirement in self._fixed():
            yield from self._clauses({}, requirement)

    def _fixed(self) -> Iterator[Requirement]:
        yield from self._problem.roots
        for requirement, _ in self._problem.fixed_requirements:
            yield requirement

    def wanted(self, options: tuple[Requirement, ...]) -> Iterator[Clause]:
        """What others ask of the projects that options ask for."""
        for requirement in options:
            yield from self._note(_Identifier(requirement.name))

    def assumed(self, alive: Alive, options: tuple[Requirement, ...]) -> dict[str, int]:
        """What holds for one search."""
        found = {name: mask | ABSENT for name, mask in alive.items()}
        for requirement in options:
            accepted = self._accepted(requirement)
            found[requirement.name] = found.get(requirement.name, ANYTHING) & accepted
        return found

    # -- Choices --------------------------------------------------------------------------------

    def urgency(self, name: str, allowed: int) -> tuple[object, ...]:
        """The members of the network in the order of the cost vector, then the closure: what has
        one version left, what has an upper bound, then the rest, in the order in which it was met.
        Bound ones late in a large closure would have the same conflict found again and again."""
        base, extras, version = self._identifiers[name]
        if version:
            return (-1, bool(extras), name)
        place = self._order.get(base)
        if place is not None:
            return (*place, bool(extras))
        return (1, self._looseness(base, allowed), self._places[base], bool(extras), name)

    def _looseness(self, name: str, allowed: int) -> int:
        """0 for one version, 1 where the newest is not among them, 2 where it is."""
        if not allowed & (allowed - 1):
            return 0
        return 2 if allowed & self._of(name).newest else 1

    def best(self, name: str, allowed: int) -> tuple[int, int]:
        """See :class:`~cudalock.resolution.learning.Choices`."""
        base, _, version = self._identifiers[name]
        if version:
            left = allowed & ((2 << len(self._builds[name])) - 2)
            return (left & -left, 0) if left else (0, allowed)
        domain = self._domains.get(base)
        if domain is None:
            return self._of(base).best(allowed, self.cuda)
        members = domain.members(allowed & domain.all & ~ABSENT)
        if not members:
            return 0, allowed
        favourite = self._problem.favourites.get(base)
        best = min(members, key=lambda each: (each.version != favourite, self._key(each)))
        return 1 << domain.place(best), 0

    def _key(self, candidate: Candidate) -> Key:
        found = self._keys.get((candidate, self.cuda))
        if found is None:
            found = component_key(self._problem, candidate, self.cuda)
            self._keys[candidate, self.cuda] = found
        return found

    def asked(self, name: str, bit: int, chosen: Mapping[str, int]) -> Iterator[Clause]:
        """See :class:`~cudalock.resolution.learning.Choices`."""
        yield from self._ties(name, bit, chosen)
        if (name, bit) in self._told:
            return
        self._told.add((name, bit))
        identifier = self._identifiers[name]
        candidates = self._candidates(identifier, bit)
        if len(candidates) > 1:
            version = candidates[0].version or ""
            build = identifier._replace(version=version)
            self._builds[str(build)] = candidates
            yield from self._note(build)
            yield Clause({name: bit, str(build): ABSENT})
            return
        for requirement in self._wants(candidates[0]):
            yield from self._clauses({name: bit}, requirement)

    def _ties(self, name: str, bit: int, chosen: Mapping[str, int]) -> Iterator[Clause]:
        """A project with extras is the project itself."""
        base = str(self._identifiers[name]._replace(extras=frozenset()))
        pairs = [(base, each) for each in self._with.get(name, ())] if name == base else []
        if name != base and base in chosen:
            pairs.append((base, name))
            bit = chosen[base]
        for one, other in pairs:
            if (other, bit) not in self._tied:
                self._tied.add((other, bit))
                yield Clause({one: bit, other: ~(bit | ABSENT)})

    # -- what is wanted -------------------------------------------------------------------------

    def _wants(self, candidate: Candidate) -> Iterator[Requirement]:
        problem = self._problem
        for requirement in problem.metadata(candidate):
            # With extras, the first is the project itself.
            if requirement.name != candidate.name or requirement.extras:
                yield requirement
        if not candidate.extras:
            yield from problem.relations(candidate)
            if candidate.name == problem.matrix.framework:
                yield from problem.cuda_wishes()

    def _clauses(self, owner: dict[str, int], requirement: Requirement) -> Iterator[Clause]:
        """What a requirement of a choice rules out beside it."""
        name = requirement.name
        if requirement.kind == "requires":
            identifier = _Identifier(name, requirement.extras)
            yield from self._note(_Identifier(name))
            yield from self._note(identifier)
            names = {name, str(identifier)}
        elif name in self._domains or name in self._identifiers:
            names = {name}
        else:
            # Whether it matters is not known yet, and to read the project costs time.
            self._kept_back.setdefault(name, []).append((owner, requirement))
            return
        accepted = self._accepted(requirement)
        names_a_build = any("+" in specifier for specifier in requirement.specifiers)
        if names_a_build and name not in self._domains:
            accepted, clauses = self._of_builds(owner, requirement, accepted)
            yield from clauses
        for each in sorted(names):
            clause = _with(owner, each, ~accepted)
            if clause is not None:
                yield clause

    def _note(self, identifier: _Identifier) -> Iterator[Clause]:
        """Remember that somebody wants it; what others ask of it is told from then on."""
        text = str(identifier)
        if text in self._identifiers:
            return
        self._identifiers[text] = identifier
        self._places.setdefault(identifier.name, len(self._places))
        if identifier.extras:
            self._with.setdefault(str(identifier._replace(extras=frozenset())), []).append(text)
        for owner, requirement in self._kept_back.pop(text, ()):
            yield from self._clauses(owner, requirement)

    def _of(self, name: str) -> _Releases:
        if name not in self._releases:
            self._releases[name] = _Releases(self._problem, name, self._pinned.get(name, 0))
        return self._releases[name]

    def _accepted(self, requirement: Requirement) -> int:
        name = requirement.name
        domain = self._domains.get(name)
        if domain is not None:
            return domain.accepted(requirement)
        if not requirement.specifiers:
            return {"requires": ~ABSENT, "constrains": ANYTHING, "conflicts": ABSENT}[
                requirement.kind
            ]
        releases = self._of(name)
        accepted = releases.accepted(requirement)
        if requirement.kind == "requires" and pins_exactly(requirement.specifiers):
            self._pinned[name] = self._pinned.get(name, 0) | accepted
            releases.pin(accepted)
        return accepted

    def _of_builds(
        self, owner: dict[str, int], requirement: Requirement, accepted: int
    ) -> tuple[int, list[Clause]]:
        """The same for a requirement that names a build: where some builds of a version meet it,
        those are to be chosen."""
        releases, clauses = self._of(requirement.name), []
        named = {
            clause.version.partition("+")[0]
            for specifier in requirement.specifiers
            for clause in specifier_set(specifier)
            if "+" in clause.version
        }
        for version in releases.versions:
            bit = releases.bit(version)
            if not bit & accepted or not any(accepts(f"=={each}", version) for each in named):
                continue
            candidates = releases.offered(bit)
            meeting = [
                place for place, each in enumerate(candidates, 1) if requirement.accepts(each)
            ]
            if not meeting:
                accepted &= ~bit
            elif len(meeting) < len(candidates):
                build = str(_Identifier(requirement.name, version=version))
                kept = sum(1 << place for place in meeting) | ABSENT
                clause = _with(owner, build, ~kept)
                clauses += [clause] if clause else []
        return accepted, clauses

    # -- candidates -----------------------------------------------------------------------------

    def _candidates(self, identifier: _Identifier, bit: int) -> list[Candidate]:
        """What a bit stands for: several builds, of which one is still to be chosen, or one."""
        base, extras, version = identifier
        place = bit.bit_length() - 1
        domain = self._domains.get(base)
        if domain is not None:
            found = [domain.candidates[place]]
        elif version:
            found = [self._builds[str(identifier)][place - 1]]
        else:
            found = sorted(self._of(base).offered(bit), key=self._key)
        return [self._with_extras(each, extras) for each in found]

    def _with_extras(self, candidate: Candidate, extras: frozenset[str]) -> Candidate:
        if not extras or candidate.extras:
            return candidate
        key = (candidate, extras)
        if key not in self._extended:
            self._extended[key] = candidate.with_extras(extras)
        return self._extended[key]

    def result(self, found: Mapping[str, int], options: tuple[Requirement, ...]) -> Pinned:
        """What was chosen, and who asked for it."""
        candidates: dict[str, Candidate] = {}
        for text, bit in found.items():
            identifier = self._identifiers[text]
            of_bit = self._candidates(identifier, bit)
            if len(of_bit) == 1:
                candidates[str(identifier._replace(version=""))] = of_bit[0]
        requirements: dict[str, list[tuple[Requirement, str | None]]] = {}

        def note(requirement: Requirement, parent: str | None) -> None:
            if requirement.kind == "requires":
                text = str(_Identifier(requirement.name, requirement.extras))
                requirements.setdefault(text, []).append((requirement, parent))

        for requirement in (*self._fixed(), *options):
            note(requirement, None)
        for candidate in candidates.values():
            for requirement in self._wants(candidate):
                note(requirement, candidate.name)
        return Pinned(candidates, {text: tuple(each) for text, each in requirements.items()})


def _with(owner: Mapping[str, int], name: str, refused: int) -> Clause | None:
    """The clause that a choice rules out others; None where it rules out nothing."""
    mask = owner.get(name, ANYTHING) & refused
    return Clause({**owner, name: mask}) if mask else None


__all__ = ["Pinned", "Pinning"]
