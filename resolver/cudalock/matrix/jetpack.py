"""Releases of JetPack, the system of Jetson boards: `cuda/jetpack.json`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from cudalock.errors import BadTarget
from cudalock.records import dataclass
from cudalock.text import either

# `JetPack 6.2`, `jetpack-6`, `jp62`, `L4T r36.4.3`.
_NAME: Final = r"(?:(?P<jetpack>jetpack|jp)|l4t)[ _-]?r?(?P<number>[0-9]{1,2}(?:\.[0-9]{1,2}){0,3})"


@dataclass(frozen=True, slots=True)
class JetPack:
    """One release, and what comes with it."""

    version: str
    """two numbers, `6.2`"""
    l4t: tuple[str, ...]
    """how the versions of its Jetson Linux begin: `36.4.3`, `38`"""
    python: str
    """the Python of its Ubuntu"""
    distribution: str
    """its Ubuntu, as a name of `repositories.toml`: `ubuntu22.04`"""
    architectures: tuple[str, ...]
    """the compute capabilities of the boards that it runs on"""


class JetPacks:
    """Every release in the table, oldest first."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        """`table` has `platform`, `releases`, and `usual`: the release to assume for a compute
        capability."""
        self.platform: str = table.get("platform", "")
        self.releases = {
            version: JetPack(
                version,
                tuple(row["l4t"]),
                row["python"],
                row["distribution"],
                tuple(row["architectures"]),
            )
            for version, row in table.get("releases", {}).items()
        }
        self._usual: Mapping[str, str] = table.get("usual", {})

    def find(self, text: str) -> JetPack | None:
        """Return the release that `JetPack 6.2`, `jp6` or `L4T 36.4.3` means.

        None for a text that names no JetPack. A number that several have is the newest. Raises
        BadTarget for a release that is not in the table.
        """
        match = re.fullmatch(_NAME, text.strip().lower())
        if match is None or not self.releases:
            return None
        number = match["number"]
        found = self._of_version(number) if match["jetpack"] else self.of_l4t(number)
        if found is None:
            raise BadTarget(
                f"unknown JetPack `{text}`: the matrix has {either(list(self.releases))}",
                hints=[f"--platform jetpack-{next(reversed(self.releases))}"],
            )
        return found

    def _of_version(self, number: str) -> JetPack | None:
        # Patch releases are alike: `6.2.1` is 6.2.
        short = ".".join(number.split(".")[:2])
        matching = [
            release
            for version, release in self.releases.items()
            if version == short or version.split(".")[0] == short
        ]
        return matching[-1] if matching else None

    def of_l4t(self, number: str) -> JetPack | None:
        """Return the release with a version of Jetson Linux, `36.4.3`, if known."""
        for release in reversed(self.releases.values()):
            if any(f"{number}.".startswith(f"{known}.") for known in release.l4t):
                return release
        # `36.4` is the newest of its series.
        for release in reversed(self.releases.values()):
            if any(known.startswith(f"{number}.") for known in release.l4t):
                return release
        return None

    def usual_for(self, architectures: Iterable[str]) -> JetPack | None:
        """Return the release to assume for a board with one of these compute capabilities."""
        for architecture in architectures:
            if version := self._usual.get(architecture):
                return self.releases[version]
        return None
