"""A problem as choices to be made: it translates, and decides nothing.

:class:`~cudalock.resolution.problem.Problem` knows what exists and what it asks for,
:mod:`~cudalock.resolution.cost` what is better. An identifier is a project's name, with its extras
in brackets where they were asked for, or a virtual component; where a release of the closure has
several builds, the choice of one has the identifier ``name@version``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from cudalock.resolution.clauses import ANYTHING, Clause
from cudalock.resolution.cost import component_key, component_order
from cudalock.resolution.model import Assignment
from cudalock.resolution.propagation import ABSENT
from cudalock.resolution.releases import Releases
from cudalock.versions import accepts, pins_exactly, specifier_set

if TYPE_CHECKING:
    from cudalock.resolution.cost import Key
    from cudalock.resolution.model import Candidate, Requirement
    from cudalock.resolution.problem import Problem
    from cudalock.resolution.propagation import Alive, Network


class _Identifier(NamedTuple):
    """What a choice is about: a project, with extras, or a build of one of its releases."""

    name: str
    extras: frozenset[str] = frozenset()
    version: str = ""
    """of which a build is chosen; empty where the version is"""

    def __str__(self) -> str:
        extras = f"[{','.join(sorted(self.extras))}]" if self.extras else ""
        return f"{self.name}{extras}@{self.version}" if self.version else f"{self.name}{extras}"


class ProblemChoices:
    """What :class:`Learner` chooses from."""

    def __init__(self, problem: Problem, network: Network, pinned: dict[str, int]) -> None:
        self.cuda: str | None = None
        self._problem = problem
        self._domains = network.domains
        self._pinned = pinned
        self._order = {name: (0, *component_order(problem, name)) for name in network.domains}
        self._releases: dict[str, Releases] = {}
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
        """See :class:`~cudalock.resolution.clauses.Choices`."""
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
        favourite = self._problem.policy.favourites.get(base)
        best = min(members, key=lambda each: (each.version != favourite, self._key(each)))
        return 1 << domain.place(best), 0

    def _key(self, candidate: Candidate) -> Key:
        found = self._keys.get((candidate, self.cuda))
        if found is None:
            found = component_key(self._problem, candidate, self.cuda)
            self._keys[candidate, self.cuda] = found
        return found

    def asked(self, name: str, bit: int, chosen: Mapping[str, int]) -> Iterator[Clause]:
        """See :class:`~cudalock.resolution.clauses.Choices`."""
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

    def _of(self, name: str) -> Releases:
        if name not in self._releases:
            self._releases[name] = Releases(self._problem, name, self._pinned.get(name, 0))
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

    def result(self, found: Mapping[str, int], options: tuple[Requirement, ...]) -> Assignment:
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
        return Assignment(candidates, {text: tuple(each) for text, each in requirements.items()})


def _with(owner: Mapping[str, int], name: str, refused: int) -> Clause | None:
    """The clause that a choice rules out others; None where it rules out nothing."""
    mask = owner.get(name, ANYTHING) & refused
    return Clause({**owner, name: mask}) if mask else None


__all__ = ["ProblemChoices"]
