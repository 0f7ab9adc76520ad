"""What the grid came to: counts, times, reasons and a table, as JSON, Markdown and CSV."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final

Record = dict[str, Any]

SHOWN: Final = 10


def write_summary(blocks: list[Record], output: Path, about: Record) -> Record:
    """Write `summary.json`, `summary.md` and `table.csv`; the first is given back."""
    summary = {**about, **summarise(blocks)}
    (output / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    rows = list(table(blocks, about["components"]))
    text = "\n".join([*_markdown(summary), "", *_markdown_table(rows)]) + "\n"
    (output / "summary.md").write_text(text, encoding="utf-8")
    with (output / "table.csv").open("w", encoding="utf-8", newline="") as file:
        head = ["torch", "cuda", "platform", "alone", *about["components"]]
        writer = csv.DictWriter(file, head, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return summary


def summarise(blocks: list[Record]) -> Record:
    """Counts, times and reasons over everything solved."""
    cells = [{**_head(block), **cell} for block in blocks for cell in block.get("cells", ())]
    solved = [cell for cell in cells if "ms" in cell]
    times = {
        answer: sorted(cell["ms"] for cell in solved if cell["answer"] == answer)
        for answer in ("yes", "no")
    }
    explained = sorted(cell["explained_ms"] for cell in solved if "explained_ms" in cell)
    empty = sum(block.get("empty", 0) for block in blocks)
    by_subset = {(_place(cell), tuple(cell["with"])): cell for cell in solved}
    return {
        "cells": empty + len(cells),
        "trivially_empty": empty,
        "yes": sum(cell["answer"] == "yes" for cell in cells),
        "yes_with_warnings": sum("warnings" in cell for cell in cells),
        "no": sum(cell["answer"] == "no" for cell in cells),
        "no_decided_by_a_part": sum("ms" not in cell for cell in cells),
        "solved": len(solved),
        "milliseconds": {
            "all": _spread(sorted(times["yes"] + times["no"])),
            **{answer: _spread(found) for answer, found in times.items()},
            "explanation": _spread(explained),
        },
        "worst": [_named(cell) for cell in sorted(solved, key=lambda each: -each["ms"])[:SHOWN]],
        "reasons": dict(_reasons(cells, by_subset).most_common()),
        "disagreements": [
            {**_named(found), "wrong": found["wrong"]} for found in _wrong(blocks, cells)
        ],
    }


def table(blocks: list[Record], components: list[str]) -> Iterator[Record]:
    """One row for each release, CUDA build and platform: the Pythons that each component has."""
    rows: dict[tuple[str, str, str], dict[str, set[str]]] = {}
    for block in blocks:
        for cell in block.get("cells", ()):
            if cell["answer"] == "yes" and len(cell["with"]) < 2:
                key = (block["torch"], block["cuda"], block["platform"])
                name = cell["with"][0] if cell["with"] else "alone"
                rows.setdefault(key, {}).setdefault(name, set()).add(block["python"])
    for key in sorted(rows, key=_newest_first):
        head = dict(zip(("torch", "cuda", "platform"), key, strict=True))
        found = {name: spans(rows[key].get(name, set())) for name in ("alone", *components)}
        yield {**head, **found}


def spans(pythons: Iterable[str]) -> str:
    """`3.9 to 3.12, 3.13t` for the Pythons of a set."""
    plain = sorted(int(each[2:]) for each in pythons if not each.endswith("t"))
    words: list[list[int]] = []
    for minor in plain:
        if words and words[-1][1] == minor - 1:
            words[-1][1] = minor
        else:
            words.append([minor, minor])
    told = [f"3.{low}" if low == high else f"3.{low} to 3.{high}" for low, high in words]
    free = sorted((each for each in pythons if each.endswith("t")), key=_numbers)
    return ", ".join([*told, *free])


def _head(block: Record) -> Record:
    return {key: value for key, value in block.items() if key not in ("cells", "empty", "wrong")}


def _place(cell: Record) -> tuple[str, ...]:
    keys = ("torch", "cuda", "python", "platform", "glibc", "machine")
    return tuple(str(cell.get(key, "")) for key in keys)


def _named(cell: Record) -> Record:
    keys = ("torch", "cuda", "python", "platform", "glibc", "machine", "with", "answer", "ms")
    return {key: cell[key] for key in keys if key in cell}


def _wrong(blocks: list[Record], cells: list[Record]) -> list[Record]:
    return [found for found in (*blocks, *cells) if "wrong" in found]


def _reasons(cells: list[Record], by_subset: dict[Any, Record]) -> Counter[str]:
    """How many cells of no rest on a fact; without any, on the wheels that there are."""
    found: Counter[str] = Counter()
    for cell in cells:
        if cell["answer"] != "no":
            continue
        decider = by_subset.get((_place(cell), tuple(cell.get("by", ()))), cell)
        source = cell if "facts" in cell else decider
        if "facts" in source:
            found.update(source["facts"] or ["no wheel, or metadata alone"])
    return found


def _spread(times: list[float]) -> Record:
    if len(times) < 2:
        return {"count": len(times), **({"worst": times[0]} if times else {})}
    return {
        "count": len(times),
        "median": round(median(times), 2),
        "p99": round(quantiles(times, n=100)[98], 2),
        "worst": times[-1],
    }


def _markdown(summary: Record) -> Iterator[str]:
    yield "# The grid"
    yield ""
    yield "| cells | trivially empty | yes | of these with warnings | no | no, decided by a part |"
    yield "|---:|---:|---:|---:|---:|---:|"
    keys = ("cells", "trivially_empty", "yes", "yes_with_warnings", "no", "no_decided_by_a_part")
    yield "| " + " | ".join(f"{summary[key]:,}" for key in keys) + " |"
    yield ""
    yield "| processor time, ms | count | median | 99 % | worst |"
    yield "|---|---:|---:|---:|---:|"
    for name, spread in summary["milliseconds"].items():
        shown = [f"{spread[key]:,}" if key in spread else "" for key in _SPREAD]
        yield f"| {name} | " + " | ".join(shown) + " |"
    yield ""
    for cell in summary["worst"][:1]:
        yield f"Worst cell: {_told(cell)}, {cell['ms']} ms."
    yield f"Disagreements: {len(summary['disagreements'])}."
    for found in summary["disagreements"][:SHOWN]:
        yield f"- {_told(found)}: {'; '.join(found['wrong'])}"
    if summary["reasons"]:
        yield ""
        yield "| why not | cells |"
        yield "|---|---:|"
        for reason, count in list(summary["reasons"].items())[: 3 * SHOWN]:
            yield f"| {reason} | {count:,} |"


_SPREAD: Final = ("count", "median", "p99", "worst")


def _told(cell: Record) -> str:
    wanted = " + ".join([f"torch {cell['torch']}", *cell.get("with", ())])
    return f"{wanted}, CUDA {cell['cuda']}, Python {cell['python']}, {cell['platform']}"


def _markdown_table(rows: list[Record]) -> Iterator[str]:
    if not rows:
        return
    yield "| " + " | ".join(rows[0]) + " |"
    yield "|" + "---|" * len(rows[0])
    for row in rows:
        yield "| " + " | ".join(row.values()) + " |"


def _newest_first(key: tuple[str, str, str]) -> tuple[Any, ...]:
    torch, cuda, platform = key
    return tuple(-number for number in _numbers(torch)), cuda == "cpu", _numbers(cuda), platform


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text))
