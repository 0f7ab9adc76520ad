"""What the commands that take a goal share: options in, goal, target and matrix out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cudalock.cli.options import read_defaults, request_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from cudalock.goals import Goal, Question
    from cudalock.matrix import Matrix
    from cudalock.target import Target

MATRIX_HELP = "Another matrix than the one that was installed."


def matrix_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--matrix`."""
    return click.option("--matrix", metavar="DIR", help=MATRIX_HELP)(command)


def load_matrix(directory: str | None) -> Matrix:
    """The matrix that `--matrix` names, or the embedded one."""
    from cudalock.matrix import Matrix

    return Matrix.load(Path(directory) if directory else None)


def read_questions(
    words: tuple[str, ...], given: dict[str, Any], defaults: dict[str, Any], matrix: Matrix
) -> tuple[Question, ...]:
    """The goal for each target of a command line, the repository's defaults filling what it leaves
    open.

    Raises a UsageError for words and options that state none.
    """
    from cudalock.goals import read_requests

    return read_requests(request_of(given, words), matrix, request_of(defaults))


def ask(
    ctx: click.Context, words: tuple[str, ...], given: dict[str, Any]
) -> tuple[Goal, Target, Matrix]:
    """The question of a command that speaks of one target.

    Raises a UsageError for words and options that state none, or several targets.
    """
    from cudalock.goals import read_request

    defaults = read_defaults(ctx.command)
    matrix = load_matrix(given.get("matrix") or defaults.get("matrix"))
    goal, target = read_request(request_of(given, words), matrix, request_of(defaults))
    return goal, target, matrix
