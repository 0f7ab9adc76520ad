"""Read requirements and markers of the form that METADATA nearly always has.

packaging reads every form there is, and importing its parser, with the tokenizer, markers and tags
that it brings, takes a tenth of a solve. Nothing that a solve over the matrix reads is of another
form. What is not plain is None here, and :mod:`cudalock.versions` gives it to packaging; a test
reads every requirement and marker of the matrix both ways.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from operator import eq, ne
from typing import TYPE_CHECKING, Final

from packaging.specifiers import InvalidSpecifier, Specifier

from cudalock.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    Atom = tuple[str, Callable[[str], bool]]
    """a variable, and what is asked of its value"""

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
# One space at most between two parts: with any number, where parts may be missing, a line of spaces
# would be split in all ways.
_CLAUSE = r"(?:~=|==|!=|<=|>=|<|>) ?[A-Za-z0-9.*+!_-]+"
_CLAUSES = rf"{_CLAUSE}(?: ?, ?{_CLAUSE})*"
_REQUIREMENT: Final = (
    rf"({_NAME}) ?(?:\[ ?({_NAME}(?: ?, ?{_NAME})*) ?\])? ?"
    rf"(?:({_CLAUSES})|\( ?({_CLAUSES}) ?\))? ?(?:; ?(.+))?"
)
_TOKEN: Final = (
    r" *(?:([()])|(and|or)\b"
    r"|([a-z_]+) *(==|!=|<=|>=|<|>|~=|in\b|not +in\b) *(?:'([^']*)'|\"([^\"]*)\"))"
)
_VERSIONS: Final = frozenset({"python_version", "python_full_version"})
"""The variables that are compared as versions, and always are one."""
_TEXTS: Final = frozenset(
    {
        *("extra", "implementation_name", "os_name", "platform_machine"),
        *("platform_python_implementation", "platform_system", "sys_platform"),
    }
)
_DEEPEST: Final = 20
"""Nested parentheses, each of which is a call here."""


def canonical_name(name: str) -> str:
    """Normalize the name of a project or an extra (PEP 503, PEP 685): `Flash_Attn` is `flash-attn`.

    packaging.utils has the same, which imports all of packaging.
    """
    return re.sub(r"[-_.]+", "-", name).lower()


class PlainRequirement(NamedTuple):
    """The parts of a requirement as it spells them."""

    name: str
    extras: frozenset[str]
    specifier: str
    marker: str | None


def read_requirement(text: str) -> PlainRequirement | None:
    """Return the parts of a PEP 508 requirement; None if it is not plain, or its marker is not."""
    match = re.fullmatch(_REQUIREMENT, text)
    if match is None:
        return None
    name, extras, bare, in_parentheses, marker = match.groups()
    if marker is not None and read_marker(marker) is None:
        return None
    named = frozenset(extra.strip() for extra in extras.split(",")) if extras else frozenset()
    return PlainRequirement(name, named, bare or in_parentheses or "", marker)


class PlainMarker:
    """A marker as groups of which one has to hold, with all that is in it."""

    __slots__ = ("_groups",)

    def __init__(self, groups: list[list[Atom | PlainMarker]]) -> None:
        self._groups = groups

    def evaluate(self, environment: Mapping[str, str]) -> bool | None:
        """Return whether it holds; None where the environment lacks a value that it asks for."""
        try:
            return any(all(_holds(part, environment) for part in one) for one in self._groups)
        except KeyError:
            return None


def _holds(part: Atom | PlainMarker, environment: Mapping[str, str]) -> bool:
    if isinstance(part, PlainMarker):
        inner = part.evaluate(environment)
        if inner is None:
            raise KeyError
        return inner
    variable, is_met = part
    return is_met(environment[variable])


@cache
def read_marker(text: str) -> PlainMarker | None:
    """Return a PEP 508 marker, None if it is not plain."""
    position, tokens = 0, []
    text = text.rstrip(" ")
    while position < len(text):
        match = re.compile(_TOKEN).match(text, position)
        if match is None:
            return None
        tokens.append(match)
        position = match.end()
    waiting = iter(tokens)
    marker = _read(waiting, 0)
    return marker if next(waiting, None) is None else None


def _read(tokens: Iterator[re.Match[str]], depth: int) -> PlainMarker | None:
    """Read atoms and what joins them, up to the end or the parenthesis that ends them."""
    groups: list[list[Atom | PlainMarker]] = [[]]
    needs_part = True
    for token in tokens:
        parenthesis, joining, variable, operator, single, double = token.groups()
        if joining or parenthesis == ")":
            if needs_part:
                return None
            if parenthesis:
                return PlainMarker(groups) if depth else None
            if joining == "or":
                groups.append([])
            needs_part = True
            continue
        part = (
            _read(tokens, depth + 1)
            if parenthesis and depth < _DEEPEST
            else _atom(variable, operator, single if single is not None else double)
        )
        if part is None or not needs_part:
            return None
        groups[-1].append(part)
        needs_part = False
    return None if needs_part or depth else PlainMarker(groups)


def _atom(variable: str | None, operator: str, value: str) -> Atom | None:
    if variable in _VERSIONS and operator[-1] != "n":
        try:
            specifier = Specifier(operator + value)
        except InvalidSpecifier:
            return None
        return variable, lambda version: specifier.contains(version, prereleases=True)
    if variable not in _TEXTS and variable not in _VERSIONS:
        return None
    if operator in ("==", "!="):
        compare = eq if operator == "==" else ne
        if variable == "extra":
            # PEP 685: METADATA of jax writes `with_cuda` and `with-cuda` for the same extra.
            value = canonical_name(value)
            return variable, lambda text: compare(canonical_name(text), value)
        return variable, lambda text: compare(text, value)
    # What another operator means of a text, only packaging knows.
    if variable == "extra":
        return None
    if operator == "in":
        return variable, lambda text: text in value
    if operator.startswith("not"):
        return variable, lambda text: text not in value
    return None
