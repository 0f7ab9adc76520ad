"""The matrix: facts and releases together, as the one read-only view that the rest asks.

The data is found by :func:`data_directory` alone, and what the user refreshed since is laid over
its generated half. Everything is read on first use, and once.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

from cudalock.errors import MatrixError
from cudalock.files import HEADER, data_directory, files_in
from cudalock.matrix.components import read_component
from cudalock.matrix.facts import Component, Fact, Libraries, Place, Replacement
from cudalock.matrix.releases import PACKAGE_INDEX, Build, Project, Wheel, read_project
from cudalock.matrix.store import COMPONENTS, Tables, UserMatrix, find_user_matrix, read_tables
from cudalock.matrix.vendor import Distributions, Gpus, Toolkits
from cudalock.names import Names
from cudalock.targets.accelerators import CUDA, LIBRARIES
from cudalock.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable

EMBEDDED: Final = "embedded"
"""The name, in place of a folder, of the matrix that was installed with cudalock."""


@dataclass(frozen=True, slots=True)
class Index:
    """A package index."""

    id: str
    url: str | None
    """None for the default index, whose URL the installer knows"""
    trust: str
    cuda: str | None = None
    """the CUDA minor of all its builds, `none` for builds without CUDA; None if they differ"""
    projects: tuple[str, ...] = field(default=(), compare=False)
    """what an update asks it about; empty for the default index, which is asked about all"""
    uv_name: str | None = field(default=None, compare=False)
    """what a uv project calls it; None for its id"""
    absent_status: int | None = field(default=None, compare=False)
    """the HTTP status that says that it lacks a project, beside 404"""


class Builder(NamedTuple):
    """Who publishes wheels outside an index, and how their addresses read.

    ``renamed``: the file name carries a local version label that METADATA does not. ``listed``:
    whether an update asks for its files; not where they have moved, or are gone.
    """

    id: str
    project: str
    url: str
    trust: str
    renamed: bool
    source: str
    listed: bool = True


class Matrix:
    """Facts and releases, read when asked for. Make one with :meth:`load`."""

    def __init__(
        self, directory: Path, tables: Tables, user_matrix: UserMatrix | None = None
    ) -> None:
        header = tables[HEADER]
        self.directory = directory
        self.user_matrix = user_matrix
        self._tables = tables
        self._components: dict[str, Component] = {}
        self.embedded_version: str = header["version"]
        """of the folder itself, whatever is laid over it"""
        self.version: str = user_matrix.version if user_matrix else self.embedded_version
        self.indexes: dict[str, Index] = {
            row["id"]: Index(
                row["id"],
                row.get("url"),
                row.get("trust", "own"),
                row.get(CUDA.name),
                tuple(row.get("projects", ())),
                row.get("uv_name"),
                row.get("absent_status"),
            )
            for row in header["index"]
        }
        self.builders: dict[str, Builder] = {
            row["id"]: Builder(
                row["id"],
                row["project"],
                row["url"],
                row["trust"],
                bool(row.get("renamed", False)),
                row.get("source", ""),
                bool(row.get("listed", True)),
            )
            for row in header.get("builder", ())
        }
        self.patterns: list[dict[str, Any]] = header.get("pattern", [])
        """how builders name their wheels, as matrix.toml has it"""
        self.labels: list[dict[str, Any]] = header.get("label", [])
        """which labels of new rows follow from their METADATA, as matrix.toml has it"""
        self._projects: dict[str, Project | None] = {}

    @classmethod
    def load(
        cls, path: Path | str | None = None, warn: Callable[[str], None] = warnings.warn
    ) -> Matrix:
        """The matrix in ``path``; without one the embedded matrix, with what the user refreshed
        laid over it where that is newer; EMBEDDED is the embedded one as it was installed.

        Raises MatrixError naming file and key if the header is missing or damaged. ``warn`` is
        told of a refreshed file that is damaged, and that the embedded one stands in.
        """
        embedded = path is None or str(path) == EMBEDDED
        directory = data_directory() if embedded else Path(str(path))
        tables = read_tables(directory)
        try:
            version = tables[HEADER]["version"]
            user_matrix = find_user_matrix(version, warn) if path is None else None
            return cls(directory, tables, user_matrix)
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            raise MatrixError(
                "matrix.toml", str(error).strip("'"), "is missing or damaged"
            ) from None

    @property
    def described(self) -> str:
        """Its version, which matrix it is and how old: `2026.11.21, embedded, 3 days old`."""
        from datetime import date

        kind = "refreshed" if self.user_matrix else "embedded"
        year, month, day = (int(part) for part in self.version.split(".")[:3])
        age = max(0, (date.today() - date(year, month, day)).days)
        return f"{self.version}, {kind}, {counted(age, 'day')} old"

    def file(self, name: str) -> Path:
        """Where a file of the generated half is, ``index/torch.json``; it need not exist."""
        users = self.user_matrix and self.user_matrix.path(name)
        return users or self.directory / name

    # -- releases ---------------------------------------------------------------------------

    def project(self, name: str) -> Project | None:
        """The project's releases, or None where the matrix does not hold it."""
        if name not in self._projects:
            path = self.file(f"index/{name}.json")
            self._projects[name] = read_project(path) if path.is_file() else None
        return self._projects[name]

    def versions(self, name: str) -> list[str]:
        """Every version of a project, oldest first; empty where it is not held."""
        project = self.project(name)
        return project.versions if project else []

    @cached_property
    def projects(self) -> frozenset[str]:
        """The names of all projects held."""
        files = files_in(self.directory / "index", ".json")
        names = {file.removesuffix(".json") for file in files}
        if self.user_matrix:
            held = (name.partition("/") for name in self.user_matrix.files)
            names |= {file.removesuffix(".json") for folder, _, file in held if folder == "index"}
        return frozenset(names)

    def trust(self, build: Build) -> str:
        """Whose wheel it is: ``own`` (the project's), ``known`` or ``other``."""
        if build.builder is not None:
            return self._builder(build.builder).trust
        return self._index(build.index or PACKAGE_INDEX).trust

    def is_renamed(self, build: Build) -> bool:
        """Whether the file name carries a local version that METADATA does not."""
        if build.renamed is not None:
            return build.renamed
        return build.builder is not None and self._builder(build.builder).renamed

    def url(self, build: Build, wheel: Wheel, version: str) -> str | None:
        """The wheel's address; None on the default index, whose addresses cannot be derived."""
        file = quote(wheel.file(version, build.local))
        if build.builder is not None:
            return self._builder(build.builder).url.format(tag=build.tag or "", file=file)
        base = self._index(build.index or PACKAGE_INDEX).url
        return f"{base}/{file}" if base else None

    def _builder(self, builder: str) -> Builder:
        if builder not in self.builders:
            raise MatrixError(HEADER, "builder", f"does not know the builder {builder!r}")
        return self.builders[builder]

    def _index(self, index: str) -> Index:
        if index not in self.indexes:
            raise MatrixError(HEADER, "index", f"does not know the index {index!r}")
        return self.indexes[index]

    # -- facts ------------------------------------------------------------------------------

    def component(self, name: str) -> Component:
        """What is curated about a name; an empty component where nothing is."""
        if name not in self._components:
            file = f"{name}.toml"
            table = self._tables.get(file)
            self._components[name] = read_component(table, file) if table else Component(name)
        return self._components[name]

    def is_curated(self, name: str) -> bool:
        """Whether people keep facts about the name."""
        return f"{name}.toml" in self._tables

    @cached_property
    def components(self) -> dict[str, Component]:
        """Everything curated, by component name."""
        return {name: self.component(name) for name in self._component_tables}

    @property
    def _component_tables(self) -> dict[str, dict[str, Any]]:
        return {
            file.removesuffix(".toml"): table
            for file, table in self._tables.items()
            if file != HEADER
        }

    @cached_property
    def framework(self) -> str | None:
        """The component whose build fixes the CUDA release, cuDNN and C++ ABI."""
        return self._by_role("framework")

    @cached_property
    def ranked(self) -> frozenset[str]:
        """The projects that have a place in the order of goal components."""
        return frozenset(name for name, table in self._component_tables.items() if "rank" in table)

    @cached_property
    def curated(self) -> frozenset[str]:
        """The names that people keep facts about."""
        return frozenset(self._component_tables)

    def _by_role(self, role: str) -> str | None:
        for name, table in self._component_tables.items():
            if table.get("role") == role:
                return name
        return None

    @cached_property
    def replacements(self) -> tuple[Replacement, ...]:
        """The requirements that facts replace or drop."""
        return tuple(
            item
            for name, table in self._component_tables.items()
            if any("replaces" in entry for entry in table.get("fact", ()))
            for item in self.component(name).replacements
        )

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """The files that packages look for beside themselves."""
        tables = self._component_tables
        names = [name for name, table in tables.items() if "place" in table]
        return tuple(place for name in names for place in self.component(name).places)

    def libraries(self, system: str) -> Libraries | None:
        """Where pip puts CUDA's libraries on a system, `windows` or `linux`; None on others."""
        return self.component(self.toolkit_component).libraries.get(system)

    @cached_property
    def facts(self) -> dict[str, Fact]:
        """Every fact by its id. Raises MatrixError for an id used twice."""
        facts: dict[str, Fact] = {}
        for component in self.components.values():
            for fact in component.facts:
                if fact.id in facts:
                    raise MatrixError(f"{component.name}.toml", fact.id, "is used by another fact")
                facts[fact.id] = fact
        return facts

    def fact(self, id: str) -> Fact:
        """Raises KeyError for an unknown id."""
        return self.facts[id]

    @cached_property
    def names(self) -> Names:
        """Names, aliases and import names people may write."""
        real = {
            name: table
            for name, table in self._component_tables.items()
            if table.get("kind") != "virtual"
        }
        return Names(
            aliases=_inverted(real, "aliases"),
            projects=self.projects,
            imports=_inverted(real, "imports"),
            platform_aliases={
                name: tuple(
                    (each["when"], each["name"]) for each in table["alias"] if "when" in each
                )
                for name, table in real.items()
                if "alias" in table
            },
        )

    # -- the vendor's tables ----------------------------------------------------------------

    @cached_property
    def toolkit_component(self) -> str:
        """The component whose versions are CUDA releases as pip packages."""
        name = self._by_role("toolkit")
        if name is None:
            raise MatrixError(COMPONENTS, "role", "no component has the role `toolkit`")
        return name

    def library_projects(self, library: str, cuda: str | None) -> list[str]:
        """The pip package of a library, `cudnn`, for a CUDA release; without one that of each CUDA
        major, the newest first."""
        by_cuda = self.component(library).by_cuda
        majors = [cuda.split(".")[0]] if cuda else sorted(by_cuda, key=int, reverse=True)
        return [by_cuda[major] for major in majors if major in by_cuda]

    def is_library(self, project: str) -> bool:
        """Whether a pip package is one of an accelerator's libraries, whatever it is for."""
        return any(project in self.library_projects(name, None) for name in LIBRARIES)

    @cached_property
    def toolkits(self) -> Toolkits:
        """CUDA releases as pip packages."""
        return Toolkits(self.vendor_table("toolkits")["releases"], self.version)

    @cached_property
    def gpus(self) -> Gpus:
        """The GPUs by name, and their compute capabilities."""
        table = self.vendor_table("gpus")
        return Gpus(table["gpus"], table.get("capabilities", ()))

    @cached_property
    def distributions(self) -> Distributions:
        """The Linux distributions that repositories and people name."""
        from cudalock import toml

        path = self.directory / "repositories.toml"
        rows = toml.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return Distributions(
            {name: row["glibc"] for row in rows.get("distribution", ()) for name in row["names"]}
        )

    def vendor_table(self, name: str) -> dict[str, Any]:
        """A file of `cuda/`, by its stem. Raises MatrixError where it cannot be read."""
        path = self.file(f"cuda/{name}.json")
        try:
            table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise MatrixError(path.name, "", f"cannot be read: {error}") from None
        return table


def _inverted(tables: Tables, key: str) -> dict[str, str]:
    """The words that components list under a key, each with its component."""
    return {word: name for name, table in tables.items() for word in table.get(key, ())}
