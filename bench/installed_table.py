"""The tables of `bench.installed`: what each stack came to, and which pairs work."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def verdict(result: Mapping[str, Any]) -> str:
    """Return in one word what a stack came to: works, warned, fails, unsolved, locked or skipped.

    Warned: all that fails is named in a warning of the lock.
    """
    if result["lock"]["status"]:
        return "unsolved"
    if result["skipped"]:
        return "skipped"
    if not result["installed"]:
        return "locked"
    broken = [*filter(None, result["installed"].values()), *result["differences"]]
    if broken or result["pip_check"]:
        return "fails"
    if not result["failures"]:
        return "works"
    return "warned" if all(_is_named(name, result) for name in result["failures"]) else "fails"


def _is_named(failure: str, result: Mapping[str, Any]) -> bool:
    """Does a warning of the lock name what fails, an import or a trial?"""
    lock = result["lock"]
    texts = [warning["says"] for warning in lock["warnings"]]
    texts += [unknown["subject"] for unknown in lock["unknowns"]]
    project = failure.removeprefix("import ").replace("_", "-").lower()
    return any(project in text.lower() for text in texts)


def markdown(results: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of stacks, and what failed, in Markdown."""
    rows = ["| Stack | Python | Lock | Result |", "|---|---|---|---|"]
    for result in results:
        pins = result["lock"].get("pins", {})
        named = ["torch", *result["stack"]["beside"]]
        names = [name.split("=")[0].split("<")[0].split(">")[0].split("[")[0] for name in named]
        lock = ", ".join(f"{name} {pins[name]}" for name in names if name in pins)
        rows.append(
            f"| {result['stack']['name']} | {result['stack']['python']} | {lock} | {verdict(result)} |"
        )
    failed = [
        f"- {result['stack']['name']}: {name}: `{text.splitlines()[-1]}`"
        for result in results
        for name, text in result["failures"].items()
    ]
    return "\n".join([*rows, "", *failed]) + "\n"


def result_json(results: Iterable[Mapping[str, Any]]) -> str:
    """Return for each stack the versions, and what worked and failed, as JSON."""
    rows = [
        {
            "name": result["stack"]["name"],
            "verdict": verdict(result),
            "pins": result["lock"].get("pins", {}),
            "failures": result["failures"],
        }
        for result in results
    ]
    return json.dumps(rows, indent=1) + "\n"
