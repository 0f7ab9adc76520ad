"""Help: options in sections, the common ones first, and an example of each command.

`SECTIONS` puts every option of the commands in its place; a test finds one that has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from cudalock.cli.narrow import add_options
from cudalock.errors import UsageError
from cudalock.names import likely_names
from cudalock.text import did_you_mean, shell_command

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

GOAL: Final = "Goal"
SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    # The flags of projects come first: see `_members`.
    GOAL: (
        "requirement",
        "constraint",
        "keep",
        "package",
        "extra",
        "group",
        "exclude",
        "stack-only",
    ),
    "Target": (
        "python",
        "platform",
        "image",
        "accelerator",
        "cuda",
        "gpu",
        "driver",
        "glibc",
        "cudnn",
        "toolkit",
        "here",
        "no-detect",
    ),
    "Choice": (
        "builders",
        "exclude-newer",
        "pre",
        "skip",
        "allow-build",
        "strict",
        "advisories",
        "osv",
        "relax",
        "update",
        "upgrade",
        "upgrade-package",
    ),
    "Check": (
        "fix",
        "undo",
        "yes",
        "fresh",
        "select",
        "ignore",
        "exit-zero",
        "require-files",
        "lock",
        "import",
        "for",
    ),
    "Installation": (
        "install",
        "uninstall",
        "snippet",
        "shell",
    ),
    "Output": (
        "output",
        "format",
        "json",
        "fields",
        "limit",
        "dir",
        "force",
        "hashes",
        "fetch-hashes",
        "urls",
        "wheels",
        "as",
        "installer",
        "dry-run",
        "quiet",
        "verbose",
    ),
    "Index": (
        "index-url",
        "extra-index-url",
        "index-map",
        "find-links",
        "project-index",
    ),
    "Matrix, cache and network": (
        "matrix",
        "matrix-overlay",
        "live",
        "offline",
        "root",
        "stdio",
        "timeout",
        "digests",
        "from",
    ),
}
"""Title of a section, then the options in it by their first long name, in the order of the help."""

OTHERS: Final = "Other"
"""The section of `--help`, and of what is in no other."""


def section_of(option: click.Option) -> str:
    """Return the title of the section that an option stands in."""
    names = {flag.removeprefix("--") for flag in option.opts if flag.startswith("--")}
    return next((title for title in SECTIONS if names & set(_members(title))), OTHERS)


def _members(title: str) -> tuple[str, ...]:
    """Return the options of a section in order; those that the matrix has for projects included."""
    if title != GOAL:
        return SECTIONS.get(title, ())
    # Imported here: only a help needs to know where an option stands.
    from cudalock.goals.switches import read_switches

    framework, switches = read_switches()
    return (framework, *switches.values(), *SECTIONS[GOAL])


def _place(option: click.Option) -> int:
    names = [flag.removeprefix("--") for flag in option.opts if flag.startswith("--")]
    members = _members(section_of(option))
    return min((members.index(name) for name in names if name in members), default=len(members))


class SectionedCommand(click.Command):
    """A command whose help has its options in sections, and ends with examples.

    `examples` are whole command lines, each with what it does.
    """

    def __init__(self, *args: Any, examples: Iterable[tuple[str, str]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        add_options(self.params)
        self.examples = tuple(examples)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, options in self._sections(ctx):
            rows = [row for option in options if (row := option.get_help_record(ctx)) is not None]
            with formatter.section(_heading(title)):
                formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        if not self.examples:
            return
        with formatter.section(_heading("Examples")):
            for line, purpose in self.examples:
                formatter.write(f"  # {purpose}\n  {line}\n")

    def _sections(self, ctx: click.Context) -> Iterator[tuple[str, list[click.Option]]]:
        options = [
            parameter
            for parameter in self.get_params(ctx)
            if isinstance(parameter, click.Option) and not parameter.hidden
        ]
        for title in (*SECTIONS, OTHERS):
            members = sorted(
                (option for option in options if section_of(option) == title), key=_place
            )
            if members:
                yield title, members


def _heading(title: str) -> str:
    import sys

    from cudalock.cli.console import wants_colour

    return click.style(title, bold=True) if wants_colour(sys.stdout) else title


def write_commands(
    group: click.Group,
    ctx: click.Context,
    formatter: click.HelpFormatter,
    sections: Mapping[str, tuple[str, ...]],
) -> None:
    """Write the commands of a group in their sections, those that are in none last."""
    placed = {name for names in sections.values() for name in names}
    others = tuple(name for name in group.list_commands(ctx) if name not in placed)
    for title, names in (*sections.items(), (OTHERS, others)):
        rows = [
            (name, command.get_short_help_str(80))
            for name in names
            if (command := group.get_command(ctx, name)) is not None
        ]
        if rows:
            with formatter.section(_heading(title)):
                formatter.write_dl(rows)


def refuse_or_solve(words: list[str], commands: Iterable[str]) -> list[str]:
    """Return the words with `solve` before them if they are a goal.

    Raises click.UsageError, naming the nearest command, for a first word that is neither a command
    nor a part of a goal.
    """
    word = words[0]
    # A phrase, a version or a requirement has what no command's name has.
    if not word.isascii() or not word.replace("-", "").isalpha() or _is_component(word):
        return ["solve", *words]
    near = likely_names(word, commands)
    if near:
        hints = did_you_mean([shell_command(["cudalock", near[0], *words[1:]])])
    else:
        hints = [f"`{shell_command(['cudalock', 'solve', *words])}`, if `{word}` is a package"]
    raise UsageError(f"no such command `{word}`", hints=hints)


def _is_component(word: str) -> bool:
    # Imported here: the matrix is of use only for a word that no command is named by.
    from cudalock.matrix.matrix import Matrix

    return Matrix.load(None, lambda _: None).names.find(word) is not None
