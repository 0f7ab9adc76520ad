"""Wheels that a repository names by address, and what the matrix knows of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from cudalock.urls import file_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.tags import Tag

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
        name, version, _, tags = parse_wheel_filename(file)
    except InvalidWheelFilename:
        return None
    project = matrix.project(str(name))
    if project is None or version.public not in project:
        return None
    for build in project.release(version.public).builds:
        for wheel in build.wheels:
            if wheel.file(version.public, build.local) == file:
                return KnownWheel(str(name), str(version), _python(tags), _platform(tags))
    return None


def _python(tags: Iterable[Tag]) -> str | None:
    found = {tag.interpreter for tag in tags if tag.abi.startswith("cp")}
    if len(found) != 1:
        return None
    (interpreter,) = found
    digits = interpreter.removeprefix("cp")
    return f"{digits[0]}.{digits[1:]}" if digits[1:].isdigit() else None


def _platform(tags: Iterable[Tag]) -> str | None:
    """As `--platform` takes it."""
    found = {_flag(tag.platform) for tag in tags}
    return found.pop() if len(found) == 1 else None


def _flag(tag: str) -> str | None:
    if tag.startswith(("linux", "manylinux")):
        return "linux-aarch64" if tag.endswith("aarch64") else "linux"
    if tag.startswith("win"):
        return "windows"
    return "macos" if tag.startswith("macosx") else None


__all__ = ["KnownWheel", "find_wheel"]
