"""Explain why a requirement has no wheel, or leads to a project that has none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final

from cudalock.conflicts.step import (
    BuilderRejected,
    MetadataRequires,
    NamedVersions,
    NoSuchBuild,
    NoWheel,
    PublishedBy,
    SourceOnly,
    Step,
    UnknownProject,
    Yanked,
)
from cudalock.matrix.sources import PURE, SourceState
from cudalock.resolution.elements import BUILDERS_OPTION, EXCLUDE_NEWER_OPTION, ids_of
from cudalock.resolution.model import Candidate
from cudalock.targets.tags import glibc_floor, minor_of
from cudalock.versions import accepts, is_prerelease, may_accept

if TYPE_CHECKING:
    from cudalock.goals import ProjectRequirement
    from cudalock.resolution.elements import Element
    from cudalock.resolution.problem import Problem
    from cudalock.targets import Target

MOST_HOPS: Final = 4
"""Requirements on the path to a project without a wheel. A longer path is not a helpful reason."""
MOST_REASONS: Final = 2
"""Reasons that are shown for why source distributions of one project are not built."""
MOST_RELEASES: Final = 8
"""Releases of a project that are followed; of more it is not claimed that all are dead ends."""


def source_only_steps(
    component: str, by_build: Mapping[SourceState | None, list[Candidate]]
) -> Iterator[SourceOnly]:
    """Yield a step for the releases of each reason; the oldest of many reasons are left out."""
    steps = [
        SourceOnly(NamedVersions.of(component, candidates), build)
        for build, candidates in by_build.items()
    ]
    yield from steps[-MOST_REASONS:]


class DeadEnds:
    """Finds projects without a wheel, and the requirements that lead to them."""

    def __init__(
        self, problem: Problem, *, is_single: bool, ignored: frozenset[Element] = frozenset()
    ) -> None:
        """`is_single`: one requirement is impossible by itself, so that its newest release shows
        why as well as all of them. `ignored` are elements that are no reason."""
        self._problem = problem
        self._is_single = is_single
        self._ignored = ignored
        self._dead_ends: dict[tuple[str, str, int, frozenset[str]], tuple[Step, ...] | None] = {}

    def never_installable(self, component: str, specifier: str) -> Iterator[Step]:
        """Yield why a component has no wheel on any target at the versions of a specifier."""
        project = self._problem.universe.project(component)
        source_only: dict[SourceState | None, list[Candidate]] = {}
        for version in project.versions if project else ():
            if not project or not accepts(specifier, version):
                continue
            release = project.release(version)
            # PEP 592: an installer takes a yanked release only where a pin names it exactly.
            if release.yanked:
                yield Yanked(component, version, release.yanked)
            elif release.is_source_only:
                refused = self._problem.source_of(component, release)
                if refused is None or refused.kind != PURE:
                    source_only.setdefault(refused, []).append(Candidate(component, version))
        yield from source_only_steps(component, source_only)
        yield from self._other_builds(component, specifier)

    def _other_builds(self, component: str, specifier: str) -> Iterator[Step]:
        """That a release has no build with the local version of a specifier, and which it has."""
        project = self._problem.universe.project(component)
        if project is None or "+" not in specifier:
            return
        for version in project.versions:
            if not may_accept(specifier, version):
                continue
            builds = project.release(version).builds
            labels = sorted({build.local for build in builds if build.local})
            # A project whose builds have no labels at all has none to offer instead.
            if labels and not any(accepts(specifier, f"{version}+{label}") for label in labels):
                yield NoSuchBuild(component, version, tuple(labels))

    def path_from(self, requirement: ProjectRequirement) -> tuple[Step, ...]:
        """Return the path from a requirement of the goal to one that no wheel meets.

        There is one if every release that meets the requirement leads to a project that has only a
        source distribution, no wheel for the target, or no entry in the matrix; else it is empty.
        """
        # `triton` in a goal is triton-windows on Windows, and that has the wheels.
        name = self._problem.project_named(requirement.name)
        extras = frozenset(requirement.extras)
        return self._dead_end(name, requirement.specifier, MOST_HOPS, extras) or ()

    def _dead_end(
        self, name: str, specifier: str, hops: int, extras: frozenset[str]
    ) -> tuple[Step, ...] | None:
        """Why no release of a project is installable; None where one might be. Cached."""
        key = (name, specifier, hops, extras)
        if key not in self._dead_ends:
            self._dead_ends[key] = self._find_dead_end(name, specifier, hops, extras)
        return self._dead_ends[key]

    def _find_dead_end(
        self, name: str, specifier: str, hops: int, extras: frozenset[str]
    ) -> tuple[Step, ...] | None:
        project = self._problem.universe.project(name)
        if project is None:
            return (UnknownProject(name, self._problem.universe.is_open),)
        takes_early = project.takes_prereleases([specifier])
        versions = [
            version
            for version in reversed(project.versions)
            if accepts(specifier, version) and (takes_early or not is_prerelease(version))
        ]
        installable = filter(None, map(partial(self._first_at, name), versions))
        one_is_enough = hops == MOST_HOPS and self._is_single
        # Lazy, and one more than the bound: reading a listed release may cost a request.
        candidates = list(islice(installable, 1 if one_is_enough else MOST_RELEASES + 1))
        if not candidates:
            reasons = tuple(self.never_installable(name, specifier))[-1:]
            return reasons or self._not_for_target(name, versions)
        if not hops or len(candidates) > MOST_RELEASES:
            return None
        # A dead end only if each release leads to one; the path of the newest is shown.
        newest_path = None
        for candidate in candidates:
            path = self._dead_requirement(candidate, hops, extras)
            if path is None:
                return None
            newest_path = newest_path or path
        return newest_path

    def _first_at(self, name: str, version: str) -> Candidate | None:
        """The first candidate of a version that the target and the options allow."""
        for candidate in self._problem.candidates_at(name, version):
            if not any(self._missed(candidate)):
                return candidate
        return None

    def _missed(self, candidate: Candidate) -> Iterator[frozenset[Element]]:
        """The sets of elements that rule a candidate out, those apart that are no reason."""
        missed = self._problem.missed_filters(candidate)
        return (elements for elements in missed if self._ignored.isdisjoint(elements))

    def _not_for_target(self, name: str, versions: list[str]) -> tuple[Step, ...] | None:
        """Why no wheel of these versions can be had; None for no versions."""
        if not versions:
            return None
        lost = [
            candidate
            for version in versions
            for candidate in self._problem.candidates_at(name, version)
        ]
        elements = _fewest([list(self._missed(candidate)) for candidate in lost])
        if EXCLUDE_NEWER_OPTION in elements:
            return (PublishedBy(str(self._problem.goal.exclude_newer)),)
        if BUILDERS_OPTION in elements:
            return (BuilderRejected(name, self._problem.goal.builders),)
        parts = sorted(ids_of(elements, "target")) or ["platform", "python"]
        lost = lost or [Candidate(name, version) for version in versions]
        return (self.no_wheel(name, lost, parts),)

    def _dead_requirement(
        self, candidate: Candidate, hops: int, extras: frozenset[str]
    ) -> tuple[Step, ...] | None:
        """The path through the first requirement of a release that leads to a dead end."""
        with_extras = [candidate, *([candidate.with_extras(extras)] if extras else ())]
        # The list grows while it is walked: `torch[all]` may require `torch[a,b]`.
        requirements = (
            requirement
            for part in with_extras
            for requirement in self._problem.metadata_requirements(part)
        )
        for requirement in requirements:
            if requirement.name == candidate.name:
                is_new = all(requirement.extras != part.extras for part in with_extras)
                if requirement.extras and is_new:
                    with_extras.append(candidate.with_extras(requirement.extras))
                continue
            for specifier in requirement.specifiers or ("",):
                path = self._dead_end(requirement.name, specifier, hops - 1, requirement.extras)
                if path is not None:
                    owner = NamedVersions(candidate.name, (candidate.full_version,))
                    return (MetadataRequires(owner, (str(requirement),)), *path)
        return None

    def no_wheel(self, component: str, lost: list[Candidate], parts: list[str]) -> NoWheel:
        """Return the step that candidates have no wheel for these parts of the target."""
        target = self._problem.target
        pythons = _pythons(lost) if parts == ["python"] else ()
        glibc = _oldest_glibc(lost, target) if "glibc" in parts else None
        releases = NamedVersions.of(component, lost)
        return NoWheel(releases, target, tuple(parts), pythons, glibc)


def _fewest(options: list[list[frozenset[Element]]]) -> frozenset[Element]:
    """The fewest elements that rule out every candidate, by the sets that rule out each."""
    every = {elements for sets in options for elements in sets}
    for elements in sorted(every, key=lambda elements: (len(elements), sorted(elements))):
        if all(any(missed <= elements for missed in sets) for sets in options):
            return elements
    return frozenset(element for sets in options for element in min(sets, key=len, default=()))


def _oldest_glibc(candidates: list[Candidate], target: Target) -> str | None:
    """The oldest glibc that a wheel of these candidates runs on, whose other tags fit a target."""
    tags = target.family_tags()
    wheels = [
        wheel
        for candidate in candidates
        if candidate.build
        for wheel in candidate.build.tags
        if tags.rank(wheel) is not None
    ]
    floors = [floor for wheel in wheels if (floor := glibc_floor(wheel)) is not None]
    return f"2.{min(floors)}" if floors else None


def _pythons(candidates: list[Candidate]) -> tuple[int, ...]:
    """The minor versions of CPython 3 that wheels of these candidates' builds are for."""
    builds = [candidate.build for candidate in candidates if candidate.build]
    tags = {tag for build in builds for tag in build.tags}
    return tuple(sorted({minor for tag in tags if (minor := minor_of(tag)) is not None}))
