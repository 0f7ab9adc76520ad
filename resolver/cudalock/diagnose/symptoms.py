"""Find the facts whose messages are in a text.

A symptom is literal text, with `*` for anything within a line. It is searched by its longest piece,
and a line is tried once, so that the time is linear in the text even for hostile ones.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.diagnose.text import fold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cudalock.diagnose.text import Text
    from cudalock.matrix.facts import Fact

_MORE_OF_A_NAME: Final = r"[a-z0-9_-]|\.[a-z0-9_]"


class Match(NamedTuple):
    """A fact that may explain a text, and where its message is."""

    fact: Fact
    line: int
    """the first line with the message, counted from 1"""
    seen: str
    """the text of that line"""
    weight: int
    """the literal characters of the matching symptoms: a longer message says more"""


def find_matches(text: Text, facts: Iterable[Fact], is_name: Callable[[str], bool]) -> list[Match]:
    """Return the facts with a symptom in the text, with the line of the longest.

    `is_name` tells whether a word is a project: `No module named triton` is not about a project
    whose name only begins so.
    """
    places: dict[str, int | None] = {}
    matches = []
    for fact in facts:
        for symptom in fact.symptom:
            if symptom not in places:
                places[symptom] = _first(text.folded, fold(symptom), is_name)
        present = [symptom for symptom in fact.symptom if places[symptom] is not None]
        if present:
            number = text.number(places[max(present, key=_weight)] or 0)
            line = text.lines[number - 1].strip()
            matches.append(Match(fact, number, line, sum(map(_weight, present))))
    return matches


def _weight(symptom: str) -> int:
    return len(symptom.replace("*", ""))


def _first(folded: str, symptom: str, is_name: Callable[[str], bool]) -> int | None:
    """Return the offset of the longest piece in the first line that has the symptom."""
    pieces = [piece for piece in symptom.split("*") if piece.strip()]
    longest = max(pieces, key=len)
    last_word = "" if symptom.endswith("*") else symptom.split()[-1]
    ends_with_name = bool(last_word) and is_name(last_word)
    offset = folded.find(longest)
    while offset >= 0:
        start = folded.rfind("\n", 0, offset) + 1
        end = folded.find("\n", offset)
        end = len(folded) if end < 0 else end
        if _is_in(folded[start:end], pieces, ends_with_name):
            return offset
        offset = folded.find(longest, end)
    return None


def _is_in(line: str, pieces: list[str], ends_with_name: bool) -> bool:
    """Return whether the pieces are in a line, in their order."""
    place = 0
    for piece in pieces[:-1]:
        place = line.find(piece, place)
        if place < 0:
            return False
        place += len(piece)
    place = line.find(pieces[-1], place)
    while place >= 0:
        end = place + len(pieces[-1])
        if not (ends_with_name and re.match(_MORE_OF_A_NAME, line[end : end + 2])):
            return True
        place = line.find(pieces[-1], end)
    return False
