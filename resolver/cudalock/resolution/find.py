"""Find the best resolution of a goal on a target."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cudalock.errors import GaveUp
from cudalock.matrix.universe import Attempt
from cudalock.resolution.model import Reason, Resolution
from cudalock.resolution.problem import Problem
from cudalock.resolution.search import Search, Solution
from cudalock.resolution.unreachable import unreachable_requirements
from cudalock.resolution.warnings import warnings_in_force
from cudalock.versions import leading_name

if TYPE_CHECKING:
    from cudalock.goals import Goal
    from cudalock.matrix.universe import Universe
    from cudalock.targets import Target


def find(goal: Goal, target: Target, universe: Universe) -> Resolution | None:
    """Return the best resolution of a goal on a target, None if there is none.

    Where an index is asked, the search is repeated with more releases until it has a resolution or
    there are no more. Raises GaveUp if the search reached its limit without a resolution or a proof
    that there is none; NetworkError; UnknownName for an extra that the matrix does not know.
    """

    def attempt() -> Attempt[Resolution | None]:
        problem = Problem(goal, target, universe)
        resolution = best_resolution(problem)
        # More releases of an index would be read, and searched again, for nothing.
        is_final = resolution is None and _is_hopeless(problem)
        return Attempt(resolution, resolution is not None, is_final)

    return universe.search(goal.requirements, target, attempt)


def _is_hopeless(problem: Problem) -> bool:
    """Return whether there is no resolution however many releases an index has.

    Either a requirement leads to a project without a wheel, or the part of the goal that is in the
    matrix is impossible by itself, with all releases.
    """
    universe, goal = problem.universe, problem.goal
    if unreachable_requirements(problem):
        return True
    if not (universe.is_open and universe.is_whole):
        return False
    projects = problem.matrix.projects
    requirements = tuple(text for text in goal.requirements if leading_name(text) in projects)
    constraints = tuple(text for text in goal.constraints if leading_name(text) in projects)
    part = replace(goal, requirements=requirements, constraints=constraints)
    return bool(requirements) and not Search(Problem(part, problem.target, universe)).is_possible()


def best_resolution(problem: Problem) -> Resolution | None:
    """Return the best resolution of a problem with any policy, None if there is none.

    Raises GaveUp as :func:`find` does.
    """
    search = Search(problem)
    solution = search.best()
    if solution is None and search.gave_up:
        goal = problem.goal
        raise GaveUp(
            f"gave up on {', '.join(goal.requirements)}: no solution was found within the search "
            "limit, and none was ruled out",
            hints=["narrow the goal down, for example with a version of the framework"],
        )
    return None if solution is None else _resolution(problem, solution)


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
