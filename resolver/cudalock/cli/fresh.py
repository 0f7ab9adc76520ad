"""Whether a lock still answers the command in its own header."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cudalock.findings import Finding
    from cudalock.matrix import Matrix


def stale(name: str, matrix: Matrix) -> list[Finding]:
    """The pins that differ from what the lock's command comes to today; none for a fresh one.

    A file without such a command is not a lock of cudalock's: that is said.
    """
    raise NotImplementedError
