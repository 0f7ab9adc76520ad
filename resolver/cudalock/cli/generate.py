"""`cudalock generate`: a repository in, the lock of what it wants out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cudalock.cli import CONTEXT
from cudalock.cli.options import OptionValues, OutputOptions, goal_options, output_options
from cudalock.cli.output import write_lock
from cudalock.cli.repository import GenerateOptions, Prepared, build, folder_of, prepare, read
from cudalock.cli.settings import Settings
from cudalock.cli.universe import open_universe
from cudalock.errors import Contradiction
from cudalock.formats import load_format

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cudalock.generate.read import Repository
    from cudalock.generate.update_lock import Held
    from cudalock.goals import Query
    from cudalock.lock import Lock
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.universe import Universe

A_YEAR = 365


@click.command(short_help="The lock for a repository.", context_settings=CONTEXT)
@click.argument("path", default=".", metavar="[PATH]")
@click.option("--extra", multiple=True, metavar="NAME", help="Also what this extra of it wants.")
@click.option("--group", multiple=True, metavar="NAME", help="Also this group: dev, test, docs.")
@click.option("--exclude", multiple=True, metavar="NAME", help="Leave this project out.")
@click.option("--stack-only", is_flag=True, help="Leave out all that the matrix does not hold.")
@click.option("--relax", is_flag=True, help="Let the fewest of its limits go, and list them.")
@click.option("--dry-run", is_flag=True, help="Show what was read and from where, and no more.")
@click.option("--update", is_flag=True, help="Keep what the lock at -o holds, where it can.")
@click.option("--upgrade", is_flag=True, help="With --update: hold nothing, and tell the changes.")
@click.option(
    "--upgrade-package", multiple=True, metavar="NAME", help="With --update: do not hold this one."
)
@goal_options
@output_options
@click.pass_context
def generate(ctx: click.Context, /, path: str, dry_run: bool, **_flags: Any) -> None:
    """Print the lock for the repository at PATH, or for one file of it.

    Read are requirements files, pyproject.toml, setup.py and setup.cfg where they are literal,
    environment.yml, Dockerfiles, and the imports of Python files and notebooks; nothing is run. Of
    imports only what the matrix knows is inferred, and each is told. What is pinned stays, what is
    not becomes so. Python, platform and CUDA are those of the flags, else the repository's own (a
    .python-version, requires-python, a base image), else this machine's.

    With --exclude-newer commit, only what had been published by the last commit of the files that
    were read is taken.

    Exit status: 0 a lock; 1 there is none; 2 the question was wrong; 3 the network failed.
    """
    settings = Settings.read(folder_of(path))
    values = OptionValues(ctx, settings)
    options = GenerateOptions.of(values, path, settings.targets)
    universe = open_universe(options.output)
    repository = read(options, universe)
    if dry_run:
        _show(repository, options, universe, as_json=values.is_set("json"))
        return
    _check_output(repository, options.output)
    prepared = prepare(repository, options, universe)
    if not options.output.quiet:
        prepared.looking.tell(target for _, target in prepared.solvable.questions)
        _tell(prepared, universe.matrix)
    lock = build(prepared, options, universe)
    if prepared.locked is not None and not options.output.quiet:
        _tell_changes(prepared.locked, lock)
    write_lock(lock, options.output)


def _check_output(repository: Repository, options: OutputOptions) -> None:
    """Raise Contradiction for a lock in the place of a file that it is made from: that would be
    lost."""
    if options.output is None or load_format(options.format).edits_file:
        return
    output = Path(options.output)
    if any(output.resolve() == path.resolve() for path in repository.inputs):
        raise Contradiction(
            f"`{output}` is what the lock is made from, and the lock would take its place",
            hints=["-o requirements.lock.txt", "-o pylock.toml"],
        )


# -- what is said -------------------------------------------------------------------------------


def _show(
    repository: Repository, options: GenerateOptions, universe: Universe, *, as_json: bool
) -> None:
    from cudalock.cli.console import emit
    from cudalock.generate.report import as_json as document
    from cudalock.generate.report import asking, reading

    if as_json:
        solvable = prepare(repository, options, universe).solvable
        value = document(repository, solvable, universe.matrix.version)
        emit(json.dumps(value, indent=2, sort_keys=True) + "\n")
    else:
        # What was read is shown also where it has no solution, which `prepare` raises.
        emit("".join(f"{line}\n" for line in reading(repository)))
        solvable = prepare(repository, options, universe).solvable
        emit("".join(f"{line}\n" for line in asking(repository, solvable)))


def _tell(prepared: Prepared, matrix: Matrix) -> None:
    from cudalock.cli.console import tell
    from cudalock.generate.report import summary

    for line in summary(prepared.repository, prepared.solvable.ask):
        tell(line)
    advice = _advice_on_age(prepared.repository, prepared.solvable.questions, matrix)
    if advice:
        tell(advice)


def _advice_on_age(
    repository: Repository, questions: Sequence[Query], matrix: Matrix
) -> str | None:
    """A sentence where the files are over a year older than the matrix and what they leave open is
    not held to their time."""
    from datetime import date

    from cudalock.generate.git import last_commit

    goal = questions[0][0]
    if goal.exclude_newer or all("==" in text for text in goal.requirements):
        return None
    day = last_commit(repository.root, repository.inputs)
    if day is None:
        return None
    age = date(*map(int, matrix.version.split(".")[:3])) - date.fromisoformat(day)
    if age.days <= A_YEAR:
        return None
    return (
        f"note: the files were last committed on {day}: `--exclude-newer commit` holds what they"
        " leave open to that day"
    )


def _tell_changes(held: Held, lock: Lock) -> None:
    from cudalock.cli.console import tell
    from cudalock.generate.update_lock import changes

    found = changes(held.pins, lock)
    for change in found or ["nothing"]:
        tell(f"changed: {change}")
