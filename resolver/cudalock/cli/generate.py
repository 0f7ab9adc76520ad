"""`cudalock generate`: lock what a repository requires."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cudalock.cli import CONTEXT
from cudalock.cli.advisories import with_advisories
from cudalock.cli.completing import completed
from cudalock.cli.help import SectionedCommand
from cudalock.cli.line_options import check_one_line
from cudalock.cli.options import (
    OptionValues,
    OutputOptions,
    goal_options,
    image_option,
    output_options,
)
from cudalock.cli.output import check_destination, write_lock
from cudalock.cli.repository import GenerateOptions, Prepared, build, folder_of, prepare, read
from cudalock.cli.repository_lines import build_lines, repository_lines
from cudalock.cli.settings import ProjectSettings
from cudalock.cli.universe import open_universe
from cudalock.errors import Contradiction
from cudalock.files import resolved
from cudalock.formats import load_format
from cudalock.targets.tags import parse_wheel_name
from cudalock.text import json_text
from cudalock.urls import file_of
from cudalock.versions import canonical

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cudalock.cli.keep import Kept
    from cudalock.generate.read import Repository
    from cudalock.generate.update_lock import Held
    from cudalock.goals import Query
    from cudalock.lock import Lock
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.universe import Universe

A_YEAR = 365


@click.command(
    cls=SectionedCommand,
    short_help="Lock a repository.",
    context_settings=CONTEXT,
    examples=(
        ("cudalock generate -o requirements.lock.txt", "the lock of the repository in this folder"),
        (
            'cudalock generate --relax --gpu "RTX 5090" --python 3.12 old-repository',
            "an old repository, for a new GPU",
        ),
        (
            "cudalock generate --update --upgrade-package torchvision -o requirements.lock.txt",
            "renew one pin of a lock",
        ),
    ),
)
@click.argument("path", default=".", metavar="[PATH]", shell_complete=completed("file"))
@click.option("--extra", multiple=True, metavar="NAME", help="Include this extra. Repeatable.")
@click.option("--group", multiple=True, metavar="NAME", help="Include this group: dev, test, docs.")
@click.option(
    "--exclude",
    multiple=True,
    metavar="NAME",
    help="Leave out this project.",
    shell_complete=completed("project"),
)
@click.option("--stack-only", is_flag=True, help="Leave out packages that are not in the matrix.")
@click.option(
    "--relax", is_flag=True, help="Relax as few of its limits as possible, and list them."
)
@click.option("--dry-run", is_flag=True, help="Show what was read and where, and write no lock.")
@click.option(
    "--update", is_flag=True, help="Update the lock at -o, and keep its pins where possible."
)
@click.option(
    "--upgrade", is_flag=True, help="With --update: upgrade everything and list the changes."
)
@click.option(
    "--upgrade-package", multiple=True, metavar="NAME", help="With --update: upgrade this project."
)
@goal_options
@image_option
@output_options
@click.pass_context
def generate(ctx: click.Context, /, path: str, dry_run: bool, **_flags: Any) -> None:
    """Print the lock for the repository at PATH, or for one file of it.

    Requirements files, pyproject.toml, setup.py and setup.cfg (only literal values),
    environment.yml, pixi.toml, Dockerfiles, and the imports of Python files and notebooks are read;
    no code is run. Imports are used only to detect packages the matrix knows, and each is reported.
    Existing pins are kept, and the rest is pinned. Python, platform and CUDA come from the options,
    then from the repository (.python-version, requires-python, a base image), then from this
    machine.

    --image names the base image that it is installed on, whose torch stays: only what to add is
    printed, and a pin of another torch is left out.

    --exclude-newer commit ignores what was published after the last commit of the files that were
    read.

    Exit status: 0 a lock; 1 no solution; 2 invalid input; 3 network error.
    """
    settings = ProjectSettings.find(folder_of(path))
    parsed = OptionValues(ctx, settings)
    options = GenerateOptions.of(parsed, path, settings.targets)
    kept = None
    if image := parsed.text("image"):
        from cudalock.cli.image import read_base
        from cudalock.cli.keep import check_format

        goal_options, kept = read_base(image, options.goal, options.output)
        options = replace(options, goal=goal_options)
        if kept is not None:
            check_format(options.output.format)
    added = kept.overlay if kept is not None else None
    universe = open_universe(options.output, added=added)
    repository = read(options, universe)
    if wheels := _own_wheels(repository):
        # A repository may be years old: what cannot be read may be gone.
        universe = open_universe(options.output, wheels, are_certain=False, added=added)
        repository = read(options, universe)
    if kept is not None:
        repository = _beside(repository, kept, universe.matrix)
    if dry_run:
        _show(repository, options, universe, as_json=parsed.is_set("json"))
        return
    if kept is not None and _is_all_there(repository, options, universe.matrix):
        from cudalock.cli.console import tell

        tell(f"nothing to install: `{kept.path}` has everything that the files require")
        return
    _check_output(repository, options.output)
    if not options.update:
        check_destination(options.output)
    lines = repository_lines(options, universe.matrix)
    if len(lines) > 1:
        from cudalock.cli.lines import write_lines

        if kept is not None:
            raise Contradiction("`--image` is for one image, and takes one accelerator")
        lined = build_lines(lines, options, universe, _tell, _tell_changes)
        write_lines(lined, lines[0].options.output)
        return
    check_one_line(parsed.flags.get("lines_as"))
    prepared = prepare(repository, options, universe)
    if not options.output.quiet:
        prepared.local.report(target for _, target in prepared.solvable.questions)
        _tell(prepared, universe.matrix)
    lock = build(prepared, options, universe, kept)
    if prepared.locked is not None and not options.output.quiet:
        _tell_changes(prepared.locked, lock)
    queries = prepared.solvable.questions
    write_lock(with_advisories(lock, queries, universe, options.output), options.output)


def _beside(repository: Repository, kept: Kept, matrix: Matrix) -> Repository:
    """Return the repository without what an image settles."""
    from cudalock.generate.read import beside

    versions = {each.name: each.version for each in kept.inventory.distributions}
    return beside(repository, versions, matrix.framework or "", kept.layout.place)


def _is_all_there(repository: Repository, options: GenerateOptions, matrix: Matrix) -> bool:
    """Return whether an image has all that a repository requires, and no flag asks for more."""
    request = options.goal.request
    wanted = {canonical(each.name) for each in repository.requirements}
    is_some = bool(wanted) or any(each.of_choice for each in repository.left_out)
    asked = (request.projects, request.framework, request.switches, request.toolkit)
    return is_some and wanted <= {matrix.framework} and not any(asked)


def _own_wheels(repository: Repository) -> list[tuple[str, str]]:
    """Return the wheels by URL that the matrix does not have, each with its project.

    Where two of a project have the same tags, nothing says which is meant, and none is taken.
    """
    urls: dict[tuple[str, str], set[str]] = {}
    for project, url in repository.unknown_wheels:
        name = parse_wheel_name(file_of(url))
        urls.setdefault((project, name.tags if name else ""), set()).add(url)
    unclear = {project for (project, _), of_tags in urls.items() if len(of_tags) > 1}
    return [(project, url) for project, url in repository.unknown_wheels if project not in unclear]


def _check_output(repository: Repository, options: OutputOptions) -> None:
    """Raise Contradiction if the lock would overwrite a file that it is made from."""
    if options.output is None or load_format(options.format).edits_file:
        return
    output = Path(options.output)
    if any(resolved(output) == resolved(path) for path in repository.inputs):
        raise Contradiction(
            f"the lock is made from `{output}` and would replace it",
            hints=["-o requirements.lock.txt", "-o pylock.toml"],
        )


# -- reports -----------------------------------------------------------------------------------


def _show(
    repository: Repository, options: GenerateOptions, universe: Universe, *, as_json: bool
) -> None:
    from cudalock.cli.console import emit
    from cudalock.generate.report import as_json as document
    from cudalock.generate.report import asking, reading

    if as_json:
        solvable = prepare(repository, options, universe).solvable
        shown = document(repository, solvable, universe.matrix.version)
        emit(json_text(shown))
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
    """Return a note if the files are over a year older than the matrix and do not pin everything.

    Code of that age seldom works with the newest releases.
    """
    from datetime import date

    from cudalock.generate.git import last_commit

    goal = questions[0][0]
    if goal.exclude_newer or all(stated.is_pin for stated in goal.requirements):
        return None
    day = last_commit(repository.root, repository.inputs)
    if day is None:
        return None
    age = date(*map(int, matrix.version.split(".")[:3])) - date.fromisoformat(day)
    if age.days <= A_YEAR:
        return None
    return (
        f"note: the files were last committed on {day}: `--exclude-newer commit` ignores what was"
        " published since"
    )


def _tell_changes(locked: Held, lock: Lock, line: str | None = None) -> None:
    """Report what an update changed, of a line of the project where there are several."""
    from cudalock.cli.console import tell
    from cudalock.generate.update_lock import changes

    changed = changes(locked, lock)
    where = f" in {line}" if line else ""
    for change in changed or ["nothing"]:
        tell(f"changed{where}: {change}")
