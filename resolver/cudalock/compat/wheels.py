"""List the wheels that a pin leaves to an installer, on a target and from the pin's indexes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote

from cudalock.matrix.facts import NONE
from cudalock.matrix.releases import PACKAGE_INDEX
from cudalock.records import NamedTuple, replace
from cudalock.targets import PYTHONS
from cudalock.targets.tags import fits_any, glibc_floor, parse_wheel_name
from cudalock.versions import (
    accepts,
    below_and_above,
    is_prerelease,
    may_accept,
    names_prerelease,
    parse_version,
    shared_numbers,
)

if TYPE_CHECKING:
    from packaging.version import Version

    from cudalock.compat.pins import PinnedProject
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.releases import Build, Project, Release
    from cudalock.targets import Target


class ReleaseBuild(NamedTuple):
    """One build of one release."""

    release: Release
    build: Build

    @property
    def version(self) -> str:
        """The version with the local label: `2.5.1+cu124`."""
        local = self.build.local
        return f"{self.release.version}+{local}" if local else self.release.version

    @property
    def accelerator(self) -> str | None:
        """The accelerator that the build is made for; None for none."""
        name = self.build.accelerator
        return None if name == NONE else name


class PinWheels:
    """The wheels of one project that a pin may resolve to."""

    def __init__(
        self, pin: PinnedProject, project: Project, target: Target, matrix: Matrix
    ) -> None:
        self.pin = pin
        self.project = project
        self.target = target
        self.matrix = matrix
        self._highest: dict[str, Version] = {}
        self._tags = target.tags()
        self._python = target.marker_environment()["python_full_version"]

    @cached_property
    def versions(self) -> list[str]:
        """The public versions that the pin accepts, newest first, with the resolver's rule for
        pre-releases: only if the specifier names one."""
        specifier = self.pin.specifier
        prereleases = not self.project.has_final or names_prerelease([specifier])
        return [
            version
            for version in reversed(self.project.versions)
            if may_accept(specifier, version) and (prereleases or not is_prerelease(version))
        ]

    def release_builds(self, versions: list[str] | None = None) -> Iterator[ReleaseBuild]:
        """Yield the builds that the specifier accepts, of some public versions or all allowed."""
        for version in self.versions if versions is None else versions:
            release = self.project.release(version)
            for build in release.builds:
                release_build = ReleaseBuild(release, build)
                if self._accepts(release_build):
                    yield release_build

    def _accepts(self, release_build: ReleaseBuild) -> bool:
        specifier = self.pin.specifier
        # PEP 440: a specifier without a local label accepts every local version.
        has_local = "+" in specifier
        version = release_build.version if has_local else release_build.release.version
        return accepts(specifier, version)

    def is_reachable(self, release_build: ReleaseBuild) -> bool:
        """Return whether the pin's own indexes, or its URL, have the build.

        Where an installer chooses among them, one with a higher local version hides the build.
        """
        release = release_build.release
        is_there = comes_from(self.pin, release_build.build, release.version)
        if not is_there or not self.pin.takes_highest or self.pin.indexes is None:
            return is_there
        return _local_order(release_build) >= self._highest_local(release)

    def _highest_local(self, release: Release) -> Version:
        if release.version not in self._highest:
            builds = [ReleaseBuild(release, build) for build in release.builds]
            self._highest[release.version] = max(
                (
                    _local_order(build)
                    for build in builds
                    if comes_from(self.pin, build.build, release.version)
                    and self._accepts(build)
                    and self.fits(build)
                ),
                default=parse_version("0"),
            )
        return self._highest[release.version]

    def fits(self, release_build: ReleaseBuild) -> bool:
        """Return whether the build has a wheel for the target."""
        python = release_build.build.python
        if python is not None and not accepts(python, self._python):
            return False
        return fits_any(release_build.build.tags, self._tags)

    def oldest_on_the_package_index(self) -> Version | None:
        """Return the oldest version that the package index has a file of; None if it has none."""
        releases = map(self.project.release, self.project.versions)
        listed = (
            parse_version(release.version)
            for release in releases
            if release.sdist or any(build.index == PACKAGE_INDEX for build in release.builds)
        )
        return min(listed, default=None)

    def oldest_glibc(self) -> str | None:
        """Return the oldest glibc that a reachable wheel for the target's Python and platform runs
        on; None if there is no such wheel, or if it runs on any."""
        return oldest_glibc(
            self.target,
            (
                tags
                for release_build in self.release_builds()
                if self.is_reachable(release_build)
                and accepts(release_build.build.python or "", self._python)
                for tags in release_build.build.tags
            ),
        )

    def pythons(self) -> tuple[int, ...]:
        """Return the minors of the other Pythons that a reachable wheel is for, on the target's
        platform."""
        return tuple(
            int(python.split(".")[1])
            for python in PYTHONS
            if python != self.target.python
            and (there := self._with_python(python)).first(there.is_reachable, there.fits)
        )

    def _with_python(self, python: str) -> PinWheels:
        target = replace(self.target, python=python, free_threaded=False)
        return PinWheels(self.pin, self.project, target, self.matrix)

    def first(self, *tests: Callable[[ReleaseBuild], bool]) -> ReleaseBuild | None:
        """Return the first build that passes each test, of the newest version that has one."""
        return next(
            (build for build in self.release_builds() if all(test(build) for test in tests)), None
        )

    def nearest(self, version: str) -> list[str]:
        """Return the nearest usable versions, one below and one above, the nearer first.

        Usable is what is not yanked, fits the target and is on the pin's indexes.
        """
        stable = [text for text in self.project.versions if not is_prerelease(text)]
        # One on each side, since either direction may be closed to the user by something else.
        sides = below_and_above(stable, parse_version(version).public)
        usable = [next(filter(self._is_usable, side), None) for side in sides]
        nearest = [text for text in usable if text is not None]
        return sorted(nearest, key=lambda text: -shared_numbers(text, version))

    def _is_usable(self, version: str) -> bool:
        release = self.project.release(version)
        return release.yanked is None and any(
            self.is_reachable(release_build) and self.fits(release_build)
            for release_build in (ReleaseBuild(release, build) for build in release.builds)
        )

    def with_file(self, file: str) -> ReleaseBuild | None:
        """Return the build that has a wheel of this file name, None for an unknown one."""
        for version in self.versions:
            release = self.project.release(version)
            for build in release.builds:
                is_there = self.pin.indexes is None or build.index in self.pin.indexes
                if is_there and has_file(build, version, file):
                    return ReleaseBuild(release, build)
        return None


def _local_order(release_build: ReleaseBuild) -> Version:
    """A version that sorts builds of one release as PEP 440 does: none before any label."""
    local = release_build.build.local
    return parse_version(f"0+{local}" if local else "0")


def comes_from(pin: PinnedProject, build: Build, version: str) -> bool:
    """Return whether the file and the indexes that a pin names have a build of a version."""
    # One file name may be on several indexes, and be another build on each: xformers 0.0.35.
    is_there = (
        pin.indexes is None
        or build.index in pin.indexes
        or (build.builder is not None and page_id(build.builder, build.tag) in pin.indexes)
    )
    return is_there and (pin.file is None or has_file(build, version, pin.file))


@lru_cache(maxsize=4096)
def page_id(builder: str, tag: str | None) -> str:
    """Return what the page of a builder is called beside the ids of indexes.

    The page of torch 2.5.1 links to the files of torch 2.5.0: the last number tells no two apart.
    """
    minors = re.sub(r"([0-9]+[.][0-9]+)[.][0-9]+", r"\1", unquote(tag or ""))
    return f"{builder}#{minors}"


def has_file(build: Build, version: str, file: str) -> bool:
    """Return whether a wheel of the build has this file name."""
    # The tags rule out most rows without making a wheel of each.
    return any(
        file.endswith(f"-{tags}.whl") and build.wheel(row).file(version, build.local) == file
        for row, tags in enumerate(build.tags)
    )


def oldest_glibc(target: Target, tag_sets: Iterable[str]) -> str | None:
    """Return the oldest glibc that one of several wheels, given by their tags, runs on.

    Only wheels count whose Python and platform fit the target. None if there is none, or if the
    tags of one promise nothing.
    """
    family = target.family_tags()
    floors = [glibc_floor(tags) for tags in tag_sets if family.rank(tags) is not None]
    known = [floor for floor in floors if floor is not None]
    return f"2.{min(known)}" if known and len(known) == len(floors) else None


def kind_and_number(index_id: str) -> tuple[str, tuple[int, ...]]:
    """Split the id of an index of builds: `cu131` into `cu` and 131; no number for another id."""
    match = re.fullmatch(r"([a-z]+)([0-9]+(?:\.[0-9]+)*)", index_id)
    return (match[1], tuple(map(int, match[2].split(".")))) if match else (index_id, ())


def wheel_tags(file: str) -> str | None:
    """Return the compressed tags of a wheel's file name, None if it is not a wheel's.

    `cp311-cp311-win_amd64`; before them are name, version and perhaps a build number, and behind
    them perhaps the label of a variant.
    """
    name = parse_wheel_name(file)
    return name.tags if name is not None else None


def variant_of(file: str) -> str | None:
    """Return the label of a wheel variant (PEP 825), None for any other file."""
    name = parse_wheel_name(file)
    return name.variant if name is not None else None


def is_on_an_index(release_build: ReleaseBuild) -> bool:
    """Return whether an installer can find the build by name, given its index."""
    return release_build.build.builder is None


def is_on_the_package_index(release_build: ReleaseBuild) -> bool:
    """Return whether an installer finds the build on its default index."""
    return release_build.build.index == PACKAGE_INDEX
