"""`cudalock mcp`: the tools for agents, over the Model Context Protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from cudalock.cli import CONTEXT, matrix_option
from cudalock.cli.completing import completed
from cudalock.cli.extras import needed
from cudalock.cli.help import SectionedCommand
from cudalock.errors import BadFile

TIMEOUT: Final = 300
"""Seconds for one call: a goal whose packages have to be looked up takes a minute."""


@click.command(
    cls=SectionedCommand,
    short_help="Serve agents (MCP).",
    context_settings=CONTEXT,
    examples=(
        ("cudalock mcp", "read files of this folder only"),
        ("cudalock mcp --root ~/work --offline", "of another folder, without the network"),
    ),
)
@click.option(
    "--root",
    "roots",
    metavar="DIR",
    multiple=True,
    help="Read files below DIR only (default: this folder). Repeatable.",
    shell_complete=completed("folder"),
)
@click.option("--offline", is_flag=True, help="Do not use the network; use cached index pages.")
@click.option(
    "--timeout",
    type=click.IntRange(min=1),
    default=TIMEOUT,
    metavar="SECONDS",
    help=f"Give up one call after SECONDS (default: {TIMEOUT}).",
)
@matrix_option
def mcp(roots: tuple[str, ...], offline: bool, timeout: int, matrix: str | None) -> None:
    """Serve the tools solve, check, diagnose, doctor, explain and matrix_show to an agent, over the
    Model Context Protocol on standard input and output.

    The tools only read. Files are read below the roots, links resolved; of the machine the tools
    read its GPU, driver and Python. Answers are the JSON documents of the commands, at most 100,000
    characters long. It needs the package `mcp`, which the extra `mcp` installs.

    Exit status: 0 the client has gone; 2 invalid input, or `mcp` is not installed.
    """
    from cudalock.cli.tools import ToolServer

    folders = tuple(_folder(root) for root in roots or (".",))
    needed("mcp", "cudalock mcp")
    from cudalock.cli.mcp_server import serve

    serve(ToolServer(folders, offline=offline, matrix=matrix), timeout)


def _folder(text: str) -> Path:
    path = Path(text).expanduser()
    if not path.is_dir():
        raise BadFile(f"`{text}` is not a folder")
    return path.resolve()
