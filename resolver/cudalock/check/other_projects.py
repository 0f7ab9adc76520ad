"""Names in a file that mean another project on the package index, or that are slips of one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from cudalock.check.index_names import IndexNames
from cudalock.findings import Finding, Severity
from cudalock.matrix.releases import PACKAGE_INDEX

if TYPE_CHECKING:
    from cudalock.compat.stack import Stack
    from cudalock.matrix.matrix import Matrix
    from cudalock.projects.model import Declared, ProjectFile

_SEVERITIES: Final[dict[str, Severity]] = {"breaks": "error"}
"""By the effect of the row; a name of an old or unsupported build is a warning."""


def name_findings(file: ProjectFile, matrix: Matrix, stack: Stack) -> Iterator[Finding]:
    """Yield what is wrong with the names of a file that installers look up on the package index.

    Beside the CUDA stack `whisper` is never meant to be Graphite's database; without it, it may be.
    """
    has_stack = any(declared.name in stack for declared in file.everything())
    known = sorted(matrix.projects)
    places = IndexNames(matrix)
    for included in file.files():
        for declared in included.declared:
            if not _is_looked_up(declared, included, places):
                continue
            namesake = matrix.namesakes.find(declared.name, declared.specifier)
            if namesake is not None:
                if has_stack or namesake.project in stack:
                    severity = _SEVERITIES.get(namesake.effect, "warning")
                    says, fix = str(namesake), namesake.advice
                    yield Finding(
                        "CL107", severity, says, (), fix, declared.place, (declared.name,)
                    )
            elif declared.name not in matrix.projects:
                # Names first: to know of a project whether it belongs to the stack, its file is
                # read, and all of them are 13 MB.
                slips = matrix.namesakes.find_slips(declared.name, known)
                meant = next((name for name in slips if name in stack), None)
                if meant is not None:
                    yield _slip(declared, meant)


def _is_looked_up(declared: Declared, file: ProjectFile, places: IndexNames) -> bool:
    """Whether an installer takes a line's project from the package index and nowhere else."""
    if declared.manager != "pypi" or declared.url is not None or declared.problem is not None:
        return False
    # A constraint installs nothing.
    if declared.role == "constraint" or any(
        source.name == declared.name for source in file.sources
    ):
        return False
    indexes = places.of(declared.index) if declared.index else places.of_file(file)
    return indexes is not None and PACKAGE_INDEX in indexes


def _slip(declared: Declared, meant: str) -> Finding:
    says = f"`{declared.name}` is not in the matrix, and one letter off {meant}"
    return Finding("CL108", "warning", says, (), f"`{meant}`", declared.place, (declared.name,))


__all__ = ["name_findings"]
