"""How a project's sources leave a platform to the package index: a marker on the source.

An index of CUDA builds has none for a Mac, and a source without a marker sends uv there all the
same. In a project of Poetry an entry of its own has to be for that platform, since Poetry installs
nothing where none of a project's entries counts. The fix is in the file's own words, and `--fix`
writes it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cudalock.matrix.releases import PACKAGE_INDEX
from cudalock.projects.model import Declared
from cudalock.projects.syntax.markers import both
from cudalock.projects.syntax.pep508 import may_hold
from cudalock.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.compat.pins import PinConflict
    from cudalock.projects.model import ProjectFile, Source
    from cudalock.targets import Target

_OF_UV: Final = re.compile(r"\bindex\s*=")
"""What a source of uv names; one of PDM's has the project in its own table."""
_OF_POETRY: Final = re.compile(r"\bsource\s*=")


class SourceFix(NamedTuple):
    """A source with the marker that it should have, as an edit of its file."""

    source: Source
    marker: str
    start: int
    """where `text` goes: in the place of the marker, or at the end of the source's table"""
    end: int
    text: str
    elsewhere: str | None = None
    """the marker of the entry that Poetry needs for the platform itself"""

    @classmethod
    def of(cls, source: Source, limit: str, file_text: str) -> SourceFix | None:
        """Return the edit that adds a limit to the marker of a source of uv; None for a table
        written otherwise."""
        if source.marker_place is not None:
            place = source.marker_place
            marker = f"({file_text[place.start : place.end]}) and {limit}"
            return cls(source, marker, place.start, place.end, marker)
        written = file_text[source.place.start : source.place.end].rstrip()
        if not written.endswith("}"):
            return None
        at = source.place.start + len(written[:-1].rstrip())
        return cls(source, limit, at, at, f', marker = "{limit}"')

    @classmethod
    def of_poetry(cls, source: Source, limit: str, file_text: str) -> SourceFix | None:
        """Return the edit that adds a limit to the markers of an entry of Poetry, and an entry for
        where it does not hold; None for an entry that stands in no list."""
        place = source.marker_place
        table = file_text[source.place.start : source.place.end].rstrip()
        before = file_text[: source.place.start].rstrip()
        if place is None or not table.endswith("}") or not before.endswith(("[", ",")):
            return None
        written = file_text[place.start : place.end]
        marker, other = both(written, limit) or "", both(written, limit.replace("!=", "==")) or ""
        end = source.place.start + len(table)
        rest = file_text[place.end : end]
        text = f'{marker}{rest}, {{ markers = "{other}" }}'
        return cls(source, marker, place.start, end, text, other)

    @property
    def table(self) -> str:
        """The table of the file that it is in."""
        return "tool.poetry.dependencies" if self.elsewhere else "tool.uv.sources"

    def __str__(self) -> str:
        if self.elsewhere:
            sent = f'{{ source = "{self.source.index}", markers = "{self.marker}" }}'
            return f'{self.source.name} = [{sent}, {{ markers = "{self.elsewhere}" }}]'
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
    owner = file.at(declared.place)
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
        fix = None
        if _OF_UV.search(line):
            fix = SourceFix.of(source, limit, owner.text)
        elif _OF_POETRY.search(line):
            fix = SourceFix.of_poetry(source, limit, owner.text)
        if fix is not None:
            yield fix


__all__ = ["SourceFix", "source_fixes"]
