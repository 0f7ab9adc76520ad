"""Explain why a goal has no solution."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from cudalock.conflicts.core import Conflict, Core
from cudalock.conflicts.explanation import CoreExplainer, Explanation
from cudalock.conflicts.no_wheel import source_only_steps
from cudalock.conflicts.step import (
    FactSays,
    GoalRequires,
    IndexTrouble,
    NotLookedUp,
    NoWheel,
    SourceOnly,
    Step,
    TargetHas,
    UnknownProject,
    render,
)
from cudalock.conflicts.suggestions import find_newer_glibc, suggest
from cudalock.errors import GaveUp, NetworkError, NoSolution, NotKnown
from cudalock.goals import command_line
from cudalock.matrix.sources import UNUSABLE
from cudalock.records import NamedTuple, replace
from cudalock.resolution.blockers import Blame
from cudalock.resolution.machine import newer_glibcs
from cudalock.resolution.model import Candidate
from cudalock.resolution.problem import Problem
from cudalock.resolution.search import Search
from cudalock.resolution.unreachable import is_final_without_solution
from cudalock.targets import DEFAULT_GLIBC
from cudalock.versions import version_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cudalock.goals import Goal
    from cudalock.matrix.sources import SourceState
    from cudalock.matrix.universe import Universe
    from cudalock.targets import Target


def explain(goal: Goal, target: Target, universe: Universe) -> NoSolution:
    """Return the error to raise for a goal that has no solution on a target.

    It is NotKnown if that rests on releases that the matrix lacks and no index was asked about.
    """
    conflict, cores, conflicts = _explained(goal, target, universe)
    newer_glibc = None
    if target.assumes_glibc and (needed := list(_blames_glibc(conflicts))):
        newest_needed = max(needed, key=version_order)
        newer_glibc, without = _without_assumption(goal, target, universe, newest_needed)
        if without is not None:
            conflict, cores, conflicts = without
    # What a search alone saw has no reason to show: where another conflict has one, that counts.
    if len(conflicts) > 1 and any(_are_reasons([steps]) for steps in conflicts):
        conflicts = [steps for steps in conflicts if _says_more_than_the_goal(steps)]
    requirements = ", ".join(map(str, goal.requirements)) or "this goal"
    shown = {step for steps in conflicts for step in steps}
    sources = tuple(_sources(conflict.problem, shown))
    refused = _refused(conflict.problem, [*shown, *sources])
    suggestions = tuple(
        suggest(goal, target, universe, cores, refused=refused, newer_glibc=newer_glibc)
        if cores or refused
        else ()
    )
    problem = Problem(goal, target, universe)
    # Where something required is out of reach, no further release of another project would help.
    is_final = is_final_without_solution(problem)
    unlisted = () if is_final else universe.unlisted(Blame(Search(problem)).of_no_solution())
    if unlisted:
        conflicts.append(tuple(map(NotLookedUp, unlisted)))
    # The universe may report of a project what the steps of a core say already.
    lines = {render(step) for steps in conflicts for step in steps}
    troubles: tuple[Step, ...] = (
        *(step for step in sources if render(step) not in lines),
        *(IndexTrouble(text) for text in universe.troubles() if text not in lines),
    )
    where = "in the matrix " if unlisted else ""
    explanation = Explanation(
        headline=f"no compatible versions found {where}for {requirements} on {target.label}",
        elements=tuple(dict.fromkeys(element for core in cores for element in core.elements)),
        conflicts=(*conflicts, troubles) if troubles else tuple(conflicts),
        suggestions=suggestions,
    )
    hints = [str(suggestion) for suggestion in suggestions]
    if unlisted:
        command = command_line(goal, target)
        return NotKnown(explanation, hints=[f"`{command}` looks them up", *hints])
    return NoSolution(explanation, hints=hints)


class _Explained(NamedTuple):
    """A conflict with its cores, and the steps of each."""

    conflict: Conflict
    cores: list[Core]
    conflicts: list[tuple[Step, ...]]


def _explained(goal: Goal, target: Target, universe: Universe) -> _Explained:
    conflict = Conflict(Problem(goal, target, universe, wide=True))
    cores = conflict.cores()
    return _Explained(conflict, cores, [CoreExplainer(conflict, core).steps() for core in cores])


def _without_assumption(
    goal: Goal, target: Target, universe: Universe, needed: str
) -> tuple[str | None, _Explained | None]:
    """Return the glibc, from the one that is needed on, with which a goal has a solution; where
    there is none, the reasons that hold with any glibc, if that leaves some."""
    # What cannot be found out leaves the assumption as the reason, with its name.
    with suppress(GaveUp, NetworkError):
        newer = find_newer_glibc(goal, target, universe, needed)
        if newer is not None:
            return newer, None
        newest = replace(target, glibc=newer_glibcs(target)[-1])
        without = _explained(goal, newest, universe)
        if _are_reasons(without.conflicts):
            return None, without
    return None, None


def _sources(problem: Problem, shown: set[Step]) -> Iterator[SourceOnly]:
    """Yield why projects that have no wheel at all are not built, unless a step shows it."""
    explained = {step.releases.name for step in shown if isinstance(step, SourceOnly)}
    for name, versions in problem.universe.source_only.items():
        refused = problem.refused_sources.get(name, {})
        by_build: dict[SourceState | None, list[Candidate]] = {}
        for version in versions if name not in explained else ():
            if version in refused:
                by_build.setdefault(refused[version], []).append(Candidate(name, version))
        yield from source_only_steps(name, by_build)


def _refused(problem: Problem, steps: Iterable[Step]) -> tuple[str, ...]:
    """Return the projects of the steps whose source distributions would be built if allowed."""
    shown = list(steps)
    buildable = {
        name
        for name, refused in problem.refused_sources.items()
        if any(build.kind != UNUSABLE for build in refused.values())
    }
    names = {step.releases.name for step in shown if isinstance(step, NoWheel)} & buildable
    names |= {
        step.releases.name
        for step in shown
        if isinstance(step, SourceOnly) and (step.build is None or step.build.kind != UNUSABLE)
    }
    return tuple(sorted(names))


def _says_more_than_the_goal(steps: Iterable[Step]) -> bool:
    return any(not isinstance(step, GoalRequires) for step in steps)


def _are_reasons(conflicts: Iterable[Iterable[Step]]) -> bool:
    """Whether an explanation says why, and not only what was asked or is not known."""
    steps = [step for steps in conflicts for step in steps]
    is_unknown = any(isinstance(step, UnknownProject) for step in steps)
    return _says_more_than_the_goal(steps) and not is_unknown


def _blames_glibc(conflicts: Iterable[Iterable[Step]]) -> Iterator[str]:
    """The glibcs that the steps of an explanation say are needed; the default where none does."""
    for step in (step for steps in conflicts for step in steps):
        if isinstance(step, NoWheel) and "glibc" in step.parts:
            yield step.glibc or DEFAULT_GLIBC
        elif (isinstance(step, TargetHas) and step.part == "glibc") or (
            isinstance(step, FactSays) and any(part.part == "glibc" for part in step.parts)
        ):
            yield DEFAULT_GLIBC
