"""A page about one thing: a project, one of its releases, a virtual component, or a GPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from packaging.version import InvalidVersion, Version

from cudalock.errors import BadSpecifier, UnknownName, UnknownVersion
from cudalock.matrix.releases import KNOWN
from cudalock.names import nearest
from cudalock.show.cells import minor, unique
from cudalock.show.covering import facts_of, has_code_for, natural, shuts_out
from cudalock.show.definitions import read_definitions
from cudalock.show.making import make_table
from cudalock.show.rules import find_name, rules, sentence_of
from cudalock.show.table import Column, Table, plain_line
from cudalock.show.wheels import python_ranges, pythons_on
from cudalock.targets import PLATFORMS, newest_driver
from cudalock.targets.accelerators import CUDA
from cudalock.targets.platforms import of_wheel_tags
from cudalock.text import counted
from cudalock.versions import parse_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cudalock.matrix.facts import Component, Fact
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.releases import Build, Project, Release

SCHEMA: Final = "cudalock.show/1"

_VERSIONS = (
    Column("version", "version"),
    Column("uploaded", "uploaded"),
    Column("requires_python", "Requires-Python"),
    Column("pythons", "Pythons", "pythons"),
    Column("platforms", "platforms"),
    Column("builds", "builds: wheels by place"),
)
_GPU_PLATFORMS = tuple(name for name, row in PLATFORMS.items() if row.accelerators)


def _title(platform: str) -> str:
    """A platform's label, without its processor where no other of its system has CUDA."""
    system = PLATFORMS[platform].system
    alike = [name for name in _GPU_PLATFORMS if PLATFORMS[name].system is system]
    return PLATFORMS[platform].label if len(alike) > 1 else system.platform_system


_GPU_BUILDS = (
    Column("version", "version"),
    *(Column(f"cuda_{name.replace('-', '_')}", f"{_title(name)}, CUDA") for name in _GPU_PLATFORMS),
)


@dataclass(frozen=True, slots=True)
class ProjectPage:
    """A component: its releases if it is a project, its facts if it is virtual."""

    matrix: Matrix
    component: Component
    project: Project | None
    facts: tuple[Fact, ...]
    tables: tuple[str, ...]

    def text(self, width: int | None = None) -> str:
        """Names and releases; the facts themselves only of what has no releases."""
        name = self.component.name
        lines = [*_headline(self.component)]
        if self.project:
            lines.append(f"index: retrieved {self.project.retrieved}")
            lines += [f"source: {source}" for source in self.project.sources]
            lines += ["", *self._versions().lines(width)]
        lines.append("")
        if self.project is None:
            listed = rules(self.matrix, name)
            for fact in self.facts:
                lines += [*listed.lines(fact), ""]
        lines.append(f"facts: {len(self.facts)}: cudalock matrix rules --for {name}")
        lines += [f"table: cudalock matrix table {table}" for table in self.tables]
        return _joined(lines)

    def document(self) -> dict[str, Any]:
        """`versions` newest first, each with its `builds`; ids of `facts`; names of `tables`."""
        return {
            "schema": SCHEMA,
            "matrix": self.matrix.version,
            **_component(self.component),
            "retrieved": self.project.retrieved if self.project else None,
            "sources": list(self.project.sources) if self.project else [],
            "versions": [_release(release) for release in self._releases()],
            "facts": [fact.id for fact in self.facts],
            "tables": list(self.tables),
        }

    def _releases(self) -> list[Release]:
        project = self.project
        return (
            [project.release(version) for version in reversed(project.versions)] if project else []
        )

    def _versions(self) -> Table:
        rows = tuple(
            (
                f"{release.version} (yanked)" if release.yanked else release.version,
                release.uploaded,
                unique(build.python for build in release.builds if build.python),
                tuple(pythons_on(release.builds, None)) or None,
                tuple(_platforms(release.builds)) or None,
                tuple(_places(release)) or ("source only" if release.sdist else None),
            )
            for release in self._releases()
        )
        return Table("", "", self.matrix.version, _VERSIONS, rows)


