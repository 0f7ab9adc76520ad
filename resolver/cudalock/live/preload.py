"""What a goal may want of an index, asked for beforehand."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol

from cudalock.errors import NetworkError
from cudalock.goals import ProjectRequirement
from cudalock.indexes.parallel import map_parallel
from cudalock.matrix.releases import Build, Project
from cudalock.records import replace
from cudalock.targets.tags import fits_any
from cudalock.versions import (
    accepts,
    is_prerelease,
    leading_name,
    parse_requirement,
    specifier_set,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cudalock.targets import Target

DEEPEST: Final = 30
"""Steps from the goal to which requirements are asked for beforehand."""


class Projects(Protocol):
    """What is asked beforehand."""

    def window(self, name: str) -> int:
        """Return how many releases of a project are looked at."""

    def project(self, name: str) -> Project | None:
        """Return the releases of a project, None if there is no such project."""

    def note_extras(self, requires: Iterable[str]) -> None:
        """Record requirements with extras, whose own requirements the matrix may lack."""


class Preparation:
    """What one target's answer may want, breadth first."""

    def __init__(self, projects: Projects, target: Target) -> None:
        self._projects = projects
        self._environment = target.marker_environment()
        self._tags = target.tags()
        self._seen: set[ProjectRequirement] = set()
        self._pins: dict[str, str] = {}

    def run(self, waiting: set[ProjectRequirement]) -> None:
        # Before anything is asked: a pin says which build of its neighbours is wanted.
        for requirement in waiting:
            for clause in specifier_set(requirement.specifier):
                if clause.operator == "==" and not clause.version.endswith(".*"):
                    self._pins[requirement.name] = clause.version
        for depth in range(DEEPEST):
            fresh = sorted(waiting - self._seen, key=str)
            self._seen |= waiting
            if not fresh:
                return
            required = map_parallel(partial(self._requires, is_goal=depth == 0), fresh)
            # Breadth first: what is near the goal is the likeliest to be needed at all.
            waiting = set().union(*required)

    def _requires(self, requirement: ProjectRequirement, is_goal: bool) -> set[ProjectRequirement]:
        """What the newest release that meets a requirement requires on the target."""
        try:
            project = self._projects.project(requirement.name)
            if project is None:
                return set()
            count = self._projects.window(project.name) if is_goal and project.window else 1
            builds = list(islice(self._builds(project, requirement.specifier), count))
            # Of a source distribution the whole archive is downloaded: one is enough beforehand.
            if count > 1 and not any(build.is_source for build in builds[:1]):
                map_parallel(lambda build: build.is_readable, builds)
            fitting = (build.requires for build in builds if self._fits_pins(build))
            requires = next(fitting, ())
        except NetworkError:
            # The search says so, if it comes to this at all.
            return set()
        required = set(self._applying(requires, requirement.extras))
        # A search that meets such an extra first has to begin again.
        self._projects.note_extras(str(one) for one in required if one.extras)
        return required

    def _builds(self, project: Project, specifier: str) -> Iterator[Build]:
        """What the target can take, newest first."""
        python = self._environment["python_full_version"]
        takes_early = project.takes_prereleases([specifier])
        for version in reversed(project.versions):
            is_asked = accepts(specifier, version)
            if is_asked and (takes_early or not is_prerelease(version)):
                release = project.release(version)
                fitting = [
                    build
                    for build in release.builds
                    if fits_any(build.tags, self._tags)
                    and (build.python is None or accepts(build.python, python))
                    # What the matrix has and the goal's pins rule out is not wanted.
                    and (not project.is_free(version) or self._fits_pins(build))
                ]
                yield from fitting or (
                    build for build in release.source_builds if not build.is_presumed
                )

    def _fits_pins(self, build: Build) -> bool:
        """Whether a build requires nothing that a pin of the goal rules out."""
        named = [text for text in build.requires if leading_name(text) in self._pins]
        return all(
            accepts(requirement.specifier, self._pins[requirement.name])
            for requirement in self._applying(named, ())
        )

    def _applying(
        self, requires: Iterable[str], extras: Iterable[str]
    ) -> Iterator[ProjectRequirement]:
        for text in requires:
            parsed = parse_requirement(text)
            environments = [{**self._environment, "extra": extra} for extra in (*extras, "")]
            if parsed.marker is None or any(map(parsed.marker.evaluate, environments)):
                yield replace(ProjectRequirement.parse(text), url=None, marker=None)


__all__ = ["Preparation"]
