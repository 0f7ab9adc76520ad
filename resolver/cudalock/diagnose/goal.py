"""What a remedy is to be: the projects that it has, and what of them is to blame."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cudalock.diagnose.ranking import Evidence, companions
from cudalock.diagnose.versions import LISTED, Pin
from cudalock.targets.facets import OF_ACCELERATOR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cudalock.diagnose.symptoms import Match
    from cudalock.findings import Finding
    from cudalock.matrix.facts import Fact
    from cudalock.matrix.matrix import Matrix


class Wish(NamedTuple):
    """What a remedy is to be."""

    wanted: tuple[str, ...]
    """the projects that it has"""
    culprits: tuple[str, ...] = ()
    """those of them to let go first"""
    facts: frozenset[str] = frozenset()
    """what it must not go against, if that is possible"""
    must_change: bool = False
    """whether the versions of the text are known to be the trouble"""


def make_wish(
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
    if not pinned and _is_of_unknown_machine(fact, evidence):
        return Wish(())
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


def _is_of_unknown_machine(fact: Fact, evidence: Evidence) -> bool:
    """Whether it asks something of a GPU or driver that the text does not tell: then nobody knows
    whether any version helps."""
    asked = {demand.template.name for demand in fact.of_machine}
    return any(name in asked and not getattr(evidence.clues, name) for name in OF_ACCELERATOR)


def _is_of_the_stack(pin: Pin, matrix: Matrix) -> bool:
    component = matrix.component(pin.name)
    if not matrix.is_curated(pin.name) or matrix.project(pin.name) is None:
        return False
    # A message that names the toolkit mostly means the one of the system.
    return component.role != "toolkit" or pin.trust >= LISTED
