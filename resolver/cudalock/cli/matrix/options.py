"""What the commands of `cudalock matrix` share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from cudalock.matrix import Matrix

as_json = click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
directory = click.option(
    "--matrix", "directory", metavar="DIR", help="Another matrix than the one that was installed."
)


def load(directory: str | None) -> Matrix:
    """The matrix in a directory, or the one that was installed."""
    from pathlib import Path

    from cudalock.matrix import Matrix

    return Matrix.load(Path(directory) if directory else None)
