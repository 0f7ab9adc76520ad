"""Findings as text: for people, programs, GitHub's annotations, and (`sarif`) as SARIF."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from cudalock.files import slashed
from cudalock.findings import SEVERITIES, Finding
from cudalock.text import one_line, visible

if TYPE_CHECKING:
    from cudalock.projects.model import Place

SCHEMA: Final = 1
"""The version of the JSON report's form."""


def text(findings: Sequence[Finding], matrix_version: str) -> str:
    """A line for each, `file:line:col: CODE message`, its fix below it."""
    lines = []
    for finding in findings:
        severity = "" if finding.severity == "error" else f"{finding.severity}: "
        facts = f"   [{', '.join(finding.facts)}]" if finding.facts else ""
        says = f"{finding.code} {severity}{finding.sentence}{facts}"
        lines.append(one_line(f"{_where(finding.place)}: {says}"))
        if finding.fix:
            lines.append("    " + one_line(f"fix: {finding.fix}"))
    return "".join(f"{line}\n" for line in lines)


def as_json(findings: Sequence[Finding], matrix_version: str) -> str:
    """All that is known of each finding, and how many there are of each severity."""
    report = {
        "schema": SCHEMA,
        "matrix": matrix_version,
        "summary": {
            severity: sum(finding.severity == severity for finding in findings)
            for severity in SEVERITIES
        },
        "findings": [_record(finding) for finding in findings],
    }
    return json.dumps(report, indent=2) + "\n"


def _record(finding: Finding) -> dict[str, Any]:
    place = finding.place
    return {
        "file": slashed(place.file) if place else None,
        "line": place.line if place else None,
        "column": place.column if place else None,
        "code": finding.code,
        "name": finding.rule.name,
        "severity": finding.severity,
        "message": finding.sentence,
        "facts": list(finding.facts),
        "fix": finding.fix,
        "members": list(finding.members),
    }


def github(findings: Sequence[Finding], matrix_version: str) -> str:
    """Workflow commands, which GitHub Actions shows beside the lines."""
    commands = {"error": "error", "warning": "warning", "note": "notice"}
    lines = []
    for finding in findings:
        place = finding.place
        at: list[tuple[str, object]] = [("title", f"{finding.code} {finding.rule.name}")]
        if place is not None:
            at = [("file", slashed(place.file)), ("line", place.line), ("col", place.column), *at]
        properties = ",".join(f"{name}={_property(value)}" for name, value in at)
        fix = f"; fix: {finding.fix}" if finding.fix else ""
        facts = f" [{', '.join(finding.facts)}]" if finding.facts else ""
        says = _message(f"{finding.sentence}{facts}{fix}")
        lines.append(f"::{commands[finding.severity]} {properties}::{says}\n")
    return "".join(lines)


def _message(text: object) -> str:
    """As the runner's commands escape what they say, and without what a log would act on."""
    escaped = str(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return visible(escaped.replace("\t", " "))


def _property(text: object) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")


def _sarif(findings: Sequence[Finding], matrix_version: str) -> str:
    from cudalock.check.sarif import sarif

    return sarif(findings, matrix_version)


def _where(place: Place | None) -> str:
    return str(place) if place else "-"


REPORTS: Final[dict[str, Callable[[Sequence[Finding], str], str]]] = {
    "text": text,
    "json": as_json,
    "github": github,
    "sarif": _sarif,
}
"""Each format of `--format`: findings and the matrix's version in, text out."""

__all__ = ["REPORTS", "SCHEMA"]
