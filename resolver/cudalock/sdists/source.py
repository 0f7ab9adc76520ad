"""The values: how a source distribution is built, and what its release requires."""

from __future__ import annotations

from typing import Any

from cudalock.matrix.sources import KINDS, SourceState
from cudalock.records import NamedTuple


class SourceMetadata(NamedTuple):
    """What a source distribution states of itself, without having run it."""

    name: str
    version: str
    python: str | None
    """the specifier of Requires-Python"""
    requires: tuple[str, ...] | None
    """PEP 508 requirements, those of extras with their marker; None if they are computed"""
    build: SourceState

    def as_json(self) -> dict[str, Any]:
        """Return the value for a cache."""
        return {**self._asdict(), "build": self.build._asdict()}

    @classmethod
    def from_json(cls, table: dict[str, Any]) -> SourceMetadata:
        """Read what `as_json` returned. Raises ValueError, TypeError or LookupError for another."""
        build = table["build"]
        kind = build["kind"]
        if kind not in KINDS:
            raise ValueError(kind)
        requires = table["requires"]
        return cls(
            str(table["name"]),
            str(table["version"]),
            table["python"],
            None if requires is None else tuple(map(str, requires)),
            SourceState(kind, str(build["reason"]), tuple(map(str, build["beside"]))),
        )
