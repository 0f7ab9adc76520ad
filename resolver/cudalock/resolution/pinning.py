"""The second driver: clause learning, over the choices of :mod:`~cudalock.resolution.choices`.

It takes over where resolvelib meets dead ends, as it does in large closures. What a choice requires
becomes clauses, which :mod:`~cudalock.resolution.clauses` searches and learns from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from cudalock.records import NamedTuple
from cudalock.resolution.choices import identify
from cudalock.resolution.clauses import Clause, Learner, TooLong
from cudalock.resolution.limits import DEAD_ENDS, QUICK_DEAD_ENDS
from cudalock.resolution.model import Assignment
from cudalock.resolution.propagation import ABSENT, ANYTHING
from cudalock.versions import accepts, specifier_set

if TYPE_CHECKING:
    from cudalock.resolution.choices import Choices
    from cudalock.resolution.model import Candidate, Requirement
    from cudalock.resolution.propagation import Alive


class ClauseSearch:
    """Searches the choices of one problem as often as necessary, and remembers what it learned.

    Each search may see only a part of the network.
    """

    def __init__(self, choices: Choices) -> None:
        self._choices = choices
        self.made = 0
        """how many choices were made"""
        self.dead_ends = 0
        self._restart()

    @property
    def blamed(self) -> frozenset[str]:
        """The projects that it rests on that the last search found no choice."""
        return self._clauses.projects(self._learner.blamed)

    @property
    def unmet(self) -> dict[str, set[str]]:
        """The specifiers, by project, that something requires and no release meets."""
        return self._clauses.unmet

    @property
    def required(self) -> dict[str, set[tuple[str, ...]]]:
        """What something requires of projects, as specifiers."""
        return self._clauses.required

    def _restart(self) -> None:
        self._choices.has_reconsidered = False
        self._clauses = Clauses(self._choices)
        self._learner = Learner(self._clauses)
        for clause in self._clauses.roots():
            self._learner.add(clause)

    def pin(self, alive: Alive, cuda: str | None) -> Assignment | None:
        """The best choice among what is alive; None where there is no choice, or where none was
        found in as much time as there is, which the problem then remembers."""
        problem = self._choices.problem
        most = problem.policy.max_dead_ends or DEAD_ENDS
        # An index may have more releases to show, and then the search begins again anyway.
        if not problem.universe.is_whole:
            most = min(QUICK_DEAD_ENDS, most)
        options = self._choices.options(cuda)
        try:
            found = self._search(alive, cuda, options, most)
        except TooLong:
            problem.gave_up = True
            return None
        return None if found is None else self._clauses.assignment(found, options)

    def is_hopeless(self, alive: Alive) -> bool:
        """Whether a short search proves that there is no choice among what is alive, options apart.

        What it learns is known to every search after it.
        """
        try:
            return self._search(alive, None, (), QUICK_DEAD_ENDS) is None
        except TooLong:
            return False

    def _search(
        self, alive: Alive, cuda: str | None, options: tuple[Requirement, ...], most: int
    ) -> dict[str, int] | None:
        while True:
            if self._choices.has_reconsidered:
                # A yanked release was passed over, and what was learned rests on that.
                self._restart()
            learner, clauses = self._learner, self._clauses
            before = learner.made, learner.dead_ends
            clauses.cuda = cuda
            try:
                for clause in clauses.wanted(options):
                    learner.add(clause)
                found = learner.search(clauses.assumed(alive, options), most)
            except Reconsidered:
                continue
            finally:
                self.made += learner.made - before[0]
                self.dead_ends += learner.dead_ends - before[1]
            return found


class Reconsidered(Exception):
    """A release that was ignored for being yanked is pinned now."""


class Identifier(NamedTuple):
    """What a clause's name stands for: a project, with extras, or a build of one of its releases.

    Where a release of the closure has several builds, the choice of one has the name
    ``name@version``.
    """

    name: str
    extras: frozenset[str] = frozenset()
    version: str = ""
    """of which a build is chosen; empty where the version is"""

    def __str__(self) -> str:
        name = identify(self.name, self.extras)
        return f"{name}@{self.version}" if self.version else name


class Clauses:
    """The choices of a problem as a :class:`~cudalock.resolution.clauses.Learner` sees them."""

    def __init__(self, choices: Choices) -> None:
        self.cuda: str | None = None
        self._choices = choices
        self._builds: dict[str, list[Candidate]] = {}
        self._identifiers: dict[str, Identifier] = {}
        """what was required so far, in the order in which it was met"""
        self._places: dict[str, int] = {}
        self._with: dict[str, list[str]] = {}
        """the identifiers with extras, by the one without"""
        self._kept_back: dict[str, list[tuple[dict[str, int], Requirement]]] = {}
        """what is asked of projects that nobody requires so far"""
        self.unmet: dict[str, set[str]] = {}
        """what is required of projects and no release meets, as specifiers"""
        self.required: dict[str, set[tuple[str, ...]]] = {}
        """what is required of projects, as specifiers"""
        self._told: set[tuple[str, int]] = set()
        self._tied: set[tuple[str, int]] = set()

    # -- what holds whatever is chosen ------------------------------------------------------------

    def roots(self) -> Iterator[Clause]:
        """What the goal and the target require."""
        for requirement in self._choices.roots():
            yield from self._of_requirement({}, requirement)

    def wanted(self, options: tuple[Requirement, ...]) -> Iterator[Clause]:
        """Yield what others require of the projects that options require."""
        for requirement in options:
            yield from self._note(Identifier(requirement.name))

    def assumed(self, alive: Alive, options: tuple[Requirement, ...]) -> dict[str, int]:
        """What holds for one search."""
        # Absence stays possible: whether a member is needed follows from clauses.
        found = {name: mask | ABSENT for name, mask in alive.items()}
        for requirement in options:
            accepted = self._accepted(requirement)
            found[requirement.name] = found.get(requirement.name, ANYTHING) & accepted
        return found

    def projects(self, names: Iterable[str]) -> frozenset[str]:
        """The projects that clauses' names stand for."""
        known = self._identifiers
        return frozenset(known[name].name if name in known else name for name in names)

    # -- Chooser ----------------------------------------------------------------------------------

    def urgency(self, name: str, allowed: int) -> tuple[object, ...]:
        """See :class:`~cudalock.resolution.clauses.Chooser`; of equals, what was met first."""
        base, extras, version = self._identifiers[name]
        # Builds right after their release: until then the release's requirements are unknown.
        if version:
            return (-2, 0, "", 0, bool(extras), name)
        return (*self._choices.urgency(base, allowed), self._places[base], bool(extras), name)

    def best(self, name: str, allowed: int) -> tuple[int, int]:
        """See :class:`~cudalock.resolution.clauses.Chooser`."""
        base, _, version = self._identifiers[name]
        if version:
            builds = [
                (self._choices.ranking.key(build, self.cuda), 1 << place)
                for place, build in enumerate(self._builds[name], 1)
                if allowed & 1 << place
            ]
            return (min(builds)[1], 0) if builds else (0, allowed)
        if not self._choices.is_member(base):
            return self._choices.releases(base).best(allowed, self.cuda)
        best = next(self._choices.best_first(base, allowed, self.cuda), None)
        return (0, allowed) if best is None else (1 << best, 0)

    def clauses_of(self, name: str, bit: int, chosen: Callable[[str], int]) -> Iterator[Clause]:
        """See :class:`~cudalock.resolution.clauses.Chooser`."""
        # First: a tie may be new although the choice itself was explained before.
        yield from self._ties(name, bit, chosen)
        if (name, bit) in self._told:
            return
        self._told.add((name, bit))
        identifier = self._identifiers[name]
        candidates = self._candidates(identifier, bit)
        # Requirements differ from build to build, so first one has to be chosen.
        if len(candidates) > 1:
            build = identifier._replace(version=candidates[0].version or "")
            self._builds[str(build)] = candidates
            yield from self._note(build)
            yield Clause({name: bit, str(build): ABSENT})
            return
        for requirement in self._choices.required_by(candidates[0]):
            # That a project with extras requires the project itself is a tie.
            if requirement.name != identifier.name or requirement.extras:
                yield from self._of_requirement({name: bit}, requirement)

    def _ties(self, name: str, bit: int, chosen: Callable[[str], int]) -> Iterator[Clause]:
        """A project with extras is the project itself."""
        base = str(self._identifiers[name]._replace(extras=frozenset()))
        pairs = [(base, each) for each in self._with.get(name, ())] if name == base else []
        # The project was chosen before somebody required its extras.
        if name != base and (of_base := chosen(base)):
            pairs.append((base, name))
            bit = of_base
        for one, other in pairs:
            if (other, bit) not in self._tied:
                self._tied.add((other, bit))
                yield Clause({one: bit, other: ~(bit | ABSENT)})

    # -- what is required -------------------------------------------------------------------------

    def _of_requirement(self, owner: dict[str, int], requirement: Requirement) -> Iterator[Clause]:
        """What a requirement of a choice rules out beside it."""
        name = requirement.name
        if requirement.kind == "requires":
            self.required.setdefault(name, set()).add(requirement.specifiers)
            identifier = Identifier(name, requirement.extras)
            yield from self._note(Identifier(name))
            yield from self._note(identifier)
            names = {name, str(identifier)}
        elif self._choices.is_member(name) or name in self._identifiers:
            names = {name}
        else:
            # Whether it matters is not known yet, and to read the project costs time.
            self._kept_back.setdefault(name, []).append((owner, requirement))
            return
        accepted = self._accepted(requirement)
        if requirement.specifiers and not self._choices.exists(name, accepted):
            self.unmet.setdefault(name, set()).update(requirement.specifiers)
        names_a_build = any("+" in specifier for specifier in requirement.specifiers)
        if names_a_build and not self._choices.is_member(name):
            accepted, clauses = self._of_builds(owner, requirement, accepted)
            yield from clauses
        for each in sorted(names):
            clause = _with(owner, each, ~accepted)
            if clause is not None:
                yield clause

    def _note(self, identifier: Identifier) -> Iterator[Clause]:
        """Remember that somebody requires it; from then on what others require of it counts."""
        text = str(identifier)
        if text in self._identifiers:
            return
        self._identifiers[text] = identifier
        self._places.setdefault(identifier.name, len(self._places))
        if identifier.extras:
            self._with.setdefault(str(identifier._replace(extras=frozenset())), []).append(text)
        for owner, requirement in self._kept_back.pop(text, ()):
            yield from self._of_requirement(owner, requirement)

    def _accepted(self, requirement: Requirement) -> int:
        accepted = self._choices.accepted(requirement)
        if self._choices.has_reconsidered:
            raise Reconsidered
        return accepted

    def _of_builds(
        self, owner: dict[str, int], requirement: Requirement, accepted: int
    ) -> tuple[int, list[Clause]]:
        """The same for a requirement that names a build: where some builds of a version meet it,
        those are to be chosen."""
        releases, clauses = self._choices.releases(requirement.name), []
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
                place
                for place, candidate in enumerate(candidates, 1)
                if requirement.accepts(candidate)
            ]
            # No build of this version has the label.
            if not meeting:
                accepted &= ~bit
            elif len(meeting) < len(candidates):
                build = str(Identifier(requirement.name, version=version))
                kept = sum(1 << place for place in meeting) | ABSENT
                clause = _with(owner, build, ~kept)
                clauses += [clause] if clause else []
        return accepted, clauses

    # -- candidates -------------------------------------------------------------------------------

    def _candidates(self, identifier: Identifier, bit: int) -> list[Candidate]:
        """Return what a bit means: several builds, of which one is still to be chosen, or one."""
        base, extras, version = identifier
        place = bit.bit_length() - 1
        if self._choices.is_member(base):
            offered = [self._choices.domains[base].candidates[place]]
        elif version:
            offered = [self._builds[str(identifier)][place - 1]]
        else:
            offered = [*self._choices.releases(base).offered(bit)]
        return [self._choices.with_extras(candidate, extras) for candidate in offered]

    def assignment(self, found: Mapping[str, int], options: tuple[Requirement, ...]) -> Assignment:
        """What was chosen, and who required it."""
        candidates: dict[str, Candidate] = {}
        for text, bit in found.items():
            identifier = self._identifiers[text]
            of_bit = self._candidates(identifier, bit)
            if len(of_bit) == 1:
                candidates[str(identifier._replace(version=""))] = of_bit[0]
        requirements: dict[str, list[tuple[Requirement, str | None]]] = {}

        def note(requirement: Requirement, parent: str | None) -> None:
            if requirement.kind == "requires":
                text = identify(requirement.name, requirement.extras)
                requirements.setdefault(text, []).append((requirement, parent))

        for requirement in (*self._choices.roots(), *options):
            note(requirement, None)
        for candidate in candidates.values():
            for requirement in self._choices.required_by(candidate):
                note(requirement, candidate.name)
        return Assignment(
            candidates, {text: tuple(reasons) for text, reasons in requirements.items()}
        )


def _with(owner: Mapping[str, int], name: str, refused: int) -> Clause | None:
    """The clause that a choice rules out others; None where it rules out nothing."""
    mask = owner.get(name, ANYTHING) & refused
    return Clause({**owner, name: mask}) if mask else None
