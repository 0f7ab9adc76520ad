"""How a source distribution is built: what is known, and by what."""

from __future__ import annotations

from typing import Final

from cudalock.records import NamedTuple

PURE: Final = "pure"
"""Nothing is compiled: Python and data files are copied."""
COMPILES: Final = "compiles"
"""A compiler has to run."""
UNKNOWN: Final = "unknown"
"""It cannot be told without running what is in the archive, or was not looked into."""
UNUSABLE: Final = "unusable"
"""The archive is damaged, hostile, too large, or of another release."""

KINDS: Final = (PURE, COMPILES, UNKNOWN, UNUSABLE)


class SourceState(NamedTuple):
    """Whether an installer has to compile a source distribution."""

    kind: str
    """one of KINDS"""
    reason: str = ""
    """a clause for people: `its setup.py uses CUDAExtension to compile CUDA`; may be empty"""
    beside: tuple[str, ...] = ()
    """projects that have to be installed before: an isolated build does not have them"""


UNREAD: Final = SourceState(UNKNOWN, "it was never read, and `--offline` forbids to look further")


class SourceFact(NamedTuple):
    """What is curated about the source distributions of one project."""

    build: SourceState
    versions: str
    """a PEP 440 specifier; empty for all"""
    when: str | None
    """a PEP 508 marker of the machine that builds"""
    source: tuple[str, ...]
