"""A file's text with lines and columns, and its encoding."""

from __future__ import annotations

import codecs
import re
from bisect import bisect_right
from typing import Final

from cudalock.projects.model import EVERY_CODE, Encoding, FileProblem, Place

# The marks of UTF-32 first: that of UTF-16 is how the one of UTF-32 begins.
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CODING: Final = re.compile(rb"coding[:=]\s*([-\w.]+)")
# A comment may silence several codes; the bound keeps a search for `]` within a line.
_IGNORE: Final = re.compile(r"#\s*cudalock:\s*ignore(?!\w)(?:\[([^\]\n]{0,1000})\])?")
# As editors count lines: form feeds and U+2028, where splitlines breaks too, are no line ends.
_LINE_END: Final = re.compile(r"\r\n|\r|\n")


class Text:
    """The text of one file, with offsets as lines and columns."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self._starts: list[int] | None = None
        self._ignores: dict[int, frozenset[str]] | None = None

    def place(self, start: int, end: int) -> Place:
        """Return the characters from `start` to `end` as a Place."""
        line = self.line(start)
        return Place(self.name, line, start - self._line_starts()[line - 1] + 1, start, end)

    def line(self, offset: int) -> int:
        """The line, from 1, of a character."""
        return bisect_right(self._line_starts(), offset)

    def offset(self, line: int, column: int) -> int:
        """The character at a line and column, both from 1, or the nearest there is."""
        starts = self._line_starts()
        start = starts[min(max(line, 1), len(starts)) - 1]
        return min(start + max(column, 1) - 1, len(self.text))

    def offset_of_byte(self, line: int, byte: int) -> int:
        """The character at a line, from 1, and a byte of it in UTF-8, from 0, as `ast` counts."""
        start = self.offset(line, 1)
        row = self.text[start : start + byte]
        return start + (byte if row.isascii() else len(row.encode()[:byte].decode(errors="ignore")))

    def ignored(self, start: int, end: int) -> frozenset[str]:
        """The codes that comments silence on the lines from `start` to `end`."""
        if self._ignores is None:
            self._ignores = self._find_ignores()
        if not self._ignores:
            return frozenset()
        lines = range(self.line(start), self.line(max(start, end - 1)) + 1)
        return frozenset().union(*(self._ignores.get(line, ()) for line in lines))

    def _line_starts(self) -> list[int]:
        if self._starts is None:
            self._starts = [0, *(newline.end() for newline in _LINE_END.finditer(self.text))]
        return self._starts

    def _find_ignores(self) -> dict[int, frozenset[str]]:
        by_line: dict[int, frozenset[str]] = {}
        for match in _IGNORE.finditer(self.text):
            codes = frozenset(code.strip() for code in (match[1] or EVERY_CODE).split(","))
            line = self.line(match.start())
            by_line[line] = by_line.get(line, frozenset()) | codes
        return by_line


def read_bytes(content: bytes, name: str) -> tuple[Text, Encoding, list[FileProblem]]:
    """Decode a file, and note how to encode it again.

    A byte order mark and, as in Python, a `coding:` comment count. Text that is not in the encoding
    that it declares, or UTF-8, is read byte by byte, with a problem that names the offset: nothing
    in it is lost when it is written again.
    """
    bom, codec = _announced(content)
    body = content[len(bom) :]
    try:
        text, problem = body.decode(codec), None
        # ISO-2022-JP, for one, has several byte sequences for a text: `--fix` could not give back
        # the bytes of lines that it does not touch.
        if text.encode(codec) != body:
            raise UnicodeDecodeError(codec, body, 0, 1, "another text has the same bytes")
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        start = error.start
        # Latin-1 has a character for each byte, so the file survives a rewrite.
        text, problem = body.decode("latin-1"), f"this is not {codec} text (byte {start})"
        codec = "latin-1"
    decoded = Text(name, text)
    problems = []
    if problem is not None:
        problems.append(FileProblem(decoded.place(start, start + 1), problem, is_encoding=True))
    # NUL is valid UTF-8, and in no file that people write: this is a binary file.
    elif "\0" in text:
        start = text.index("\0")
        problems.append(
            FileProblem(decoded.place(start, start + 1), "this is not text", is_encoding=True)
        )
    return decoded, Encoding(codec, bom), problems


def decode_start(content: bytes) -> str:
    """The text at the start of a file, in the encoding that its first bytes announce.

    A `coding:` comment is left out: cudalock writes one where a lock has a letter beyond ASCII.
    """
    bom, codec = _announced(content)
    text = content[len(bom) :].decode(codec, "ignore")
    first, newline, below = text.partition("\n")
    is_coding = first.startswith("#") and _CODING.search(first.encode("ascii", "ignore"))
    return below if is_coding else f"{first}{newline}{below}"


def _announced(content: bytes) -> tuple[bytes, str]:
    """Return the byte order mark, and the codec that the file declares."""
    for mark, codec in _BOMS:
        if content.startswith(mark):
            return mark, codec
    # PEP 263 looks at the first two lines; pip does so for requirements files.
    for line in content.split(b"\n", 2)[:2]:
        if line.startswith(b"#") and (match := _CODING.search(line)):
            try:
                codec = codecs.lookup(match[1].decode("ascii")).name
                # Codecs such as `hex` and `rot13` are registered too, and do not decode to text.
                b"".decode(codec)
            except (LookupError, ValueError):
                break
            if codec not in _STATEFUL:
                return b"", codec
    return b"", "utf-8"


_STATEFUL: Final = {"utf-16", "utf-32", "utf-7", "utf-8-sig", "idna", "punycode"}
"""Codecs that write a mark of their own, or are no way to keep a file."""
