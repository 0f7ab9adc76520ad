"""Generated rows: which releases, builds and wheels exist, and how each is known.

An index file is JSON laid out one release a line. A project's file is read whole, but a release is
parsed only when asked for: building objects costs far more than reading text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from cudalock.errors import MatrixError
from cudalock.matrix.facts import Labels

PACKAGE_INDEX: Final = "pypi"
"""The id of the default package index, whose address belongs to the installer."""

KNOWN: Final = ("metadata", "listed", "seen", "derived")
"""How a row is known, best first."""

PLACE: Final = ("index", "builder", "tag", "local")
"""What a row says of where its wheels are; facts may name these like labels."""


class Wheel(NamedTuple):
    """One wheel file: its tags (build tag included), published digest, size in bytes if known."""

    tags: str
    sha256: str | None
    dist: str
    size: int | None = None

    def file(self, version: str, local: str | None) -> str:
        """The exact file name."""
        suffix = f"+{local}" if local else ""
        return f"{self.dist}-{version}{suffix}-{self.tags}.whl"


class Build:
    """The wheels of a release that were made alike and live in one place.

    ``index`` or ``builder`` (with the release ``tag``) says where. ``labels`` say what the build
    was made with; ``known`` is one of :data:`KNOWN`. It is a view of its row: an index file may
    hold thousands, and most are looked at in passing.
    """

    __slots__ = (
        "_requires",
        "_row",
        "builder",
        "dist",
        "index",
        "known",
        "local",
        "python",
        "rows",
        "tag",
        "warning",
    )

    def __init__(
        self, row: dict[str, Any], python: str | None, requires: tuple[str, ...], dist: str
    ) -> None:
        get = row.get
        self._row = row
        self.dist = dist
        self.index: str | None = get("index")
        self.builder: str | None = get("builder")
        self.tag: str | None = get("tag")
        self.local: str | None = get("local")
        self.known: str = get("known", KNOWN[0])
        self.warning: str | None = get("warning")
        self.python: str | None = get("python", python)
        self._requires: tuple[str, ...] = tuple(row["requires"]) if "requires" in row else requires
        self.rows: Sequence[Sequence[Any]] = row["wheels"]
        """the wheels as the file has them: tags, sha256 or None, exceptions"""
        if self.known not in KNOWN:
            raise ValueError(f"known must be one of {', '.join(KNOWN)}, not {self.known!r}")

    @property
    def requires(self) -> tuple[str, ...]:
        """What METADATA requires, one and the same object whenever it is asked for."""
        return self._requires

    @property
    def is_readable(self) -> bool:
        """Whether METADATA is known, or can be had: without it a lock would not be whole."""
        return True

    @property
    def source(self) -> str | None:
        """What a reader can check the row against."""
        source: str | None = self._row.get("source")
        return source

    @property
    def renamed(self) -> bool | None:
        """Whether METADATA lacks the local version label, where it is not as the builder does."""
        renamed: bool | None = self._row.get("renamed")
        return renamed

    @property
    def labels(self) -> Labels:
        """Every label with its values."""
        return {name: _values(value) for name, value in self._row.get("labels", {}).items()}

    def row(self, name: str) -> tuple[str, ...]:
        """The values of a label, or of `index`, `builder`, `tag` or `local`; empty without one."""
        value = self._row.get("labels", {}).get(name) or (
            self._row.get(name) if name in PLACE else None
        )
        return _values(value) if value else ()

    @property
    def tags(self) -> list[str]:
        """The tags of each wheel, build tag included."""
        return [row[0] for row in self.rows]

    def wheel(self, position: int) -> Wheel:
        """One wheel. Building thousands of them would cost more than reading the file."""
        row = self.rows[position]
        more = row[2] if len(row) > 2 else {}
        return Wheel(row[0], row[1], more.get("dist", self.dist), more.get("size"))

    @property
    def wheels(self) -> list[Wheel]:
        """Every wheel of the build."""
        return [self.wheel(position) for position in range(len(self.rows))]


def _values(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


class Release:
    """One version of a project, with its builds made when they are asked for."""

    __slots__ = (
        "_builds",
        "_by_label",
        "_requires",
        "_rows",
        "_table",
        "project",
        "version",
    )

    def __init__(self, project: str, version: str, table: dict[str, Any]) -> None:
        rows = table.get("builds")
        if rows is None:
            rows = [{"index": PACKAGE_INDEX, "wheels": table.get("wheels", ())}]
        self.project = project
        self.version = version
        self._table = table
        self._rows: list[dict[str, Any]] = rows
        self._builds: list[Build | None] = [None] * len(rows)
        self._by_label: dict[str, dict[tuple[str, ...], list[int]]] = {}
        self._requires = tuple(table.get("requires", ()))

    @property
    def uploaded(self) -> str | None:
        """The day its first file was published, where known."""
        uploaded: str | None = self._table.get("uploaded")
        return uploaded

    @property
    def yanked(self) -> str | None:
        """Why it was withdrawn; None where it was not."""
        yanked = self._table.get("yanked")
        return ("yanked" if yanked is True else str(yanked)) if yanked else None

    @property
    def default(self) -> Mapping[str, str]:
        """The labels of the build that upstream publishes by default."""
        default: Mapping[str, str] = self._table.get("default", {})
        return default

    @property
    def sdist(self) -> bool:
        """Whether it has a source distribution."""
        return bool(self._table.get("sdist"))

    @property
    def builds(self) -> tuple[Build, ...]:
        """Every build, in the order of the file."""
        return tuple(self.build(position) for position in range(len(self._rows)))

    def build(self, position: int) -> Build:
        """One build. Raises MatrixError for a damaged row."""
        build = self._builds[position]
        if build is None:
            python, dist = self._table.get("python"), self.project.replace("-", "_")
            try:
                build = Build(self._rows[position], python, self._requires, dist)
            except (ValueError, TypeError, AttributeError, LookupError) as error:
                key = f"releases[{self.version!r}].builds[{position}]"
                raise MatrixError(f"{self.project}.json", key, str(error)) from None
            self._builds[position] = build
        return build

    def by_label(self, name: str) -> dict[tuple[str, ...], list[int]]:
        """The positions of the builds by their values of a label; () for those without it."""
        found = self._by_label.get(name)
        if found is None:
            found = self._by_label[name] = {}
            for position, row in enumerate(self._rows):
                value = row["labels"].get(name) if "labels" in row else None
                found.setdefault(_values(value) if value else (), []).append(position)
        return found


class Project:
    """A project's releases, oldest first, parsed when asked for."""

    __slots__ = ("_lines", "_parsed", "file", "name", "retrieved", "sources")

    has_final: bool = True
    """whether some release is no pre-release; where none is, they are taken as they are"""

    def __init__(
        self, name: str, file: str, retrieved: str, sources: tuple[str, ...], lines: dict[str, str]
    ) -> None:
        self.name = name
        self.file = file
        self.retrieved = retrieved
        self.sources = sources
        self._lines = lines
        self._parsed: dict[str, Release] = {}

    @property
    def window(self) -> int | None:
        """How many releases are looked at, the newest first, where each costs a request."""
        return None

    @property
    def other_window(self) -> int | None:
        """The same of the releases that nobody asks for, where they are looked at as well."""
        return None

    @property
    def versions(self) -> list[str]:
        """Every version, oldest first."""
        return list(self._lines)

    def __contains__(self, version: str) -> bool:
        return version in self._lines

    def cut(self) -> None:
        """Told that there are more releases than the window shows."""

    def release(self, version: str) -> Release:
        """Raises KeyError for an unknown version, MatrixError for a damaged line."""
        release = self._parsed.get(version)
        if release is None:
            try:
                line = self._lines[version]
                table = json.loads(line[line.index("{") :].rstrip(","))
                release = Release(self.name, version, table)
            except (ValueError, TypeError, AttributeError, LookupError) as error:
                if version not in self._lines:
                    raise
                raise MatrixError(self.file, f"releases[{version!r}]", str(error)) from None
            self._parsed[version] = release
        return release

    def mentions(self, name: str) -> bool:
        """Whether some row may name a project: looked for in the text, without parsing it."""
        return any(f'"{name}' in line for line in self._lines.values())

    def mentions_extra(self, extra: str) -> bool:
        """Whether some row has requirements of an extra, looked for in the text."""
        return any(f'extra == \\"{extra}\\"' in line for line in self._lines.values())

    def __iter__(self) -> Iterator[Release]:
        return (self.release(version) for version in self._lines)


def read_project(path: Path) -> Project:
    """The project of one index file. Raises MatrixError if the file is damaged."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MatrixError(path.name, "", f"cannot be read: {error}") from None
    head, separator, body = text.partition('"releases": {\n')
    end = body.rstrip()
    if not separator or not end.endswith("}\n}"):
        raise MatrixError(path.name, "releases", "is not an index file, or was cut short")
    try:
        header: dict[str, Any] = json.loads(head.rstrip().rstrip(",") + "}")
        name, retrieved = header["project"], header["retrieved"]
    except (ValueError, LookupError) as error:
        raise MatrixError(path.name, "", f"has a damaged header: {error}") from None
    lines: dict[str, str] = {}
    for line in end[:-3].splitlines():
        end_of_version = line.find('": {', 1, 80)
        if line[:1] != '"' or end_of_version < 0 or not line.endswith(("}", "},")):
            raise MatrixError(path.name, "releases", f"has a damaged line: {line[:40]!r}")
        lines[line[1:end_of_version]] = line
    return Project(name, path.name, retrieved, tuple(header.get("sources", ())), lines)


__all__ = ["KNOWN", "PACKAGE_INDEX", "Build", "Project", "Release", "Wheel", "read_project"]
