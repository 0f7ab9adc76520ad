"""`cudalock matrix export`: the whole matrix, for other programs."""

from __future__ import annotations

import click

from cudalock.cli import CONTEXT
from cudalock.cli.help import SectionedCommand
from cudalock.cli.matrix import options
from cudalock.cli.universe import load_matrix

FORMATS = ("json", "csv")


@click.command(
    cls=SectionedCommand, short_help="Export it as JSON or CSV.", context_settings=CONTEXT
)
@click.option("--format", "layout", type=click.Choice(FORMATS), default="json", show_default=True)
@click.option("-o", "--output", metavar="FILE", help="Write to FILE; - is standard output.")
@options.directory
def export(layout: str, output: str | None, directory: str | None) -> None:
    """Write everything in the matrix; the same matrix gives the same bytes.

    Exit status: 0 written; 2 it cannot be written.

    json: one object with `schema` ("cudalock.matrix/1"), `matrix`, `indexes`, `builders`, `facts`
    (as `matrix rules --json` has them), `projects` (name to `retrieved`, `sources` and `releases`;
    a release has `builds`, a build its `wheels` with `file`, `sha256` and `url`) and `cuda`, the
    tables of NVIDIA.

    csv: one wheel a row, by project, version and place in the index file, with the columns
    `project`, `version`, `file`, `sha256`, `url` (empty on the default package index), `index`,
    `builder`, `tag`, `local`, `requires_python`, `uploaded`, `yanked`, `known`, `source` and
    `warning`, then a column for each label, named `label.cuda`, its values separated by spaces.
    """
    from pathlib import Path

    from cudalock.cli.console import emit, write_text
    from cudalock.show.export import export_csv, export_json

    matrix = load_matrix(directory)
    text = export_json(matrix) if layout == "json" else export_csv(matrix)
    if output in (None, "-"):
        emit(text)
    else:
        write_text(Path(str(output)), text)
