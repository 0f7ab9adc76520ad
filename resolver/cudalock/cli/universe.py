"""`--matrix`, and which matrix a command reads."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from cudalock.errors import Contradiction

if TYPE_CHECKING:
    from collections.abc import Callable

    from cudalock.live import LiveUniverse
    from cudalock.matrix.matrix import Matrix

MATRIX_HELP = "Another matrix than the one in use; `embedded` is the one that was installed."


def matrix_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--matrix`."""
    return click.option("--matrix", metavar="DIR", help=MATRIX_HELP)(command)


def load_matrix(directory: str | None) -> Matrix:
    """The matrix that `--matrix` names, else the one in use.

    A refreshed matrix that is damaged is told on standard error.
    """
    from cudalock.matrix.matrix import Matrix

    return Matrix.load(directory, _warn)


def open_universe(options: dict[str, Any]) -> LiveUniverse:
    """The matrix and the package indexes that the options name.

    Raises Contradiction for `--live` with `--offline`.
    """
    from cudalock.live import LiveUniverse

    if options["live"] and options["offline"]:
        raise Contradiction("`--live` and `--offline` exclude each other")
    universe = LiveUniverse(
        load_matrix(options["matrix"]),
        options["index_url"],
        options["extra_index_url"],
        everything=bool(options["live"]),
        offline=bool(options["offline"]),
    )
    context = click.get_current_context()
    context.call_on_close(universe.close)
    if not options["quiet"]:
        context.call_on_close(partial(_tell_asked, universe, verbose=bool(options["verbose"])))
    return universe


def _tell_asked(universe: LiveUniverse, *, verbose: bool) -> None:
    """Say what could not be asked, and what was."""
    from cudalock.cli.console import tell

    for address in universe.stood_in:
        tell(f"warning: {address} cannot be read: what it said before stands in")
    if verbose and universe.traffic is not None:
        tell(f"network: {universe.traffic}")


def _warn(text: str) -> None:
    from cudalock.cli.console import tell

    tell(f"warning: {text}")


__all__ = ["MATRIX_HELP", "load_matrix", "matrix_option", "open_universe"]
