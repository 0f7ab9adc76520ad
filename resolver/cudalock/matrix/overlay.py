"""What a user lays over the matrix: own wheels, builders, indexes and facts, in the same form.

The shipped files stay as they are. An overlay is read whole and checked before anything rests on
it: a wrong row is a MatrixError that names the file and key.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cudalock.errors import MatrixError
from cudalock.files import HEADER, files_in, read_text
from cudalock.matrix.components import check_component
from cudalock.matrix.releases import Project, Release, read_project
from cudalock.records import dataclass, field
from cudalock.versions import canonical, parse_requirement, parse_version, specifier_set

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cudalock.matrix.releases import Coverage

NAMED: Final = "named"
"""The trust in wheels, indexes and builders that the user names: accepted whatever `--builders`."""

TRUSTS: Final = (NAMED, "own", "known", "other")

Rows = dict[str, dict[str, Any]]
"""Releases by version, each as a line of an index file has it."""

_KEYS: Final = {
    "index": {"id": str, "url": str},
    "builder": {"id": str, "url": str},
    "pattern": {"id": str, "local": str},
}
"""The tables of a header that an overlay may have, and the keys that each row needs."""


@dataclass(frozen=True)
class Overlay:
    """What is added to a matrix; of a project in `only` nothing else is used."""

    header: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    """rows of `index`, `builder` and `pattern`"""
    components: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    """tables of component files, by project"""
    releases: Mapping[str, Rows] = field(default_factory=dict)
    only: frozenset[str] = frozenset()

    def __or__(self, other: Overlay) -> Overlay:
        """Return both, this one's wheels first."""
        header = {
            key: [*self.header.get(key, ()), *other.header.get(key, ())]
            for key in {**self.header, **other.header}
        }
        components = dict(self.components)
        for name, table in other.components.items():
            components[name] = merged_component(components.get(name), table)
        releases = {name: dict(rows) for name, rows in self.releases.items()}
        for name, rows in other.releases.items():
            mine = releases.setdefault(name, {})
            for version, row in rows.items():
                mine[version] = merged_release(mine.get(version), row)
        return Overlay(header, components, releases, self.only | other.only)


NO_OVERLAY: Final = Overlay()


def merged_component(table: Mapping[str, Any] | None, added: Mapping[str, Any]) -> dict[str, Any]:
    """Return a component's table with the facts of another, whose other keys count where new."""
    if table is None:
        return dict(added)
    facts = [*table.get("fact", ()), *added.get("fact", ())]
    return {**added, **table, **({"fact": facts} if facts else {})}


def merged_release(row: Mapping[str, Any] | None, added: Mapping[str, Any]) -> dict[str, Any]:
    """Return a release with the builds of another, each with the requirements that it has there."""
    if row is None:
        return dict(added)
    return {**_plain(row), "builds": [*build_rows(row), *build_rows(added)]}


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: content for key, content in row.items() if key not in ("wheels", "builds")}


