"""What to change so that there is an answer: few changes, each solved before it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from cudalock.goals import Goal, command_line
from cudalock.resolution.problem import Problem
from cudalock.resolution.requirement import parse_requirement, parse_version
from cudalock.resolution.search import Search

if TYPE_CHECKING:
    from cudalock.conflicts.core import Core
    from cudalock.matrix import Matrix
    from cudalock.target import Target

SHOWN: Final = 3
PYTHONS: Final = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
PLATFORMS: Final = ("linux-x86_64", "windows-x86_64", "linux-aarch64")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A question with an answer, near the one without; ``says`` is the change."""

    says: str
    goal: Goal
    target: Target

    @property
    def command(self) -> str:
        return command_line(self.goal, self.target)

    def __str__(self) -> str:
        return f"{self.says}: `{self.command}`"


def suggest(goal: Goal, target: Target, matrix: Matrix, core: Core) -> list[Suggestion]:
    """At most three changes that help, the least first.

    What the user did not state comes first: it costs nothing to state it.
    """
    found: list[Suggestion] = []
    for group in _changes(goal, target, matrix, core):
        for suggestion in group:
            if _has_answer(suggestion, matrix):
                found.append(suggestion)
                break
        if len(found) == SHOWN:
            break
    return found


def _has_answer(suggestion: Suggestion, matrix: Matrix) -> bool:
    return Search(Problem(suggestion.goal, suggestion.target, matrix)).is_possible()


def _changes(
    goal: Goal, target: Target, matrix: Matrix, core: Core
) -> Iterator[Iterator[Suggestion]]:
    """Groups of alternatives, of each of which one is enough."""
    unstated = {"python", "platform"} - target.stated
    if unstated and any(f"target:{part}" in core.elements for part in ("python", "platform")):
        yield _targets(goal, target, unstated)
    for element in core.elements:
        kind, _, text = element.partition(":")
        if kind == "goal" and parse_requirement(text).specifier:
            yield _versions(goal, target, matrix, text)
    if "option:cuda" in core.elements and goal.cuda is not None:
        yield iter([Suggestion("with another CUDA build", replace(goal, cuda=None), target)])
    if "option:builders" in core.elements:
        yield iter([Suggestion("with any builder", replace(goal, builders="any"), target)])
    if "option:exclude-newer" in core.elements:
        newer = replace(goal, exclude_newer=None)
        yield iter([Suggestion("with newer releases", newer, target)])
    if "python" in target.stated and "target:python" in core.elements:
        yield _targets(goal, target, {"python"})
    if target.platform == "windows-x86_64" and "platform" in target.stated:
        yield iter([_on_platform(goal, target, "linux-x86_64")])


def _targets(goal: Goal, target: Target, parts: set[str]) -> Iterator[Suggestion]:
    """The nearest targets: another Python, another platform, then both."""
    pythons = _near_pythons(target) if "python" in parts else []
    platforms = [each for each in PLATFORMS if each != target.platform]
    if "platform" not in parts:
        platforms = []
    for python in pythons:
        other = replace(target, python=python, free_threaded=False)
        yield Suggestion(f"on Python {python}", goal, other)
    for platform in platforms:
        yield _on_platform(goal, target, platform)
    for platform in platforms:
        for python in pythons:
            other = replace(target.on_platform(platform), python=python, free_threaded=False)
            where = f"on {other.platform_label} with Python {python}"
            yield Suggestion(where, goal, other)


def _on_platform(goal: Goal, target: Target, platform: str) -> Suggestion:
    other = target.on_platform(platform)
    is_wsl = target.platform == "windows-x86_64" and platform == "linux-x86_64"
    wsl = " (under WSL2, say)" if is_wsl else ""
    return Suggestion(f"on {other.platform_label}{wsl}", goal, other)


def _near_pythons(target: Target) -> list[str]:
    """Other Pythons, the nearest first, the newer of two."""
    minor = int(target.python.split(".")[1])
    others = [python for python in PYTHONS if int(python.split(".")[1]) != minor]
    if target.free_threaded or target.python.count(".") == 2:
        others.append(f"3.{minor}")
    return sorted(others, key=lambda each: (abs(int(each[2:]) - minor), -int(each[2:])))


def _versions(goal: Goal, target: Target, matrix: Matrix, text: str) -> Iterator[Suggestion]:
    """Another version of one requirement, everything else kept: a newer one, then an older."""
    parsed = parse_requirement(text)
    rest = tuple(each for each in goal.requirements if each != text)
    extras = f"[{','.join(sorted(parsed.extras))}]" if parsed.extras else ""
    pinned = [item.version for item in parsed.specifier if item.operator in ("==", "~=")]
    bounds = [f">={_release(pinned[0])}", f"<{_release(pinned[0])}"] if pinned else [""]
    for bound in bounds:
        trial = replace(goal, requirements=tuple(sorted((*rest, parsed.name + extras + bound))))
        answer = Search(Problem(trial, target, matrix)).best()
        name = Problem(trial, target, matrix).meant(parsed.name)
        chosen = answer and answer.pinned.version_of(name)
        if chosen:
            exact = f"{parsed.name}{extras}=={chosen.version}"
            named = replace(goal, requirements=tuple(sorted((*rest, exact))))
            yield Suggestion(f"with {parsed.name} {chosen.version}", named, target)


def _release(version: str) -> str:
    return parse_version(version.removesuffix(".*")).public


__all__ = ["Suggestion", "suggest"]
