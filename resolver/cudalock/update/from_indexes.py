"""The wheels of a project on a package index: the default index and PyTorch's, which has one for
each CUDA release.

METADATA is read of two wheels for each platform of a build, those for the oldest and the newest
Python: if they agree, all agree; else it is read of each. A wheel that the matrix has with the same
digest is not read again, since it never changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote

from cudalock.errors import NetworkError
from cudalock.indexes.listings import read_listing, with_credentials_of
from cudalock.indexes.metadata import Metadata, read_metadata
from cudalock.indexes.rows import listed_row, releases_of, wheel_parts
from cudalock.matrix.releases import KNOWN, PACKAGE_INDEX
from cudalock.targets import LINUX, PLATFORMS
from cudalock.targets.tags import ANY
from cudalock.text import read_number
from cudalock.update.inside import WheelContents
from cudalock.update.merge import LISTED, Listed, system_of
from cudalock.urls import split
from cudalock.versions import parse_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cudalock.indexes.client import Web
    from cudalock.indexes.listings import File, Listing
    from cudalock.matrix.matrix import Index
    from cudalock.matrix.releases import Build, Project, Release
    from cudalock.update.labels import LabelRules

SYSTEMS: Final = (
    *((LINUX.name, row.arch) for row in PLATFORMS.values() if row.system is LINUX),
    (ANY, ""),
)
SOURCE: Final = "listing of the index"
_EXTRA: Final = re.compile(r"extra == \"([^\"]+)\"")


ReadMetadata = Callable[["File"], "Metadata | None"]


class _Context(NamedTuple):
    """The project, the index and the rules that reading a release needs."""

    project: str
    place: Index
    held: Project | None
    rules: LabelRules
    metadata: ReadMetadata
    extras: frozenset[str] | None
    contents: Callable[[File], WheelContents | None]
    """what is inside a wheel that the matrix lacks"""


class ListedWheels(NamedTuple):
    """The wheels of one release on one index; `said` has what the default index has on the
    release."""

    version: str
    wheels: tuple[Listed, ...]
    said: Mapping[str, Any] | None = None


def read_index(
    web: Web,
    index: Index,
    address: str,
    project: str,
    held: Project | None,
    rules: LabelRules,
    *,
    anew: bool = False,
) -> list[ListedWheels]:
    """Return every release that an index lists of a project, as far as `is_wanted`.

    With `anew` METADATA is read even of wheels in the matrix. Raises NetworkError if the index
    cannot be queried, or lists no wheel of a project of which the matrix has some there: such a
    listing is not trusted.
    """
    listing = read_listing(web, address, project)
    if listing is None:
        listing_files: tuple[File, ...] = ()
    else:
        listing_files = tuple(_own(listing, index))
    if not any(file.is_wheel for file in listing_files) and _holds(held, index):
        raise NetworkError(f"{index.id} lists no wheel of {project}, and some are held")
    if listing is None:
        return []
    known = {} if anew else _known(held, index)

    def metadata(file: File) -> Metadata | None:
        # A digest is of these very bytes, whose METADATA the matrix has.
        if file.sha256 in known:
            build = known[file.sha256]
            return Metadata(project, "", build.python, build.requires)
        read = read_metadata(web, file, with_credentials_of(address, file.url))
        return read if isinstance(read, Metadata) else None

    def contents(file: File) -> WheelContents | None:
        # What is known of these very bytes is in the matrix.
        if file.sha256 is not None and file.sha256 in held_digests:
            return None
        return WheelContents(web, with_credentials_of(address, file.url))

    held_digests = _digests(held, index)
    context = _Context(project, index, held, rules, metadata, _extras(held), contents)
    return [
        _release(context, version, files)
        for version, files in releases_of(listing._replace(files=listing_files)).items()
        if is_wanted(version, held)
    ]


def is_wanted(version: str, held: Project | None) -> bool:
    """Whether a listed release belongs in the matrix: those that it has do, and those that are
    neither a pre-release nor older than all of them. So there is no gap, and a version between the
    oldest and the newest that the matrix lacks does not exist.

    Of a project that has pre-releases alone in the matrix, further ones are taken too.
    """
    if held is None or not held.versions:
        return not parse_version(version).is_prerelease
    parsed = parse_version(version)
    has_final = not all(parse_version(other).is_prerelease for other in held.versions)
    return version in held or (
        not (parsed.is_prerelease and has_final) and parsed >= parse_version(held.versions[0])
    )


def _own(listing: Listing, index: Index) -> Iterator[File]:
    """Yield the files in the index's own folder: its page lists files of other indexes as well."""
    folder = split(index.url).path.rstrip("/") if index.url else None
    for file in listing.files:
        path = unquote(split(file.url).path)
        if folder is None or path == f"{folder}/{file.name}":
            yield file


