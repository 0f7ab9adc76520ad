"""The lines that a project declares: extras or groups that conflict, each with its own index."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cudalock.matrix.releases import PACKAGE_INDEX

if TYPE_CHECKING:
    from cudalock.matrix.matrix import Matrix
    from cudalock.projects.model import ProjectFile


class DeclaredLine(NamedTuple):
    """An extra or group that is a line."""

    kind: str
    """extra or group"""
    name: str
    index_id: str | None
    """of the index that it takes its builds from; None for the package index"""


def declared_lines(file: ProjectFile, matrix: Matrix) -> tuple[DeclaredLine, ...]:
    """Return the lines of a project, in the order of the file; none if it has none.

    Its lines are the members of a conflict of which some are sent to an index of builds.
    """
    for members in file.conflicts:
        lines = [_line(member, file, matrix) for member in sorted(members)]
        kinds = {line.kind for line in lines}
        if len(lines) > 1 and len(kinds) == 1 and any(line.index_id for line in lines):
            order = list(dict.fromkeys(entry.group for entry in file.declared))
            return tuple(
                sorted(
                    lines,
                    key=lambda line: (
                        order.index(f"{line.kind}:{line.name}")
                        if f"{line.kind}:{line.name}" in order
                        else len(order)
                    ),
                )
            )
    return ()


def _line(member: str, file: ProjectFile, matrix: Matrix) -> DeclaredLine:
    kind, _, name = member.partition(":")
    for source in file.sources:
        index = file.index_named(source.index) if source.index else None
        if index is None or getattr(source, kind) != name:
            continue
        for known in matrix.indexes.values():
            is_same = known.url is not None and known.url.rstrip("/") == index.url.rstrip("/")
            if is_same and known.id != PACKAGE_INDEX:
                return DeclaredLine(kind, name, known.id)
    return DeclaredLine(kind, name, None)
