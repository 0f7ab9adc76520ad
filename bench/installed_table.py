"""The tables of `bench.installed`: the result of each stack, and which pairs work."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

VERDICTS: Final = ("works", "warned", "fails", "slow", "unsolved", "skipped", "locked")

LACKING: Final = {
    "libavutil.so": "FFmpeg",
    "libnvidia-ml.so.1: cannot open": "the NVIDIA driver",
    "libcuda.so.1: cannot open": "the NVIDIA driver",
    "CUDA driver version is insufficient": "the NVIDIA driver",
    # Triton without a GPU, of a package that compiles a kernel when it is imported.
    "0 active drivers ([])": "the NVIDIA driver",
}
"""Texts of failures that are about the machine, with what it lacks."""

SLOW: Final = "no end within"

HEAD: Final = """\
| Stack | Python | Locked | Result |
|---|---|---|---|
"""


def verdict(result: Mapping[str, Any]) -> str:
    """Return in one word what happened to a stack.

    Warned: a warning of the lock names all that fails. Slow: something did not end in time.
    Skipped: the package index or the Pythons at hand are not enough. Locked: it was not to be
    installed.
    """
    if result["lock"]["status"]:
        return "unsolved"
    if result["skipped"]:
        return "skipped"
    if not result["installed"]:
        return "locked"
    if any(result["installed"].values()) or result["differences"] or result["pip_check"]:
        return "fails"
    failures = [program for program, reason in result["failures"].items() if not _lacking(reason)]
    if not failures:
        return "works"
    if all(SLOW in result["failures"][program] for program in failures):
        return "slow"
    return "warned" if all(_is_named(program, result) for program in failures) else "fails"


def _lacking(reason: str) -> str | None:
    """Return what the machine lacks, if that is why something failed."""
    return next((what for text, what in LACKING.items() if text in reason), None)


def _is_named(program: str, result: Mapping[str, Any]) -> bool:
    """Does a warning of the lock name the pair that an import or trial fails with?"""
    lock = result["lock"]
    texts = [warning["says"] for warning in lock["warnings"]]
    texts += [f"{unknown['subject']} {unknown['about']}" for unknown in lock["unknowns"]]
    names = set(projects_of(program, result)) - {"torch", "numpy"}
    others = set(lock["pins"])
    return any(
        words[0] in names and others & set(words[1:])
        for text in texts
        if (words := text.lower().replace(",", " ").split())
    )


def projects_of(program: str, result: Mapping[str, Any]) -> list[str]:
    """Return the projects that an import or a trial needs."""
    return list(result["programs"].get(program, ()))


def requested(result: Mapping[str, Any]) -> list[str]:
    """Return the names of the projects that a stack requests, torch first."""
    names = [Requirement(requirement).name for requirement in result["stack"]["beside"]]
    return ["torch", *(canonicalize_name(name) for name in names)]


def markdown(
    results: Sequence[Mapping[str, Any]], before: str = "", order: Sequence[str] = ()
) -> str:
    """Return the counts, the table of stacks, and why some fail.

    The rows of `before`, a text of an earlier run, stay for stacks without a result; `order` are
    the names of all stacks.
    """
    entries = [(result["stack"]["name"], _row(result), _reasons(result)) for result in results]
    examined = {name for name, _, _ in entries}
    entries += [entry for entry in _entries_of(before) if entry[0] not in examined]
    places = {name: place for place, name in enumerate(order)}
    entries.sort(key=lambda entry: places.get(entry[0], -1))
    verdicts = (row.split(" | ")[-1].split()[0].strip(":;") for _, row, _ in entries)
    counts = Counter(verdicts)
    counted = ", ".join(f"{counts[word]} {word}" for word in VERDICTS if counts[word])
    table = "".join(row for _, row, _ in entries)
    reasons = "".join(reason for _, _, reason in entries)
    return f"{len(entries)} stacks: {counted}.\n\n{HEAD}{table}" + (
        f"\n{reasons}" if reasons else ""
    )


def _entries_of(table: str) -> Iterator[tuple[str, str, str]]:
    """Yield the name of each stack of a table, its row, and the lines of why it fails."""
    lines = table.splitlines(keepends=True)
    for row in lines:
        name = row[2:].split(" | ", 1)[0].split(", as of ", 1)[0]
        if row.startswith("| ") and name != "Stack":
            reasons = (line for line in lines if line.startswith(f"- {name}, "))
            yield name, row, "".join(reasons)


def _reasons(result: Mapping[str, Any]) -> str:
    """Return a line for each reason, with all that failed by it."""
    programs: dict[str, list[str]] = {}
    for program, reason in _problems(result):
        programs.setdefault(_last_line(reason), []).append(program)
    return "".join(
        f"- {result['stack']['name']}, {', '.join(names)}: `{reason}`\n"
        for reason, names in programs.items()
    )


def _row(result: Mapping[str, Any]) -> str:
    pins = result["lock"].get("pins", {})
    locked = ", ".join(f"{name} {pins[name]}" for name in requested(result) if name in pins)
    word = verdict(result)
    note = f": {result['skipped']}" if word == "skipped" else ""
    lacks = dict.fromkeys(filter(None, map(_lacking, result["failures"].values())))
    note += "".join(f"; {what} is not on the machine" for what in lacks)
    stack = result["stack"]
    name = f"{stack['name']}, as of {stack['before']}" if stack["before"] else stack["name"]
    return f"| {name} | {stack['python']} | {locked} | {word}{note} |\n"


def _problems(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what failed, and why: a step or a program, and the end of its output."""
    installers = [(f"install with {name}", text) for name, text in result["installed"].items()]
    compared = [("comparison", line) for line in result["differences"]]
    checked = [("pip check", line) for line in result["pip_check"]]
    problems = [*installers, *compared, *checked, *result["failures"].items()]
    if result["lock"]["status"]:
        problems.append(("solve", "\n".join(result["lock"]["summary"][:1])))
    return [(name, text) for name, text in problems if text]


def _last_line(text: str) -> str:
    line = text.strip().splitlines()[-1].removeprefix("the first error: ")
    # Where a file lies says nothing: neither the folder here, nor the host of the index.
    line = re.sub(r"/\S*/site-packages/|https?://\S+/", "", line).replace("`", "'").strip()
    return line if len(line) <= 200 else f"{line[:200]} ..."


def pairs(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return each requested project beside its torch, and the programs of it that fail."""
    rows = []
    for result in results:
        pins = result["lock"].get("pins", {})
        if result["skipped"] or not result["installed"] or any(result["installed"].values()):
            continue
        for name in requested(result)[1:]:
            failed = [
                program for program in result["failures"] if name in projects_of(program, result)
            ]
            if name in pins:
                versions = {"torch": pins["torch"], name: pins[name]}
                row = {"pins": versions, "python": result["stack"]["python"], "works": not failed}
                rows.append({**row, "failures": {key: result["failures"][key] for key in failed}})
    return rows


def result_json(results: Sequence[Mapping[str, Any]]) -> str:
    """Return the stacks with all their pins, and the pairs, as JSON."""
    stacks = [
        {
            "name": result["stack"]["name"],
            "python": result["stack"]["python"],
            "date": result["date"],
            "command": result["lock"]["command"],
            "verdict": verdict(result),
            "pins": result["lock"].get("pins", {}),
            "problems": dict(_problems(result)),
        }
        for result in results
    ]
    return json.dumps({"stacks": stacks, "pairs": pairs(results)}, indent=1) + "\n"
