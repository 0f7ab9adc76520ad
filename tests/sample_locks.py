"""Locks made by hand, for the tests of what is written from a lock."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cudalock.goals import Goal
from cudalock.lock import GOAL, Lock, LockedWheel, Pin, Warning_
from cudalock.matrix import Index
from cudalock.target import Target

if TYPE_CHECKING:
    from tests.local_index import ServedFile

CU124 = Index("cu124", "https://download.pytorch.org/whl/cu124", "own")


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
        goal=Goal(requirements=("flash-attn==2.7.4.post1", "torch==2.5.1"), cuda="==12.4.*"),
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


def warning(says: str = "flash-attn 2.7.4.post1 is slow on sm_75") -> Warning_:
    return Warning_("flash-attn-turing", says, "degrades")
