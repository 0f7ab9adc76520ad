"""Wheels that a repository names by URL, and what the matrix has on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from packaging.utils import InvalidWheelFilename

from cudalock.targets.platforms import PLATFORMS, likeliest, of_wheel_tags
from cudalock.targets.tags import minor_of, parse_wheel_name
from cudalock.urls import file_of
from cudalock.versions import canonical, project_and_version

if TYPE_CHECKING:
    from cudalock.matrix.matrix import Matrix


class KnownWheel(NamedTuple):
    """A wheel of the matrix: its project, its version with the build's local label, and what its
    tags show about the machine, None where they leave it open."""

    project: str
    version: str
    python: str | None
    platform: str | None


def find_wheel(url: str, matrix: Matrix) -> KnownWheel | None:
    """Return the matrix's row for the file of a URL; None if it has none."""
    file = file_of(url)
    try:
        name, version = project_and_version(file)
    except InvalidWheelFilename:
        return None
    project = matrix.project(str(name))
    if project is None or version.public not in project:
        return None
    for build in project.release(version.public).builds:
        for wheel in build.wheels:
            # By the whole file name: a version has wheels for several torch releases and both C++
            # ABIs.
            if wheel.file(version.public, build.local) == file:
                minor = minor_of(wheel.tags)
                python = None if minor is None else f"3.{minor}"
                return KnownWheel(str(name), str(version), python, _platform(wheel.tags))
    return None


def is_wheel_of(project: str, url: str) -> bool:
    """Whether an address is that of a wheel of a project (canonical name), by its file name."""
    name = parse_wheel_name(file_of(url))
    if name is None or name.variant is not None or canonical(name.dist) != project:
        return False
    return url.startswith(("https://", "http://"))


def _platform(tags: str) -> str | None:
    """Return the platform of a wheel as `--platform` takes it, None if several systems accept
    it."""
    rows = [PLATFORMS[name] for name in of_wheel_tags(tags)]
    systems = {row.system for row in rows}
    if len(systems) != 1:
        return None
    # A wheel for several platforms of one system, as macOS' universal2: the likeliest is meant.
    return rows[0].flag if len(rows) == 1 else likeliest(systems.pop()).flag


__all__ = ["KnownWheel", "find_wheel", "is_wheel_of"]
