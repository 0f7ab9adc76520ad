"""The documents of the API, by their paths below `api/v1/`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from cudalock.errors import CudalockError
from cudalock.findings import RULES
from cudalock.formats.json_lock import as_document
from cudalock.goals import Goal, command_line
from cudalock.lock.build import from_resolution
from cudalock.matrix.universe import ClosedUniverse
from cudalock.resolution.find import find
from cudalock.show import make_table, read_definitions, rules, show
from cudalock.show.codes import code_page
from cudalock.show.wheels import pythons_on
from cudalock.targets import PLATFORMS, Target
from cudalock.targets.pythons import PYTHONS

if TYPE_CHECKING:
    from cudalock.lock import Lock
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.releases import Project, Release

Document = dict[str, Any]

LOCKED_RELEASES: Final = 8
"""Of the framework: the newest ones have their locks written."""

LOCKED_PLATFORMS: Final = ("linux-x86_64", "linux-aarch64", "windows-x86_64", "macos-arm64")


def documents(matrix: Matrix, only: int | None = None) -> dict[str, Document]:
    """Return every document by its path; with `only` so many releases and locks of each project."""
    found: dict[str, Document] = {}
    for path, document in _documents(matrix, only):
        found[path] = {
            **document,
            "matrix": matrix.version,
            "generated_at": f"{'-'.join(matrix.version.split('.')[:3])}T00:00:00Z",
        }
    return found


def _documents(matrix: Matrix, only: int | None) -> Iterator[tuple[str, Document]]:
    names = sorted(name for name in matrix.components if matrix.versions(name))
    yield "index.json", _index(matrix)
    yield "components.json", _components(matrix)
    for name in sorted(matrix.components):
        yield f"components/{name}.json", _named(show(matrix, name).document(), "component")
    for name in names:
        project = matrix.project(name)
        assert project is not None
        releases = list(project)[-only:] if only else list(project)
        yield f"releases/{name}.json", _releases(project)
        yield f"renovate/{name}.json", _renovate(matrix, project)
        yield f"wheels/{name}.json", _wheels(matrix, name, releases)
        for release in releases:
            page = show(matrix, name, release.version).document()
            yield f"releases/{name}/{release.version}.json", _named(page, "release")
    facts = rules(matrix).document()["facts"]
    yield "facts.json", {"schema": "cudalock.api.facts/1", "facts": facts}
    for fact in facts:
        yield f"facts/{fact['id']}.json", {"schema": "cudalock.api.fact/1", "fact": fact}
    definitions = read_definitions(matrix)
    yield (
        "tables.json",
        {
            "schema": "cudalock.api.tables/1",
            "tables": [{"name": name, "title": row.title} for name, row in definitions.items()],
        },
    )
    for name, definition in definitions.items():
        yield f"tables/{name}.json", _named(make_table(definition, matrix).document(), "table")
    yield "gpus.json", _gpus(matrix)
    pages = [code_page(code).document() for code in RULES]
    yield (
        "codes.json",
        {
            "schema": "cudalock.api.codes/1",
            "codes": [
                {key: part for key, part in page.items() if key != "schema"} for page in pages
            ],
        },
    )
    yield from _locks(matrix, only)


def _named(document: Document, kind: str) -> Document:
    return {**document, "schema": f"cudalock.api.{kind}/1"}


def _index(matrix: Matrix) -> Document:
    return {
        "schema": "cudalock.api.index/1",
        "framework": matrix.framework,
        "documents": {
            "components": "components.json",
            "component": "components/{component}.json",
            "releases": "releases/{component}.json",
            "release": "releases/{component}/{version}.json",
            "wheels": "wheels/{component}.json",
            "facts": "facts.json",
            "fact": "facts/{fact}.json",
            "tables": "tables.json",
            "table": "tables/{table}.json",
            "gpus": "gpus.json",
            "codes": "codes.json",
            "locks": "locks.json",
            "lock": "locks/{framework}-{version}/{platform}-py{python}.json",
            "renovate": "renovate/{component}.json",
            "matrix": "matrix/digests.json",
            "description": "openapi.json",
        },
    }


def _components(matrix: Matrix) -> Document:
    rows = []
    for name, component in sorted(matrix.components.items()):
        versions = matrix.versions(name)
        rows.append(
            {
                "name": name,
                "kind": component.kind,
                "summary": component.summary or None,
                "aliases": list(component.aliases),
                "imports": list(component.imports),
                "releases": len(versions),
                "newest": versions[-1] if versions else None,
                "facts": [fact.id for fact in component.facts],
            }
        )
    return {"schema": "cudalock.api.components/1", "components": rows}


def _releases(project: Project) -> Document:
    rows = [
        {
            "version": release.version,
            "uploaded": release.uploaded,
            "yanked": release.yanked,
            "sdist": release.sdist,
            "pythons": pythons_on(release.builds, None),
            "builds": len(release.builds),
        }
        for release in reversed(list(project))
    ]
    return {
        "schema": "cudalock.api.releases/1",
        "name": project.name,
        "retrieved": project.retrieved,
        "sources": list(project.sources),
        "releases": rows,
    }


def _renovate(matrix: Matrix, project: Project) -> Document:
    """The form that Renovate's custom datasources read; other keys are ignored there."""
    rows: list[Document] = []
    for release in project:
        row: Document = {"version": release.version, "isDeprecated": release.yanked is not None}
        if release.uploaded:
            row["releaseTimestamp"] = f"{release.uploaded}T00:00:00Z"
        rows.append(row)
    return {"schema": "cudalock.api.renovate/1", "name": project.name, "releases": rows}


