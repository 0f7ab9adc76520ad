"""`python -m bench`: one table, each row a ratio to `python -c pass` in the same run.

Whole processes are started by a small one; solves inside a process are timed in this one. The
contenders of a group take turns, each round in the reverse order of the one before, and the medians
count. Rows that ask the network are left out with `--no-network`, pip's unless `--pip` is given:
where an index has no metadata of its own for a wheel, pip downloads the whole of it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

from bench.processes import Ran, Spawner
from cudalock.indexes.package_index import default_index_url

BASE: Final = "python -c pass"
GOAL: Final = ("--torch", "2.5.1", "--fa2", "--python", "3.11", "--platform", "linux", "--offline")
OURS: Final = f"cudalock solve {' '.join(GOAL)}"
CHECK: Final = "cudalock check, 200 lines"
IMPOSSIBLE: Final = (
    *("--torch", "2.4.1", "bitsandbytes==0.43.0", "triton-windows==3.2.0.post21"),
    *("--python", "3.11", "--platform", "windows", "--offline"),
)
NO: Final = "cudalock solve, no solution: reasons and two hints"
FROZEN: Final = Path(__file__).parent / "frozen.txt"
"""An environment of 200 packages, of which 74 are the stack's and what it requires."""
PEER_GOAL: Final = "torch==2.5.1"
DAY: Final = ("--exclude-newer", "2026-11-01")
"""Of goals that an index is asked about: what it lists changes from day to day."""
PINS: Final = Path(__file__).parent / "pins.txt"
"""200 pins of an application, most of them of projects that the matrix lacks."""
LIVE: Final = {
    "vllm flash-attn deepspeed": "vllm\nflash-attn\ndeepspeed\n",
    "gradio lightning": "gradio\nlightning\n",
    "200 pins": PINS.read_text(encoding="utf-8"),
}
"""Goals that lead out of the matrix, as words and as uv reads them."""
LIVE_BUDGET: Final = "15 x uv (aim 5 x), 3 s, 150 MB"
RELAXED: Final = Path(__file__).parent / "relax.txt"
"""60 pins, of which two conflict with the others."""
UV_LOCK: Final = Path(__file__).parent / "uv-lock.txt"
"""A uv.lock of 360 lines with a conflict."""
FLOOR: Final = "import click, packaging.requirements, packaging.version, resolvelib"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    group: str
    name: str
    seconds: float
    ratio: float
    """to `python -c pass`; in the group `scale`, to the same goal on the matrix as it is"""
    budget: str = ""
    megabytes: float | None = None
    runs: tuple[float, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Contender:
    """A whole process to time."""

    name: str
    command: tuple[str, ...]
    stdin: str = ""
    budget: str = ""
    note: str = ""
    is_peer: bool = False
    """whether it is a tool that does a like job"""
    like: str = ""
    """the name of a contender that does the same"""
    status: int = 0
    """the exit status that it is to end with"""


def contenders(network: bool, pip: bool) -> Iterator[Contender]:
    """What is compared; what is not installed or not wanted is left out."""
    yield Contender(BASE, (sys.executable, "-c", "pass"))
    yield Contender(f'python -c "{FLOOR}"', (sys.executable, "-c", FLOOR))
    solve = (*_cudalock(), "solve", *GOAL)
    yield Contender(OURS, solve, budget="10 x (aim 9 x), 60 MB")
    yield Contender(CHECK, (*_cudalock(), "check", str(FROZEN)), budget="10 x (aim 9 x)")
    impossible = (*_cudalock(), "solve", *IMPOSSIBLE)
    yield Contender(NO, impossible, budget="16 x (aim 12 x)", status=1)
    uv = shutil.which("uv", path=_search_path())
    if uv is not None:
        command = [uv, "pip", "compile", "-q", "--python-version", "3.11"]
        command += ["--python", sys.executable, "--python-platform", "linux", "-"]
        name = f"uv pip compile ({PEER_GOAL})"
        if network:
            # First, for its warm-up run fills the cache that the next one lives on.
            yield Contender(name, tuple(command), PEER_GOAL, "", "asks the index", True)
        offline = (*command, "--offline")
        yield Contender(f"{name} --offline", offline, PEER_GOAL, "", "warm cache", True)
        for words, text in LIVE.items() if network else ():
            yield Contender(_by_uv(words), (*command, *DAY), text, note="warm cache")
    if network and pip:
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "-q"]
        name = f"pip install --dry-run {PEER_GOAL}"
        yield Contender(name, (*command, PEER_GOAL), "", "", "asks the index", True)


