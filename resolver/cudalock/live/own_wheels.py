"""Wheels that the user names: by their URL, in a folder, on a page of links, on an own index.

Each becomes a row of an overlay (`cudalock.matrix.overlay`), judged by what its file name says
(tags, local version), by METADATA where that can be read, and by what the matrix knows of the same
release. Nothing of a wheel is run or unpacked.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote

from cudalock.errors import BadFile, NetworkError, UsageError
from cudalock.files import is_rooted, resolved
from cudalock.indexes.listings import File, file_at, read_links, with_credentials_of
from cudalock.indexes.metadata import MalformedMetadata, metadata_in, parse_metadata, read_metadata
from cudalock.indexes.parallel import map_parallel
from cudalock.indexes.rows import releases_of, wheel_parts
from cudalock.matrix.overlay import NAMED, NO_OVERLAY, Overlay, build_rows
from cudalock.targets.tags import parse_wheel_name
from cudalock.text import counted
from cudalock.update.file_names import Patterns
from cudalock.urls import file_of, is_splittable, local_path, split, without_credentials
from cudalock.versions import canonical, parse_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cudalock.indexes.client import Web
    from cudalock.indexes.metadata import Metadata
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.releases import Build

LARGEST_FOLDER: Final = 2000
"""Wheels of one folder or page."""


class NamedWheel(NamedTuple):
    """A wheel by its URL, and the project that it is named for."""

    project: str
    """canonical"""
    url: str
    is_certain: bool = True
    """whether it is used though nothing is known of its requirements"""


class NamedIndex(NamedTuple):
    """An index that is trusted for some projects, and asked for no other."""

    projects: tuple[str, ...]
    """canonical"""
    url: str


@dataclass(frozen=True)
class Own:
    """Everything that a command line and its settings name."""

    wheels: tuple[NamedWheel, ...] = ()
    find_links: tuple[str, ...] = ()
    """folders, and pages of links"""
    indexes: tuple[NamedIndex, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.wheels or self.find_links or self.indexes)


def read_own(own: Own, matrix: Matrix, web: Web) -> Overlay:
    """Return the rows of the user's wheels.

    Raises UsageError for a wheel, folder or page that is none, NetworkError for a page or an index
    that cannot be read. A wheel whose METADATA cannot be read has a warning that says so.
    """
    if not own:
        return NO_OVERLAY
    reader = _RowMaker(matrix, web)
    for wheel in own.wheels:
        reader.add_named(wheel)
    for place in own.find_links:
        reader.add_links(place)
    for index in own.indexes:
        reader.add_index(index)
    return reader.read()


def overlay_by_name(wheels: Iterable[NamedWheel], matrix: Matrix) -> Overlay:
    """Return rows for wheels by what their file names and the matrix say; nobody is asked.

    A wheel whose name has no label adds nothing: there is nothing to judge it by. Nor does one of
    an unknown name.
    """
    patterns = Patterns(matrix)
    maker = _RowMaker(matrix, None)
    for wheel in wheels:
        name = parse_wheel_name(file_of(wheel.url))
        parts = wheel_parts(file_of(wheel.url))
        if name is not None and parts is not None and patterns.read(parts["local"], name.tags):
            maker.add_beside(wheel)
    return maker.read()


class _Found(NamedTuple):
    """A wheel to make a row of."""

    project: str
    file: File
    builder: str
    request_url: str
    """the URL with its credentials, or a `file:` URL"""


_Group = tuple[str, str, "str | None", str]
"""Project, version, local version and platform: wheels that were built alike."""


class _RowMaker:
    """Collects wheels, and makes rows of them."""

    def __init__(self, matrix: Matrix, web: Web | None) -> None:
        """Without `web` no METADATA is read, and no row warns of that."""
        self._matrix = matrix
        self._web = web
        self._patterns = Patterns(matrix)
        self._found: list[_Found] = []
        self._only: set[str] = set()
        self._uncertain: set[str] = set()

    # -- what is named --------------------------------------------------------------------------

    def add_named(self, wheel: NamedWheel) -> None:
        """Add a wheel by its URL: of its project nothing else is used."""
        plain = without_credentials(wheel.url, keep_variables=True)
        file = file_at(plain)
        parts = _parts_of(file.name, plain)
        if canonical(parts["dist"]) != wheel.project:
            raise UsageError(
                f"`{file.name}` is a wheel of {canonical(parts['dist'])}, not of {wheel.project}"
            )
        self._only.add(wheel.project)
        if not wheel.is_certain:
            self._uncertain.add(wheel.project)
        self._add(wheel.project, file, wheel.url.partition("#")[0])

    def add_beside(self, wheel: NamedWheel) -> None:
        """Add a wheel by its URL, beside all others of its project."""
        url = without_credentials(wheel.url.partition("#")[0])
        self._add(wheel.project, file_at(url), url)

    def add_links(self, place: str) -> None:
        """Add every wheel of a folder, or of a page of links."""
        files = list(_in_folder(place)) if _is_folder(place) else self._on_page(place)
        wheels = [file for file in files if file.is_wheel and wheel_parts(file.name)]
        if not wheels:
            shown = without_credentials(place)
            variants = sum(parse_wheel_name(file.name) is not None for file in files)
            those = f"{counted(variants, 'wheel variant')}, which pip cannot install"
            besides = f" but {those}" if variants else ""
            raise UsageError(f"`--find-links`: there are no wheels at `{shown}`{besides}")
        if len(wheels) > LARGEST_FOLDER:
            raise UsageError(
                f"`--find-links`: `{without_credentials(place)}` has {len(wheels)} wheels, and"
                f" more than {LARGEST_FOLDER} are not read"
            )
        for file in wheels:
            project = canonical((wheel_parts(file.name) or {})["dist"])
            self._add(project, file, with_credentials_of(place, file.url))

    def _on_page(self, place: str) -> Sequence[File]:
        assert self._web is not None
        if not is_splittable(place) or split(place).scheme not in ("http", "https"):
            raise UsageError(
                f"`--find-links`: `{without_credentials(place)}` is neither a folder nor the URL"
                " of a page"
            )
        files = read_links(self._web, place)
        if files is None:
            raise UsageError(f"`--find-links`: `{without_credentials(place)}` does not exist")
        return files

    def add_index(self, index: NamedIndex) -> None:
        """Add the wheels that an index has of the projects that it is trusted for."""
        from cudalock.indexes.listings import read_listing

        assert self._web is not None
        for project in index.projects:
            listing = read_listing(self._web, index.url, project)
            found = releases_of(listing) if listing else {}
            files = [file for group in found.values() for file in group if file.is_wheel]
            # PEP 592: one that was yanked is for those who pin it exactly.
            files = [file for file in files if file.yanked is None] or files
            if not files:
                raise UsageError(
                    f"`--project-index`: {without_credentials(index.url)} has no wheel of {project}"
                )
            # What another index calls so is another project.
            self._only.add(project)
            for file in files:
                self._add(project, file, with_credentials_of(index.url, file.url))

    def _add(self, project: str, file: File, request_url: str) -> None:
        host = split(file.url).netloc.rpartition("@")[2] or "a folder of yours"
        self._found.append(_Found(project, file, host, request_url))

    # -- rows -----------------------------------------------------------------------------------

    def read(self) -> Overlay:
        """Return the rows; METADATA is read for one wheel of each version, local version, system.

        That is how wheels of one build agree everywhere else.
        """
        groups: dict[_Group, list[_Found]] = {}
        for found in self._found:
            parts = _parts_of(found.file.name, found.file.url)
            system = parts["tags"].rpartition("-")[2]
            groups.setdefault((found.project, parts["version"], parts["local"], system), []).append(
                found
            )
        held = [self._held_row(key[0], key[1], group) for key, group in groups.items()]
        metadata = map_parallel(
            lambda pair: None if pair[1] is not None else self._metadata(pair[0][0]),
            list(zip(groups.values(), held, strict=True)),
        )
        self._drop_unknown(groups, metadata)
        releases: dict[str, dict[str, dict[str, Any]]] = {}
        builders: dict[str, dict[str, Any]] = {}
        for ((project, version, local, _), group), held_row, said in zip(
            groups.items(), held, metadata, strict=True
        ):
            if project in self._uncertain:
                continue
            row = held_row or self._row(project, version, local, group, said)
            release = releases.setdefault(project, {}).setdefault(version, {"builds": []})
            release["builds"].append(row)
            builder = group[0].builder
            builders[builder] = {
                "id": builder,
                "project": project,
                "url": "{file}",
                "trust": NAMED,
                "renamed": True,
                "source": builder,
            }
        tables = {
            name: _labelled(name, self._matrix)
            for name in releases
            if not self._matrix.is_curated(name)
        }
        known = self._matrix.builders
        header = {"builder": [row for id, row in builders.items() if id not in known]}
        return Overlay(header, tables, releases, frozenset(self._only))

    def _drop_unknown(
        self,
        groups: Mapping[_Group, Sequence[_Found]],
        metadata: Sequence[Metadata | NetworkError | None],
    ) -> None:
        """Leave as uncertain only projects with a wheel of which nothing is known, and use nothing
        of those."""
        unknown = set()
        for ((project, version, local, tags), _), said in zip(
            groups.items(), metadata, strict=True
        ):
            is_read = said is not None and not isinstance(said, NetworkError)
            if not is_read and self._like(project, version, local, tags) is None:
                unknown.add(project)
        self._uncertain &= unknown
        self._only -= self._uncertain

    def _metadata(self, found: _Found) -> Metadata | NetworkError | None:
        if self._web is None:
            return None
        if found.file.url.startswith("file:"):
            path = Path(local_path(found.file.url) or "")
            if not is_rooted(path):
                return None
            with path.open("rb") as file:
                content = metadata_in(file)
            read = parse_metadata(content) if content is not None else None
        else:
            try:
                read = read_metadata(self._web, found.file, found.request_url)
            except NetworkError as error:
                return error
        return None if isinstance(read, MalformedMetadata) else read

    def _row(
        self,
        project: str,
        version: str,
        local: str | None,
        group: Sequence[_Found],
        said: Metadata | NetworkError | None,
    ) -> dict[str, Any]:
        first = group[0]
        tags = _parts_of(first.file.name, first.file.url)["tags"]
        like = self._like(project, version, local, tags)
        metadata = None if isinstance(said, NetworkError) else said
        reading = self._patterns.read(local, tags)
        labels: dict[str, Any] = dict(like.labels) if like is not None else {}
        labels |= reading.labels if reading is not None else {}
        row: dict[str, Any] = {
            "builder": first.builder,
            "tag": "",
            "known": "metadata" if metadata is not None else "listed",
            "labels": labels,
            "source": first.file.url,
            "wheels": [self._wheel(project, found) for found in group],
        }
        if local:
            row["local"] = local
        if metadata is not None:
            _check_metadata(first.file.name, project, version, metadata)
            row["requires"] = list(metadata.requires)
            row["renamed"] = bool(local) and "+" not in metadata.version
            if metadata.python:
                row["python"] = metadata.python
            return row
        row["requires"] = list(like.requires) if like is not None else []
        python = first.file.python or (like.python if like is not None else None)
        if python:
            row["python"] = python
        instead = (
            f"the requirements of {project} {version} in the matrix are used"
            if like is not None
            else "what it requires is unknown, and not in the lock"
        )
        if self._web is not None:
            row["warning"] = f"its METADATA cannot be read: {instead}"
        return row

    def _held_row(
        self, project: str, version: str, group: Sequence[_Found]
    ) -> dict[str, Any] | None:
        """Return the row of the matrix for a wheel at the URL that it has there, hash included."""
        held = self._matrix.project(project)
        if len(group) != 1 or held is None or version not in held:
            return None
        file = group[0].file
        release = held.release(version)
        for build, row in zip(release.builds, build_rows(release.row), strict=True):
            for wheel, wheel_row in zip(build.wheels, build.rows, strict=True):
                if wheel.file(version, build.local) == file.name:
                    url = self._matrix.url(build, wheel, version)
                    if url is not None and unquote(url) == unquote(file.url):
                        return {**row, "wheels": [wheel_row]}
        return None

    def _like(self, project: str, version: str, local: str | None, tags: str) -> Build | None:
        """Return a build of the matrix that is most like a wheel: of the same release, and of the
        same local version and platform as far as there is one."""
        held = self._matrix.project(project)
        if held is None or version not in held:
            return None
        platform = tags.rpartition("-")[2]
        builds = held.release(version).builds

        def distance(build: Build) -> tuple[bool, bool]:
            return build.local != local, all(
                other.rpartition("-")[2] != platform for other in build.tags
            )

        return min(builds, key=distance, default=None)

    def _wheel(self, project: str, found: _Found) -> list[Any]:
        parts = _parts_of(found.file.name, found.file.url)
        exceptions: dict[str, Any] = {"url": found.file.url}
        if parts["dist"] != project.replace("-", "_"):
            exceptions["dist"] = parts["dist"]
        if found.file.size is not None:
            exceptions["size"] = found.file.size
        return [parts["tags"], found.file.sha256, exceptions]


def _check_metadata(file: str, project: str, version: str, metadata: Metadata) -> None:
    """Raise BadFile for a wheel that says inside that it is another one: no installer takes it."""
    try:
        inside = parse_version(metadata.version).public
    except ValueError:
        inside = metadata.version
    if canonical(metadata.name) != project or inside != parse_version(version).public:
        raise BadFile(
            f"`{file}` says in its METADATA that it is {metadata.name} {metadata.version}"
        )


def _labelled(project: str, matrix: Matrix) -> dict[str, Any]:
    """Return a component for a project that nobody has curated: what its wheels' labels mean."""
    facts = [{**row, "id": f"{project}-{row['id']}"} for row in matrix.label_facts]
    return {"name": project, "fact": facts}


