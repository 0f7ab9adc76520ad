"""Requirements, each with its origin: everything an explanation says comes from there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cudalock.matrix.facts import NONE, Clause, Verb
from cudalock.versions import accepts

if TYPE_CHECKING:
    from cudalock.resolution.candidate import Candidate
    from cudalock.resolution.elements import Element


class Requirement(NamedTuple):
    """One component and the specifiers of which any may hold.

    A ``requires`` wants the component present, a ``constrains`` is met by its absence too, and a
    ``conflicts`` by its absence alone.
    """

    name: str
    specifiers: tuple[str, ...]
    kind: Verb
    origin: Element
    extras: frozenset[str] = frozenset()

    @classmethod
    def of_clause(cls, clause: Clause, kind: Verb, origin: Element) -> Requirement:
        """The requirement that a fact's clause makes. A clause on :data:`NONE` wants absence."""
        if NONE in clause.specifiers:
            return cls(clause.name, (), "conflicts", origin)
        return cls(clause.name, clause.specifiers, kind, origin)

    def accepts(self, candidate: Candidate | None) -> bool:
        """Whether the component may stand so; None and an absent candidate are the same."""
        if candidate is None or candidate.version is None:
            return self.kind != "requires"
        if self.kind == "conflicts":
            return False
        return not self.specifiers or any(
            accepts(specifier, candidate.full_version if "+" in specifier else candidate.version)
            for specifier in self.specifiers
        )

    def may_accept(self, version: str) -> bool:
        """Whether some build of a public version may be accepted."""
        if self.kind == "conflicts":
            return False
        return not self.specifiers or any(
            "+" in specifier or accepts(specifier, version) for specifier in self.specifiers
        )

    def __str__(self) -> str:
        return " or ".join(self.name + specifier for specifier in self.specifiers) or self.name


__all__ = ["Requirement"]
