"""A project of the closure, its versions as the bits of an integer."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final

from cudalock.resolution.cost import better_versions
from cudalock.resolution.limits import (
    READ_AHEAD,
    READ_AHEAD_AFTER,
    RELEASES_OF_CLOSURE,
    WINDOWS_OF_CLOSURE,
)
from cudalock.resolution.propagation import ABSENT, meeting
from cudalock.versions import accepts, is_prerelease, may_accept, specifier_set

if TYPE_CHECKING:
    from cudalock.matrix.releases import Project
    from cudalock.resolution.model import Candidate, Requirement
    from cudalock.resolution.problem import Problem

_RISING: Final = (">", ">=")
_FALLING: Final = ("<", "<=")


class PassedOver(Exception):
    """A release that was passed over, for it was withdrawn, is asked for by its version."""


class Releases:
    """A project of the closure: its versions as bits, the newest the highest."""

    def __init__(self, problem: Problem, name: str, pinned: int) -> None:
        self.name = name
        self._problem = problem
        self._project: Project | None = problem.universe.project(name)
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
        """Told that somebody asks for a version by its number.

        Raises PassedOver where it was passed over before.
        """
        self._pinned |= mask
        if mask & self._passed_over:
            raise PassedOver

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
        """See :class:`~cudalock.resolution.clauses.Choices`."""
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
        if self._project is None or self._project.window is None or self._viable < READ_AHEAD_AFTER:
            return
        following = [
            self.version(bit) for bit in self._in_order(mask, None) if bit not in self._offered
        ]
        if following and following[0] not in self._foreseen:
            following = following[: min(self._viable, READ_AHEAD)]
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
        if project.window is not None and self._viable >= min(
            project.window * WINDOWS_OF_CLOSURE, RELEASES_OF_CLOSURE
        ):
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


__all__ = ["PassedOver", "Releases"]
