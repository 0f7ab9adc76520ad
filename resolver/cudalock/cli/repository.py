"""The lock of a repository, step by step: what `generate` does and `check --fresh` repeats.

read ── what the repository's files want
prepare ── the queries that have a solution, by files, flags, settings and the lock at hand
build ── their lock, with the command that makes it again
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from cudalock.cli.machine import LocalMachine, at_environments
from cudalock.cli.options import (
    GoalOptions,
    OptionValues,
    OutputOptions,
    read_recorded,
)
from cudalock.cli.settings import refuse_programs
from cudalock.errors import UsageError
from cudalock.goals.targets import targets_of
from cudalock.targets.accelerators import ACCELERATOR_FLAGS
from cudalock.targets.facets import FLAGS
from cudalock.text import shell_command, shell_word

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cudalock.cli.keep import Kept
    from cudalock.generate.read import Repository
    from cudalock.generate.solve import Answerable
    from cudalock.generate.update_lock import Held
    from cudalock.goals import ProjectRequirement, Query, Request
    from cudalock.lock import Lock
    from cudalock.matrix.universe import Universe
    from cudalock.targets import Target
    from cudalock.targets.accelerators import Wish

COMMIT: Final = "commit"
"""What `--exclude-newer` takes here besides a date: the day of the files' last commit."""

_OF_THE_LOCK: Final = (*FLAGS, *ACCELERATOR_FLAGS)
"""Flags that an update takes from the command of the lock, unless one of them is given."""


@dataclass(frozen=True, slots=True)
class GenerateOptions:
    """The options of `generate`."""

    path: str
    """the repository, or one file of it"""
    goal: GoalOptions
    output: OutputOptions
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    """projects"""
    stack_only: bool = False
    relax: bool = False
    update: bool = False
    upgrade: bool = False
    upgrade_packages: tuple[str, ...] = ()
    """projects"""
    phrases: tuple[str, ...] = ()
    """`targets` of the settings"""

    @classmethod
    def of(cls, parsed: OptionValues, path: str, phrases: Sequence[str]) -> GenerateOptions:
        """Read the options. Raises as GoalOptions and OutputOptions do, and for `--upgrade`."""
        options = cls(
            path,
            GoalOptions.of(parsed),
            OutputOptions.of(parsed),
            extras=parsed.texts("extra"),
            groups=parsed.texts("group"),
            excludes=parsed.texts("exclude"),
            stack_only=parsed.is_set("stack_only"),
            relax=parsed.is_set("relax"),
            update=parsed.is_set("update"),
            upgrade=parsed.is_set("upgrade"),
            upgrade_packages=parsed.texts("upgrade_package"),
            phrases=tuple(phrases),
        )
        if (options.upgrade or options.upgrade_packages) and not options.update:
            raise UsageError("`--upgrade` and `--upgrade-package` need `--update`")
        if options.update and not options.output.output:
            raise UsageError(
                "`--update` needs `-o` with the lock to update",
                hints=["--update -o requirements.lock.txt"],
            )
        return options

    @property
    def words(self) -> list[str]:
        """The words that name the repository and the parts to lock, unquoted."""
        words = [] if self.path == "." else [Path(self.path).as_posix()]
        for flag, names in {
            "--extra": self.extras,
            "--group": self.groups,
            "--exclude": self.excludes,
        }.items():
            words += [word for name in names for word in (flag, name)]
        words += ["--stack-only"] if self.stack_only else []
        words += ["--relax"] if self.relax else []
        return words


def folder_of(path: str) -> Path:
    """Return the folder whose pyproject.toml has the settings for a repository, or a file of it."""
    return Path(path) if Path(path).is_dir() else Path(path).parent


def read(options: GenerateOptions, universe: Universe) -> Repository:
    """Return what the repository's files require. Raises BadFile for one that cannot be read."""
    from cudalock.generate.read import Choice, read_repository

    choice = Choice(options.extras, options.groups, options.excludes, options.stack_only)
    return read_repository(Path(options.path), universe.matrix, choice)


class Prepared(NamedTuple):
    """The queries of a repository that have a solution, and what they were made of."""

    repository: Repository
    request: Request
    """what the flags state, with the machine of the lock that is updated"""
    targets: tuple[Request, ...]
    """those of the settings, as flags would state each; none where a flag states one"""
    solvable: Answerable
    locked: Held | None
    """the lock that is updated"""
    local: LocalMachine


def prepare(
    repository: Repository,
    options: GenerateOptions,
    universe: Universe,
    reduce: Callable[[Sequence[Query]], Sequence[Query]] = tuple,
) -> Prepared:
    """Find the queries that have a solution, of those that `reduce` returns.

    Raises NoSolution where none has one, and a UsageError of some kind for a wrong question.
    """
    from cudalock.generate.queries import StatedQuery
    from cudalock.generate.solve import Answerer, check_anything, check_names

    locked = _locked(options, universe)
    request = options.goal.request
    if locked is not None:
        request = machine_of_lock(request, locked.command)
    request = _until_commit(at_environments(request), repository)
    defaults = _until_commit(options.goal.defaults, repository)
    targets: tuple[Request, ...] = ()
    if not (request.python or request.platform or request.gpu or request.driver):
        targets = tuple(_as_request(target) for target in targets_of(options.phrases, universe))
    if targets:
        nothing: dict[str, Any] = dict.fromkeys(FLAGS, ())
        defaults = defaults._replace(**nothing)
    check_anything(repository, request)
    check_names(repository, universe)
    local = LocalMachine(universe.matrix, off=not options.goal.detect)
    stated = StatedQuery(request, defaults, local.here, targets)
    solvable = Answerer(repository, stated, universe, reduce).questions(relaxed=options.relax)
    return Prepared(repository, request, targets, solvable, locked, local)


