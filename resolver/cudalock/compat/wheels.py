"""Which wheels there are for one thing held: of its versions, from its places, for a target."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.matrix.facts import NONE
from cudalock.matrix.releases import PACKAGE_INDEX
from cudalock.targets.accelerators import ACCELERATORS
from cudalock.targets.tags import fits_any
from cudalock.versions import (
    accepts,
    asks_prerelease,
    below_and_above,
    is_prerelease,
    may_accept,
    parse_version,
    shared_numbers,
)

if TYPE_CHECKING:
    from cudalock.compat.pins import PinnedProject
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.releases import Build, Project, Release
    from cudalock.targets import Target


_WHEEL: Final = ".whl"


class ReleaseBuild(NamedTuple):
    """One build of one release."""

    release: Release
    build: Build

    @property
    def version(self) -> str:
        """With the local label."""
        local = self.build.local
        return f"{self.release.version}+{local}" if local else self.release.version

    @property
    def has_cuda(self) -> bool:
        """Whether the build fixes a CUDA release."""
        labels = [self.build.row(name) for name in ACCELERATORS]
        return any(values and values != (NONE,) for values in labels)


class PinWheels:
    """The wheels of one project that one thing held may come to."""

    def __init__(
        self, held: PinnedProject, project: Project, target: Target, matrix: Matrix
    ) -> None:
        self.held = held
        self.project = project
        self.target = target
        self.matrix = matrix
        self._tags = target.tags()
        self._python = target.marker_environment()["python_full_version"]

    @cached_property
    def versions(self) -> list[str]:
        """The public versions that are allowed, newest first, pre-releases as the engine has
        them."""
        specifier = self.held.specifier
        pre = asks_prerelease([specifier]) if specifier else False
        return [
            version
            for version in reversed(self.project.versions)
            if may_accept(specifier, version) and (pre or not is_prerelease(version))
        ]

    def made(self, versions: list[str] | None = None) -> Iterator[ReleaseBuild]:
        """The builds of these versions, of the allowed ones unless told, that the specifier
        accepts."""
        for version in self.versions if versions is None else versions:
            release = self.project.release(version)
            for build in release.builds:
                made = ReleaseBuild(release, build)
                if self._accepts(made):
                    yield made

    def _accepts(self, made: ReleaseBuild) -> bool:
        specifier = self.held.specifier
        version = made.version if "+" in specifier else made.release.version
        return accepts(specifier, version)

    def is_reachable(self, made: ReleaseBuild) -> bool:
        """Whether the holder can get it."""
        return comes_from(self.held, made.build, made.release.version)

    def fits(self, made: ReleaseBuild) -> bool:
        """Whether some wheel of it is for the target."""
        python = made.build.python
        if python is not None and not accepts(python, self._python):
            return False
        return fits_any(made.build.tags, self._tags)

    def first(self, *tests: Callable[[ReleaseBuild], bool]) -> ReleaseBuild | None:
        """The first build that passes each test."""
        return next((made for made in self.made() if all(test(made) for test in tests)), None)

    def nearest(self, version: str) -> list[str]:
        """The versions just below and above one that have a wheel the holder can use, the nearer
        first."""
        stable = [each for each in self.project.versions if not is_prerelease(each)]
        sides = below_and_above(stable, parse_version(version).public)
        usable = [next(filter(self._is_usable, side), None) for side in sides]
        nearest = [each for each in usable if each is not None]
        return sorted(nearest, key=lambda each: -shared_numbers(each, version))

    def _is_usable(self, version: str) -> bool:
        release = self.project.release(version)
        return release.yanked is None and any(
            self.is_reachable(made) and self.fits(made)
            for made in (ReleaseBuild(release, build) for build in release.builds)
        )

    def named(self, file: str) -> ReleaseBuild | None:
        """The build that a wheel of this name is of."""
        for version in self.versions:
            release = self.project.release(version)
            for build in release.builds:
                if has_file(build, version, file):
                    return ReleaseBuild(release, build)
        return None


def comes_from(held: PinnedProject, build: Build, version: str) -> bool:
    """Whether a build is one that the holder can get."""
    if held.file is not None:
        return has_file(build, version, held.file)
    return held.indexes is None or build.index in held.indexes


def has_file(build: Build, version: str, file: str) -> bool:
    """Whether a wheel of the build has this name."""
    # The tags tell most apart without making a wheel of each row.
    return any(
        file.endswith(f"-{tags}.whl") and build.wheel(at).file(version, build.local) == file
        for at, tags in enumerate(build.tags)
    )


def wheel_tags(file: str) -> str | None:
    """The compressed tags at the end of a wheel's name; None where it is no wheel's."""
    parts = file.removesuffix(_WHEEL).split("-")
    return "-".join(parts[-3:]) if file.endswith(_WHEEL) and len(parts) in (5, 6) else None


def is_on_an_index(made: ReleaseBuild) -> bool:
    """Whether an installer can find it by name, given the index."""
    return made.build.builder is None


def is_on_the_package_index(made: ReleaseBuild) -> bool:
    """Whether an installer finds it without being told of an index."""
    return made.build.index == PACKAGE_INDEX
