"""The tables of `bench.installed`: the result of each stack, and which pairs work."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

VERDICTS: Final = ("works", "warned", "fails", "unsolved", "skipped", "locked")

HEAD: Final = """\
| Stack | Python | Locked | Result |
|---|---|---|---|
"""


def verdict(result: Mapping[str, Any]) -> str:
    """Return in one word what happened to a stack.

    Warned: a warning of the lock names all that fails. Skipped: the package index or the Pythons at
    hand are not enough. Locked: it was not to be installed.
    """
    if result["lock"]["status"]:
        return "unsolved"
    if result["skipped"]:
        return "skipped"
    if not result["installed"]:
        return "locked"
    if any(result["installed"].values()) or result["differences"] or result["pip_check"]:
        return "fails"
    if not result["failures"]:
        return "works"
    return "warned" if all(_is_named(name, result) for name in result["failures"]) else "fails"


def _is_named(program: str, result: Mapping[str, Any]) -> bool:
    """Does a warning of the lock name a project of an import or trial that fails?"""
    lock = result["lock"]
    texts = [warning["says"] for warning in lock["warnings"]]
    texts += [unknown["subject"] for unknown in lock["unknowns"]]
    names = set(projects_of(program, result)) - {"torch", "numpy"}
    return any(text.split()[0].lower() in names for text in texts if text)


def projects_of(program: str, result: Mapping[str, Any]) -> list[str]:
    """Return the projects that an import or a trial needs."""
    return list(result["programs"].get(program, ()))


def requested(result: Mapping[str, Any]) -> list[str]:
    """Return the names of the projects that a stack requests, torch first."""
    names = [Requirement(requirement).name for requirement in result["stack"]["beside"]]
    return ["torch", *(canonicalize_name(name) for name in names)]


def markdown(results: Sequence[Mapping[str, Any]]) -> str:
    """Return the counts, the table of stacks, and why some fail."""
    counts = Counter(verdict(result) for result in results)
    counted = ", ".join(f"{counts[word]} {word}" for word in VERDICTS if counts[word])
    rows = "".join(_row(result) for result in results)
    reasons = "".join(
        f"- {result['stack']['name']}, {program}: `{_last_line(reason)}`\n"
        for result in results
        for program, reason in _problems(result)
    )
    return f"{len(results)} stacks: {counted}.\n\n{HEAD}{rows}" + (
        f"\n{reasons}" if reasons else ""
    )


def _row(result: Mapping[str, Any]) -> str:
    pins = result["lock"].get("pins", {})
    locked = ", ".join(f"{name} {pins[name]}" for name in requested(result) if name in pins)
    word = verdict(result)
    note = f": {result['skipped']}" if word == "skipped" else ""
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
    line = text.strip().splitlines()[-1].replace("`", "'").strip()
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
