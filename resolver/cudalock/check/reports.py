"""Findings as text: for people, programs, GitHub's annotations, and (`sarif`) as SARIF.

`full` is `text` with the line that a finding is about, a caret under its part.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from cudalock.files import slashed
from cudalock.findings import SEVERITIES, Finding
from cudalock.records import NamedTuple
from cudalock.text import one_line, visible

if TYPE_CHECKING:
    from cudalock.projects.model import Place

SCHEMA: Final = 1
"""The version of the JSON report's form."""


class CheckReport(NamedTuple):
    """What a report is made of: findings, and what else is known of the files."""

    findings: Sequence[Finding]
    matrix: str
    """the matrix's version"""
    texts: Mapping[str, str] = {}
    """the files' content by name, as `Place` counts its characters"""
    fixable: Collection[tuple[str, tuple[str, ...]]] = ()
    """the code and members of each finding that `--fix` fixes"""
    style: Callable[[str, str], str] = lambda words, role: words
    """colours words by what they are: "place", "fixable", or a severity"""


def text(report: CheckReport) -> str:
    """A line for each, `file:line:col: CODE message`, its fix below it."""
    lines = []
    for finding in report.findings:
        lines.append(one_line(f"{_where(finding.place)}: {_sentence(finding)}"))
        if finding.fix:
            lines.append("    " + one_line(f"fix: {finding.fix}"))
    return "".join(f"{line}\n" for line in lines)


def full(report: CheckReport) -> str:
    """The same with the source line of each, and `[*]` where `--fix` fixes it."""
    return "".join(
        f"{line}\n" for finding in report.findings for line in _full_lines(finding, report)
    )


def _sentence(finding: Finding) -> str:
    severity = "" if finding.severity == "error" else f"{finding.severity}: "
    facts = f"   [{', '.join(finding.facts)}]" if finding.facts else ""
    return f"{finding.code} {severity}{finding.sentence}{facts}"


_WIDEST: Final = 160
"""Characters of a source line that are shown: a lock may have one of a megabyte."""


def _full_lines(finding: Finding, report: CheckReport) -> Iterator[str]:
    place, style = finding.place, report.style
    fixable = (finding.code, finding.members) in report.fixable
    mark = style(" [*]", "fixable") if fixable else ""
    code, _, sentence = one_line(_sentence(finding)).partition(" ")
    where = one_line(_where(place))
    yield f"{style(where, 'place')}: {style(code, finding.severity)}{mark} {sentence}"
    if place is not None and place.file in report.texts:
        yield from _source_lines(place, report.texts[place.file], finding.severity, style)
    if finding.fix:
        yield "    " + one_line(f"fix: {finding.fix}")
    yield ""


def _source_lines(
    place: Place, content: str, role: str, style: Callable[[str, str], str]
) -> Iterator[str]:
    begin = content.rfind("\n", 0, place.start) + 1
    rest = content[begin:].partition("\n")[0].rstrip("\r")
    # Before the caret a tab counts as one character, as it does in what is shown.
    line = visible(rest.replace("\t", " "))[:_WIDEST]
    column = place.start - begin
    if not line.strip() or column >= len(line):
        return
    length = max(1, min(place.end - place.start, len(line) - column))
    number = str(place.line)
    yield f"{' ' * len(number)} |"
    yield f"{number} | {line}"
    yield f"{' ' * len(number)} | {' ' * column}{style('^' * length, role)}"


def as_json(report: CheckReport) -> str:
    """All that is known of each finding, and how many there are of each severity."""
    document = {
        "schema": SCHEMA,
        "matrix": report.matrix,
        "summary": {
            severity: sum(finding.severity == severity for finding in report.findings)
            for severity in SEVERITIES
        },
        "findings": [_record(finding) for finding in report.findings],
    }
    return json.dumps(document, indent=2) + "\n"


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


def github(report: CheckReport) -> str:
    """Workflow commands, which GitHub Actions shows beside the lines."""
    commands = {"error": "error", "warning": "warning", "note": "notice"}
    lines = []
    for finding in report.findings:
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


def _sarif(report: CheckReport) -> str:
    from cudalock.check.sarif import sarif

    return sarif(report.findings, report.matrix)


def _where(place: Place | None) -> str:
    return str(place) if place else "-"


REPORTS: Final[dict[str, Callable[[CheckReport], str]]] = {
    "text": text,
    "full": full,
    "json": as_json,
    "github": github,
    "sarif": _sarif,
}
"""Each format of `--output-format`."""

__all__ = ["REPORTS", "SCHEMA", "CheckReport"]