def live_contenders(network: bool, scratch: Path) -> Iterator[Contender]:
    """What takes longest: goals that lead out of the matrix, explanations, conflicts of files."""
    lock = scratch / "uv.lock"
    text = UV_LOCK.read_text(encoding="utf-8")
    hosts = {"{index}": default_index_url().rstrip("/"), "{files}": "https://files.example"}
    for name, host in hosts.items():
        text = text.replace(name, host)
    lock.write_text(text, encoding="utf-8")
    target = ("--python", "3.11", "--platform", "linux")
    check = (*_cudalock(), "check", str(lock), "--offline")
    yield Contender("cudalock check, uv.lock", check, budget="3 s", status=1)
    relax = (*_cudalock(), "generate", str(RELAXED), "--relax", "--offline", *target)
    yield Contender("cudalock generate --relax, 60 pins", relax, budget="3 s")
    for words in LIVE if network else ():
        goal = ("generate", str(PINS)) if words == "200 pins" else ("solve", *words.split())
        live = (*_cudalock(), *goal, *target, *DAY)
        name = f"cudalock {goal[0]}, {words}"
        yield Contender(name, live, "", LIVE_BUDGET, "warm cache", like=_by_uv(words))
    conflicts = {
        "explain": ("gradio==3.50.2", "numpy==2.4.6"),
        "why-not": ("vllm==0.32.0", "--torch", "2.5.1"),
    }
    for command, words_of_one in conflicts.items() if network else ():
        conflict = (*_cudalock(), command, *words_of_one, *target, *DAY)
        name = f"cudalock {command} {' '.join(words_of_one)}"
        yield Contender(name, conflict, "", "3 s", "warm cache", status=1)


def _by_uv(words: str) -> str:
    return f"uv pip compile ({words})"


def time_processes(spawner: Spawner, found: Sequence[Contender], runs: int) -> list[Row]:
    """Time them in turns; one that fails is left out, with a word about it."""
    working = []
    for contender in found:
        # The first run fills caches, the system's too, and is not counted.
        status = spawner.run(contender.command, contender.stdin).status
        if status == contender.status:
            working.append(contender)
        else:
            _say(f"left out, as it ends with {status}: {contender.name}")
    ran: dict[str, list[Ran]] = {each.name: [] for each in working}
    for number in range(runs):
        _say(f"processes, round {number + 1} of {runs}")
        for contender in working if number % 2 == 0 else working[::-1]:
            ran[contender.name].append(spawner.run(contender.command, contender.stdin))
    medians = {name: median(each.seconds for each in found) for name, found in ran.items()}
    ours = medians.get(OURS)
    return [_process_row(each, ran[each.name], medians, ours) for each in working]


def _process_row(
    contender: Contender, ran: list[Ran], medians: Mapping[str, float], ours: float | None
) -> Row:
    seconds, base = medians[contender.name], medians[BASE]
    notes = [contender.note] if contender.note else []
    if contender.like in medians:
        notes.append(f"{seconds / medians[contender.like]:.2g} x uv")
    if contender.is_peer and ours is not None:
        notes.append(f"cudalock solve takes {ours / seconds:.2g} x as long")
    return Row(
        "process",
        contender.name,
        seconds,
        seconds / base,
        contender.budget,
        median(each.megabytes for each in ran),
        tuple(each.seconds for each in ran),
        "; ".join(notes),
    )


def time_inside(runs: int, base: float, factors: Sequence[int]) -> list[Row]:
    """Solves, explanations and loading, in this process."""
    from bench.inside import inside_timings

    rows = []
    unscaled: dict[str, float] = {}
    for each in inside_timings(runs, factors, _say):
        seconds = median(each.seconds)
        against = unscaled.setdefault(each.goal, seconds) if each.group == "scale" else base
        rows.append(
            Row(
                each.group,
                each.name,
                seconds,
                seconds / against,
                each.budget,
                None,
                tuple(each.seconds),
                each.note,
            )
        )
    return rows


