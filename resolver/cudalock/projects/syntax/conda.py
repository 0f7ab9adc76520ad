"""conda's package specs, with their versions as PEP 440 specifiers where that is possible.

`name=2.5` means any 2.5, `name==2.5` and `name=2.5=BUILD` exactly that; `name >=2.4,<2.6` is as in
PEP 440. What only conda has (`|`, versions that PEP 440 does not allow) has no specifier.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from cudalock.projects.syntax.pep508 import is_specifier

# `conda-forge::pytorch`, `conda-forge/linux-64::pytorch`; conda's grammar has a namespace between
# the colons.
_HEAD: Final = re.compile(r"\s*(?:([^\s:\[\]=<>]+)(?::[^\s:]*)?::)?([A-Za-z0-9_][A-Za-z0-9_.-]*)")
# conda's long form: `pytorch[version='>=2.4', build=*cuda*]`.
_BRACKET: Final = re.compile(
    r"(version|build|channel)\s*=\s*(?:'([^']*)'|\"([^\"]*)\"|([^\s,'\"\]]+))"
)
_LONGEST: Final = 500


class Spec(NamedTuple):
    """A spec in its parts; `specifier` is None where PEP 440 has none for it.

    `version` is the span of everything after the name.
    """

    channel: str | None
    name: str
    specifier: str | None
    build: str | None
    version: tuple[int, int]


def parse(text: str) -> Spec | None:
    """Parse a spec; None for an invalid one."""
    head = _HEAD.match(text)
    # A spec is a line; longer text is something else, and the patterns backtrack.
    if head is None or len(text) > _LONGEST:
        return None
    start, end = head.end(), len(text.rstrip())
    tail = text[start:end]
    if tail.startswith("["):
        return _with_brackets(head, tail, (start, end))
    if tail and tail[0] not in " \t=<>!~":
        return None
    version, build = _split(tail)
    return Spec(head[1], head[2], _specifier(version, build is not None), build, (start, end))


def _with_brackets(head: re.Match[str], tail: str, span: tuple[int, int]) -> Spec | None:
    if not tail.endswith("]"):
        return None
    fields = {key: a or b or c for key, a, b, c in _BRACKET.findall(tail)}
    specifier = _specifier(fields.get("version", ""), False)
    return Spec(fields.get("channel", head[1]), head[2], specifier, fields.get("build"), span)


def _split(text: str) -> tuple[str, str | None]:
    """Version and build, which come after a blank or after an `=`."""
    stripped = text.strip()
    operator = re.match(r"[=<>!~]*", stripped)
    begin = operator.end() if operator else 0
    # conda ignores blanks around commas and behind operators, but one before the build separates
    # it.
    joined = re.sub(r"\s*,\s*", ",", stripped[begin:].strip())
    joined = re.sub(r"([<>=!~]=?)\s+", r"\1", joined)
    # A build belongs to one version, so behind a comma `=` is an operator again.
    version, separator, build = joined.partition("=") if "," not in joined else (joined, "", "")
    if not separator:
        version, separator, build = joined.partition(" ")
    build_text = build.strip() or None
    return stripped[:begin] + version.strip(), None if build_text == "*" else build_text


def _specifier(version: str, has_build: bool) -> str | None:
    """Translate a version of conda to PEP 440; None if that is impossible."""
    if version in ("", "*", "=*", "==*"):
        return ""
    clauses = [_clause(part.strip(), has_build) for part in version.split(",")]
    if any(part is None for part in clauses):
        return None
    specifier = ",".join(part for part in clauses if part)
    return specifier if is_specifier(specifier) else None


def _clause(clause: str, has_build: bool) -> str | None:
    match = re.fullmatch(r"(==|=|>=|<=|>|<|!=|~=)?\s*([0-9][A-Za-z0-9._+!]*?)(\.?\*)?", clause)
    if match is None:
        return None
    operator, version, star = match[1] or "", match[2], match[3]
    # conda: one `=` is a prefix match, unless a build follows: then version and build are exact.
    if operator == "=" and not has_build:
        return f"=={version}.*"
    if operator in ("", "=", "==", "!="):
        sign = "!=" if operator == "!=" else "=="
        return f"{sign}{version}.*" if star else f"{sign}{version}"
    return f"{operator}{version}"
