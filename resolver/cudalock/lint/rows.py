"""Lints of the generated rows, each row by itself: layout, keys, file names, digests, places."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from packaging.requirements import InvalidRequirement
from packaging.specifiers import InvalidSpecifier
from packaging.utils import InvalidWheelFilename, canonicalize_name
from packaging.version import InvalidVersion

from cudalock.errors import MatrixError
from cudalock.files import read_text
from cudalock.lint.defects import Defect, of_project, of_release
from cudalock.matrix.releases import KNOWN, PACKAGE_INDEX
from cudalock.targets import PLATFORMS
from cudalock.text import read_json
from cudalock.versions import parse_requirement, parse_version, project_and_version, specifier_set

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.releases import Build, Project, Release

RELEASE_KEYS: Final = frozenset(
    ("uploaded", "python", "yanked", "requires", "default", "wheels", "builds", "sdist")
)
PLACE_KEYS: Final = frozenset(("index", "builder", "tag", "local", "renamed", "wheels"))
BUILD_KEYS: Final = PLACE_KEYS | {"labels", "python", "requires", "known", "source", "warning"}
TRUSTS: Final = ("own", "known", "other")

_DAY: Final = re.compile(r"20[0-9][0-9]-[0-9][0-9]-[0-9][0-9]")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_ADDRESS: Final = re.compile(r"https://[^ {}]+/[^ {}+/]+\.whl")


def index_files(matrix: Matrix, names: Collection[str] | None = None) -> Iterator[Defect]:
    """An index file is JSON with a release a line, named for its project, its versions in order."""
    for project in projects(matrix, names):
        path = matrix.file(f"index/{project.file}")
        try:
            table = read_json(read_text(path))
        except ValueError as error:
            yield of_project(project, "", f"is not JSON: {error}")
            continue
        if not path.stem == canonicalize_name(path.stem) == project.name:
            yield of_project(project, "project", f"is {project.name!r}, not the file's name")
        if not _DAY.fullmatch(project.retrieved):
            yield of_project(project, "retrieved", f"is no date: {project.retrieved!r}")
        if not project.sources:
            yield of_project(project, "sources", "is empty")
        unknown = [name for name in project.older or () if name not in PLATFORMS]
        if unknown:
            yield of_project(project, "older", f"has no platform: {unknown[0]!r}")
        # The reader finds releases by line, JSON by braces: both have to see the same ones.
        if list(table["releases"]) != project.versions:
            yield of_project(project, "releases", "is laid out otherwise than a release a line")
        yield from _order(project)


def _order(project: Project) -> Iterator[Defect]:
    if not project.versions:
        yield of_project(project, "releases", "is empty")
    try:
        versions = [parse_version(version) for version in project.versions]
    except InvalidVersion as error:
        yield of_project(project, "releases", str(error))
        return
    if versions != sorted(versions):
        yield of_project(project, "releases", "is not in the order of versions")
    for version in versions:
        if version.local:
            yield of_project(
                project, f"releases['{version}']", "a local version belongs to a build"
            )


def release_rows(matrix: Matrix, names: Collection[str] | None = None) -> Iterator[Defect]:
    """A release and its builds have known keys, and values that can be parsed."""
    for release, row in _tables(matrix, names):
        if unknown := sorted(row.keys() - RELEASE_KEYS):
            yield of_release(release, f"has the unknown key {unknown[0]!r}")
        # A release with one build on the default index has `wheels`, every other one `builds`.
        if ("wheels" in row) == ("builds" in row):
            yield of_release(release, "needs either `wheels` or `builds`")
        if "uploaded" in row and not _DAY.fullmatch(row["uploaded"]):
            yield of_release(release, f"`uploaded` is no date: {row['uploaded']!r}")
        yield from _metadata(release, row, None)
        for position, build in enumerate(row.get("builds", ())):
            yield from _build(release, build, position)
        yield from _repeated(release, row)


def _build(release: Release, row: dict[str, Any], position: int) -> Iterator[Defect]:
    if unknown := sorted(row.keys() - BUILD_KEYS):
        yield of_release(release, f"has the unknown key {unknown[0]!r}", position)
    if ("index" in row) == ("builder" in row):
        yield of_release(release, "needs either `index` or `builder`", position)
    if ("tag" in row) != ("builder" in row):
        yield of_release(release, "`tag` and `builder` go together", position)
    if row.get("known", KNOWN[0]) not in KNOWN:
        yield of_release(release, f"`known` must be one of {', '.join(KNOWN)}", position)
    if not row.get("wheels"):
        yield of_release(release, "has no wheels", position)
    yield from _metadata(release, row, position)


def _repeated(release: Release, row: dict[str, Any]) -> Iterator[Defect]:
    """An update writes what builds share once: rows that repeat it would come out as changed."""
    seen: set[str] = set()
    for position, build in enumerate(row.get("builds", ())):
        for key in ("python", "requires"):
            if key in build and build[key] == row.get(key):
                yield of_release(release, f"repeats `{key}` of the release", position)
        head = {key: each for key, each in build.items() if key != "wheels"}
        text = json.dumps(head, sort_keys=True)
        if text in seen:
            yield of_release(release, "is the build of an earlier row", position)
        seen.add(text)


def _metadata(release: Release, row: dict[str, Any], position: int | None) -> Iterator[Defect]:
    for text in row.get("requires", ()):
        if says := _misspelt(text):
            yield of_release(release, f"{text!r}{says}", position)
    try:
        specifier_set(row.get("python", ""))
    except InvalidSpecifier as error:
        yield of_release(release, f"`python`: {error}", position)


@cache
def _misspelt(text: str) -> str | None:
    """Return what is wrong with a requirement; the same one is in hundreds of rows."""
    try:
        # One spelling, so that equal requirements are equal texts: merging and caches compare
        # those.
        same = str(parse_requirement(text)) == text
    except InvalidRequirement as error:
        return f": {_first_line(error)}"
    return None if same else " is not in packaging's spelling"


def wheel_files(matrix: Matrix, names: Collection[str] | None = None) -> Iterator[Defect]:
    """File names parse and are of the release, digests are valid, and no file has two rows."""
    for release in releases(matrix, names):
        occurrences: Counter[tuple[str | None, ...]] = Counter()
        for position, build in enumerate(release.builds):
            for says in _wheels(release, build, occurrences):
                yield of_release(release, says, position)
        for row, times in occurrences.items():
            if times > 1:
                yield of_release(release, f"has {row[3]} {times} times")


def _wheels(
    release: Release, build: Build, occurrences: Counter[tuple[str | None, ...]]
) -> Iterator[str]:
    version = f"{release.version}+{build.local}" if build.local else release.version
    for row, wheel in zip(build.rows, build.wheels, strict=True):
        file = wheel.file(release.version, build.local)
        # The same file name on two indexes is a different file.
        occurrences[build.index, build.builder, build.tag, file] += 1
        if wheel.sha256 is not None and not _SHA256.fullmatch(wheel.sha256):
            yield f"{file}: {wheel.sha256!r} is no sha256"
        try:
            name, parsed = project_and_version(file)
        except InvalidWheelFilename as error:
            yield str(error)
            continue
        if parsed != parse_version(version):
            yield f"{file} is of version {parsed}"
        # A third column names the distribution where a file name has another, as triton for Windows
        # did.
        if name != release.project and len(row) < 3:
            yield f"{file} is of {name}"
    if build.tags != sorted(build.tags):
        yield "its wheels are not in the order of their tags"


def places(matrix: Matrix, names: Collection[str] | None = None) -> Iterator[Defect]:
    """Builds name indexes and builders that exist and have URLs."""
    for release in releases(matrix, names):
        for position, build in enumerate(release.builds):
            try:
                says = _place(matrix, release, build)
            except MatrixError as error:
                says = error.message
            if says:
                yield of_release(release, says, position)


def _place(matrix: Matrix, release: Release, build: Build) -> str | None:
    if (trust := matrix.trust(build)) not in TRUSTS:
        return f"its trust {trust!r} is none of {', '.join(TRUSTS)}"
    for wheel in build.wheels[:1]:
        url = matrix.url(build, wheel, release.version)
        # The default index' file URLs contain digests, so a row has none.
        if (url is None) != (build.index == PACKAGE_INDEX):
            return "its address is not known"
        if url is not None and not _ADDRESS.fullmatch(url):
            return f"its address {url} is none"
    return None


def projects(matrix: Matrix, names: Collection[str] | None = None) -> Iterator[Project]:
    """Yield the projects of these names, by name; all by default. Raises MatrixError for a damaged
    file."""
    for name in sorted(matrix.projects if names is None else names):
        project = matrix.project(name)
        if project is not None:
            yield project


def releases(matrix: Matrix, names: Collection[str] | None = None) -> Iterator[Release]:
    """Yield every release of these projects, of all by default."""
    for project in projects(matrix, names):
        yield from project


def _tables(
    matrix: Matrix, names: Collection[str] | None
) -> Iterator[tuple[Release, dict[str, Any]]]:
    for project in projects(matrix, names):
        path = matrix.file(f"index/{project.file}")
        # Read again, since a Release hides the keys that it does not know.
        table = read_json(read_text(path))["releases"]
        for release in project:
            yield release, table[release.version]


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


LINTS: Final = (index_files, release_rows, wheel_files, places)

__all__ = ["LINTS", "index_files", "places", "projects", "release_rows", "releases", "wheel_files"]
