"""Semantic checks of a matrix: each lint is a small function that yields what is wrong and where.

    rows       each generated row by itself
    curated    each fact by itself, and that it covers something
    agreement  rows against each other, against the facts and NVIDIA's tables
    images     base images, and what each of their tags has

A rule about data is one function here, with its name in the LINTS of its module; it yields
`defects`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Final

from cudalock.errors import MatrixError
from cudalock.lint import agreement, curated, images, rows
from cudalock.lint.defects import Defect
from cudalock.matrix.matrix import Matrix

Lint = Callable[[Matrix], Iterator[Defect]]

LINTS: Final[tuple[Lint, ...]] = (
    *rows.LINTS,
    *curated.LINTS,
    *agreement.LINTS,
    *images.LINTS,
)


def lint(matrix: Matrix, lints: tuple[Lint, ...] = LINTS) -> list[Defect]:
    """Return everything wrong with a matrix, by file; empty if nothing is.

    A file so damaged that it cannot be read is a defect like the others.
    """
    defects: dict[Defect, None] = {}
    for check in lints:
        try:
            defects.update(dict.fromkeys(check(matrix)))
        except MatrixError as error:
            says = error.message.removeprefix(f"{error.file}: ").removeprefix(f"{error.key}: ")
            defects[Defect(error.file, error.key, says)] = None
    return sorted(defects)


def new_defects(before: Matrix, after: Matrix, names: Collection[str]) -> list[Defect]:
    """Return the defects of a matrix that the one it was made from does not have.

    `names` are the projects whose files were written: a row of another, judged by itself, is as
    good as it was. Facts and rows beside each other are judged for all.
    """
    of_rows = tuple(partial(check, names=names) for check in rows.LINTS)
    found: set[Defect] = set()
    checks: tuple[Lint, ...] = (*of_rows, *curated.LINTS, *agreement.LINTS)
    for check in checks:
        defects = lint(after, (check,))
        # Where there are none, nothing needs comparing, which takes as long again.
        found.update(set(defects).difference(lint(before, (check,))) if defects else ())
    return sorted(found)


__all__ = ["LINTS", "Defect", "Lint", "lint", "new_defects"]
