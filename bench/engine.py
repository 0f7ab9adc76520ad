"""Calls into the package, timed: the only place where the benchmarks meet it."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cudalock import solving
from cudalock.errors import NoSolution
from cudalock.matrix.universe import ClosedUniverse
from cudalock.resolution.find import find
from cudalock.resolution.joint import find_joint
from cudalock.resolution.shared import forget

if TYPE_CHECKING:
    from cudalock.goals import Goal
    from cudalock.matrix.matrix import Matrix
    from cudalock.resolution.model import Resolution
    from cudalock.targets import Target


@dataclass(frozen=True, slots=True)
class Solved:
    """What came of a goal, and how long it took; an answer of no is not yet explained."""

    resolution: Resolution | None
    milliseconds: float
    busy_milliseconds: float
    """of the processor: what a machine that does other things as well does not change"""


@dataclass(frozen=True, slots=True)
class Explained:
    """Why a goal has no answer."""

    facts: tuple[str, ...]
    elements: tuple[str, ...]
    text: str
    milliseconds: float
    busy_milliseconds: float


@contextmanager
def _alone() -> Iterator[None]:
    """Keep the collector from what is there already: an oracle's formulas take it half a second."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def solve(goal: Goal, target: Target, matrix: Matrix) -> Solved:
    """The resolution of a goal, or None, without an explanation."""
    forget(matrix)
    with _alone():
        start, busy = time.perf_counter(), time.thread_time()
        found = find(goal, target, ClosedUniverse(matrix))
        seconds, busy_seconds = time.perf_counter() - start, time.thread_time() - busy
        return Solved(found, 1000 * seconds, 1000 * busy_seconds)


def solve_all(questions: Sequence[tuple[Goal, Target]], matrix: Matrix) -> float:
    """Solve for several targets at once. Returns milliseconds; raises Unsolvable."""
    forget(matrix)
    with _alone():
        start = time.perf_counter()
        find_joint(questions, ClosedUniverse(matrix))
        return 1000 * (time.perf_counter() - start)


def explain(goal: Goal, target: Target, matrix: Matrix) -> Explained:
    """Why an impossible goal is impossible. Raises ValueError if it is not."""
    forget(matrix)
    with _alone():
        start, busy = time.perf_counter(), time.thread_time()
        try:
            solving.solve(goal, target, ClosedUniverse(matrix))
        except NoSolution as error:
            seconds, busy_seconds = time.perf_counter() - start, time.thread_time() - busy
            found = error.explanation
            return Explained(
                tuple(getattr(found, "facts", ())),
                tuple(map(str, getattr(found, "elements", ()))),
                str(found),
                1000 * seconds,
                1000 * busy_seconds,
            )
    requirements = ", ".join(map(str, goal.requirements))
    raise ValueError(f"{requirements} has an answer on {target.label}")
