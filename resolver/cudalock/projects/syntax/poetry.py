"""Poetry's constraints as PEP 440 specifiers: `^2.5`, `~2.5.1`, `2.5.*`, `>=2.4 <2.6`, `2.5.1`."""

from __future__ import annotations

import re
from typing import Final

from packaging.version import InvalidVersion, Version

from cudalock.projects.syntax.pep508 import is_specifier
from cudalock.versions import parse_version

_CLAUSE: Final = re.compile(r"(\^|~=|~|===?|=|!=|<>|<=?|>=?)?\s*([^\s,|^~=!<>]+)\s*")
_LONGEST: Final = 500
_SAME: Final = {"": "==", "=": "==", "<>": "!="}


def translate(text: str) -> str | None:
    """The specifier; None for what PEP 440 cannot say, as `<2 || >3`, or for what is no version."""
    if len(text) > _LONGEST:
        return None
    if "|" in text:
        return _either(re.split(r"\|\|?", text))
    clauses: list[str] = []
    for part in text.split(","):
        text_part = part.strip()
        position = 0
        while position < len(text_part):
            match = _CLAUSE.match(text_part, position)
            clause = _clause(match[1] or "", match[2]) if match else None
            if match is None or clause is None:
                return None
            clauses += [clause] if clause else []
            position = match.end()
    specifier = ",".join(clauses)
    return specifier if is_specifier(specifier) else None


def _either(ranges: list[str]) -> str | None:
    """Ranges of which one may hold: with one version between them, all but that one."""
    all_clauses: list[str] = []
    for text in ranges:
        specifier = translate(text)
        if not specifier:
            return None
        clauses = sorted(specifier.split(","), key=lambda clause: clause[0] == "<")
        if all_clauses:
            below, above = all_clauses.pop(), clauses.pop(0)
            if below[:1] + above[:1] != "<>" or below[1:] != above[1:] or below[1] == "=":
                return None
            clauses.insert(0, f"!={below[1:]}")
        all_clauses += clauses
    specifier = ",".join(all_clauses)
    return specifier if is_specifier(specifier) else None


def _clause(operator: str, version: str) -> str | None:
    if version in ("*", "x", "X"):
        return ""
    wild = re.fullmatch(r"v?([0-9.]+?)((\.[*xX])+)", version)
    if wild and operator in ("", "=", "==", "!=", "^", "~"):
        return f"{'!=' if operator == '!=' else '=='}{wild[1]}.*"
    try:
        parsed = parse_version(version)
    except InvalidVersion:
        return None
    if operator == "^":
        # PEP 440 has no order for local versions
        return f">={parsed.public},<{_next_breaking(parsed)}"
    if operator == "~":
        return f">={parsed.public},<{_raised(parsed.release, min(len(parsed.release), 2) - 1)}"
    if operator == "~=" and len(parsed.release) == 1:
        return f">={version},<{_raised(parsed.release, 0)}"
    ordered = operator not in ("", "=", "==", "===", "!=", "<>")
    return f"{_SAME.get(operator, operator)}{parsed.public if ordered else version}"


def _next_breaking(version: Version) -> str:
    """The first version that a caret excludes: the leftmost number that is not 0 may not change."""
    release = version.release
    for position, number in enumerate(release[:3]):
        if number:
            return _raised(release, position)
    return _raised(release, min(len(release), 3) - 1)


def _raised(release: tuple[int, ...], position: int) -> str:
    """The release with one number raised, and zeros after it."""
    numbers = [*release[:position], release[position] + 1]
    numbers += [0] * (len(release) - len(numbers))
    return ".".join(map(str, numbers))


def python_marker(text: str) -> str | None:
    """Poetry's `python = "^3.10"` of one dependency as a marker."""
    specifier = translate(text)
    if specifier is None:
        return None
    clauses = re.findall(r"(===|[=!~<>]=|[<>])([^,]+)", specifier)
    return " and ".join(f'{_variable(version)} {op} "{version}"' for op, version in clauses) or None


def _variable(version: str) -> str:
    return "python_full_version" if version.count(".") > 1 else "python_version"
