"""`cudalock matrix lint`: the semantic checks of a matrix."""

from __future__ import annotations

import click

from cudalock.cli import CONTEXT
from cudalock.cli.help import SectionedCommand
from cudalock.cli.matrix import options
from cudalock.cli.universe import load_matrix
from cudalock.text import counted


@click.command(cls=SectionedCommand, short_help="Check a matrix.", context_settings=CONTEXT)
@options.as_json
@options.directory
@click.pass_context
def lint(ctx: click.Context, as_json: bool, directory: str | None) -> None:
    """Check that the matrix is consistent, and print each defect on a line.

    Facts need a unique id, a source, and ranges and clauses that parse and match a release. Rows
    need a valid layout, file names, digests, known indexes and builders. Together: pinned versions
    exist, companion packages agree, and no row pins what a fact about it forbids.

    Exit status: 0 no defects; 1 defects; 2 the matrix cannot be read.

    --json: one object with `schema` ("cudalock.lint/1"), `matrix` and `defects`, each with `file`,
    `key` (the path inside the file) and `says`.
    """
    from cudalock.cli.console import emit, tell
    from cudalock.lint import lint as find_defects
    from cudalock.text import json_text

    matrix = load_matrix(directory)
    defects = find_defects(matrix)
    if as_json:
        rows = [defect._asdict() for defect in defects]
        emit(json_text({"schema": "cudalock.lint/1", "matrix": matrix.version, "defects": rows}))
    elif defects:
        emit("".join(f"{defect}\n" for defect in defects))
    count = counted(len(defects), "defect") if defects else "no defects"
    tell(f"matrix {matrix.version}: {count} in {len(matrix.projects)} projects and its facts")
    ctx.exit(1 if defects else 0)
