"""What is timed inside one process: solves by class of goal, explanations, loading, scale."""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench import engine
from bench.scale import count_wheels, scaled
from cudalock.files import data_directory
from cudalock.goals import Goal
from cudalock.matrix.matrix import Matrix
from cudalock.targets import Target

LINUX: Final = Target("3.11", "linux-x86_64")
WINDOWS: Final = Target("3.12", "windows-x86_64")

EASY: Final = "easy: torch 2.5.1"
EXTENSION: Final = "easy: torch 2.5.1 + flash-attn"
BACKTRACKING: Final = "backtracking: newest torch + flash-attn + xformers + bitsandbytes, Windows"
IMPOSSIBLE: Final = "impossible by wheels: torch 2.5.1 + flash-attn, Python 3.14"
REFUSED: Final = "impossible by facts: bitsandbytes 0.43.0 + triton-windows 3.2, Windows"

QUESTIONS: Final = {
    EASY: (Goal(("torch==2.5.1",)), LINUX),
    EXTENSION: (Goal(("flash-attn", "torch==2.5.1")), LINUX),
    BACKTRACKING: (Goal(("bitsandbytes", "flash-attn", "torch", "xformers")), WINDOWS),
    IMPOSSIBLE: (Goal(("flash-attn", "torch==2.5.1")), Target("3.14", "linux-x86_64")),
    REFUSED: (Goal(("bitsandbytes==0.43.0", "torch==2.4.1", "triton-windows==3.2.*")), WINDOWS),
}
ANSWERS_OF_NO: Final = (IMPOSSIBLE, REFUSED)
SEVERAL: Final = tuple(
    Target(python, platform)
    for platform in ("linux-x86_64", "windows-x86_64")
    for python in ("3.11", "3.12")
)


@dataclass(slots=True)
class Timed:
    """One thing timed, in seconds."""

    group: str
    name: str
    run: Callable[[], float]
    budget: str = ""
    note: str = ""
    goal: str = ""
    """what is the same at every scale"""
    seconds: list[float] = field(default_factory=list)


def inside_timings(runs: int, factors: Sequence[int], say: Callable[[str], None]) -> list[Timed]:
    """Everything, each timed ``runs`` times in turns."""
    with tempfile.TemporaryDirectory() as folder:
        timed = [*_here(), *_scaled(Path(folder), factors, say)]
        for each in timed:
            each.run()  # not counted: imports, and the caches that a second solve finds filled
        for number in range(runs):
            say(f"inside, round {number + 1} of {runs}")
            for each in timed if number % 2 == 0 else timed[::-1]:
                gc.collect()
                each.seconds.append(each.run())
        return timed


def _here() -> Iterator[Timed]:
    directory = data_directory()
    matrix = Matrix.load(directory)
    yield Timed(
        "load", "load the matrix", lambda: _load(directory), note="facts, torch, flash-attn"
    )
    for name in QUESTIONS:
        yield Timed("solve", f"solve, {name}", _solving(matrix, name), "10 ms")
    yield Timed(
        "solve",
        "solve, several targets: torch 2.5.1 + flash-attn, Linux and Windows, two Pythons",
        _solving_for_all(matrix),
    )
    for name in ANSWERS_OF_NO:
        yield Timed("explain", f"explain, {name}", _explaining(matrix, name))


def _scaled(folder: Path, factors: Sequence[int], say: Callable[[str], None]) -> Iterator[Timed]:
    for factor in factors:
        say(f"making a matrix with {factor} x the wheels")
        directory = scaled(data_directory(), folder / str(factor), factor)
        matrix = Matrix.load(directory)
        wheels = f"{count_wheels(directory):,} wheels"
        budget = "2 x" if factor == 10 else ""
        goals = {name: _solving(matrix, name) for name in (*QUESTIONS,) if name != REFUSED}
        goals[f"load and solve, {EXTENSION}"] = _solving_anew(directory, EXTENSION)
        for name, run in goals.items():
            yield Timed("scale", f"{factor} x, {name}", run, budget, wheels, name)


def _load(directory: Path) -> float:
    start = time.perf_counter()
    matrix = Matrix.load(directory)
    found = (matrix.components, matrix.project("torch"), matrix.project("flash-attn"))
    seconds = time.perf_counter() - start
    if not all(found):
        raise ValueError(f"{directory} is no whole matrix")
    return seconds


def _solving(matrix: Matrix, name: str) -> Callable[[], float]:
    goal, target = QUESTIONS[name]

    def run() -> float:
        solved = engine.solve(goal, target, matrix)
        if (solved.resolution is None) != (name in ANSWERS_OF_NO):
            raise ValueError(f"{name}: {solved.resolution}")
        return solved.milliseconds / 1000

    return run


def _solving_for_all(matrix: Matrix) -> Callable[[], float]:
    goal, _ = QUESTIONS[EXTENSION]
    questions = [(goal, target) for target in SEVERAL]
    return lambda: engine.solve_all(questions, matrix) / 1000


def _solving_anew(directory: Path, name: str) -> Callable[[], float]:
    """Load and solve, nothing of the matrix being read before."""

    def run() -> float:
        start = time.perf_counter()
        _solving(Matrix.load(directory), name)()
        return time.perf_counter() - start

    return run


def _explaining(matrix: Matrix, name: str) -> Callable[[], float]:
    goal, target = QUESTIONS[name]
    return lambda: engine.explain(goal, target, matrix).milliseconds / 1000
