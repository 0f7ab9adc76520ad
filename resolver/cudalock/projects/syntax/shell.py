"""The words of shell commands in a Dockerfile, with their places.

Only as much of the shell is understood as install commands use: quotes, escaped line ends,
variables with known values, and what separates commands. A word that needs more is marked as not
known, and never guessed at.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SEPARATOR: Final = re.compile(r"&&|\|\||[;|&\n]|\d*>{1,2}&?|<{1,3}")
_VARIABLE: Final = re.compile(
    r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}$]*))?\}|([A-Za-z_][A-Za-z0-9_]*))"
)

_LONGEST: Final = 10_000
"""A variable can be made of twice itself, again and again."""


class Word(NamedTuple):
    """A word: what the shell makes of it, and where it is, quotes excluded where they surround it.

    `known` is false for one with a part that only running it would tell. `exact` says that the
    characters at its place are its value.
    """

    value: str
    start: int
    end: int
    known: bool
    exact: bool


def commands(
    text: str, start: int, end: int, variables: Mapping[str, str], escape: str = "\\"
) -> Iterator[list[Word]]:
    """The commands between two places, each as its words. Redirections and their files are left
    out."""
    words: list[Word] = []
    position = start
    skips = False
    while position < end:
        if text[position] in " \t\r":
            position += 1
        elif gap := _continuation(text, position, end, escape):
            position = gap
        elif text[position] == "#":
            position = _line_end(text, position, end)
        elif separator := _SEPARATOR.match(text, position, end):
            position = separator.end()
            if separator[0][-1] in "<>&" and separator[0] not in ("&&", "&"):
                skips = True
                continue
            if words:
                yield words
            words, skips = [], False
        else:
            word, position = _word(text, position, end, variables, escape)
            if not skips:
                words.append(word)
            skips = False
    if words:
        yield words


class Branches:
    """Follows `if` and `case` through the commands of a script, one command after the other."""

    def __init__(self) -> None:
        self._open: list[list[int]] = []
        """of each statement that is open its number and that of the branch; 0 before the first"""
        self._count = 0

    def of(self, command: Sequence[Word]) -> str | None:
        """Return the branch that a command is in (`1.2`: the second of the first statement), None
        for one that is always run."""
        first = command[0].value if command and command[0].exact else ""
        if first in ("if", "case"):
            self._count += 1
            # `case $X in cuda) pip install ...` is one command.
            has_pattern = first == "case" and any(word.value.endswith(")") for word in command)
            self._open.append([self._count, int(has_pattern)])
        elif first in ("then", "elif", "else") or (first.endswith(")") and "(" not in first):
            if self._open and (first != "then" or self._open[-1][1] == 0):
                self._open[-1][1] += 1
        elif first in ("fi", "esac") and self._open:
            self._open.pop()
        inside = [f"{number}.{branch}" for number, branch in self._open if branch]
        return "-".join(inside) or None


def _word(
    text: str, start: int, end: int, variables: Mapping[str, str], escape: str
) -> tuple[Word, int]:
    letters: list[str] = []
    position, quote, known = start, "", True
    while position < end:
        letter = text[position]
        gap = _continuation(text, position, end, escape) if quote != "'" else None
        if gap is not None:
            position = gap
        elif quote and letter == quote:
            quote, position = "", position + 1
        elif not quote and letter in "'\"":
            quote, position = letter, position + 1
        elif not quote and (letter in " \t\r\n;|&<>" and not _is_fused(text, position, letters)):
            break
        elif letter == "\\" and quote != "'" and position + 1 < end:
            letters.append(text[position + 1])
            position += 2
        elif letter == "$" and quote != "'":
            value, position = _variable(text, position, variables)
            known = known and value is not None and len(value) < _LONGEST
            letters.append(value or "" if known else "")
        else:
            known = known and (letter != "`" or quote == "'")
            letters.append(letter)
            position += 1
    value = "".join(letters)
    return _placed(text, value, start, position, known), position


def _is_fused(text: str, position: int, letters: list[str]) -> bool:
    """Whether `<` or `>` is part of an unquoted requirement (`torch>=2`): a shell would write a
    file `=2`, but what its author meant is plain."""
    return text[position] in "<>" and bool(letters) and text[position + 1 : position + 2] == "="


def _placed(text: str, value: str, start: int, end: int, known: bool) -> Word:
    if text[start] in "'\"" and end - start >= 2 and text[end - 1] == text[start]:
        start, end = start + 1, end - 1
    return Word(value, start, end, known, known and text[start:end] == value)


def _variable(text: str, start: int, variables: Mapping[str, str]) -> tuple[str | None, int]:
    """The value of a variable, None where it is not known, and where it ends."""
    match = _VARIABLE.match(text, start)
    if match is None:
        return None, start + 1
    name = match[1] or match[3]
    return variables.get(name, match[2]), match.end()


def _continuation(text: str, position: int, end: int, escape: str) -> int | None:
    """Where the next line's words begin, if the line goes on; comment lines between do not end
    it."""
    if text[position] != escape:
        return None
    after = position + 1
    while after < end and text[after] in " \t\r":
        after += 1
    if after >= end or text[after] != "\n":
        return end if after >= end else None
    after += 1
    while after < end:
        line_end = _line_end(text, after, end)
        line = text[after:line_end].strip()
        if line and not line.startswith("#"):
            break
        after = line_end + 1
    return min(after, end)


def _line_end(text: str, position: int, end: int) -> int:
    newline = text.find("\n", position, end)
    return end if newline < 0 else newline
