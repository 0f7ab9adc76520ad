"""`cudalock help`: the help of a command, as `--help` prints it."""

from __future__ import annotations

import click

from cudalock.cli import CONTEXT
from cudalock.cli.help import SectionedCommand
from cudalock.errors import UsageError
from cudalock.names import likely_names
from cudalock.text import did_you_mean


@click.command(
    "help", cls=SectionedCommand, short_help="Show the help of a command.", context_settings=CONTEXT
)
@click.argument("command", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def show_help(ctx: click.Context, /, command: tuple[str, ...]) -> None:
    """Show the help of a COMMAND, such as `solve` or `matrix show`; without one, of cudalock.

    Exit status: 0 shown; 2 no such command.
    """
    shown = ctx.find_root()
    for word in command:
        group = shown.command
        found = group.get_command(shown, word) if isinstance(group, click.Group) else None
        if found is None:
            names = group.list_commands(shown) if isinstance(group, click.Group) else []
            near = [f"cudalock help {name}" for name in likely_names(word, names)[:1]]
            raise UsageError(
                f"no such command `{shown.command_path} {word}`", hints=did_you_mean(near)
            )
        shown = click.Context(found, info_name=word, parent=shown)
    click.echo(shown.command.get_help(shown))


help = show_help
"""Under the command's name, as the table of commands finds it."""
