"""Explain why a goal has no solution."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from cudalock.conflicts.core import Conflict
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
from cudalock.resolution.machine import newer_glibcs
from cudalock.resolution.model import Candidate
from cudalock.resolution.problem import Problem
from cudalock.resolution.search import Search
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
    conflict = Conflict(Problem(goal, target, universe, wide=True))
    cores = conflict.cores()
    conflicts = [CoreExplainer(conflict, core).steps() for core in cores]
    newer_glibc = None
    blamed = list(_blames_glibc(conflicts))
    if blamed and target.assumes_glibc:
        # What cannot be found out leaves the assumption as the reason, with its name.
        with suppress(GaveUp, NetworkError):
            newer_glibc = find_newer_glibc(goal, target, universe, max(blamed, key=version_order))
            if newer_glibc is None:
                newest = replace(target, glibc=newer_glibcs(target)[-1])
                others = Conflict(Problem(goal, newest, universe, wide=True))
                real = others.cores()
                reasons = [CoreExplainer(others, core).steps() for core in real]
                if _are_reasons(reasons):
                    conflict, cores, conflicts = others, real, reasons
    # What a search alone saw has no reason to show: where another conflict has one, that counts.
    if len(conflicts) > 1 and any(_are_reasons([steps]) for steps in conflicts):
        conflicts = [steps for steps in conflicts if _says_more_than_the_goal(steps)]
    requirements = ", ".join(goal.requirements) or "this goal"
    shown = {step for steps in conflicts for step in steps}
    sources = tuple(_sources(conflict.problem, shown))
    refused = _refused(conflict.problem, [*shown, *sources])
    suggestions = tuple(
        suggest(goal, target, universe, cores, refused=refused, newer_glibc=newer_glibc)
        if cores or refused
        else ()
    )
    unlisted = universe.unlisted(Search(Problem(goal, target, universe)).blockers())
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
