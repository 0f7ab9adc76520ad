"""Compare a lock with what the command in its header produces today."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

import click

from cudalock.cli.console import tell
from cudalock.cli.rerun import rerun
from cudalock.errors import CudalockError
from cudalock.findings import RULES, Finding
from cudalock.matrix.universe import ClosedUniverse
from cudalock.projects.locks.lock_pins import read_command
from cudalock.projects.read import read_file
from cudalock.text import shell_word
from cudalock.urls import file_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cudalock.cli.universe import MirroredMatrices
    from cudalock.lock import Lock
    from cudalock.projects.model import Place, ProjectFile

CODE = "CL601"


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
        tell(f"note: `{name}` records no cudalock command: there is nothing to compare")
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
    return list(_differences(file, lock, place, command))


def _has_own_wheels(words: Sequence[str]) -> bool:
    """Tell whether a command names wheels that are elsewhere: check asks nobody for them."""
    named = {"--find-links", "--project-index"}
    return any(word in named or " @ " in word for word in words)


def _differences(file: ProjectFile, lock: Lock, place: Place, command: str) -> Iterator[Finding]:
    by_address = lock.by_address
    pinned_now = {
        Pinned(
            declared.name, file_of(declared.url) if declared.url else declared.version or ""
        ): declared.place
        for declared in file.declared
        if declared.url or declared.version
    }
    fresh: dict[Pinned, set[Pinned]] = {}
    for pin in lock.pins:
        # A lock names a wheel by version or, with `--urls` or `--wheels`, by its file: accept both.
        plain = Pinned(pin.name, pin.version)
        named = Pinned(pin.name, pin.wheel.file)
        fresh[named if pin in by_address else plain] = {plain, named}
    accepted = set().union(*fresh.values()) if fresh else set()
    today = _by_name(fresh)
    for pinned, span in pinned_now.items():
        if pinned not in accepted:
            instead = " and ".join(map(str, today.get(pinned.name, ())))
            says = f"{pinned} is pinned, and the lock's command resolves to {instead or 'none'}"
            yield _finding(says, span, command, file.name)
    names = {pinned.name for pinned in pinned_now}
    for missing in fresh:
        if missing.name not in names:
            yield _finding(f"{missing} is missing", place, command, file.name)


def _by_name(fresh: Mapping[Pinned, object]) -> dict[str, list[Pinned]]:
    pins_by_name: dict[str, list[Pinned]] = {}
    for pin in fresh:
        pins_by_name.setdefault(pin.name, []).append(pin)
    return pins_by_name


def _finding(says: str, place: Place, command: str, name: str) -> Finding:
    return Finding(
        CODE, RULES[CODE].severity, says, fix=f"`{command} -o {shell_word(name)}`", place=place
    )