def _release(context: _Context, version: str, files: Sequence[File]) -> ListedWheels:
    """Return a release, with METADATA read for each build and platform, which may differ.

    For the default index `said` has what is true for the whole release; its requirements are those
    of the wheels for the first platform of the list.
    """
    index, held = context.place, context.held
    groups = _groups(files, held.release(version) if held and version in held else None, index)
    base: tuple[str, ...] | None = None
    wheels: list[Listed] = []
    for key in sorted(groups, key=_first):
        # One wheel of each platform: those for other Pythons are of the same build.
        contents = context.contents(groups[key][0])
        for file, read in _read(groups[key], context.metadata):
            requires = _without(read.requires, context.extras) if read else None
            # Labels follow from all of METADATA, extras that no row has included.
            # In the same order everywhere: METADATA of one release lists requirements in several.
            if base is None or (requires is not None and set(requires) == set(base)):
                base = requires = base if base is not None else requires
            # The default index states requires-python in its listing; PyTorch's indexes do not.
            python = None if index.id == PACKAGE_INDEX else (read.python if read else None)
            labels_from = read.requires if read else None
            listed = _wheel(context, version, file, requires, python)
            labels = context.rules.of(
                context.project, version, index.id, listed.tags, labels_from, contents
            )
            wheels.append(listed._replace(labels=labels))
    if index.id != PACKAGE_INDEX:
        return ListedWheels(version, tuple(wheels))
    row = listed_row(list(files))
    release_row: dict[str, Any] = {
        key: row[key] for key in LISTED if key in row and key != "requires"
    }
    if base:
        release_row["requires"] = list(base)
    wheels = [wheel._replace(python=row.get("python")) for wheel in wheels]
    return ListedWheels(version, tuple(wheels), release_row)


def _groups(
    files: Iterable[File], held: Release | None, index: Index
) -> dict[tuple[str, tuple[str, str], int], list[File]]:
    """Return the wheels that have the same METADATA as far as is known: those of a platform, with
    builds of the matrix that differ apart."""
    builds: dict[tuple[str | None, str], int] = {}
    kinds: dict[tuple[str, ...], int] = {}
    for build in held.builds if held else ():
        if build.index == index.id:
            known = kinds.setdefault(build.requires, len(kinds))
            builds |= {(build.local, tags): known for tags in build.tags}
    groups: dict[tuple[str, tuple[str, str], int], list[File]] = {}
    for file in files:
        parts = wheel_parts(file.name) if file.is_wheel else None
        if parts is not None:
            local, tags = parts["local"], parts["tags"]
            key = (local or "", system_of(tags), builds.get((local, tags), 0))
            groups.setdefault(key, []).append(file)
    return groups


def _read(files: list[File], metadata: ReadMetadata) -> Iterator[tuple[File, Metadata | None]]:
    """Yield each file with its metadata, of which as little as possible is read."""
    ordered = sorted(files, key=_python_order)
    ends = {file.name: metadata(file) for file in (ordered[0], ordered[-1])}
    first, last = ends[ordered[0].name], ends[ordered[-1].name]
    agree = set(first.requires if first else ()) == set(last.requires if last else ())
    for file in ordered:
        if agree:
            yield file, first
        else:
            yield file, ends[file.name] if file.name in ends else metadata(file)


def _python_order(file: File) -> tuple[int, str]:
    python = (wheel_parts(file.name) or {"tags": "--"})["tags"].split("-")[-3]
    # By number: as text, cp310 comes before cp39.
    digits = re.sub(r"[^0-9]", "", python)
    return (read_number(digits[1:]) or 0, file.name)


def _first(key: tuple[str, tuple[str, str], int]) -> tuple[str, int, tuple[str, str], int]:
    """Return a key for the order of builds: the platform that most wheels are for comes first."""
    local, system, known = key
    place = SYSTEMS.index(system) if system in SYSTEMS else len(SYSTEMS)
    return (local, place, system, known)


def _wheel(
    context: _Context,
    version: str,
    file: File,
    requires: tuple[str, ...] | None,
    python: str | None,
) -> Listed:
    """A listed wheel, without its labels."""
    project = context.project
    parts = wheel_parts(file.name) or {}
    unread = requires is None
    return Listed(
        version=version,
        tags=parts["tags"],
        local=parts["local"],
        sha256=file.sha256,
        dist=parts["dist"] if parts["dist"] != project.replace("-", "_") else None,
        python=python or file.python,
        requires=requires,
        known="listed" if unread else KNOWN[0],
        source=SOURCE if unread else None,
    )


def _without(requires: Iterable[str], extras: frozenset[str] | None) -> tuple[str, ...]:
    # A new project brings all its extras; of others the matrix has only those that are required.
    return tuple(
        requirement
        for requirement in requires
        if extras is None or set(_EXTRA.findall(requirement)) <= extras
    )


def _known(held: Project | None, index: Index) -> dict[str, Build]:
    """Return the builds whose METADATA was read, by the digests of their wheels."""
    builds_by_hash: dict[str, Build] = {}
    for release in held or ():
        for build in release.builds:
            if build.index == index.id and build.known == KNOWN[0]:
                builds_by_hash |= {str(row[1]): build for row in build.rows if row[1]}
    return builds_by_hash


def _digests(held: Project | None, index: Index) -> frozenset[str]:
    """Return the digests of the wheels that the matrix has on an index."""
    builds = (build for release in held or () for build in release.builds)
    return frozenset(
        str(row[1]) for build in builds if build.index == index.id for row in build.rows if row[1]
    )


def _extras(held: Project | None) -> frozenset[str] | None:
    """Return the extras that the matrix has of a project; None for a new project, for all."""
    if held is None:
        return None
    requires = (text for release in held for build in release.builds for text in build.requires)
    return frozenset(extra for text in requires for extra in _EXTRA.findall(text))


def _holds(held: Project | None, index: Index) -> bool:
    builds = (build for release in held or () for build in release.builds)
    return any(build.index == index.id and build.rows for build in builds)


__all__ = ["ListedWheels", "is_wanted", "read_index"]
