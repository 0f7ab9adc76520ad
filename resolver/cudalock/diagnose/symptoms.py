"""The facts whose symptoms are seen in a text.

A symptom is literal text, with `*` for anything within a line. Each is looked for by its longest
piece, and each line is tried once: the time grows with the text, whatever the text is.
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
    """A fact that may explain the text."""

    fact: Fact
    line: int
    """where it is first seen"""
    seen: str
    """that line"""
    weight: int
    """how many signs of the symptoms seen are literal: more say more"""


def find_matches(text: Text, facts: Iterable[Fact], is_name: Callable[[str], bool]) -> list[Match]:
    """The facts that have a symptom in the text, with the line of the longest.

    `is_name` says whether a word names a project: a symptom that ends with one does not mean
    another project whose name begins so.
    """
    places: dict[str, int | None] = {}
    matches = []
    for fact in facts:
        for symptom in fact.symptom:
            if symptom not in places:
                places[symptom] = _first(text.folded, fold(symptom), is_name)
        seen = sorted((each for each in fact.symptom if places[each] is not None), key=_weight)
        if seen:
            number = text.number(places[seen[-1]] or 0)
            line = text.lines[number - 1].strip()
            matches.append(Match(fact, number, line, sum(map(_weight, seen))))
    return matches


def _weight(symptom: str) -> int:
    return len(symptom.replace("*", ""))


def _first(folded: str, symptom: str, is_name: Callable[[str], bool]) -> int | None:
    """Where the first line that has it begins to have its longest piece."""
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
    """Whether the pieces are in a line one after the other."""
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
