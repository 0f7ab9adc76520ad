"""`cudalock lsp`: a language server, for editors."""

from __future__ import annotations

import click

from cudalock.cli import CONTEXT, matrix_option
from cudalock.cli.extras import needed
from cudalock.cli.help import SectionedCommand
from cudalock.cli.universe import load_matrix


@click.command(
    cls=SectionedCommand,
    short_help="Serve editors (LSP).",
    context_settings=CONTEXT,
    examples=(("cudalock lsp", "an editor starts it, and talks to it"),),
)
@click.option("--stdio", is_flag=True, help="Talk on standard input and output, as it always does.")
@matrix_option
def lsp(matrix: str | None, stdio: bool) -> None:
    """Serve an editor over the Language Server Protocol on standard input and output.

    Requirements files, pyproject.toml, environment.yml and the other files of `cudalock check` are
    checked while they are typed, for the targets of [tool.cudalock]. What `check --fix` can fix is
    a quick fix, and a pin shows what it is compatible with. Nothing is looked up on the network. It
    needs the package `pygls`, which the extra `lsp` installs.

    Exit status: 0 the editor has gone; 2 invalid input, or `pygls` is not installed.
    """
    del stdio  # editors add it
    needed("lsp", "cudalock lsp")
    loaded = load_matrix(matrix)
    from cudalock.cli.lsp_server import serve

    serve(loaded)
