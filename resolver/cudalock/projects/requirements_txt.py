"""Requirements and constraints files, read as pip reads them.

Comments, continued lines, environment variables, nested `-r` and `-c`, hashes and byte order marks
are understood. Index options are noted and not followed, since a lock names the indexes its pins
need. Paths, addresses and version control are refused: there is nothing to choose about them.
"""

from __future__ import annotations

import codecs
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cudalock.errors import BadFile
from cudalock.goals import Asked

if TYPE_CHECKING:
    from collections.abc import Iterator

STDIN = "-"

_COMMENT = r"(^|\s+)#.*$"
_VARIABLE = r"\$\{([A-Z0-9_]+)\}"
_NESTED = r"(?:(-r|--requirement)|(-c|--constraint))(?:\s+|=|(?<=-[rc]))(?P<file>.+)"
_EDITABLE = r"(-e|--editable)\b"
_OPTION = r"(--?[A-Za-z][A-Za-z-]*)"
_PER_REQUIREMENT = r"\s+--(hash|config-settings?|global-option)\b.*$"
_ADDRESS = (
    r"^(?:[a-z][a-z0-9+.-]*://|git\+|file:|\.{0,2}[/\\]|[A-Za-z]:\\)|^\.$|\.(?:whl|tar\.gz|zip)$"
)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(slots=True)
class Lines:
    """What the files asked for, in order: requirements, constraints, and sentences to tell."""

    requirements: list[Asked] = field(default_factory=list)
    constraints: list[Asked] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def extend(self, other: Lines) -> None:
        """Adds what another file asked for."""
        self.requirements += other.requirements
        self.constraints += other.constraints
        self.notes += other.notes


def read(file: str, *, constraint: bool = False, stdin: bytes | None = None) -> Lines:
    """Everything `file` and the files it names ask for; `-` is standard input.

    `stdin` stands in for standard input. Raises BadFile naming file and line for what cannot be
    read or used, and BadSpecifier for a line that is no requirement.
    """
    lines = Lines()
    _read_into(lines, file, constraint, (), stdin)
    return lines


def _read_into(
    lines: Lines, file: str, constraint: bool, above: tuple[str, ...], stdin: bytes | None
) -> None:
    name = "standard input" if file == STDIN else file
    identity = file if file == STDIN else str(Path(file).resolve())
    if identity in above:
        raise BadFile(f"{name} includes itself")
    for number, line in _logical_lines(_text(file, name, stdin)):
        origin = f"{name}:{number}"
        if nested := re.fullmatch(_NESTED, line):
            inner = _beside(file, nested["file"].strip("\"' "), origin)
            is_constraint = constraint or nested[2] is not None
            _read_into(lines, inner, is_constraint, (*above, identity), stdin)
        elif line.startswith("-"):
            _read_option(lines, line, origin)
        else:
            asked = lines.constraints if constraint else lines.requirements
            asked.append(_asked(line, origin))


def _beside(file: str, inner: str, origin: str) -> str:
    """A nested file's path is taken from the file that names it."""
    if "://" in inner:
        raise BadFile(f"{origin}: `{inner}` is on the network, and cudalock reads local files only")
    return inner if file == STDIN else str(Path(file).parent / inner)


def _read_option(lines: Lines, line: str, origin: str) -> None:
    if re.match(_EDITABLE, line):
        raise _refused(line, origin)
    match = re.match(_OPTION, line)
    option = match[1] if match else line
    lines.notes.append(
        f"{origin}: `{option}` is not followed: the lock names the indexes and files it needs"
    )


def _asked(line: str, origin: str) -> Asked:
    requirement = re.sub(_PER_REQUIREMENT, "", line).strip()
    if re.search(_ADDRESS, requirement.partition(";")[0].strip()):
        raise _refused(requirement, origin)
    return Asked.of_requirement(requirement, origin)


def _refused(line: str, origin: str) -> BadFile:
    return BadFile(
        f"{origin}: `{line}` is a path or an address, which leaves nothing to choose",
        hints=["leave the line out, and install it after the lock with `pip install --no-deps`"],
    )


def _text(file: str, name: str, stdin: bytes | None) -> str:
    try:
        if file == STDIN:
            content = sys.stdin.buffer.read() if stdin is None else stdin
        else:
            content = Path(file).read_bytes()
    except OSError as error:
        raise BadFile(f"`{name}` cannot be read: {error.strerror or error}") from error
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return _decoded(content[len(mark) :], encoding, name)
    return _decoded(content, "utf-8", name)


def _decoded(content: bytes, encoding: str, name: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise BadFile(f"`{name}` is not {encoding} text (byte {error.start})") from error


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """`(number of its first line, line)` without comments, continuations joined, none empty.

    As with pip, a comment line ends a continuation, and comments go after lines are joined.
    """
    parts: list[str] = []
    start = 0
    for number, line in enumerate(text.splitlines(), 1):
        start = start if parts else number
        is_comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not is_comment:
            parts.append(line[:-1])
            continue
        parts.append(f" {line}" if is_comment else line)
        yield from _cleaned(start, parts)
        parts = []
    yield from _cleaned(start, parts)


def _cleaned(number: int, parts: list[str]) -> Iterator[tuple[int, str]]:
    line = re.sub(_COMMENT, "", "".join(parts)).strip()
    if line:
        yield number, re.sub(_VARIABLE, lambda match: os.environ.get(match[1], match[0]), line)
