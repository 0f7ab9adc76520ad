"""An environment that is examined, its machine, and what the matrix knows of both."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

from cudalock.compat.judge import Judge
from cudalock.compat.pins import PinnedProject
from cudalock.compat.wheels import has_file
from cudalock.matrix.facts import NONE
from cudalock.matrix.releases import PACKAGE_INDEX
from cudalock.records import dataclass, field, replace
from cudalock.targets.accelerators import CUDA
from cudalock.targets.tags import fits_any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cudalock.environment import Installed, Inventory, Layout, Machine
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.releases import Build, Project
    from cudalock.matrix.universe import Universe
    from cudalock.resolution.model import Resolution
    from cudalock.targets import Target


_SEPARATORS = r"[._-]"


@dataclass(frozen=True)
class ExaminedEnvironment:
    """An environment on its machine. Nothing of it is run."""

    layout: Layout
    inventory: Inventory
    machine: Machine
    """GPUs and driver; empty where they were not probed, or for another machine's environment"""
    universe: Universe
    environ: Mapping[str, str] = field(default_factory=dict)
    """the environment variables of a program started there; none for another machine's"""
    machine_probed: bool = False
    """whether GPUs and driver were looked for, so that an empty machine means there are none"""
    machine_overridden: bool = False
    """whether flags replace some part of the machine"""

    @property
    def matrix(self) -> Matrix:
        """The facts and releases, without what an index adds."""
        return self.universe.matrix

    @cached_property
    def target(self) -> Target:
        """The machine as a target."""
        return replace(
            self.layout.target,
            gpus=self.machine.capabilities,
            driver=self.machine.driver,
            jetpack=self.machine.jetpack,
        )

    @cached_property
    def markers(self) -> dict[str, str]:
        """The values of PEP 508's marker variables there."""
        return self.target.marker_environment()

    @cached_property
    def framework(self) -> Installed | None:
        """The installed distribution whose build fixes the CUDA release."""
        name = self.matrix.framework
        return self.inventory.find(name) if name else None

    @property
    def has_cuda(self) -> bool | None:
        """Whether the framework is a build with CUDA; None if it is missing or may be either."""
        return self.is_built_for(CUDA.name)

    def is_built_for(self, accelerator: str) -> bool | None:
        """Return whether the framework is a build for an accelerator; None if it is missing or may
        be either."""
        if self.framework is None:
            return None
        # Without a label the version may be that of a CPU build and of a CUDA build alike.
        answers = {build.row(accelerator) != (NONE,) for build in self.builds(self.framework)}
        return answers.pop() if len(answers) == 1 else None

    def builds(self, installed: Installed) -> list[Build]:
        """Return the builds that a distribution may be: one, if version or file identify it."""
        project = self.universe.project(installed.name)
        if project is None or installed.public not in project:
            return []
        pin = self.pin_of(installed)
        return [
            build
            for build in _fitting(project, installed.public, self.target)
            if _may_be(build, installed, pin)
        ]

    def pin_of(self, installed: Installed) -> PinnedProject:
        """Return a distribution as a pin of its version, and of its file or indexes if known."""
        return PinnedProject(
            name=installed.name,
            specifier=f"=={installed.version}",
            file=self._known_file(installed),
            indexes=self._indexes(installed),
            origin=installed,
        )

    def _known_file(self, installed: Installed) -> str | None:
        """The file name of the installed wheel, if the matrix has that wheel."""
        file = installed.wheel_file
        project = self.universe.project(installed.name)
        if file is None or project is None or installed.public not in project:
            return None
        builds = project.release(installed.public).builds
        return file if any(has_file(build, installed.public, file) for build in builds) else None

    def _indexes(self, installed: Installed) -> frozenset[str] | None:
        """The indexes that have it under its version without a local label; None for any.

        A plain `torch 2.5.1` is from an index whose builds have no label. What conda installed is
        from no index of the matrix.
        """
        project = self.universe.project(installed.name)
        # A label says which index it is from, and `direct_url.json` (PEP 610) that it is from none.
        if installed.local or installed.origin or not _is_from_an_index(installed):
            return None
        return plain_indexes(project, installed.public, self.target, self.matrix)

    def is_foreign(self, installed: Installed) -> bool:
        """Return whether a distribution is of a wheel for another Python or platform."""
        tags = self.target.tags()
        return bool(installed.tags) and not fits_any(installed.tags, tags)

    def stack(self) -> Iterator[Installed]:
        """Yield the installed distributions of projects that the matrix has."""
        for installed in self.inventory.distributions:
            if self.universe.project(installed.name) is not None:
                yield installed

    def judge(self) -> Judge:
        """Return the judge of what is installed: a pin that is there does work or does not."""
        return Judge(self.target, self.universe, verb="does not work")


def plain_indexes(
    project: Project | None, version: str, target: Target, matrix: Matrix
) -> frozenset[str] | None:
    """Return the indexes that an installed version without a local label is from; None for any."""
    if project is None or version not in project:
        return None
    plain = [
        build
        for build in _fitting(project, version, target)
        if not build.local or matrix.is_renamed(build)
    ]
    # A builder's wheel may have the same plain version, so the installed one may be either.
    if not plain or any(build.builder is not None for build in plain):
        return None
    return frozenset(build.index or PACKAGE_INDEX for build in plain)


def _fitting(project: Project, version: str, target: Target) -> Iterator[Build]:
    """The builds of a release that have a wheel for the target."""
    tags = target.tags()
    for build in project.release(version).builds:
        if fits_any(build.tags, tags):
            yield build


def _is_from_an_index(installed: Installed) -> bool:
    """Whether its installer takes from an index whatever has no `direct_url.json` (PEP 610)."""
    installer = (installed.installer or "pip").split()[0].lower()
    return installer in ("pip", "uv", "poetry", "pdm")


def _may_be(build: Build, installed: Installed, pin: PinnedProject) -> bool:
    if pin.file is not None:
        return has_file(build, installed.public, pin.file)
    if installed.local is not None:
        # A file name keeps the capitals and separators of a local label; PEP 440 normalizes both
        # in a version.
        return re.split(_SEPARATORS, (build.local or "").lower()) == re.split(
            _SEPARATORS, installed.local
        )
    return pin.indexes is None or build.index in pin.indexes


def once_uninstalled(resolution: Resolution, environment: ExaminedEnvironment) -> str:
    """Return a clause on what to uninstall before a solution is installed, empty for nothing.

    An installer keeps `torch 2.5.1+cpu` where `torch==2.5.1` is to come: PEP 440 lets it satisfy
    the requirement.
    """
    hidden = [
        str(installed)
        for name, pin in sorted(resolution.pins.items())
        if (installed := environment.inventory.find(name))
        and installed.local
        and installed.satisfies(pin.full_version)
        and installed.version != pin.full_version
    ]
    return f", after uninstalling {' and '.join(hidden)}" if hidden else ""
