"""Wheels that a repository names by address, and what the matrix knows of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from cudalock.targets.platforms import PLATFORMS, likeliest, of_wheel_tags
from cudalock.targets.tags import minor_of, parse_wheel_name
from cudalock.urls import file_of
from cudalock.versions import canonical

if TYPE_CHECKING:
    from cudalock.matrix.matrix import Matrix


class KnownWheel(NamedTuple):
    """A wheel of the matrix: its project, its version with the build's local label, and what its
    tags say of the machine, None where they leave it open."""

    project: str
    version: str
    python: str | None
    platform: str | None


def find_wheel(url: str, matrix: Matrix) -> KnownWheel | None:
    """The matrix's row for the file that an address leads to; None where it has none."""
    file = file_of(url)
    try:
        name, version, _, _ = parse_wheel_filename(file)
    except InvalidWheelFilename:
        return None
    project = matrix.project(str(name))
    if project is None or version.public not in project:
        return None
    for build in project.release(version.public).builds:
        for wheel in build.wheels:
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
    """The platform of a wheel as `--platform` takes it, None where several systems take it."""
    rows = [PLATFORMS[name] for name in of_wheel_tags(tags)]
    systems = {row.system for row in rows}
    if len(systems) != 1:
        return None
    return rows[0].flag if len(rows) == 1 else likeliest(systems.pop()).flag


__all__ = ["KnownWheel", "find_wheel", "is_wheel_of"]
