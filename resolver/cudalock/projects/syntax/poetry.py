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
    """Translate constraints to a specifier; None for an invalid one, or one such as `<2 || >3`."""
    # A constraint is a line; longer text is something else.
    if len(text) > _LONGEST:
        return None
    if "|" in text:
        return _either(re.split(r"\|\|?", text))
    clauses: list[str] = []
    # Poetry takes a blank as well as a comma between clauses.
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
    """Join ranges of which one has to match, if there is a single version between them: `!=2.5`."""
    all_clauses: list[str] = []
    for text in ranges:
        specifier = translate(text)
        if not specifier:
            return None
        # Upper bounds last, so that the last of one range and the first of the next meet.
        clauses = sorted(specifier.split(","), key=lambda clause: clause[0] == "<")
        if all_clauses:
            below, above = all_clauses.pop(), clauses.pop(0)
            # `<2.5` and `>2.5`, with nothing but 2.5 in between; `<=2.5` would have no gap.
            if below[:1] + above[:1] != "<>" or below[1:] != above[1:] or below[1] == "=":
                return None
            clauses.insert(0, f"!={below[1:]}")
        all_clauses += clauses
    specifier = ",".join(all_clauses)
    return specifier if is_specifier(specifier) else None


def _clause(operator: str, version: str) -> str | None:
    # Poetry has `x` for `*`, as npm does.
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
        # PEP 440 compares local versions with == and != only, so a bound uses the public part.
        return f">={parsed.public},<{_next_breaking(parsed)}"
    if operator == "~":
        return f">={parsed.public},<{_raised(parsed.release, min(len(parsed.release), 2) - 1)}"
    # Poetry allows `~=2`, which PEP 440 does not.
    if operator == "~=" and len(parsed.release) == 1:
        return f">={version},<{_raised(parsed.release, 0)}"
    ordered = operator not in ("", "=", "==", "===", "!=", "<>")
    return f"{_SAME.get(operator, operator)}{parsed.public if ordered else version}"


def _next_breaking(version: Version) -> str:
    """The first version that a caret excludes: the leftmost number that is not 0 may not change."""
    release = version.release
    # Poetry looks at three numbers: `^0.0.3` is `<0.0.4`, and `^0.0.0.1` raises the third.
    for position, number in enumerate(release[:3]):
        if number:
            return _raised(release, position)
    return _raised(release, min(len(release), 3) - 1)


def _raised(release: tuple[int, ...], position: int) -> str:
    """The release with one number raised, and zeros after it."""
    numbers = [*release[:position], release[position] + 1]
    # As many numbers as before: poetry-core writes `^2.5.1` as `<3.0.0`.
    numbers += [0] * (len(release) - len(numbers))
    return ".".join(map(str, numbers))


def python_marker(text: str) -> str | None:
    """Translate Poetry's `python = "^3.10"` of one dependency to a marker."""
    specifier = translate(text)
    if specifier is None:
        return None
    clauses = re.findall(r"(===|[=!~<>]=|[<>])([^,]+)", specifier)
    return " and ".join(f'{_variable(version)} {op} "{version}"' for op, version in clauses) or None


def _variable(version: str) -> str:
    # python_version has two numbers only, so `python_version < "3.11.4"` would hold for 3.11.9.
    return "python_full_version" if version.count(".") > 1 else "python_version"
