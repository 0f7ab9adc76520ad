"""A project as an index lists it: METADATA is read when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from cudalock.live.sources import OF_ITS_WHEELS, SdistBuild, presume
from cudalock.matrix.releases import (
    PACKAGE_INDEX,
    Build,
    Project,
    Release,
    Wheel,
    other_label,
    spellings_of_extra,
)
from cudalock.versions import leading_name, parse_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cudalock.indexes.listings import File, Listing
    from cudalock.indexes.metadata import MalformedMetadata, Metadata
    from cudalock.matrix.facts import Labels
    from cudalock.matrix.sources import SourceState
    from cudalock.sdists import SourceMetadata

WINDOW: Final = 8
"""Releases looked at of a project, those that nothing rules out; see `LiveUniverse.search`."""


class IndexSource(Protocol):
    """What a project asks of the universe that it is a part of."""

    def window(self, name: str) -> int:
        """Return how many releases of a project are looked at."""

    def cut(self, name: str) -> None:
        """Record that a project has more releases than were looked at."""

    def labels(self, project: LiveProject, wheel: str, requires: Iterable[str]) -> dict[str, str]:
        """Return what a listed wheel was built with, as far as rules tell it."""

    def read(self, project: LiveProject, file: File) -> Metadata | MalformedMetadata | None:
        """Return the metadata of a listed wheel. Raises NetworkError."""

    def read_source(self, name: str, url: str, file: File, version: str) -> SourceMetadata:
        """Return what a source archive states; `url` is its index. Raises NetworkError."""

    def is_pinned(self, name: str, version: str) -> bool:
        """Return whether the goal names this very release."""

    def takes(self, version: str, held: Project) -> bool:
        """Return whether a release is used that the matrix lacks, of a project that it has."""

    def leads_to(self, name: str, other: str) -> bool:
        """Return whether a project requires another, directly or through listed projects."""

    def note_extras(self, requires: Iterable[str]) -> None:
        """Record requirements with extras, whose own requirements the matrix may lack."""


MOST_UNREADABLE: Final = 200
"""Files of a project whose metadata cannot be read, after which no more is asked for."""


class LiveProject(Project):
    """A project's releases as an index lists them, after those that the matrix holds, if any."""

    __slots__ = (
        "_files",
        "_held",
        "_read",
        "_source",
        "_versions",
        "added",
        "has_final",
        "index",
        "unreadable",
        "url",
    )

    is_immutable = False

    def __init__(
        self,
        source: IndexSource,
        listing: Listing,
        index: str,
        url: str,
        held: Project | None = None,
        *,
        anew: bool = False,
    ) -> None:
        """Before the releases come those of `held`, as they are or `anew`, as the index has
        them."""
        from cudalock.indexes.rows import releases_of

        super().__init__(listing.project, listing.address, "", (listing.address,), {})
        files = releases_of(listing)
        self._held = held
        self._files = {
            version: found
            for version, found in files.items()
            if held is None or (anew if version in held else source.takes(version, held))
        }
        self._versions = sorted({*self._files, *(held.versions if held else ())}, key=parse_version)
        self._read: dict[str, Metadata | None] = {}
        self.unreadable: dict[str, MalformedMetadata] = {}
        """what keeps METADATA from being read, by its version"""
        self._source = source
        self.index = index
        self.url = url
        self.added = tuple(self._files)
        """the versions that are the index's"""
        self.has_final = held is not None or any(
            not parse_version(version).is_prerelease for version in self._files
        )

    @property
    def window(self) -> int | None:
        """How many releases are looked at."""
        return self._source.window(self.name)

    @property
    def other_window(self) -> int | None:
        """How many of those are looked at that nobody asks for, to tell what is in the way."""
        return WINDOW

    def is_free(self, version: str) -> bool:
        """Whether the matrix has a release's metadata."""
        return version not in self._files

    def newest_wheels(self, held: Project) -> str | None:
        """The newest final release of the index that has any, if it is newer than all that are
        held."""
        newest = parse_version(held.versions[-1])
        for version, files in reversed(self._files.items()):
            # In order: whatever follows is older still.
            if parse_version(version) < newest:
                return None
            if any(file.is_wheel for file in files) and not parse_version(version).is_prerelease:
                return version
        return None

    @property
    def source_only(self) -> list[str]:
        """The releases that were looked at, oldest first, if none of them has a wheel."""
        looked_at = sorted(self._parsed, key=parse_version)
        return [] if any(self._parsed[version].builds for version in looked_at) else looked_at

    def wheelless(self) -> list[str]:
        """The releases of the index that have nothing but a source archive, newest first."""
        return [
            version
            for version in reversed(self._files)
            if not any(file.is_wheel for file in self._files[version])
        ]

    def sdist_build(self, version: str, files: list[File]) -> SdistBuild | None:
        """The source archive of a release as a build; None where there is none."""
        from cudalock.indexes.sources import source_file

        file = source_file(files)
        if file is None:
            return None
        # Who builds a wheel for each platform has something to compile.
        wheels = [other.name for other in files if other.is_wheel]
        is_compiled = bool(wheels) and all(not name.endswith("-any.whl") for name in wheels)

        def presumed() -> SourceState | None:
            return OF_ITS_WHEELS if is_compiled else presume(self.wheelless, version, self._built)

        index = (self.index, self.url)
        return SdistBuild(self._source, self.name, version, file, index, presumed)

    def _built(self, version: str) -> SourceState | None:
        builds = self.release(version).source_builds
        return builds[0].source_build(must_read=True) if builds else None

    @property
    def unread(self) -> list[str]:
        """The wheels whose metadata was asked for in vain: it is not served."""
        at_fault = {file.name for version in self.unreadable for file in self._files[version]}
        return sorted(
            file
            for file, metadata in self._read.items()
            if metadata is None and file not in at_fault
        )

    def repaired(self, version: str) -> tuple[str, ...]:
        """The requirements of a release that are not PEP 508 as METADATA has them."""
        read = (self._read.get(file.name) for file in self._files.get(version, ()))
        return next((metadata.repaired for metadata in read if metadata is not None), ())

    def cut(self) -> None:
        """Record that a search ignored releases that the window does not show."""
        self._source.cut(self.name)

    def labels(self, file: File, requires: Iterable[str]) -> dict[str, str]:
        """What a listed wheel, and those like it, were built with, as far as rules tell it."""
        return self._source.labels(self, file.name, requires)

    @property
    def in_matrix(self) -> Project | None:
        """The project as the matrix has it."""
        return self._held

    @property
    def versions(self) -> list[str]:
        """Every version, oldest first."""
        return list(self._versions)

    def __contains__(self, version: str) -> bool:
        return version in self._files or (self._held is not None and version in self._held)

    def __iter__(self) -> Iterator[Release]:
        return (self.release(version) for version in self.versions)

    def release(self, version: str) -> Release:
        """Raises KeyError for an unknown version."""
        if self._held is not None and version not in self._files:
            return self._held.release(version)
        release = self._parsed.get(version)
        if release is None:
            release = LiveRelease(self, version, self._files[version])
            self._parsed[version] = release
        return release

    def mentions(self, name: str) -> bool:
        """Whether the project leads to another, by what was read so far: the newest releases that
        the goal and the target allow, and those of projects that only an index has."""
        return self._source.leads_to(self.name, name)

    def mentions_extra(self, extra: str) -> bool:
        """Whether a release has requirements of an extra: the newest are asked, then some of the
        older ones, since an extra may be given up."""
        if self._held is not None and self._held.mentions_extra(extra):
            return True
        finals = [
            version
            for version in reversed(self.versions)
            if not (self.has_final and parse_version(version).is_prerelease)
        ]
        window = self._source.window(self.name)
        older = finals[window :: max(1, len(finals) // WINDOW)]
        texts = [f'extra == "{spelling}"' for spelling in spellings_of_extra(extra)]
        return any(
            spelled in text
            for version in (*finals[:window], *older)
            for build in described(self.release(version))[:1]
            for text in build.requires
            for spelled in texts
        )

    def version_of(self, file: File) -> str:
        """The version that a listed file is of."""
        return next(version for version, files in self._files.items() if file in files)

    def lacks_extra(self, version: str, extra: str) -> bool:
        """Whether a release, which was read, has nothing of an extra."""
        return version in self._files and not any(
            f'extra == "{extra}"' in text
            for build in described(self.release(version))
            for text in build.requires
        )

    def required(self) -> set[str]:
        """The names that the metadata read so far requires; of the newest, where none was read."""
        read = [metadata for metadata in self._read.values() if metadata is not None]
        requires = {text for metadata in read for text in metadata.requires}
        if not self._read and self._files:
            builds = described(self.release(self.added[-1]))
            requires.update(text for build in builds for text in build.requires)
        return {leading_name(text) for text in requires}

    def metadata(self, file: File) -> Metadata | None:
        """The metadata of one wheel, asked for one time. Raises NetworkError."""
        from cudalock.indexes.metadata import MalformedMetadata

        if file.name not in self._read:
            read = self._source.read(self, file)
            metadata = None if isinstance(read, MalformedMetadata) else read
            if isinstance(read, MalformedMetadata):
                self.unreadable[self.version_of(file)] = read
            self._read[file.name] = metadata
            if metadata is None:
                self._check_patience()
            self._source.note_extras(metadata.requires if metadata is not None else ())
        return self._read[file.name]

    def _check_patience(self) -> None:
        """Raise NetworkError for an index with too much that cannot be read: it may list a hundred
        thousand releases, and each is a request."""
        from cudalock.indexes.client import unreachable

        if sum(metadata is None for metadata in self._read.values()) >= MOST_UNREADABLE:
            raise unreachable(
                f"{self.url.rstrip('/')}/{self.name}/",
                f"the metadata of {MOST_UNREADABLE} of its files cannot be read",
            )


class LiveRelease(Release):
    """One version as an index lists it: a build for each system and machine, whose
    metadata may differ."""

    __slots__ = ("_live", "_sources")

    def __init__(self, project: LiveProject, version: str, files: list[File]) -> None:
        from cudalock.indexes.rows import Row, grouped, listed_row

        row: Row = listed_row(files)
        groups = grouped(project.name, files)
        builds: list[dict[str, Any]] = [
            {"index": project.index, **({"local": local} if local else {}), "wheels": rows}
            for local, _, rows in groups
        ]
        super().__init__(project.name, version, {**row, "builds": builds})
        self._live = [
            LiveBuild(build, self._table.get("python"), project, metadata)
            for build, (_, metadata, _) in zip(builds, groups, strict=True)
        ]
        sdist = project.sdist_build(version, files)
        self._sources: tuple[Build, ...] = (sdist,) if sdist is not None else ()

    @property
    def source_builds(self) -> tuple[Build, ...]:
        """The source archive, if there is one."""
        return self._sources

    def build(self, position: int) -> Build:
        """One build."""
        return self._live[position]


class LiveBuild(Build):
    """Wheels of one system and machine, whose METADATA is read when it is asked for."""

    __slots__ = ("_files", "_known_labels", "_project")

    is_immutable = False

    def __init__(
        self, row: dict[str, Any], python: str | None, project: LiveProject, files: list[File]
    ) -> None:
        super().__init__(row, python, (), project.name.replace("-", "_"))
        self._project = project
        self._files = files
        self._known_labels: dict[str, str] | None = None

    @property
    def requires(self) -> tuple[str, ...]:
        """What METADATA requires; nothing where it cannot be read."""
        metadata = self._metadata
        return metadata.requires if metadata is not None else ()

    @property
    def is_readable(self) -> bool:
        """Whether METADATA can be had. Raises NetworkError for an index in trouble."""
        return self._metadata is not None

    @property
    def labels(self) -> Labels:
        """What it was built with, as far as rules tell it by its names and METADATA."""
        return {name: (label,) for name, label in self._labels.items()}

    def row(self, name: str) -> tuple[str, ...]:
        """The values of a label, or of a key of its row."""
        label = self._labels.get(name) or other_label(self._labels, name)
        return (label,) if label else super().row(name)

    @property
    def _labels(self) -> dict[str, str]:
        if self._known_labels is None:
            self._known_labels = self._project.labels(self._files[0], self.requires)
        return self._known_labels

    @property
    def _metadata(self) -> Metadata | None:
        from cudalock.indexes.rows import representative

        return self._project.metadata(representative(self._files))

    def address(self, wheel: Wheel) -> str | None:
        """Where the index has a wheel."""
        return next(
            (file.url for file in self._files if file.name.endswith(f"-{wheel.tags}.whl")), None
        )


def described(release: Release) -> tuple[Build, ...]:
    """Whose metadata stands for a release: its wheels, else its source archive, unless that is
    presumed to compile."""
    if release.builds:
        return release.builds
    return tuple(
        build for build in release.source_builds if not build.is_presumed and build.is_readable
    )


def is_plain(held: Project) -> bool:
    """Whether a listing says all there is to know of a project's wheels."""
    newest = held.release(held.versions[-1]) if held.versions else None
    return newest is not None and all(
        build.index == PACKAGE_INDEX and not build.labels for build in newest.builds
    )


__all__ = ["WINDOW", "LiveBuild", "LiveProject", "LiveRelease", "described", "is_plain"]
