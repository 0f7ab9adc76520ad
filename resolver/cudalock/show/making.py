"""A definition and a matrix in, a table out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cudalock.errors import BadSpecifier, UnknownVersion
from cudalock.names import nearest
from cudalock.show.cells import SHOWS, Row, minor
from cudalock.show.covering import natural, where_fits
from cudalock.show.definitions import read_definitions
from cudalock.show.table import Column, Table
from cudalock.show.vendor import VENDOR
from cudalock.show.wheels import builds_on
from cudalock.versions import accepts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.releases import Build
    from cudalock.show.definitions import Definition
    from cudalock.show.table import Cell

HOW_KNOWN: Final = {
    "metadata": "metadata: the file's own METADATA was read",
    "listed": "listed: its publisher lists it",
    "seen": "seen: in public use, as lock files and install records show",
    "derived": "derived: by rule from a build script; the wheel may not exist",
}
OPERATORS: Final = "<>=!~"


def make_table(definition: Definition, matrix: Matrix, version: str | None = None) -> Table:
    """The table, or the rows of one version or range (`2.5`, `12.4.1`, `>=2.4,<2.6`).

    The version is that of the table's first column. Raises UnknownVersion if no row is left,
    BadSpecifier for a range that cannot be read.
    """
    rows = list(_vendor_rows(definition, matrix) or _release_rows(definition, matrix))
    if version is not None:
        rows = _chosen(rows, version, definition)
    return Table(
        name=definition.name,
        title=definition.title,
        matrix=matrix.version,
        columns=definition.columns,
        rows=tuple(rows),
        facts=_facts(definition, matrix, rows),
        notes=(*definition.notes, *_glossary(definition, rows)),
    )


def table_of_tables(matrix: Matrix) -> Table:
    """The tables there are, in the order of their file."""
    definitions = read_definitions(matrix).values()
    return Table(
        name="tables",
        title="compatibility tables",
        matrix=matrix.version,
        columns=(Column("name", "name"), Column("title", "shows")),
        rows=tuple((definition.name, definition.title) for definition in definitions),
        notes=("cudalock matrix table NAME",),
    )


def _vendor_rows(definition: Definition, matrix: Matrix) -> list[tuple[Cell, ...]]:
    if definition.vendor is None:
        return []
    return [
        tuple(row.get(column.key) for column in definition.columns)
        for row in VENDOR[definition.vendor](matrix)
    ]


def _release_rows(definition: Definition, matrix: Matrix) -> Iterator[tuple[Cell, ...]]:
    for row in _rows(definition, matrix):
        yield tuple(
            SHOWS[column.shows](row, options)
            for column, options in zip(definition.columns, definition.options, strict=True)
        )


def _rows(definition: Definition, matrix: Matrix) -> Iterator[Row]:
    for name in definition.of:
        project = matrix.project(name)
        for version in reversed(project.versions if project else ()):
            release = project.release(version) if project else None
            if release is None:
                continue
            builds = [build for build in release.builds if where_fits(definition.where, build)]
            if definition.platform:
                builds = builds_on(builds, definition.platform)
            for group in _groups(builds, definition.by):
                yield Row(matrix, release, tuple(group))


def _groups(builds: list[Build], by: tuple[str, ...]) -> list[list[Build]]:
    """The builds of each line: all of a release, or those alike in `by`, a CUDA minor at a time."""
    if not by:
        return [builds] if builds else []
    groups: dict[tuple[str, ...], list[Build]] = {}
    for build in builds:
        # By minor release: patch releases of CUDA are compatible, and made lines that differ in
        # nothing.
        key = tuple(", ".join(map(minor, build.row(name))) for name in by)
        groups.setdefault(key, []).append(build)
    return [groups[key] for key in sorted(groups, key=lambda key: [natural(part) for part in key])]


def _chosen(
    rows: list[tuple[Cell, ...]], version: str, definition: Definition
) -> list[tuple[Cell, ...]]:
    try:
        chosen = [row for row in rows if _fits(str(row[0]), version)]
    # packaging's errors for versions and specifiers are ValueErrors.
    except ValueError:
        raise BadSpecifier(
            f"`{version}` is neither a version nor a range", hints=['2.5, or ">=2.4,<2.6"']
        ) from None
    if not chosen:
        near = nearest(version, dict.fromkeys(str(row[0]) for row in rows))
        raise UnknownVersion(
            f"the table {definition.name} has no row for `{version}`",
            hints=[f"cudalock matrix table {definition.name} {suggestion}" for suggestion in near],
        )
    return chosen


def _fits(label: str, version: str) -> bool:
    if any(sign in version for sign in OPERATORS):
        return accepts(version, label)
    # `2.5` shows all of 2.5, since people who look up a table seldom know the patch release.
    return label == version or label.startswith(f"{version}.")


def _facts(
    definition: Definition, matrix: Matrix, rows: list[tuple[Cell, ...]]
) -> tuple[tuple[str, str], ...]:
    """The facts the definition names, then those that a row names."""
    named = [
        word
        for row in rows
        for column, cell in zip(definition.columns, row, strict=True)
        if column.shows == "refused" and isinstance(cell, tuple)
        for word in cell
    ]
    ids = dict.fromkeys((*definition.facts, *sorted(named, key=natural)))
    facts = [matrix.facts[id] for id in ids if id in matrix.facts]
    return tuple(
        (fact.id, f"{_covered(fact.component, fact.versions)} {fact.says}") for fact in facts
    )


def _covered(component: str, versions: str) -> str:
    return f"{component} {versions}" if versions else component


def _glossary(definition: Definition, rows: list[tuple[Cell, ...]]) -> list[str]:
    """What the words of `known` columns mean, those that occur."""
    words = {
        word
        for row in rows
        for column, cell in zip(definition.columns, row, strict=True)
        if column.shows == "known" and isinstance(cell, tuple)
        for word in cell
    }
    return [sentence for word, sentence in HOW_KNOWN.items() if word in words]
