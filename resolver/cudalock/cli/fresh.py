"""Whether a lock still answers the command in its own header."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

import click

from cudalock.cli.console import tell
from cudalock.cli.rerun import rerun
from cudalock.errors import CudalockError
from cudalock.findings import RULES, Finding
from cudalock.projects.locks.lock_pins import read_command
from cudalock.projects.read import read_file
from cudalock.urls import file_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cudalock.lock import Lock
    from cudalock.matrix.universe import Universe
    from cudalock.projects.model import Place, ProjectFile

CODE = "CL601"


class Pinned(NamedTuple):
    """What tells one pin from another: the file's name where it is pinned by address."""

    name: str
    what: str

    def __str__(self) -> str:
        return f"{self.name}=={self.what}" if self.what[0].isdigit() else self.what


def stale(name: str, universe: Universe) -> list[Finding]:
    """The pins that differ from what the lock's own command comes to today; none for a fresh lock.

    A file without such a command is no lock of cudalock's: that is told, and is no finding.
    """
    file = read_file(name)
    found = read_command(file)
    if found is None:
        tell(f"note: `{name}` is no lock with a command in it: there is nothing to compare")
        return []
    command, place = found
    if "--keep" in shlex.split(command):
        tell(f"note: `{name}` completes an environment, and what that has is not read here")
        return []
    try:
        lock = rerun(command, name, universe)
    except (CudalockError, click.ClickException) as error:
        says = f"the lock's command has no answer today: {str(error).splitlines()[0]}"
        return [_finding(says, place, command, name)]
    return list(_differences(file, lock, place, command))


def _differences(file: ProjectFile, lock: Lock, place: Place, command: str) -> Iterator[Finding]:
    by_address = lock.by_address
    there = {
        Pinned(entry.name, file_of(entry.url) if entry.url else entry.version or ""): entry.place
        for entry in file.declared
        if entry.url or entry.version
    }
    fresh: dict[Pinned, set[Pinned]] = {}
    for pin in lock.pins:
        plain = Pinned(pin.name, pin.version)
        named = Pinned(pin.name, pin.wheel.file)
        fresh[named if pin in by_address else plain] = {plain, named}
    accepted = set().union(*fresh.values()) if fresh else set()
    today = _by_name(fresh)
    for pinned, where in there.items():
        if pinned not in accepted:
            instead = " and ".join(map(str, today.get(pinned.name, ())))
            says = f"{pinned} is pinned, and the lock's command comes to {instead or 'none'}"
            yield _finding(says, where, command, file.name)
    names = {each.name for each in there}
    for missing in fresh:
        if missing.name not in names:
            yield _finding(f"{missing} is missing", place, command, file.name)


def _by_name(fresh: Mapping[Pinned, object]) -> dict[str, list[Pinned]]:
    found: dict[str, list[Pinned]] = {}
    for pin in fresh:
        found.setdefault(pin.name, []).append(pin)
    return found


def _finding(says: str, place: Place, command: str, name: str) -> Finding:
    return Finding(CODE, RULES[CODE].severity, says, fix=f"`{command} -o {name}`", place=place)
