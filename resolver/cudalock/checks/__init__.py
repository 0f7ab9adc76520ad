"""Whether what a file asks for can be had, and goes together: findings, each with its place.

Who does what: :mod:`lines` says what a file holds on a target, :mod:`places` which indexes its
addresses mean, :mod:`targets` what a file is judged for when nobody said, :mod:`judged` puts it to
:mod:`cudalock.judging` target by target, :mod:`static` says what needs no target, :mod:`rewriting`
mends a file's text, and :mod:`reports` shows it all. :mod:`building` tells what is to be built, and
whether the file says how.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.checks.judged import Checked, check_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cudalock.findings import Finding
    from cudalock.matrix import Matrix
    from cudalock.projects.declared import ProjectFile
    from cudalock.target import Target


def check(file: ProjectFile, matrix: Matrix, targets: Sequence[Target] = ()) -> list[Finding]:
    """What there is to say of a file, in the order of its lines.

    Every one of `targets` has to work; without any, one that does is enough.
    """
    return check_file(file, matrix, targets).findings


__all__ = ["Checked", "check", "check_file"]
