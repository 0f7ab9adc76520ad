"""A text as somebody saved or copied it, made ready to be looked through."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

_COLOURS: Final = r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07\n]{0,200}\x07)"
_QUOTES: Final = str.maketrans(dict.fromkeys("'\"`\u00b4\u2018\u2019\u201c\u201d"))
_MARKS: Final = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))


def decode(data: bytes) -> str:
    """The text of a file: UTF-8, or what its first bytes say (PowerShell saves UTF-16)."""
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    return data.decode(encoding, errors="replace")


def fold(text: str) -> str:
    """The text without what two printings of one message differ in: case, quotes, and backslashes
    that are doubled. Lines stay lines."""
    return text.translate(_QUOTES).lower().replace("\\\\", "\\")


@dataclass(frozen=True, slots=True)
class Text:
    """A text in lines, without colours, and the same folded."""

    lines: list[str]
    folded: str = field(repr=False)

    @classmethod
    def of(cls, text: str) -> Text:
        # A progress bar goes back to the start of its line; what it wrote last is what counts.
        plain = re.sub(_COLOURS, "", text).replace("\r\n", "\n").replace("\r", "\n")
        return cls(plain.split("\n"), fold(plain))

    def number(self, offset: int) -> int:
        """The line, counted from 1, that a place in the folded text is on."""
        return self.folded.count("\n", 0, offset) + 1
