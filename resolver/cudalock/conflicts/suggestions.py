"""Suggest changes to an impossible goal: few, and each solved before it is shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import combinations
from typing import TYPE_CHECKING, Final

from cudalock.errors import GaveUp, NetworkError
from cudalock.goals import Goal, ProjectRequirement, command_line
from cudalock.records import NamedTuple, replace
from cudalock.resolution.elements import (
    ACCELERATOR_OPTION,
    BUILDERS_OPTION,
    EXCLUDE_NEWER_OPTION,
    TARGET_GLIBC,
    TARGET_GPU,
    TARGET_PLATFORM,
    TARGET_PYTHON,
    Element,
    goal_element,
)
from cudalock.resolution.find import find
from cudalock.resolution.machine import newer_glibcs, oldest_glibc
from cudalock.resolution.problem import Problem
from cudalock.resolution.search import Search
from cudalock.targets import LIKELY, PLATFORMS, PYTHONS
from cudalock.targets.accelerators import ACCELERATORS, DEFAULT, Wish
from cudalock.targets.facets import FACETS, OF_ACCELERATOR
from cudalock.targets.tags import ANY, fits_any
from cudalock.versions import (
    below_and_above,
    parse_version,
    pins_exactly,
    specifier_set,
    version_order,
)

if TYPE_CHECKING:
    from packaging.version import Version

    from cudalock.conflicts.core import Core
    from cudalock.matrix.universe import Universe
    from cudalock.targets import Target

SHOWN: Final = 3
"""How many suggestions are shown."""
MAX_LISTED: Final = 3
"""How many versions are tried of a project that only an index has: each may cost a request."""
UNSTATED_PARTS: Final = (TARGET_PYTHON, TARGET_PLATFORM)


class Suggestion(NamedTuple):
    """A query near the impossible one that has a solution."""

    change: str
    """the change, for people: `with torch 2.6.0`"""
    goal: Goal
    target: Target
    flags: str = ""
    """the flags that choose the matrix, each after a space"""

    @property
    def command(self) -> str:
        """The command that solves the changed query."""
        return command_line(self.goal, self.target) + self.flags

    def __str__(self) -> str:
        return f"{self.change}: `{self.command}`"


Group = Iterator[Suggestion]
"""Alternatives of which one is enough."""


def suggest(
    goal: Goal,
    target: Target,
    universe: Universe,
    cores: Sequence[Core],
    *,
    refused: Sequence[str] = (),
    newer_glibc: str | None = None,
) -> list[Suggestion]:
    """Return at most three changes that help, the smallest first; pairs where one is not enough.

    What the user left to defaults comes first: stating it costs nothing. `cores` are those of the
    goal on the target, `refused` the projects whose source distributions are not built, and
    `newer_glibc` one with which the goal has a solution, if one is known.
    """
    advisor = Advisor(universe, newer_glibc=newer_glibc)
    suggestions = [*advisor.about_sources(goal, target, refused)]
    suggestions = (suggestions + advisor.suggest(goal, target, cores))[:SHOWN]
    return [suggestion._replace(flags=universe.flags) for suggestion in suggestions]


def find_newer_glibc(
    goal: Goal, target: Target, universe: Universe, needed: str | None
) -> str | None:
    """Return a glibc with which a goal has a solution, in place of the assumed one; None for none.

    That is the one `needed` by the explanation, or else the oldest usual one. Raises GaveUp and
    NetworkError.
    """
    newer = newer_glibcs(target)
    # Each may take an index to tell: the newest tells whether any will do.
    for glibc in dict.fromkeys((needed if needed in newer else newer[-1], newer[-1])):
        resolution = find(goal, replace(target, glibc=glibc), universe)
        if resolution is None:
            continue
        if glibc == needed or universe.is_open:
            return glibc if glibc == needed else oldest_glibc(resolution) or glibc
        return next(
            older
            for older in newer
            if older == glibc or find(goal, replace(target, glibc=older), universe) is not None
        )
    return None


class Advisor:
    """Tries changes of goals and targets with one matrix."""

    def __init__(self, universe: Universe, *, newer_glibc: str | None = None) -> None:
        self._universe = universe
        self._matrix = universe.matrix
        self._newer_glibc = newer_glibc

    def suggest(self, goal: Goal, target: Target, cores: Sequence[Core]) -> list[Suggestion]:
        """Return the first suggestion of each group, as `suggest` describes."""
        suggestions: list[Suggestion] = []
        for groups in (self._single, self._double):
            for group in groups(goal, target, cores):
                first = next(group, None)
                if first is not None:
                    suggestions.append(first)
                if len(suggestions) == SHOWN:
                    return suggestions
            if suggestions:
                return suggestions
        return suggestions

    def about_sources(
        self, goal: Goal, target: Target, refused: Sequence[str]
    ) -> Iterator[Suggestion]:
        """Yield solved suggestions to build the refused source distributions, and to skip them."""
        if not refused:
            return
        named = " and ".join(refused)
        build = replace(goal, allow_build=tuple(sorted({*goal.allow_build, *refused})))
        others = tuple(stated for stated in goal.requirements if stated.name not in refused)
        skip = replace(goal, requirements=others, skip=tuple(sorted({*goal.skip, *refused})))
        changes = [(f"compiling {named} yourself", build)]
        changes += [(f"all but {named}", skip)] if others else []
        for change, changed in changes:
            suggestion = Suggestion(change, changed, target)
            if self._is_possible(suggestion) or self._is_found(suggestion):
                yield suggestion

    # -- one change -----------------------------------------------------------------------------

    def _single(self, goal: Goal, target: Target, cores: Sequence[Core]) -> Iterator[Group]:
        """The groups of solved suggestions for the elements of the first core."""
        # From what costs the user nothing (a default, a detected GPU) to what costs most (a project
        # less). One change has to fix every core, so those of the first are enough to try.
        elements = cores[0].elements
        if self._newer_glibc is not None:
            yield iter([_on_glibc(goal, target, self._newer_glibc)])
        if len(target.gpus) > 1 and TARGET_GPU in elements:
            yield self._solved(_for_one_gpu(goal, target))
        unstated = {part for part in ("python", "platform") if part not in target.stated}
        if unstated and any(part in elements for part in UNSTATED_PARTS):
            yield self._solved(_targets(goal, target, unstated))
        is_stated = "glibc" in target.stated or self._newer_glibc is not None
        if TARGET_GLIBC in elements and not is_stated:
            newer = (_on_glibc(goal, target, glibc) for glibc in newer_glibcs(target))
            yield self._solved(newer)
        yield self._solved(_without_own_machine(goal, target, elements))
        required = _required(goal, elements)
        for requirement in required:
            if requirement.specifier:
                yield self._newer(goal, target, requirement)
                yield self._older(goal, target, requirement)
        yield self._solved(self._of_reported(goal, target, elements))
        yield self._solved(_relaxed_options(goal, target, elements))
        if "python" in target.stated and TARGET_PYTHON in elements:
            yield self._solved(_targets(goal, target, {"python"}))
        wsl = PLATFORMS[target.platform].wsl
        # Whoever names Windows can use WSL2 on the same machine, but not another platform.
        if wsl and "platform" in target.stated:
            yield self._solved(iter([_on_platform(goal, target, wsl)]))
        elif "platform" in target.stated and TARGET_PLATFORM in elements:
            yield self._solved(_targets(goal, target, {"platform"}))
        for requirement in required:
            if not requirement.specifier and len(goal.requirements) > 1:
                others = tuple(other for other in goal.requirements if other != requirement)
                changed = replace(goal, requirements=others)
                yield self._solved(iter([Suggestion(f"without {requirement}", changed, target)]))

    def _of_reported(
        self, goal: Goal, target: Target, elements: Sequence[Element]
    ) -> Iterator[Suggestion]:
        """What runs on a machine whose driver reports the CUDA version that no build is for."""
        wish = goal.accelerator
        if wish is None or ACCELERATOR_OPTION not in elements or "driver" in target.stated:
            return
        exact = re.fullmatch(r"==([0-9]+\.[0-9]+)(?:\.\*)?", wish.specifier or "")
        driver = self._matrix.driver_of(exact[1]) if exact and wish.name == DEFAULT.name else None
        framework = self._matrix.framework
        if exact is None or driver is None or framework is None:
            return
        own = tuple(stated for stated in goal.requirements if stated.name == framework)
        # A build that is named is none that the driver chose.
        if any(stated.names_build for stated in own):
            return
        own = own or (ProjectRequirement.of(framework),)
        single = replace(goal, requirements=own, constraints=())
        if self._is_possible(Suggestion("", single, target)):
            return
        title = ACCELERATORS[DEFAULT.name].title
        yield Suggestion(
            f"if {title} {exact[1]} is what `nvidia-smi` shows, for its driver",
            replace(goal, accelerator=None),
            replace(target, driver=driver, stated=target.stated | {"driver"}),
        )

    def _solved(self, suggestions: Iterator[Suggestion]) -> Group:
        return (suggestion for suggestion in suggestions if self._is_possible(suggestion))

    def _is_possible(self, suggestion: Suggestion) -> bool:
        target, matrix = suggestion.target, self._matrix
        if not all(target.platform in matrix.gpus.platforms_of(gpu) for gpu in target.gpus):
            return False
        problem = Problem(suggestion.goal, suggestion.target, self._universe)
        # Another target may need an index that cannot be queried: that is no suggestion.
        with suppress(NetworkError):
            return not self._lacks_wheels(problem) and Search(problem).is_possible()
        return False

    def _is_found(self, suggestion: Suggestion) -> bool:
        """Return whether the index has a solution beyond the releases that were looked at: who
        may build one source distribution meets requirements that nobody came to before."""
        if not self._universe.is_open:
            return False
        with suppress(GaveUp, NetworkError):
            goal, target = suggestion.goal, suggestion.target
            return find(goal, target, self._universe, looks_newer=False) is not None
        return False

    def _lacks_wheels(self, problem: Problem) -> bool:
        """Return whether a release that the goal pins has wheels for other targets alone.

        Who builds a wheel for each platform has something to compile. An index that is asked for
        the source distribution of such a release took half the time of an explanation.
        """
        exact = problem.target.tags()
        for root in problem.roots:
            project = self._matrix.project(root.name)
            is_buildable = root.name in problem.goal.allow_build or bool(
                self._matrix.component(root.name).sdists
            )
            if project is None or is_buildable or not pins_exactly(root.specifiers):
                continue
            releases = [
                project.release(version) for version in project.versions if root.may_accept(version)
            ]
            tags = [tags for release in releases for build in release.builds for tags in build.tags]
            is_compiled = bool(tags) and not any(tag_set.endswith(f"-{ANY}") for tag_set in tags)
            if is_compiled and not fits_any(tags, exact):
                return True
        return False

    def _newer(self, goal: Goal, target: Target, requirement: ProjectRequirement) -> Group:
        return self._nearest(goal, target, requirement, newer=True)

    def _older(self, goal: Goal, target: Target, requirement: ProjectRequirement) -> Group:
        return self._nearest(goal, target, requirement, newer=False)

    def _nearest(
        self, goal: Goal, target: Target, requirement: ProjectRequirement, *, newer: bool
    ) -> Group:
        """The nearest version on one side with which everything else of the goal is possible."""
        version_now = _named_version(requirement)
        if version_now is None:
            return
        trial = _replaced(goal, requirement, requirement.any_version)
        search = Search(Problem(trial, target, self._universe))
        name = search.problem.project_named(requirement.name)
        versions = search.versions_left(name, {}) or set()
        near = below_and_above(versions, str(version_now))[newer]
        # To `torch==2.5.1+cu118` another build of 2.5.1 is near as well.
        if newer and requirement.names_build:
            same = [version for version in versions if parse_version(version) == version_now]
            near = sorted(same, key=version_order) + near
        project = self._universe.project(name)
        if project is not None and project.window is not None:
            near = near[:MAX_LISTED]
        for version in near:
            if search.is_possible_at(name, version):
                exact = _replaced(goal, requirement, requirement.at(version))
                yield Suggestion(f"with {name} {version}", exact, target)
                return

    # -- two changes ----------------------------------------------------------------------------

    def _double(self, goal: Goal, target: Target, cores: Sequence[Core]) -> Iterator[Group]:
        """Two requirements or options relaxed at once, one of each core."""
        if len(cores) > 1:
            first, second = (_relaxations(goal, target, core.elements) for core in cores[:2])
            # Each core needs a change of its own.
            pairs = [(one, other) for one in first for other in second if one != other]
        else:
            pairs = list(combinations(_relaxations(goal, target, cores[0].elements), 2))
        for one, other in pairs:
            yield self._relaxed_pair(goal, target, one, other)

    def _relaxed_pair(
        self, goal: Goal, target: Target, one: Relaxation, other: Relaxation
    ) -> Group:
        trial = other.relax(one.relax(goal))
        solution = Search(Problem(trial, target, self._universe)).best()
        if solution is None:
            return
        problem = Problem(trial, target, self._universe)
        changes = []
        for relaxed, change, _ in (one, other):
            # The command pins what the relaxed query was solved with.
            name = problem.project_named(relaxed.name) if relaxed else ""
            chosen = solution.assignment.candidate_of(name) if name else None
            if relaxed is not None and chosen is not None and chosen.version is not None:
                trial = _replaced(trial, relaxed, relaxed.at(chosen.version))
                change = f"{relaxed} {chosen.version}"
            changes.append(change)
        yield Suggestion(f"with {' and '.join(changes)}", trial, target)


class Relaxation(NamedTuple):
    """One requirement or option that is relaxed."""

    requirement: ProjectRequirement | None
    """the requirement without its specifier; None for an option"""
    change: str
    relax: Callable[[Goal], Goal]


def _relaxations(goal: Goal, target: Target, elements: Sequence[Element]) -> list[Relaxation]:
    relaxations = []
    for requirement in _required(goal, elements):
        if requirement.specifier:
            relaxed = requirement.any_version
            drop = _dropping_specifier(requirement, relaxed)
            relaxations.append(Relaxation(relaxed, str(relaxed), drop))
    wider = _wider(goal) if ACCELERATOR_OPTION in elements else None
    if wider is not None:
        relaxations.append(
            Relaxation(None, wider[0], lambda other: replace(other, accelerator=wider[1]))
        )
    return relaxations


def _wider(goal: Goal) -> tuple[str, Wish | None] | None:
    """Return a wider wish for an accelerator, and what it changes, for people; None if only another
    accelerator would be left."""
    wish = goal.accelerator
    if wish is None:
        return None
    row = ACCELERATORS.get(wish.name, DEFAULT)
    if row is DEFAULT:
        return f"another {row.title} build", None
    return (f"another {row.title} build", Wish(wish.name)) if wish.specifier else None


def _required(goal: Goal, elements: Sequence[Element]) -> list[ProjectRequirement]:
    """Return the requirements and constraints of the goal that are among the elements, in the order
    of those."""
    stated = {goal_element(one): one for one in (*goal.requirements, *goal.constraints)}
    return [stated[element] for element in elements if element in stated]


def _dropping_specifier(
    requirement: ProjectRequirement, relaxed: ProjectRequirement
) -> Callable[[Goal], Goal]:
    return lambda goal: _replaced(goal, requirement, relaxed)


def _relaxed_options(
    goal: Goal, target: Target, elements: Sequence[Element]
) -> Iterator[Suggestion]:
    wider = _wider(goal) if ACCELERATOR_OPTION in elements else None
    if wider is not None:
        change, wish = wider
        yield Suggestion(f"with {change}", replace(goal, accelerator=wish), target)
    if BUILDERS_OPTION in elements:
        builders = "any" if goal.builders == "known" else "known"
        yield Suggestion(f"with {builders} builders", replace(goal, builders=builders), target)
    if EXCLUDE_NEWER_OPTION in elements:
        yield Suggestion("with newer releases", replace(goal, exclude_newer=None), target)


def _replaced(goal: Goal, stated: ProjectRequirement, other: ProjectRequirement) -> Goal:
    """The goal with another requirement in the place of one, or without that constraint."""
    requirements = (other if old == stated else old for old in goal.requirements)
    return replace(
        goal,
        # Sorted, so that the suggested command is what a lock of it will record.
        requirements=tuple(sorted(requirements, key=str)),
        constraints=tuple(constraint for constraint in goal.constraints if constraint != stated),
    )


def _named_version(requirement: ProjectRequirement) -> Version | None:
    """The first version that a specifier names, without a local label."""
    for clause in specifier_set(requirement.specifier):
        return parse_version(parse_version(clause.version.removesuffix(".*")).public)
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
    # Another Python is installed in a minute, another machine is not: those come after.
    for platform in platforms:
        yield _on_platform(goal, target, platform)
    for platform in platforms:
        for python in pythons:
            other = replace(target.on_platform(platform), python=python, free_threaded=False)
            where = f"on {other.platform_label} with Python {python}"
            yield Suggestion(where, goal, other)


def _on_glibc(goal: Goal, target: Target, glibc: str) -> Suggestion:
    return Suggestion(f"with glibc {glibc}", goal, replace(target, glibc=glibc))


def _without_own_machine(
    goal: Goal, target: Target, elements: Sequence[Element]
) -> Iterator[Suggestion]:
    """A target without the GPU and driver of this machine, if these are part of the conflict."""
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
    """One of several GPUs, the newest first: a goal has to work on all of them."""
    for gpu in reversed(target.gpus):
        yield Suggestion(f"for GPU {gpu} only", goal, replace(target, gpus=(gpu,)))


def _on_platform(goal: Goal, target: Target, platform: str) -> Suggestion:
    other = target.on_platform(platform)
    is_wsl = platform == PLATFORMS[target.platform].wsl
    wsl = " (for example under WSL2)" if is_wsl else ""
    return Suggestion(f"on {other.platform_label}{wsl}", goal, other)


def _near_pythons(target: Target) -> list[str]:
    """The other Python versions, the nearest first, the newer of two."""
    minor = int(target.python.split(".")[1])
    others = [python for python in PYTHONS if int(python.split(".")[1]) != minor]
    if target.free_threaded:
        others.append(f"3.{minor}")

    def distance(python: str) -> tuple[int, int]:
        other_minor = int(python.removeprefix("3."))
        return abs(other_minor - minor), -other_minor

    return sorted(others, key=distance)
