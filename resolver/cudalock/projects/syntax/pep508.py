"""One requirement as PEP 508 has it, with the places of its parts.

Most requirements are simple and are parsed here, three times as fast; packaging decides about all
others, and about what is right and wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from cudalock.projects.model import Declared, Place
from cudalock.records import NamedTuple
from cudalock.versions import (
    NUMBER,
    canonical,
    holds,
    parse_marker,
    parse_requirement,
)
from cudalock.versions import is_specifier as parses_as_specifier

_NAME: Final = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*")
_EXTRAS: Final = re.compile(r"\[([^\]]*)\]\s*")
_EXTRA: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_SINGLE: Final = re.compile(r"=\s*([0-9][\w.+*]*)")
"""A version after one equals sign, as conda has it."""
_URL: Final = re.compile(r"@\s*(\S+)\s*")
_CLAUSE: Final = re.compile(
    rf"(?:(?:[=!]=)\s*{NUMBER}(?:\.{NUMBER})*(?:\.\*|(?:(?:a|b|rc|\.post|\.dev){NUMBER})?"
    r"(?:\+[A-Za-z0-9]{1,100}(?:\.[A-Za-z0-9]{1,100})*)?)"
    rf"|(?:[<>]=?)\s*{NUMBER}(?:\.{NUMBER})*(?:(?:a|b|rc|\.post|\.dev){NUMBER})?"
    rf"|~=\s*{NUMBER}(?:\.{NUMBER})+(?:(?:a|b|rc|\.post|\.dev){NUMBER})?)"
)
"""A clause that packaging accepts for certain."""


class Parsed(NamedTuple):
    """The parts of a requirement; `name` as written. A span is of the text that was parsed.

    `version` is the span of the specifier or URL, empty and after name and extras where there is
    none. With a `problem` the other fields hold what could be parsed nevertheless.
    """

    name: str
    extras: tuple[str, ...]
    specifier: str
    url: str | None
    marker: str | None
    version: tuple[int, int]
    problem: str | None = None


def parse(text: str) -> Parsed:
    """Parse a requirement; what is wrong with it is in `problem`."""
    head = _NAME.match(text)
    if head is None:
        return Parsed("", (), "", None, None, (0, 0), _reason(text) or "it has no name")
    position = head.end()
    extras: tuple[str, ...] = ()
    doubtful = False
    if bracket := _EXTRAS.match(text, position):
        written = [extra.strip() for extra in bracket[1].split(",")]
        doubtful = not all(map(_EXTRA.fullmatch, written)) and written != [""]
        extras = tuple(sorted({canonical(extra) for extra in written if extra}))
        position = bracket.end()
    if address := _URL.match(text, position):
        return _with_url(text, head[1], extras, address, doubtful)
    semicolon = text.find(";", position)
    end = len(text) if semicolon < 0 else semicolon
    start, stop = _bare(text, position, end)
    text_part = text[start:stop]
    marker = None if semicolon < 0 else text[semicolon + 1 :].strip()
    version = (
        (start, stop) if text_part else (_insertion(text, position), _insertion(text, position))
    )
    # packaging takes three times as long, and a lock has thousands of requirements.
    specifier = _specifier(text_part)
    if doubtful or specifier is None or not (marker is None or is_marker(marker)):
        single = _SINGLE.fullmatch(text_part)
        bare = text[:position].strip()
        problem = f"did you mean `{bare}=={single[1]}`?" if single else _reason(text)
        stripped = "" if problem else "".join(text_part.split())
        # packaging takes a name that ends in an underscore.
        if not is_specifier(stripped):
            problem, stripped = f"invalid version specifier `{text_part}`", ""
        return Parsed(head[1], extras, stripped, None, marker, version, problem)
    return Parsed(head[1], extras, specifier, None, marker, version)


def _with_url(
    text: str, name: str, extras: tuple[str, ...], address: re.Match[str], doubtful: bool
) -> Parsed:
    tail = text[address.end() :]
    marker = tail[1:].strip() if tail.startswith(";") else None
    problem = None
    if doubtful or (tail and marker is None) or not (marker is None or is_marker(marker)):
        problem = _reason(text) or "it goes on after its address"
    return Parsed(name, extras, "", address[1], marker, address.span(1), problem)


def _bare(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the span without blanks and without the parentheses of old metadata: `torch (>=2)`."""
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    if (
        start + 1 < end
        and text[start] == "("
        and text[end - 1] == ")"
        and "(" not in text[start + 1 : end]
    ):
        return _bare(text, start + 1, end - 1)
    return start, end


def _insertion(text: str, position: int) -> int:
    """Return where a specifier goes: right after name and extras."""
    while position and text[position - 1].isspace():
        position -= 1
    return position


def _specifier(text: str) -> str | None:
    """Return the specifier without blanks; None if packaging has to decide about it."""
    if not text:
        return ""
    clauses = [clause.strip() for clause in text.split(",")]
    if not all(map(_CLAUSE.fullmatch, clauses)):
        return None
    return ",".join("".join(clause.split()) for clause in clauses)


def is_name(text: str) -> bool:
    """Whether this can be the name of a project, or of an extra."""
    return _EXTRA.fullmatch(text) is not None


@lru_cache(maxsize=1024)
def is_marker(text: str) -> bool:
    """Whether this is a PEP 508 marker."""
    from packaging.markers import InvalidMarker

    try:
        parse_marker(text)
    except InvalidMarker:
        return False
    return True


def may_hold(marker: str, environment: Mapping[str, str]) -> bool:
    """Whether a marker holds; one that cannot be evaluated does."""
    return _may_hold(marker, tuple(environment.items()))


@lru_cache(maxsize=8192)
def _may_hold(marker: str, environment: tuple[tuple[str, str], ...]) -> bool:
    try:
        return holds(marker, {"extra": "", **dict(environment)})
    # KeyError: a variable that only an installer knows, `extras` of a pylock.toml.
    except (ValueError, KeyError):
        return True


@lru_cache(maxsize=1024)
def is_specifier(text: str) -> bool:
    """Whether this is a PEP 440 specifier, the empty one included."""
    return _specifier(text) is not None or parses_as_specifier(text)


def _reason(text: str) -> str | None:
    """What packaging has against a requirement; None if nothing."""
    from packaging.requirements import InvalidRequirement

    try:
        parse_requirement(text)
    except InvalidRequirement as error:
        return str(error).splitlines()[0] if str(error) else "it cannot be read"
    return None


def entry(
    parsed: Parsed,
    text: str,
    place: Place,
    version_place: Place | None,
    ignored: frozenset[str],
    *,
    group: str | None = None,
    role: str = "requirement",
) -> Declared:
    """Return the entry for a requirement of a file; see :class:`Declared` for the arguments."""
    return Declared(
        name=canonical(parsed.name),
        text=text,
        place=place,
        specifier=parsed.specifier,
        marker=parsed.marker,
        extras=parsed.extras,
        url=parsed.url,
        group=group,
        role=role,
        version_place=version_place,
        syntax="url" if parsed.url else "pep508",
        ignored=ignored,
    )


__all__ = ["Parsed", "entry", "is_marker", "is_name", "is_specifier", "may_hold", "parse"]
