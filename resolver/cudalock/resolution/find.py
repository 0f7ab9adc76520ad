"""From a goal, a target and a universe to the best resolution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from cudalock.errors import GaveUp
from cudalock.matrix.universe import Attempt
from cudalock.resolution.elements import ids_of
from cudalock.resolution.model import Candidate, Reason, Requirement, Resolution
from cudalock.resolution.problem import Problem
from cudalock.resolution.search import Search, Solution
from cudalock.resolution.unreachable import unreachable_requirements
from cudalock.versions import leading_name

if TYPE_CHECKING:
    from cudalock.goals import Goal
    from cudalock.matrix.facts import Fact
    from cudalock.matrix.universe import Universe
    from cudalock.targets import Target


def find(goal: Goal, target: Target, universe: Universe) -> Resolution | None:
    """The best answer, searched for until the universe has no more to show; None if there is none.

    Raises GaveUp if neither an answer nor a proof was found.
    """

    def attempt() -> Attempt[Resolution | None]:
        problem = Problem(goal, target, universe)
        resolution = best_resolution(problem)
        is_final = resolution is None and _is_hopeless(problem)
        return Attempt(resolution, resolution is not None, is_final)

    return universe.search(goal.requirements, target, attempt)


def _is_hopeless(problem: Problem) -> bool:
    """Whether there is no answer however many releases are looked at: something leads to what has
    no wheel, or what the matrix holds is impossible by itself, with all its releases."""
    universe, goal = problem.universe, problem.goal
    if unreachable_requirements(problem):
        return True
    if not (universe.is_open and universe.is_whole):
        return False
    projects = problem.matrix.projects
    held = tuple(text for text in goal.requirements if leading_name(text) in projects)
    limits = tuple(text for text in goal.constraints if leading_name(text) in projects)
    part = replace(goal, requirements=held, constraints=limits)
    return bool(held) and not Search(Problem(part, problem.target, universe)).is_possible()


def best_resolution(problem: Problem) -> Resolution | None:
    """The best answer to a problem of whatever kind, None if there is none. Raises GaveUp."""
    search = Search(problem)
    solution = search.best()
    if solution is None and search.gave_up:
        goal = problem.goal
        raise GaveUp(
            f"gave up on {', '.join(goal.requirements)}: no solution was found within the search "
            "limit, and none was ruled out",
            hints=["state more of the goal, such as a version of the framework"],
        )
    return None if solution is None else _resolution(problem, solution)


def _resolution(problem: Problem, solution: Solution) -> Resolution:
    chosen = {
        candidate.name: candidate
        for identifier, candidate in solution.assignment.candidates.items()
        if not candidate.is_absent and not candidate.extras
    }
    reasons: dict[str, list[Reason]] = {}
    for identifier, found in solution.assignment.requirements.items():
        name = identifier.partition("[")[0]
        for requirement, parent in found:
            if requirement.kind == "requires" and parent != name:
                reasons.setdefault(name, []).append(Reason(requirement, parent))
    return Resolution(
        goal=problem.goal,
        target=problem.target,
        universe=problem.universe,
        pins={name: chosen[name] for name in sorted(chosen) if chosen[name].build is not None},
        reasons={name: tuple(found) for name, found in sorted(reasons.items())},
        virtual_candidates=tuple(
            candidate for _, candidate in sorted(chosen.items()) if candidate.build is None
        ),
        warnings=warnings_in_force(problem, chosen),
        goal_names=problem.goal_names,
    )


def warnings_in_force(problem: Problem, chosen: Mapping[str, Candidate]) -> tuple[Fact, ...]:
    """The soft facts that a choice goes against, by id."""
    broken: set[str] = set()
    for candidate in chosen.values():
        for elements in problem.refusals(candidate):
            broken.update(ids_of(elements, "fact"))
        broken |= _unmet(problem.fact_requirements(candidate), chosen)
    fixed = tuple(requirement for requirement, _ in problem.fixed_requirements)
    broken |= _unmet(fixed, chosen)
    return tuple(problem.matrix.fact(id) for id in sorted(broken))


def _unmet(requirements: tuple[Requirement, ...], chosen: Mapping[str, Candidate]) -> set[str]:
    return {
        requirement.origin.id
        for requirement in requirements
        if not requirement.accepts(chosen.get(requirement.name))
    }
