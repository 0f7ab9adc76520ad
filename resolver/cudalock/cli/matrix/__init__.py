"""`cudalock matrix`: show, check, export and update the matrix.

pages ── rules, show, table
lint ── its semantic checks
export ── all of it, for other programs
"""

from __future__ import annotations

import click

from cudalock.cli import CONTEXT
from cudalock.cli.matrix import export, lint, pages, update


@click.group(short_help="Show, check or update the matrix.", context_settings=CONTEXT)
def matrix() -> None:
    """Print, check, export or update the matrix: its facts and its releases."""


for _command in (pages.rules, pages.show, pages.table, lint.lint, export.export, update.update):
    matrix.add_command(_command)
