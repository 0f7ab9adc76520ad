"""What a message, traceback or log means: the facts that explain it, and the command that mends it.

Who does what: :mod:`text` makes the text comparable, :mod:`symptoms` finds the facts that it shows,
:mod:`pins` and :mod:`clues` read versions and machine from it, :mod:`ranking` puts both together,
and :mod:`remedy` asks the engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.diagnosis.attempts import Attempts
from cudalock.diagnosis.clues import Clues, read_clues
from cudalock.diagnosis.pins import ASKED, LISTED, Pin, read_bounds, read_pins
from cudalock.diagnosis.ranking import Evidence, companions, rank
from cudalock.diagnosis.remedy import Mender, Remedy, Wish
from cudalock.diagnosis.symptoms import Match, find_matches
from cudalock.diagnosis.text import Text, decode
from cudalock.errors import BadTarget
from cudalock.judging import Held, judge
from cudalock.target import Here, Target, parse_platform, parse_python

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cudalock.facts import Fact
    from cudalock.findings import Finding
    from cudalock.matrix import Matrix


CLASHES: Final = ("CL201", "CL202", "CL203", "CL204")
"""What may be said of versions read from a text. Of wheels and indexes it tells too little."""


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
    clashes = _clashes(pins, clues, matrix, here)
    found = find_matches(
        read, matrix.facts.values(), lambda word: matrix.names.find(word) is not None
    )
    proven = frozenset(id for clash in clashes for id in clash.facts)
    evidence = Evidence(read, versions, clues, matrix, proven)
    matches = tuple(rank(found, evidence))
    if not matches and not clashes:
        return Diagnosis((), (), pins, clues, None)
    wish = _wish(matches, clashes, pins, evidence, matrix)
    attempts = Attempts(versions, read_bounds(read, matrix), matrix)
    remedy = Mender(versions, clues, matrix, here).mend(wish, attempts)
    return Diagnosis(matches, clashes, pins, clues, remedy)


def _clashes(pins: Sequence[Pin], clues: Clues, matrix: Matrix, here: Here) -> tuple[Finding, ...]:
    """What does not go together of what the text has, on the machine that it tells of."""
    held = [
        Held(pin.name, f"=={pin.version}")
        for pin in pins
        if pin.trust > ASKED and _is_held(pin, matrix)
    ]
    if len(held) < 2:
        return ()
    try:
        target = _target(clues, here)
    except BadTarget:  # no wheels are made for it, which is not what the text is about
        return ()
    found = [clash.finding for clash in judge(held, target, matrix)]
    return tuple(
        each
        for each in found
        if each.code in CLASHES and each.severity == "error" and _is_told(each, clues, matrix)
    )


def _is_told(clash: Finding, clues: Clues, matrix: Matrix) -> bool:
    """Whether what the clash says of the machine stands in the text, and was not assumed."""
    facts = [matrix.facts[id] for id in clash.facts if id in matrix.facts]
    asked = {demand.template.name for fact in facts for demand in fact.of_machine}
    return all(getattr(clues, name) for name in asked)


def _is_held(pin: Pin, matrix: Matrix) -> bool:
    project = matrix.project(pin.name)
    return project is not None and pin.version.partition("+")[0] in project


def _target(clues: Clues, here: Here) -> Target:
    python, free_threaded = parse_python(clues.python) if clues.python else here.python()
    platform, glibc, macos = parse_platform(clues.platform) if clues.platform else here.platform()
    gpus = (clues.gpu,) if clues.gpu else ()
    glibc = clues.glibc or glibc if platform.startswith("linux") else None
    return Target(python, platform, free_threaded, glibc, macos, gpus, clues.driver)


def looked_for(matrix: Matrix) -> tuple[int, list[str]]:
    """How many messages are known, and of which components."""
    facts = [fact for fact in matrix.facts.values() if fact.symptom]
    return (
        len({symptom for fact in facts for symptom in fact.symptom}),
        sorted({fact.component for fact in facts}),
    )


def _wish(
    matches: Sequence[Match],
    clashes: Sequence[Finding],
    pins: Sequence[Pin],
    evidence: Evidence,
    matrix: Matrix,
) -> Wish:
    """What a remedy is to be. It has no projects where the text has no version, and the best
    explanation is not one of versions."""
    pinned = [pin.name for pin in pins if _is_of_the_stack(pin, matrix)]
    blamed = [name for clash in clashes for name in clash.members[:1]]
    if not matches:
        return Wish(tuple(pinned), tuple(blamed))
    fact = matches[0].fact
    if not pinned and not _is_of_versions(fact):
        return Wish(fact.mends)
    beside = companions(fact, matrix)
    if not set(beside).isdisjoint(pinned):
        beside = []
    named = [fact.component] if not pinned or evidence.shows(fact) else []
    named += filter(evidence.is_mentioned, beside)
    wanted = [*pinned, *fact.mends, *(name for name in named if matrix.project(name))]
    if not wanted and fact.of_machine and evidence.tells_machine and matrix.framework:
        wanted = [matrix.framework]
    return Wish(
        tuple(dict.fromkeys(wanted)),
        (*blamed, fact.component),
        frozenset(match.fact.id for match in matches),
        must_change=evidence.blames_version(fact, wanted),
    )


def _is_of_versions(fact: Fact) -> bool:
    """Whether other versions, or other builds, can be the cure."""
    return (
        bool(fact.beside or fact.of_machine or fact.versions or fact.where or fact.refuses)
        or fact.scope == "solve"
    )


def _is_of_the_stack(pin: Pin, matrix: Matrix) -> bool:
    component = matrix.component(pin.name)
    if not matrix.is_curated(pin.name) or matrix.project(pin.name) is None:
        return False
    # A message that names the toolkit mostly means the one of the system.
    return component.role != "toolkit" or pin.trust >= LISTED


__all__ = ["Clues", "Diagnosis", "Match", "Pin", "Remedy", "decode", "diagnose", "looked_for"]
