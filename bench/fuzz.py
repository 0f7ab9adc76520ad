"""`python -m bench.fuzz`: random goals that the grid has not, compared with oracle and verifier.

The grid fixes release and CUDA build; here both may be open or ranges, on machines with this GPU,
driver or C library, with constraints, builders and dates. The same seed makes the same goals.

`--minutes N` takes hostile inputs instead, so long for each kind of what cudalock reads (`inputs`).
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

from bench.cells import COMPONENTS, FRAMEWORK
from bench.engine import solve
from cudalock.files import data_directory
from cudalock.goals import Goal, command_line
from cudalock.matrix.matrix import Matrix
from cudalock.targets import Target
from cudalock.targets.accelerators import Wish

PLATFORMS: Final = (
    ("linux-x86_64",) * 4 + ("windows-x86_64",) * 3 + ("linux-aarch64", "macos-arm64")
)
PYTHONS: Final = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
GPUS: Final = ("6.1", "7.0", "7.5", "8.0", "8.6", "8.9", "9.0", "10.0", "12.0")
DRIVERS: Final = ("450.80.02", "470.1", "525.60", "550.54", "570.86", "580.65")
GLIBCS: Final = ("2.17", "2.28", "2.31", "2.35", "2.39")
OF_EACH_TARGET: Final = 20


def targets(chance: random.Random) -> Iterator[Target]:
    """Machines without end."""
    while True:
        target = Target(chance.choice(PYTHONS), chance.choice(PLATFORMS))
        if target.accelerators and chance.random() < 0.4:
            target = replace(target, gpus=tuple(chance.sample(GPUS, chance.choice((1, 1, 1, 2)))))
        if target.accelerators and chance.random() < 0.3:
            target = replace(target, driver=chance.choice(DRIVERS))
        if target.is_linux and chance.random() < 0.5:
            target = replace(target, glibc=chance.choice(GLIBCS))
        yield target


def goals(chance: random.Random, matrix: Matrix) -> Iterator[Goal]:
    """Goals without end; builders and dates are drawn with the target, for the oracle's sake."""
    while True:
        names = chance.sample(COMPONENTS, chance.choice((0, 1, 1, 2, 2, 3, 4)))
        wanted = [name + random_specifier(chance, matrix, name, 0.35) for name in names]
        if not names or chance.random() < 0.85:
            wanted.append(FRAMEWORK + random_specifier(chance, matrix, FRAMEWORK, 0.75))
        limits = [
            name + random_specifier(chance, matrix, name, 1)
            for name in ("numpy", FRAMEWORK, "triton")
            if chance.random() < 0.08
        ]
        yield Goal(
            tuple(sorted(wanted)),
            tuple(sorted(limits)),
            accelerator=Wish.of_default(
                chance.choice((None, None, None, "==12.*", ">=12.4", "==11.8.*", "<13", "cpu"))
            ),
            strict=chance.random() < 0.15,
        )


def random_specifier(chance: random.Random, matrix: Matrix, name: str, likely: float) -> str:
    """A specifier that names versions of a project, or with the rest of the chance none."""
    versions = matrix.versions(name)
    if chance.random() >= likely or len(versions) < 2:
        return ""
    low, high = sorted(chance.sample(range(len(versions)), 2))
    minor = ".".join(versions[high].split(".")[:2])
    return chance.choice(
        [
            f"=={versions[high]}",
            f"=={minor}.*",
            f">={versions[low]}",
            f"<{versions[high]}",
            f">={versions[low]},<{versions[high]}",
            f"!={versions[-1]}",
        ]
    )


def questions(seed: int, matrix: Matrix) -> Iterator[tuple[Goal, Target]]:
    """Goals and targets without end, the same for the same seed."""
    chance = random.Random(seed)
    wishes = goals(chance, matrix)
    for target in targets(chance):
        builders = chance.choice(("known", "known", "known", "official", "any"))
        newest = chance.choice((None, None, None, None, "2025-06-01", "2024-08-01"))
        for goal in islice(wishes, OF_EACH_TARGET):
            yield replace(goal, builders=builders, exclude_newer=newest), target


def main(words: list[str] | None = None) -> int:
    """Compare; the exit status is 1 if anything disagrees."""
    parser = argparse.ArgumentParser("python -m bench.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="goals (default 1000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, help="hostile inputs, so long for each kind")
    parser.add_argument("--only", action="append", default=[], help="a part of a kind's name")
    parser.add_argument("--save", type=Path, default=Path("build/fuzz"), help="inputs with a fault")
    arguments = parser.parse_args(words)
    if arguments.minutes is not None:
        from bench.inputs import fuzz_all, table

        outcomes = fuzz_all(arguments.minutes, arguments.seed, arguments.only, arguments.save)
        print(table(outcomes))
        return 1 if any(outcome.faults for outcome in outcomes) else 0
    from tests.oracle import Oracle, disagreements
    from tests.verifier import Book

    directory = data_directory()
    matrix, oracle = Matrix.load(directory), Oracle(Book(directory))
    yes = warned = wrong = 0
    slowest = 0.0
    for goal, target in islice(questions(arguments.seed, matrix), arguments.count):
        solved = solve(goal, target, matrix)
        yes += solved.resolution is not None
        warned += solved.resolution is not None and bool(solved.resolution.warnings)
        if solved.busy_milliseconds > slowest:
            slowest, slow = solved.busy_milliseconds, command_line(goal, target)
        found = disagreements(oracle, goal, target, solved.resolution)
        if found:
            wrong += 1
            print(f"{command_line(goal, target)}\n  " + "\n  ".join(found), flush=True)
    print(
        f"{arguments.count} goals: {yes} yes ({warned} with warnings), {arguments.count - yes} no,"
        f" {wrong} disagreements; slowest {slowest:.0f} ms: {slow}"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
