"""Files that several projects install: `matrix/shared_files.toml`, read into facts.

Of two such projects in one environment each overwrites the other's file. So every pair of a row
is a fact of the engine like those of the component files, and a check of pins reads the rows
themselves: most of the projects are in no index of the matrix.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from cudalock.errors import MatrixError
from cudalock.matrix.facts import CLAUSE, ClauseTemplate, Demand, Fact
from cudalock.records import NamedTuple
from cudalock.versions import FactId, ProjectName, accepts, specifier_set

FILE: Final = "shared_files.toml"

_COMPLEMENTS: Final = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}


class Holder(NamedTuple):
    """A project that installs a file, in the versions that a specifier accepts."""

    name: str
    specifier: str

    def may_be(self, version: str | None) -> bool:
        """Return whether a version installs the file; None, an unknown one, if any does."""
        return not self.specifier or (version is not None and accepts(self.specifier, version))


class SharedFile(NamedTuple):
    """A file that several projects install, at one path below site-packages."""

    id: str
    path: str
    holders: tuple[Holder, ...]
    fact: Fact
    """what all facts of the row have in common"""
    prefers: tuple[str, ...] = ()
    """those that do what the others do and more, the most able first"""

    def holder(self, name: str, version: str | None) -> Holder | None:
        """Return the holder that a project is in a version; None if it does not have the file."""
        return next((h for h in self.holders if h.name == name and h.may_be(version)), None)

    def fact_id(self, first: str, second: str) -> FactId:
        """Return the id of the fact about two of the projects."""
        # `facts` gives each pair to the later one of the row.
        order = [holder.name for holder in self.holders]
        return FactId(f"{max(first, second, key=order.index)}-{self.id}")

    def facts(self) -> Iterator[Fact]:
        """Yield a fact for each project but the first: it may not be beside those before it."""
        for position, holder in enumerate(self.holders[1:], 1):
            before = self.holders[:position]
            names = " and ".join(other.name for other in before)
            yield self.fact._replace(
                id=FactId(f"{holder.name}-{self.id}"),
                component=ProjectName(holder.name),
                says=f"installs {self.path}, as {names} {'does' if position == 1 else 'do'}: the "
                "last one installed overwrites the other",
                versions=holder.specifier,
                beside=tuple(map(_demand, before)),
            )


def _demand(holder: Holder) -> Demand:
    """That a project is absent, or in a version without the file."""
    if not holder.specifier:
        return Demand("conflicts", ClauseTemplate.parse(holder.name))
    return Demand("constrains", ClauseTemplate(holder.name, tuple(_outside(holder.specifier))))


def _outside(specifier: str) -> Iterator[str]:
    """Yield specifiers of which one accepts each version that a specifier does not."""
    # A range is where all its clauses hold, so outside of one is outside of the range.
    for clause in specifier.split(","):
        match = re.match(r"([<>=!]=?)(.*)", clause.strip())
        if match is None or match[1] not in _COMPLEMENTS:
            raise ValueError(f"not a range: {specifier!r}")
        yield f"{_COMPLEMENTS[match[1]]}{match[2]}"


def read_shared_files(table: Mapping[str, Any]) -> tuple[SharedFile, ...]:
    """Read the table of the file. Raises MatrixError naming the row and key that is wrong."""
    return tuple(
        read_shared_file(row, position) for position, row in enumerate(table.get("file", ()))
    )


def holders_of(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the projects of a row of the file, in its order, without reading all of it."""
    matches = (re.match(CLAUSE, text) for text in row.get("of", ()))
    return tuple(match[1] for match in matches if match)


def check_shared_files(table: Mapping[str, Any]) -> None:
    """Parse every range, which reading does not. Raises MatrixError naming the row."""
    for position, shared in enumerate(read_shared_files(table)):
        try:
            for holder in shared.holders:
                specifier_set(holder.specifier)
            list(shared.facts())
        except ValueError as error:
            raise MatrixError(FILE, f"file[{position}].of", str(error)) from None


def read_shared_file(row: Mapping[str, Any], position: int) -> SharedFile:
    """Read a row of the file. Raises MatrixError naming the key that is wrong."""
    key = f"file[{position}]"
    for needed in ("id", "path", "of", "effect", "basis", "source", "checked"):
        if not row.get(needed):
            raise MatrixError(FILE, f"{key}.{needed}", f"a shared file needs `{needed}`")
    matches = [re.match(CLAUSE, text) for text in row["of"]]
    if len(matches) < 2 or any(match is None for match in matches):
        raise MatrixError(FILE, f"{key}.of", "needs the projects that install the file")
    fact = Fact(
        id=FactId(row["id"]),
        component=ProjectName(""),
        says="",
        effect=row["effect"],
        basis=row["basis"],
        source=tuple(row["source"]),
        checked=str(row["checked"]),
        scope=row.get("scope", "solve"),
        symptom=tuple(row.get("symptom", ())),
        fix=row.get("fix"),
        shared_path=row["path"],
    )
    holders = tuple(Holder(match[1], match[2]) for match in matches if match)
    prefers = tuple(map(str, row.get("prefers", ())))
    if not set(prefers) <= {holder.name for holder in holders}:
        raise MatrixError(FILE, f"{key}.prefers", "names a project that is not in `of`")
    return SharedFile(row["id"], row["path"], holders, fact, prefers)


__all__ = [
    "FILE",
    "Holder",
    "SharedFile",
    "check_shared_files",
    "holders_of",
    "read_shared_file",
    "read_shared_files",
]