def time_random(count: int, base: float) -> list[Row]:
    """Random goals over all components, and two that are hard; the processor's time."""
    from bench.random_goals import HARD, Spread, random_goals, time_goals
    from cudalock.files import data_directory
    from cudalock.matrix.matrix import Matrix

    matrix = Matrix.load(data_directory())
    rows = []
    if count > 1:
        _say(f"{count} random goals")
        goals = islice(random_goals(0, matrix), count)
        seconds = [timing.seconds for timing in time_goals(goals, matrix)]
        spread = Spread.of(seconds)
        name = f"{count} random goals over all components"
        rows += [
            Row("random", f"{name}, median", spread.median, spread.median / base, "15 ms"),
            Row(
                "random",
                f"{name}, 99th percentile",
                spread.percentile_99,
                spread.percentile_99 / base,
                "300 ms (aim 200 ms)",
            ),
            Row("random", f"{name}, worst", spread.worst, spread.worst / base, "2 s (aim 1 s)"),
        ]
    for name, question in HARD.items():
        _say(name)
        (timing,) = time_goals(iter([question]), matrix)
        rows.append(Row("random", name, timing.seconds, timing.seconds / base, "2 s"))
    return rows


# -- telling --------------------------------------------------------------------------------------


def told(rows: Sequence[Row]) -> list[list[str]]:
    """The table as text, its head first."""
    lines = [["what", "time", "ratio", "to", "memory", "budget", "note"]]
    for row in rows:
        milliseconds = 1000 * row.seconds
        time = f"{milliseconds:.1f} ms" if milliseconds < 1000 else f"{row.seconds:.1f} s"
        ratio = f"{row.ratio:.2f}" if row.ratio < 10 else f"{row.ratio:.1f}"
        memory = "" if row.megabytes is None else f"{row.megabytes:.0f} MB"
        to = "1 x the wheels" if row.group == "scale" else BASE
        lines.append([row.name, time, ratio, to, memory, row.budget, row.note])
    return lines


def markdown(rows: Sequence[Row]) -> str:
    """The table for README."""
    head, *lines = told(rows)
    marks = ["---", "---:", "---:", "---", "---:", "---", "---"]
    shown = [head, marks, *lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in shown) + "\n"


def plain(rows: Sequence[Row]) -> str:
    """The table for a terminal."""
    lines = told(rows)
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    shown = []
    for line in lines:
        first, *rest = (
            word.rjust(width) if column in (1, 2, 4) else word.ljust(width)
            for column, (word, width) in enumerate(zip(line, widths, strict=True))
        )
        shown.append("  ".join([first, *rest]).rstrip())
    return "\n".join(shown) + "\n"


def about() -> dict[str, Any]:
    """The machine and the versions that the numbers are from."""
    from importlib.metadata import version

    from cudalock.matrix.matrix import Matrix

    return {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "matrix": Matrix.load().version,
        **{name: version(name) for name in ("cudalock", "resolvelib", "packaging")},
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _search_path() -> str:
    here = str(Path(sys.executable).parent)
    return os.pathsep.join([here, os.environ.get("PATH", "")])


def _cudalock() -> tuple[str, ...]:
    """The installed script, as a user starts it; the module where there is none."""
    script = shutil.which("cudalock", path=str(Path(sys.executable).parent))
    return (script,) if script else (sys.executable, "-m", "cudalock")


def parser() -> argparse.ArgumentParser:
    """The options of `python -m bench`."""
    found = argparse.ArgumentParser("python -m bench", description=__doc__)
    found.add_argument("--runs", type=int, default=7, help="of each contender (default 7)")
    found.add_argument("--json", type=Path, metavar="FILE", help="every run, for machines")
    found.add_argument("--markdown", type=Path, metavar="FILE", help="the table for README")
    found.add_argument("--no-network", action="store_true", help="no row that asks an index")
    found.add_argument("--pip", action="store_true", help="pip too, which may take minutes")
    found.add_argument("--scale", default="1,3,10", help="factors of wheels (default 1,3,10)")
    found.add_argument("--random", type=int, default=2000, help="goals (default 2000)")
    return found


def main(words: list[str] | None = None) -> int:
    """Measure, and print the table."""
    arguments = parser().parse_args(words)
    with Spawner() as spawner, TemporaryDirectory() as scratch:
        network = not arguments.no_network
        found = [*contenders(network, arguments.pip), *live_contenders(network, Path(scratch))]
        rows = time_processes(spawner, found, arguments.runs)
    base = next(row.seconds for row in rows if row.name == BASE)
    factors = [int(factor) for factor in arguments.scale.split(",") if factor]
    rows += time_inside(arguments.runs, base, factors)
    rows += time_random(arguments.random, base)
    print(plain(rows), end="")
    if arguments.markdown:
        arguments.markdown.write_text(markdown(rows), encoding="utf-8")
    if arguments.json:
        result = {"about": about(), "rows": [asdict(row) for row in rows]}
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