def _parts_of(name: str, url: str) -> dict[str, Any]:
    parts = wheel_parts(name)
    parsed = parse_wheel_name(name)
    if parsed is not None and parsed.variant is not None:
        raise UsageError(
            f"`{name}` is the wheel variant `{parsed.variant}` (PEP 825), which pip cannot install,"
            " so no lock has one",
            hints=["a wheel without a variant label"],
        )
    if parts is None:
        raise UsageError(
            f"`{name or without_credentials(url)}` is not the name of a wheel",
            hints=["a name such as torch-2.6.0-py3-none-any.whl"],
        )
    try:
        parse_version(parts["version"])
    except ValueError:
        raise UsageError(f"`{name}`: invalid version `{parts['version']}`") from None
    return parts


def _is_folder(place: str) -> bool:
    return "://" not in place


def _in_folder(place: str) -> Iterator[File]:
    """Yield the wheels of a folder."""
    folder = Path(place)
    try:
        paths = sorted(path for path in folder.iterdir() if path.name.endswith(".whl"))
    except OSError as error:
        raise UsageError(
            f"`--find-links`: `{place}` cannot be read: {error.strerror or error}"
        ) from None
    for path in paths:
        if path.is_file():
            yield File(path.name, resolved(path).as_uri(), size=path.stat().st_size)


__all__ = ["NamedIndex", "NamedWheel", "Own", "overlay_by_name", "read_own"]
