"""Decide what a fix is about: the projects to solve for, and those to blame."""

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


class FixGoal(NamedTuple):
    """What to solve for."""

    projects: tuple[str, ...]
    """the projects that the command has"""
    culprits: tuple[str, ...] = ()
    """those of them to unpin first"""
    facts: frozenset[str] = frozenset()
    """the facts that a solution should satisfy"""
    must_change: bool = False
    """whether the versions in the text are known to be the cause, so that a solution with the same
    versions is no fix"""


def make_goal(
    matches: Sequence[Match],
    clashes: Sequence[Finding],
    pins: Sequence[Pin],
    evidence: Evidence,
    matrix: Matrix,
) -> FixGoal:
    """Return what to solve for; without projects where the text has no version and no version can
    be the cure."""
    pinned = [pin.name for pin in pins if _is_of_the_stack(pin, matrix)]
    blamed = [name for clash in clashes for name in clash.members[:1]]
    if not matches:
        return FixGoal(tuple(pinned), tuple(blamed))
    fact = matches[0].fact
    if not pinned and not _is_of_versions(fact):
        return FixGoal(fact.mends)
    if not pinned and _is_of_unknown_machine(fact, evidence):
        return FixGoal(())
    beside = companions(fact, matrix)
    if not set(beside).isdisjoint(pinned):
        beside = []
    named = [fact.component] if not pinned or evidence.shows(fact) else []
    named += filter(evidence.is_mentioned, beside)
    projects = [*pinned, *fact.mends, *(name for name in named if matrix.project(name))]
    if not projects and fact.of_machine and evidence.tells_machine and matrix.framework:
        projects = [matrix.framework]
    return FixGoal(
        tuple(dict.fromkeys(projects)),
        (*blamed, fact.component),
        frozenset(match.fact.id for match in matches),
        must_change=evidence.blames_version(fact, projects),
    )


def _is_of_versions(fact: Fact) -> bool:
    """Return whether other versions or builds can be the cure."""
    return (
        bool(fact.beside or fact.of_machine or fact.versions or fact.where or fact.refuses)
        or fact.scope == "solve"
    )


def _is_of_unknown_machine(fact: Fact, evidence: Evidence) -> bool:
    """Return whether the fact is about a GPU or driver that the text does not name: then it is
    unknown whether any version helps."""
    needed = {demand.template.name for demand in fact.of_machine}
    return any(name in needed and not getattr(evidence.clues, name) for name in OF_ACCELERATOR)


def _is_of_the_stack(pin: Pin, matrix: Matrix) -> bool:
    component = matrix.component(pin.name)
    if not matrix.is_curated(pin.name) or matrix.project(pin.name) is None:
        return False
    # A message that names the toolkit mostly means the one of the system.
    return component.role != "toolkit" or pin.trust >= LISTED
