"""`--matrix`, and which matrix a command reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from cudalock.matrix import Matrix

MATRIX_HELP = "Another matrix than the one in use; `embedded` is the one that was installed."


def matrix_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--matrix`."""
    return click.option("--matrix", metavar="DIR", help=MATRIX_HELP)(command)


def load_matrix(directory: str | None) -> Matrix:
    """The matrix that `--matrix` names, else the one in use.

    A refreshed matrix that is damaged is told on standard error.
    """
    from cudalock.matrix import Matrix

    return Matrix.load(directory, _warn)


def _warn(text: str) -> None:
    from cudalock.render import tell

    tell(f"warning: {text}")


__all__ = ["MATRIX_HELP", "load_matrix", "matrix_option"]
