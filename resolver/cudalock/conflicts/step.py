"""The lines of an explanation, and how they name releases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.text import either
from cudalock.versions import version_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cudalock.resolution.candidate import Candidate

SHOWN_VERSIONS: Final = 4
"""How many versions are named one by one; more are shown as a span."""


class Step(NamedTuple):
    """One line of an explanation; ``fact`` is the id of the curated fact it rests on."""

    text: str
    fact: str | None = None

    def __str__(self) -> str:
        return f"{self.text}   [{self.fact}]" if self.fact else self.text


def subject(component: str, candidates: Sequence[Candidate]) -> str:
    """A component with the versions of some candidates, for people."""
    return f"{component} {versions_of(candidates)}".rstrip()


def versions_of(candidates: Sequence[Candidate]) -> str:
    """Versions for people: a few by name, many as a span; nothing for a great many."""
    found = sorted({each.version for each in candidates if each.version}, key=version_order)
    if len(found) <= SHOWN_VERSIONS:
        return either(found)
    return f"{found[0]} to {found[-1]}"


__all__ = ["SHOWN_VERSIONS", "Step", "subject", "versions_of"]
