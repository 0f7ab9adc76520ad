"""What is held: a project at a version or in a range, from where, and what may be said against it
alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cudalock.versions import specifier_set

if TYPE_CHECKING:
    from cudalock.findings import Finding


class PinnedProject(NamedTuple):
    """A project as a line of a file, or an installation, holds it.

    `indexes` are the ids of the matrix's indexes it may come from, None for anywhere at all;
    `file` is the name of the very wheel, where it is held by address. `required` is False for what
    only limits others. `hashes` are sha256 digests, any of which the wheel may have.
    """

    name: str
    """canonical"""
    specifier: str = ""
    """PEP 440; `==2.5.1+cu124` for a pin"""
    file: str | None = None
    indexes: frozenset[str] | None = None
    hashes: tuple[str, ...] = ()
    required: bool = True
    placed: bool = True
    """False where nothing is said of where it comes from: in a file of constraints, say"""
    is_built: bool = False
    """whether it is said how to build it, where there is no wheel"""
    has_source: bool = False
    """whether a source distribution is listed where it is held"""
    origin: object = None
    """the caller's own thing, to know it again by"""

    @property
    def text(self) -> str:
        """As a requirement: `torch==2.5.1`."""
        return self.name + self.specifier

    @property
    def version(self) -> str | None:
        """The one version that is asked for, None where several may do."""
        items = list(specifier_set(self.specifier)) if self.specifier else []
        exact = [
            item.version
            for item in items
            if item.operator in ("==", "===") and not item.version.endswith(".*")
        ]
        return exact[0] if exact else None


class PinChange(NamedTuple):
    """One thing held otherwise: a specifier, or an address where a version is not enough."""

    old: PinnedProject
    specifier: str
    url: str | None = None
    sha256: str | None = None
    index_id: str | None = None
    """where it is on an index: which"""

    @property
    def text(self) -> str:
        """What to write: `torchvision==0.20.1`, or `flash-attn @ https://...`."""
        return f"{self.old.name} @ {self.url}" if self.url else f"{self.old.name}{self.specifier}"


class PinConflict(NamedTuple):
    """A finding, and what is held that it is about, the one to change first.

    `needs` are the ids of indexes that would have to be named. `changes` would mend it, with all
    the rest as it is. `is_local`: another target may well be free of it.
    """

    finding: Finding
    members: tuple[PinnedProject, ...]
    needs: tuple[str, ...] = ()
    changes: tuple[PinChange, ...] = ()
    is_local: bool = True
