"""How to read the files of a repository: `matrix/repositories.toml`, typed.

What a conda package is on the package index, and for whom a requirements file is, are facts, and
so they are data. What the names of base images show is read by `matrix/images.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cudalock import toml
from cudalock.errors import MatrixError
from cudalock.files import read_text
from cudalock.matrix.facts import CLAUSE
from cudalock.versions import canonical

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE: Final = "repositories.toml"


class CondaName(NamedTuple):
    """A package of conda's channels: a project of the package index, a part of the target that its
    version states, or (neither) a tool that is left out."""

    project: str | None
    means: str | None


class CondaConflict(NamedTuple):
    """Two packages, each with a range of versions, that conda installs together and that do not
    work: `package`, from one channel, and `beside`. `fact` is the id of the fact about it."""

    package: tuple[str, str]
    channel: str
    beside: tuple[str, str]
    fact: str


class Audience(NamedTuple):
    """For whom a requirements file is: a group, or the machines of a platform or accelerator."""

    group: str | None = None
    platform: str | None = None
    accelerator: str | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules of the file."""

    conda: Mapping[str, CondaName] = field(default_factory=dict)
    conda_conflicts: tuple[CondaConflict, ...] = ()
    words: Mapping[str, Audience] = field(default_factory=dict)
    tools: frozenset[str] = frozenset()
    """projects that are installed to install the others"""


def read_rules(directory: Path) -> Rules:
    """Read the rules of a matrix; none if it has no such file.

    Raises MatrixError naming the key that is wrong.
    """
    path = directory / FILE
    # A matrix of a user (`--matrix`) may leave the file out.
    if not path.is_file():
        return Rules()
    try:
        return _rules(toml.loads(read_text(path)))
    except (OSError, ValueError, re.error) as error:
        raise MatrixError(FILE, "", f"cannot be read: {error}") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise MatrixError(FILE, str(error).strip("'"), "is missing or damaged") from None


def _rules(tables: dict[str, Any]) -> Rules:
    return Rules(
        conda={
            canonical(name): _conda(name, row)
            for row in tables.get("conda", ())
            for name in row["names"]
        },
        conda_conflicts=tuple(map(_conda_conflict, tables.get("conda_conflict", ()))),
        words={
            word: Audience(row.get("group"), row.get("platform"), row.get("accelerator"))
            for row in tables.get("file", ())
            for word in row["words"]
        },
        tools=frozenset(name for row in tables.get("tool", ()) for name in row["names"]),
    )


def _conda(name: str, row: dict[str, Any]) -> CondaName:
    if row.get("tool") or "means" in row:
        return CondaName(None, row.get("means"))
    # Most packages have the same name in both worlds.
    return CondaName(row.get("is", canonical(name)), None)


def _conda_conflict(row: dict[str, Any]) -> CondaConflict:
    return CondaConflict(
        _clause(row["package"]), row["channel"], _clause(row["beside"]), row["fact"]
    )


def _clause(text: str) -> tuple[str, str]:
    """A package's name and the specifier after it."""
    match = re.match(CLAUSE, text)
    if match is None:
        raise KeyError(f"conda_conflict: {text}")
    return canonical(match[1]), match[2]


__all__ = ["FILE", "Audience", "CondaConflict", "CondaName", "Rules", "read_rules"]
