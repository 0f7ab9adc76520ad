"""Ask the resolver whether pins are compatible."""

from __future__ import annotations

from collections.abc import Container, Hashable, Sequence
from typing import TYPE_CHECKING

from cudalock.compat.pins import PinnedProject
from cudalock.compat.wheels import PinWheels, ReleaseBuild, comes_from
from cudalock.goals import Goal
from cudalock.resolution.minimal import minimal_conflict
from cudalock.resolution.policy import Policy
from cudalock.resolution.problem import Problem
from cudalock.resolution.search import Search

if TYPE_CHECKING:
    from cudalock.goals import ProjectRequirement
    from cudalock.matrix.universe import Universe
    from cudalock.resolution.model import Candidate, Requirement
    from cudalock.targets import Target


class PinPolicy(Policy):
    """Check pins as they are: nothing is wished for beside them, and each comes from its source.

    Of metadata's requirements those count that are about a pin or about a project of ``stack``
    (None: about any), that nobody has ``overridden``, and whose project the matrix has.
    """

    reads_aliases = False

    def __init__(
        self,
        pins: Sequence[PinnedProject],
        universe: Universe,
        overridden: frozenset[str] = frozenset(),
        stack: Container[str] | None = None,
        target: Target | None = None,
    ) -> None:
        """`target` is needed for pins that take the highest local version, and for what has no
        wheel."""
        self._names = {pin.name for pin in pins}
        self._target = target
        self._built: dict[tuple[str, tuple[str, ...]], bool] = {}
        self._universe = universe
        self._overridden = overridden
        self._stack = stack
        self._by_conda = {pin.name for pin in pins if pin.by_conda}
        self._with_source: dict[str, list[PinnedProject]] = {}
        self._wheels: dict[str, list[PinWheels]] = {}
        for pin in pins:
            if pin.file is not None or pin.indexes is not None:
                self._with_source.setdefault(pin.name, []).append(pin)
            project = universe.project(pin.name) if pin.takes_highest else None
            if project is not None and target is not None:
                wheels = PinWheels(pin, project, target, universe.matrix)
                self._wheels.setdefault(pin.name, []).append(wheels)

    def wants_accelerator(self, goal: Goal) -> bool:
        return False

    def source_allowed(self, candidate: Candidate) -> bool:
        build, release = candidate.build, candidate.release
        if build is None or release is None:
            return True
        return all(
            comes_from(pin, build, candidate.version or "")
            for pin in self._with_source.get(candidate.name, ())
        ) and all(
            wheels.is_reachable(ReleaseBuild(release, build))
            for wheels in self._wheels.get(candidate.name, ())
        )

    def candidates_key(self, name: str) -> Hashable:
        pins = (
            *self._with_source.get(name, ()),
            *(each.pin for each in self._wheels.get(name, ())),
        )
        return PinPolicy, tuple(pin._replace(origin=None) for pin in pins)

    def source_key(self, candidate: Candidate) -> str | None:
        pins = self._with_source.get(candidate.name, ())
        depends_on_it = any(pin.file is not None or pin.takes_highest for pin in pins)
        return candidate.full_version if depends_on_it else None

    def requirement_counts(self, candidate: Candidate, requirement: Requirement) -> bool:
        name = requirement.name
        if candidate.name in self._by_conda:
            return False
        # Without a stack a closure of hundreds of projects would be searched for each question.
        is_checked = self._stack is None or name in self._names or name in self._stack
        return (
            is_checked
            and name not in self._overridden
            and self._universe.project(name) is not None
            and not self._is_built(requirement)
        )

    def _is_built(self, requirement: Requirement) -> bool:
        """Whether an installer has to build what a requirement leads to: no release that it accepts
        has a wheel for the target, and one has a source distribution. That is no conflict."""
        key = requirement.name, requirement.specifiers
        if key not in self._built:
            self._built[key] = self._has_only_sources(*key)
        return self._built[key]

    def _has_only_sources(self, name: str, specifiers: tuple[str, ...]) -> bool:
        project = self._universe.project(name)
        if project is None or self._target is None or not specifiers:
            return False
        pins = [PinnedProject(name, specifier) for specifier in specifiers]
        of_pins = [PinWheels(pin, project, self._target, self._universe.matrix) for pin in pins]
        releases = [project.release(version) for each in of_pins for version in each.versions]
        # Most have wheels, and are told by the rows themselves.
        if not any(release.sdist for release in releases):
            return False
        return all(each.first(each.fits) is None for each in of_pins)


class PinQuery:
    """Queries whether pins are compatible on one target, and counts the queries."""

    def __init__(
        self,
        target: Target,
        universe: Universe,
        solves: int,
        overridden: frozenset[str] = frozenset(),
        strict: bool = False,
        stack: Container[str] | None = None,
    ) -> None:
        """`solves` is how many searches are allowed; with `strict` a warning is a conflict."""
        self.strict = strict
        self._stack = stack
        self.target = target
        self.universe = universe
        self.solves = solves
        self.overridden = overridden

    @property
    def is_spent(self) -> bool:
        """Whether no search is left."""
        return self.solves <= 0

    def search(self, pins: Sequence[PinnedProject]) -> Search:
        """Return a new search for a solution with all of these pins."""
        self.solves -= 1
        return Search(self.problem(pins))

    def problem(self, pins: Sequence[PinnedProject], *, wide: bool = False) -> Problem:
        """Return the problem of these pins, whoever built their wheels."""
        # `any` builder: whoever pinned a wheel trusts it, and the trust is not what is judged.
        goal = Goal(
            requirements=tuple(
                dict.fromkeys(self._requirement(pin) for pin in pins if pin.required)
            ),
            constraints=tuple(dict.fromkeys(pin.constraint for pin in pins if not pin.required)),
            builders="any",
            strict=self.strict,
        )
        policy = PinPolicy(pins, self.universe, self.overridden, self._stack, self.target)
        return Problem(goal, self.target, self.universe, wide=wide, policy=policy)

    def _requirement(self, pin: PinnedProject) -> ProjectRequirement:
        """The pin as a requirement, with those of its extras that the matrix knows."""
        project = self.universe.project(pin.name) if pin.extras else None
        if project is None:
            return pin.constraint
        known = tuple(extra for extra in pin.extras if project.mentions_extra(extra))
        return pin._replace(extras=known).requirement

    def is_possible(self, pins: Sequence[PinnedProject]) -> bool:
        """Return whether the pins are compatible, warnings apart."""
        if not any(pin.required for pin in pins):
            return True
        return self.search(pins).is_possible()

    def core(self, pins: Sequence[PinnedProject]) -> list[PinnedProject]:
        """Return a minimal part of some incompatible pins, rather of the first ones."""
        return minimal_conflict(pins, self.is_possible)
