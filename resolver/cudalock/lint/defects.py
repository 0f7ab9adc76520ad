"""What a lint yields: one thing wrong in one place of a matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cudalock.matrix.facts import Fact
    from cudalock.matrix.releases import Project, Release


class Defect(NamedTuple):
    """A file of the matrix, the path inside it (``fact[bnb-triton-ops].for``), what is wrong."""

    file: str
    key: str
    says: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.says}" if self.key else f"{self.file}: {self.says}"


def of_fact(fact: Fact, key: str, says: str) -> Defect:
    """A defect of a curated fact, which is found by its id."""
    return Defect(f"{fact.component}.toml", f"fact[{fact.id}].{key}", says)


def of_project(project: Project, key: str, says: str) -> Defect:
    """A defect of an index file."""
    return Defect(project.file, key, says)


def of_release(release: Release, says: str, position: int | None = None) -> Defect:
    """A defect of a release, or of the build at a position."""
    build = "" if position is None else f".builds[{position}]"
    return Defect(f"{release.project}.json", f"releases[{release.version!r}]{build}", says)


__all__ = ["Defect", "of_fact", "of_project", "of_release"]
