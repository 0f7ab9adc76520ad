"""What either search comes to: a candidate for every identifier, and who asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cudalock.resolution.candidate import Candidate
    from cudalock.resolution.requirement import Requirement


class Pinned(NamedTuple):
    """A complete choice: the candidate of every identifier, and who asked for each."""

    candidates: Mapping[str, Candidate]
    requirements: Mapping[str, tuple[tuple[Requirement, str | None], ...]]

    def version_of(self, name: str) -> Candidate | None:
        """The candidate chosen for a component, None where it is absent."""
        return self.candidates.get(name)


__all__ = ["Pinned"]
