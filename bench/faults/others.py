"""Disks that refuse, caches that are damaged, runs at once, links, clocks that jump, and servers.

Each kind is a function that yields its trials: a name, and what to call for the faults found.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path
from typing import Any, Final

from bench.faults.commands import Command, snapshot
from bench.faults.kills import Undisturbed
from bench.faults.process import Ended, limit_file_size, run
from bench.faults.server import BEHAVIOURS, FILE, WHEEL, HostileIndex
from bench.faults.world import World
from cudalock.indexes import client, transport

Trial = tuple[str, Callable[[random.Random], list[str]]]
"""Its name, and what makes it and returns the faults."""

Cleans = dict[str, Undisturbed]

OUTPUTS: Final = {
    "solve -o, over an older lock": "requirements.txt",
    "solve -o pylock.toml": "pylock.toml",
    "solve -o pyproject.toml": "pyproject.toml",
    "generate --update -o": "requirements.lock.txt",
    "check --fix": "requirements.txt",
    "check -o": "check.sarif",
}
"""What commands write into one file."""

LONGEST: Final = 60.0
"""Seconds that a command may take beside a server that never ends, with a tenth of the patience."""


def _checked(ended: Ended) -> list[str]:
    return [] if ended.fault is None else [ended.fault]


def _kept(
    world: World, command: Command, clean: Undisturbed, folder: Path, *, again: bool = True
) -> Iterator[str]:
    """What is neither old nor new after a failure, or was left; and whether the next run works."""
    now = snapshot(folder, command.free)
    for path in {*clean.before, *clean.after, *now} - set(command.loose):
        if now.get(path) not in (clean.before.get(path), clean.after.get(path)):
            yield f"{path} is neither the old nor the new one"
    left = [path.name for path in folder.rglob(".cudalock-*.tmp")]
    if left:
        yield f"left: {left}"
    if again:
        run(command.words, folder, world.variables(folder, command))
        now = snapshot(folder, command.free)
        for path in {*clean.after, *now} - set(command.loose):
            if now.get(path) != clean.after.get(path):
                yield f"afterwards {path} differs"


# -- disks --------------------------------------------------------------------------------------


def disks(world: World, cleans: Cleans) -> Iterator[Trial]:
    """A quota at a random byte, a full disk, a folder that is read-only."""
    for name, number in product(cleans, range(10)):
        command = world.commands[name]
        # What doctor saves and undoes is tried by kills; pip writes by itself.
        if command.tree not in ("broken", "fixed"):
            yield f"quota {number}: {name}", _with_quota(world, command, cleans[name])
    if not _may_mount(world.scratch):
        return
    for name, kind in product(OUTPUTS, ("full", "read-only")):
        yield f"{kind}: {name}", _on_disk(world, world.commands[name], cleans[name], kind)


def _with_quota(world: World, command: Command, clean: Undisturbed) -> Any:
    def trial(chance: random.Random) -> list[str]:
        folder = world.make_folder(command, "quota")
        limit = int(2 ** chance.uniform(0, 20))
        ended = run(
            command.words,
            folder,
            world.variables(folder, command),
            prepare=limit_file_size(limit),
        )
        return [*_checked(ended), *_kept(world, command, clean, folder)]

    return trial


@contextmanager
def _mounted(place: Path, size: int) -> Iterator[Path]:
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def _may_mount(scratch: Path) -> bool:
    with suppress(OSError, subprocess.SubprocessError), _mounted(scratch / "disk", 4096):
        return True
    return False


def _on_disk(world: World, command: Command, clean: Undisturbed, kind: str) -> Any:
    def trial(chance: random.Random) -> list[str]:
        with _mounted(world.scratch / "disk", 1 << 20) as disk:
            made = world.make_folder(command, "made")
            folder = disk / "here"
            shutil.copytree(made, folder)
            if kind == "full":
                with suppress(OSError), (folder / "filler").open("wb") as filler:
                    while True:
                        filler.write(b"x" * 512)
                        filler.flush()
            else:
                subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
            before = snapshot(folder, command.free)
            # The cache has another disk.
            ended = run(command.words, folder, world.variables(made, command))
            faults = _checked(ended)
            if snapshot(folder, command.free) != before:
                faults.append("a file was changed")
            if ended.status == 0 and command.statuses == (0,):
                faults.append("nothing could be written, and the status is 0")
            if any(folder.rglob(".cudalock-*.tmp")):
                faults.append("a file was left")
            return faults

    return trial


# -- the cache ----------------------------------------------------------------------------------


def caches(world: World, cleans: Cleans) -> Iterator[Trial]:
    """The cache damaged: the same is printed as without it."""
    command = world.commands["solve, with a cold cache"]
    clean = cleans[command.name]
    for damage, number in product(DAMAGES, range(6)):
        yield f"{damage} {number}", _with_damage(world, command, clean, damage)


def _with_damage(world: World, command: Command, clean: Undisturbed, damage: str) -> Any:
    def trial(chance: random.Random) -> list[str]:
        folder = world.make_folder(command, "cache")
        variables = world.variables(folder, command)
        run(command.words, folder, variables)
        DAMAGES[damage](folder / "cache", chance)
        ended = run(command.words, folder, variables)
        faults = _checked(ended)
        if ended.output != clean.ended.output:
            faults.append(f"something else is printed: {ended.output[-300:]}")
        (folder / "cache").chmod(0o755) if (folder / "cache").is_dir() else None
        return faults

    return trial


def _files(cache: Path) -> list[Path]:
    return sorted(path for path in cache.rglob("*") if path.is_file())


def _cut(cache: Path, chance: random.Random) -> None:
    for path in _files(cache):
        os.truncate(path, chance.randrange(path.stat().st_size + 1))


def _noise(cache: Path, chance: random.Random) -> None:
    for path in _files(cache):
        content = bytearray(path.read_bytes())
        for _ in range(chance.randint(1, 200) if content else 0):
            content[chance.randrange(len(content))] = chance.randrange(256)
        path.write_bytes(content)


def _replaced(make: Callable[[Path], object]) -> Callable[[Path, random.Random], None]:
    def damage(cache: Path, chance: random.Random) -> None:
        path = chance.choice(_files(cache))
        path.unlink()
        make(path)

    return damage


def _instead(make: Callable[[Path], object]) -> Callable[[Path, random.Random], None]:
    def damage(cache: Path, chance: random.Random) -> None:
        shutil.rmtree(cache)
        make(cache)

    return damage


def _emptied(cache: Path, _chance: random.Random) -> None:
    for path in _files(cache):
        os.truncate(path, 0)


def _from_the_future(cache: Path, _chance: random.Random) -> None:
    for path in _files(cache):
        os.utime(path, (1e10, 1e10))


DAMAGES: Final[dict[str, Callable[[Path, random.Random], None]]] = {
    "cut": _cut,
    "noise": _noise,
    "empty": _emptied,
    "a folder": _replaced(lambda path: path.mkdir()),
    "a link to itself": _replaced(lambda path: path.symlink_to(path)),
    "a link to nothing": _replaced(lambda path: path.symlink_to("/nonexistent/x")),
    "a text": _replaced(lambda path: path.write_text("x" * 10_000)),
    "the folder is a file": _instead(lambda cache: cache.write_text("x")),
    "the folder is a link to itself": _instead(lambda cache: cache.symlink_to(cache)),
    "from the future": _from_the_future,
}


# -- several runs at once -----------------------------------------------------------------------


def races(world: World, cleans: Cleans) -> Iterator[Trial]:
    """Three runs at once, in one folder, with one cache."""
    for name, number in product(cleans, range(4)):
        yield f"three at once {number}: {name}", _three(world, world.commands[name], cleans[name])


def _three(world: World, command: Command, clean: Undisturbed) -> Any:
    def trial(chance: random.Random) -> list[str]:
        folder = world.make_folder(command, "race")
        variables = world.variables(folder, command)
        runners = []
        for _ in range(3):
            read, write = os.pipe()
            child = os.fork()
            if not child:
                ended = run(command.words, folder, variables, limit=120)
                os.write(write, f"{ended.status}\n{ended.fault or ''}".encode()[:4000])
                os._exit(0)
            os.close(write)
            runners.append((child, read))
            time.sleep(chance.uniform(0, 0.1))
        faults = []
        statuses = []
        for child, read in runners:
            os.waitpid(child, 0)
            status, _, fault = os.read(read, 8000).decode("utf-8", "replace").partition("\n")
            os.close(read)
            statuses.append(int(status or -1))
            faults += [fault] if fault else []
        if not set(statuses) & set(command.statuses):
            faults.append(f"none of them succeeded: {statuses}")
        now = snapshot(folder, command.free)
        for path in {*clean.after, *now} - set(command.loose):
            if now.get(path) != clean.after.get(path):
                faults.append(f"{path} differs")
        return faults

    return trial


# -- links --------------------------------------------------------------------------------------


def links(world: World, cleans: Cleans) -> Iterator[Trial]:
    """The file that is written is a link."""
    for name, kind in product(OUTPUTS, ("file", "nothing", "itself", "folder", "device")):
        yield f"a link to {kind}: {name}", _through(world, world.commands[name], cleans[name], kind)


def _through(world: World, command: Command, clean: Undisturbed, kind: str) -> Any:
    def trial(chance: random.Random) -> list[str]:
        folder = world.make_folder(command, "link")
        file = folder / OUTPUTS[command.name]
        elsewhere = folder / "elsewhere"
        elsewhere.mkdir()
        target = elsewhere / file.name
        if file.exists():
            shutil.move(file, target)
        where = {"file": target, "nothing": elsewhere / "no" / "x", "itself": file}
        where |= {"folder": elsewhere, "device": Path(os.devnull)}
        file.symlink_to(where[kind])
        ended = run(command.words, folder, world.variables(folder, command))
        faults = _checked(ended)
        if not file.is_symlink() or file.readlink() != where[kind]:
            faults.append("the link is gone")
        if kind == "file":
            there = snapshot(elsewhere)
            if there.get(file.name) != clean.after.get(file.name):
                faults.append("what the link leads to is not the new one")
        if kind in ("nothing", "itself", "folder") and ended.status == 0:
            faults.append("the status is 0")
        return faults

    return trial


# -- clocks -------------------------------------------------------------------------------------

JUMPS: Final = {
    "ten years on": 3.2e8,
    "ten years back": -3.2e8,
    "to the beginning": -1.79e9,
    "beyond 2038": 4e8,
    "beyond 2106": 2.6e9,
    "back and forth": None,
}


def clocks(world: World, cleans: Cleans) -> Iterator[Trial]:
    """Another time than that of the files and the cache, or another one at each look."""
    for name, jump in product(cleans, JUMPS):
        yield f"{jump}: {name}", _at_time(world, world.commands[name], cleans[name], jump)


def _at_time(world: World, command: Command, clean: Undisturbed, jump: str) -> Any:
    def trial(chance: random.Random) -> list[str]:
        folder = world.make_folder(command, "clock")
        variables = world.variables(folder, command)
        if command.is_online:
            run(command.words, folder, variables)
        shift, seed = JUMPS[jump], chance.random()

        def prepare() -> None:
            now, jumps = time.time, random.Random(seed)

            def moved() -> float:
                return now() + (shift or jumps.uniform(-1e9, 1e9))

            time.time = moved
            time.time_ns = lambda: int(moved() * 1e9)

        ended = run(command.words, folder, variables, prepare=prepare)
        faults = _checked(ended)
        if ended.status not in command.statuses:
            faults.append(f"status {ended.status}: {ended.output[-300:]}")
        now = snapshot(folder, command.free)
        for path in {*clean.after, *now} - set(command.loose):
            if now.get(path) != clean.after.get(path):
                faults.append(f"{path} differs")
        return faults

    return trial


# -- servers ------------------------------------------------------------------------------------


def servers(world: World, cleans: Cleans) -> Iterator[Trial]:
    """A hostile index: no traceback, no hang, no memory, and nothing written that it chose."""
    with HostileIndex() as index:
        for name, verb in product(BEHAVIOURS, ("solve", "fetch", "generate")):
            yield f"{name}: {verb}", _beside(world, index.url(name), verb)


def _beside(world: World, url: str, verb: str) -> Any:
    def prepare() -> None:
        # A tenth of the patience: what matters is that it ends.
        client.TIMEOUT = 3.0  # type: ignore[misc]
        transport.BEGIN = 4.0  # type: ignore[misc]
        transport.PATIENCE = 3.0  # type: ignore[misc]
        client.Web.__init__.__kwdefaults__["deadline"] = 18.0  # type: ignore[index]

    def trial(chance: random.Random) -> list[str]:
        folder = world.scratch / "served"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        digest = hashlib.sha256(WHEEL).hexdigest()
        (folder / "lock.txt").write_text(
            f"--index-url {url}\noddball==1.17.0 --hash=sha256:{digest}\n", encoding="utf-8"
        )
        (folder / "requirements.txt").write_text("torch==2.5.1\noddball\n")
        target = ("--python", "3.11", "--platform", "linux", "--index-url", url)
        words = {
            "solve": ("solve", "oddball", *target),
            "generate": ("generate", ".", *target),
        }.get(verb, ("fetch", "lock.txt", "-d", "w"))
        variables = {
            "CUDALOCK_CACHE_DIR": str(folder / "cache"),
            "HOME": str(folder / "home"),
            "PIP_CONFIG_FILE": os.devnull,
            "NO_COLOR": "1",
        }
        ended = run(words, folder, variables, prepare=prepare, limit=LONGEST)
        faults = _checked(ended)
        there = {path.name for path in folder.iterdir()}
        if there - {"lock.txt", "requirements.txt", "cache", "home", "w"}:
            faults.append(f"written: {there}")
        wheels = folder / "w"
        for path in wheels.iterdir() if wheels.is_dir() else ():
            if not path.name.startswith(".") and (path.name != FILE and path.read_bytes() != WHEEL):
                # Another name is served with the bytes of the lock's hash: then it is that wheel.
                faults.append(f"{path.name} is not what the lock names")
        if "\x1b" in ended.output or "root:x:" in ended.output:
            faults.append("what the server sent is shown")
        return faults

    return trial


KINDS: Final = {
    "disks": disks,
    "caches": caches,
    "races": races,
    "links": links,
    "clocks": clocks,
    "servers": servers,
}

__all__ = ["KINDS", "Trial"]
