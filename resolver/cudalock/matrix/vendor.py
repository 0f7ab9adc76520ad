"""CUDA releases as pip packages, and the glibc of Linux releases."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from cudalock.errors import BadTarget, UnknownName, UnknownVersion
from cudalock.names import nearest
from cudalock.targets import DEFAULT_GLIBC, LINUX
from cudalock.text import either


class Toolkits:
    """CUDA releases as pip packages: `cuda/toolkits.json`."""

    def __init__(self, releases: Mapping[str, Any], matrix_version: str) -> None:
        self.releases = releases
        """the row of each release, `12.4.1`, oldest first: `pins`, `extras` and `platforms`"""
        self._matrix_version = matrix_version

    def pins(self, release: str, parts: Iterable[str], platform: str) -> dict[str, str]:
        """Return the projects of a CUDA release that exist on a platform, with their versions.

        `parts` are extras of the toolkit, `nvcc`; without any it is the whole toolkit. Raises
        UnknownVersion for a release and UnknownName for a part that is not known.
        """
        row = self.releases.get(release)
        if row is None:
            raise self._unknown_release(release)
        parts = tuple(parts)
        for part in parts:
            if part not in row["extras"]:
                known = ", ".join(sorted(row["extras"]))
                similar = nearest(part, row["extras"])
                raise UnknownName(
                    f"CUDA {release} has no part `{part}`: it has {known}",
                    hints=[f"--toolkit {release}:{name}" for name in similar],
                )
        projects = (
            {project for part in parts for project in row["extras"][part]}
            if parts
            else set(row["pins"])
        )
        platforms = row.get("platforms", {})
        return {
            project: row["pins"][project]
            for project in sorted(projects)
            if platform in platforms.get(project, (platform,))
        }

    def _unknown_release(self, release: str) -> UnknownVersion:
        # A release candidate is never what somebody means by 12.4.
        newest_first = [known for known in self.releases if "rc" not in known][::-1]
        patches = [known for known in newest_first if known.startswith(f"{release}.")]
        major = release.partition(".")[0]
        same_major = [known for known in newest_first if known.startswith(f"{major}.")]
        return UnknownVersion(
            f"CUDA {release} is ambiguous: choose {either(patches)}"
            if patches
            else f"CUDA {release} is not known as pip packages (matrix {self._matrix_version})",
            hints=[f"--toolkit {known}" for known in (patches or same_major or newest_first)[:3]],
        )

    def versions(self, project: str, minor: tuple[int, ...]) -> list[str]:
        """Return the versions of one of NVIDIA's projects for a CUDA minor, newest first.

        `minor` is `(12, 4)`.
        """
        return self._versions_by_minor.get((project, minor), [])

    def has_project(self, project: str) -> bool:
        """Return whether a project is a part of some CUDA release."""
        return any(project in row["pins"] for row in self.releases.values())

    @cached_property
    def _versions_by_minor(self) -> dict[tuple[str, tuple[int, ...]], list[str]]:
        by_minor: dict[tuple[str, tuple[int, ...]], list[str]] = {}
        numbers = {release: _numbers(release) for release in self.releases}
        # Later patch releases first: within a minor release the newest library is preferred.
        for release in sorted(numbers, key=lambda known: numbers[known], reverse=True):
            for project, version in self.releases[release]["pins"].items():
                versions = by_minor.setdefault((project, numbers[release][:2]), [])
                if version not in versions:
                    versions.append(version)
        return by_minor


class Distributions:
    """Linux distributions and the glibc of each of their releases."""

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """`rows` are those of `[[distribution]]` in `repositories.toml`."""
        self.rows = tuple(rows)

    @cached_property
    def _by_name(self) -> dict[str, tuple[str, Mapping[str, str]]]:
        """The title and the releases of a distribution, by each of its names."""
        return {name: (row["title"], row["releases"]) for row in self.rows for name in row["names"]}

    @cached_property
    def by_release(self) -> dict[str, str]:
        """The glibc by name and release without separators, `ubuntu22.04`, and by code name."""
        glibcs = {
            f"{name}{release}": glibc
            for name, (_, releases) in self._by_name.items()
            for release, glibc in releases.items()
        }
        for row in self.rows:
            for codename, release in row.get("codenames", {}).items():
                glibcs[codename] = row["releases"][release]
                for name in row["names"]:
                    glibcs.setdefault(f"{name}{codename}", row["releases"][release])
        return glibcs

    def codename(self, name: str, release: str) -> str:
        """Return the code name of a release: `bookworm` of debian's 12; the release without one."""
        for row in self.rows:
            if name in row["names"]:
                names = row.get("codenames", {})
                return next((code for code, known in names.items() if known == release), release)
        return release

    def glibc(self, text: str) -> str | None:
        """Return the glibc of the distribution that `Ubuntu 22.04` or `bookworm` means, if known.

        Raises BadTarget for a name that needs a release after it, `ubuntu`, and for a release of
        which the glibc is not in the matrix.
        """
        # People write `Ubuntu 22.04`, `ubuntu-22.04` and `ubuntu22.04`.
        plain = re.sub(r"[\s_-]", "", text.lower())
        if glibc := self._glibc(plain):
            return glibc
        name, release = _split_release(plain)
        if name not in self._by_name:
            return None
        title, releases = self._by_name[name]
        hints = [
            " or ".join(f"`{name}{known}`" for known in releases if known.startswith(release))
            or f"{title} with its glibc in the matrix: {', '.join(releases)}",
            f"`{LINUX.name}`, with glibc {DEFAULT_GLIBC}, or `--glibc`: `ldd --version` prints it",
        ]
        if release and not any(known.startswith(release) for known in releases):
            raise BadTarget(f"the glibc of {title} {release} is not in the matrix", hints=hints)
        raise BadTarget(
            f"`{text}` needs its release after it, which determines the glibc", hints=hints
        )

    def _glibc(self, plain: str) -> str | None:
        # A point release has the glibc of its release: `ubuntu22.04.3`, `rhel8.10`.
        while (glibc := self.by_release.get(plain)) is None:
            plain, dot, number = plain.rpartition(".")
            if not dot or not number.isdigit():
                return None
        return glibc


def _split_release(plain: str) -> tuple[str, str]:
    """Split `ubuntu22.04` before its first digit; a text without digits has no release."""
    match = re.fullmatch(r"([a-z]+)([0-9][0-9.]*(?:sp[0-9]+)?)?", plain)
    return (match[1], match[2] or "") if match else ("", "")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())
