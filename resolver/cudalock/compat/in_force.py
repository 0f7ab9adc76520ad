"""Facts that hold of a release on a target, and whether the version beside it meets them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.matrix.facts import NONE
from cudalock.versions import accepts, holds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.matrix.facts import Demand, Fact, Labels
    from cudalock.matrix.matrix import Matrix
    from cudalock.targets import Target


def facts_in_force(
    name: str, version: str, target: Target, matrix: Matrix, *, soft: bool = False
) -> Iterator[Fact]:
    """Yield the facts about a release that a lock may not go against on a target, with `soft` those
    that it is warned of as well.

    Without those about shared files, which are found by other ways.
    """
    environment = target.marker_environment()
    for fact in matrix.component(name).facts:
        counts = fact.is_hard or (soft and not fact.is_slight)
        is_meant = counts and fact.scope == "solve" and not fact.alone and not fact.shared_path
        if is_meant and accepts(fact.versions, version) and holds(fact.when, environment):
            yield fact


def is_met(demand: Demand, labels: Labels, version: str) -> bool:
    """Return whether a version meets a demand; it does so where nobody knows the labels."""
    clause = demand.template.fill(labels)
    if clause is None:
        return True
    if demand.verb == "conflicts" or NONE in clause.specifiers:
        return False
    return not clause.specifiers or any(accepts(each, version) for each in clause.specifiers)


__all__ = ["facts_in_force", "is_met"]
