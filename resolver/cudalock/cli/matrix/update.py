"""`cudalock matrix update`: the generated half anew, from what its sources list."""

from __future__ import annotations

import click

from cudalock.cli import CONTEXT
from cudalock.cli.matrix import options
from cudalock.cli.universe import load_matrix
from cudalock.errors import Contradiction


@click.command(short_help="Refresh its releases and wheels.", context_settings=CONTEXT)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--output",
    metavar="DIR",
    help="Refresh the matrix in DIR, or make one there, instead of the user's.",
)
@click.option("--index-url", metavar="URL", help="Another package index than pip's.")
@click.option(
    "--digests",
    type=click.IntRange(min=1),
    metavar="N",
    help="Compute the sha256 of N wheels that have none published, instead of asking for rows.",
)
@options.as_json
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
@click.pass_context
def update(
    ctx: click.Context,
    names: tuple[str, ...],
    output: str | None,
    index_url: str | None,
    digests: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Ask the package index, PyTorch's indexes and GitHub's releases what they list of NAME..., or
    of every project held, and merge it into the rows of the matrix.

    A wheel that is listed and held takes its digest and requirements from the listing and keeps
    what no listing says; one that is no longer listed goes. Curated facts are never touched.
    Nothing is written before everything was asked, and a source that fails keeps its rows. The
    result is linted. It is used from then on wherever it is newer than the embedded matrix.

    With --digests nothing is asked for rows. The wheels of NAME... that have no digest, the newest
    first, are streamed, and their sha256 is recorded as computed, with the day. Once all have one,
    those computed longest ago are streamed again; a change is an alarm and exit status 1.

    GitHub allows few requests without a token: set GITHUB_TOKEN or GH_TOKEN.

    Exit status: 0 fine; 1 the result has defects, or a wheel another digest than was recorded; 2 a
    name is not known, or DIR cannot be used; 3 a source could not be asked.

    --json: one object with `schema` ("cudalock.update/1"), `was` and `matrix` (versions), `folder`,
    `changes` (by `project` and `version`: `new`, and file tags `added`, `changed`, `vanished`,
    `rehashed`), `notes`, `unread` (file names that no pattern reads), `failures` (`source`, `says`,
    `hints`), `defects` and `traffic`.
    """
    from datetime import datetime, timezone
    from pathlib import Path

    from cudalock.cli.console import emit, steps, tell
    from cudalock.matrix.matrix import Matrix
    from cudalock.show import json_text
    from cudalock.update.digests import compute_digests
    from cudalock.update.update import update as refresh

    folder = Path(output) if output is not None else None
    held = folder is not None and (folder / "matrix.toml").is_file()
    matrix = Matrix.load(folder) if held else load_matrix(None)
    today = datetime.now(timezone.utc).date().isoformat()
    if digests is not None and index_url:
        raise Contradiction("`--digests` and `--index-url` exclude each other")
    with steps(quiet=quiet) as progress:
        if digests is not None:
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
