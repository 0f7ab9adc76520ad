"""`cudalock solve`: lock a goal for a target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cudalock.cli import CONTEXT
from cudalock.cli.advisories import with_advisories
from cudalock.cli.completing import completed
from cudalock.cli.help import SectionedCommand
from cudalock.cli.line_options import check_one_line, split_lines
from cudalock.cli.machine import read_queries
from cudalock.cli.options import (
    GoalOptions,
    OptionValues,
    OutputOptions,
    goal_options,
    image_option,
    output_options,
)
from cudalock.cli.output import check_destination, write_lock
from cudalock.cli.settings import ProjectSettings
from cudalock.cli.universe import open_universe
from cudalock.errors import Contradiction
from cudalock.text import shell_command

if TYPE_CHECKING:
    from cudalock.cli.keep import Kept


@click.command(
    cls=SectionedCommand,
    short_help="Lock a goal.",
    context_settings=CONTEXT,
    examples=(
        (
            "cudalock solve --torch 2.5.1 --fa2 -o requirements.txt",
            "the lock for this machine, with FlashAttention 2",
        ),
        (
            'cudalock solve "torch 2.8 + FA2 on Windows py3.12"',
            "the same question in words, for another machine",
        ),
        (
            "cudalock solve --torch 2.9 --cuda cpu --cuda 12.6 --platform linux -o pyproject.toml",
            "one project with an extra for each",
        ),
        (
            "cudalock solve vllm --gpu H100 --platform linux --python 3.12 -o pylock.toml",
            "a server's image",
        ),
        (
            "cudalock solve --image nvcr.io/nvidia/pytorch:25.04-py3 accelerate bitsandbytes",
            "what to add to NVIDIA's image, whose torch stays",
        ),
        (
            "cudalock solve --keep all bitsandbytes --python .venv",
            "what to add to an environment, which keeps what it has",
        ),
    ),
)
@click.argument("goal", nargs=-1, shell_complete=completed("alias", "project"))
@goal_options
@click.option(
    "--keep",
    metavar="all|NAME,...",
    multiple=True,
    help="Keep all, or these, installed packages; print only what to add.",
)
@image_option
@output_options
@click.pass_context
def solve(ctx: click.Context, /, goal: tuple[str, ...], **_flags: Any) -> None:
    """Print the lock for GOAL: exact pins, wheels and hashes that work together.

    GOAL is a phrase ("torch 2.5.1 + FA2 on Windows py3.11") or requirements
    ("flash-attn==2.7.4.post1"). Options can also state all of it.

    The network is used only for packages that are not in the matrix, and for the URLs of wheels in
    a pylock.toml. With --offline, cached index pages are used, and the exit status is 3 if they
    are not enough; --wheels writes paths, which need no URLs, and `cudalock fetch` downloads the
    wheels into DIR. A uv.lock is written by uv itself. An existing pyproject.toml is edited, and
    everything else in it stays.

    Several --cuda or --accelerator are lines of one project: `--cuda cpu --cuda 12.6` makes an
    extra for each in a pyproject.toml or pylock.toml, and a file for each in other formats.

    --keep adds to an environment: that of --python, or the active one. `all` keeps every installed
    package; names keep those, and as many of the others as possible. Only the requirements to add
    are printed, with the command that installs them. --image does the same for a base image, whose
    torch stays: what the matrix knows of its tag counts.

    Exit status: 0 a lock; 1 no solution, or a file that does not match its hash; 2 invalid input;
    3 network error.
    """
    from cudalock.goals import command_words

    parsed = OptionValues(ctx, ProjectSettings.find())
    output = OutputOptions.of(parsed)
    check_destination(output)
    keep = parsed.texts("keep")
    options = GoalOptions.of(parsed, goal)
    image = parsed.text("image")
    lines = split_lines(options)
    if len(lines) > 1 and (keep or image):
        flag = "--keep" if keep else "--image"
        raise Contradiction(f"`{flag}` is for one environment, and takes one accelerator")
    kept: Kept | None = None
    if image:
        from cudalock.cli.image import read_base

        options, kept = read_base(image, options, output)
    elif keep:
        from cudalock.cli.keep import read_environment

        kept = read_environment(options)
    if kept is not None:
        from cudalock.cli.keep import check_format

        check_format(output.format)
    added = kept.overlay if kept is not None else None
    universe = open_universe(output, options.wheel_urls, added=added)
    if len(lines) > 1:
        from cudalock.cli.lines import solve_lines, write_lines

        write_lines(solve_lines(lines, universe, output), output)
        return
    check_one_line(parsed.flags.get("lines_as"))
    queries = read_queries(options, universe)
    if kept is not None:
        from cudalock.cli.console import tell
        from cudalock.cli.keep import build_additions

        lock = build_additions(queries, universe, kept, keep, output)
        if not lock.pins and output.format == "requirements":
            tell("nothing to install: the environment has everything")
            return
    else:
        from cudalock.solving import build_lock

        words = command_words(queries[0][0], *(target for _, target in queries))
        command = shell_command(["cudalock", "solve", *words, *output.words])
        lock = build_lock(queries, universe, command)
    write_lock(with_advisories(lock, queries, universe, output), output)
