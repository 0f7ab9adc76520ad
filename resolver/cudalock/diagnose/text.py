"""Decode and fold a text as people save or copy it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# Colours, and links (OSC 8) as terminals write them; the bound keeps an open one in its line.
_COLOURS: Final = r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07\x1b\n]{0,2000}(?:\x07|\x1b\\))"
# Messages quote names in four ways, and word processors have curly ones.
_QUOTES: Final = str.maketrans(dict.fromkeys("'\"`\u00b4\u2018\u2019\u201c\u201d"))
_MARKS: Final = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
    (b"\xef\xbb\xbf", "utf-8-sig"),
)
_LOOKED_AT: Final = 4096
"""Bytes that are looked at to find the encoding."""


def decode(content: bytes) -> str:
    """Return the text of a file: UTF-8, or the encoding of its first bytes (PowerShell saves
    UTF-16)."""
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    return content.decode(encoding or _without_a_mark(content), errors="replace")


def _without_a_mark(content: bytes) -> str:
    """Return the encoding: UTF-16 where every second byte is zero, as for Latin letters, else
    UTF-8."""
    even, odd = content[:_LOOKED_AT:2], content[1:_LOOKED_AT:2]
    if odd and odd.count(0) > len(odd) * 0.8 and even.count(0) < len(even) * 0.2:
        return "utf-16-le"
    if odd and even.count(0) > len(even) * 0.8 and odd.count(0) < len(odd) * 0.2:
        return "utf-16-be"
    return "utf-8"


def fold(text: str) -> str:
    """Return the text without case, quotes and doubled backslashes, in which two copies of one
    message differ. Lines stay lines."""
    return text.translate(_QUOTES).lower().replace("\\\\", "\\")


_SHORT: Final = 1 << 18
"""Characters of a text that is read whole; no paste in the corpus has a tenth."""

_REPEATS: Final = 2
"""How many of the lines that differ in numbers alone are read, from both ends of a long text."""

_HEAD: Final = 1 << 16
_TAIL: Final = 1 << 18
"""Characters at the ends of a long text that are read: what a program is, and why it ended."""

_TELLING: Final = re.compile(
    r"error|exception|warning|fail|cannot|could not|unable|not found|no module|missing|invalid"
    r"|unsupported|require|conflict|incompatib|mismatch|version|==|traceback|fatal|undefined|sm_"
    r"|driver|cuda|killed|abort|segmentation|denied|refused|expected|illegal"
)
"""What a line between the ends has to have to be read."""


_ERROR: Final = re.compile(
    r"error|exception|traceback|warning|fail|fatal|cannot|unable|killed|abort|segmentation|denied"
    r"|refused|not found|no module|missing|undefined|incompatib|conflict"
)


def has_error(text: PastedText) -> bool:
    """Return whether some line may be an error message."""
    return _ERROR.search(text.folded) is not None


def _condensed(folded: list[str]) -> list[bool]:
    """Return which lines of a long text are read: not every step of a training."""
    shapes = re.sub(r"[0-9]+", "0", "\n".join(folded)).split("\n")
    first, last = Counter[str](), Counter[str]()
    has_place = [False] * len(shapes)
    for seen, order in ((first, range(len(shapes))), (last, range(len(shapes) - 1, -1, -1))):
        for number in order:
            shape = shapes[number]
            if seen[shape] < _REPEATS:
                seen[shape] += 1
                has_place[number] = True
    total = sum(len(line) for line, is_read in zip(folded, has_place, strict=True) if is_read)
    passed = 0
    for number, line in enumerate(folded):
        if has_place[number]:
            is_middle = _HEAD < passed < total - _TAIL
            passed += len(line)
            has_place[number] = not is_middle or _TELLING.search(line) is not None
    return has_place


@dataclass(frozen=True, slots=True)
class PastedText:
    """A text without terminal colours, in lines and folded. Of a long one the lines that repeat
    others are empty."""

    lines: list[str]
    """with the messages of Windows in English"""
    folded: str = field(repr=False)
    originals: list[str] = field(repr=False)
    """the lines to show, each in its own language"""

    @classmethod
    def of(cls, text: str, translations: Mapping[str, str] = MappingProxyType({})) -> PastedText:
        """`translations` are messages of Windows in other languages, and the English of each."""
        # A progress bar goes back to the start of its line; what it wrote last is what counts.
        plain = re.sub(_COLOURS, "", text).replace("\r\n", "\n").replace("\r", "\n")
        originals = plain.split("\n")
        for message, english in translations.items():
            if message in plain:
                plain = plain.replace(message, english)
        lines, folded = plain.split("\n"), fold(plain)
        if len(plain) > _SHORT:
            folded_lines = folded.split("\n")
            is_read = _condensed(folded_lines)
            lines = [line if keeps else "" for line, keeps in zip(lines, is_read, strict=True)]
            folded = "\n".join(
                line if keeps else "" for line, keeps in zip(folded_lines, is_read, strict=True)
            )
        return cls(lines, folded, originals)

    def number(self, offset: int) -> int:
        """Return the line, counted from 1, of an offset in the folded text."""
        return self.folded.count("\n", 0, offset) + 1
