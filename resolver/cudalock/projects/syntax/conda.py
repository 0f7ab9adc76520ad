"""conda's package specs, with their versions as PEP 440 specifiers where that can be said.

`name=2.5` means any 2.5, `name==2.5` and `name=2.5=BUILD` that one; `name >=2.4,<2.6` is as in PEP
440. What only conda can say (`|`, versions that are none for PEP 440) has no specifier.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from cudalock.projects.syntax.pep508 import is_specifier

_HEAD: Final = re.compile(r"\s*(?:([^\s:\[\]=<>]+)(?::[^\s:]*)?::)?([A-Za-z0-9_][A-Za-z0-9_.-]*)")
_BRACKET: Final = re.compile(
    r"(version|build|channel)\s*=\s*(?:'([^']*)'|\"([^\"]*)\"|([^\s,'\"\]]+))"
)
_LONGEST: Final = 500


class Spec(NamedTuple):
    """A spec taken apart; `specifier` is None where PEP 440 cannot say it.

    `version` is the span of all that follows the name.
    """

    channel: str | None
    name: str
    specifier: str | None
    build: str | None
    version: tuple[int, int]


def parse(text: str) -> Spec | None:
    """The spec; None for what is none."""
    head = _HEAD.match(text)
    if head is None or len(text) > _LONGEST:
        return None
    start, end = head.end(), len(text.rstrip())
    rest = text[start:end]
    if rest.startswith("["):
        return _with_brackets(head, rest, (start, end))
    if rest and rest[0] not in " \t=<>!~":
        return None
    version, build = _split(rest)
    return Spec(head[1], head[2], _specifier(version, build is not None), build, (start, end))


def _with_brackets(head: re.Match[str], rest: str, span: tuple[int, int]) -> Spec | None:
    if not rest.endswith("]"):
        return None
    said = {key: a or b or c for key, a, b, c in _BRACKET.findall(rest)}
    specifier = _specifier(said.get("version", ""), False)
    return Spec(said.get("channel", head[1]), head[2], specifier, said.get("build"), span)


def _split(rest: str) -> tuple[str, str | None]:
    """Version and build, which come after a blank or after an `=`."""
    said = rest.strip()
    operator = re.match(r"[=<>!~]*", said)
    begin = operator.end() if operator else 0
    joined = re.sub(r"\s*,\s*", ",", said[begin:].strip())
    joined = re.sub(r"([<>=!~]=?)\s+", r"\1", joined)
    version, separator, build = joined.partition("=") if "," not in joined else (joined, "", "")
    if not separator:
        version, separator, build = joined.partition(" ")
    found = build.strip() or None
    return said[:begin] + version.strip(), None if found == "*" else found


def _specifier(version: str, has_build: bool) -> str | None:
    """A version as conda has it in PEP 440's words; None where those do not reach."""
    if version in ("", "*", "=*", "==*"):
        return ""
    clauses = [_clause(each.strip(), has_build) for each in version.split(",")]
    if any(each is None for each in clauses):
        return None
    specifier = ",".join(each for each in clauses if each)
    return specifier if is_specifier(specifier) else None


def _clause(clause: str, has_build: bool) -> str | None:
    found = re.fullmatch(r"(==|=|>=|<=|>|<|!=|~=)?\s*([0-9][A-Za-z0-9._+!]*?)(\.?\*)?", clause)
    if found is None:
        return None
    operator, version, star = found[1] or "", found[2], found[3]
    if operator == "=" and not has_build:
        return f"=={version}.*"
    if operator in ("", "=", "==", "!="):
        sign = "!=" if operator == "!=" else "=="
        return f"{sign}{version}.*" if star else f"{sign}{version}"
    return f"{operator}{version}"
