"""Which tables there are: `matrix/tables.toml`, read and checked.

    [[table]]
    name = "triton-python"
    title = "..."
    rows = {of = ["triton", "triton-windows"], by = ["cuda"], platform = "linux-x86_64"}
    columns = [{key = "python", title = "Python", shows = "pythons", platform = "linux-x86_64"}]
    facts = ["triton-windows-name"]

A row is a release of a project, newest first. `by` makes it one row for each value of these labels,
`index` or `builder`; `platform` leaves builds without a wheel there out, `where` those whose labels
do not fit, as in a fact. `rows = {vendor = "..."}` takes them from the vendor's tables instead.
What `shows` may say is in `cudalock.show.cells`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cudalock import toml
from cudalock.errors import MatrixError, UsageError
from cudalock.files import read_text
from cudalock.names import nearest
from cudalock.show.cells import SHOWS
from cudalock.show.table import Column
from cudalock.show.vendor import VENDOR
from cudalock.targets import PLATFORMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cudalock.matrix.facts import Labels
    from cudalock.matrix.matrix import Matrix

FILE = "tables.toml"


@dataclass(frozen=True, slots=True)
class Definition:
    """One table before it is filled."""

    name: str
    title: str
    columns: tuple[Column, ...]
    options: tuple[Mapping[str, Any], ...]
    """the other keys of each column"""
    of: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    platform: str | None = None
    where: Labels = field(default_factory=dict)
    vendor: str | None = None
    about: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_definitions(matrix: Matrix) -> dict[str, Definition]:
    """Return every table by its name, in the order of the file; empty if there is no such file.

    Raises MatrixError naming the key that is wrong.
    """
    path = matrix.file(FILE)
    try:
        entries = toml.loads(read_text(path)).get("table", [])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise MatrixError(FILE, "", f"cannot be read: {error}") from None
    found: dict[str, Definition] = {}
    for position, entry in enumerate(entries):
        definition = _read(entry, f"table[{position}]")
        if definition.name in found:
            raise MatrixError(FILE, f"table[{position}].name", "is used by another table")
        found[definition.name] = definition
    return found


def find_definition(matrix: Matrix, name: str) -> Definition:
    """Return the table of that name, however it is spelled.

    Raises UsageError, naming the nearest, if there is none.
    """
    definitions = read_definitions(matrix)
    # `matrix table torch_cuda` and `matrix table "torch cuda"` mean torch-cuda.
    plain = name.lower().replace("_", "-").replace(" ", "-")
    if plain in definitions:
        return definitions[plain]
    near = nearest(name, definitions) or ([""] if definitions else [])
    raise UsageError(
        f"unknown table `{name}`",
        hints=[f"cudalock matrix table {word}".rstrip() for word in near],
    )


def _read(entry: Mapping[str, Any], key: str) -> Definition:
    for needed in ("name", "title", "rows", "columns"):
        if not entry.get(needed):
            raise MatrixError(FILE, f"{key}.{needed}", f"a table needs `{needed}`")
    rows = entry["rows"]
    columns = [
        _read_column(column, f"{key}.columns[{position}]", vendor="vendor" in rows)
        for position, column in enumerate(entry["columns"])
    ]
    _check(rows.get("vendor"), VENDOR, f"{key}.rows.vendor")
    _check(rows.get("platform"), PLATFORMS, f"{key}.rows.platform")
    if not ("vendor" in rows or rows.get("of")):
        raise MatrixError(FILE, f"{key}.rows", "needs `of` or `vendor`")
    return Definition(
        name=entry["name"],
        title=entry["title"],
        columns=tuple(columns),
        options=tuple(entry["columns"]),
        of=_strings(rows.get("of", ())),
        by=_strings(rows.get("by", ())),
        platform=rows.get("platform"),
        where={name: _strings(value) for name, value in rows.get("where", {}).items()},
        vendor=rows.get("vendor"),
        about=_strings(entry.get("about", ())),
        facts=_strings(entry.get("facts", ())),
        notes=_strings(entry.get("notes", ())),
    )


def _read_column(entry: Mapping[str, Any], key: str, *, vendor: bool) -> Column:
    for needed in ("key",) if vendor else ("key", "shows"):
        if not isinstance(entry.get(needed), str):
            raise MatrixError(FILE, f"{key}.{needed}", f"a column needs `{needed}`")
    if not vendor:
        _check(entry["shows"], SHOWS, f"{key}.shows")
    _check(entry.get("platform"), PLATFORMS, f"{key}.platform")
    return Column(entry["key"], entry.get("title", entry["key"]), entry.get("shows", ""))


def _check(value: str | None, known: Any, key: str) -> None:
    if value is not None and value not in known:
        raise MatrixError(FILE, key, f"must be one of {', '.join(known)}, not {value!r}")


def _strings(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
