"""What a message, traceback or log means: the facts that explain it, and the command that mends it.

Who does what: :mod:`text` makes the text comparable, :mod:`symptoms` finds the facts that it shows,
:mod:`versions` and :mod:`machine` read versions and machine from it, :mod:`clashes` judges the
versions, and :mod:`ranking` says which fact explains best. :mod:`goal` says what a remedy is to be,
:mod:`attempts` what to ask for, the least change first, and :mod:`remedy` asks the engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cudalock.diagnose.attempts import Attempts
from cudalock.diagnose.clashes import find_clashes
from cudalock.diagnose.goal import make_wish
from cudalock.diagnose.machine import Clues, read_clues
from cudalock.diagnose.ranking import Evidence, rank
from cudalock.diagnose.remedy import Mender, Remedy
from cudalock.diagnose.symptoms import Match, find_matches
from cudalock.diagnose.text import Text, decode
from cudalock.diagnose.versions import Pin, read_bounds, read_pins
from cudalock.targets import Here

if TYPE_CHECKING:
    from cudalock.findings import Finding
    from cudalock.matrix.matrix import Matrix


class Diagnosis(NamedTuple):
    """What was found in a text."""

    matches: tuple[Match, ...]
    """the best explanation first"""
    clashes: tuple[Finding, ...]
    """which of the versions do not go together"""
    pins: tuple[Pin, ...]
    clues: Clues
    remedy: Remedy | None

    @property
    def is_known(self) -> bool:
        """Whether anything in the text could be explained."""
        return bool(self.matches or self.clashes)


def diagnose(
    text: str, matrix: Matrix, said: Clues | None = None, here: Here | None = None
) -> Diagnosis:
    """Look through a text. `said` is what somebody tells of the machine besides; it goes before
    what the text tells, and this machine comes last.
    """
    here = here or Here()
    read = Text.of(text)
    pins = tuple(read_pins(read, matrix))
    versions = {pin.name: pin.version for pin in pins}
    told = read_clues(read, matrix)
    clues = Clues(*(one or other for one, other in zip(said or Clues(), told, strict=True)))
    clashes = find_clashes(pins, clues, matrix, here)
    found = find_matches(
        read, matrix.facts.values(), lambda word: matrix.names.find(word) is not None
    )
    proven = frozenset(id for clash in clashes for id in clash.facts)
    evidence = Evidence(read, versions, clues, matrix, proven)
    matches = tuple(rank(found, evidence))
    if not matches and not clashes:
        return Diagnosis((), (), pins, clues, None)
    wish = make_wish(matches, clashes, pins, evidence, matrix)
    attempts = Attempts(versions, read_bounds(read, matrix), matrix)
    remedy = Mender(versions, clues, matrix, here).mend(wish, attempts)
    return Diagnosis(matches, clashes, pins, clues, remedy)


def looked_for(matrix: Matrix) -> tuple[int, list[str]]:
    """How many messages are known, and of which components."""
    facts = [fact for fact in matrix.facts.values() if fact.symptom]
    return (
        len({symptom for fact in facts for symptom in fact.symptom}),
        sorted({fact.component for fact in facts}),
    )


__all__ = ["Clues", "Diagnosis", "Match", "Pin", "Remedy", "decode", "diagnose", "looked_for"]
