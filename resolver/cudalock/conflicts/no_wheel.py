"""Why what was asked for has no wheel, or leads to what has none."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final

from cudalock.conflicts.step import (
    MetadataRequires,
    NamedVersions,
    NoSuchBuild,
    NoWheel,
    SourceOnly,
    Step,
    UnknownProject,
    Yanked,
)
from cudalock.resolution.model import Candidate
from cudalock.targets.tags import minor_of
from cudalock.versions import accepts, is_prerelease, may_accept, parse_requirement

if TYPE_CHECKING:
    from cudalock.resolution.problem import Problem

MOST_HOPS: Final = 4
MOST_RELEASES: Final = 8
"""How far, and of how many releases, the way to a project without a wheel is looked for."""


class WithoutWheels:
    """What a problem has no wheel of, and how its requirements lead there.

    `is_alone`: one requirement is impossible by itself, so that its newest release tells why as
    well as all of them.
    """

    def __init__(self, problem: Problem, *, is_alone: bool) -> None:
        self._problem = problem
        self._is_alone = is_alone
        self._dead_ends: dict[tuple[str, str, int, frozenset[str]], tuple[Step, ...] | None] = {}

    def told(self, component: str, text: str) -> Iterator[Step]:
        """Why none of the versions asked for can be pinned at all, whatever the target."""
        project = self._problem.universe.project(component)
        specifier = parse_requirement(text).specifier
        source_only = []
        for version in project.versions if project else ():
            if not project or not specifier.contains(version, prereleases=True):
                continue
            release = project.release(version)
            if release.yanked:
                yield Yanked(component, version, release.yanked)
            elif release.sdist and not any(build.rows for build in release.builds):
                source_only.append(Candidate(component, version))
        if source_only:
            yield SourceOnly(NamedVersions.of(component, source_only))
        yield from self._other_builds(component, str(specifier))

    def _other_builds(self, component: str, specifier: str) -> Iterator[Step]:
        """That a release has no build of the local version that is asked for, and which it has."""
        project = self._problem.universe.project(component)
        if project is None or "+" not in specifier:
            return
        for version in project.versions:
            if not may_accept(specifier, version):
                continue
            labels = sorted({b.local for b in project.release(version).builds if b.local})
            if labels and not any(accepts(specifier, f"{version}+{label}") for label in labels):
                yield NoSuchBuild(component, version, tuple(labels))

    def way(self, text: str) -> tuple[Step, ...]:
        """The way from a requirement of the goal to one that no wheel here meets (a source
        distribution, other platforms, a project that is not held), if every release that could be
        taken leads to such a one."""
        wanted = parse_requirement(text)
        name = self._problem.meant(wanted.name)
        extras = frozenset(wanted.extras)
        return self._dead_end(name, str(wanted.specifier), MOST_HOPS, extras) or ()

    def _dead_end(
        self, name: str, specifier: str, hops: int, extras: frozenset[str]
    ) -> tuple[Step, ...] | None:
        """Why no release of a project can be had, by what it requires; None where one might be."""
        key = (name, specifier, hops, extras)
        if key not in self._dead_ends:
            self._dead_ends[key] = self._look_for_dead_end(name, specifier, hops, extras)
        return self._dead_ends[key]

    def _look_for_dead_end(
        self, name: str, specifier: str, hops: int, extras: frozenset[str]
    ) -> tuple[Step, ...] | None:
        project = self._problem.universe.project(name)
        if project is None:
            return (UnknownProject(name, self._problem.universe.is_open),)
        asked = [
            version
            for version in reversed(project.versions)
            if accepts(specifier, version) and not is_prerelease(version)
        ]
        takable = (each for each in map(partial(self._first_at, name), asked) if each is not None)
        is_alone = hops == MOST_HOPS and self._is_alone
        made = list(islice(takable, 1 if is_alone else MOST_RELEASES + 1))
        if not made:
            told = tuple(self.told(name, f"{name}{specifier}"))[-1:]
            return told or self._not_for_here(name, asked)
        if not hops or len(made) > MOST_RELEASES:
            return None
        first = None
        for candidate in made:
            way = self._dead_requirement(candidate, hops, extras)
            if way is None:
                return None
            first = first or way
        return first

    def _first_at(self, name: str, version: str) -> Candidate | None:
        """The first candidate of a release that the target and the options let through."""
        for candidate in self._problem.candidates_at(name, version):
            if next(iter(self._problem.missed_filters(candidate)), None) is None:
                return candidate
        return None

    def _not_for_here(self, name: str, asked: list[str]) -> tuple[Step, ...] | None:
        """That no wheel of these releases is for the target; None for no releases."""
        if not asked:
            return None
        lost = [Candidate(name, version) for version in asked]
        glibc = ("glibc",) if self._problem.target.glibc else ()
        return (self.for_parts(name, lost, ["platform", "python", *glibc]),)

    def _dead_requirement(
        self, candidate: Candidate, hops: int, extras: frozenset[str]
    ) -> tuple[Step, ...] | None:
        parts = [candidate, *([candidate.with_extras(extras)] if extras else ())]
        for each in (one for part in parts for one in self._problem.metadata(part)):
            if each.name == candidate.name:
                # An extra that is made of others of the same project (grows).
                if each.extras and all(each.extras != part.extras for part in parts):
                    parts.append(candidate.with_extras(each.extras))
                continue
            for specifier in each.specifiers or ("",):
                way = self._dead_end(each.name, specifier, hops - 1, each.extras)
                if way is not None:
                    owner = NamedVersions(candidate.name, (candidate.full_version,))
                    return (MetadataRequires(owner, (str(each),)), *way)
        return None

    def for_parts(self, component: str, struck: list[Candidate], parts: list[str]) -> NoWheel:
        """That these releases have no wheel for the target, for these parts of it."""
        pythons = _pythons(struck) if parts == ["python"] else ()
        releases = NamedVersions.of(component, struck)
        return NoWheel(releases, self._problem.target, tuple(parts), pythons)


def _pythons(candidates: list[Candidate]) -> tuple[int, ...]:
    """The minor versions of CPython 3 that wheels of these candidates' builds are for."""
    tags = {tag for each in candidates if each.build for tag in each.build.tags}
    return tuple(sorted({minor for tag in tags if (minor := minor_of(tag)) is not None}))
