"""The nearest stack without known vulnerabilities: solved, and looked up again, before it is shown.

A fix of one pin may move others: torch 2.6.0 takes torchvision 0.21 with it. So what an advisory is
about may not be in the solution, whatever version it would have, and of all other pins as many stay
as can.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from cudalock.goals import ProjectRequirement
from cudalock.resolution.find import find
from cudalock.resolution.minimal import preserve_most
from cudalock.versions import accepts, parse_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cudalock.goals import Goal, Query
    from cudalock.indexes.osv import Advisory
    from cudalock.matrix.universe import Universe

_TRIES: Final = 12
"""Versions of one project that are tried, the nearest first."""
_ROUNDS: Final = 5
"""How often a solution may bring vulnerabilities of its own, and others are looked for."""


class AdvisorySource(Protocol):
    """Where advisories come from: `indexes.osv.Advisories`."""

    def of_pins(self, pins: Iterable[tuple[str, str]]) -> list[tuple[str, str, Advisory]]:
        """Return the advisories that affect pins, each with the pin's name and version."""

    def of_project(self, name: str) -> list[Advisory]:
        """Return all advisories about a project."""


class SafeStack(NamedTuple):
    """Pins that no known advisory affects, but for those that no version is without."""

    goal: Goal
    """the goal that resolves to it"""
    versions: Mapping[str, str]
    """by project, public"""
    left: tuple[str, ...]
    """vulnerable projects that stay, since no version in reach is without an advisory"""


def nearest_safe_stack(
    query: Query,
    pins: Mapping[str, str],
    vulnerable: Iterable[str],
    known: AdvisorySource,
    universe: Universe,
) -> SafeStack | None:
    """Return the solution without the vulnerabilities that keeps most of the pins; None for none.

    `pins` are versions by project, as locked. Raises what `find` and the advisories raise.
    """
    return _Search(query, pins, known, universe).run(dict.fromkeys(vulnerable))


class _Search:
    def __init__(
        self, query: Query, pins: Mapping[str, str], known: AdvisorySource, universe: Universe
    ) -> None:
        self.goal, self.target = query
        self.pins = {name: version.partition("+")[0] for name, version in pins.items()}
        self.known = known
        self.universe = universe
        self.excluded: dict[str, str] = {}
        """by project, the specifier of the version to take"""
        self.left: list[str] = []

    def run(self, vulnerable: Iterable[str]) -> SafeStack | None:
        waiting = list(vulnerable)
        for _ in range(_ROUNDS):
            for name in waiting:
                self._exclude(name)
            if not self.excluded:
                return None
            versions = self._solved()
            if versions is None:
                return None
            # What moved with a fix may have a vulnerability that the pins did not have.
            affected = self.known.of_pins(versions.items())
            waiting = [
                name
                for name in dict.fromkeys(name for name, _, _ in affected)
                if name not in self.left and name not in self.excluded
            ]
            if not waiting:
                return self._checked(versions)
        return None

    def _exclude(self, name: str) -> None:
        """Take the nearest version of a project that no advisory affects, if one has a solution."""
        advisories = self.known.of_project(name)
        versions = self.universe.matrix.versions(name)
        clean = [
            version for version in versions if not any(row.affects(version) for row in advisories)
        ]
        # The nearest first: 2.6.0 of torch 2.5.1, and not the newest that there is.
        for version in _nearest(clean, self.pins.get(name, "0"))[:_TRIES]:
            if self._has_solution({**self.excluded, name: f"=={version}"}):
                self.excluded[name] = f"=={version}"
                return
        self.left.append(name)

    def _has_solution(self, excluded: Mapping[str, str]) -> bool:
        return find(self._relaxed(excluded), self.target, self.universe) is not None

    def _relaxed(
        self, excluded: Mapping[str, str], more: Iterable[ProjectRequirement] = ()
    ) -> Goal:
        """Return the goal without what it requires of excluded projects, beyond their names, and
        with what is excluded."""
        constraints = [stated for stated in self.goal.constraints if stated.name not in excluded]
        # Constraints: a project that the new stack no longer requires need not be added.
        constraints += [ProjectRequirement.of(*exclusion) for exclusion in excluded.items()]
        return replace(
            self.goal,
            requirements=tuple(
                stated.any_version if self._yields(stated, excluded) else stated
                for stated in self.goal.requirements
            ),
            constraints=(*constraints, *more),
        )

    def _yields(self, stated: ProjectRequirement, excluded: Mapping[str, str]) -> bool:
        """Return whether a requirement may be dropped: an excluded project's own, and an exact pin
        of any other, which has to move with it."""
        return stated.name in excluded or stated.is_pin

    def _solved(self) -> dict[str, str] | None:
        """Return the versions of the solution that has most of the pins."""
        # What the user requested exactly is the last to change.
        requested = {stated.name for stated in self.goal.requirements}
        others = sorted(
            (name for name in self.pins if name not in self.excluded),
            key=lambda name: (name not in requested, name),
        )
        pins = [ProjectRequirement.pin(name, self.pins[name]) for name in others]

        def is_possible(kept: Sequence[ProjectRequirement]) -> bool:
            return find(self._relaxed(self.excluded, kept), self.target, self.universe) is not None

        kept = preserve_most([], pins, is_possible)
        resolution = find(self._relaxed(self.excluded, kept), self.target, self.universe)
        if resolution is None:
            return None
        return {
            name: str(candidate.version)
            for name, candidate in resolution.pins.items()
            if candidate.version is not None
        }

    def _checked(self, versions: Mapping[str, str]) -> SafeStack | None:
        """Return the goal that states what changed, if it resolves to nothing vulnerable."""
        # Only what has to change is stated: all else of the goal stays as the user wrote it.
        requirements = []
        named = set()
        for stated in self.goal.requirements:
            named.add(stated.name)
            fits = accepts(stated.specifier, versions.get(stated.name, "0"))
            requirements.append(stated if fits else stated.at(versions[stated.name]))
        constraints = [
            stated
            for stated in self.goal.constraints
            if accepts(stated.specifier, versions.get(stated.name, "0"))
        ]
        constraints += [
            ProjectRequirement.pin(name, versions[name])
            for name in self.excluded
            if name in versions and name not in named
        ]
        goal = replace(self.goal, requirements=tuple(requirements), constraints=tuple(constraints))
        resolution = find(goal, self.target, self.universe)
        if resolution is None:
            return None
        pins = {
            name: str(candidate.version)
            for name, candidate in resolution.pins.items()
            if candidate.version is not None
        }
        # Asked again: the solution may have moved pins that had no advisory before.
        still = {name for name, _, _ in self.known.of_pins(pins.items())}
        return SafeStack(goal, pins, tuple(self.left)) if still <= set(self.left) else None


def _nearest(versions: Sequence[str], version: str) -> list[str]:
    """Return versions, those after one first, from the nearest on: fixes are in later releases."""
    now = parse_version(version)
    ordered = sorted(versions, key=parse_version)
    later = [other for other in ordered if parse_version(other) > now]
    final = [other for other in later if not parse_version(other).is_prerelease]
    return [*final, *reversed([other for other in ordered if parse_version(other) < now])]


def changed_versions(
    before: Mapping[str, str], after: Mapping[str, str]
) -> list[tuple[str, str, str]]:
    """Return the projects of both whose version differs: name, version before, version after."""
    return [
        (name, version.partition("+")[0], after[name])
        for name, version in before.items()
        if name in after and after[name] != version.partition("+")[0]
    ]
