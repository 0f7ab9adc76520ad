"""Read a matrix, facts and releases, as one value that never changes.

Each file is read on first use, and once: a solve needs a tenth of them.
"""

from __future__ import annotations

import warnings
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from cudalock.errors import MatrixError
from cudalock.files import (
    HEADER,
    data_directory,
    files_in,
    is_file,
    read_text,
    release_digests,
)
from cudalock.matrix import shared_files
from cudalock.matrix.components import read_component, read_row_facts
from cudalock.matrix.facts import (
    HARD,
    VIRTUAL,
    Component,
    Fact,
    FileCopy,
    Libraries,
    Replacement,
)
from cudalock.matrix.overlay import NO_OVERLAY, OverlaidProject, Overlay, merged_component
from cudalock.matrix.releases import PACKAGE_INDEX, Build, Project, Wheel, read_project
from cudalock.matrix.shared_files import SharedFile, holders_of, read_shared_file
from cudalock.matrix.store import (
    COMPONENTS,
    NAMESAKES,
    PHRASES,
    Tables,
    UserMatrix,
    find_user_matrix,
    of_components,
    read_tables,
)
from cudalock.mirrors import NO_MIRRORS
from cudalock.names import Names
from cudalock.records import NamedTuple, dataclass, field
from cudalock.targets.accelerators import BUILT_FOR, CUDA, LIBRARIES
from cudalock.text import counted, read_json
from cudalock.versions import FactId, ProjectName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import date

    from cudalock.matrix.containers import Containers
    from cudalock.matrix.gpus import Gpus
    from cudalock.matrix.images import Images
    from cudalock.matrix.jetpack import JetPacks
    from cudalock.matrix.licenses import License
    from cudalock.matrix.namesakes import Namesakes
    from cudalock.matrix.phrases import Phrases
    from cudalock.matrix.vendor import Distributions, Toolkits
    from cudalock.mirrors import Mirrors

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
    """the projects for which an update queries it; empty for the default index, queried for all"""
    uv_name: str | None = field(default=None, compare=False)
    """what a uv project calls it; None for its id"""
    absent_status: int | None = field(default=None, compare=False)
    """the HTTP status that means that it lacks a project, beside 404"""
    built_for: Mapping[str, str] = field(default_factory=dict, compare=False)
    """the release of each other accelerator that all its builds are for"""


class Builder(NamedTuple):
    """Who publishes wheels outside an index."""

    id: str
    project: str
    """the project that most of its wheels are of"""
    url: str
    """the URL of a file, with `{tag}` and `{file}` in it"""
    trust: str
    """`own` (the project itself), `known` (long in public use) or `other`"""
    renamed: bool
    """whether the file name has a local version label that METADATA does not have"""
    source: str
    listed: bool = True
    """whether an update queries its files; not if they have moved, or are gone"""
    projects: tuple[str, ...] = ()
    """every project that it has wheels of; empty for `project` and those whose names begin so"""
    page: str | None = None
    """the URL of a page of links to the files of one `{tag}`; None if there is none"""
    pages: str | None = None
    """the URL of a page of links to such pages"""
    lists: tuple[str, ...] = ()
    """the URLs of pages that people name with `--find-links`, which list all that it has"""

    def has(self, project: str) -> bool:
        """Return whether it may have wheels of a project, by the project's canonical name."""
        if self.projects:
            return project in self.projects
        # Releases of flash-attn's builders have wheels of flash-attn-3 as well.
        return project.startswith(self.project)


