"""Explain a message, traceback or log: which facts are the cause, and which command fixes it.

1. :mod:`text` decodes and folds the text, so that messages can be compared.
2. :mod:`symptoms` finds the facts whose messages are in it, and :mod:`reader` makes
   :mod:`statements` of messages that name a project themselves (:mod:`name_table` says which
   releases have a name, :mod:`refusals` reads those of installers);
   :mod:`versions` and :mod:`machine` read package versions, Python, platform, GPU and driver.
3. :mod:`clashes` judges the versions, and :mod:`ranking` orders the facts, the likeliest first.
4. :mod:`goal` decides which projects a fix is about, :mod:`attempts` lists what to solve for, the
   smallest change first, and :mod:`remedy` solves until one attempt is a fix.
5. :mod:`report` shows all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cudalock.diagnose.attempts import Attempts
from cudalock.diagnose.clashes import find_clashes
from cudalock.diagnose.goal import FixGoal, make_goal
from cudalock.diagnose.machine import Clues, read_clues
from cudalock.diagnose.ranking import Evidence, broken_in_every_release, rank
from cudalock.diagnose.reader import read_statements
from cudalock.diagnose.refusals import read_refusals
from cudalock.diagnose.remedy import Remedy, RemedySearch
from cudalock.diagnose.statements import NotOnIndex, Unmet
from cudalock.diagnose.symptoms import Match, find_matches, of_statements, read_places
from cudalock.diagnose.text import PastedText, has_error
from cudalock.diagnose.text import decode as decode
from cudalock.diagnose.versions import (
    INSTALLED,
    LISTED,
    MENTIONED,
    TextPin,
    read_bounds,
    read_pins,
)
from cudalock.targets import Here

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cudalock.findings import Finding
    from cudalock.matrix.matrix import Matrix


class Diagnosis(NamedTuple):
    """The explanation of a text."""

    matches: tuple[Match, ...]
    """the likeliest explanation first"""
    clashes: tuple[Finding, ...]
    """conflicts between the versions in the text"""
    pins: tuple[TextPin, ...]
    clues: Clues
    remedy: Remedy | None
    is_list: bool = False
    """whether the text is a list of versions, and has no error"""

    @property
    def is_known(self) -> bool:
        """Whether anything in the text could be explained."""
        return bool(self.matches or self.clashes)

    @property
    def is_elsewhere(self) -> bool:
        """Whether the cause is neither in packages nor in the machine: memory, the program, data.

        A warning that harms nothing (`degrades`) is an answer all the same.
        """
        best = self.matches[0] if self.matches else None
        return best is not None and best.cure == "none" and best.fact.effect == "breaks"


def diagnose(
    text: str, matrix: Matrix, given_clues: Clues | None = None, here: Here | None = None
) -> Diagnosis:
    """Explain a text.

    `given_clues` are the user's own words about the machine (flags); they win over the text, and
    the text over `here`, this machine.
    """
    here = here or Here()
    read = PastedText.of(text, matrix.phrases.translations)
    pins = tuple(read_pins(read, matrix))
    versions = {pin.name: pin.version for pin in pins}
    from_text = read_clues(read, matrix)
    pairs = zip(given_clues or Clues(), from_text, strict=True)
    clues = Clues(*(flag or clue for flag, clue in pairs))
    statements = [
        *read_statements(read, versions, clues, matrix),
        *read_refusals(read, versions, clues, matrix),
    ]
    # A message such as `found transformers==4.30` is often the only place that has the version. It
    # comes last: a list or a log is more trustworthy than a sentence.
    for statement in statements:
        if statement.version and statement.project not in versions:
            versions[statement.project] = statement.version
            pin = TextPin(statement.project, statement.version, statement.line, MENTIONED)
            pins = (*pins, pin) if matrix.project(pin.name) else pins
    facts = matrix.facts
    candidates = find_matches(
        read, facts.values(), lambda word: matrix.names.find(word) is not None
    )
    candidates += of_statements(statements, read, facts)
    clashes = find_clashes(pins, clues, matrix, here)
    proven = frozenset(id for clash in clashes for id in clash.facts if clash.severity == "error")
    places = read_places(read, facts.values())
    evidence = Evidence(read, versions, clues, matrix, proven, places)
    degraded = _degraded(candidates, evidence, matrix)
    candidates += degraded
    evidence.proven |= broken_in_every_release(candidates, evidence)
    evidence.proven |= {match.fact.id for match in degraded}
    # A warning is shown where it is the cause.
    clashes = tuple(
        clash
        for clash in clashes
        if clash.severity == "error" or not evidence.proven.isdisjoint(clash.facts)
    )
    matches = tuple(rank(candidates, evidence))
    if not matches and not clashes:
        return Diagnosis((), (), pins, clues, None, _is_list(pins, read))
    bounds = read_bounds(read, matrix)
    fix_goal = make_goal(matches, clashes, pins, evidence, matrix, has_bounds=bool(bounds))
    # Reversed, so that of two alternatives of one project the first stays in the dict.
    bounds = {**bounds, **dict(reversed(fix_goal.alternatives))}
    pinned = _without_label(versions, fix_goal, matches)
    best = matches[0].statement if matches else None
    if isinstance(best, NotOnIndex) and best.version and best.nearest:
        pinned[best.project] = f"{best.version}+{best.nearest}"
    requirers = {
        statement.requirer
        for statement in statements
        if isinstance(statement, Unmet) and statement.project == matrix.framework
    } - {None}
    attempts = Attempts(pinned, bounds, matrix, is_framework_to_blame=len(requirers) > 1)
    remedy = RemedySearch(versions, clues, matrix, here).find(fix_goal, attempts)
    return Diagnosis(matches, clashes, pins, clues, remedy)


def _is_list(pins: Sequence[TextPin], text: PastedText) -> bool:
    """Return whether a text is a list of what is installed: of collect_env, pip or conda."""
    listed = sum(pin.trust in (LISTED, INSTALLED) for pin in pins)
    return listed > 1 and not has_error(text)


def _degraded(candidates: Sequence[Match], evidence: Evidence, matrix: Matrix) -> list[Match]:
    """Return the soft facts that the versions in the text violate, where the text says that their
    component does not find its libraries: then they are the cause."""
    return [
        match._replace(fact=fact)
        for match in candidates
        if match.cure == "system" and not match.statement
        for fact in matrix.component(match.component).facts
        if not fact.is_hard and fact.beside and evidence.has_version(match.component)
        if evidence.speaks_of(fact) and evidence.is_satisfied(fact) is False
    ]


def _without_label(
    versions: Mapping[str, str], fix_goal: FixGoal, matches: Sequence[Match]
) -> dict[str, str]:
    """Return the versions without local labels where the best explanation is about the build that
    the subject's label names: `2.2.0+cpu` is to become another build of 2.2.0, and what lies beside
    it with the same label as well."""
    subject = fix_goal.subject
    label = versions.get(subject or "", "").partition("+")[2]
    if not (label and matches and matches[0].fact.where):
        return dict(versions)
    return {name: version.removesuffix(f"+{label}") for name, version in versions.items()}


def count_symptoms(matrix: Matrix) -> int:
    """Return the number of known messages."""
    return len({symptom for fact in matrix.facts.values() for symptom in fact.symptom})