@dataclass(frozen=True, slots=True)
class VersionPage:
    """One release of a project: each build and wheel, and the facts that cover it."""

    matrix: Matrix
    component: Component
    release: Release
    builds: tuple[Build, ...]
    facts: tuple[Fact, ...]

    def text(self, width: int | None = None) -> str:
        """A block for each build; requirements that were listed before are named, not repeated."""
        release = self.release
        lines = [f"{release.project} {release.version}"]
        if release.uploaded:
            lines.append(f"uploaded: {release.uploaded}")
        if release.yanked:
            lines.append(f"yanked: {release.yanked}")
        lines += [f"default {name}: {default}" for name, default in release.default.items()]
        if release.sdist:
            lines.append("source distribution: yes")
        shown: dict[tuple[str, ...], str] = {}
        for build in self.builds:
            lines += ["", *self._build(build, shown)]
        lines.append("")
        lines += [sentence_of(fact) for fact in self.facts]
        lines.append(f"facts: {len(self.facts)}: cudalock matrix rules --for {release.project}")
        return _joined(lines)

    def document(self) -> dict[str, Any]:
        """The release as in a project's page; `builds` with their requirements and wheels."""
        return {
            "schema": SCHEMA,
            "matrix": self.matrix.version,
            "name": self.component.name,
            **_release(self.release),
            "builds": [
                {
                    **_build(build),
                    "requires": list(build.requires),
                    "wheels": [
                        {
                            "file": wheel.file(self.release.version, build.local),
                            "url": self.matrix.url(build, wheel, self.release.version),
                            "sha256": wheel.sha256,
                        }
                        for wheel in build.wheels
                    ],
                }
                for build in self.builds
            ],
            "facts": [fact.id for fact in self.facts],
        }

    def _build(self, build: Build, shown: dict[tuple[str, ...], str]) -> Iterator[str]:
        place = _place(build)
        hashed = sum(1 for wheel in build.wheels if wheel.sha256)
        yield f"{place}: {counted(len(build.rows), 'wheel')}, {hashed} with sha256, {build.known}"
        if build.local:
            yield f"  local: {build.local}"
        yield from (f"  {name}: {', '.join(labels)}" for name, labels in build.labels.items())
        if build.python:
            yield f"  requires-python: {build.python}"
        if build.source:
            yield f"  source: {build.source}"
        if build.warning:
            yield f"  warning: {build.warning}"
        if build.requires in shown:
            yield f"  requires: as {shown[build.requires]}"
        elif build.requires:
            shown[build.requires] = f"{place}{f' {build.local}' if build.local else ''} above"
            yield "  requires:"
            yield from (f"    {requirement}" for requirement in build.requires)
        yield "  wheels:"
        for wheel in build.wheels:
            digest = f"  sha256:{wheel.sha256}" if wheel.sha256 else "  no hash known"
            yield f"    {wheel.file(self.release.version, build.local)}{digest}"


@dataclass(frozen=True, slots=True)
class GpuPage:
    """A compute capability: its GPUs, the framework's builds with code for it, and the facts."""

    matrix: Matrix
    requested: str
    capability: str
    names: tuple[str, ...]
    builds: Table
    refusing: tuple[Fact, ...]

    def text(self, width: int | None = None) -> str:
        """The builds by release and platform, then what does not run."""
        lines = [f"{self.requested}: compute capability {self.capability}"]
        lines += [f"GPUs: {', '.join(self.names)}", "", f"{self.builds.title}:", ""]
        lines += self.builds.lines(width)
        return _joined([*lines, *_refusals(self.refusing)])

    def document(self) -> dict[str, Any]:
        """`builds` as the rows of a table; `refused_by`: ids of the facts that shut it out."""
        return {
            "schema": SCHEMA,
            "matrix": self.matrix.version,
            "name": "gpu",
            "capability": self.capability,
            "gpus": list(self.names),
            "builds": self.builds.document()["rows"],
            "refused_by": [fact.id for fact in self.refusing],
        }


@dataclass(frozen=True, slots=True)
class VirtualPage:
    """A version of a virtual component: the facts that cover it, and its rows of the tables."""

    matrix: Matrix
    component: Component
    version: str
    facts: tuple[Fact, ...]
    refusing: tuple[Fact, ...]
    tables: tuple[Table, ...]

    def text(self, width: int | None = None) -> str:
        """The facts, then each table that begins with this component."""
        lines = [f"{self.component.name} {self.version}", *([""] if self.facts else [])]
        lines += [sentence_of(fact) for fact in self.facts]
        lines += _refusals(self.refusing)
        for table in self.tables:
            lines += ["", f"{table.title}:", "", *table.lines(width), *table.notes]
        return _joined(lines)

    def document(self) -> dict[str, Any]:
        """Ids of `facts`, and of those that shut it out: `refused_by`; `tables` as documents."""
        return {
            "schema": SCHEMA,
            "matrix": self.matrix.version,
            "name": self.component.name,
            "version": self.version,
            "facts": [fact.id for fact in self.facts],
            "refused_by": [fact.id for fact in self.refusing],
            "tables": [table.document() for table in self.tables],
        }


