"""Several targets, solved jointly: equal versions across targets come before the newest ones.

First one public version for the framework and every goal component; where that is impossible one
project after another is let go, the least important first, and that is said. Then the closure takes
one version wherever one serves all. Builds and wheels are each target's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from cudalock.goals import Goal
from cudalock.resolution.cost import component_order
from cudalock.resolution.find import find
from cudalock.resolution.model import Resolution
from cudalock.resolution.problem import Problem
from cudalock.resolution.search import Search
from cudalock.versions import version_order

if TYPE_CHECKING:
    from cudalock.matrix.universe import Universe
    from cudalock.targets import Target


class Unsolvable(Exception):
    """One of several goals has no resolution on its target; whoever asked explains why."""

    def __init__(self, goal: Goal, target: Target) -> None:
        super().__init__(goal, target)
        self.goal = goal
        self.target = target


class JointResolution(NamedTuple):
    """A resolution for each target, and what is to be said of their differences."""

    resolutions: tuple[Resolution, ...]
    notes: tuple[str, ...]


def find_joint(questions: Sequence[tuple[Goal, Target]], universe: Universe) -> JointResolution:
    """The best joint answer to one question a target.

    Raises Unsolvable for the first target that has none; GaveUp.
    """
    asked, notes = _speaking_of_cuda(questions, universe)
    alone = [_find(goal, target, universe) for goal, target in asked]
    if len(alone) == 1:
        return JointResolution(tuple(alone), tuple(notes))
    shared = _shared_names(alone, universe)
    pins = _Common(asked, universe).pins(shared)
    notes += [
        f"no version of {name} serves every target, so each has its own"
        for name in shared
        if name not in pins and len({_version(each, name) for each in alone} - {""}) > 1
    ]
    fixed = [(_with_pins(goal, pins), target) for goal, target in asked]
    answers = _share_closure(fixed, universe)
    # The pins that were held are no part of what was asked.
    answers = [answer._replace(goal=goal) for answer, (goal, _) in zip(answers, asked, strict=True)]
    return JointResolution(tuple(answers), tuple(notes))


def _find(goal: Goal, target: Target, universe: Universe) -> Resolution:
    resolution = find(goal, target, universe)
    if resolution is None:
        raise Unsolvable(goal, target)
    return resolution


def _speaking_of_cuda(
    questions: Sequence[tuple[Goal, Target]], universe: Universe
) -> tuple[list[tuple[Goal, Target]], list[str]]:
    """The questions, less what cannot be meant: a bare name of a project that has CUDA builds alone
    speaks of the targets that can have CUDA, where there is one."""
    able = any(target.accelerators for _, target in questions)
    asked, notes = [], []
    for goal, target in questions:
        if able and not target.accelerators:
            left_out = [text for text in goal.requirements if _is_for_cuda(text, target, universe)]
            kept = tuple(text for text in goal.requirements if text not in left_out)
            asked.append((replace(goal, requirements=kept, cuda=None), target))
            if left_out:
                notes.append(f"{', '.join(left_out)} left out on {target.platform_label}")
        else:
            asked.append((goal, target))
    return asked, notes


def _is_for_cuda(text: str, target: Target, universe: Universe) -> bool:
    """Whether a requirement is a bare name of a project that the target has no wheel of."""
    if not text.replace("-", "").replace("_", "").replace(".", "").isalnum():
        return False
    problem = Problem(Goal(requirements=(text,)), target, universe)
    return next(iter(problem.candidates(problem.project_named(text))), None) is None


def _shared_names(alone: list[Resolution], universe: Universe) -> list[str]:
    """The framework and the goal's components that more than one target has, most important
    first."""
    counts: dict[str, int] = {}
    for resolution in alone:
        for name in {*resolution.goal_names, universe.matrix.framework}:
            if name in resolution.pins:
                counts[name or ""] = counts.get(name or "", 0) + 1
    problem = Problem(alone[0].goal, alone[0].target, universe)
    names = [name for name, count in counts.items() if count > 1]
    return sorted(
        names, key=lambda name: (name != universe.matrix.framework, component_order(problem, name))
    )


class _Common:
    """The search for versions that every target can take."""

    def __init__(self, questions: list[tuple[Goal, Target]], universe: Universe) -> None:
        self._questions = questions
        self._universe = universe
        self._searches = [Search(Problem(goal, target, universe)) for goal, target in questions]
        self._versions: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = {}

    def pins(self, names: list[str]) -> dict[str, str]:
        """One public version for each of these projects, or of as many from the first as can be,
        with which every target has an answer.

        Versions are tried newest first, the most important project in the outermost loop.
        """
        for count in range(len(names), 0, -1):
            if all(self._common_versions(name, {}) for name in names[:count]):
                found = self._extend({}, names[:count])
                if found is not None:
                    return found
        return {}

    def _extend(self, pins: dict[str, str], names: list[str]) -> dict[str, str] | None:
        if not names:
            possible = all(
                Search(Problem(_with_pins(goal, pins), target, self._universe)).is_possible()
                for goal, target in self._questions
            )
            return pins if possible else None
        name, *rest = names
        for version in self._common_versions(name, pins):
            found = self._extend({**pins, name: version}, rest)
            if found is not None:
                return found
        return None

    def _common_versions(self, name: str, pins: dict[str, str]) -> list[str]:
        """The versions that every target which has the project can still take, newest first."""
        key = name, tuple(pins.items())
        if key not in self._versions:
            possible = [search.versions_left(name, pins) for search in self._searches]
            having = [versions for versions in possible if versions is not None]
            common = set.intersection(*having) if having else set()
            self._versions[key] = sorted(common, key=version_order, reverse=True)
        return self._versions[key]


def _share_closure(questions: list[tuple[Goal, Target]], universe: Universe) -> list[Resolution]:
    """Answers whose closures agree wherever one version serves all."""
    answers = [_find(question, target, universe) for question, target in questions]
    settled: set[str] = set()
    while True:
        name = next((each for each in _differing(answers) if each not in settled), None)
        if name is None:
            return answers
        settled.add(name)
        versions = sorted({_version(each, name) for each in answers} - {""}, key=version_order)
        for version in versions:  # the oldest of them is the newest that the strictest target has
            trial = _agreeing(questions, answers, universe, name, version)
            if trial is not None:
                questions, answers = trial
                break


def _differing(answers: list[Resolution]) -> list[str]:
    names = sorted({name for answer in answers for name in answer.pins})
    return [name for name in names if len({_version(each, name) for each in answers} - {""}) > 1]


def _agreeing(
    questions: list[tuple[Goal, Target]],
    answers: list[Resolution],
    universe: Universe,
    name: str,
    version: str,
) -> tuple[list[tuple[Goal, Target]], list[Resolution]] | None:
    """The same with one version of a project everywhere; None where that has no answer, or costs
    a target a warning."""
    pinned = [(_with_pins(question, {name: version}), target) for question, target in questions]
    found = []
    for (question, target), before in zip(pinned, answers, strict=True):
        if _version(before, name) in ("", version):
            found.append(before)
            continue
        after = find(question, target, universe)
        if after is None or len(after.warnings) > len(before.warnings):
            return None
        found.append(after)
    return pinned, found


def _with_pins(goal: Goal, pins: dict[str, str]) -> Goal:
    """The goal with projects held at public versions, wherever they are present."""
    held = tuple(f"{name}=={version}" for name, version in sorted(pins.items()))
    return replace(goal, constraints=(*goal.constraints, *held))


def _version(resolution: Resolution, name: str) -> str:
    candidate = resolution.pins.get(name)
    return (candidate.version or "") if candidate else ""
