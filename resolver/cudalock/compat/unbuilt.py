"""Judge pins without a wheel for the target, which an installer builds, beside the other pins.

What is built has no labels yet: that it is compiled against the torch that is there is taken for
granted. What a wheel's METADATA requires says nothing of it (the wheels of xformers pin the torch
that they were built with, its source does not); facts about every build of a release do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cudalock.compat.in_force import facts_in_force, is_met
from cudalock.compat.pins import PinConflict, PinnedProject
from cudalock.findings import Finding
from cudalock.matrix.facts import VERSION
from cudalock.targets.facets import ARCHITECTURES, titled
from cudalock.versions import parse_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cudalock.matrix.facts import Fact
    from cudalock.matrix.matrix import Matrix
    from cudalock.targets import Target

SOURCE_ONLY: Final = "CL104"
"""The code of the finding for such a pin."""


def conflicts_of_source(
    pin: PinnedProject, pins: Sequence[PinnedProject], target: Target, matrix: Matrix
) -> Iterator[PinConflict]:
    """Yield the conflicts of a pin that is built with the target's GPU, and with each pin of one
    version beside it."""
    version = pin.version
    if version is None:
        return
    for part, gpus in ARCHITECTURES.items():
        for value in gpus.values(target):
            fact = next(_violated(pin.name, version, part, value, target, matrix), None)
            if fact is not None:
                yield _on_target(pin, fact, titled(part, value))
                return
    for other in pins:
        theirs = parse_version(other.version).public if other.version else None
        if theirs is None or other.name == pin.name or not other.required:
            continue
        fact = next(_violated(pin.name, version, other.name, theirs, target, matrix), None)
        if fact is not None:
            finding = Finding(
                "CL202",
                "error",
                f"{pin.text} and {other.text} are incompatible; {fact.component} {fact.says}",
                (fact.id,),
                fact.fix,
                members=(pin.name, other.name),
            )
            yield PinConflict(finding, (pin, other))


def _on_target(pin: PinnedProject, fact: Fact, about: str) -> PinConflict:
    sentence = (
        f"{pin.text} does not run on the target; {fact.component} {fact.says}; it has {about}"
    )
    finding = Finding("CL204", "error", sentence, (fact.id,), fact.fix, members=(pin.name,))
    return PinConflict(finding, (pin,))


def _violated(
    name: str, version: str, other: str, theirs: str, target: Target, matrix: Matrix
) -> Iterator[Fact]:
    """The facts about every build of a release that the version of another project, or of a part of
    the target, goes against."""
    labels: Mapping[str, tuple[str, ...]] = {VERSION: (version,)}
    for fact in facts_in_force(name, version, target, matrix):
        if fact.where or fact.rows is not None:
            continue
        for demand in (*fact.beside, *fact.of_machine):
            if demand.template.name == other and not is_met(demand, labels, theirs):
                yield fact


__all__ = ["SOURCE_ONLY", "conflicts_of_source"]
