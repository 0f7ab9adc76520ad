"""Explain a message, traceback or log: which facts are the cause, and which command fixes it.

1. :mod:`text` decodes and folds the text, so that messages can be compared.
2. :mod:`symptoms` finds the facts whose messages are in it; :mod:`versions` and :mod:`machine` read
   package versions, Python, platform, GPU and driver.
3. :mod:`clashes` judges the versions, and :mod:`ranking` orders the facts, the likeliest first.
4. :mod:`goal` decides which projects a fix is about, :mod:`attempts` lists what to solve for, the
   smallest change first, and :mod:`remedy` solves until one attempt is a fix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cudalock.diagnose.attempts import Attempts
from cudalock.diagnose.clashes import find_clashes
from cudalock.diagnose.goal import make_goal
from cudalock.diagnose.machine import Clues, read_clues
from cudalock.diagnose.ranking import Evidence, rank
from cudalock.diagnose.remedy import Remedy, RemedySearch
from cudalock.diagnose.symptoms import Match, find_matches
from cudalock.diagnose.text import Text
from cudalock.diagnose.text import decode as decode
from cudalock.diagnose.versions import Pin, read_bounds, read_pins
from cudalock.targets import Here

if TYPE_CHECKING:
    from cudalock.findings import Finding
    from cudalock.matrix.matrix import Matrix


class Diagnosis(NamedTuple):
    """The explanation of a text."""

    matches: tuple[Match, ...]
    """the likeliest explanation first"""
    clashes: tuple[Finding, ...]
    """conflicts between the versions in the text"""
    pins: tuple[Pin, ...]
    clues: Clues
    remedy: Remedy | None

    @property
    def is_known(self) -> bool:
        """Whether anything in the text could be explained."""
        return bool(self.matches or self.clashes)


def diagnose(
    text: str, matrix: Matrix, given_clues: Clues | None = None, here: Here | None = None
) -> Diagnosis:
    """Explain a text.

    `given_clues` are the user's own words about the machine (flags); they win over the text, and
    the text over `here`, this machine.
    """
    here = here or Here()
    read = Text.of(text)
    pins = tuple(read_pins(read, matrix))
    versions = {pin.name: pin.version for pin in pins}
    from_text = read_clues(read, matrix)
    pairs = zip(given_clues or Clues(), from_text, strict=True)
    clues = Clues(*(flag or clue for flag, clue in pairs))
    clashes = find_clashes(pins, clues, matrix, here)
    candidates = find_matches(
        read, matrix.facts.values(), lambda word: matrix.names.find(word) is not None
    )
    proven = frozenset(id for clash in clashes for id in clash.facts)
    evidence = Evidence(read, versions, clues, matrix, proven)
    matches = tuple(rank(candidates, evidence))
    if not matches and not clashes:
        return Diagnosis((), (), pins, clues, None)
    fix_goal = make_goal(matches, clashes, pins, evidence, matrix)
    attempts = Attempts(versions, read_bounds(read, matrix), matrix)
    remedy = RemedySearch(versions, clues, matrix, here).find(fix_goal, attempts)
    return Diagnosis(matches, clashes, pins, clues, remedy)


def count_symptoms(matrix: Matrix) -> tuple[int, list[str]]:
    """Return the number of known messages, and the components that they are of."""
    facts = [fact for fact in matrix.facts.values() if fact.symptom]
    return (
        len({symptom for fact in facts for symptom in fact.symptom}),
        sorted({fact.component for fact in facts}),
    )
