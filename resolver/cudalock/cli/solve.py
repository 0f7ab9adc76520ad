"""`cudalock solve`: a goal and a target in, a lock out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cudalock.cli import CONTEXT
from cudalock.cli.options import goal_options, read_defaults
from cudalock.cli.question import load_matrix, matrix_option, read_questions
from cudalock.errors import Contradiction, UsageError

if TYPE_CHECKING:
    from cudalock.formats import Format, Options
    from cudalock.goals import Question
    from cudalock.lock import Lock
    from cudalock.matrix import Matrix

FORMATS = ("requirements", "json")
HASHES = ("auto", "require", "off")


@click.command(short_help="The lock for a goal.", context_settings=CONTEXT)
@click.argument("goal", nargs=-1)
@goal_options
@click.option(
    "--format", type=click.Choice(FORMATS), help="requirements unless -o names another; see -o."
)
@click.option("--json", is_flag=True, help="The same as --format json.")
@click.option("-o", "--output", metavar="FILE", help="Write there and not to standard output.")
@click.option(
    "--hashes", type=click.Choice(HASHES), help="auto (all or none), unless another is said."
)
@click.option("--index-url", metavar="URL", help="The package index to name in the lock.")
@click.option("--extra-index-url", metavar="URL", multiple=True, help="Another index to name.")
@click.option("--offline", is_flag=True, help="Never use the network; solving does not need it.")
@matrix_option
@click.option("-q", "--quiet", is_flag=True, help="No summary.")
@click.option("-v", "--verbose", is_flag=True, help="Also say what was solved, and for what.")
@click.pass_context
def solve(ctx: click.Context, /, goal: tuple[str, ...], **given: Any) -> None:
    """Print the lock for GOAL: exact pins, wheels and hashes that work together.

    GOAL is a phrase ("torch 2.5.1 + FA2 on Windows py3.11"), requirements
    ("flash-attn==2.7.4.post1"), or nothing where the options say it all.

    Exit status: 0 a lock; 1 there is none; 2 the question was wrong.
    """
    defaults = read_defaults(ctx.command)
    options = {name: value or defaults.get(name) or value for name, value in given.items()}
    chosen = _format(given, defaults, options["output"])
    matrix = load_matrix(options["matrix"])
    questions = read_questions(goal, given, defaults, matrix)
    lock = _lock(questions, matrix, options)
    write = _write_options(options)
    text = chosen.render(lock, write)
    _deliver(text, options["output"])
    if not options["quiet"]:
        _report(lock, write, options, chosen)


def _format(given: dict[str, Any], defaults: dict[str, Any], output: str | None) -> Format:
    """What a flag says, else the output file's name, else the repository's default."""
    from cudalock.formats import FORMATS as WRITERS
    from cudalock.formats import format_for

    if given["json"] and given["format"] not in (None, "json"):
        raise Contradiction(f"`--json` and `--format {given['format']}` exclude each other")
    said = "json" if given["json"] else given["format"]
    if said is None and output:
        named = format_for(output)
        if named is None and "format" not in defaults:
            raise UsageError(
                f"`{output}` does not say in which format it is meant",
                hints=["`--format requirements`, or a name that ends in .txt"],
            )
        said = named.name if named else None
    default = "json" if defaults.get("json") else defaults.get("format", "requirements")
    return WRITERS[said or default]


def _lock(questions: tuple[Question, ...], matrix: Matrix, options: dict[str, Any]) -> Lock:
    from cudalock.goals import command_line

    goal = questions[0][0]
    command = command_line(goal, *(target for _, target in questions))
    if options["hashes"] not in (None, "auto"):
        command += f" --hashes {options['hashes']}"
    if len(questions) == 1:
        from cudalock.locking import from_resolution
        from cudalock.resolution import resolve

        return from_resolution(resolve(*questions[0], matrix), command=command)
    from cudalock.merging import from_resolutions
    from cudalock.resolution.joint import resolve_all

    joint = resolve_all(questions, matrix)
    return from_resolutions(joint.resolutions, command, joint.notes)


def _write_options(options: dict[str, Any]) -> Options:
    from cudalock.formats import Options

    output = options["output"]
    return Options(
        hashes=options["hashes"] or "auto",
        index_url=options["index_url"],
        extra_index_urls=tuple(options["extra_index_url"]),
        filename=Path(output).name if output else None,
    )


def _deliver(text: str, output: str | None) -> None:
    from cudalock.render import emit, write_text

    if output and output != "-":
        write_text(output, text)
    else:
        emit(text)


def _report(lock: Lock, write: Options, options: dict[str, Any], chosen: Format) -> None:
    from cudalock.formats.requirements_txt import install_commands
    from cudalock.render import summary, tell

    install = None
    if chosen.name == "requirements":
        commands = dict(
            install_commands(
                lock,
                hashes=write.hashes,
                extra_index_urls=write.extra_index_urls,
                filename=write.filename or "requirements.txt",
            )
        )
        install = commands["pip"]
    tell(summary(lock, install=install))
    if options["verbose"]:
        tell(f"matrix: {lock.matrix_version}\ncommand: {lock.command}")
