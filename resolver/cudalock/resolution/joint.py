"""Solve for several targets at once: the same versions on all of them come before the newest.

First one public version is looked for of the framework and of every goal component; where that is
impossible, one project after another is dropped from that, the least important first, with a note.
Then the closure takes one version wherever one fits all. Builds and wheels are each target's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cudalock.goals import Goal, ProjectRequirement
from cudalock.records import NamedTuple, replace
from cudalock.resolution.cost import component_order
from cudalock.resolution.find import find
from cudalock.resolution.model import Resolution
from cudalock.resolution.problem import Problem
from cudalock.resolution.search import Search
from cudalock.versions import version_order

if TYPE_CHECKING:
    from cudalock.matrix.releases import Wheel
    from cudalock.matrix.universe import Universe
    from cudalock.targets import Target


class Unsolvable(Exception):
    """One of several goals has no resolution on its target. Whoever catches it explains why."""

    def __init__(self, goal: Goal, target: Target) -> None:
        super().__init__(goal, target)
        self.goal = goal
        self.target = target


class JointResolution(NamedTuple):
    """A resolution for each target, and notes on how they differ."""

    resolutions: tuple[Resolution, ...]
    notes: tuple[str, ...]


def find_joint(queries: Sequence[tuple[Goal, Target]], universe: Universe) -> JointResolution:
    """Return the best joint resolution of one goal for each target.

    Raises Unsolvable for the first target that has none; GaveUp.
    """
    queries, notes = _without_accelerated(queries, universe)
    # Each by itself first: if one has no solution, its own conflict is the best explanation.
    separate = [_find(goal, target, universe) for goal, target in queries]
    if len(separate) == 1:
        return JointResolution(tuple(separate), tuple(notes))
    shared = _shared_names(separate, universe)
    pins = _CommonVersions(queries, universe).pins(shared)
    notes += [
        f"no version of {name} serves every target, so each has its own"
        for name in shared
        if name not in pins and len(_versions_in(separate, name)) > 1
    ]
    pinned = [(_with_pins(goal, pins), target) for goal, target in queries]
    resolutions = [
        # The goal that is recorded is the user's, without the pins that were added to it.
        resolution._replace(goal=goal)
        for resolution, (goal, _) in zip(_share_closure(pinned, universe), queries, strict=True)
    ]
    return JointResolution(tuple(resolutions), tuple(notes))


def _find(goal: Goal, target: Target, universe: Universe) -> Resolution:
    resolution = find(goal, target, universe)
    if resolution is None:
        raise Unsolvable(goal, target)
    return resolution


def _without_accelerated(
    queries: Sequence[tuple[Goal, Target]], universe: Universe
) -> tuple[list[tuple[Goal, Target]], list[str]]:
    """Return the queries without what only targets with an accelerator can have, and notes on that.

    If one target can have CUDA, a bare `flash-attn` and `--cuda` are meant for such targets only: a
    Mac in the same lock gets a torch of its own.
    """
    # Without any GPU target, `--cuda` on a Mac is a mistake to report.
    is_mixed = any(target.accelerators for _, target in queries)
    reduced, notes = [], []
    for goal, target in queries:
        if is_mixed and not target.accelerators:
            left_out = [
                stated for stated in goal.requirements if _has_no_wheel(stated, target, universe)
            ]
            requirements = tuple(stated for stated in goal.requirements if stated not in left_out)
            reduced.append((replace(goal, requirements=requirements, accelerator=None), target))
            if left_out:
                notes.append(f"{', '.join(map(str, left_out))} left out on {target.platform_label}")
        else:
            reduced.append((goal, target))
    return reduced, notes


def _has_no_wheel(stated: ProjectRequirement, target: Target, universe: Universe) -> bool:
    """Return whether a requirement is the bare name of a project without a wheel for the target."""
    if not stated.is_bare:
        return False
    # By itself: what else the goal requires is no reason why a platform has no wheel.
    problem = Problem(Goal(requirements=(stated,)), target, universe)
    return next(iter(problem.candidates(problem.project_named(stated.name))), None) is None


def _shared_names(separate: list[Resolution], universe: Universe) -> list[str]:
    """Return the framework and the goal's components that several targets have, the most important
    first."""
    counts: dict[str, int] = {}
    for resolution in separate:
        for name in {*resolution.goal_names, universe.matrix.framework}:
            if name in resolution.pins:
                counts[name or ""] = counts.get(name or "", 0) + 1
    problem = Problem(separate[0].goal, separate[0].target, universe)
    names = [name for name, count in counts.items() if count > 1]
    return sorted(
        names, key=lambda name: (name != universe.matrix.framework, component_order(problem, name))
    )


class _CommonVersions:
    """Searches for versions that fit every target."""

    def __init__(self, queries: list[tuple[Goal, Target]], universe: Universe) -> None:
        self._queries = queries
        self._universe = universe
        self._searches = [Search(Problem(goal, target, universe)) for goal, target in queries]
        self._versions: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = {}

    def pins(self, names: list[str]) -> dict[str, str]:
        """Return one public version for each of these projects, or for as many from the first on
        as possible, with which every target has a solution.

        Versions are tried the best first, the most important project in the outermost loop.
        """
        # From all shared names down: giving up the least important first.
        for count in range(len(names), 0, -1):
            if all(self._common_versions(name, {}) for name in names[:count]):
                pins = self._extend({}, names[:count])
                if pins is not None:
                    return pins
        return {}

    def _extend(self, pins: dict[str, str], names: list[str]) -> dict[str, str] | None:
        if not names:
            is_possible = all(
                Search(Problem(_with_pins(goal, pins), target, self._universe)).is_possible()
                for goal, target in self._queries
            )
            return pins if is_possible else None
        name, *later = names
        for version in self._common_versions(name, pins):
            extended = self._extend({**pins, name: version}, later)
            if extended is not None:
                return extended
        return None

    def _common_versions(self, name: str, pins: dict[str, str]) -> list[str]:
        """Return the versions that fit every target which has the project, the best first: of two
        the one that is better where it is worst."""
        key = name, tuple(pins.items())
        if key not in self._versions:
            left = [search.ranked_versions_left(name, pins) for search in self._searches]
            of_targets = [ranked for ranked in left if ranked is not None]
            common = set[str]().union(*of_targets[:1]).intersection(*of_targets[1:])
            self._versions[key] = sorted(
                common, key=lambda version: max(ranked[version] for ranked in of_targets)
            )
        return self._versions[key]


def _share_closure(queries: list[tuple[Goal, Target]], universe: Universe) -> list[Resolution]:
    """Return resolutions whose closures agree wherever one version fits every target."""
    resolutions = [_find(goal, target, universe) for goal, target in queries]
    tried: set[str] = set()
    while True:
        # Each name once: another name's agreement may make it differ again, and then it stays.
        name = next((name for name in _differing(resolutions) if name not in tried), None)
        if name is None:
            return resolutions
        tried.add(name)
        # Oldest first: it is the newest that the strictest target can have.
        for version in sorted(_versions_in(resolutions, name), key=version_order):
            trial = _agreeing(queries, resolutions, universe, name, version)
            if trial is not None:
                queries, resolutions = trial
                break


def _differing(resolutions: list[Resolution]) -> list[str]:
    names = sorted({name for resolution in resolutions for name in resolution.pins})
    return [name for name in names if len(_versions_in(resolutions, name)) > 1]


def _agreeing(
    queries: list[tuple[Goal, Target]],
    resolutions: list[Resolution],
    universe: Universe,
    name: str,
    version: str,
) -> tuple[list[tuple[Goal, Target]], list[Resolution]] | None:
    """Return queries and resolutions with one version of a project on every target.

    None if a target has no solution with it, or only one with more warnings, or one that moves
    what the goal names: an older framework has fewer requirements that could differ.
    """
    pinned = [(_with_pins(goal, {name: version}), target) for goal, target in queries]
    agreeing = []
    # A target without the project has nothing to agree on.
    for (goal, target), before in zip(pinned, resolutions, strict=True):
        if _version(before, name) in ("", version):
            agreeing.append(before)
            continue
        after = find(goal, target, universe)
        if after is None or len(after.warnings) > len(before.warnings):
            return None
        members = {universe.matrix.framework, *before.goal_names} - {name}
        if any(_wheel(after, member) != _wheel(before, member) for member in members):
            return None
        agreeing.append(after)
    return pinned, agreeing


def _with_pins(goal: Goal, pins: dict[str, str]) -> Goal:
    """Return the goal with constraints that pin projects to public versions where present."""
    return goal.constrained(ProjectRequirement.pin(*pin) for pin in sorted(pins.items()))


def _versions_in(resolutions: list[Resolution], name: str) -> set[str]:
    """Return the public versions of a project in several resolutions."""
    return {_version(resolution, name) for resolution in resolutions} - {""}


def _wheel(resolution: Resolution, name: str | None) -> tuple[str, Wheel | None]:
    """Return the full version of a project in a resolution, and its wheel."""
    candidate = resolution.pins.get(name or "")
    return (candidate.full_version, candidate.wheel) if candidate else ("", None)


def _version(resolution: Resolution, name: str) -> str:
    candidate = resolution.pins.get(name)
    return (candidate.version or "") if candidate else ""
