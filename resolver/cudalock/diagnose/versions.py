"""The versions that a text tells of: from installers' logs, lists, file names and messages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from cudalock.diagnose.machine import LONGEST
from cudalock.versions import canonical, leading_name, parse_requirement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.diagnose.text import Text
    from cudalock.matrix.matrix import Matrix

ASKED: Final = 1
"""What somebody wanted, or had before."""
SEEN: Final = 2
"""What some line names, a file or a message."""
LISTED: Final = 3
"""What a list of packages has."""
INSTALLED: Final = 4
"""What an installer said that it installed or found."""

_INSTALLED: Final = "Successfully installed "
_SATISFIED: Final = "Requirement already satisfied: "
_GONE: Final = ("Found existing installation: ", "Uninstalling ", "Successfully uninstalled ", "- ")
_OF_ANOTHER: Final = re.compile(r"\b(?:requires?|depends? on|needs)\b[^;]*$", re.IGNORECASE)
_HAS: Final = re.compile(r"\(you have ([^\s()]+)\)")
_FOUND: Final = re.compile(r"\(([^\s()]+)\)\s*$")

_VERSION: Final = (
    r"\d+(?:\.\d+)+(?:(?:a|b|rc)\d+)?(?:\.?post\d+)?(?:\.?dev\d+)?"
    r"(?:\+[A-Za-z0-9]+(?:[._][A-Za-z0-9]+)*)?"
)
_PAIR: Final = re.compile(
    r"(?<![\w.+-])(?P<name>[A-Za-z][A-Za-z0-9]*(?:[._-][A-Za-z0-9]+)*?)"
    r"(?P<between>==|(?:\.__version__)?['\"]?(?:\s+version)?\s*[:=]\s*['\"]?v?"
    r"|\s+version\s+|\s+v?|-)"
    rf"(?P<version>{_VERSION})(?![A-Za-z0-9]|\.\d)"
)
_BOUND: Final = re.compile(
    r"(?<![^\s:])(?P<who>[\w.+-]+) requires? (?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[\w,-]*\])? ?"
    r"\(?(?P<specifier>(?:[<>=!~]=?=? ?[\w.*+]+)(?:, ?[<>=!~]=?=? ?[\w.*+]+)*)"
)
_FILE_ENDS: Final = re.compile(r"\.(?:dist|whl|tar|zip|egg)$")


class Pin(NamedTuple):
    """A project at a version, as the text has it."""

    name: str
    """the matrix's name where it has one, else canonical"""
    version: str
    line: int
    trust: int


def read_pins(text: Text, matrix: Matrix) -> list[Pin]:
    """One pin a project, in the order of the text: what is trusted most, and of that the last."""
    best: dict[str, Pin] = {}
    for pin in _all_pins(text, _Namer(matrix)):
        known = best.get(pin.name)
        if known is None or pin.trust >= known.trust:
            best[pin.name] = pin
    return sorted(best.values(), key=lambda pin: (pin.line, pin.name))


def read_bounds(text: Text, matrix: Matrix) -> dict[str, str]:
    """What a package asks of others by the text: `a requires b>=1`, `a 2.0 requires b<2`.

    Where the matrix holds that very release, and what it asks of the other, it knows more.
    """
    namer = _Namer(matrix)
    bounds: dict[str, str] = {}
    for line in text.lines:
        match = _BOUND.search(line, 0, LONGEST) if " require" in line else None
        name = match and namer.known(match["name"], "")
        if match is None or not name or _is_known(line, match, name, namer, matrix):
            continue
        specifier = match["specifier"].replace(" ", "")
        if _is_specifier(specifier):
            bounds[name] = specifier
    return bounds


def _is_known(line: str, match: re.Match[str], name: str, namer: _Namer, matrix: Matrix) -> bool:
    """Whether a release that the line names is held, and limits the other project."""
    version = match["who"]
    before = line[: match.start()].split()
    who = before and _is_version(version) and namer.known(before[-1], version)
    project = matrix.project(who) if who else None
    if project is None or version.partition("+")[0] not in project:
        return False
    return any(
        leading_name(text) == name and parse_requirement(text).specifier
        for build in project.release(version.partition("+")[0]).builds
        for text in build.requires
    )


class _Namer:
    """Which word names which project; an alias does so only with a version that exists."""

    def __init__(self, matrix: Matrix) -> None:
        self._matrix = matrix
        self._seen: dict[str, str | None] = {}

    def known(self, word: str, version: str) -> str | None:
        """The matrix's project, None for a word that is no project there."""
        if word not in self._seen:
            names = self._matrix.names
            self._seen[word] = names.find(word) or names.imports.get(word)
        project = self._seen[word]
        if project is None or canonical(word) == project:
            return project
        return project if version.partition("+")[0] in self._matrix.versions(project) else None

    def any(self, word: str, version: str) -> str:
        """A name that an installer wrote, known or not."""
        return self.known(word, version) or canonical(word)


def _all_pins(text: Text, namer: _Namer) -> Iterator[Pin]:
    for number, line in enumerate(text.lines, 1):
        plain = line.strip()
        if plain.startswith(_INSTALLED):
            yield from _installed(plain.removeprefix(_INSTALLED), number, namer)
        elif plain.startswith(_SATISFIED):
            yield from _satisfied(plain.removeprefix(_SATISFIED), number, namer)
        elif plain:
            yield from _pairs(
                plain[:LONGEST].replace("%2B", "+").replace("%2b", "+"), number, namer
            )


def _installed(tokens: str, number: int, namer: _Namer) -> Iterator[Pin]:
    """`a-1.0 b-2.0`."""
    for token in tokens.split():
        name, _, version = token.rpartition("-")
        if name and _is_version(version):
            yield Pin(namer.any(name, version), version, number, INSTALLED)


def _satisfied(rest: str, number: int, namer: _Namer) -> Iterator[Pin]:
    """`a>=1 in /env/lib/python3.11/site-packages (from b) (1.2)`."""
    name, found = (
        re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", rest[:LONGEST]),
        _FOUND.search(rest[-200:]),
    )
    if name and found and _is_version(found[1]):
        yield Pin(namer.any(name[0], found[1]), found[1], number, INSTALLED)


def _pairs(line: str, number: int, namer: _Namer) -> Iterator[Pin]:
    for match in _PAIR.finditer(line):
        version = _FILE_ENDS.sub("", match["version"])
        name = namer.known(match["name"], version)
        if name is None or not _is_version(version):
            continue
        # It names what something was made for, and then what is there.
        has = _HAS.match(line[match.end() :].lstrip()) or _HAS.search(line, match.end())
        if has and _is_version(has[1]):
            yield Pin(name, has[1], number, INSTALLED)
            continue
        trust = _trust(line, match)
        if trust:
            yield Pin(name, version, number, trust)


def _trust(line: str, match: re.Match[str]) -> int:
    """How sure it is that such a version is installed; 0 for what another package asks for."""
    before, after = line[: match.start()], line[match.end() :]
    if line.startswith(_GONE):
        return ASKED
    if before == "+ ":  # uv
        return INSTALLED
    if match["between"] == "==":
        if before.endswith("you require "):
            return ASKED
        if _OF_ANOTHER.search(before):
            return 0
        return ASKED if before or after.lstrip()[:1] not in ("", "#", ";") else LISTED
    if before.endswith("you have "):
        return INSTALLED
    if after.startswith(" requires ") and "you have " in after:
        return INSTALLED
    return LISTED if not before and not after.strip() else SEEN


def _is_specifier(text: str) -> bool:
    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        return False
    return True


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True
