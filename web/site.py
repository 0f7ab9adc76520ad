"""What each step of the build is given, and how it says that it cannot run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cudalock.matrix.matrix import Matrix


@dataclass(frozen=True, slots=True)
class Site:
    """A site that is being built."""

    folder: Path
    """where its files go: each step writes its own and leaves those of the others"""
    address: str
    """the URL that the site will have, without a slash at its end; empty if nobody knows it"""
    matrix: Matrix


class Unavailable(Exception):
    """A step lacks what it needs on this machine; the message says what to install."""