class Matrix:
    """The facts and releases of one folder. Make one with :meth:`load`."""

    def __init__(
        self,
        directory: Path,
        tables: Tables,
        user_matrix: UserMatrix | None = None,
        mirrors: Mirrors = NO_MIRRORS,
        overlay: Overlay = NO_OVERLAY,
        embedded_version: str | None = None,
    ) -> None:
        """`embedded_version` is that of the folder where `tables` are of another one."""
        self._stated = tables
        tables = _overlaid(tables, overlay)
        header = tables[HEADER]
        self.overlay = overlay
        self.mirrors = mirrors
        """every URL below is that of a mirror, if there is one"""
        self.directory = directory
        self.user_matrix = user_matrix
        self._tables = tables
        self._components: dict[str, Component] = {}
        self._shared_files: dict[int, SharedFile] = {}
        self.embedded_version: str = embedded_version or header["version"]
        """the version of the folder itself, whatever the user updated"""
        self.version: str = user_matrix.version if user_matrix else self.embedded_version
        self.indexes: dict[str, Index] = {
            row["id"]: Index(
                row["id"],
                mirrors.url(row["url"]) if "url" in row else None,
                row.get("trust", "own"),
                row.get(CUDA.name),
                tuple(row.get("projects", ())),
                row.get("uv_name"),
                row.get("absent_status"),
                {name: row[name] for name in BUILT_FOR if name in row and name != CUDA.name},
            )
            for row in header["index"]
        }
        self.builders: dict[str, Builder] = {
            row["id"]: Builder(
                row["id"],
                row["project"],
                _mirrored_template(row["url"], mirrors),
                row["trust"],
                bool(row.get("renamed", False)),
                row.get("source", ""),
                bool(row.get("listed", True)),
                tuple(row.get("projects", ())),
                _mirrored_template(row["page"], mirrors) if "page" in row else None,
                mirrors.url(row["pages"]) if "pages" in row else None,
                tuple(row.get("lists", ())),
            )
            for row in header.get("builder", ())
        }
        self.patterns: list[dict[str, Any]] = header.get("pattern", [])
        """how builders name their wheels, as matrix.toml has it"""
        self.label_facts: list[dict[str, Any]] = header.get("label_fact", [])
        """what labels mean on wheels of projects that nobody has curated"""
        self.labels: list[dict[str, Any]] = header.get("label", [])
        """which labels of new rows follow from their METADATA, as matrix.toml has it"""
        self._projects: dict[str, Project | None] = {}

    @classmethod
    def load(
        cls,
        path: Path | str | None = None,
        warn: Callable[[str], None] = warnings.warn,
        mirrors: Mirrors = NO_MIRRORS,
    ) -> Matrix:
        """Load the matrix in the folder `path`.

        Without a folder it is the embedded matrix under the user's newer files, if there are any;
        EMBEDDED is the embedded matrix as it was installed. `warn` is called with a sentence for
        each file of the user's that is damaged. Raises MatrixError naming file and key if the
        header is missing or damaged.
        """
        is_embedded = path is None or str(path) == EMBEDDED
        directory = data_directory() if is_embedded else Path(str(path))
        tables = read_tables(directory)
        try:
            version = tables[HEADER]["version"]
            user_matrix = find_user_matrix(version, warn) if path is None else None
            if user_matrix is not None and user_matrix.is_whole:
                tables = read_tables(directory, user_matrix)
            return cls(directory, tables, user_matrix, mirrors, embedded_version=version)
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            raise MatrixError(
                "matrix.toml", str(error).strip("'"), "is missing or damaged"
            ) from None

    def is_named(self, project: str) -> bool:
        """Return whether the user names the wheels of a project, and no other counts."""
        return project in self.overlay.only

    def mirrored(self, mirrors: Mirrors) -> Matrix:
        """Return this matrix as if mirrors were the sources of what they mirror."""
        if mirrors == self.mirrors:
            return self
        return self._with(mirrors, self.overlay)

    def overlaid(self, overlay: Overlay) -> Matrix:
        """Return this matrix with an overlay over those that it has."""
        overlay = overlay | self.overlay
        return self._with(self.mirrors, overlay)

    def _with(self, mirrors: Mirrors, overlay: Overlay) -> Matrix:
        return Matrix(
            self.directory,
            self._stated,
            self.user_matrix,
            mirrors,
            overlay,
            self.embedded_version,
        )

    @property
    def day(self) -> date:
        """The day of its version."""
        from datetime import date

        year, month, day = (int(part) for part in self.version.split(".")[:3])
        return date(year, month, day)

    @property
    def described(self) -> str:
        """Its version, whose it is and its age: `2026.11.21, embedded, 3 days old`."""
        from datetime import date

        own = "released" if release_digests(self.directory) else "embedded"
        kind = "refreshed" if self.user_matrix else own
        # A clock that is behind would make a negative age.
        age = max(0, (date.today() - self.day).days)
        return f"{self.version}, {kind}, {counted(age, 'day')} old"

    def file(self, name: str) -> Path:
        """Return where a file is, `index/torch.json`; it need not exist."""
        users_path = self.user_matrix and self.user_matrix.path(name)
        return users_path or self.directory / name

    @property
    def curated_directory(self) -> Path:
        """The folder of the curated half: the user's, if that is whole."""
        is_whole = self.user_matrix is not None and self.user_matrix.is_whole
        return self.user_matrix.directory if self.user_matrix and is_whole else self.directory

    # -- releases ---------------------------------------------------------------------------

    def project(self, name: str) -> Project | None:
        """Return the releases of a project (canonical name), None if it is not in the matrix."""
        if name not in self._projects:
            path = self.file(f"index/{name}.json")
            project = read_project(path, self.mirrors) if is_file(path) else None
            added = self.overlay.releases.get(name)
            if added is not None:
                held = None if name in self.overlay.only else project
                project = OverlaidProject(name, held, added)
            self._projects[name] = project
        return self._projects[name]

    def versions(self, name: str) -> list[str]:
        """Return every version of a project, oldest first; empty if it is not in the matrix."""
        project = self.project(name)
        return project.versions if project else []

    @cached_property
    def projects(self) -> frozenset[str]:
        """The canonical names of all projects in the matrix."""
        files = files_in(self.directory / "index", ".json")
        names = {file.removesuffix(".json") for file in files}
        # A user's update may have projects that the embedded matrix lacks.
        if self.user_matrix:
            paths = (name.partition("/") for name in self.user_matrix.files)
            names |= {file.removesuffix(".json") for folder, _, file in paths if folder == "index"}
        return frozenset(names | set(self.overlay.releases))

    def trust(self, build: Build) -> str:
        """Return who made a build: the project itself (`own`), a `known` builder or an `other`."""
        if build.builder is not None:
            return self._builder(build.builder).trust
        return self._index(build.index or PACKAGE_INDEX).trust

    def is_renamed(self, build: Build) -> bool:
        """Return whether the file name has a local version label that METADATA does not have."""
        if build.renamed is not None:
            return build.renamed
        return build.builder is not None and self._builder(build.builder).renamed

    def url(self, build: Build, wheel: Wheel, version: str) -> str | None:
        """Return the URL of a wheel; None on the default index, whose URLs cannot be derived."""
        if wheel.url is not None:
            return self.mirrors.url(wheel.url)
        # A local version has a plus sign, which a URL has to escape.
        file = quote(wheel.file(version, build.local))
        if build.builder is not None:
            return self._builder(build.builder).url.format(tag=build.tag or "", file=file)
        base = self._index(build.index or PACKAGE_INDEX).url
        return f"{base}/{file}" if base else None

    def _builder(self, builder: str) -> Builder:
        if builder not in self.builders:
            raise MatrixError(HEADER, "builder", f"has no row for the builder {builder!r}")
        return self.builders[builder]

    def _index(self, index: str) -> Index:
        if index not in self.indexes:
            raise MatrixError(HEADER, "index", f"has no row for the index {index!r}")
        return self.indexes[index]

    # -- facts ------------------------------------------------------------------------------

    def component(self, name: str) -> Component:
        """Return what is curated about a component or project; empty if nothing is."""
        if name not in self._components:
            file = f"{name}.toml"
            table = self._tables.get(file)
            if table and self.mirrors:
                # In one go: sources and fixes, and whatever else names a URL.
                table = self.mirrors.table(table)
            component = read_component(table, file) if table else Component(name)
            more = (*self._shared_facts_about(name), *self._row_facts_about(component))
            if more:
                component = component._replace(facts=(*component.facts, *more))
            self._components[name] = component
        return self._components[name]

    def _row_facts_about(self, component: Component) -> Iterator[Fact]:
        """The facts about rows, as facts about one project."""
        for fact in () if component.is_virtual else self._row_facts:
            if fact.rows is not None and fact.rows.may_be_about(component.name):
                yield fact._replace(
                    id=FactId(f"{component.name}-{fact.id}"), component=ProjectName(component.name)
                )

    def fits_any(self, name: str) -> frozenset[str]:
        """Return the projects of which a rule about rows says that any version fits a project."""
        rules = (fact.rows for fact in self._row_facts)
        return frozenset(rows.unbounded for rows in rules if rows is not None and name in rows.but)

    @cached_property
    def _row_facts(self) -> tuple[Fact, ...]:
        return read_row_facts(self._tables[HEADER].get("row_fact", ()), HEADER)

    def is_virtual(self, name: str) -> bool:
        """Return whether a name is no project that pip installs; the component is not read."""
        return self._tables.get(f"{name}.toml", {}).get("kind") == VIRTUAL

    def is_curated(self, name: str) -> bool:
        """Return whether there is a component file of that name."""
        return f"{name}.toml" in self._tables

    @cached_property
    def components(self) -> dict[str, Component]:
        """Every component that has a file, by its name."""
        return {name: self.component(name) for name in self._component_tables}

    @property
    def _component_tables(self) -> dict[str, dict[str, Any]]:
        return {
            file.removesuffix(".toml"): table for file, table in of_components(self._tables).items()
        }

    @cached_property
    def framework(self) -> str | None:
        """The project whose build fixes the CUDA release, cuDNN and the C++ ABI: torch."""
        return self._by_role("framework")

    @cached_property
    def ranked(self) -> frozenset[str]:
        """The projects that have a place in the order of goal components."""
        return frozenset(name for name, table in self._component_tables.items() if "rank" in table)

    @cached_property
    def curated(self) -> frozenset[str]:
        """The names of the components that have a file."""
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
            replacement
            for name, table in self._component_tables.items()
            # Parsing all 46 components takes ten times as long as a look at the tables.
            if any("replaces" in fact for fact in table.get("fact", ()))
            for replacement in self.component(name).replacements
        )

    @cached_property
    def file_copies(self) -> tuple[FileCopy, ...]:
        """The files that packages need beside themselves, and what each is copied from."""
        tables = self._component_tables
        names = [name for name, table in tables.items() if "place" in table]
        return tuple(copy for name in names for copy in self.component(name).file_copies)

    def libraries(self, system: str) -> Libraries | None:
        """Return where pip puts CUDA's libraries on `windows` or `linux`; None on other systems."""
        return self.component(self.toolkit_component).libraries.get(system)

    @cached_property
    def facts(self) -> dict[str, Fact]:
        """Every fact by its id. Raises MatrixError for an id used twice."""
        # Locks and hints name a fact by its id.
        facts: dict[str, Fact] = {}
        others = {name: self.component(name) for name in self._shared_rows}
        for component in {**self.components, **others}.values():
            for fact in component.facts:
                if fact.id in facts:
                    raise MatrixError(f"{component.name}.toml", fact.id, "is used by another fact")
                facts[fact.id] = fact
        return facts

    @cached_property
    def soft_facts(self) -> tuple[str, ...]:
        """The ids of the facts that a solution may go against. Raises what `facts` does."""
        return tuple(id for id, (_, effect) in self._stated_facts.items() if effect != HARD)

    def fact_owner(self, id: str) -> str:
        """Return the component that a fact is about. Raises KeyError for an unknown id."""
        return self.fact_owners.get(id) or self.fact(id).component

    @cached_property
    def fact_owners(self) -> Mapping[str, str]:
        """The component that each fact is about, by the fact's id. Raises what `facts` does."""
        return {id: name for id, (name, _) in self._stated_facts.items()}

    @cached_property
    def _stated_facts(self) -> dict[str, tuple[str, str]]:
        """The component and the effect of each fact by its id, as the tables state them: a solve
        needs one fact in five, and to read all of them takes a tenth of its time."""
        try:
            stated = list(self._find_stated_facts())
        except (LookupError, TypeError, AttributeError):
            stated = []
        facts = {id: (name, effect) for name, id, effect in stated}
        if facts and len(facts) == len(stated):
            return facts
        # A row lacks what every fact has, or an id is used twice: reading them says which.
        return {id: (fact.component, fact.effect) for id, fact in self.facts.items()}

    def _find_stated_facts(self) -> Iterator[tuple[str, str, str]]:
        tables = self._component_tables
        for name in dict.fromkeys((*tables, *self._shared_rows)):
            table = tables.get(name, {})
            for row in table.get("fact", ()):
                yield name, row["id"], row["effect"]
            for position in self._shared_rows.get(name, ()):
                row = self._shared_table[position]
                yield name, f"{name}-{row['id']}", row["effect"]
            for fact in () if table.get("kind") == VIRTUAL else self._row_facts:
                if fact.rows is not None and fact.rows.may_be_about(name):
                    yield name, f"{name}-{fact.id}", fact.effect

    @cached_property
    def shared_files(self) -> tuple[SharedFile, ...]:
        """The files that several projects install."""
        return tuple(map(self._shared_file, range(len(self._shared_table))))

    @cached_property
    def _shared_table(self) -> Sequence[Mapping[str, Any]]:
        rows: Sequence[Mapping[str, Any]] = self._tables.get(shared_files.FILE, {}).get("file", ())
        return rows

    @cached_property
    def _shared_rows(self) -> Mapping[str, Sequence[int]]:
        """The positions of the rows of which each project has a fact: all but its first project."""
        positions: dict[str, list[int]] = {}
        for position, row in enumerate(self._shared_table):
            for name in holders_of(row)[1:]:
                positions.setdefault(name, []).append(position)
        return positions

    def _shared_file(self, position: int) -> SharedFile:
        shared = self._shared_files.get(position)
        if shared is None:
            shared = read_shared_file(self._shared_table[position], position)
            self._shared_files[position] = shared
        return shared

    def _shared_facts_about(self, name: str) -> Iterator[Fact]:
        for position in self._shared_rows.get(name, ()):
            for fact in self._shared_file(position).facts():
                if fact.component == name:
                    yield fact

    @cached_property
    def file_sharers(self) -> Mapping[str, frozenset[str]]:
        """By project the others that install one of its files."""
        sharers: dict[str, set[str]] = {}
        for row in self._shared_table:
            names = set(holders_of(row))
            for name in names:
                sharers.setdefault(name, set()).update(names - {name})
        return {name: frozenset(others) for name, others in sharers.items()}

    def shared_fact(self, first: str, second: str) -> Fact | None:
        """Return the fact about files that two projects both install, None if none is known."""
        for shared in self.shared_files:
            if {first, second} <= {holder.name for holder in shared.holders}:
                return self.facts[shared.fact_id(first, second)]
        return None

    def preferred(self, first: str, second: str) -> str | None:
        """Return the one of two projects with the same files that can do more, None if neither."""
        for shared in self.shared_files:
            if {first, second} <= {holder.name for holder in shared.holders}:
                return next((name for name in shared.prefers if name in (first, second)), None)
        return None

    def fact(self, id: str) -> Fact:
        """Return the fact with an id. Raises KeyError for an unknown one."""
        owner, _ = self._stated_facts.get(id, ("", ""))
        for known in self.component(owner).facts if owner else ():
            if known.id == id:
                return known
        # Facts about rows are about projects that only an index has as well.
        for row_fact in self._row_facts:
            name = id.removesuffix(f"-{row_fact.id}")
            for fact in self.component(name).facts if name != id else ():
                if fact.id == id:
                    return fact
        raise KeyError(id)

    @cached_property
    def names(self) -> Names:
        """The names, aliases and import names that people may write."""
        real = {
            name: table
            for name, table in self._component_tables.items()
            if table.get("kind") != "virtual"
        }
        return Names(
            aliases=_inverted(real, "aliases"),
            alias_versions={
                alias: specifier
                for table in real.values()
                for alias, specifier in table.get("alias_versions", {}).items()
            },
            projects=self.projects,
            imports=_inverted(real, "imports"),
            platform_aliases={
                name: tuple(
                    (alias["when"], alias["name"]) for alias in table["alias"] if "when" in alias
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
        """Return the pip package of a library, `cudnn`, for a CUDA release.

        Without a release the package of each CUDA major, the newest first.
        """
        by_cuda = self.component(library).by_cuda
        # The newest first: a goal without CUDA release gets the newest library.
        majors = [cuda.split(".")[0]] if cuda else sorted(by_cuda, key=int, reverse=True)
        return [by_cuda[major] for major in majors if major in by_cuda]

    def is_library(self, project: str) -> bool:
        """Return whether a pip package is a library of an accelerator, `nvidia-cudnn-cu12`."""
        return any(project in self.library_projects(name, None) for name in LIBRARIES)

    @cached_property
    def toolkits(self) -> Toolkits:
        """CUDA releases as pip packages."""
        from cudalock.matrix.vendor import Toolkits

        return Toolkits(self.vendor_table("toolkits")["releases"], self.version)

    @cached_property
    def gpus(self) -> Gpus:
        """The GPUs by name, and their compute capabilities."""
        from cudalock.matrix.gpus import Gpus

        return Gpus(self.vendor_table("gpus"))

    @cached_property
    def jetpacks(self) -> JetPacks:
        """The releases of JetPack; none where the matrix has no table of them."""
        from cudalock.matrix.jetpack import JetPacks

        has_table = self.file("cuda/jetpack.json").is_file()
        return JetPacks(self.vendor_table("jetpack") if has_table else {})

    @cached_property
    def distributions(self) -> Distributions:
        """The Linux distributions that repositories and people name."""
        from cudalock import toml
        from cudalock.matrix.vendor import Distributions

        path = self.file("repositories.toml")
        rows = toml.loads(read_text(path)) if path.is_file() else {}
        return Distributions(rows.get("distribution", ()))

    @cached_property
    def licenses(self) -> Mapping[str, tuple[License, ...]]:
        """Licences by project, as far as METADATA of its wheels was read for them."""
        from cudalock.matrix.licenses import read_licenses

        return read_licenses(self.curated_directory)

    @cached_property
    def containers(self) -> Containers:
        """The images that a Dockerfile starts from, and what a container needs."""
        from cudalock.matrix.containers import read_containers

        return read_containers(self.curated_directory)

    @cached_property
    def images(self) -> Images:
        """The base images that Dockerfiles and notebooks start from. Raises MatrixError."""
        # Imported here: few commands read them.
        from cudalock.matrix.images import read_images

        return read_images(self.curated_directory, self.distributions, self.listed_images)

    @property
    def listed_images(self) -> dict[str, Any]:
        """What an update read of images, by their names; empty where none did."""
        has_table = self.file("cuda/images.json").is_file()
        return self.vendor_table("images") if has_table else {}

    @cached_property
    def namesakes(self) -> Namesakes:
        """The names that are another project on the package index than people mean."""
        # Imported here: most goals name projects of the matrix alone.
        from cudalock.matrix.namesakes import read_namesakes

        return read_namesakes(self._tables.get(NAMESAKES, {}))

    def driver_of(self, cuda: str) -> str | None:
        """Return the branch of drivers that came with a CUDA release, `545` of `12.3`; None if
        that is not known. That is the release which `nvidia-smi` shows for it."""
        has_table = self.file("cuda/drivers.json").is_file()
        rows = self.vendor_table("drivers")["releases"] if has_table else {}
        parts = cuda.split(".")
        alike = [row for release, row in rows.items() if release.split(".")[: len(parts)] == parts]
        # Of some releases only the branch is documented: `R580`.
        versions = [version for row in alike for version in row.values()]
        branches = [version.removeprefix("R").split(".")[0] for version in versions]
        # Windows has later branches than Linux at times: the older one is what both have.
        return min(branches, key=int) if branches and len(parts) > 1 else None

    @cached_property
    def phrases(self) -> Phrases:
        """The words of sentences, beside the names of components and machines.

        A matrix of the user's that has none speaks as the embedded one does.
        """
        from cudalock.matrix.phrases import Phrases, read_phrases

        tables = self._tables.get(PHRASES)
        if tables is None:
            from cudalock import toml

            path = data_directory() / PHRASES
            tables = toml.loads(read_text(path)) if path.is_file() else {}
        return read_phrases(tables) if tables else Phrases()

    def vendor_table(self, name: str) -> dict[str, Any]:
        """Read a file of `cuda/`, by its stem. Raises MatrixError if it cannot be read."""
        path = self.file(f"cuda/{name}.json")
        try:
            table: dict[str, Any] = read_json(read_text(path))
        except (OSError, ValueError) as error:
            raise MatrixError(path.name, "", f"cannot be read: {error}") from None
        return table


def _overlaid(tables: Tables, overlay: Overlay) -> Tables:
    """Return the tables with those of an overlay.

    Raises MatrixError for an id used twice, or a build of an index or builder that nobody has.
    """
    if overlay is NO_OVERLAY:
        return tables
    header = dict(tables[HEADER])
    for key, rows in overlay.header.items():
        both = [*rows, *header.get(key, ())]
        ids = [row["id"] for row in both]
        twice = next((id for id in ids if ids.count(id) > 1), None)
        if twice is not None:
            raise MatrixError(HEADER, key, f"the id `{twice}` is used twice")
        # Patterns are tried in order, and an index keeps its place in a lock.
        header[key] = both if key == "pattern" else [*header.get(key, ()), *rows]
    components = {
        f"{name}.toml": merged_component(tables.get(f"{name}.toml"), table)
        for name, table in overlay.components.items()
    }
    merged = {**tables, **components, HEADER: header}
    _check_ids(merged, overlay)
    return merged


def _check_ids(tables: Tables, overlay: Overlay) -> None:
    """Raise MatrixError for a fact's id used twice, and a build at an unknown location."""
    owners: dict[str, str] = {}
    for file, table in tables.items():
        for fact in table.get("fact", ()):
            if fact["id"] in owners:
                raise MatrixError(file, fact["id"], "is the id of another fact as well")
            owners[fact["id"]] = file
    places = {
        kind: {row["id"] for row in tables[HEADER].get(kind, ())} for kind in ("index", "builder")
    }
    for name, rows in overlay.releases.items():
        for version, row in rows.items():
            for build in row.get("builds", ()):
                for kind, known in places.items():
                    if kind in build and build[kind] not in known:
                        key = f"releases[{version!r}]"
                        says = f"has a build of the unknown {kind} {build[kind]!r}"
                        raise MatrixError(f"{name}.json", key, says)


def origins_of(path: str | None) -> Mapping[str, str]:
    """Return the URLs that a mirror may stand for, by the names that a matrix has for them.

    `path` is as in `Matrix.load`, and so is what is raised.
    """
    directory = data_directory() if path is None or path == EMBEDDED else Path(path)
    header = read_tables(directory)[HEADER]
    rows = [*header.get("index", ()), *header.get("origin", ())]
    return {row["id"]: row["url"] for row in rows if "url" in row}


def _mirrored_template(template: str, mirrors: Mirrors) -> str:
    """Return a URL with `{tag}` and `{file}` in it, mirrored; braces of a variable are doubled."""
    mirrored = mirrors.url(template)
    if mirrored == template:
        return template
    host, separator, path = mirrored.partition("@")
    secret = host.replace("{", "{{").replace("}", "}}") + separator if separator else ""
    return secret + (path if separator else host)


def _inverted(tables: Tables, key: str) -> dict[str, str]:
    """Map the words that components list under a key to their components."""
    return {word: name for name, table in tables.items() for word in table.get(key, ())}
