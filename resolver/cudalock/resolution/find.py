"""Find the best resolution of a goal on a target."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from cudalock.errors import GaveUp, NetworkError
from cudalock.matrix.universe import Attempt, Unlisted
from cudalock.resolution.blockers import Blame
from cudalock.resolution.limits import NEWER_BLAMED
from cudalock.resolution.model import Reason, Resolution, UnknownNewer
from cudalock.resolution.of_their_day import (
    bounded_since,
    later_than_their_day,
    of_newest_major,
    older_than_their_day,
    stated_projects,
)
from cudalock.resolution.problem import Problem
from cudalock.resolution.search import Search, Solution
from cudalock.resolution.unreachable import is_final_without_solution
from cudalock.resolution.warnings import warnings_in_force

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cudalock.goals import Goal, ProjectRequirement
    from cudalock.matrix.universe import Blocker, Universe
    from cudalock.targets import Target


def find(
    goal: Goal, target: Target, universe: Universe, *, looks_newer: bool = True
) -> Resolution | None:
    """Return the best resolution of a goal on a target, None if there is none.

    Where an index is asked, the search is repeated with more releases until it has a resolution or
    there are no more, and one without newer versions does not rest on what nobody was asked about.
    What a component of the goal requires without a bound is kept to the major
    versions of its day, where that changes nothing else of the goal. Unless it `looks_newer`, what
    a solution without newer versions rests on is of no interest: to find that out takes a sixth of
    the time.

    Raises GaveUp if the search reached its limit without a resolution or a proof that there is
    none; NetworkError; UnknownName for an extra that the matrix does not know.
    """

    newer: _Newer | None = None

    def attempt() -> Attempt[Resolution | None]:
        nonlocal newer
        problem = Problem(goal, target, universe)
        search = Search(problem)
        solution = best_solution(search)
        if solution is not None:
            resolution = _resolution(problem, solution)
            if not looks_newer:
                return Attempt(resolution, has_solution=True)
            newer = _Newer(search, solution)
            return Attempt(resolution, has_solution=True, blockers=newer.blockers)
        is_final = is_final_without_solution(problem)
        blockers = Blame(search).of_no_solution
        return Attempt(None, has_solution=False, is_final=is_final, blockers=blockers)

    resolution = universe.search(goal.requirements, target, attempt)
    if resolution is None:
        return None
    unknown = tuple(newer.unknown()) if newer is not None else ()
    return _of_their_day(resolution)._replace(unknown_newer=unknown)


class _Newer:
    """Newer versions of what a goal requires than a solution has."""

    def __init__(self, search: Search, solution: Solution) -> None:
        self._universe = search.problem.universe
        self._blame = Blame(search)
        self._assignment = solution.assignment
        self._blockers: tuple[Blocker, ...] | None = None

    def blockers(self) -> tuple[Blocker, ...]:
        """Return what it rests on that none of them is chosen."""
        if self._blockers is None:
            self._blockers = self._blame.of_nothing_newer(self._assignment)
        return self._blockers

    def unknown(self) -> Iterator[UnknownNewer]:
        """Yield for each project the newest version of which nobody knows whether it is possible:
        that rests on releases that the matrix lacks and no index was asked about."""
        if not self._not_asked_about(self.blockers()):
            return
        for name, by_version in self._blame.of_each_newer(self._assignment, NEWER_BLAMED):
            unknown = (
                UnknownNewer(name, version, unlisted)
                for version, blockers in by_version
                if (unlisted := self._not_asked_about(blockers))
            )
            yield from islice(unknown, 1)

    def _not_asked_about(self, blockers: Sequence[Blocker]) -> tuple[Unlisted, ...]:
        """Return what the matrix lacks of what it rests on, whole projects too."""
        universe = self._universe
        outside = (
            Unlisted(blocker.name, None)
            for blocker in blockers
            if not universe.is_open and universe.matrix.project(blocker.name) is None
        )
        return (*universe.unlisted(blockers), *outside)


def _of_their_day(resolution: Resolution) -> Resolution:
    """Return the resolution with the neighbours of old releases in the major versions of their day;
    all of them, else those that something ties to the framework, else none."""
    younger = _younger(resolution)
    if younger is not None:
        resolution = younger._replace(goal=resolution.goal)
    dated = later_than_their_day(resolution)
    stack = resolution.matrix.curated
    # Of all in the stack both are the same, and a search costs time.
    for some in dict.fromkeys((dated, tuple(each for each in dated if each.name in stack))):
        constraints = tuple(each.constraint for each in some)
        names = frozenset(each.name for each in some)
        other = _constrained(resolution, constraints, names) if some else None
        if other is not None:
            return other._replace(goal=resolution.goal, dated=some)
    return resolution


def _younger(resolution: Resolution) -> Resolution | None:
    """Return the resolution with components of the goal that are not as old, None where that has no
    solution, or nothing is too old."""
    framework = resolution.matrix.framework or ""
    # A framework of which the goal states no version is what its components say.
    unstated = {framework} - stated_projects(resolution)
    named = {*resolution.goal_names} - {framework}
    for rule in (bounded_since, older_than_their_day, of_newest_major):
        floors = rule(resolution)
        # Another component may become older for it: to keep datasets at its newest once made
        # transformers that of 2019. For a major version alone none may.
        free = {floor.name for floor in floors} if rule is of_newest_major else named
        younger = _constrained(resolution, floors, frozenset(free | unstated)) if floors else None
        if younger is not None:
            return younger
    return None


def _constrained(
    resolution: Resolution, constraints: tuple[ProjectRequirement, ...], free: frozenset[str]
) -> Resolution | None:
    """Return the resolution with some pins constrained, None if that costs the goal something: a
    warning, or another version of a component that is not `free`."""
    goal = resolution.goal.constrained(constraints)
    named = frozenset(each.name for each in constraints) & frozenset(resolution.goal_names)

    def attempt() -> Attempt[Resolution | None]:
        problem = Problem(goal, resolution.target, resolution.universe)
        solution = Search(problem).best()
        found = None if solution is None else _resolution(problem, solution)
        # Final: there is a resolution already, and no further release is looked up for this one.
        return Attempt(found, has_solution=found is not None, is_final=True)

    try:
        other = resolution.universe.search(goal.requirements, resolution.target, attempt)
    except (GaveUp, NetworkError):
        # A preference: what cannot be found out leaves the resolution as it is.
        return None
    if other is None or _costs_a_warning(resolution, other, named):
        return None
    framework = resolution.matrix.framework or ""
    names = {*resolution.goal_names, framework} - free
    is_same = all(_version_of(other, name) == _version_of(resolution, name) for name in names)
    return other if is_same else None


def _costs_a_warning(resolution: Resolution, other: Resolution, named: frozenset[str]) -> bool:
    """Return whether another resolution has more warnings, those of some components of the goal
    apart: what is said of a component in itself does not count before its major version."""
    known = {fact.id for fact in resolution.warnings}
    further = [fact for fact in other.warnings if fact.id not in known]
    if all(fact.component in named for fact in further):
        return False
    return len(other.warnings) > len(resolution.warnings)


def _version_of(resolution: Resolution, name: str) -> str | None:
    candidate = resolution.pins.get(name)
    return candidate.full_version if candidate is not None else None


def best_resolution(problem: Problem) -> Resolution | None:
    """Return the best resolution of a problem with any policy, None if there is none.

    Raises GaveUp as :func:`find` does.
    """
    solution = best_solution(Search(problem))
    return None if solution is None else _resolution(problem, solution)


def best_solution(search: Search) -> Solution | None:
    """Return the best solution, None if there is none. Raises GaveUp as :func:`find` does."""
    solution = search.best()
    if solution is None and search.gave_up:
        # The limit is of work and not of time, so that every machine gives up on the same goals.
        requirements = ", ".join(map(str, search.problem.goal.requirements))
        raise GaveUp(
            f"gave up on {requirements}: no solution was found within the search "
            "limit, and none was ruled out",
            hints=["narrow the goal down, for example with a version of the framework"],
        )
    return solution


def _resolution(problem: Problem, solution: Solution) -> Resolution:
    chosen = {
        candidate.name: candidate
        for candidate in solution.assignment.candidates.values()
        if not candidate.is_absent and not candidate.extras
    }
    reasons: dict[str, list[Reason]] = {}
    for requirements in solution.assignment.requirements.values():
        for requirement, parent in requirements:
            # That a project with extras requires the project itself is no reason to pin it.
            if requirement.kind == "requires" and parent != requirement.name:
                reasons.setdefault(requirement.name, []).append(Reason(requirement, parent))
    return Resolution(
        goal=problem.goal,
        target=problem.target,
        universe=problem.universe,
        pins={name: chosen[name] for name in sorted(chosen) if chosen[name].build is not None},
        reasons={name: tuple(reasons[name]) for name in sorted(reasons)},
        virtual_candidates=tuple(
            candidate for _, candidate in sorted(chosen.items()) if candidate.build is None
        ),
        warnings=warnings_in_force(problem, chosen),
        goal_names=problem.goal_names,
    )