Page = ProjectPage | VersionPage | VirtualPage | GpuPage


def show(matrix: Matrix, name: str, version: str | None = None) -> Page:
    """The page of a name: a project, an alias, a virtual component, a GPU (`RTX 5090`, `sm_120`).

    Raises UnknownName or UnknownVersion, naming the nearest; BadSpecifier for a version that
    cannot be read.
    """
    name, _, pinned = name.partition("==")
    version = version or pinned or None
    page_title = f"{name} {version}" if version else name
    try:
        component = find_name(matrix, name)
    # After the components: `show "RTX 5090"`, where a GPU is no component.
    except UnknownName:
        gpu = matrix.gpus.find(page_title)
        if gpu is not None:
            return _gpu_page(matrix, page_title, gpu)
        near = nearest(page_title, matrix.gpus.names)
        # A typo of a component is likelier, unless there is a number as in every GPU's name.
        if not near or not any(letter.isdigit() for letter in page_title):
            raise
        hints = [f'cudalock matrix show "{suggestion}"' for suggestion in near]
        raise UnknownName(f"unknown component or GPU `{page_title}`", hints=hints) from None
    return _page(matrix, component, version)


def _page(matrix: Matrix, name: str, version: str | None) -> Page:
    component = matrix.component(name)
    project = matrix.project(name)
    if version is None:
        about = rules(matrix, name).facts
        return ProjectPage(matrix, component, project, about, _tables_about(matrix, name))
    if project is not None:
        return _version_page(matrix, component, project, version)
    if name == "gpu" and (gpu := matrix.gpus.find(version)):
        return _gpu_page(matrix, version, gpu)
    return _virtual_page(matrix, component, version)


def _version_page(
    matrix: Matrix, component: Component, project: Project, version: str
) -> VersionPage:
    requested = _parsed(version)
    public = requested.public
    # By PEP 440 equality: `2.5` is 2.5.0, and the matrix writes one of them.
    match = next(
        (
            known_version
            for known_version in project.versions
            if str(parse_version(known_version)) == public
        ),
        None,
    )
    if match is None:
        raise _unknown_version(component.name, version, project.versions)
    release = project.release(match)
    builds = release.builds
    if requested.local:
        builds = tuple(b for b in builds if requested.local in (b.index, _plain(b.local)))
        if not builds:
            locals_ = {b.local or b.index or "" for b in release.builds}
            known = [f"{match}+{local}" for local in sorted(locals_, key=natural) if local]
            raise _unknown_version(component.name, version, known)
    covering = tuple(facts_of(matrix, component.name, match, None))
    return VersionPage(matrix, component, release, builds, covering)


def _virtual_page(matrix: Matrix, component: Component, version: str) -> VirtualPage:
    _parsed(version)
    tables = []
    for name in _tables_about(matrix, component.name):
        definition = read_definitions(matrix)[name]
        if definition.columns[0].key == component.name:
            try:
                tables.append(make_table(definition, matrix, version))
            except UnknownVersion:
                continue
    covering = tuple(facts_of(matrix, component.name, version, None))
    # `550` is a series of drivers: a fact excludes it only if it excludes the newest of them.
    full_version = newest_driver(version) if component.name == "driver" else version
    refusing = _refusing(matrix, component.name, full_version)
    return VirtualPage(matrix, component, version, covering, refusing, tuple(tables))


def _gpu_page(matrix: Matrix, requested: str, capability: str) -> GpuPage:
    names = tuple(
        name
        for name, known_capability in matrix.gpus.by_name.items()
        if known_capability == capability
    )
    return GpuPage(
        matrix,
        requested,
        capability,
        names,
        _gpu_builds(matrix, capability),
        _refusing(matrix, "gpu", capability),
    )


def _refusing(matrix: Matrix, component: str, version: str) -> tuple[Fact, ...]:
    """The facts of other components that do not go with this version."""
    refusing = [fact for fact in matrix.facts.values() if shuts_out(fact, component, version)]
    return tuple(sorted(refusing, key=lambda fact: (fact.component, natural(fact.id))))


