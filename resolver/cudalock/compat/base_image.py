"""Which framework a base image brings, by its row, its tag, or the project that it is made for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.targets.accelerators import CUDA
from cudalock.versions import leading_name, parse_requirement

if TYPE_CHECKING:
    from cudalock.matrix.images import Base
    from cudalock.matrix.matrix import Matrix


def framework_version(base: Base, matrix: Matrix) -> str | None:
    """Return the version of the framework in an image, with the label of its build where the
    matrix has that; None where the image has none, or nobody knows which."""
    name = matrix.framework or ""
    version = base.installed.get(name) or base.framework or _pinned_by_its_project(base, matrix)
    if version is None or "+" in version or base.own == name:
        return version
    local = _label(base, version, matrix)
    return f"{version}+{local}" if local else version


def _pinned_by_its_project(base: Base, matrix: Matrix) -> str | None:
    """The release that METADATA of what the image is made to run requires: vLLM's torch."""
    for name, version in base.installed.items():
        project = matrix.project(name)
        if project is None or version not in project:
            continue
        exact = {
            clause.version
            for text in project.release(version).stated_requires or ()
            if leading_name(text) == matrix.framework and ";" not in text
            for clause in parse_requirement(text).specifier
            if clause.operator == "=="
        }
        if len(exact) == 1:
            return exact.pop()
    return None


def _label(base: Base, version: str, matrix: Matrix) -> str | None:
    """The local version of the only build for the image's CUDA release, None where none has it.

    A tag states both: `2.5.1-cuda12.4-cudnn9-runtime`.
    """
    project = matrix.project(matrix.framework or "")
    if project is None or version not in project or base.cuda is None:
        return None
    labels = {
        build.local
        for build in project.release(version).builds
        if build.local and any(_is_of(base.cuda, cuda) for cuda in build.row(CUDA.name))
    }
    return min(labels) if labels else None


def _is_of(minor: str, release: str) -> bool:
    return release == minor or release.startswith(f"{minor}.")


def has_framework(base: Base, matrix: Matrix) -> bool:
    """Return whether an image is known to bring the framework, of whatever version."""
    return base.own == matrix.framework or framework_version(base, matrix) is not None


__all__ = ["framework_version", "has_framework"]
