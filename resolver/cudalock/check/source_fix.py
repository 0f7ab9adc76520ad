"""How a uv project's sources leave a platform to the package index: a marker on the source.

An index of CUDA builds has none for a Mac, and a source without a marker sends uv there all the
same. The fix is in the file's own words, and `--fix` writes it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.matrix.releases import PACKAGE_INDEX
from cudalock.projects.model import Declared
from cudalock.projects.syntax.pep508 import may_hold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.compat.pins import PinConflict
    from cudalock.projects.model import ProjectFile, Source
    from cudalock.targets import Target

_OF_UV: Final = re.compile(r"\bindex\s*=")
"""What a source of uv names; one of PDM's has the project in its own table."""


class SourceFix(NamedTuple):
    """A source with the marker that it should have, as an edit of its file."""

    source: Source
    marker: str
    start: int
    """where `text` goes: in the place of the marker, or at the end of the source's table"""
    end: int
    text: str

    @classmethod
    def of(cls, source: Source, marker: str, file_text: str) -> SourceFix | None:
        """Return the edit that gives a source a marker; None for a table written otherwise."""
        if source.marker_place is not None:
            return cls(source, marker, source.marker_place.start, source.marker_place.end, marker)
        written = file_text[source.place.start : source.place.end].rstrip()
        if not written.endswith("}"):
            return None
        at = source.place.start + len(written[:-1].rstrip())
        return cls(source, marker, at, at, f', marker = "{marker}"')

    def __str__(self) -> str:
        parts = {"index": self.source.index, "extra": self.source.extra, "group": self.source.group}
        words = [f'{key} = "{text}"' for key, text in parts.items() if text]
        table = ", ".join([*words, f'marker = "{self.marker}"'])
        return f"{self.source.name} = [{{ {table} }}]"


def source_fixes(clash: PinConflict, file: ProjectFile, target: Target) -> Iterator[SourceFix]:
    """Yield the sources of a requirement that should not count on the target: what they send there
    is on the package index alone."""
    declared = clash.members[0].origin if clash.members else None
    if clash.missing_indexes != (PACKAGE_INDEX,) or not isinstance(declared, Declared):
        return
    owner = next((each for each in file.files() if each.name == declared.place.file), None)
    environment = target.marker_environment()
    limit = f"sys_platform != '{environment['sys_platform']}'"
    for source in owner.sources_for(declared) if owner is not None else ():
        index = owner.index_named(source.index) if owner is not None and source.index else None
        counts = source.marker is None or may_hold(source.marker, environment)
        if owner is None or index is None or not index.explicit or not counts:
            continue
        if '"' in (source.marker or ""):
            continue
        line = owner.text[source.place.start : source.place.end]
        if _OF_UV.search(line):
            marker = f"({source.marker}) and {limit}" if source.marker else limit
            fix = SourceFix.of(source, marker, owner.text)
            if fix is not None:
                yield fix


__all__ = ["SourceFix", "source_fixes"]
