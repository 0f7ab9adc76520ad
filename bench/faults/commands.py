"""The commands that write, each with what was there before and what has to be there afterwards."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.local_index import ServedFile, build_wheel

ROOT: Final = "/main/simple/"
LEFT: Final = (".cudalock-", ".part", ".etag", "__pycache__")
"""Parts of names of what a killed run may leave: hidden, and removed or used by the next."""

TIMED: Final = ("uv_cache.json", "RECORD")
"""What uv writes the time into, and what has the digest of that."""

LINUX: Final = ("--platform", "linux", "--python", "3.11", "--offline", "--no-detect")
PINS: Final = "torch==2.5.1\ntorchvision==0.19.0\nxformers==0.0.27\n"
PROJECT: Final = """\
[project]
name = "mine"
version = "1"
# what the user wrote stays
dependencies = ["torch==2.5.1"]
"""

Snapshot = Mapping[str, str]
"""The digest of each file by its path; a link by where it leads."""


@dataclass(frozen=True)
class Command:
    """One command that writes."""

    name: str
    words: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    """what is there before it, by path"""
    statuses: tuple[int, ...] = (0,)
    tree: str | None = None
    """a prepared folder that is copied, by its name"""
    undo: tuple[str, ...] = ()
    """what brings back what was there before; else the same command completes it"""
    free: tuple[str, ...] = ("cache/",)
    """beginnings of paths where anything may be"""
    loose: tuple[str, ...] = ()
    """files that a run after a kill may write anew: they have a version that grows"""
    is_online: bool = False
    """whether what is printed has to be the same after a kill, for what it left in the cache"""
    variables: Mapping[str, str] = field(default_factory=dict)


def snapshot(folder: Path, free: tuple[str, ...] = ()) -> Snapshot:
    """Return every file below a folder, but for what a killed run may leave, and what is free."""
    found: dict[str, str] = {}
    ignored = ("home/", "data/", *free)
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not any(part in name for part in LEFT)]
        for name in names:
            path = Path(parent, name)
            shown = path.relative_to(folder).as_posix()
            if any(part in name for part in LEFT) or shown.startswith(ignored) or name in TIMED:
                continue
            if path.is_symlink():
                found[shown] = f"-> {path.readlink()}"
            else:
                found[shown] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def commands(index: str) -> list[Command]:
    """Return the commands, with the URL of a package index."""
    lock = "".join(
        f"{name}==1.0 --hash=sha256:{hashlib.sha256(wheel(name).content).hexdigest()}\n"
        for name in WHEELS
    )
    doctor = ("doctor", "--python", "env")
    return [
        Command("solve -o, new", ("solve", "torch==2.5.1", *LINUX, "-o", "requirements.txt")),
        Command(
            "solve -o, over an older lock",
            ("solve", "torch==2.5.1", *LINUX, "-o", "requirements.txt"),
            {"requirements.txt": "# cudalock: 2.4.0\n# command: cudalock solve torch==2.4.0\n"},
        ),
        Command(
            "solve -o pylock.toml",
            ("solve", "torch==2.5.1", *LINUX, "--wheels", "w", "-o", "pylock.toml"),
        ),
        Command(
            "solve -o pyproject.toml",
            ("solve", "torch==2.5.1", *LINUX, "-o", "pyproject.toml"),
            {"pyproject.toml": PROJECT},
        ),
        Command(
            "generate -o",
            ("generate", ".", *LINUX, "-o", "requirements.lock.txt"),
            {"requirements.txt": "torch==2.5.1\neinops\n", "train.py": "import torch, einops\n"},
        ),
        Command(
            "generate --update -o",
            ("generate", ".", *LINUX, "--update", "-o", "requirements.lock.txt"),
            {
                "requirements.txt": "torch==2.5.1\neinops\n",
                "requirements.lock.txt": "# cudalock: old\n# command: cudalock generate .\n"
                "torch==2.5.0\neinops==0.7.0\n",
            },
            statuses=(0, 1),
        ),
        Command(
            "check --fix",
            (
                "check",
                "requirements.txt",
                "deeper/requirements.txt",
                "--fix",
                "--platform",
                "linux",
            ),
            {"requirements.txt": PINS, "deeper/requirements.txt": PINS},
            statuses=(1,),
        ),
        Command(
            "check -o",
            ("check", "requirements.txt", "--format", "sarif", "-o", "check.sarif"),
            {"requirements.txt": PINS},
            statuses=(1,),
        ),
        Command(
            "fetch",
            ("fetch", "lock.txt", "-d", "wheels", "--index-url", index),
            {"lock.txt": lock},
        ),
        Command(
            "matrix update --output",
            ("matrix", "update", "thing", "--output", "matrix"),
            tree="matrix",
            loose=("matrix/matrix.toml", "matrix/compiled.json"),
        ),
        Command(
            "doctor --fix",
            (*doctor, "--fix", "--yes"),
            tree="broken",
            statuses=(0, 1),
            undo=(*doctor, "--undo", "--yes"),
            variables={"PIP_INDEX_URL": index},
        ),
        Command("doctor --undo", (*doctor, "--undo", "--yes"), tree="fixed"),
        Command(
            "solve, with a cold cache",
            ("solve", "alpha", *LINUX[:4], "--index-url", index),
            is_online=True,
        ),
        Command("cache clear", ("cache", "clear"), tree="cached", free=()),
    ]


WHEELS: Final = ("one", "two", "three")


def wheel(name: str) -> ServedFile:
    """A wheel of some size."""
    return build_wheel(name, "1.0", contents=f"# {name}\n" + "x = 0\n" * 100_000)


__all__ = ["LEFT", "PINS", "ROOT", "WHEELS", "Command", "Snapshot", "commands", "snapshot", "wheel"]
