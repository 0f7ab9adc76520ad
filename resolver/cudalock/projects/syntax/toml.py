"""Where the values of a TOML document are written.

The standard library's parser reads the document: it decides what the document means and whether it
is valid. This module walks the same text again for the spans of its values. It judges nothing, and
a test compares what it finds with what the parser found.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from cudalock import toml

Key = tuple["str | int", ...]

_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE: Final = re.compile(r"[ \t]*")
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_BASIC: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_LITERAL: Final = re.compile(r"'[^'\n]*'")
_MULTI_BASIC: Final = re.compile(r'"""(?:[^"\\]|\\.|"(?!"")|""(?!"))*"{3,5}', re.S)
_MULTI_LITERAL: Final = re.compile(r"'''(?:[^']|'(?!'')|''(?!'))*'{3,5}")
# A date and its time may be separated by a blank: `2026-11-21 07:32:00`.
_OTHER: Final = re.compile(r"[^\s,\]\}#]+(?: [0-9][^\s,\]\}#]*)?")
_ESCAPE: Final = re.compile(
    r"\\(?:u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|x[0-9A-Fa-f]{2}|[ \t]*\r?\n[ \t\r\n]*|.)|\r\n", re.S
)
_LINE_END: Final = re.compile(r"\r\n")


# tomllib copies the parts of a key for each of its parents.
_MOST_PARTS: Final = 100


class Node(NamedTuple):
    """A value: from `start` to `end` in the text, its key (or header) beginning at `key_start`.

    For a string, `start` and `end` are what is between its quotes.
    """

    key_start: int
    start: int
    end: int
    is_string: bool = False
    is_literal: bool = False


class TooDeep(ValueError):
    """A key of so many parts that parsing it takes the square of their number in memory."""


class Places:
    """The spans of a document's values, by key path; numbers are positions in arrays.

    Raises TooDeep, and ValueError, IndexError or RecursionError for some invalid TOML; other
    invalid TOML is not noticed.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.nodes: dict[Key, Node] = {}
        self._counts: dict[Key, int] = {}
        self._position = 0
        self._walk()

    def node(self, *key: str | int) -> Node | None:
        """Return the span of a value; None for a table that only its subtables make."""
        return self.nodes.get(key)

    def span(self, node: Node, start: int, end: int) -> tuple[int, int]:
        """Return where in the text some characters of a string's value are."""
        first = self._at(node, start, after=end > start)
        return first, max(first, self._at(node, end, after=False))

    def _at(self, node: Node, offset: int, after: bool) -> int:
        """Return where in the text a character of a string's value begins; with `after`, behind
        what stands for nothing there, else before it."""
        index, source = 0, node.start
        # A literal string has no escapes, but TOML reads CRLF in any string of several lines as one
        # LF.
        pattern = _LINE_END if node.is_literal else _ESCAPE
        for match in pattern.finditer(self.text, node.start, node.end):
            # A backslash at the end of a line removes the line end and the blanks after it.
            is_nothing = match[0][0] == "\\" and match[0][1].isspace()
            index += match.start() - source
            source = match.start()
            if index > offset or (index == offset and not (is_nothing and after)):
                break
            index += 0 if is_nothing else 1
            source = match.end()
        return source + offset - index

    def _walk(self) -> None:
        text, table = self.text, ()
        prefix: Key = table
        self._skip(_BLANK)
        while self._position < len(text):
            if text[self._position] == "[":
                prefix = self._header()
            else:
                self._pair(prefix)
            self._skip(_BLANK)

    def _header(self) -> Key:
        start = self._position
        is_array = self.text.startswith("[[", start)
        self._position += 2 if is_array else 1
        keys = self._keys()
        self._position += 2 if is_array else 1
        prefix: Key = ()
        # A header below an array of tables, `[a.b]` after `[[a]]`, belongs to the array's last
        # table.
        for key in keys[:-1]:
            prefix = (*prefix, key)
            if prefix in self._counts:
                prefix = (*prefix, self._counts[prefix] - 1)
        prefix = (*prefix, keys[-1])
        if is_array:
            count = self._counts.get(prefix, 0)
            self._counts[prefix] = count + 1
            prefix = (*prefix, count)
        self.nodes.setdefault(prefix, Node(start, start, self._position))
        return prefix

    def _keys(self) -> list[str]:
        keys = []
        while True:
            self._skip(_SPACE)
            keys.append(self._key())
            self._skip(_SPACE)
            if len(keys) > _MOST_PARTS:
                raise TooDeep(f"a key has more than {_MOST_PARTS} parts")
            if not self.text.startswith(".", self._position):
                return keys
            self._position += 1

    def _key(self) -> str:
        pattern = {'"': _BASIC, "'": _LITERAL}.get(self.text[self._position], _BARE)
        match = self._match(pattern)
        if pattern is _BARE:
            return match
        return _unescaped(match) if pattern is _BASIC else match[1:-1]

    def _pair(self, prefix: Key) -> None:
        start = self._position
        keys = self._keys()
        self._position += 1  # the equals sign
        self._skip(_SPACE)
        self._value((*prefix, *keys), start)

    def _value(self, key: Key, key_start: int) -> None:
        text, start = self.text, self._position
        first = text[start]
        if first in "\"'":
            self._string(key, key_start)
        elif first == "[":
            self._array(key, key_start)
        elif first == "{":
            self._inline(key, key_start)
        else:
            self._match(_OTHER)
            self.nodes[key] = Node(key_start, start, self._position)

    def _string(self, key: Key, key_start: int) -> None:
        text, start = self.text, self._position
        literal = text[start] == "'"
        if text.startswith(text[start] * 3, start):
            self._match(_MULTI_LITERAL if literal else _MULTI_BASIC)
            inner = start + 3
            # A line end right after the quotes is not part of the value.
            inner += 2 if text.startswith("\r\n", inner) else int(text.startswith("\n", inner))
            end = self._position - 3
        else:
            self._match(_LITERAL if literal else _BASIC)
            inner, end = start + 1, self._position - 1
        self.nodes[key] = Node(key_start, inner, end, True, literal)

    def _array(self, key: Key, key_start: int) -> None:
        start = self._position
        self._position += 1
        count = 0
        while True:
            self._skip(_BLANK)
            if self.text[self._position] == "]":
                break
            self._value((*key, count), self._position)
            count += 1
            self._skip(_BLANK)
            # A comma may follow the last value; a missing one is the parser's to report.
            if self.text[self._position] == ",":
                self._position += 1
        self._position += 1
        self.nodes[key] = Node(key_start, start, self._position)

    def _inline(self, key: Key, key_start: int) -> None:
        start = self._position
        self._position += 1
        while True:
            self._skip(_BLANK)
            if self.text[self._position] == "}":
                break
            self._pair(key)
            self._skip(_BLANK)
            if self.text[self._position] == ",":
                self._position += 1
        self._position += 1
        self.nodes[key] = Node(key_start, start, self._position)

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self._position)
        if match is not None:
            self._position = match.end()

    def _match(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self._position)
        if match is None:
            raise ValueError(f"no value at {self._position}")
        self._position = match.end()
        return match[0]


def _unescaped(quoted: str) -> str:
    """Return a key in double quotes as the parser reads it."""
    (key,) = toml.loads(f"{quoted} = 0")
    return key


__all__ = ["Key", "Node", "Places", "TooDeep"]
