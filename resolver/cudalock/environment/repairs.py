"""What changes an environment: the steps of a fix, as values.

`cudalock doctor` shows a fix as a command for people. With `--fix` it takes these steps instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from pathlib import Path


class Install(NamedTuple):
    """Install one wheel of a project, in the place of whatever version is there."""

    name: str
    """the canonical project name"""
    specifier: str
    """PEP 440; empty for any version"""
    url: str | None = None
    """the URL of the wheel, where a version does not identify it"""
    sha256: str | None = None
    index_url: str | None = None
    """the URL of the index that has it; None for the package index"""
    is_addition: bool = False
    """whether it is missing, so that nothing is replaced"""


class Uninstall(NamedTuple):
    """Remove a distribution and its files."""

    name: str


class RemoveFolder(NamedTuple):
    """Remove a folder of site-packages that no installer would."""

    path: Path


Repair: TypeAlias = Install | Uninstall | RemoveFolder


class Fix(NamedTuple):
    """A fix as text for people, and as the steps that `--fix` takes."""

    text: str
    repairs: tuple[Repair, ...] = ()
    """empty where only a person can do it"""


__all__ = ["Fix", "Install", "RemoveFolder", "Repair", "Uninstall"]
