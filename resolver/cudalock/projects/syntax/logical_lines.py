"""The logical lines of a requirements file, as pip makes them, with the way back to the file.

As with pip, a line that ends with a backslash goes on, a comment line ends a continuation, and a
comment begins at a `#` that follows a blank. Only then is a line cut into words.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from cudalock.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class LogicalLine(NamedTuple):
    """A line without its comment and without blanks around it.

    `pieces` are the offsets, in the line and in the file, at which a physical line begins. `end` is
    where the last physical line ends in the file, line end excluded. `comment` is what was cut off.
    """

    text: str
    pieces: tuple[tuple[int, int], ...]
    end: int
    comment: str = ""

    def at(self, offset: int) -> int:
        """Where in the file a character of the line is."""
        # The largest second element, so that a piece that begins at this very offset is found.
        piece = self.pieces[bisect_right(self.pieces, (offset, 1 << 62)) - 1]
        return piece[1] + offset - piece[0]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where in the file some characters of the line are."""
        first = self.at(start)
        return (first, self.at(end - 1) + 1) if end > start else (first, first)

    @property
    def start(self) -> int:
        """Where it begins in the file."""
        return self.at(0)


def logical_lines(text: str) -> Iterator[LogicalLine]:
    """The lines that are not empty, in order."""
    parts: list[tuple[str, int]] = []
    offset = 0
    # splitlines as pip has it: form feeds and U+2028 end a line as well.
    for physical in text.splitlines(keepends=True):
        line = physical.splitlines()[0]
        is_comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not is_comment:
            # pip strips all backslashes at the end, not one.
            parts.append((line.rstrip("\\"), offset))
        else:
            parts.append((line, offset))
            yield from _joined(parts, is_comment)
            parts = []
        offset += len(physical)
    yield from _joined(parts, False)


def _joined(parts: list[tuple[str, int]], ends_in_comment: bool) -> Iterator[LogicalLine]:
    if not parts:
        return
    comment = ""
    last, where = parts[-1]
    end = where + len(last)
    # pip joins the lines before a comment, and drops the comment.
    if ends_in_comment:
        comment = last
        parts = parts[:-1]
    joined = "".join(part for part, _ in parts)
    if (cut := _comment_start(joined)) is not None:
        joined, comment = joined[:cut], joined[cut:] + comment
    bare = joined.strip()
    if not bare:
        return
    # Blanks at the start are cut, so offsets in the line begin that much later in the file.
    lead = len(joined) - len(joined.lstrip())
    pieces = []
    position = -lead
    for part, offset in parts:
        pieces.append((position, offset))
        position += len(part)
    yield LogicalLine(bare, tuple(pieces), end, comment.strip())


def _comment_start(line: str) -> int | None:
    """Where a comment begins, with the first `#` at the start or after a blank."""
    position = line.find("#")
    while position > 0 and not line[position - 1].isspace():
        position = line.find("#", position + 1)
    return position if position >= 0 else None


def words(line: str, start: int = 0) -> Iterator[tuple[str, int, int]]:
    """`(word, start, end)` for each word of a line, quotes undone; the span has the quotes.

    A quote that is not closed goes to the end of the line.
    """
    # pip splits options with shlex, which raises for an open quote; here the rest is one word.
    position, end = start, len(line)
    while position < end:
        if line[position].isspace():
            position += 1
            continue
        begin, letters, quote = position, [], ""
        while position < end:
            letter = line[position]
            if quote:
                quote = "" if letter == quote else quote
                letters.append("" if not quote else letter)
            elif letter in "'\"":
                quote = letter
            elif letter.isspace():
                break
            else:
                letters.append(letter)
            position += 1
        yield "".join(letters), begin, position
