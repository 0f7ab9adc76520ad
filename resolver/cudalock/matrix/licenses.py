"""Licences of projects, as METADATA of their wheels states them: `licenses.toml`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock import toml
from cudalock.errors import MatrixError
from cudalock.files import read_text
from cudalock.versions import accepts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE: Final = "licenses.toml"


class License(NamedTuple):
    """What METADATA of one version states; other versions of `versions` are taken to state it."""

    expression: str | None
    """of SPDX"""
    name: str | None
    """what METADATA has in its place"""
    read: str
    """the version whose METADATA was read"""
    versions: str = ""
    """a specifier"""


def read_licenses(directory: Path) -> Mapping[str, tuple[License, ...]]:
    """Read the licences of a matrix by project; none if it has no such file.

    Raises MatrixError naming what is wrong.
    """
    path = directory / FILE
    if not path.is_file():
        return {}
    licenses: dict[str, tuple[License, ...]] = {}
    try:
        for row in toml.loads(read_text(path)).get("license", ()):
            for project, version in row["read"].items():
                known = License(
                    row.get("expression"), row.get("name"), version, row.get("versions", "")
                )
                licenses[project] = (*licenses.get(project, ()), known)
    except (OSError, ValueError) as error:
        raise MatrixError(FILE, "", f"cannot be read: {error}") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise MatrixError(FILE, str(error).strip("'"), "is missing or damaged") from None
    return licenses


def license_of(
    licenses: Mapping[str, tuple[License, ...]], project: str, version: str
) -> License | None:
    """Return the licence of a version, that which was read of the version itself before others."""
    # A licence changes with a release at times, as nvtx's did: the version's own comes first.
    known = [row for row in licenses.get(project, ()) if accepts(row.versions, version)]
    return next((row for row in known if row.read == version), next(iter(known), None))
