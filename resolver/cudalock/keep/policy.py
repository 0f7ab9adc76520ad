"""Make the resolver take what is preserved as it is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion

from cudalock.compat.wheels import comes_from
from cudalock.keep.foreign import Tied, is_foreign
from cudalock.resolution.policy import Policy
from cudalock.resolution.problem import Problem
from cudalock.versions import accepts

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from cudalock.compat.installed import ExaminedEnvironment
    from cudalock.compat.pins import PinnedProject
    from cudalock.goals import Goal
    from cudalock.resolution.elements import Element
    from cudalock.resolution.model import Candidate, Requirement


class KeepPolicy(Policy):
    """Take what is preserved as it is, whoever built it and whenever: only what is new is judged.

    What is preserved stays beside what is preserved, and on its machine, whether they are
    compatible or not: `cudalock doctor` is there to say that.
    """

    def __init__(
        self,
        environment: ExaminedEnvironment,
        preserved: Sequence[PinnedProject],
        max_dead_ends: int | None = None,
    ) -> None:
        """`max_dead_ends` bounds the search: None for the resolver's own bound."""
        self.max_dead_ends = max_dead_ends
        self._framework = environment.matrix.framework
        self._component = environment.matrix.component
        # Pins without a specifier are only to be there, at whatever version.
        self._pins = {pin.name: pin for pin in preserved if pin.specifier}
        # What is made for another Python is replaced by a wheel that fits.
        self._staying = {
            name
            for name in self._pins
            if (installed := environment.inventory.find(name)) is None
            or not environment.is_foreign(installed)
        }
        self._trust = environment.universe.trust
        self._tied = Tied(environment.matrix) if self._keeps_foreign(environment) else None
        others = [
            installed
            for installed in environment.inventory.distributions
            if installed.name not in self._pins
        ]
        self._unknown = {
            installed.name: installed.version
            for installed in others
            if not environment.builds(installed)
        }
        # What nothing preserves stays rather than change to something newer.
        self.favourites = {installed.name: installed.public for installed in others}

    def _keeps_foreign(self, environment: ExaminedEnvironment) -> bool:
        return self._framework in self._pins and is_foreign(environment)

    def wants_accelerator(self, goal: Goal) -> bool:
        # A preserved framework has CUDA or not: there is nothing left to prefer.
        return self._framework not in self._pins or goal.accelerator is not None

    def source_allowed(self, candidate: Candidate) -> bool:
        pin, build = self._pins.get(candidate.name), candidate.build
        if pin is not None or build is None:
            return pin is None or build is None or comes_from(pin, build, candidate.version or "")
        return self._tied is None or not self._tied.refuses(candidate, self._trust(build))

    def source_key(self, candidate: Candidate) -> str | None:
        if self._tied is not None:
            return repr((candidate.full_version, candidate.wheel, candidate.build))
        pin = self._pins.get(candidate.name)
        return candidate.full_version if pin is not None and pin.file is not None else None

    def option_applies(self, option: Element, name: str) -> bool:
        return name not in self._pins

    def requirement_counts(self, candidate: Candidate, requirement: Requirement) -> bool:
        if candidate.name in self._staying and requirement.name in self._staying:
            return False
        # A version that is not in the matrix is judged by its number alone.
        version = self._unknown.get(requirement.name)
        return version is None or not meets(requirement.specifiers, version)

    def is_fixed(self, owner: str, other: str, machine: Container[str]) -> bool:
        """Return whether both are decided already: preserved, of the machine, or fixed by the build
        of a preserved framework.

        What that build fixes is still evaluated: nothing else knows it.
        """
        if owner == self._framework and other != owner and other not in machine:
            return other in self._staying
        return self._is_there(owner, machine) and self._is_there(other, machine)

    def _is_there(self, name: str, machine: Container[str]) -> bool:
        if name in self._staying or name in machine:
            return True
        return self._framework in self._staying and self._component(name).is_virtual


def keep_problem(
    environment: ExaminedEnvironment,
    goal: Goal,
    preserved: Sequence[PinnedProject],
    *,
    wide: bool = False,
    max_dead_ends: int | None = None,
) -> Problem:
    """Return the problem of a goal beside what is preserved."""
    required = [pin.constraint for pin in preserved if pin.required]
    goal = replace(goal, requirements=tuple(dict.fromkeys((*goal.requirements, *required))))
    # Only limited: an installed project that nothing requires any more is no reason for a no.
    goal = goal.constrained(pin.constraint for pin in preserved if not pin.required)
    policy = KeepPolicy(environment, preserved, max_dead_ends)
    return Problem(goal, environment.target, environment.universe, wide=wide, policy=policy)


def meets(specifiers: Iterable[str], version: str) -> bool:
    """Return whether a version is inside all specifiers; one that PEP 440 cannot read is not."""
    try:
        return all(accepts(specifier, version) for specifier in specifiers)
    except InvalidVersion:
        return False
