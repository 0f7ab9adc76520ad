"""Compare a lock with what the command in its header produces today."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

import click

from cudalock.cli.console import tell
from cudalock.cli.rerun import rerun
from cudalock.errors import CudalockError
from cudalock.findings import RULES, Finding
from cudalock.lock import Lock
from cudalock.matrix.universe import ClosedUniverse
from cudalock.projects.locks.lock_pins import read_command
from cudalock.projects.read import read_file
from cudalock.text import listed, shell_word
from cudalock.urls import file_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cudalock.cli.universe import MirroredMatrices
    from cudalock.projects.model import Place, ProjectFile

CODE = "CL601"
UV_PROJECT = "pyproject.toml"
_NAMED = 4
"""How many of the packages that one brings are named."""
_PARTS = {"pyproject", "pylock"}
"""Kinds of files that have several lines in one."""


class Pinned(NamedTuple):
    """What distinguishes pins: name and version, or the file name if it is pinned by URL."""

    name: str
    version: str
    """or the name of the wheel's file"""

    def __str__(self) -> str:
        return f"{self.name}=={self.version}" if self.version[0].isdigit() else self.version


def stale(name: str, mirrored: MirroredMatrices) -> list[Finding]:
    """Return a finding for each pin that differs from what the lock's command produces today.

    A file without a recorded command is reported on standard error, and is not a finding.
    """
    file = read_file(name)
    recorded = read_command(file)
    if recorded is None:
        tell(f"note: `{name}` {_why_not_compared(file)}")
        return []
    command, place = recorded
    try:
        words = shlex.split(command)
    except ValueError as error:  # a quote that nobody closes
        return [_finding(f"the lock's command cannot be read: {error}", place, command, name)]
    flag = next((word for word in words if word in ("--keep", "--image")), None)
    if flag is not None:
        tell(f"note: `{name}` was made for what is there, with `{flag}`, and is not compared")
        return []
    named = _has_own_wheels(shlex.split(command))
    try:
        lock = None if named else rerun(command, name, ClosedUniverse(mirrored.at_mirrors_of(file)))
    except (CudalockError, click.ClickException, ValueError) as error:
        says = f"the lock's command fails today: {str(error).splitlines()[0]}"
        return [_finding(says, place, command, name)]
    if lock is None:
        tell(f"note: `{name}` was made with own wheels, and is not compared")
        return []
    if isinstance(lock, Lock):
        return list(_differences(file, (lock,), place, command))
    if any(declared.group for declared in file.declared) or _PARTS & {file.kind}:
        return list(_differences(file, lock.locks, place, command))
    # The file of one line: the one that it is nearest to.
    of_lines = [list(_differences(file, (own,), place, command)) for own in lock.locks]
    return min(of_lines, key=len)


def _why_not_compared(file: ProjectFile) -> str:
    if file.kind == "uv-lock":
        return f"is uv's: `uv lock --check` compares it with {UV_PROJECT}"
    return "records no cudalock command: there is nothing to compare"


def _has_own_wheels(words: Sequence[str]) -> bool:
    """Tell whether a command names wheels that are elsewhere: check asks nobody for them."""
    named = {"--find-links", "--project-index"}
    return any(word in named or " @ " in word for word in words)


def _differences(
    file: ProjectFile, locks: Sequence[Lock], place: Place, command: str
) -> Iterator[Finding]:
    """Yield a finding for each pin of a file that none of these locks has, and for what it lacks.

    A project file leaves out what metadata pins, and has the public version in constraints.
    """
    is_project = file.kind == "pyproject"
    pinned_now = {
        Pinned(
            declared.name, file_of(declared.url) if declared.url else declared.version or ""
        ): declared.place
        # A Dockerfile installs its lock from a file beside it.
        for read in file.files()
        for declared in read.declared
        if declared.url or declared.version
    }
    fresh: dict[Pinned, set[Pinned]] = {}
    for lock in locks:
        by_address = lock.by_address
        for pin in lock.pins:
            # A lock names a wheel by version or, with `--urls` or `--wheels`, by its file.
            plain, named = Pinned(pin.name, pin.version), Pinned(pin.name, pin.wheel.file)
            both = fresh.setdefault(named if pin in by_address else plain, {plain, named})
            if is_project:
                both.add(Pinned(pin.name, pin.version.partition("+")[0]))
    accepted = set().union(*fresh.values()) if fresh else set()
    today = _by_name(fresh)
    for pinned, span in pinned_now.items():
        if pinned in accepted or (is_project and pinned.name not in today):
            # What a project has beside the lock is its own.
            continue
        instead = " and ".join(map(str, today.get(pinned.name, ())))
        says = f"{pinned} is pinned, and the lock's command resolves to {instead or 'none'}"
        yield _finding(says, span, command, file.name)
    names = {pinned.name for pinned in pinned_now}
    if is_project:
        yield from _added(file, locks, names, place, command)
        return
    for missing in fresh:
        if missing.name not in names:
            yield _finding(f"{missing} is missing", place, command, file.name)


def _added(
    file: ProjectFile, locks: Sequence[Lock], names: set[str], place: Place, command: str
) -> Iterator[Finding]:
    """Yield a finding for each requirement that a project has got since it was locked, with what it
    brings, and one for what else the lock has today."""
    missing = {
        pin.name: pin
        for lock in locks
        for pin in lock.pins
        if pin.name not in names and not pin.held
    }
    requirements = {
        declared.name: declared for declared in file.declared if declared.role == "requirement"
    }
    explained: set[str] = set()
    for name in sorted(missing):
        if name not in requirements or not missing[name].is_requested:
            continue
        brought = sorted(_brought(name, locks) & missing.keys() - requirements.keys())
        explained.update((name, *brought))
        with_it = f", nor is what it needs: {_some(brought)}" if brought else ""
        says = f"{name} was added since the lock was made, and is not pinned{with_it}"
        yield _finding(says, requirements[name].place, command, file.name)
    others = [pin for name, pin in sorted(missing.items()) if name not in explained]
    for pin in others:
        yield _finding(f"{pin.name}=={pin.version} is missing", place, command, file.name)


def _brought(name: str, locks: Sequence[Lock]) -> set[str]:
    """Return the names of what a pin requires, directly or not."""
    requires = {pin.name: pin.requires for lock in locks for pin in lock.pins}
    reached: set[str] = set()
    waiting = [name]
    while waiting:
        for other in requires.get(waiting.pop(), ()):
            if other not in reached:
                reached.add(other)
                waiting.append(other)
    return reached


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return listed([*names[:_NAMED], *([f"{more} more"] if more > 0 else [])])


def _by_name(fresh: Mapping[Pinned, object]) -> dict[str, list[Pinned]]:
    pins_by_name: dict[str, list[Pinned]] = {}
    for pin in fresh:
        pins_by_name.setdefault(pin.name, []).append(pin)
    return pins_by_name


def _finding(says: str, place: Place, command: str, name: str) -> Finding:
    return Finding(
        CODE, RULES[CODE].severity, says, fix=f"`{command} -o {shell_word(name)}`", place=place
    )