def build_rows(row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the builds of a release, with what they take from it written out."""
    builds = row.get("builds")
    if builds is None:
        builds = [{"index": "pypi", "wheels": row.get("wheels", ())}]
    shared = {key: row[key] for key in ("requires", "python") if key in row}
    for build in builds:
        yield {**shared, **build}


class OverlaidProject(Project):
    """A project with the releases and builds of an overlay, before those of the matrix."""

    __slots__ = ("_added", "_held", "_versions", "has_final")

    def __init__(self, name: str, held: Project | None, rows: Rows) -> None:
        """`held` is the project of the matrix, None for none or where it does not count."""
        source = held or Project(name, "an overlay", "", (), {})
        super().__init__(
            name,
            source.file,
            source.retrieved,
            source.sources,
            {},
            source.older,
            gaps=source.gaps,
        )
        self._held = held
        self._added = rows
        held_versions = held.versions if held else []
        self._versions = sorted({*held_versions, *rows}, key=parse_version)
        self.has_final = any(not parse_version(version).is_prerelease for version in self._versions)

    @property
    def coverage(self) -> Coverage | None:
        # An overlay adds to what the matrix has, and tells nothing of what it lacks.
        return self._held.coverage if self._held is not None else None

    @property
    def versions(self) -> list[str]:
        return list(self._versions)

    def __contains__(self, version: str) -> bool:
        return version in self._added or (self._held is not None and version in self._held)

    def __iter__(self) -> Iterator[Release]:
        return (self.release(version) for version in self._versions)

    def release(self, version: str) -> Release:
        """Raises KeyError for an unknown version."""
        if version not in self._added:
            if self._held is None:
                raise KeyError(version)
            return self._held.release(version)
        release = self._parsed.get(version)
        if release is None:
            row: Mapping[str, Any] = self._added[version]
            if self._held is not None and version in self._held:
                held_row = self._held.release(version).row
                row = {**_plain(held_row), **merged_release(row, held_row)}
            release = Release(self.name, version, dict(row))
            self._parsed[version] = release
        return release

    def mentions(self, name: str) -> bool:
        if self._held is not None and self._held.mentions(name):
            return True
        return f'"{name}' in json.dumps(self._added)

    def mentions_extra(self, extra: str) -> bool:
        if self._held is not None and self._held.mentions_extra(extra):
            return True
        return f'extra == \\"{extra}\\"' in json.dumps(self._added)


# -- a folder -----------------------------------------------------------------------------------


def read_overlay(folder: Path) -> Overlay:
    """Read a folder that is laid out as a matrix: `matrix.toml`, `components/`, `index/`.

    Each of them may be missing, but not all. Raises MatrixError naming the file and key of the
    first row that is wrong.
    """
    header = _header(folder)
    components = {
        name.removesuffix(".toml"): _component(folder / "components" / name)
        for name in files_in(folder / "components", ".toml")
    }
    releases = {
        name.removesuffix(".json"): _releases(folder / "index" / name)
        for name in files_in(folder / "index", ".json")
    }
    if not header and not components and not releases:
        raise MatrixError(
            str(folder),
            "",
            f"is not an overlay: it has neither {HEADER}, nor components/*.toml, nor index/*.json",
        )
    return Overlay(header, components, releases)


def _toml(path: Path) -> dict[str, Any]:
    from cudalock import toml

    try:
        table: dict[str, Any] = json.loads(json.dumps(toml.loads(read_text(path)), default=str))
    except (OSError, ValueError, RecursionError) as error:
        raise MatrixError(path.name, "", f"cannot be read: {error}") from None
    return table


def _header(folder: Path) -> dict[str, list[dict[str, Any]]]:
    path = folder / HEADER
    return checked_header(_toml(path), path.name) if path.exists() else {}


def checked_header(table: Mapping[str, Any], file: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of an overlay's header. Raises MatrixError for one that is wrong."""
    header: dict[str, list[dict[str, Any]]] = {}
    for key, rows in table.items():
        if key in ("schema", "version"):
            continue
        if key not in _KEYS:
            raise MatrixError(file, key, f"is unknown; an overlay has {', '.join(_KEYS)}")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise MatrixError(file, key, f"has to be a list of tables: [[{key}]]")
        for position, row in enumerate(rows):
            _check_row(row, key, file, f"{key}[{position}]")
        header[key] = [_with_defaults(row, key) for row in rows]
    return header


def _with_defaults(row: dict[str, Any], key: str) -> dict[str, Any]:
    defaults: dict[str, dict[str, Any]] = {
        "index": {"trust": NAMED},
        # A renamed wheel is what every installer accepts of either kind.
        "builder": {"trust": NAMED, "renamed": True, "project": "", "source": row.get("url", "")},
    }
    return {**defaults.get(key, {}), **row}


def _check_row(row: Mapping[str, Any], kind: str, file: str, key: str) -> None:
    for name, needed in _KEYS[kind].items():
        if not isinstance(row.get(name), needed):
            raise MatrixError(file, f"{key}.{name}", "is missing, or is not text")
    if row.get("trust", NAMED) not in TRUSTS:
        raise MatrixError(file, f"{key}.trust", f"has to be one of {', '.join(TRUSTS)}")
    if kind == "pattern":
        try:
            re.compile(row["local"])
        except re.error as error:
            raise MatrixError(
                file, f"{key}.local", f"is not a regular expression: {error}"
            ) from None
        return
    url = row["url"]
    if not re.match(r"(https?|file)://[^\s\"'\\]+$", url):
        raise MatrixError(file, f"{key}.url", f"`{url}` is not a URL")
    if kind == "builder":
        try:
            url.format(tag="1", file="x.whl")
        except (LookupError, ValueError):
            says = "has to be a URL with `{file}` in it, and perhaps `{tag}`"
            raise MatrixError(file, f"{key}.url", says) from None
        if "{file}" not in url:
            raise MatrixError(file, f"{key}.url", "has no `{file}` in it")


def _component(path: Path) -> dict[str, Any]:
    table = _toml(path)
    try:
        check_component(table, path.name)
    except (TypeError, AttributeError, LookupError, ValueError) as error:
        raise MatrixError(path.name, "fact", f"is malformed: {error}") from None
    name = path.name.removesuffix(".toml")
    if table["name"] != name:
        raise MatrixError(path.name, "name", f"is `{table['name']}`, not `{name}`")
    if "role" in table or "rank" in table:
        raise MatrixError(path.name, "role", "and `rank` belong to the matrix alone")
    return table


def _releases(path: Path) -> Rows:
    name = path.name.removesuffix(".json")
    project = read_project(path)
    if canonical(project.name) != name or project.name != name:
        raise MatrixError(path.name, "project", f"is `{project.name}`, not `{name}`")
    rows: Rows = {}
    for version in project.versions:
        release = project.release(version)
        key = f"releases[{version!r}]"
        try:
            parse_version(version)
            for build in release.builds:
                for text in build.requires:
                    parse_requirement(text)
                specifier_set(build.python or "")
                _ = [wheel.file(version, build.local) for wheel in build.wheels], build.labels
                if (build.index is None) == (build.builder is None):
                    raise MatrixError(path.name, key, "a build needs `index` or `builder`")
                _check_wheels(path.name, key, build.rows)
        except (ValueError, TypeError, AttributeError, LookupError) as error:
            raise MatrixError(path.name, key, f"is malformed: {error}") from None
        rows[version] = release.row
    return rows


def _check_wheels(file: str, key: str, rows: Any) -> None:
    for tags, sha256, *_ in rows:
        if sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise MatrixError(file, key, f"`{sha256}` is not a sha256 digest")
        if not isinstance(tags, str) or tags.count("-") not in (2, 3):
            raise MatrixError(file, key, f"`{tags}` are no wheel tags")
