"""Say which newer versions an assumed glibc costs a solution."""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Final

from cudalock.errors import GaveUp, NetworkError
from cudalock.records import dataclass, replace
from cudalock.resolution.elements import TARGET_GLIBC
from cudalock.resolution.find import find
from cudalock.resolution.machine import newer_glibcs, oldest_glibc
from cudalock.resolution.problem import Problem
from cudalock.versions import is_prerelease, leading_name, may_accept, parse_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.matrix.releases import Project, Release
    from cudalock.resolution.model import Resolution
    from cudalock.targets import Tags

NEWEST: Final = 8
"""How many newer releases of a project are looked at: what holds back the newest counts."""


@dataclass(frozen=True, slots=True)
class GlibcCost:
    """Newer versions of what a goal names, and the glibc that they need."""

    releases: tuple[tuple[str, str], ...]
    """name and version of each"""
    glibc: str
    assumed: str

    def __str__(self) -> str:
        verb = "needs" if len(self.releases) == 1 else "need"
        releases = " and ".join(map(" ".join, self.releases))
        return (
            f"{releases} {verb} glibc {self.glibc}: add `--glibc {self.glibc}`"
            f" if the target has it, {self.assumed} is assumed"
        )


def cost_of_glibc(resolution: Resolution) -> GlibcCost | None:
    """Return what a resolution would have with a newer glibc than its assumed one.

    None where that is nothing, and where it cannot be found out. It takes a second search if wheels
    of newer releases are for a newer glibc.
    """
    target = resolution.target
    if not target.assumes_glibc or not _is_held_back(resolution):
        return None
    newest = replace(target, glibc=newer_glibcs(target)[-1])
    with suppress(GaveUp, NetworkError):
        universe = resolution.universe
        # Only an index may have more, and only where one may be asked.
        other = find(resolution.goal, newest, universe, looks_newer=universe.looks_further)
        glibc = oldest_glibc(other) if other else None
        newer = tuple(_newer(resolution, other)) if other else ()
        if (
            newer
            and glibc is not None
            and parse_version(glibc) > parse_version(target.glibc or "0")
        ):
            return GlibcCost(newer, glibc, str(target.glibc))
    return None


def _newer(resolution: Resolution, other: Resolution) -> Iterator[tuple[str, str]]:
    for name in resolution.goal_names:
        ours, theirs = resolution.pins.get(name), other.pins.get(name)
        if ours is None or theirs is None:
            continue
        version = theirs.version or "0"
        if parse_version(version) > parse_version(ours.version or "0"):
            yield name, version


def _is_held_back(resolution: Resolution) -> bool:
    """Whether a newer release of what the goal names may be missed for its glibc alone: by its own
    wheels, by a fact, or by what it requires."""
    problem = Problem(resolution.goal, resolution.target, resolution.universe)
    exact, family = resolution.target.tags(), resolution.target.family_tags()
    required: set[str] = set()
    for name in resolution.goal_names:
        project = resolution.universe.project(name)
        for release in _newer_releases(problem, project, resolution) if project else ():
            if _only_for_newer(release, exact, family):
                return True
            for candidate in problem.candidates_at(name, release.version):
                if any(TARGET_GLIBC in elements for elements in problem.refusals(candidate)):
                    return True
                requires = candidate.build.requires if candidate.build else ()
                required.update(map(leading_name, requires))
    # Without a newer release to miss, whatever holds back the others costs the goal nothing. No
    # index is asked about projects that only the releases which were not chosen require.
    held = required & {*resolution.universe.matrix.projects, *resolution.pins}
    return any(
        _only_for_newer(release, exact, family)
        for name in sorted(held)
        if (project := resolution.universe.project(name)) is not None
        for release in _newer_releases(problem, project, resolution)
    )


def _newer_releases(
    problem: Problem, project: Project, resolution: Resolution
) -> Iterator[Release]:
    """The newest final releases that the goal allows and that are newer than what is pinned."""
    pin = resolution.pins.get(project.name)
    pinned = parse_version(pin.version) if pin and pin.version else None
    specifiers = [text for root in problem.roots_of(project.name) for text in root.specifiers]
    newer = (
        version
        for version in reversed(project.versions)
        if not is_prerelease(version) and all(may_accept(text, version) for text in specifiers)
    )
    for version in islice(newer, NEWEST):
        if pinned is not None and parse_version(version) <= pinned:
            return
        yield project.release(version)


def _only_for_newer(release: Release, exact: Tags, family: Tags) -> bool:
    """Whether all wheels of a release that fit the target but for its glibc need a newer one."""
    wheels = [tags for build in release.builds for tags in build.tags]
    fitting = [tags for tags in wheels if family.rank(tags) is not None]
    return bool(fitting) and all(exact.rank(tags) is None for tags in fitting)
