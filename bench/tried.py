"""`python -m bench.tried --folder DIR`: pairs that facts refuse, installed for real and tried.

For each environment of bench/tried.toml uv installs what all its pairs have in common, then each
pair over it without its dependencies, and a small program imports it in a process of its own. A
pair that a fact refuses has to fail with the words that are stated, and a pair beside the range of
the fact has to work. What does not come out so is a fact that is wrong, or too wide.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

import tomllib

from bench.installed import clean_environment, find_interpreter, run

PAIRS: Final = Path(__file__).with_name("tried.toml")
INSTALL_SECONDS: Final = 1800
PROGRAM_SECONDS: Final = 600


class Pair(NamedTuple):
    """What is tried beside what an environment has."""

    fact: str
    install: str
    """requirements that uv installs without their dependencies"""
    program: str
    fails: str | None = None
    """words of the error, or the `signal 11` that ends the process; None for a pair that works"""


class Environment(NamedTuple):
    """What all pairs of one environment have in common."""

    python: str
    install: str
    """requirements, which uv installs with their dependencies"""
    pairs: tuple[Pair, ...]


def read_environments(path: Path = PAIRS) -> list[Environment]:
    """Return the environments in their order."""
    with path.open("rb") as file:
        rows: list[dict[str, Any]] = tomllib.load(file)["environment"]
    return [
        Environment(row["python"], row["install"], tuple(Pair(**pair) for pair in row["pair"]))
        for row in rows
    ]


def try_environment(environment: Environment, folder: Path) -> list[tuple[Pair, str | None]]:
    """Make an environment and try its pairs; return for each why it is not as stated, or None."""
    venv, variables = folder / "venv", clean_environment()
    shutil.rmtree(venv, ignore_errors=True)
    interpreter = find_interpreter(environment.python)
    if interpreter is None:
        return [(pair, f"no Python {environment.python} at hand") for pair in environment.pairs]
    cache: list[str | Path] = ["--cache-dir", folder / "cache"]
    python = venv / "bin" / "python"
    install: list[str | Path] = ["uv", "pip", "install", "-q", *cache, "--python", python]
    made = run(["uv", "venv", "-q", *cache, "--python", interpreter, venv], 300)
    if not made.status and environment.install:
        made = run([*install, *environment.install.split()], INSTALL_SECONDS, variables)
    results: list[tuple[Pair, str | None]] = []
    for pair in environment.pairs:
        ended = made
        if not made.status and pair.install:
            words = ["--no-deps", *pair.install.split()]
            ended = run([*install, *words], INSTALL_SECONDS, variables)
        if ended.status:
            results.append((pair, f"cannot be installed: {ended.tail}"))
            continue
        ended = run([python, "-c", pair.program], PROGRAM_SECONDS, variables)
        crash = f"signal {-ended.status}" if ended.status < 0 else ""
        output = "\n".join((ended.stdout, ended.stderr, crash)).strip()
        results.append((pair, _trouble(pair, ended.status, output)))
    shutil.rmtree(venv, ignore_errors=True)
    return results


def _trouble(pair: Pair, status: int, output: str) -> str | None:
    """Return why a pair did not end as stated."""
    last = (output.splitlines() or [""])[-1]
    if pair.fails is None:
        return None if status == 0 else f"does not work: {last}"
    if status == 0:
        return "works"
    return None if pair.fails in output else f"fails otherwise: {last}"


def main() -> int:
    """Try the pairs of the facts that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m bench.tried", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="for environments and a cache")
    parser.add_argument("--pairs", type=Path, default=PAIRS, help="default: bench/tried.toml")
    parser.add_argument("facts", nargs="*", help="ids of facts; default: all")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    tried = wrong = 0
    for environment in read_environments(options.pairs):
        chosen = tuple(
            pair for pair in environment.pairs if not options.facts or pair.fact in options.facts
        )
        if not chosen:
            continue
        for pair, trouble in try_environment(environment._replace(pairs=chosen), options.folder):
            tried += 1
            wrong += trouble is not None
            expected = "fails" if pair.fails else "works"
            found = trouble or expected
            print(f"{pair.fact}: {pair.install} beside {environment.install}: {found}", flush=True)
        # One torch has gigabytes, and the next environment has another.
        shutil.rmtree(options.folder / "cache", ignore_errors=True)
    print(f"as stated: {tried - wrong} of {tried}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
