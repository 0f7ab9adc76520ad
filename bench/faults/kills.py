"""Commands killed: at a random moment, or before a change of a file. Nothing may be lost."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from bench.faults.commands import Command, Snapshot, snapshot
from bench.faults.process import Ended, Kill, count_changes, run
from bench.faults.world import World

SIGNALS: Final = (signal.SIGKILL,) * 8 + (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True)
class Undisturbed:
    """A command that nothing disturbs."""

    before: Snapshot
    after: Snapshot
    ended: Ended
    changes: int


def undisturbed(world: World, command: Command) -> Undisturbed:
    """Run a command twice in fresh folders: once for its result, once to count its changes."""
    folder = world.make_folder(command, "clean")
    before = snapshot(folder, command.free)
    ended = run(command.words, folder, world.variables(folder, command))
    if ended.status not in command.statuses:
        raise RuntimeError(f"{command.name} ended with {ended.status}: {ended.output}")
    after = snapshot(folder, command.free)
    folder = world.make_folder(command, "counted")
    changes = count_changes(command.words, folder, world.variables(folder, command))
    return Undisturbed(before, after, ended, changes)


def choose_kill(chance: random.Random, clean: Undisturbed) -> Kill:
    """Return when a trial is killed: by the clock, or by a change of a file."""
    number = chance.choice(SIGNALS)
    if clean.changes and chance.random() < 0.6:
        return Kill(change=chance.randint(1, clean.changes), number=number)
    return Kill(seconds=chance.uniform(0, 1.1 * clean.ended.seconds), number=number)


def try_kill(world: World, command: Command, clean: Undisturbed, kill: Kill) -> dict[str, Any]:
    """Kill a command once; return the record of it, whose `faults` are what was lost."""
    folder = world.make_folder(command, "killed")
    variables = world.variables(folder, command)
    ended = run(command.words, folder, variables, kill=kill)
    faults = [] if ended.fault is None else [ended.fault]
    now = snapshot(folder, command.free)
    left = sum(".cudalock-" in path.name for path in folder.rglob("*.tmp"))
    if kill.number != signal.SIGKILL and left:
        faults.append(f"{left} files were left by an interruption")
    # An environment in the middle of a change is undone; files are old or new at any moment.
    if command.undo or command.tree == "fixed":
        faults += _undone(world, command, clean, folder, variables)
    else:
        faults += list(_lost(clean, now))
        again = run(command.words, folder, variables)
        if again.status not in (*command.statuses, 0) or again.fault:
            faults.append(f"the next run ended with {again.status}: {again.output[-300:]}")
        faults += [f"afterwards {each}" for each in _differences(clean.after, folder, command)]
        if command.is_online and again.output != clean.ended.output:
            faults.append(f"the next run printed something else: {again.output[-300:]}")
    return {
        "killed": ended.status < 0 or ended.status in (130, 143),
        "status": ended.status,
        "left": left,
        "faults": faults,
    }


def _lost(clean: Undisturbed, now: Snapshot) -> Iterator[str]:
    for path in {*clean.before, *clean.after, *now}:
        old, new, there = (each.get(path) for each in (clean.before, clean.after, now))
        if there not in (old, new):
            yield f"{path} is {'gone' if there is None else 'neither the old nor the new one'}"


def _differences(expected: Snapshot, folder: Any, command: Command) -> Iterator[str]:
    now = snapshot(folder, command.free)
    for path in {*expected, *now}:
        if path not in command.loose and expected.get(path) != now.get(path):
            yield f"{path} differs"


def _undone(
    world: World, command: Command, clean: Undisturbed, folder: Any, variables: Any
) -> Iterator[str]:
    """Undo; what was there before a fix has to be there again, every byte of it."""
    undo = command.undo or command.words
    expected = clean.before if command.undo else clean.after
    if list(_differences(expected, folder, command)):
        ended = run(undo, folder, variables)
        if ended.status != 0:
            yield f"undoing ended with {ended.status}: {ended.output[-300:]}"
    for each in _differences(expected, folder, command):
        yield f"undone, {each}"


__all__ = ["Undisturbed", "choose_kill", "try_kill", "undisturbed"]
