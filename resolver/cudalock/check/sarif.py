"""Findings as SARIF 2.1.0, the form in which code scanners are read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from cudalock import __version__
from cudalock.findings import RULES, Finding, Rule

if TYPE_CHECKING:
    from cudalock.projects.model import Place

VERSION: Final = "2.1.0"
SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(findings: Sequence[Finding], matrix_version: str) -> str:
    """One run, with every rule, and a result for each finding."""
    order = {code: at for at, code in enumerate(RULES)}
    run = {
        "tool": {
            "driver": {
                "name": "cudalock",
                "version": __version__,
                "semanticVersion": __version__,
                "properties": {"matrix": matrix_version},
                "rules": [_rule(rule) for rule in RULES.values()],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, order[finding.code]) for finding in findings],
    }
    log = {"$schema": SCHEMA, "version": VERSION, "runs": [run]}
    return json.dumps(log, indent=2) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": rule.summary},
        "defaultConfiguration": {"level": rule.severity},
    }


def _result(finding: Finding, rule: int) -> dict[str, Any]:
    fix = f". Fix: {finding.fix}" if finding.fix else ""
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": finding.severity,
        "message": {"text": f"{finding.sentence}{fix}"},
        "properties": {"facts": list(finding.facts), "members": list(finding.members)},
    }
    if finding.place is not None:
        result["locations"] = [_location(finding.place)]
    return result


def _location(place: Place) -> dict[str, Any]:
    region = {
        "startLine": max(place.line, 1),
        "startColumn": max(place.column, 1),
        "endColumn": max(place.column, 1) + max(place.end - place.start, 0),
    }
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(place.file)},
            "region": region,
        }
    }


def _uri(file: str) -> str:
    path = PurePath(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())


__all__ = ["SCHEMA", "VERSION", "sarif"]
