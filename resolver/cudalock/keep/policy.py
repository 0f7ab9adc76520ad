"""A goal beside what is kept, as the engine asks it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from packaging.version import InvalidVersion

from cudalock.compat.wheels import comes_from
from cudalock.resolution.elements import BUILDERS_OPTION, EXCLUDE_NEWER_OPTION, Element
from cudalock.resolution.problem import Problem
from cudalock.resolution.propagation import NOTHING
from cudalock.versions import accepts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cudalock.compat.installed import ExaminedEnvironment
    from cudalock.compat.pins import PinnedProject
    from cudalock.goals import Goal
    from cudalock.resolution import Candidate, Requirement

_OF_CHOICE: Final = frozenset([BUILDERS_OPTION, EXCLUDE_NEWER_OPTION])
"""What rules out a wheel that is to be chosen, and not one that is there."""


class KeepingProblem(Problem):
    """A goal beside what is kept: that is had as it is, whoever built it and whenever.

    What is kept stays beside what is kept, and on its machine, whether that is well or not: only
    what is new is judged. How healthy the environment is is for `cudalock doctor` to say.
    """

    def __init__(
        self,
        subject: ExaminedEnvironment,
        goal: Goal,
        kept: Sequence[PinnedProject],
        off: frozenset[Element] = NOTHING,
        wide: bool = False,
        rounds: int | None = None,
    ) -> None:
        self.subject = subject
        self.asked = goal
        self.kept = tuple(kept)
        self._held = {each.name: each for each in self.kept if each.specifier}
        """what is there; the rest of what is kept is only to be had, at whatever version"""
        self._unknown = {
            each.name: each.version
            for each in subject.inventory.distributions
            if each.name not in self._held and not subject.builds(each)
        }
        wanted = [each.text for each in self.kept if each.required]
        limits = [each.text for each in self.kept if not each.required]
        goal = replace(
            goal,
            requirements=tuple(dict.fromkeys((*goal.requirements, *wanted))),
            constraints=tuple(dict.fromkeys((*goal.constraints, *limits))),
        )
        super().__init__(goal, subject.target, subject.universe, off, wide)
        # What nothing holds stays rather than change to something newer.
        self.favourites = {
            each.name: each.public
            for each in subject.inventory.distributions
            if each.name not in self._held
        }
        self.max_dead_ends = rounds

    def without(self, off: frozenset[Element]) -> KeepingProblem:
        return KeepingProblem(self.subject, self.asked, self.kept, off, rounds=self.max_dead_ends)

    def cuda_wishes(self) -> Iterator[Requirement]:
        # Whether the framework that is there has CUDA is no wish any more.
        if self.matrix.framework not in self._held or self.goal.cuda is not None:
            yield from super().cuda_wishes()

    def missed_filters(self, candidate: Candidate) -> Iterator[frozenset[Element]]:
        held = self._held.get(candidate.name)
        for missed in super().missed_filters(candidate):
            if held is None or not missed <= _OF_CHOICE:
                yield missed
        build = candidate.build
        if held and build and not comes_from(held, build, candidate.version or ""):
            yield frozenset([Element("source", candidate.name)])

    def told_apart_by(self, candidate: Candidate) -> str | None:
        held = self._held.get(candidate.name)
        if held is not None and held.file is not None:
            return candidate.full_version
        return super().told_apart_by(candidate)

    def _metadata_requirements(
        self, candidate: Candidate, names: frozenset[str] | None
    ) -> Iterator[Requirement]:
        for requirement in super()._metadata_requirements(candidate, names):
            if candidate.name in self._held and requirement.name in self._held:
                continue
            # A version that the matrix does not know meets what its number meets.
            version = self._unknown.get(requirement.name)
            if version is None or not meets(requirement.specifiers, version):
                yield requirement

    def is_settled(self, owner: str, other: str) -> bool:
        """Between what is there already: what is kept, the machine, and what the build of a kept
        framework fixes. That it fixes it stays a question, or nobody would know."""
        if owner == self.matrix.framework and other != owner and other not in self.target_values:
            return other in self._held
        return self._is_there(owner) and self._is_there(other)

    def _is_there(self, name: str) -> bool:
        if name in self._held or name in self.target_values:
            return True
        fixed = self.matrix.framework in self._held
        return fixed and self.matrix.component(name).is_virtual


def meets(specifiers: Iterable[str], version: str) -> bool:
    """Whether a version is inside all of these; none is that is no version to PEP 440."""
    try:
        return all(accepts(each, version) for each in specifiers)
    except InvalidVersion:
        return False


__all__ = ["KeepingProblem", "meets"]
