"""A problem as choices: what there is to choose from, which is better, and what each one requires.

Both drivers read this one translation: :mod:`~cudalock.resolution.provider` (resolvelib) and
:mod:`~cudalock.resolution.pinning` (clause learning). It decides nothing:
:class:`~cudalock.resolution.problem.Problem` knows what exists,
:mod:`~cudalock.resolution.cost` what is better. The choices of one project are the bits of an
integer, of which :data:`~cudalock.resolution.propagation.ABSENT` is to do without it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final

from cudalock.resolution.cost import better_versions, component_order
from cudalock.resolution.limits import (
    READ_AHEAD,
    READ_AHEAD_AFTER,
    RELEASES_OF_CLOSURE,
    WINDOWS_OF_CLOSURE,
)
from cudalock.resolution.propagation import ABSENT, ANYTHING, meeting
from cudalock.versions import (
    accepts,
    is_prerelease,
    may_accept,
    names_prerelease,
    pins_exactly,
    specifier_set,
)

if TYPE_CHECKING:
    from cudalock.matrix.facts import Verb
    from cudalock.matrix.releases import Project
    from cudalock.resolution.cost import Ranking
    from cudalock.resolution.model import Candidate, Requirement
    from cudalock.resolution.problem import Problem
    from cudalock.resolution.propagation import Network

_RISING: Final = (">", ">=")
_FALLING: Final = ("<", "<=")


FIXED: Final = 0
"""The urgency of a project of the closure that has one version left."""
LOOSE: Final = 2
"""The urgency of a project of the closure that can take its newest version."""


def identify(name: str, extras: frozenset[str]) -> str:
    """Return what one choice is about: a project, `accelerate`, or one with extras, `ray[tune]`."""
    return f"{name}[{','.join(sorted(extras))}]" if extras else name


class Choices:
    """What one problem has to choose from, beside its network."""

    def __init__(self, problem: Problem, network: Network, ranking: Ranking) -> None:
        self.problem = problem
        self.domains = network.domains
        self.ranking = ranking
        self._order = {name: component_order(problem, name) for name in network.domains}
        self._releases: dict[str, Releases] = {}
        self._extended: dict[tuple[Candidate, frozenset[str]], Candidate] = {}
        self._accepted: dict[tuple[str, tuple[str, ...], Verb], int] = {}
        self.has_reconsidered = False
        """whether a release that was ignored, for being yanked or a pre-release, has been named
        since"""

    # -- what is required -------------------------------------------------------------------------

    def roots(self) -> Iterator[Requirement]:
        """Yield what the goal and the target require, whatever is chosen."""
        yield from self.problem.roots
        for requirement, _ in self.problem.fixed_requirements:
            yield requirement

    def options(self, cuda: str | None) -> tuple[Requirement, ...]:
        """Return what options require beside a framework built with a CUDA release."""
        return tuple(self.problem.option_requirements(cuda))

    def required_by(self, candidate: Candidate) -> Iterator[Requirement]:
        """Yield what a candidate requires: by its metadata, by facts, and what the goal requires of
        CUDA.

        With extras that is what the extras add, and first of all the project itself.
        """
        if candidate.is_absent:
            return
        yield from self.problem.metadata_requirements(candidate)
        # Facts hold for the project; the entry with extras would only repeat them.
        if not candidate.extras:
            yield from self.problem.fact_requirements(candidate)
            # Of a build with no label nobody knows what it was built with.
            if candidate.name == self.problem.matrix.framework and candidate.accelerator:
                yield from self.problem.accelerator_requirements()

    def accepted(self, requirement: Requirement) -> int:
        """Return the choices of a project that meet a requirement, or of which a build may meet
        it."""
        name = requirement.name
        domain = self.domains.get(name)
        if domain is not None:
            return domain.accepted(requirement)
        if not requirement.specifiers:
            return {"requires": ~ABSENT, "constrains": ANYTHING, "conflicts": ABSENT}[
                requirement.kind
            ]
        # resolvelib asks for all requirements of all projects that are left, in each round.
        key = (name, requirement.specifiers, requirement.kind)
        accepted = self._accepted.get(key)
        if accepted is None:
            releases = self.releases(name)
            accepted = self._accepted[key] = releases.accepted(requirement)
            # PEP 592: a yanked release counts once somebody pins it, also if that turns up late in
            # a search.
            if requirement.kind == "requires":
                if pins_exactly(requirement.specifiers):
                    self.has_reconsidered |= releases.pin(accepted)
                if names_prerelease(requirement.specifiers):
                    self.has_reconsidered |= releases.admit_prereleases(accepted)
        return accepted

    def exists(self, name: str, accepted: int) -> bool:
        """Whether some of the accepted choices of a project exist, other than to do without it."""
        domain = self.domains.get(name)
        if domain is not None:
            return bool(accepted & domain.all & ~ABSENT)
        return bool(accepted & ((2 << len(self.releases(name).versions)) - 2))

    # -- in which order ---------------------------------------------------------------------------

    def is_member(self, name: str) -> bool:
        """Whether a project is in the network."""
        return name in self.domains

    def urgency(self, name: str, allowed: int) -> tuple[int, int, str]:
        """How early a project is chosen for; the least comes first.

        The members of the network in the order of the cost vector, then the closure: what has one
        version left, what has an upper bound, then the rest. If bound projects came late in a large
        closure, the same conflict would be found again and again.
        """
        order = self._order.get(name)
        if order is not None:
            return (-1, *order)
        # At most one bit: the classic test for a power of two, or zero.
        if not allowed & (allowed - 1):
            return (FIXED, 0, "")
        releases = self._releases.get(name) or self.releases(name)
        return (LOOSE if allowed & releases.newest else 1, 0, "")

    def best_first(self, name: str, allowed: int, cuda: str | None) -> Iterator[int]:
        """The positions of the candidates of a member of the network, the best first."""
        return self.ranking.best_first(name, allowed, cuda)

    # -- candidates -------------------------------------------------------------------------------

    def releases(self, name: str) -> Releases:
        """A project of the closure."""
        if name not in self._releases:
            self._releases[name] = Releases(self.problem, name)
        return self._releases[name]

    def builds(self, name: str, bit: int, cuda: str | None) -> list[Candidate]:
        """The candidates of one release of the closure, the best first."""
        # One candidate needs no ranking, and nearly all of the closure has one.
        offered = self.releases(name).offered(bit)
        if len(offered) == 1:
            return [*offered]
        return sorted(offered, key=lambda candidate: self.ranking.key(candidate, cuda))

    def with_extras(self, candidate: Candidate, extras: frozenset[str]) -> Candidate:
        """The candidate for a requirement that names extras, made once."""
        if not extras or candidate.extras:
            return candidate
        key = (candidate, extras)
        if key not in self._extended:
            self._extended[key] = candidate.with_extras(extras)
        return self._extended[key]


class Releases:
    """A project of the closure: its versions as bits, the newest the highest."""

    def __init__(self, problem: Problem, name: str) -> None:
        self.name = name
        self._problem = problem
        self._project: Project | None = problem.universe.project(name)
        self.versions: Sequence[str] = self._project.versions if self._project else ()
        # From bit 1 on: bit 0 is ABSENT.
        self._place = {version: place for place, version in enumerate(self.versions, 1)}
        self._masks: dict[str, int] = {}
        self._offered: dict[int, tuple[Candidate, ...]] = {}
        self._first: dict[str | None, tuple[int, ...]] = {}
        self._viable = 0
        self._pinned = 0
        self._admitted = 0
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
        """The newest version that is not a pre-release, unless the project has no other."""
        for version in reversed(self.versions):
            if not self.is_early(self.bit(version)):
                return self.bit(version)
        return 0

    @cached_property
    def _takes_early(self) -> bool:
        roots = self._problem.roots_of(self.name)
        specifiers = [text for root in roots for text in root.specifiers]
        return self._project is None or self._project.takes_prereleases(specifiers)

    def is_early(self, bit: int) -> bool:
        """Return whether a release is a pre-release that the goal does not ask for, of a project
        that has others: it is for requirements that name one, where no other is left."""
        return not self._takes_early and is_prerelease(self.version(bit))

    # -- what meets a requirement -----------------------------------------------------------------

    def accepted(self, requirement: Requirement) -> int:
        """The versions of which some build may meet a requirement."""
        return meeting(requirement, self._inside)

    def pin(self, mask: int) -> bool:
        """Note that somebody requires exactly these versions, yanked or not; return whether one of
        them was ignored before for being yanked."""
        self._pinned |= mask
        return self._was_passed_over(mask)

    def admit_prereleases(self, mask: int) -> bool:
        """Note that somebody requires one of these versions and names a pre-release; return whether
        one of them was ignored before for being one."""
        self._admitted |= mask
        return self._was_passed_over(mask)

    def _was_passed_over(self, mask: int) -> bool:
        was_passed_over = bool(mask & self._passed_over)
        self._passed_over &= ~mask
        return was_passed_over

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
            # In the order of versions, those inside lie at one end: a dozen comparisons instead of
            # hundreds.
            rising = operator in _RISING
            place = bisect_left(self.versions, True, key=lambda each: accepts(text, each) is rising)
            below = (2 << place) - 2
            return ~below & ~ABSENT if rising else below
        # Most pins are found by their text; `==2.5` of 2.5.0 is not.
        if operator == "==" and (exact := self.bit(version)):
            return exact
        return sum(
            1 << place for place, each in enumerate(self.versions, 1) if may_accept(text, each)
        )

    # -- what is offered --------------------------------------------------------------------------

    def best(self, allowed: int, cuda: str | None) -> tuple[int, int]:
        """Return the bit of the best release, 0 without one, and those that turned out to be no
        choices. Yanked releases are for requirements that pin them, pre-releases for those that
        name one."""
        none = yanked = early = 0
        for bit, offered in self.in_order(allowed, cuda):
            if not offered:
                none |= bit
            elif not offered[0].is_yanked:
                if not self.is_early(bit):
                    return bit, none
                early = early or bit
            elif bit & self._pinned:
                yanked = yanked or bit
            else:
                self._passed_over |= bit
                none |= bit
        # Only now: a pre-release, or else a yanked release, is taken if nothing else is left.
        last = early or yanked
        return last, none if last else allowed

    def in_order(
        self, allowed: int, cuda: str | None
    ) -> Iterator[tuple[int, tuple[Candidate, ...]]]:
        """Yield the releases with their candidates, the best first; those that are not looked at,
        since enough others were, have none."""
        there = allowed & ((2 << len(self.versions)) - 2)
        for bit in self._in_order(there, cuda):
            if bit not in self._offered:
                self._look_ahead(there & (2 * bit - 1))
            yield bit, self._offered_now(bit)

    def _look_ahead(self, mask: int) -> None:
        """Read the next releases in parallel if one after another was of no use: each time as many
        as were looked at so far, so that few are read in vain."""
        if self._project is None or self._project.window is None or self._viable < READ_AHEAD_AFTER:
            return
        following = [
            self.version(bit)
            for bit in self._in_order(mask, None)
            if bit not in self._offered and not self._is_ignored(bit)
        ]
        if following and following[0] not in self._foreseen:
            following = following[: min(self._viable, READ_AHEAD)]
            self._foreseen.update(following)
            self._problem.look_ahead(self.name, following)

    def _in_order(self, mask: int, cuda: str | None) -> Iterator[int]:
        if cuda not in self._first:
            better = better_versions(self._problem, self.name, cuda)
            self._first[cuda] = tuple(filter(None, map(self.bit, better)))
        # What the cost vector prefers, such as an installed version, comes before the newest.
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
        if self._is_ignored(bit):
            self._passed_over |= bit
            return ()
        if project is None or bit in self._offered:
            return self._offered.get(bit, ())
        is_free = project.is_free(self.version(bit))
        if (
            not is_free
            and project.window is not None
            and self._viable >= min(project.window * WINDOWS_OF_CLOSURE, RELEASES_OF_CLOSURE)
        ):
            project.cut()
            return ()
        candidates = self.offered(bit)
        self._viable += bool(candidates) and not is_free
        return candidates

    def _is_ignored(self, bit: int) -> bool:
        return not bit & self._admitted and self.is_early(bit)

    def offered(self, bit: int) -> tuple[Candidate, ...]:
        """The candidates of a version that nothing refuses."""
        candidates = self._offered.get(bit)
        if candidates is None:
            problem = self._problem
            candidates = tuple(
                candidate
                for candidate in problem.candidates_at(self.name, self.version(bit))
                if not problem.refusals(candidate)
            )
            self._offered[bit] = candidates
        return candidates
