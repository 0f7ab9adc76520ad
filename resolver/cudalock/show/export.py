"""All of the matrix as one document, or its wheels as one flat table."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any, Final

from cudalock.show.rules import rules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.matrix.matrix import Index, Matrix
    from cudalock.matrix.releases import Build, Project, Release, Wheel

SCHEMA: Final = "cudalock.matrix/1"
COLUMNS: Final = (
    *("project", "version", "file", "sha256", "url", "index", "builder", "tag", "local"),
    *("requires_python", "uploaded", "yanked", "known", "source", "warning"),
)
VENDOR_TABLES: Final = ("cudnn", "drivers", "gpus", "jetpack", "toolkits")


def export_json(matrix: Matrix) -> str:
    """Return facts, releases and NVIDIA's tables as one JSON document, in the order of the
    matrix."""
    document = {
        "schema": SCHEMA,
        "matrix": matrix.version,
        "indexes": [_index(index) for index in matrix.indexes.values()],
        "builders": [builder._asdict() for builder in matrix.builders.values()],
        "facts": rules(matrix).document()["facts"],
        "projects": {project.name: _project(matrix, project) for project in _projects(matrix)},
        "cuda": {name: matrix.vendor_table(name) for name in VENDOR_TABLES},
    }
    return json.dumps(document, indent=1) + "\n"


def _index(index: Index) -> dict[str, Any]:
    keys = ("id", "url", "trust", "cuda", "projects")
    return {key: getattr(index, key) for key in keys}


def export_csv(matrix: Matrix) -> str:
    """One row a wheel: COLUMNS, then a column for each label, `label.cuda`."""
    rows = list(_rows(matrix))
    # Labels differ from project to project, so the columns follow from the rows.
    labels = sorted({key for row in rows for key in row} - set(COLUMNS))
    text = io.StringIO()
    writer = csv.DictWriter(text, (*COLUMNS, *labels), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _rows(matrix: Matrix) -> Iterator[dict[str, str]]:
    for project in _projects(matrix):
        for release in project:
            for build in release.builds:
                for wheel in build.wheels:
                    yield _row(matrix, release, build, wheel)


def _row(matrix: Matrix, release: Release, build: Build, wheel: Wheel) -> dict[str, str]:
    known = {
        "project": release.project,
        "version": release.version,
        "file": wheel.file(release.version, build.local),
        "sha256": wheel.sha256,
        "url": matrix.url(build, wheel, release.version),
        "index": build.index,
        "builder": build.builder,
        "tag": build.tag,
        "local": build.local,
        "requires_python": build.python,
        "uploaded": release.uploaded,
        "yanked": release.yanked,
        "known": build.known,
        "source": build.source,
        "warning": build.warning,
        **{f"label.{name}": " ".join(labels) for name, labels in build.labels.items()},
    }
    return {key: content for key, content in known.items() if content}


def _project(matrix: Matrix, project: Project) -> dict[str, Any]:
    return {
        "retrieved": project.retrieved,
        "sources": list(project.sources),
        "releases": {release.version: _release(matrix, release) for release in project},
    }


def _release(matrix: Matrix, release: Release) -> dict[str, Any]:
    return _without_empty(
        {
            "uploaded": release.uploaded,
            "yanked": release.yanked,
            "default": dict(release.default),
            "sdist": release.sdist,
        }
    ) | {"builds": [_build(matrix, release, build) for build in release.builds]}


def _build(matrix: Matrix, release: Release, build: Build) -> dict[str, Any]:
    place = {
        "index": build.index,
        "builder": build.builder,
        "tag": build.tag,
        "local": build.local,
        "python": build.python,
        "known": build.known,
        "source": build.source,
        "warning": build.warning,
    }
    return _without_empty(place) | {
        "labels": {name: list(labels) for name, labels in build.labels.items()},
        "requires": list(build.requires),
        "wheels": [
            {
                "file": wheel.file(release.version, build.local),
                "sha256": wheel.sha256,
                "url": matrix.url(build, wheel, release.version),
            }
            for wheel in build.wheels
        ],
    }


def _without_empty(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: content for key, content in fields.items() if content}


def _projects(matrix: Matrix) -> Iterator[Project]:
    for name in sorted(matrix.projects):
        project = matrix.project(name)
        if project is not None:
            yield project


__all__ = ["COLUMNS", "SCHEMA", "export_csv", "export_json"]
