"""`cudalock generate`: a repository in, the lock of what it wants out."""

from __future__ import annotations

import dataclasses
import json
import shlex
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cudalock.cli import CONTEXT
from cudalock.cli.machine import Looking, at_environments
from cudalock.cli.options import (
    goal_options,
    read_defaults,
    read_target_words,
    refuse_programs,
    request_of,
)
from cudalock.cli.output import choose_format, finish, flags_of, make_lock, output_options
from cudalock.cli.universe import open_universe
from cudalock.errors import Contradiction, UsageError
from cudalock.targets.accelerators import ACCELERATORS, LIBRARIES
from cudalock.targets.facets import FACETS
from cudalock.text import shell_word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cudalock.formats import Format
    from cudalock.generate.read import Repository
    from cudalock.generate.solve import Answerable
    from cudalock.generate.update_lock import Held
    from cudalock.goals import Query, Request
    from cudalock.lock import Lock
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.universe import Universe
    from cudalock.targets import Target

COMMIT = "commit"
"""What `--exclude-newer` takes here besides a date."""
A_YEAR = 365

_MACHINE = (*FACETS, *ACCELERATORS)
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
    job = Job(path, given, read_defaults(ctx.command, _folder(path)))
    if job.options["dry_run"]:
        _show(job)
        return
    chosen = choose_format(given, job.defaults, job.options["output"])
    job.check_output(chosen)
    found = job.found
    if not job.options["quiet"]:
        job.looking.tell(target for _, target in found.questions)
        _tell(job)
    lock = job.lock()
    if job.held is not None and not job.options["quiet"]:
        _tell_changes(job.held, lock)
    finish(lock, chosen, job.options)


def updated(command: str, name: str, universe: Universe) -> Lock:
    """The lock that `--update` would make of the file `name`, by the command in its header.

    Raises the errors of the command line. Nothing is told or written.
    """
    words = [*shlex.split(command)[2:], "--update", "-o", name]
    with generate.make_context("generate", words) as context:
        given = dict(context.params)
    path = given.pop("path")
    refuse_programs(given["python"], f"the command of `{name}`")
    given.update(quiet=True, no_detect=True)
    return Job(path, given, {}, universe).lock()


def _folder(path: str) -> Path:
    return Path(path) if Path(path).is_dir() else Path(path).parent


