"""Locks made by hand, and goals that have locks, for the tests of what is written from a lock."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from cudalock.goals import Goal
from cudalock.lock import GOAL, Lock, LockedWheel, LockWarning, Pin
from cudalock.matrix.matrix import Index
from cudalock.targets import Target
from cudalock.targets.accelerators import Wish
from tests.local_index import build_wheel

if TYPE_CHECKING:
    from tests.local_index import ServedFile

CU124 = Index("cu124", "https://download.pytorch.org/whl/cu124", "own", uv_name="pytorch-cu124")
RENAMED = "2.7.4.post1+cu12torch2.5cxx11abiFALSE"
RELEASE = "https://github.com/Dao-AILab/flash-attention/releases/download/v2.7.4.post1/"
NUMPY = build_wheel("numpy", "2.1.3")
FILELOCK = build_wheel("filelock", "3.16.1")
TORCH = build_wheel("torch", "2.5.1+cu124", requires=["filelock", "numpy"])
FLASH = build_wheel("flash-attn", "2.7.4.post1", file_version=RENAMED, requires=["torch"])

# Goals with wheels of the package index, of PyTorch's, as addresses, and for several targets.
# Goals with wheels of the package index, of PyTorch's, as addresses, and for several targets;
# each has an answer on every Python; official wheels of FlashAttention are for older ones.
GOALS = [
    "--torch 2.9.1 --platform linux",
    "--torch 2.9.1 --cuda cpu --platform linux",
    "--torch 2.9.1 --xformers --platform linux",
    "--torch 2.9 --platform linux-aarch64",
    "--torch 2.8.0 --vision --cuda 12.6 --platform linux --platform windows",
    *["--torch 2.8 --fa2 --builders official --platform linux"][: sys.version_info < (3, 13)],
    "--torch 2.9.1 --cuda cpu --platform linux --platform macos",
    "--fa3 --platform linux",
    "--torch 2.8.0 --bnb --vision --cuda 12.6 --platform windows",
    "--toolkit 12.4.1:cudart,nvcc,cublas --platform windows",
]


def pin(
    file: ServedFile,
    *,
    version: str | None = None,
    index: str | None = "pypi",
    builder: str | None = None,
    url: str | None = None,
    via: tuple[str, ...] = (GOAL,),
    requires: tuple[str, ...] = (),
    facts: tuple[str, ...] = (),
    direct: bool = False,
    trust: str = "own",
    known: str = "metadata",
    warning: str | None = None,
) -> Pin:
    """A pin of a served file. Its hash is what the file's listing advertises."""
    _, named, *_ = file.name.split("-")
    wheel = LockedWheel(
        file=file.name,
        sha256=file.sha256,
        index=None if builder else index,
        builder=builder,
        url=url,
        trust=trust,
        known=known,
        warning=warning,
        renamed=version is not None and version != named,
        source=None,
    )
    return Pin(
        name=file.project,
        version=version or named,
        wheel=wheel,
        hashes=(file.sha256,) if file.sha256 else (),
        hashes_complete=file.sha256 is not None,
        via=via,
        facts=facts,
        requires=requires,
        direct=direct,
    )


def lock(*pins: Pin, indexes: tuple[Index, ...] = (), **changes: object) -> Lock:
    """A lock of these pins for Linux and Python 3.11; `changes` replace its other fields."""
    base = Lock(
        target=Target(python="3.11", platform="linux-x86_64", glibc="2.28"),
        goal=Goal(
            requirements=("flash-attn==2.7.4.post1", "torch==2.5.1"),
            accelerator=Wish("cuda", "==12.4.*"),
        ),
        matrix_version="2026.11.21",
        pins=tuple(sorted(pins, key=lambda pin: pin.name)),
        needs=("driver >= 525.60.13", "glibc >= 2.17"),
        warnings=(),
        notes=(),
        indexes=indexes,
        builders=tuple(sorted({p.wheel.builder for p in pins if p.wheel.builder})),
        cuda="12.4",
        command='cudalock solve "flash-attn==2.7.4.post1" "torch==2.5.1" --cuda 12.4 '
        "--python 3.11 --platform linux",
        framework="torch",
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def warning(says: str = "flash-attn 2.7.4.post1 is slow on sm_75") -> LockWarning:
    return LockWarning("flash-attn-turing", says, "degrades")


def small_lock(**changes: object) -> Lock:
    """numpy from the package index, torch from another, flash-attn from its builder."""
    return lock(
        pin(NUMPY, via=("torch",)),
        pin(TORCH, index="cu124", url=f"{CU124.url}/{TORCH.name}", requires=("numpy",)),
        pin(
            FLASH,
            version="2.7.4.post1",
            builder="Dao-AILab/flash-attention",
            url=RELEASE + FLASH.name,
            direct=True,
            requires=("torch",),
            facts=("flash-attn-abi",),
        ),
        indexes=(CU124,),
        **changes,
    )


def unhashed_lock() -> Lock:
    complete = small_lock()
    flash, *others = complete.pins
    bare = replace(flash, hashes=(), wheel=replace(flash.wheel, sha256=None))
    return replace(complete, pins=(bare, *others))
