"""Read package versions from a text: installers' logs, lists, file names and messages."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.diagnose.machine import LONGEST
from cudalock.projects.syntax.package_list import ListedPackage, has_list, packages
from cudalock.versions import (
    canonical,
    is_specifier,
    is_version,
    leading_name,
    parse_requirement,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.diagnose.text import PastedText
    from cudalock.matrix.matrix import Matrix

REQUESTED: Final = 1
"""Requested, or installed before."""
MENTIONED: Final = 2
"""In a sentence or a file name."""
LISTED: Final = 3
"""In a list of packages."""
INSTALLED: Final = 4
"""Installed or found by an installer, according to its log."""

_INSTALLED: Final = "Successfully installed "
_SATISFIED: Final = "Requirement already satisfied: "
# pip lists what it removes in the same form as what it installs.
_GONE: Final = ("Found existing installation: ", "Uninstalling ", "Successfully uninstalled ", "- ")
_OF_ANOTHER: Final = re.compile(r"\b(?:requires?|depends? on|needs)\b[^;]*$", re.IGNORECASE)
# `np.bool was deprecated in NumPy 1.20` is about any later one.
_OF_HISTORY: Final = re.compile(
    r"\b(?:deprecated|removed|introduced|added|dropped|renamed|expired|gone)"
    r" (?:in|with|since|as of|from)(?: the)? $",
    re.IGNORECASE,
)
_HAS: Final = re.compile(r"\(you have ([^\s()]+)\)")
_FOUND: Final = re.compile(r"\(([^\s()]+)\)\s*$")

_VERSION: Final = (
    r"[0-9]+(?:\.[0-9]+)+(?:(?:a|b|rc)[0-9]+)?(?:\.?post[0-9]+)?(?:\.?dev[0-9]+)?"
    r"(?:\+[A-Za-z0-9]+(?:[._][A-Za-z0-9]+)*)?"
)
_PAIR: Final = re.compile(
    r"(?<![\w.+-])(?P<name>[A-Za-z][A-Za-z0-9]*(?:[._-][A-Za-z0-9]+)*?)"
    r"(?P<between>==['\"]?|(?:\.__version__)?[`'\"]?(?:\s+[Vv]ersion)?\s*[:=(]\s*['\"]?v?"
    r"|[`'\"]?\s+[Vv]ersion\s+(?:is\s+)?|\s+v?|-|(?<=[a-zA-Z])(?=[0-9]))"
    rf"(?P<version>{_VERSION})(?![A-Za-z0-9]|\.[0-9])"
)
# `a 2.0 requires b>=1,<2`, and METADATA's `b (>=1)`.
_BOUND: Final = re.compile(
    r"(?<![^\s:])(?P<who>[\w.+-]+) requires? (?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[\w,-]*\])? ?"
    r"\(?(?P<specifier>(?:[<>=!~]=?=? ?[\w.*+]+)(?:, ?[<>=!~]=?=? ?[\w.*+]+)*)"
)
# torch.utils.collect_env writes the label apart from the version.
_BUILT_WITH: Final = re.compile(r"cuda used to build ([a-z]{1,20}): ([0-9]{1,2}\.[0-9]|none)")
_FILE_ENDS: Final = re.compile(r"\.(?:dist|whl|tar|zip|egg)$")


class TextPin(NamedTuple):
    """A project at a version, as a text has it."""

    name: str
    """the project name of the matrix, else the canonical one (PEP 503)"""
    version: str
    """with its local label, if any"""
    line: int
    """counted from 1"""
    trust: int
    """REQUESTED to INSTALLED"""


def read_pins(text: PastedText, matrix: Matrix) -> list[TextPin]:
    """Return one pin a project, in the order of the text: the most trusted, of several the last."""
    best: dict[str, TextPin] = {}
    for pin in _all_pins(text, _Namer(matrix)):
        # Later lines are of a later state of the same environment.
        known = best.get(pin.name)
        if known is None or pin.trust >= known.trust:
            best[pin.name] = pin
    return sorted(
        map(partial(_with_cuda, text, matrix), best.values()), key=lambda pin: (pin.line, pin.name)
    )


def _with_cuda(text: PastedText, matrix: Matrix, pin: TextPin) -> TextPin:
    """Add the label of the build where another line has it: `CUDA used to build PyTorch: 12.1`."""
    if pin.name != matrix.framework or "+" in pin.version:
        return pin
    match = _BUILT_WITH.search(text.folded)
    if match is None or matrix.names.find(match[1]) != pin.name:
        return pin
    label = "cpu" if match[2] == "none" else f"cu{match[2].replace('.', '')}"
    project = matrix.project(pin.name)
    if project is None or pin.version not in project:
        return pin
    is_build = any(build.local == label for build in project.release(pin.version).builds)
    return pin._replace(version=f"{pin.version}+{label}") if is_build else pin


def read_bounds(text: PastedText, matrix: Matrix) -> dict[str, str]:
    """Return project name to specifier for lines such as `a requires b>=1` or `a 2.0 requires b<2`.

    Lines about a release in the matrix are left out: the matrix has its whole METADATA.
    """
    namer = _Namer(matrix)
    bounds: dict[str, str] = {}
    for line in text.lines:
        match = _BOUND.search(line, 0, LONGEST) if " require" in line else None
        name = match and namer.known(match["name"], "")
        # uv's `and you require torch==2.3.0` is the request itself, which a fix may change.
        if match is not None and match["who"].lower() == "you":
            continue
        if match is None or not name or _is_known(line, match, name, namer, matrix):
            continue
        specifier = match["specifier"].replace(" ", "")
        if is_specifier(specifier):
            bounds[name] = specifier
    return bounds


def _is_known(line: str, match: re.Match[str], name: str, namer: _Namer, matrix: Matrix) -> bool:
    """Return whether the matrix has the release in the line, with a requirement on the project."""
    version = match["who"]
    before = line[: match.start()].split()
    who = before and is_version(version) and namer.known(before[-1], version)
    project = matrix.project(who) if who else None
    if project is None or version.partition("+")[0] not in project:
        return False
    return any(
        leading_name(text) == name and parse_requirement(text).specifier
        for build in project.release(version.partition("+")[0]).builds
        for text in build.requires
    )


class _Namer:
    """Maps words to projects; an alias counts only with a version of that project."""

    def __init__(self, matrix: Matrix) -> None:
        self._matrix = matrix
        self._projects: dict[str, str | None] = {}

    def known(self, word: str, version: str, *, is_sure: bool = False) -> str | None:
        """Return the matrix's project; None for any other word.

        `is_sure`: the text shows that the word is a package, so that an unknown version of an alias
        (`pytorch 1.7.1`) counts too.
        """
        if word not in self._projects:
            names = self._matrix.names
            self._projects[word] = names.find(word) or names.imports.get(word)
        project = self._projects[word]
        # An alias such as `fa2` or `pytorch` beside a number may be prose, unless the number is one
        # of its releases.
        if project is None or canonical(word) == project or is_sure:
            return project
        return project if version.partition("+")[0] in self._matrix.versions(project) else None

    def has(self, project: str, version: str) -> bool:
        """Return whether the matrix has a release that the version can mean."""
        return any(
            release == version or release.startswith(f"{version}.")
            for release in self._matrix.versions(project)
        )

    def any(self, word: str, version: str) -> str:
        """Return the project name for a word that an installer wrote as one."""
        return self.known(word, version) or canonical(word)


def _all_pins(text: PastedText, namer: _Namer) -> Iterator[TextPin]:
    listed = _packages_by_line(text)
    for number, line in enumerate(text.lines, 1):
        plain = line.strip()
        if number in listed:
            yield from _listed(listed[number], plain, number, namer)
        elif plain.startswith(_INSTALLED):
            yield from _installed(plain.removeprefix(_INSTALLED), number, namer)
        elif plain.startswith(_SATISFIED):
            yield from _satisfied(plain.removeprefix(_SATISFIED), number, namer)
        elif plain:
            # URLs have the plus sign of a local version escaped.
            yield from _pairs(
                plain[:LONGEST].replace("%2B", "+").replace("%2b", "+"), number, namer
            )


def _packages_by_line(text: PastedText) -> dict[int, ListedPackage]:
    """The entries of `pip list`, `conda list`, `pip show` and `collect_env` in a text."""
    if not has_list(text.lines):
        return {}
    plain = "\n".join(text.lines)
    number, position = 1, 0
    by_line = {}
    for package in packages(plain):
        number += plain.count("\n", position, package.start)
        position = package.start
        by_line[number] = package
    return by_line


def _listed(package: ListedPackage, line: str, number: int, namer: _Namer) -> Iterator[TextPin]:
    """One entry of a list; of `pip show`, what is not in the matrix as well."""
    version = package.version.removeprefix("v")
    if not is_version(version):
        return
    if line.startswith("Version:"):
        yield TextPin(namer.any(package.name, version), version, number, INSTALLED)
    elif (name := namer.known(package.name, version, is_sure=True)) is not None:
        yield TextPin(name, version, number, LISTED)


def _installed(tokens: str, number: int, namer: _Namer) -> Iterator[TextPin]:
    """Read `a-1.0 b-2.0`."""
    for token in tokens.split():
        name, _, version = token.rpartition("-")
        if name and is_version(version):
            yield TextPin(namer.any(name, version), version, number, INSTALLED)


def _satisfied(tail: str, number: int, namer: _Namer) -> Iterator[TextPin]:
    """Read `a>=1 in /env/lib/python3.11/site-packages (from b) (1.2)`."""
    name, installed = (
        re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", tail[:LONGEST]),
        _FOUND.search(tail[-200:]),
    )
    if name and installed and is_version(installed[1]):
        yield TextPin(namer.any(name[0], installed[1]), installed[1], number, INSTALLED)


def _pairs(line: str, number: int, namer: _Namer) -> Iterator[TextPin]:
    for match in _PAIR.finditer(line):
        version = _FILE_ENDS.sub("", match["version"])
        name = namer.known(match["name"], version, is_sure=_is_sure(line, match))
        # `torch2.5.1` without anything between is a part of wheels' names (`cu12torch2.5cxx11abi`),
        # and a version only if there is such a release.
        if not match["between"] and (name is None or not namer.has(name, version)):
            continue
        if name is None or not is_version(version):
            continue
        # `built for torch 2.6.0 (you have 2.7.0)`: the second one is installed.
        installed = _HAS.match(line[match.end() :].lstrip()) or _HAS.search(line, match.end())
        if installed and is_version(installed[1]):
            yield TextPin(name, installed[1], number, INSTALLED)
            continue
        trust = _trust(line, match)
        if trust:
            yield TextPin(name, version, number, trust)


def _is_sure(line: str, match: re.Match[str]) -> bool:
    """Return whether the text shows that the word is a package: `PyTorch version: 1.9.0`,
    `pytorch==1.7.1`, or `pytorch     1.7.1` at the start of a line, as in a list."""
    between = match["between"]
    is_listed = match.start() == 0 and between.isspace() and len(between) > 1
    return is_listed or between.startswith("==") or "version" in between.lower()


def _trust(line: str, match: re.Match[str]) -> int:
    """Return the trust in a version, 0 for one that another package only requires."""
    before, after = line[: match.start()], line[match.end() :]
    if line.startswith(_GONE):
        return REQUESTED
    # uv prints `+ torch==2.5.1` and `- torch==2.4.0`.
    if before == "+ ":  # uv
        return INSTALLED
    if match["between"].startswith("=="):
        if before.endswith("you require "):
            return REQUESTED
        # `xformers requires torch==2.5.1`: another package's requirement is not what is installed.
        if _OF_ANOTHER.search(before):
            return 0
        return REQUESTED if before or after.lstrip()[:1] not in ("", "#", ";") else LISTED
    if before.endswith("you have "):
        return INSTALLED
    if _OF_HISTORY.search(before):
        return 0
    if after.startswith(" requires ") and "you have " in after:
        return INSTALLED
    return LISTED if not before and not after.strip() else MENTIONED