def _gpu_builds(matrix: Matrix, capability: str) -> Table:
    """The framework's releases with a build that holds code for a compute capability."""
    project = matrix.project(matrix.framework) if matrix.framework else None
    rows = []
    for release in reversed(list(project or ())):
        # `8.0+PTX` is no machine code for a newer GPU, see has_code_for.
        fitting = [b for b in release.builds if has_code_for(b.row("archs"), capability)]
        cells = [
            unique(
                minor(cuda)
                for build in fitting
                if platform in _platforms([build])
                for cuda in build.row(CUDA.name)
            )
            for platform in _GPU_PLATFORMS
        ]
        if any(cells):
            rows.append((release.version, *cells))
    title = f"{matrix.framework} builds with machine code for {capability}, by CUDA release"
    return Table("gpu", title, matrix.version, _GPU_BUILDS, tuple(rows))


def _refusals(facts: tuple[Fact, ...]) -> list[str]:
    shown = [f"  {sentence_of(fact)} ({fact.effect})" for fact in facts]
    return ["", "what does not go with it:", *shown] if shown else ["", "no fact speaks against it"]


def _tables_about(matrix: Matrix, name: str) -> tuple[str, ...]:
    return tuple(
        definition.name
        for definition in read_definitions(matrix).values()
        if name in definition.about
    )


def _parsed(version: str) -> Version:
    try:
        return parse_version(version)
    except InvalidVersion:
        raise BadSpecifier(f"invalid version `{version}`") from None


def _plain(local: str | None) -> str | None:
    """A local label as Version spells it: lower case, dots for dashes."""
    # A builder writes `cu12torch2.5cxx11abiFALSE`, which is in lower case to PEP 440.
    return parse_version(f"0+{local}").local if local else None


def _unknown_version(name: str, version: str, known: list[str]) -> UnknownVersion:
    inside = [known_version for known_version in known if known_version.startswith(f"{version}.")]
    near = (inside[::-1] or nearest(version, known))[:3]
    return UnknownVersion(
        f"the matrix has no {name} {version}",
        hints=[f"cudalock matrix show {name} {known_version}" for known_version in near],
    )


def _headline(component: Component) -> Iterator[str]:
    summary = f": {component.summary}" if component.summary else ""
    yield f"{component.name}{summary}"
    if component.aliases:
        yield f"also called: {', '.join(component.aliases)}"
    if component.imports:
        yield f"imported as: {', '.join(component.imports)}"


def _component(component: Component) -> dict[str, Any]:
    return {
        "name": component.name,
        "kind": component.kind,
        "summary": component.summary or None,
        "aliases": list(component.aliases),
        "imports": list(component.imports),
    }


def _release(release: Release) -> dict[str, Any]:
    return {
        "version": release.version,
        "uploaded": release.uploaded,
        "yanked": release.yanked,
        "default": dict(release.default),
        "sdist": release.sdist,
        "pythons": python_ranges(pythons_on(release.builds, None)),
        "platforms": _platforms(release.builds),
        "builds": [{**_build(build), "wheels": len(build.rows)} for build in release.builds],
    }


def _build(build: Build) -> dict[str, Any]:
    return {
        "index": build.index,
        "builder": build.builder,
        "tag": build.tag,
        "local": build.local,
        "labels": {name: list(labels) for name, labels in build.labels.items()},
        "known": build.known,
        "requires_python": build.python,
        "source": build.source,
        "warning": build.warning,
        "hashes": sum(1 for wheel in build.wheels if wheel.sha256),
    }


def _platforms(builds: Iterable[Build]) -> list[str]:
    platforms = {name for build in builds for tags in build.tags for name in of_wheel_tags(tags)}
    return [platform for platform in PLATFORMS if platform in platforms]


def _places(release: Release) -> Iterator[str]:
    """`cu124 9 (seen, derived)` for each index or builder of a release."""
    places: dict[str, list[Build]] = {}
    for build in release.builds:
        if build.rows:
            places.setdefault(build.builder or build.index or "", []).append(build)
    for place in sorted(places, key=natural):
        builds = places[place]
        known = [word for word in KNOWN if any(build.known == word for build in builds)]
        # The usual case, METADATA, is not worth a word in each line.
        how = "" if known == [KNOWN[0]] else f" ({', '.join(known)})"
        yield f"{place} {sum(len(build.rows) for build in builds)}{how}"


def _place(build: Build) -> str:
    return build.index or f"{build.builder} {build.tag or ''}".rstrip()


def _joined(lines: list[str]) -> str:
    return "\n".join(plain_line(line) for line in lines) + "\n"
