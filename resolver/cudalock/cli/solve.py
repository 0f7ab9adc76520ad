"""`cudalock solve`: a goal and a target in, a lock out."""

from __future__ import annotations

from typing import Any

import click

from cudalock.cli import CONTEXT
from cudalock.cli.machine import read_queries
from cudalock.cli.options import (
    GoalOptions,
    OptionValues,
    OutputOptions,
    goal_options,
    output_options,
)
from cudalock.cli.output import build_lock, write_lock
from cudalock.cli.settings import Settings
from cudalock.cli.universe import open_universe
from cudalock.text import shell_command


@click.command(short_help="The lock for a goal.", context_settings=CONTEXT)
@click.argument("goal", nargs=-1)
@goal_options
@click.option(
    "--keep",
    metavar="all|NAME,...",
    multiple=True,
    help="Hold what the environment has; print only what is new.",
)
@output_options
@click.pass_context
def solve(ctx: click.Context, /, goal: tuple[str, ...], **_flags: Any) -> None:
    """Print the lock for GOAL: exact pins, wheels and hashes that work together.

    GOAL is a phrase ("torch 2.5.1 + FA2 on Windows py3.11"), requirements
    ("flash-attn==2.7.4.post1"), or nothing where the options say it all.

    Solving needs no network where the matrix holds what is wanted; any other package is looked up
    at the package index. So are, for a pylock.toml, the addresses of its wheels. With --offline
    what was listed in an earlier run serves; without it the answer is status 3, unless --wheels
    makes the addresses paths. See `cudalock fetch` for filling DIR. A uv.lock is written by uv,
    from its own cache with --offline. A pyproject.toml that exists is edited, and keeps all else
    that it says.

    With --keep the environment of --python, or the active one, is completed: what it has is held,
    and the lines that are new are printed, with the command that installs them there. `all` refuses
    to change anything; names hold those, and as much of the rest as leaves an answer.

    Exit status: 0 a lock; 1 there is none, or a wheel is not what it should be; 2 the question was
    wrong; 3 the network failed.
    """
    from cudalock.goals import command_words

    values = OptionValues(ctx, Settings.read())
    output = OutputOptions.of(values)
    keep = values.texts("keep")
    if keep:
        from cudalock.cli.keep import check_format

        check_format(output.format)
    universe = open_universe(output)
    options = GoalOptions.of(values, goal)
    queries = read_queries(options, universe)
    if keep:
        from cudalock.cli.console import tell
        from cudalock.cli.keep import build_additions

        lock = build_additions(queries, universe, keep, options, output)
        if not lock.pins and output.format != "json":
            tell("nothing has to be installed: all of it is there")
            return
    else:
        words = command_words(queries[0][0], *(target for _, target in queries))
        command = shell_command(["cudalock", "solve", *words, *output.words])
        lock = build_lock(queries, universe, command)
    write_lock(lock, output)
