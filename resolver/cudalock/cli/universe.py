"""Which matrix a command reads, and which indexes beside it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cudalock.cli import activity
from cudalock.errors import Contradiction, CudalockError, UsageError
from cudalock.mirrors import FLAG, NO_MIRRORS
from cudalock.text import shell_word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cudalock.cli.options import OutputOptions
    from cudalock.live import LiveUniverse
    from cudalock.live.own_wheels import NamedIndex
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.overlay import Overlay
    from cudalock.matrix.universe import ClosedUniverse
    from cudalock.mirrors import Mirrors
    from cudalock.projects.model import ProjectFile


def load_matrix(directory: str | None, mirrors: Mirrors = NO_MIRRORS) -> Matrix:
    """Return the matrix that `--matrix` names, else the one in use, with its URLs mirrored.

    A damaged user matrix is reported on standard error, and not used.
    """
    from cudalock.cli.console import warn
    from cudalock.matrix.matrix import Matrix

    return Matrix.load(directory, warn, mirrors)


def open_matrix(directory: str | None) -> ClosedUniverse:
    """Return the matrix that `--matrix` names, else the one in use, without package indexes."""
    from cudalock.matrix.universe import ClosedUniverse

    return ClosedUniverse(load_matrix(directory))


def open_universe(
    options: OutputOptions,
    wheel_urls: Iterable[tuple[str, str]] = (),
    *,
    are_certain: bool = True,
    added: Callable[[Matrix], Overlay] | None = None,
) -> LiveUniverse:
    """Return the matrix and the package indexes that the options name.

    `wheel_urls` are wheels that the goal names by URL, each with its project; unless they
    `are_certain`, those of which nothing is known are left out. `added` returns rows that are laid
    over the matrix as well. Raises Contradiction for `--live`
    with `--offline`, MatrixError for a wrong overlay, and what `read_own` raises.
    """
    from cudalock.live import LiveUniverse

    if options.live and options.offline:
        raise Contradiction("`--live` cannot be combined with `--offline`")
    matrix = with_overlays(load_matrix(options.matrix, options.mirrors), options)
    matrix = _with_own_wheels(matrix, options, wheel_urls, are_certain=are_certain)
    matrix = matrix.overlaid(added(matrix)) if added is not None else matrix
    universe = LiveUniverse(
        matrix,
        options.index_url,
        options.extra_index_urls,
        everything=options.live,
        offline=options.offline,
        flags="".join(f" {shell_word(word)}" for word in options.universe_words),
    )
    # Also when the command fails: connections are closed, and what was read is reported.
    context = click.get_current_context()
    context.call_on_close(universe.close)
    if not options.quiet:
        shown = activity.begin("Resolving")
        universe.on_lookup = shown.note if shown is not None else None
        context.call_on_close(activity.end)
    if not options.quiet:
        context.call_on_close(partial(_tell_asked, universe, verbose=options.verbose))
    return universe


def with_overlays(matrix: Matrix, options: OutputOptions) -> Matrix:
    """Return the matrix with the overlays of the options. Raises MatrixError for a wrong one."""
    if options.overlays:
        from cudalock.matrix.overlay import read_overlay

        for folder in options.overlays:
            matrix = matrix.overlaid(read_overlay(Path(folder)))
    return matrix


def _with_own_wheels(
    matrix: Matrix,
    options: OutputOptions,
    wheel_urls: Iterable[tuple[str, str]],
    *,
    are_certain: bool,
) -> Matrix:
    """Return the matrix with the wheels that the user names."""
    stated = tuple(wheel_urls)
    if not (stated or options.find_links or options.project_indexes):
        return matrix
    from cudalock.indexes.client import Web
    from cudalock.live.own_wheels import NamedWheel, Own, read_own

    own = Own(
        tuple(NamedWheel(name, matrix.mirrors.url(url), are_certain) for name, url in stated),
        tuple(map(matrix.mirrors.url, options.find_links)),
        tuple(_named_index(text, matrix) for text in options.project_indexes),
    )
    with Web(offline=options.offline, mirrors=matrix.mirrors) as web:
        return matrix.overlaid(read_own(own, matrix, web))


def _named_index(text: str, matrix: Matrix) -> NamedIndex:
    from cudalock.live.own_wheels import NamedIndex
    from cudalock.urls import hide_credentials
    from cudalock.versions import canonical

    names, equals, url = text.partition("=")
    projects = tuple(canonical(name.strip()) for name in names.split(",") if name.strip())
    if not equals or not projects or not url.startswith(("http://", "https://")):
        raise UsageError(
            f"`--project-index` needs NAME=URL, not `{hide_credentials(text)}`",
            hints=["--project-index flash-attn=https://wheels.example/simple/"],
        )
    return NamedIndex(projects, matrix.mirrors.url(url))


def _tell_asked(universe: LiveUniverse, *, verbose: bool) -> None:
    """Report which index pages could not be read, and with `-v` the network use."""
    from cudalock.cli.console import tell, warn

    for address in universe.stood_in:
        warn(f"{address} cannot be read: using its cached page")
    if verbose and universe.traffic is not None:
        tell(f"network: {universe.traffic}")


class MirroredMatrices:
    """The matrix as each file needs it: with the mirrors that its lock was made with, else with
    those that are stated."""

    def __init__(self, matrix: Matrix, stated: Sequence[str], directory: str | None) -> None:
        """`stated` are the texts of `--index-map`, `directory` is that of `--matrix`.

        Raises UsageError and Contradiction for mirrors that are none.
        """
        from cudalock.cli.options import read_index_map

        self._directory = directory
        self._stated = read_index_map(stated, directory)
        self._matrices = {matrix.mirrors: matrix}
        self._plain = matrix

    def of(self, file: ProjectFile) -> Matrix:
        """Return the matrix to judge a file by: with the wheels that it names by URL."""
        return _with_wheels_of(file, self.at_mirrors_of(file))

    def at_mirrors_of(self, file: ProjectFile) -> Matrix:
        """Return the matrix that a lock was made with."""
        mirrors = self._recorded(file) or self._stated
        if mirrors not in self._matrices:
            self._matrices[mirrors] = self._plain.mirrored(mirrors)
        return self._matrices[mirrors]

    def _recorded(self, file: ProjectFile) -> Mirrors:
        from cudalock.cli.options import read_index_map, read_recorded
        from cudalock.projects.locks.lock_pins import read_command

        command = read_command(file)
        if command is None or FLAG not in command.value:
            return NO_MIRRORS
        try:
            recorded = read_recorded(command.value).context.params
            return read_index_map(recorded.get("index_map") or (), self._directory)
        except (CudalockError, click.ClickException, ValueError):
            # A command that was edited by hand says nothing about the pins.
            return NO_MIRRORS


def _with_wheels_of(file: ProjectFile, matrix: Matrix) -> Matrix:
    """Return the matrix with the wheels that a file names by URL and that the matrix does not have,
    as far as their names say what they are built for."""
    urls = [
        (declared.name, declared.url)
        for declared in file.everything()
        if declared.url and declared.manager == "pypi" and ".whl" in declared.url
    ]
    if not urls:
        return matrix
    from cudalock.generate.wheel_urls import find_wheel, is_wheel_of
    from cudalock.live.own_wheels import NamedWheel, overlay_by_name

    wheels = [
        NamedWheel(name, url)
        for name, url in dict.fromkeys(urls)
        if is_wheel_of(name, url) and find_wheel(url, matrix) is None
    ]
    return matrix.overlaid(overlay_by_name(wheels, matrix)) if wheels else matrix