def _locked(options: GenerateOptions, universe: Universe) -> Held | None:
    if not options.update or options.output.output is None:
        return None
    from cudalock.generate.update_lock import read_held

    return read_held(Path(options.output.output), universe.matrix)


def machine_of_lock(request: Request, command: str | None) -> Request:
    """Return the request with target and accelerators of the updated lock, by the command in its
    header, unless a flag states one."""
    if any(getattr(request, name) for name in _OF_THE_LOCK):
        return request
    try:
        recorded = read_recorded(command or "").context.params
    except (click.ClickException, ValueError):
        return request
    refuse_programs(recorded.get("python") or (), "the command of the lock")
    texts: dict[str, Any] = {name: tuple(recorded.get(name) or ()) for name in _OF_THE_LOCK}
    return request._replace(**texts)


def _until_commit(request: Request, repository: Repository) -> Request:
    """Return the request with a day in place of `--exclude-newer commit`."""
    if COMMIT not in request.exclude_newer:
        return request
    from cudalock.generate.git import commit_day

    day = commit_day(repository.root, repository.inputs)
    return request._replace(
        exclude_newer=tuple(day if text == COMMIT else text for text in request.exclude_newer)
    )


def _as_request(target: Target) -> Request:
    """Return a target as a request of its stated parts."""
    from cudalock.goals import Request

    flags = target.flags()
    texts = dict(zip(flags[::2], flags[1::2], strict=True))
    stated = target.stated
    return Request(
        python=(texts["--python"],) if "python" in stated else (),
        platform=(texts["--platform"],) if "platform" in stated else (),
        glibc=(target.glibc,) if "glibc" in stated and target.glibc else (),
        gpu=target.gpus if "gpu" in stated else (),
        driver=(target.driver,) if "driver" in stated and target.driver else (),
    )


def build(
    prepared: Prepared, options: GenerateOptions, universe: Universe, kept: Kept | None = None
) -> Lock:
    """Return the lock, with notes on what the repository's files require and the lock lacks.

    `kept` is the image that it is for, whose own packages stay.
    """
    from cudalock.generate.report import lock_notes
    from cudalock.solving import build_lock

    queries = with_pins(prepared.solvable.questions, prepared.locked, options, universe)
    command = command_of(queries, prepared, options)
    if kept is None:
        solvable = prepared.solvable
        known = solvable.resolutions if queries == solvable.questions else ()
        lock = build_lock(queries, universe, command, known)
    else:
        from cudalock.cli.keep import build_additions

        command += f" --image {shell_word(kept.path)}"
        lock = build_additions(queries, universe, kept, (), options.output, command)
    notes = lock_notes(prepared.repository, prepared.solvable, lock)
    return replace(lock, notes=(*lock.notes, *notes))


def with_pins(
    queries: tuple[Query, ...], locked: Held | None, options: GenerateOptions, universe: Universe
) -> tuple[Query, ...]:
    """Return the queries with as many pins of the updated lock as still have a solution."""
    if locked is None or options.upgrade:
        return queries
    from cudalock.generate.update_lock import hold
    from cudalock.versions import canonical

    find = universe.matrix.names.find
    free = frozenset(find(name) or canonical(name) for name in options.upgrade_packages)
    return hold(queries, locked.pins, free, universe)


def command_of(
    queries: Sequence[Query],
    prepared: Prepared,
    options: GenerateOptions,
    wishes: Sequence[Wish | None] | None = None,
) -> str:
    """Return the command that makes the lock again, with the target written out; `wishes` are the
    accelerators of several lines."""
    from dataclasses import replace

    from cudalock.goals import command_words

    # What the files require is read again by the command.
    flags = replace(
        queries[0][0], requirements=_flag_requirements(prepared.request), constraints=()
    )
    # Targets that pyproject.toml names are no product of platforms and Pythons.
    targets = () if prepared.targets else tuple(target for _, target in queries)
    stated = command_words(flags, *targets, wishes=wishes)
    words = [*options.words, *stated, *options.output.words]
    return shell_command(["cudalock", "generate", *words])


def _flag_requirements(request: Request) -> tuple[ProjectRequirement, ...]:
    from cudalock.goals import ProjectRequirement as Stated
    from cudalock.goals.switches import read_switches
    from cudalock.goals.values import parse_version_spec

    name = read_switches().framework
    specifiers = [parse_version_spec(name, text)[0] for text in request.framework]
    # `--torch 2.5` is a series, as the phrase reads it.
    stated = {Stated.of(name, specifier) for specifier in specifiers}
    return tuple(sorted(stated | set(map(Stated.of, request.switches)), key=str))