def _wheels(matrix: Matrix, name: str, releases: list[Release]) -> Document:
    rows = [
        {
            "version": release.version,
            "file": wheel.file(release.version, build.local),
            "url": matrix.url(build, wheel, release.version),
            "sha256": wheel.sha256,
            "size": wheel.size,
            "index": build.index,
            "builder": build.builder,
            "tag": build.tag,
            "known": build.known,
            "trust": matrix.trust(build),
            "requires_python": build.python,
            "labels": {label: list(values) for label, values in build.labels.items()},
        }
        for release in reversed(releases)
        for build in release.builds
        for wheel in build.wheels
    ]
    return {"schema": "cudalock.api.wheels/1", "name": name, "wheels": rows}


def _gpus(matrix: Matrix) -> Document:
    return {
        "schema": "cudalock.api.gpus/1",
        "gpus": [
            {
                "name": name,
                "architecture": model.architecture,
                "vendor": model.vendor,
                "platforms": list(model.platforms),
            }
            for name, model in matrix.gpus.models.items()
        ],
    }


# -- the usual locks ------------------------------------------------------------------------------


def _locks(matrix: Matrix, only: int | None) -> Iterator[tuple[str, Document]]:
    framework = matrix.framework or ""
    listed = []
    for version in matrix.versions(framework)[-(only or LOCKED_RELEASES) :]:
        for platform in LOCKED_PLATFORMS[:only]:
            for python in _pythons(matrix, version, platform)[:only]:
                lock = _lock(matrix, version, Target(python, platform))
                if lock is None:
                    continue
                flag = PLATFORMS[platform].flag
                path = f"locks/{framework}-{version}/{flag}-py{python}.json"
                listed.append(
                    {"path": path, "version": version, "platform": flag, "python": python}
                )
                yield path, {"schema": "cudalock.api.lock/1", "lock": as_document(lock)}
    yield "locks.json", {"schema": "cudalock.api.locks/1", "locks": listed}


def _pythons(matrix: Matrix, version: str, platform: str) -> list[str]:
    project = matrix.project(matrix.framework or "")
    assert project is not None
    found = pythons_on(project.release(version).builds, platform)
    return [python for python in reversed(PYTHONS) if python in found]


def _lock(matrix: Matrix, version: str, target: Target) -> Lock | None:
    goal = Goal(requirements=(f"{matrix.framework}=={version}",))
    try:
        resolution = find(goal, target, ClosedUniverse(matrix))
    except CudalockError:
        return None
    if resolution is None:
        return None
    return from_resolution(resolution, command_line(goal, target))
