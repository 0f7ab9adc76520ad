"""Find the facts whose messages are in a text.

A symptom is literal text, with `*` for anything within a line; `^` before it and `$` after it are
the ends of the line, without the blanks there. It is searched by its longest piece, and a line is
tried once, so that the time is linear in the text even for hostile ones.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.diagnose.text import fold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cudalock.diagnose.statements import Statement
    from cudalock.diagnose.text import PastedText
    from cudalock.matrix.facts import Cure, Fact

_MORE_OF_A_NAME: Final = r"[a-z0-9_-]|\.[a-z0-9_]"


class Match(NamedTuple):
    """A fact that may explain a text, and where its message is.

    `statement` has what a general fact leaves open: the project, its version, what to change.
    """

    fact: Fact
    line: int
    """the first line with the message, counted from 1"""
    seen: str
    """the text of that line"""
    last_line: int
    """the last line with the message"""
    weight: int
    """the literal characters of the matching symptoms: a longer message is better evidence"""
    symptom: str = ""
    """the longest of its symptoms that the text has"""
    statement: Statement | None = None
    is_named: bool = True
    """whether the text or the message names the component: else it is a guess"""

    @property
    def component(self) -> str:
        """What the explanation is about: a project name or a virtual component."""
        return self.statement.project if self.statement else self.fact.component

    @property
    def says(self) -> str:
        """What is wrong; reads after the component."""
        return self.statement.says if self.statement else self.fact.says

    @property
    def fix(self) -> str | None:
        """What to do."""
        return (self.statement and self.statement.fix) or self.fact.fix

    @property
    def cure(self) -> Cure:
        """What can end it."""
        if self.statement and not self.statement.is_of_versions and self.fact.cure == "versions":
            return "system"
        return self.fact.cure

    @property
    def is_weak(self) -> bool:
        """Whether any other explanation is better: a note, or what follows from something else."""
        is_note = self.fact.effect != "breaks" or not self.fact.decides
        return self.fact.cure == "none" and is_note


def find_matches(
    text: PastedText, facts: Iterable[Fact], is_name: Callable[[str], bool]
) -> list[Match]:
    """Return the facts with a symptom in the text, with the line of the longest.

    `is_name` is whether a word is a project: `No module named triton` is not about a project whose
    name only begins like that.
    """
    # Facts are walked twice, and may come from a generator.
    facts = list(facts)
    unclaimed = _without_claimed_lines(text.folded, facts)
    offsets: dict[str, tuple[int, int] | None] = {}
    matches = []
    for fact in facts:
        # Some symptoms are those of several facts, and each is searched once.
        for symptom in fact.symptom:
            if symptom not in offsets:
                # A line that another program claims (`external/xla/` of jaxlib) is no message of
                # this stack.
                folded = text.folded if fact.claims else unclaimed
                offsets[symptom] = _first_and_last(folded, fold(symptom), is_name)
        present = {symptom: offsets[symptom] for symptom in fact.symptom if offsets[symptom]}
        if present:
            longest = max(present, key=_weight)
            first, _ = present[longest] or (0, 0)
            last = max(pair[1] for pair in present.values() if pair)
            number = text.number(first)
            line = text.originals[number - 1].strip()
            weight = sum(map(_weight, present))
            matches.append(Match(fact, number, line, text.number(last), weight, longest))
    return matches


def _without_claimed_lines(folded: str, facts: Iterable[Fact]) -> str:
    """Return the text with the lines blanked that are another program's, offsets unchanged."""
    claims = [fold(claim) for fact in facts for claim in fact.claims]
    if not any(claim in folded for claim in claims):
        return folded
    return "\n".join(
        " " * len(line) if any(claim in line for claim in claims) else line
        for line in folded.split("\n")
    )


def _weight(symptom: str) -> int:
    return len(symptom.removeprefix("^").removesuffix("$").replace("*", ""))


def _first_and_last(
    folded: str, symptom: str, is_name: Callable[[str], bool]
) -> tuple[int, int] | None:
    """Return the offsets of the longest piece in the first and last line that has the symptom."""
    is_from_start, is_to_end = symptom.startswith("^"), symptom.endswith("$")
    symptom = symptom.removeprefix("^").removesuffix("$")
    pieces = [piece for piece in symptom.split("*") if piece.strip()]
    longest = max(pieces, key=len)
    offset = folded.find(longest)
    if offset < 0:  # nearly every symptom
        return None
    last_word = "" if symptom.endswith("*") else symptom.split()[-1]
    ends_with_name = bool(last_word) and is_name(last_word)
    first: int | None = None
    last = 0
    while offset >= 0:
        start = folded.rfind("\n", 0, offset) + 1
        end = folded.find("\n", offset)
        end = len(folded) if end < 0 else end
        line = folded[start:end]
        is_placed = (not is_from_start or line.lstrip().startswith(pieces[0])) and (
            not is_to_end or line.rstrip().endswith(pieces[-1])
        )
        if is_placed and _is_in(line, pieces, ends_with_name):
            first = offset if first is None else first
            last = offset
        # On to the next line: a line that did not match as a whole cannot match by its second
        # piece.
        offset = folded.find(longest, end)
    return None if first is None else (first, last)


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
        # `No module named 'flash_attn_2_cuda'` is no `No module named flash_attn`.
        if not (ends_with_name and re.match(_MORE_OF_A_NAME, line[end : end + 2])):
            return True
        place = line.find(pieces[-1], end)
    return False


def read_places(text: PastedText, facts: Iterable[Fact]) -> dict[str, str]:
    """Return component to specifier: the releases that print what is in the text."""
    return {
        fact.component: specifier
        for fact in facts
        for message, specifier in fact.places.items()
        if fold(message) in text.folded
    }


def of_statements(
    statements: Iterable[Statement], text: PastedText, facts: Mapping[str, Fact]
) -> list[Match]:
    """Return the matches for statements: one for each general fact and project."""
    matches: dict[tuple[str, str], Match] = {}
    for statement in statements:
        fact = facts.get(statement.fact)
        if fact is None:  # a matrix without it
            continue
        line = text.originals[statement.line - 1].strip()
        key = (fact.id, statement.project)
        first = matches.get(key)
        matches[key] = Match(
            fact,
            first.line if first else statement.line,
            first.seen if first else line,
            statement.line,
            len(line),
            statement=first.statement if first else statement,
        )
    return list(matches.values())
