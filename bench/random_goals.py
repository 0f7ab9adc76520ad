"""`python -m bench.random_goals`: the time of random goals over all components.

The grid and the fuzzer know six components; here every project of the matrix with rules of its own
may be asked for, the large closures (vllm, unsloth) among them. The matrix alone answers, and time
is the processor's. The same seed makes the same goals.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from statistics import median, quantiles
from typing import Final, NamedTuple

from bench.cells import FRAMEWORK
from bench.engine import explain, solve
from bench.fuzz import random_specifier, targets
from cudalock.files import data_directory
from cudalock.goals import Goal, command_line
from cudalock.matrix.matrix import Matrix
from cudalock.targets import Target
from cudalock.targets.accelerators import Wish

COUNT: Final = 1000
SLOWEST_SHOWN: Final = 10

HARD: Final = {
    "torchao + unsloth without CUDA, Windows": (
        Goal(("torchao", "unsloth"), accelerator=Wish("cpu")),
        Target("3.11", "windows-x86_64"),
    ),
    "impossible: flashinfer, flash-attn, causal-conv1d, torchao, torchvision, glibc 2.17": (
        Goal(
            (
                "causal-conv1d",
                "flash-attn>=2.6.0,<2.7.1.post4",
                "flashinfer-python",
                "torchao",
                "torchvision",
            )
        ),
        Target("3.10", "linux-x86_64", glibc="2.17"),
    ),
}
"""Goals that took 18 s and 71 s of a processor when resolvelib alone searched them."""


class Timing(NamedTuple):
    """One goal, and the processor's seconds until its answer; without an answer, until the
    explanation of that as well, if it was asked for."""

    goal: Goal
    target: Target
    seconds: float
    is_solved: bool
    explanation_seconds: float = 0


class Spread(NamedTuple):
    """How long the goals took, in seconds."""

    median: float
    percentile_99: float
    worst: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Spread:
        return cls(median(seconds), quantiles(seconds, n=100, method="inclusive")[98], max(seconds))

    def __str__(self) -> str:
        return (
            f"median {self.median:.3f} s, 99th percentile {self.percentile_99:.2f} s,"
            f" worst {self.worst:.2f} s"
        )


def components(matrix: Matrix) -> list[str]:
    """Every project with curated facts that can be pinned, by name."""
    return sorted(name for name in matrix.curated if matrix.versions(name))


def random_goals(seed: int, matrix: Matrix) -> Iterator[tuple[Goal, Target]]:
    """Goals and targets without end, the same for the same seed and matrix."""
    chance = random.Random(seed)
    names = components(matrix)
    for target in targets(chance):
        likely = dict.fromkeys(chance.sample(names, chance.choice((1, 1, 2, 2, 3, 4))), 0.2)
        if chance.random() < 0.6:
            likely[FRAMEWORK] = 0.4
        requirements = [
            name + random_specifier(chance, matrix, name, chance_of_one)
            for name, chance_of_one in likely.items()
        ]
        cuda = chance.choice((None, None, None, None, None, "==12.*", ">=12.4", "==11.8.*", "cpu"))
        yield Goal(tuple(sorted(requirements)), accelerator=Wish.of_default(cuda)), target


def time_goals(
    goals: Iterator[tuple[Goal, Target]], matrix: Matrix, *, explains: bool = False
) -> Iterator[Timing]:
    """Solve goals one after the other; with ``explains`` explain each that has no answer."""
    for goal, target in goals:
        solved = solve(goal, target, matrix)
        is_solved = solved.resolution is not None
        explanation = (
            explain(goal, target, matrix).busy_milliseconds - solved.busy_milliseconds
            if explains and not is_solved
            else 0
        )
        yield Timing(
            goal, target, solved.busy_milliseconds / 1000, is_solved, max(0, explanation) / 1000
        )


def main(words: list[str] | None = None) -> int:
    """Time them, and print the slowest."""
    parser = argparse.ArgumentParser("python -m bench.random_goals", description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT, help=f"goals (default {COUNT})")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--explain", action="store_true", help="time explanations too")
    arguments = parser.parse_args(words)
    matrix = Matrix.load(data_directory())
    goals = islice(random_goals(arguments.seed, matrix), arguments.count)
    timings = list(time_goals(goals, matrix, explains=arguments.explain))
    solved = sum(timing.is_solved for timing in timings)
    print(f"{len(timings)} goals, {solved} solved: {Spread.of([each.seconds for each in timings])}")
    explanations = [each.explanation_seconds for each in timings if not each.is_solved]
    if arguments.explain and len(explanations) > 1:
        print(f"{len(explanations)} explanations: {Spread.of(explanations)}")
    slowest = sorted(timings, key=lambda each: -each.seconds - each.explanation_seconds)
    for timing in slowest[:SLOWEST_SHOWN]:
        seconds = f"{timing.seconds:6.2f} s + {timing.explanation_seconds:.2f} s"
        print(f"{seconds}  {command_line(timing.goal, timing.target)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
