"""Source distributions as builds: what an archive states is read when it is needed.

A project may have hundreds of releases without a wheel, and each archive costs a download. So only
so many are read, counted from the newest; and where the newest of them compile, older ones are
presumed to, unless one is pinned or the user allows its build.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from cudalock.matrix.releases import PACKAGE_INDEX, Build, Coverage, Project, Release
from cudalock.matrix.sources import COMPILES, PURE, UNKNOWN, UNREAD, SourceState
from cudalock.versions import parse_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cudalock.indexes.listings import File, Listing
    from cudalock.matrix.releases import Coverage
    from cudalock.sdists import SourceMetadata

TAGS: Final = "py3-none-any"
"""Of the wheel that an installer builds, as far as a target has to take it."""

SAMPLE: Final = 2
"""Releases without a wheel, the newest ones, that stand for the older ones."""

MOST_READ: Final = 24
"""Releases without a wheel of which the archives are read."""


class SourceReader(Protocol):
    """Who reads archives: the universe."""

    def read_source(self, name: str, url: str, file: File, version: str) -> SourceMetadata:
        """Return what an archive states; `url` is its index. Raises NetworkError."""

    def is_pinned(self, name: str, version: str) -> bool:
        """Return whether the goal names this very release."""


class SdistBuild(Build):
    """The source archive of one release. Nothing is read before it has to be."""

    __slots__ = (
        "_file",
        "_known",
        "_metadata",
        "_presumed",
        "_reader",
        "_version",
        "index_url",
        "project",
    )

    is_source = True
    is_immutable = False

    def __init__(
        self,
        reader: SourceReader,
        project: str,
        version: str,
        file: File,
        index: tuple[str, str],
        presumed: Callable[[], SourceState | None],
        known: tuple[str, ...] | None = None,
    ) -> None:
        """`index` is the id and the URL of the index; `presumed` is what is assumed, if anything,
        without reading the archive; `known` are its requirements, where the matrix has them."""
        row: dict[str, Any] = {
            "index": index[0],
            "wheels": [[TAGS, file.sha256, {"archive": file.name, "size": file.size}]],
        }
        super().__init__(row, file.python, (), project.replace("-", "_"))
        self._reader = reader
        self._version = version
        self._file = file
        self._presumed = presumed
        self._known = known
        self._metadata: SourceMetadata | None = None
        self.project = project
        self.index_url = index[1]

    @property
    def metadata(self) -> SourceMetadata:
        """What the archive states. Raises NetworkError."""
        if self._metadata is None:
            metadata = self._reader.read_source(
                self.project, self.index_url, self._file, self._version
            )
            # Each attempt of a search has to learn anew that it rests on what was not read.
            if metadata.build == UNREAD:
                return metadata
            self._metadata = metadata
            self.python = self.python or self._metadata.python
        return self._metadata

    def source_build(self, *, must_read: bool = False) -> SourceState | None:
        """Return how it is built. Raises NetworkError."""
        presumed = None if must_read else self._assumed()
        return presumed or self.metadata.build

    def _assumed(self) -> SourceState | None:
        is_pinned = self._reader.is_pinned(self.project, self._version)
        return None if is_pinned else self._presumed()

    @property
    def is_presumed(self) -> bool:
        """Whether its kind is presumed from other files, and the archive is not read."""
        return self._assumed() is not None

    @property
    def requires(self) -> tuple[str, ...]:
        """What the archive states that it requires; nothing where that is computed."""
        return self._known if self._known is not None else self.metadata.requires or ()

    @property
    def is_readable(self) -> bool:
        """Whether the archive states its requirements."""
        return self._known is not None or self.metadata.requires is not None

    def url(self) -> str:
        """Where the index has the archive."""
        return self._file.url


def presume(
    releases: Callable[[], list[str]],
    version: str,
    read: Callable[[str], SourceState | None],
    most: int = MOST_READ,
) -> SourceState | None:
    """Return what is presumed of a release without a wheel; None where it has to be read.

    `releases` are those without a wheel, newest first; `read` returns how one of them is built, and
    `most` of them are read.
    """
    versions = releases()
    place = versions.index(version) if version in versions else 0
    if place < SAMPLE:
        return None
    sample = [read(newer) for newer in versions[:SAMPLE]]
    if all(build is None or build.kind != PURE for build in sample):
        newer = " and ".join(versions[:SAMPLE])
        return SourceState(UNKNOWN, f"it was not looked into, and {newer} are not pure Python")
    if place >= most:
        return SourceState(UNKNOWN, f"only the newest {most} archives are looked into")
    return None


MOST_OF_MATRIX: Final = 8
"""As MOST_READ, for a project of the matrix: all of its releases are candidates at once."""


OF_ITS_WHEELS: Final = SourceState(COMPILES, "its wheels for other targets are compiled")
"""What is presumed of a release whose wheels hold machine code."""


class SourcedProject(Project):
    """A project of the matrix, with the source archives that the package index lists for it.

    The index is asked when a release is needed that has no wheel for a target.
    """

    __slots__ = ("_archives", "_list", "_reader", "has_final", "inner")

    is_immutable = False

    def __init__(
        self,
        inner: Project,
        reader: SourceReader,
        listing: Callable[[], tuple[str, Listing] | None],
    ) -> None:
        """`listing` returns the URL of the package index and its files; None where it has none."""
        super().__init__(
            inner.name,
            inner.file,
            inner.retrieved,
            inner.sources,
            {},
            inner.older,
            gaps=inner.gaps,
        )
        self.inner = inner
        """the project as it is without them"""
        self._reader = reader
        self._list = listing
        self._archives: tuple[str, dict[Any, File]] | None = None
        self.has_final = inner.has_final

    @property
    def window(self) -> int | None:
        """As of the project itself."""
        return self.inner.window

    @property
    def other_window(self) -> int | None:
        """As of the project itself."""
        return self.inner.other_window

    @property
    def coverage(self) -> Coverage | None:
        """As of the project itself."""
        return self.inner.coverage

    def is_free(self, version: str) -> bool:
        """As of the project itself."""
        return self.inner.is_free(version)

    @property
    def versions(self) -> list[str]:
        """Every version, oldest first."""
        return self.inner.versions

    def __contains__(self, version: str) -> bool:
        return version in self.inner

    def __iter__(self) -> Iterator[Release]:
        return map(self.release, self.versions)

    def cut(self) -> None:
        self.inner.cut()

    def may_have(self, version: str, label: str, fits: Callable[[tuple[str, ...]], bool]) -> bool:
        """As of the project itself."""
        return self.inner.may_have(version, label, fits)

    def mentions(self, name: str) -> bool:
        return self.inner.mentions(name)

    def mentions_extra(self, extra: str) -> bool:
        return self.inner.mentions_extra(extra)

    def release(self, version: str) -> Release:
        """Raises KeyError for an unknown version."""
        release = self._parsed.get(version)
        if release is None:
            inner = self.inner.release(version)
            release = inner if inner.source_builds else SourcedRelease(inner, self)
            self._parsed[version] = release
        return release

    def source_builds(self, release: Release) -> tuple[Build, ...]:
        """Return the source archive of a release, if the index lists one. Raises NetworkError."""
        # Without a page of the index each attempt has to learn anew what it rests on.
        if self._archives is None or not self._archives[0]:
            self._archives = self._look_up()
        url, archives = self._archives
        version = release.version
        file = archives.get(parse_version(version))
        if file is None:
            return ()
        builds = release.builds
        known = release.stated_requires if release.is_source_only else builds[0].requires
        index = (PACKAGE_INDEX, url)

        def presumed() -> SourceState | None:
            return presume(self._wheelless, version, self._built, MOST_OF_MATRIX)

        return (SdistBuild(self._reader, self.name, version, file, index, presumed, known),)

    def _wheelless(self) -> list[str]:
        versions = reversed(self.inner.versions)
        return [version for version in versions if self.inner.release(version).is_source_only]

    def _built(self, version: str) -> SourceState | None:
        builds = self.release(version).source_builds
        return builds[0].source_build(must_read=True) if builds else None

    def _look_up(self) -> tuple[str, dict[Any, File]]:
        listed = self._list()
        if listed is None:
            return "", {}
        # Imported here: where there is no page, nothing of the network is needed.
        from cudalock.indexes.rows import releases_of
        from cudalock.indexes.sources import source_file

        url, listing = listed
        files = {
            parse_version(version): source_file(release_files)
            for version, release_files in releases_of(listing).items()
        }
        return url, {version: file for version, file in files.items() if file is not None}


class SourcedRelease(Release):
    """A release of the matrix, whose source archive is looked up when it is needed."""

    __slots__ = ("_inner", "_project", "_sources")

    def __init__(self, inner: Release, project: SourcedProject) -> None:
        super().__init__(inner.project, inner.version, inner._table)
        self._inner = inner
        self._project = project
        self._sources: tuple[Build, ...] | None = None

    @property
    def source_builds(self) -> tuple[Build, ...]:
        """The source archive. Raises NetworkError."""
        if self._sources is None:
            self._sources = self._project.source_builds(self._inner)
        return self._sources

    def build(self, position: int) -> Build:
        """One build."""
        return self._inner.build(position)


__all__ = [
    "OF_ITS_WHEELS",
    "TAGS",
    "SdistBuild",
    "SourceReader",
    "SourcedProject",
    "presume",
]
