"""Whether what a file asks for can be had, and goes together: findings, each with its place.

Who does what: :mod:`file_pins` says what a file holds on a target, :mod:`index_names` which indexes
its addresses mean, :mod:`targets` what a file is judged for when nobody said, :mod:`check_file`
puts it to :mod:`cudalock.compat.judge` target by target, :mod:`open_requirements` says what an
installer chooses badly where a version is open, and :mod:`unpinned` whose newest release does not
work with a pin; :mod:`static` says what needs no target, :mod:`fix_text` mends a file's text,
:mod:`source_fix` the sources of a uv project, :mod:`selection` says which findings are wanted, and
:mod:`reports` (:mod:`sarif`) shows it all.
:mod:`other_projects` knows names that mislead, :mod:`source_builds` tells what is to be built, and
whether the file says how, :mod:`conda` what is installed by conda, beside pip, and
:mod:`base_images` what an install does to what its base image brings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.check.check_file import Checked, check_file, pins_outside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cudalock.findings import Finding
    from cudalock.matrix.matrix import Matrix
    from cudalock.projects.model import ProjectFile
    from cudalock.targets import Target


def check(file: ProjectFile, matrix: Matrix, targets: Sequence[Target] = ()) -> list[Finding]:
    """What there is to say of a file, in the order of its lines.

    Every one of `targets` has to work; without any, one that does is enough.
    """
    return check_file(file, matrix, targets).findings


__all__ = ["Checked", "check", "check_file", "pins_outside"]
