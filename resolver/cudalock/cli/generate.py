"""`cudalock generate`: a repository in, the lock of what it wants out."""

from __future__ import annotations

import dataclasses
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cudalock.cli import CONTEXT
from cudalock.cli.answer import choose_format, finish, flags_of, make_lock, output_options
from cudalock.cli.options import goal_options, read_defaults, request_of
from cudalock.cli.question import Looking, at_environments, load_matrix
from cudalock.errors import Contradiction, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cudalock.formats import Format
    from cudalock.goals import Question, Request
    from cudalock.lock import Lock
    from cudalock.matrix import Matrix
    from cudalock.repositories.answering import Answerable
    from cudalock.repositories.reading import Repository
    from cudalock.repositories.refreshing import Held

COMMIT = "commit"
"""What `--exclude-newer` takes here besides a date."""
A_YEAR = 365

_MACHINE = ("python", "platform", "glibc", "gpu", "driver", "cuda")
"""Flags of the command that made a lock, which an update keeps."""


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
def generate(ctx: click.Context, /, path: str, **given: Any) -> None:
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
    defaults = read_defaults(ctx.command, _folder(path))
    options = {name: value or defaults.get(name) or value for name, value in given.items()}
    chosen = None if options["dry_run"] else choose_format(given, defaults, options["output"])
    matrix = load_matrix(options["matrix"])
    repository = _read(path, options, matrix)
    held = _held(options, matrix)
    request, rest = _requests(given, defaults, held, repository)
    found = _answer(repository, request, rest, matrix, options)
    if chosen is None:
        _show(repository, found, matrix, options)
        return
    _check_output(repository, options["output"], chosen)
    if not options["quiet"]:
        _tell(repository, found, options, matrix)
    lock = _lock(path, repository, found, request, held, matrix, options)
    finish(lock, chosen, options)


def _folder(path: str) -> Path:
    return Path(path) if Path(path).is_dir() else Path(path).parent


# -- what is asked ------------------------------------------------------------------------------


def _read(path: str, options: dict[str, Any], matrix: Matrix) -> Repository:
    from cudalock.repositories.reading import Choice, read_repository

    choice = Choice(
        options["extra"], options["group"], options["exclude"], bool(options["stack_only"])
    )
    return read_repository(Path(path), matrix, choice)


def _held(options: dict[str, Any], matrix: Matrix) -> Held | None:
    if not options["update"]:
        if options["upgrade_package"] or options["upgrade"]:
            raise UsageError("`--upgrade` and `--upgrade-package` go with `--update`")
        return None
    if not options["output"] or options["output"] == "-":
        raise UsageError(
            "`--update` needs the lock to update", hints=["--update -o requirements.lock.txt"]
        )
    from cudalock.repositories.refreshing import read_held

    return read_held(Path(options["output"]), matrix)


def _requests(
    given: dict[str, Any], defaults: dict[str, Any], held: Held | None, repository: Repository
) -> tuple[Request, Request]:
    """What the flags state, and what stands in for the rest."""
    if held is not None:
        given = {**given, **_of_held(held, given)}
    request = _with_commit(at_environments(request_of(given)), repository)
    return request, _with_commit(request_of(defaults), repository)


def _with_commit(request: Request, repository: Repository) -> Request:
    if COMMIT not in request.exclude_newer:
        return request
    from cudalock.repositories.history import commit_day

    day = commit_day(repository.root, repository.inputs)
    return request._replace(
        exclude_newer=tuple(day if text == COMMIT else text for text in request.exclude_newer)
    )


def _of_held(held: Held, given: dict[str, Any]) -> dict[str, Any]:
    """The machine that a lock was made for, where the flags say nothing of it."""
    words = shlex.split(held.command or "")[2:]
    try:
        with generate.make_context("generate", words, resilient_parsing=True) as before:
            said = before.params
    except (click.ClickException, ValueError):
        return {}
    if any(given[name] for name in _MACHINE):
        return {}
    return {name: said[name] for name in _MACHINE if said.get(name)}


def _answer(
    repository: Repository,
    request: Request,
    defaults: Request,
    matrix: Matrix,
    options: dict[str, Any],
) -> Answerable:
    from cudalock.repositories.answering import Answerer, check_anything, check_names

    check_anything(repository, request)
    check_names(repository, matrix)
    looking = Looking(matrix, off=bool(options["no_detect"]))
    answerer = Answerer(repository, request, defaults, matrix, looking.here)
    found = answerer.questions(relaxed=bool(options["relax"]))
    if not options["quiet"]:
        looking.tell(target for _, target in found.questions)
    return found


