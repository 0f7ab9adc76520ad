"""`python -m bench.faults --output DIR`: commands with faults injected, and what was lost.

Every trial has a seed of its own and one line in `DIR/trials.jsonl`; an interrupted run continues
where it stopped. The exit status is 1 if anything was lost.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from bench.faults.kills import Undisturbed, choose_kill, try_kill, undisturbed
from bench.faults.others import KINDS
from bench.faults.world import Servers, World

PAGE: Final = Path(__file__).parents[1] / "faults.md"
TITLES: Final = {
    "kills": "killed at a random moment, or before a change of a file",
    "disks": "a quota, a full disk, a read-only one",
    "caches": "a damaged cache",
    "races": "three runs at once",
    "links": "the output is a link",
    "clocks": "a clock that jumps",
    "servers": "a hostile index",
}


def main(words: list[str] | None = None) -> int:
    """Run the trials that are not in the folder yet, and write the page."""
    parser = argparse.ArgumentParser("python -m bench.faults", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--kills", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", choices=list(TITLES), help="kinds of faults")
    parser.add_argument("--page", type=Path, help=f"write the table, as {PAGE.name} has it")
    said = parser.parse_args(words)
    said.output.mkdir(parents=True, exist_ok=True)
    records = said.output / "trials.jsonl"
    done = (
        {row["trial"] for row in map(json.loads, records.open()) if row["seed"] == said.seed}
        if records.is_file()
        else set()
    )
    with Servers() as servers, records.open("a", encoding="utf-8") as file:
        world = World(said.output / "scratch", servers)
        cleans: dict[str, Undisturbed] = {}
        for kind in said.only or TITLES:
            for name, trial in _trials(kind, world, cleans, said.kills):
                key = f"{kind}: {name}"
                if key in done:
                    continue
                begun = time.monotonic()
                record = trial(random.Random(f"{said.seed} {key}"))
                record = {"faults": record} if isinstance(record, list) else record
                seconds = round(time.monotonic() - begun, 2)
                row = {"trial": key, "seed": said.seed, "kind": kind, "seconds": seconds, **record}
                file.write(json.dumps(row) + "\n")
                file.flush()
                if record["faults"]:
                    print(key, *record["faults"], sep="\n  ", flush=True)
    rows = [json.loads(line) for line in records.open(encoding="utf-8")]
    if said.page:
        said.page.write_text(page(rows), encoding="utf-8")
    lost = sum(bool(row["faults"]) for row in rows)
    print(f"{len(rows)} trials, {lost} with a fault")
    return 1 if lost else 0


def _trials(
    kind: str, world: World, cleans: dict[str, Undisturbed], kills: int
) -> Iterator[tuple[str, Callable[[random.Random], Any]]]:
    for name, command in world.commands.items():
        if name not in cleans and kind != "servers":
            cleans[name] = undisturbed(world, command)
    if kind != "kills":
        yield from KINDS[kind](world, cleans)
        return
    for number in range(kills):
        name = list(world.commands)[number % len(world.commands)]

        def trial(chance: random.Random, name: str = name) -> dict[str, Any]:
            kill = choose_kill(chance, cleans[name])
            return try_kill(world, world.commands[name], cleans[name], kill)

        yield f"{name}, {number}", trial


def page(rows: list[dict[str, Any]]) -> str:
    """Return the figures as a page."""
    by_kind: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_kind[row["kind"]].append(row)
    lines = [
        "# Faults by injection",
        "",
        "Made by `python -m bench.faults --output DIR --page bench/faults.md`. A fault is a file"
        " that is neither the old nor the new one, a traceback or undocumented status, a hang,"
        " more than 500 MB, a file left by an interruption, or a next run that ends otherwise than"
        " an undisturbed one. The seed and every trial are in `trials.jsonl`.",
        "",
        "| What is done to commands | Trials | With a fault |",
        "|---|--:|--:|",
    ]
    for kind, title in TITLES.items():
        there = by_kind.get(kind, [])
        faults = sum(bool(row["faults"]) for row in there)
        lines.append(f"| {title} | {len(there):,} | {faults} |")
    lines += [
        "",
        "## Kills",
        "",
        "| Command | Kills | Hit it while it ran | Lost |",
        "|---|--:|--:|--:|",
    ]
    by_command: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in by_kind.get("kills", []):
        by_command[row["trial"].removeprefix("kills: ").rpartition(", ")[0]].append(row)
    for name, there in by_command.items():
        hit = sum(row["killed"] for row in there)
        lost = sum(bool(row["faults"]) for row in there)
        lines.append(f"| {name} | {len(there)} | {hit} | {lost} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
