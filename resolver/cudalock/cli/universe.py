"""Which matrix a command reads, and which indexes beside it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from cudalock.errors import Contradiction

if TYPE_CHECKING:
    from cudalock.cli.options import OutputOptions
    from cudalock.live import LiveUniverse
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.universe import ClosedUniverse


def load_matrix(directory: str | None) -> Matrix:
    """Return the matrix that `--matrix` names, else the one in use.

    A damaged user matrix is reported on standard error, and not used.
    """
    from cudalock.cli.console import warn
    from cudalock.matrix.matrix import Matrix

    return Matrix.load(directory, warn)


def open_matrix(directory: str | None) -> ClosedUniverse:
    """Return the matrix that `--matrix` names, else the one in use, without package indexes."""
    from cudalock.matrix.universe import ClosedUniverse

    return ClosedUniverse(load_matrix(directory))


def open_universe(options: OutputOptions) -> LiveUniverse:
    """Return the matrix and the package indexes that the options name.

    Raises Contradiction for `--live` with `--offline`.
    """
    from cudalock.live import LiveUniverse

    if options.live and options.offline:
        raise Contradiction("`--live` cannot be combined with `--offline`")
    universe = LiveUniverse(
        load_matrix(options.matrix),
        options.index_url,
        options.extra_index_urls,
        everything=options.live,
        offline=options.offline,
    )
    # Also when the command fails: connections are closed, and what was read is reported.
    context = click.get_current_context()
    context.call_on_close(universe.close)
    if not options.quiet:
        context.call_on_close(partial(_tell_asked, universe, verbose=options.verbose))
    return universe


def _tell_asked(universe: LiveUniverse, *, verbose: bool) -> None:
    """Report which index pages could not be read, and with `-v` the network use."""
    from cudalock.cli.console import tell, warn

    for address in universe.stood_in:
        warn(f"{address} cannot be read: using its cached page")
    if verbose and universe.traffic is not None:
        tell(f"network: {universe.traffic}")