def _check_output(repository: Repository, output: str | None, chosen: Format) -> None:
    """A lock in the place of what it was made from would be the end of that."""
    if not output or output == "-" or chosen.edit is not None:
        return
    if any(Path(output).resolve() == each.resolve() for each in repository.inputs):
        raise Contradiction(
            f"`{output}` is what the lock is made from, and the lock would take its place",
            hints=["-o requirements.lock.txt", "-o pylock.toml"],
        )


# -- what is said -------------------------------------------------------------------------------


def _show(
    repository: Repository, found: Answerable, matrix: Matrix, options: dict[str, Any]
) -> None:
    from cudalock.render import emit
    from cudalock.repositories.telling import as_json, report

    if options["json"]:
        value = as_json(repository, found, matrix.version)
        emit(json.dumps(value, indent=2, sort_keys=True) + "\n")
    else:
        emit("".join(f"{line}\n" for line in report(repository, found)))


def _tell(
    repository: Repository, found: Answerable, options: dict[str, Any], matrix: Matrix
) -> None:
    from cudalock.render import tell
    from cudalock.repositories.telling import summary

    for line in summary(repository, found.ask):
        tell(line)
    advice = _advice_on_age(repository, found.questions, matrix)
    if advice:
        tell(advice)


def _advice_on_age(
    repository: Repository, questions: Sequence[Question], matrix: Matrix
) -> str | None:
    """A sentence where the files are over a year older than the matrix and what they leave open is
    not held to their time."""
    from datetime import date

    from cudalock.repositories.history import last_commit

    goal = questions[0][0]
    if goal.exclude_newer or all("==" in text for text in goal.requirements):
        return None
    day = last_commit(repository.root, repository.inputs)
    if day is None:
        return None
    age = date.fromisoformat(matrix.version.replace(".", "-")) - date.fromisoformat(day)
    if age.days <= A_YEAR:
        return None
    return (
        f"note: the files were last committed on {day}: `--exclude-newer commit` holds what they"
        " leave open to that day"
    )


# -- the lock -----------------------------------------------------------------------------------


def _lock(
    path: str,
    repository: Repository,
    found: Answerable,
    request: Request,
    held: Held | None,
    matrix: Matrix,
    options: dict[str, Any],
) -> Lock:
    from cudalock.repositories.telling import lock_notes

    questions = _with_held(found.questions, held, matrix, options)
    command = _command(path, questions, request, options)
    lock = make_lock(questions, matrix, command)
    lock = dataclasses.replace(lock, notes=(*lock.notes, *lock_notes(repository, found)))
    if held is not None and not options["quiet"]:
        _tell_changes(held, lock)
    return lock


def _with_held(
    questions: tuple[Question, ...], held: Held | None, matrix: Matrix, options: dict[str, Any]
) -> tuple[Question, ...]:
    if held is None or options["upgrade"]:
        return questions
    from cudalock.names import canonical
    from cudalock.repositories.refreshing import hold

    free = frozenset(
        matrix.names.find(name) or canonical(name) for name in options["upgrade_package"]
    )
    return hold(questions, held.pins, free, matrix)


def _tell_changes(held: Held, lock: Lock) -> None:
    from cudalock.render import tell
    from cudalock.repositories.refreshing import changes

    found = changes(held.pins, lock)
    for change in found or ["nothing"]:
        tell(f"changed: {change}")


def _command(
    path: str, questions: Sequence[Question], request: Request, options: dict[str, Any]
) -> str:
    """The command that makes the lock again from the same repository, the machine written out."""
    from cudalock.goals import Goal, command_line

    goal = questions[0][0]
    flags = Goal(
        requirements=_flag_requirements(request),
        cuda=goal.cuda,
        cudnn=goal.cudnn,
        toolkit=goal.toolkit,
        builders=goal.builders,
        exclude_newer=goal.exclude_newer,
        strict=goal.strict,
    )
    words = ["cudalock", "generate"]
    if path != ".":
        words.append(f'"{Path(path).as_posix()}"' if " " in path else Path(path).as_posix())
    for name in ("extra", "group", "exclude"):
        words += [word for value in options[name] for word in (f"--{name}", value)]
    words += [f"--{name.replace('_', '-')}" for name in ("stack_only", "relax") if options[name]]
    rest = command_line(flags, *(target for _, target in questions))
    return " ".join([*words, rest.removeprefix("cudalock solve ")]) + flags_of(options)


def _flag_requirements(request: Request) -> tuple[str, ...]:
    from cudalock.goals.goal import FRAMEWORK_FLAG
    from cudalock.goals.versions import parse_version_spec

    found = [FRAMEWORK_FLAG + parse_version_spec(FRAMEWORK_FLAG, text)[0] for text in request.torch]
    return tuple(sorted({*found, *request.switches}))


__all__ = ["generate"]