class Job:
    """One call: what is read, asked and answered, each when it is first wanted."""

    def __init__(
        self,
        path: str,
        given: dict[str, Any],
        defaults: dict[str, Any],
        universe: Universe | None = None,
    ) -> None:
        self.path = path
        self.given = given
        self.defaults = defaults
        self.options = {name: value or defaults.get(name) or value for name, value in given.items()}
        self.universe = universe or open_universe(self.options)
        self.matrix = self.universe.matrix
        self.looking = Looking(self.matrix, off=bool(self.options["no_detect"]))

    # -- what is asked ----------------------------------------------------------------------

    @cached_property
    def repository(self) -> Repository:
        """What PATH wants."""
        from cudalock.generate.read import Choice, read_repository

        said = self.options
        choice = Choice(said["extra"], said["group"], said["exclude"], bool(said["stack_only"]))
        return read_repository(Path(self.path), self.matrix, choice)

    @cached_property
    def held(self) -> Held | None:
        """The lock that is updated, if one is."""
        if not self.options["update"]:
            if self.options["upgrade_package"] or self.options["upgrade"]:
                raise UsageError("`--upgrade` and `--upgrade-package` go with `--update`")
            return None
        if not self.options["output"] or self.options["output"] == "-":
            raise UsageError(
                "`--update` needs the lock to update", hints=["--update -o requirements.lock.txt"]
            )
        from cudalock.generate.update_lock import read_held

        return read_held(Path(self.options["output"]), self.matrix)

    @cached_property
    def request(self) -> Request:
        """What the flags state, and of the machine what the lock at hand was made for."""
        given = self.given
        if self.held is not None:
            given = {**given, **_of_held(self.held, given)}
        return self._with_commit(at_environments(request_of(given)))

    @cached_property
    def rest(self) -> Request:
        """What stands in for what the flags leave open."""
        return self._with_commit(request_of(self.defaults))

    def _with_commit(self, request: Request) -> Request:
        if COMMIT not in request.exclude_newer:
            return request
        from cudalock.generate.git import commit_day

        day = commit_day(self.repository.root, self.repository.inputs)
        return request._replace(
            exclude_newer=tuple(day if text == COMMIT else text for text in request.exclude_newer)
        )

    @cached_property
    def machines(self) -> tuple[Request, ...]:
        """The machines of [tool.cudalock] targets, where no flag states any."""
        said = (self.request, self.rest)
        if any(each.python or each.platform or each.gpu or each.driver for each in said):
            return ()
        from cudalock.cli.check import targets_of

        words = read_target_words(_folder(self.path))
        return tuple(_as_request(target) for target in targets_of(words, self.universe))

    # -- what is answered ---------------------------------------------------------------------

    @cached_property
    def found(self) -> Answerable:
        """The questions that have an answer."""
        from cudalock.generate.queries import Said
        from cudalock.generate.solve import Answerer, check_anything, check_names

        check_anything(self.repository, self.request)
        check_names(self.repository, self.universe)
        answerer = Answerer(
            self.repository,
            Said(self.request, self.rest, self.looking.here, self.machines),
            self.universe,
        )
        return answerer.questions(relaxed=bool(self.options["relax"]))

    def lock(self) -> Lock:
        """The lock."""
        from cudalock.generate.report import lock_notes

        questions = self._held_questions()
        lock = make_lock(questions, self.universe, self._command(questions))
        notes = lock_notes(self.repository, self.found, lock)
        return dataclasses.replace(lock, notes=(*lock.notes, *notes))

    def _held_questions(self) -> tuple[Query, ...]:
        if self.held is None or self.options["upgrade"]:
            return self.found.questions
        from cudalock.generate.update_lock import hold
        from cudalock.versions import canonical

        find = self.matrix.names.find
        free = frozenset(find(name) or canonical(name) for name in self.options["upgrade_package"])
        return hold(self.found.questions, self.held.pins, free, self.universe)

    def _command(self, questions: Sequence[Query]) -> str:
        """The command that makes the lock again from the same repository, the machine written
        out."""
        from cudalock.goals import Goal, command_line

        goal = questions[0][0]
        flags = Goal(
            requirements=_flag_requirements(self.request),
            **{name: getattr(goal, name) for name in (*ACCELERATORS, *LIBRARIES)},
            toolkit=goal.toolkit,
            builders=goal.builders,
            exclude_newer=goal.exclude_newer,
            strict=goal.strict,
        )
        words = ["cudalock", "generate"]
        if self.path != ".":
            words.append(shell_word(Path(self.path).as_posix()))
        for name in ("extra", "group", "exclude"):
            words += [word for value in self.options[name] for word in (f"--{name}", value)]
        for name in ("stack_only", "relax"):
            words += [f"--{name.replace('_', '-')}"] if self.options[name] else []
        # Targets that pyproject.toml names are no product of platforms and Pythons.
        targets = () if self.machines else tuple(target for _, target in questions)
        rest = command_line(flags, *targets).removeprefix("cudalock solve").strip()
        return " ".join(filter(None, [*words, rest])) + flags_of(self.options)

    def check_output(self, chosen: Format) -> None:
        """A lock in the place of what it was made from would be the end of that."""
        output = self.options["output"]
        if not output or output == "-" or chosen.edit is not None:
            return
        if any(Path(output).resolve() == each.resolve() for each in self.repository.inputs):
            raise Contradiction(
                f"`{output}` is what the lock is made from, and the lock would take its place",
                hints=["-o requirements.lock.txt", "-o pylock.toml"],
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
    refuse_programs(said.get("python") or (), "the command of the lock")
    return {name: said[name] for name in _MACHINE if said.get(name)}


def _as_request(target: Target) -> Request:
    """What is stated of a target, as flags would."""
    from cudalock.goals import Request

    flags = target.flags()
    said = dict(zip(flags[::2], flags[1::2], strict=True))
    stated = target.stated
    return Request(
        python=(said["--python"],) if "python" in stated else (),
        platform=(said["--platform"],) if "platform" in stated else (),
        glibc=(target.glibc,) if "glibc" in stated and target.glibc else (),
        gpu=target.gpus if "gpu" in stated else (),
        driver=(target.driver,) if "driver" in stated and target.driver else (),
    )


def _flag_requirements(request: Request) -> tuple[str, ...]:
    from cudalock.goals.switches import read_switches
    from cudalock.goals.values import parse_version_spec

    name = read_switches().framework
    found = [name + parse_version_spec(name, text)[0] for text in request.framework]
    return tuple(sorted({*found, *request.switches}))


# -- what is said -------------------------------------------------------------------------------


def _show(job: Job) -> None:
    from cudalock.cli.console import emit
    from cudalock.generate.report import as_json, asking, reading

    if job.options["json"]:
        value = as_json(job.repository, job.found, job.matrix.version)
        emit(json.dumps(value, indent=2, sort_keys=True) + "\n")
    else:
        # What was read is told as well where it has no answer, and `found` says so.
        emit("".join(f"{line}\n" for line in reading(job.repository)))
        emit("".join(f"{line}\n" for line in asking(job.repository, job.found)))


def _tell(job: Job) -> None:
    from cudalock.cli.console import tell
    from cudalock.generate.report import summary

    for line in summary(job.repository, job.found.ask):
        tell(line)
    advice = _advice_on_age(job.repository, job.found.questions, job.matrix)
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


__all__ = ["generate", "updated"]
