"""`cudalock matrix update`: update the generated half from what its sources list."""

from __future__ import annotations

from pathlib import Path

import click

from cudalock.cli import CONTEXT, index_map_option
from cudalock.cli.completing import completed
from cudalock.cli.help import SectionedCommand
from cudalock.cli.matrix import options
from cudalock.cli.universe import load_matrix
from cudalock.errors import Contradiction, UsageError
from cudalock.urls import hide_credentials


@click.command(
    cls=SectionedCommand, short_help="Update its releases and wheels.", context_settings=CONTEXT
)
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=completed("project"))
@click.option(
    "--output",
    metavar="DIR",
    help="Update the matrix in DIR, or create one there, instead of the user's.",
)
@click.option("--index-url", metavar="URL", help="Package index to use (default: pip's).")
@click.option(
    "--digests",
    type=click.IntRange(min=1),
    metavar="N",
    help="Compute the sha256 of N wheels without a published one; update no rows.",
)
@click.option(
    "--from",
    "site",
    metavar="URL|DIR",
    help="Take the whole matrix, facts too, from a site that publishes it, or a copy of one.",
)
@index_map_option
@options.as_json
@click.option("-q", "--quiet", is_flag=True, help="Print no progress bar.")
@click.pass_context
def update(
    ctx: click.Context,
    names: tuple[str, ...],
    output: str | None,
    index_url: str | None,
    digests: int | None,
    site: str | None,
    index_map: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> None:
    """Query the package index, PyTorch's indexes and GitHub's releases for NAME..., or for every
    project in the matrix, and merge the wheels they list into the matrix.

    A wheel that is in both takes its digest and requirements from the index and keeps the rest; a
    wheel that has disappeared is removed. Curated facts never change. Nothing is written before
    every source was queried, and the rows of a source that fails stay. The result is linted, and
    used from then on as long as it is newer than the embedded matrix.

    --digests queries no sources. It streams the wheels of NAME... that have no digest, the newest
    first, and records their sha256 as computed, with the day. Once all have one, it streams those
    computed longest ago again; if one has changed, the exit status is 1.

    --from queries no sources either. It takes every file that differs from those in use from a
    site, or from a folder that is a copy of it, checked by the site's list of digests. Nothing
    changes unless all of them are as listed.

    GitHub allows few requests without a token: set GITHUB_TOKEN or GH_TOKEN.

    Exit status: 0 updated; 1 the result has defects, the digest of a wheel has changed, or a site's
    matrix is not as it lists;
    2 unknown name, or DIR cannot be used; 3 a source could not be queried.

    --json: one object with `schema` ("cudalock.update/1"), `was` and `matrix` (versions), `folder`,
    `changes` (by `project` and `version`: `new`, and file tags `added`, `changed`, `vanished`,
    `rehashed`), `notes`, `unread` (file names that no pattern reads), `failures` (`source`, `says`,
    `hints`), `defects` and `traffic`.
    """
    from datetime import datetime, timezone

    from cudalock.cli.console import emit, steps, tell
    from cudalock.matrix.matrix import Matrix
    from cudalock.text import json_text
    from cudalock.update.digests import compute_digests
    from cudalock.update.from_site import update_from
    from cudalock.update.update import update as refresh

    folder = Path(output) if output is not None else None
    exists = folder is not None and (folder / "matrix.toml").is_file()
    # A folder without a matrix gets a copy of the one in use, updated.
    matrix = Matrix.load(folder) if exists else load_matrix(None)
    today = datetime.now(timezone.utc).date().isoformat()
    if digests is not None and index_url:
        raise Contradiction("`--digests` cannot be combined with `--index-url`")
    if site is not None:
        _check_from(site, names, digests, index_url)
    elif index_map:
        raise Contradiction("`--index-map` needs `--from`")
    with steps(quiet=quiet) as progress:
        if site is not None:
            from cudalock.cli.options import read_index_map

            report = update_from(
                matrix,
                site,
                output=folder,
                mirrors=read_index_map(index_map, None),
                progress=progress,
            )
        elif digests is not None:
            report = compute_digests(
                matrix, names, digests, output=folder, today=today, progress=progress
            )
        else:
            report = refresh(
                matrix, names, output=folder, today=today, index_url=index_url, progress=progress
            )
    emit(json_text(report.document()) if as_json else report.text())
    for hint in dict.fromkeys(hint for failure in report.failures for hint in failure.hints):
        tell(f"hint: {hint}")
    ctx.exit(report.exit_status)


def _check_from(
    site: str, names: tuple[str, ...], digests: int | None, index_url: str | None
) -> None:
    """Raise UsageError for what is neither URL nor folder, and Contradiction for options that
    `--from` does not go with."""
    if not site.startswith(("https://", "http://")) and not Path(site).is_dir():
        raise UsageError(
            f"`--from` needs the URL of a site or a folder, not `{hide_credentials(site)}`",
            hints=["cudalock matrix update --from https://cudalock.example"],
        )
    if names:
        raise Contradiction("`--from` takes the whole matrix, and cannot be combined with NAME")
    for option, is_set in (("--digests", digests is not None), ("--index-url", bool(index_url))):
        if is_set:
            raise Contradiction(f"`--from` cannot be combined with `{option}`")
