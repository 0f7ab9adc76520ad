"""What is examined: an environment, the machine it is on, and what the matrix knows of both."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from cudalock.compat.judge import Judge
from cudalock.compat.pins import PinnedProject
from cudalock.compat.wheels import has_file
from cudalock.matrix.facts import NONE
from cudalock.matrix.releases import PACKAGE_INDEX
from cudalock.targets.accelerators import CUDA
from cudalock.targets.tags import fits_any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cudalock.environment import Installed, Inventory, Layout, Machine
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.releases import Build, Project
    from cudalock.matrix.universe import Universe
    from cudalock.resolution import Resolution
    from cudalock.targets import Target


_SEPARATORS = r"[._-]"


@dataclass(frozen=True)
class ExaminedEnvironment:
    """An environment with its machine. Nothing here runs anything of it."""

    layout: Layout
    inventory: Inventory
    machine: Machine
    """what is plugged in; empty where nobody looked, or the environment is of another machine"""
    universe: Universe
    environ: Mapping[str, str] = field(default_factory=dict)
    """the variables that a program started there has; none for another machine's environment"""
    looked: bool = False
    """whether the machine was looked at, so that finding nothing means something"""
    stated: bool = False
    """whether something of the machine was said, and may be otherwise than what is here"""

    @property
    def matrix(self) -> Matrix:
        """The facts and releases of the universe."""
        return self.universe.matrix

    @cached_property
    def target(self) -> Target:
        """The machine as a target."""
        return replace(
            self.layout.target, gpus=self.machine.capabilities, driver=self.machine.driver
        )

    @cached_property
    def markers(self) -> dict[str, str]:
        """The values of markers there."""
        return self.target.marker_environment()

    @cached_property
    def framework(self) -> Installed | None:
        """The installed distribution whose build fixes the CUDA release."""
        name = self.matrix.framework
        return self.inventory.find(name) if name else None

    @property
    def has_cuda(self) -> bool | None:
        """Whether the framework is a build with CUDA; None where there is none or nobody knows."""
        if self.framework is None:
            return None
        cuda = {build.row(CUDA.name) for build in self.builds(self.framework)}
        return None if len({each == (NONE,) for each in cuda}) != 1 else (NONE,) not in cuda

    def builds(self, installed: Installed) -> list[Build]:
        """The builds that a distribution may be: one, where version or file tell it from the
        others."""
        project = self.universe.project(installed.name)
        if project is None or installed.public not in project:
            return []
        held = self.held(installed)
        return [
            build
            for build in self._fitting(project, installed.public)
            if _may_be(build, installed, held)
        ]

    def _fitting(self, project: Project, version: str) -> Iterator[Build]:
        """The builds of a release that have a wheel for the target."""
        tags = self.target.tags()
        for build in project.release(version).builds:
            if fits_any(build.tags, tags):
                yield build

    def held(self, installed: Installed) -> PinnedProject:
        """The distribution, as something that is held."""
        return PinnedProject(
            name=installed.name,
            specifier=f"=={installed.version}",
            file=self._known_file(installed),
            indexes=self._indexes(installed),
            origin=installed,
        )

    def _known_file(self, installed: Installed) -> str | None:
        """The wheel's name, where the matrix has that wheel."""
        file = installed.wheel_file
        project = self.universe.project(installed.name)
        if file is None or project is None or installed.public not in project:
            return None
        builds = project.release(installed.public).builds
        return file if any(has_file(build, installed.public, file) for build in builds) else None

    def _indexes(self, installed: Installed) -> frozenset[str] | None:
        """The indexes that have it without a label, as it is there; None where it may be from
        anywhere. What conda brought is of no index here."""
        project = self.universe.project(installed.name)
        if installed.local or installed.origin or not _is_from_an_index(installed):
            return None
        if project is None or installed.public not in project:
            return None
        plain = [
            build
            for build in self._fitting(project, installed.public)
            if not build.local or self.matrix.is_renamed(build)
        ]
        if not plain or any(build.builder is not None for build in plain):
            return None
        return frozenset(build.index or PACKAGE_INDEX for build in plain)

    def is_foreign(self, installed: Installed) -> bool:
        """Whether it is of a wheel for another Python or platform."""
        tags = self.target.tags()
        return bool(installed.tags) and not fits_any(installed.tags, tags)

    def stack(self) -> Iterator[Installed]:
        """What is installed of the projects that the matrix holds."""
        for each in self.inventory.distributions:
            if self.universe.project(each.name) is not None:
                yield each


def _is_from_an_index(installed: Installed) -> bool:
    """Whether what installed it takes what has no other origin from an index."""
    named = (installed.installer or "pip").split()[0].lower()
    return named in ("pip", "uv", "poetry", "pdm")


def _may_be(build: Build, installed: Installed, held: PinnedProject) -> bool:
    if held.file is not None:
        return has_file(build, installed.public, held.file)
    if installed.local is not None:
        # A file's name keeps the capitals of a label, a version does not.
        return re.split(_SEPARATORS, (build.local or "").lower()) == re.split(
            _SEPARATORS, installed.local
        )
    return held.indexes is None or build.index in held.indexes


class InstalledJudge(Judge):
    """Judges what is there, and not what could be."""

    ALONE = "does not work"


def once_uninstalled(found: Resolution, subject: ExaminedEnvironment) -> str:
    """What an installer would leave as it is, though another build is to come in its place; empty
    where there is no such thing."""
    hidden = [
        str(installed)
        for name, pin in sorted(found.pins.items())
        if (installed := subject.inventory.find(name))
        and installed.local
        and installed.satisfies(pin.full_version)
        and installed.version != pin.full_version
    ]
    verb = "are" if len(hidden) > 1 else "is"
    return f", once {' and '.join(hidden)} {verb} uninstalled" if hidden else ""
