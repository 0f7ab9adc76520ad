"""What an index lists, as rows of the matrix: one release of a project at a time.

The rows are those of `matrix/index/*.json` (see :mod:`cudalock.matrix.releases`): `matrix update`
writes them, and solving against a live index reads them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import cache
from typing import Any, Final

from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename
from packaging.version import InvalidVersion, Version

from cudalock.indexes.listings import File, Listing
from cudalock.targets.platforms import of_wheel_tag
from cudalock.targets.pythons import OLDEST_MINOR
from cudalock.targets.tags import ANY, TAG_ARCHES, TAG_SYSTEMS, split_platform_tag
from cudalock.versions import canonical, has_long_number, parse_version

Row = dict[str, Any]
"""A release as an index file has it."""

# By hand, since packaging's parser normalizes: a row has to give back the very file name.
_WHEEL: Final = re.compile(
    r"(?P<dist>[^-]+)-(?P<version>[^-+]+)(?:\+(?P<local>[^-]+))?-(?P<tags>(?:[0-9][^-]*-)?[^-]+-[^-]+-[^-]+)\.whl"
)


def releases_of(listing: Listing) -> dict[str, list[File]]:
    """Return the files of each release by its version, oldest first.

    A version is spelled as in the names of its wheels. Only wheels that some supported platform and
    Python accept are there, and source distributions; invalid names are ignored.
    """
    files_by_version: dict[Version, list[File]] = {}
    spelled: dict[Version, str] = {}
    for file in listing.files:
        if not file.is_wheel:
            version = _sdist_version(file.name, listing.project)
            if version is not None:
                files_by_version.setdefault(version, []).append(file)
            continue
        parts = wheel_parts(file.name)
        if parts is None or canonical(parts["dist"]) != listing.project:
            continue
        version = _version(parts["version"])
        if version is None or not is_kept(parts["tags"]):
            continue
        # A wheel's name is made of the release's version again.
        if spelled.setdefault(version, parts["version"]) == parts["version"]:
            files_by_version.setdefault(version, []).append(file)
    return {
        spelled.get(version, str(version)): files_by_version[version]
        for version in sorted(files_by_version)
    }


def may_be_used(name: str) -> bool:
    """Whether :func:`releases_of` may take a file of this name."""
    if not name.endswith(".whl"):
        return name.endswith(SDISTS)
    tags = name.removesuffix(".whl").rsplit("-", 3)[1:]
    return len(tags) == 3 and is_kept("-".join(tags))


def listed_row(files: list[File]) -> Row:
    """Return what the listing has for a release as a whole."""
    row: Row = {}
    wheels = [file for file in files if file.is_wheel]
    days = [file.uploaded for file in files if file.uploaded]
    if days:
        row["uploaded"] = min(days)
    python = next((file.python for file in wheels or files if file.python), None)
    if python:
        row["python"] = python
    # An index yanks files; a release counts as yanked only if all of them are.
    if all(file.yanked is not None for file in files):
        row["yanked"] = files[0].yanked or True
    # A wheel for every platform leaves nobody with the source distribution.
    has_sdist = any(not file.is_wheel for file in files)
    if has_sdist and not any(file.name.endswith("-any.whl") for file in wheels):
        row["sdist"] = True
    return row


def grouped(
    project: str, files: list[File]
) -> list[tuple[str | None, list[File], list[list[Any]]]]:
    """The wheels of a release that have one local version, system and machine, and as a rule one
    metadata: the version, the files, and their rows."""
    groups: dict[tuple[str | None, tuple[int, int]], list[File]] = {}
    for file in files:
        parts = wheel_parts(file.name) if file.is_wheel else None
        if parts is not None:
            groups.setdefault((parts["local"], system_of(file)), []).append(file)
    ordered = sorted(groups, key=lambda key: (key[0] or "", key[1]))
    return [(key[0], groups[key], _rows(project, groups[key])) for key in ordered]


def _rows(project: str, files: Iterable[File]) -> list[list[Any]]:
    plain = project.replace("-", "_")
    rows = []
    for file in files:
        parts = wheel_parts(file.name) or {}
        row: list[Any] = [parts["tags"], file.sha256]
        if parts["dist"] != plain:
            row.append({"dist": parts["dist"]})
        rows.append(row)
    return sorted(rows, key=lambda row: str(row[0]))


def system_of(file: File) -> tuple[int, int]:
    """Return the system and machine of a wheel, as a sort key: Linux on x86_64 first."""
    platform = file.name.removesuffix(".whl").rpartition("-")[2].partition(".")[0]
    system, arch = split_platform_tag(platform)
    return TAG_SYSTEMS.index(system or ANY), TAG_ARCHES.index(arch) if arch else 0


def representative(files: Collection[File]) -> File:
    """Return the wheel to read metadata of: one that offers it, the newest of its kind by name."""
    return max(files, key=lambda file: (file.metadata is not None, file.name))


@cache
def is_kept(tags: str) -> bool:
    """Whether some supported Python on some supported platform accepts such a wheel."""
    python, abi, platform = tags.split("-")[-3:]
    return any(of_wheel_tag(tag) for tag in platform.split(".")) and any(
        _takes(python_tag, one) for python_tag in python.split(".") for one in abi.split(".")
    )


def _takes(python: str, abi: str) -> bool:
    match = re.fullmatch(r"(py|cp)3([0-9]{0,3})", python)
    if match is None:
        return False
    # py3 and abi3 wheels run on every later Python.
    if match[1] == "py" or abi == "abi3":
        return True
    return bool(match[2]) and int(match[2]) >= OLDEST_MINOR


def wheel_parts(name: str) -> dict[str, str] | None:
    """Return `dist`, `version`, `local` and `tags` of a wheel's name, as they are spelled."""
    match = _WHEEL.fullmatch(name)
    return match.groupdict() if match else None


def _version(text: str) -> Version | None:
    try:
        return parse_version(text)
    except InvalidVersion:
        return None


SDISTS: Final = (".tar.gz", ".zip")
"""The endings that `parse_sdist_filename` accepts."""


def _sdist_version(name: str, project: str) -> Version | None:
    if has_long_number(name):
        return None
    try:
        found, version = parse_sdist_filename(name)
    except (InvalidSdistFilename, InvalidWheelFilename, InvalidVersion):
        return None
    return version if found == project else None


__all__ = [
    "Row",
    "grouped",
    "is_kept",
    "listed_row",
    "may_be_used",
    "releases_of",
    "representative",
    "wheel_parts",
]
