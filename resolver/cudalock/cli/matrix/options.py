"""The options that the commands of `cudalock matrix` share."""

from __future__ import annotations

import click

from cudalock.cli import MATRIX_HELP

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
directory = click.option("--matrix", "directory", metavar="DIR", help=MATRIX_HELP)
