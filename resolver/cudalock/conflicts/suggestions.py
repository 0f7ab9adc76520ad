"""What to change so that there is an answer: few changes, each solved before it is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Final, NamedTuple

from packaging.requirements import Requirement

from cudalock.goals import Goal, command_line
from cudalock.resolution.elements import (
    BUILDERS_OPTION,
    CUDA_OPTION,
    EXCLUDE_NEWER_OPTION,
    TARGET_GLIBC,
    TARGET_GPU,
    TARGET_PLATFORM,
    TARGET_PYTHON,
    Element,
    ids_of,
)
from cudalock.resolution.problem import Problem
from cudalock.resolution.search import Search
from cudalock.targets import LIKELY, PLATFORMS, PYTHONS
from cudalock.targets.facets import FACETS, OF_ACCELERATOR
from cudalock.versions import below_and_above, parse_requirement, parse_version, version_order

if TYPE_CHECKING:
    from packaging.version import Version

    from cudalock.conflicts.core import Core
    from cudalock.matrix.universe import Universe
    from cudalock.targets import Target

SHOWN: Final = 3
TRIED: Final = 3
"""Versions tried of a project whose releases have to be asked for one by one."""
GLIBCS: Final = ("2.28", "2.31", "2.34", "2.35", "2.39")
"""Those of Debian 10 to 13, RHEL 8 and 9, Ubuntu 20.04 to 24.04."""
PLACES: Final = (TARGET_PYTHON, TARGET_PLATFORM)


class Suggestion(NamedTuple):
    """A question with an answer, near the one without; ``says`` is the change."""

    says: str
    goal: Goal
    target: Target
    flags: str = ""
    """what the command says of the matrix, each word after a space"""

    @property
    def command(self) -> str:
        return command_line(self.goal, self.target) + self.flags

    def __str__(self) -> str:
        return f"{self.says}: `{self.command}`"


Group = Iterator[Suggestion]
"""Alternatives of which one is enough."""


def suggest(
    goal: Goal, target: Target, universe: Universe, cores: Sequence[Core]
) -> list[Suggestion]:
    """At most three changes that help, the least first; two at once where one is not enough.

    What the user did not state comes first: it costs nothing to state it.
    """
    found = Advisor(universe).suggest(goal, target, cores)
    return [each._replace(flags=universe.flags) for each in found]


class Advisor:
    """Tries changes on one matrix."""

    def __init__(self, universe: Universe) -> None:
        self._universe = universe
        self._matrix = universe.matrix

    def suggest(self, goal: Goal, target: Target, cores: Sequence[Core]) -> list[Suggestion]:
        found: list[Suggestion] = []
        for groups in (self._single, self._double):
            for group in groups(goal, target, cores):
                first = next(group, None)
                if first is not None:
                    found.append(first)
                if len(found) == SHOWN:
                    return found
            if found:
                return found
        return found

    # -- one change -----------------------------------------------------------------------------

    def _single(self, goal: Goal, target: Target, cores: Sequence[Core]) -> Iterator[Group]:
        """Groups of suggestions that were solved, by the elements of the first core."""
        elements = cores[0].elements
        if len(target.gpus) > 1 and TARGET_GPU in elements:
            yield self._solved(_for_one_gpu(goal, target))
        unstated = {part for part in ("python", "platform") if part not in target.stated}
        if unstated and any(place in elements for place in PLACES):
            yield self._solved(_targets(goal, target, unstated))
        if TARGET_GLIBC in elements and "glibc" not in target.stated:
            yield self._solved(_newer_glibcs(goal, target))
        yield self._solved(_elsewhere(goal, target, elements))
        for text in ids_of(elements, "goal"):
            if parse_requirement(text).specifier:
                yield self._newer(goal, target, text)
                yield self._older(goal, target, text)
        yield self._solved(_loosened_options(goal, target, elements))
        if "python" in target.stated and TARGET_PYTHON in elements:
            yield self._solved(_targets(goal, target, {"python"}))
        wsl = PLATFORMS[target.platform].wsl
        if wsl and "platform" in target.stated:
            yield self._solved(iter([_on_platform(goal, target, wsl)]))
        elif "platform" in target.stated and TARGET_PLATFORM in elements:
            yield self._solved(_targets(goal, target, {"platform"}))
        for text in ids_of(elements, "goal"):
            if not parse_requirement(text).specifier and len(goal.requirements) > 1:
                less = tuple(each for each in goal.requirements if each != text)
                without = Suggestion(f"without {text}", replace(goal, requirements=less), target)
                yield self._solved(iter([without]))

    def _solved(self, suggestions: Iterator[Suggestion]) -> Group:
        return (each for each in suggestions if self._has_answer(each))

    def _has_answer(self, suggestion: Suggestion) -> bool:
        return Search(Problem(suggestion.goal, suggestion.target, self._universe)).is_possible()

    def _newer(self, goal: Goal, target: Target, text: str) -> Group:
        return self._nearest(goal, target, text, newer=True)

    def _older(self, goal: Goal, target: Target, text: str) -> Group:
        return self._nearest(goal, target, text, newer=False)

    def _nearest(self, goal: Goal, target: Target, text: str, *, newer: bool) -> Group:
        """The nearest version, on one side, with which everything else can be kept."""
        parsed = parse_requirement(text)
        here = _named_version(parsed)
        if here is None:
            return
        trial = _replaced(goal, text, _bare(parsed))
        search = Search(Problem(trial, target, self._universe))
        name = search.problem.meant(parsed.name)
        versions = search.versions_left(name, {}) or set()
        near = below_and_above(versions, str(here))[newer]
        # Another build of the same version is near as well, where one build was named.
        if newer and "+" in text:
            same = [version for version in versions if parse_version(version) == here]
            near = sorted(same, key=version_order) + near
        project = self._universe.project(name)
        if project is not None and project.window is not None:
            near = near[:TRIED]
        for version in near:
            if search.is_possible_at(name, version):
                exact = _replaced(goal, text, f"{_bare(parsed)}=={version}")
                yield Suggestion(f"with {name} {version}", exact, target)
                return

    # -- two changes ----------------------------------------------------------------------------

    def _double(self, goal: Goal, target: Target, cores: Sequence[Core]) -> Iterator[Group]:
        """Two requirements or options let go at once, one of each conflict."""
        if len(cores) > 1:
            first, second = (_loosenings(goal, target, core.elements) for core in cores[:2])
            pairs = [(one, other) for one in first for other in second if one != other]
        else:
            pairs = list(combinations(_loosenings(goal, target, cores[0].elements), 2))
        for one, other in pairs:
            yield self._both(goal, target, one, other)

    def _both(self, goal: Goal, target: Target, one: Loosening, other: Loosening) -> Group:
        trial = other.loosen(one.loosen(goal))
        answer = Search(Problem(trial, target, self._universe)).best()
        if answer is None:
            return
        problem = Problem(trial, target, self._universe)
        says = []
        for each in (one, other):
            chosen = answer.pinned.version_of(problem.meant(each.name)) if each.name else None
            if chosen is not None:
                trial = _replaced(trial, each.name, f"{each.name}=={chosen.version}")
                says.append(f"{each.name} {chosen.version}")
            else:
                says.append(each.says)
        yield Suggestion(f"with {' and '.join(says)}", trial, target)


class Loosening(NamedTuple):
    """One element of a question let go; ``name`` is the bare requirement that is left, if any."""

    name: str
    says: str
    loosen: Callable[[Goal], Goal]


def _loosenings(goal: Goal, target: Target, elements: Sequence[Element]) -> list[Loosening]:
    found = []
    for text in ids_of(elements, "goal"):
        parsed = parse_requirement(text)
        if parsed.specifier:
            bare = _bare(parsed)
            found.append(Loosening(bare, bare, _dropping_specifier(text, bare)))
    if CUDA_OPTION in elements and goal.cuda is not None:
        found.append(Loosening("", "another CUDA build", lambda each: replace(each, cuda=None)))
    return found


def _dropping_specifier(text: str, bare: str) -> Callable[[Goal], Goal]:
    return lambda goal: _replaced(goal, text, bare)


def _loosened_options(
    goal: Goal, target: Target, elements: Sequence[Element]
) -> Iterator[Suggestion]:
    if CUDA_OPTION in elements and goal.cuda is not None:
        yield Suggestion("with another CUDA build", replace(goal, cuda=None), target)
    if BUILDERS_OPTION in elements:
        wider = "any" if goal.builders == "known" else "known"
        yield Suggestion(f"with {wider} builders", replace(goal, builders=wider), target)
    if EXCLUDE_NEWER_OPTION in elements:
        yield Suggestion("with newer releases", replace(goal, exclude_newer=None), target)


def _replaced(goal: Goal, text: str, other: str) -> Goal:
    """The goal with one requirement, or constraint, said otherwise."""
    return replace(
        goal,
        requirements=tuple(sorted(other if each == text else each for each in goal.requirements)),
        constraints=tuple(each for each in goal.constraints if each != text),
    )


def _bare(parsed: Requirement) -> str:
    extras = f"[{','.join(sorted(parsed.extras))}]" if parsed.extras else ""
    return parsed.name + extras


def _named_version(parsed: Requirement) -> Version | None:
    """The version a requirement speaks of: what other versions are near to."""
    for item in parsed.specifier:
        return parse_version(parse_version(item.version.removesuffix(".*")).public)
    return None


# -- other targets ------------------------------------------------------------------------------


def _targets(goal: Goal, target: Target, parts: set[str]) -> Iterator[Suggestion]:
    """The nearest targets: another Python, another platform, then both."""
    pythons = _near_pythons(target) if "python" in parts else []
    platforms = []
    if "platform" in parts:
        able = (name for name in LIKELY if PLATFORMS[name].accelerators)
        platforms = [name for name in able if name != target.platform]
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


def _newer_glibcs(goal: Goal, target: Target) -> Iterator[Suggestion]:
    """Linux with a newer C library than the one that is taken where none is said."""
    for glibc in GLIBCS:
        if target.glibc and parse_version(glibc) > parse_version(target.glibc):
            yield Suggestion(f"with glibc {glibc}", goal, replace(target, glibc=glibc))


def _elsewhere(goal: Goal, target: Target, elements: Sequence[Element]) -> Iterator[Suggestion]:
    """Another machine than the one that was looked at, where that is what stands in the way."""
    own = {
        name for name in OF_ACCELERATOR if FACETS[name].values(target) and name not in target.stated
    }
    if any(Element("target", part) in elements for part in own):
        gpus = () if "gpu" in own else target.gpus
        driver = None if "driver" in own else target.driver
        named = " and ".join(name for name in OF_ACCELERATOR if name in own)
        yield Suggestion(
            f"without this machine's {named}", goal, replace(target, gpus=gpus, driver=driver)
        )


def _for_one_gpu(goal: Goal, target: Target) -> Iterator[Suggestion]:
    """Of several GPUs that all have to work one alone, the newest first."""
    for gpu in reversed(target.gpus):
        yield Suggestion(f"for the GPU {gpu} alone", goal, replace(target, gpus=(gpu,)))


def _on_platform(goal: Goal, target: Target, platform: str) -> Suggestion:
    other = target.on_platform(platform)
    is_wsl = platform == PLATFORMS[target.platform].wsl
    wsl = " (under WSL2, say)" if is_wsl else ""
    return Suggestion(f"on {other.platform_label}{wsl}", goal, other)


def _near_pythons(target: Target) -> list[str]:
    """Other Pythons, the nearest first, the newer of two."""
    minor = int(target.python.split(".")[1])
    others = [python for python in PYTHONS if int(python.split(".")[1]) != minor]
    if target.free_threaded:
        others.append(f"3.{minor}")
    return sorted(others, key=lambda each: (abs(int(each[2:]) - minor), -int(each[2:])))


__all__ = ["Suggestion", "suggest"]
