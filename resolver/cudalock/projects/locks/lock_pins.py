"""What a lock pins, read back from the file: for requirements, constraints, pylock.toml, uv."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.formats.header import find_command
from cudalock.projects.model import StatedValue
from cudalock.projects.syntax.text import Text
from cudalock.records import dataclass
from cudalock.urls import file_of

if TYPE_CHECKING:
    from cudalock.projects.model import Declared, ProjectFile


@dataclass(frozen=True, slots=True)
class LockedPin:
    """One pin of a lock, as far as its file has it.

    Either `version` is what a requirement pins, or `file` is the wheel that a URL or path (`url`)
    leads to. `hashes` are sha256 digests, sorted; `index` is the URL of an index.
    """

    name: str
    version: str | None
    file: str | None = None
    url: str | None = None
    hashes: tuple[str, ...] = ()
    marker: str | None = None
    index: str | None = None


def read_pins(file: ProjectFile) -> tuple[LockedPin, ...]:
    """Return the pins of a lock, in the order of the file: exact requirements, and URLs.

    For a uv project `file.sources` has the marker under which a pin comes from an index.
    """
    return tuple(pin for declared in file.declared if (pin := _pin(declared)) is not None)


def read_command(file: ProjectFile) -> StatedValue | None:
    """Return the command that makes a cudalock lock again, with its span; None for another file."""
    match = find_command(file.text)
    if match is None:
        return None
    command, start, end = match
    return StatedValue(command, Text(file.name, file.text).place(start, end))


def _pin(declared: Declared) -> LockedPin | None:
    hashes = tuple(sorted(digest.removeprefix("sha256:") for digest in declared.hashes))
    # A range pins nothing, so a requirements file that people wrote has no pins here.
    if declared.url is None and declared.version is None:
        return None
    return LockedPin(
        declared.name,
        declared.version if declared.url is None else None,
        file_of(declared.url) if declared.url else None,
        declared.url,
        hashes,
        declared.marker,
        declared.index,
    )


__all__ = ["LockedPin", "read_command", "read_pins"]
