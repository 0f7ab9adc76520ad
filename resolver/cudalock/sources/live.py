"""The matrix with what an index lists laid over it: projects that the matrix does not hold, and
newer releases of those it does.

Nothing is asked before a goal names such a project, and METADATA of a release only when the search
comes to it; what the newest releases lead to is asked for beforehand, several at once. Curated
facts hold as ever.

A name belongs to one place. What the matrix holds comes from where the matrix says; any other name
is taken from the first index that has it, further ones before the main one as uv does, and only
from there: so nobody takes a private package over by giving its name to a public one.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

from cudalock.addresses import without_credentials
from cudalock.errors import NetworkError
from cudalock.matrix import Index, Matrix
from cudalock.names import canonical
from cudalock.releases import PACKAGE_INDEX, Build, Project, Release, Wheel
from cudalock.resolution.specifiers import accepts, leading_name, parse_requirement, parse_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from cudalock.sources.listings import File, Listing
    from cudalock.sources.package_index import PackageIndexes
    from cudalock.sources.web import Traffic
    from cudalock.sources.wheel_metadata import Metadata
    from cudalock.target import Target

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")

WINDOW: Final = 8
"""Releases looked at of a project, those that nothing rules out. See :meth:`LiveMatrix.widen`."""

WIDEST: Final = WINDOW * 16
AT_ONCE: Final = 16
DEEPEST: Final = 30
"""Steps from the goal to which requirements are asked for beforehand."""


class LiveMatrix(Matrix):
    """A matrix that looks further. With `offline` only what was listed before is there."""

    def __init__(
        self,
        matrix: Matrix,
        index_url: str | None = None,
        extra_index_urls: Sequence[str] = (),
        *,
        everything: bool = False,
        offline: bool = False,
    ) -> None:
        # A view: what was read of the other is shared.
        vars(self).update(vars(matrix))
        self._given = (index_url, tuple(extra_index_urls))
        self._everything = everything
        self._offline = offline
        self._opened = everything
        self._filled = False
        self._indexes: PackageIndexes | None = None
        self._live: dict[str, LiveProject | None] = {}
        self._merged_projects: dict[str, Project] = {}
        self._left_out: dict[str, str] = {}
        self._named: dict[str, set[str]] = {}
        self._whole: set[str] = set()
        self._asked_extras: dict[str, set[str]] = {}
        self._whole_projects: dict[str, Project] = {}
        self._was_extended = False
        self._lost_extras: set[str] = set()
        self._prepared: set[tuple[frozenset[str], Target, int]] = set()
        self._lock = threading.RLock()
        self.indexes = dict(matrix.indexes)
        self.window = WINDOW
        self.was_cut = False
        """whether some project has more releases than were looked at"""

    # -- names ------------------------------------------------------------------------------

    @property
    def looks_further(self) -> bool:
        """Whether :meth:`elsewhere` asks anybody."""
        return not self._offline

    @property
    def flags(self) -> str:
        """`--live`, where the index is asked for more than the matrix sends it to."""
        return " --live" if self._everything else ""

    @property
    def is_open(self) -> bool:
        """Whether :meth:`project` may have projects that are not held."""
        return self._opened

    def elsewhere(self, names: Iterable[str]) -> frozenset[str]:
        """Those of the names, canonical and not held, that an index has.

        Raises NetworkError for an index that cannot be asked, naming all that were to be.
        """
        wanted = [name for name in names if not self.component(name).is_virtual]
        found = dict(zip(wanted, at_once(self._find, wanted), strict=True))
        missed = [name for name, project in found.items() if isinstance(project, NetworkError)]
        if missed:
            self._raise(missed, found[missed[0]])
        have = frozenset(name for name, project in found.items() if project is not None)
        self._opened |= bool(have)
        return have

    def older(self, name: str, version: str) -> list[str]:
        """The versions of a held project, with one that an index alone has; none where none has it,
        where it cannot be asked, or does not say all there is to know of it."""
        held = Matrix.project(self, name)
        if held is None or not _is_plain(held):
            return []
        with suppress(NetworkError):
            indexes = self._package_indexes()
            listing = indexes.listing(indexes.urls[0], name)
            wanted = parse_version(version)
            named = LiveProject(self, listing, PACKAGE_INDEX, indexes.urls[0]) if listing else ()
            for release in named:
                if parse_version(release.version) == wanted:
                    self._named.setdefault(name, set()).add(release.version)
                    self._merged_projects.pop(name, None)
                    # What an old release requires may be held by nobody but an index.
                    self._opened = True
                    return self.versions(name)
        return []

    def _find(self, name: str) -> LiveProject | NetworkError | None:
        try:
            return self._listed(name)
        except NetworkError as error:
            return error

    def _raise(self, names: list[str], error: object) -> None:
        named = ", ".join(f"`{name}`" for name in names)
        verb = "is" if len(names) == 1 else "are"
        if not self._offline:
            raise NetworkError(
                f"{named} {verb} not in the matrix, and cannot be looked up: {error}"
            )
        raise NetworkError(
            f"{named} {verb} not in the matrix, and `--offline` forbids to look further",
            hints=["once without `--offline`: what was listed and read is kept"],
        )

    # -- projects ---------------------------------------------------------------------------

    def project(self, name: str) -> Project | None:
        """The project as the matrix has it, else as an index lists it.

        Raises NetworkError where an index has to be asked and cannot be.
        """
        held = super().project(name)
        if name in self._whole and held is not None:
            return self._whole_project(held)
        if held is not None:
            is_merged = self._everything or self._filled or name in self._named
            return self._merged(held) if is_merged else held
        if not self._opened or self.component(name).is_virtual:
            return None
        found = self._find(name)
        if isinstance(found, NetworkError):
            self._raise([name], found)
        return found if isinstance(found, LiveProject) else None

    def url(self, build: Build, wheel: Wheel, version: str) -> str | None:
        """The wheel's address; None on the package index, whose addresses are looked up."""
        if isinstance(build, LiveBuild) and build.index != PACKAGE_INDEX:
            return build.address(wheel)
        return super().url(build, wheel, version)

    def _listed(self, name: str) -> LiveProject | None:
        with self._lock:
            if name in self._live:
                return self._live[name]
        project = None
        indexes = self._package_indexes()
        for url in [*indexes.urls[1:], *indexes.urls[:1]]:
            listing = indexes.listing(url, name)
            if listing is not None:
                project = LiveProject(self, listing, self._id_of(url), url)
                break
        with self._lock:
            return self._live.setdefault(name, project)

    def _merged(self, held: Project) -> Project:
        """The project with releases of the package index that the matrix does not hold.

        Only where all wheels are of that index and alike: what a build of the others was made with
        is more than a listing says.
        """
        with self._lock:
            if held.name in self._merged_projects:
                return self._merged_projects[held.name]
        indexes = self._package_indexes()
        listing = indexes.listing(indexes.urls[0], held.name)
        found: Project = held
        if listing is not None:
            live = LiveProject(self, listing, PACKAGE_INDEX, indexes.urls[0], held)
            if live.added and _is_plain(held):
                found = live
            elif self._everything and (newer := live.newest_wheels(held)):
                self._left_out[held.name] = newer
        with self._lock:
            return self._merged_projects.setdefault(held.name, found)

    def takes(self, version: str, held: Project) -> bool:
        """Whether a release is taken that the matrix does not hold, of a project that it does."""
        if version in self._named.get(held.name, ()):
            return True
        newest = held.versions[-1]
        is_newer = parse_version(version) > parse_version(newest)
        return self._everything if is_newer else self._filled

    def _package_indexes(self) -> PackageIndexes:
        with self._lock:
            if self._indexes is None:
                from cudalock.sources.package_index import PackageIndexes

                self._indexes = PackageIndexes(*self._given, offline=self._offline)
            return self._indexes

    def _id_of(self, url: str) -> str:
        """The id of an index; a further one is made known to the matrix."""
        urls = self._package_indexes().urls
        if url == urls[0]:
            return PACKAGE_INDEX
        id = f"extra-{urls.index(url)}"
        with self._lock:
            self.indexes.setdefault(id, Index(id, without_credentials(url).rstrip("/"), "own"))
        return id

    def notes(self, pins: Iterable[tuple[str, str]]) -> tuple[str, ...]:
        """Which pins are the index's and not the matrix's, and what the index could not tell."""
        pinned = list(pins)
        live = {name for name, version in pinned if self._is_live(name, version)}
        notes = []
        for name, version in pinned:
            project = self._live.get(name) or self._whole_projects.get(name)
            for extra in sorted(self._asked_extras.get(name, ())):
                if isinstance(project, LiveProject) and project.lacks_extra(version, extra):
                    notes.append(f"{name} {version} has no extra `{extra}`")
        if live:
            notes.append(f"from a live listing, not from the matrix: {', '.join(sorted(live))}")
        if self._left_out:
            left = ", ".join(f"{name} {self._left_out[name]}" for name in sorted(self._left_out))
            notes.append(
                "newer than the matrix, and not looked at, for a listing does not say what its"
                f" builds are made with: {left}; `cudalock matrix update` brings them"
            )
        if self._lost_extras:
            lost = ", ".join(sorted(self._lost_extras))
            notes.append(f"what these extras bring is not known, and left out: {lost}")
        return tuple(notes)

    def troubles(self) -> tuple[str, ...]:
        """What was wanted of projects that are not held, and cannot be had."""
        found = []
        for name, project in sorted(self._live.items()):
            if project is None:
                found.append(f"{name} is in no package index that was asked")
            elif versions := project.source_only:
                shown = versions[0] if len(versions) == 1 else f"{versions[0]} to {versions[-1]}"
                found.append(
                    f"{name} {shown} has no wheel, only a source distribution that would have to"
                    " be compiled"
                )
            elif project.unread:
                found.append(f"the metadata of {', '.join(project.unread)} cannot be read")
        return tuple(found)

    def _is_live(self, name: str, version: str) -> bool:
        project = self._live.get(name) or self._merged_projects.get(name)
        return isinstance(project, LiveProject) and version.partition("+")[0] in project.added

    @property
    def traffic(self) -> Traffic | None:
        """What was asked so far; None before anything was."""
        return self._indexes.web.traffic if self._indexes is not None else None

    @property
    def stood_in(self) -> list[str]:
        """The addresses that could not be asked, and were answered from the cache."""
        return sorted(self._indexes.web.stood_in) if self._indexes is not None else []

    def close(self) -> None:
        """Lets go of connections."""
        if self._indexes is not None:
            self._indexes.web.close()

    # -- how much is looked at --------------------------------------------------------------

    @property
    def is_whole(self) -> bool:
        """Whether :meth:`project` shows more than at first: the search may then take its time."""
        return self._filled or not self._opened

    def again(self, *, found: bool) -> bool:
        """Whether a search that found an answer, or none, sees more when it is made again.

        Where there was an answer: if only now an extra was seen that the matrix knows nothing of.
        Where there was none: if there are more releases than were looked at, those that the matrix
        lacks of what it holds among them.
        """
        if self._was_extended:
            self._was_extended = False
            return True
        if found or not self._opened or not (self.was_cut or not self._filled):
            return False
        if self.window >= WIDEST:
            return False
        self.was_cut = False
        self.window *= 4
        self._filled = True
        self._merged_projects.clear()
        self._whole_projects.clear()
        return True

    def read_at_once(self, builds: Iterable[Build]) -> None:
        """Read the metadata of builds, several at once. Where that fails the search says so, if it
        comes to them."""

        def read(build: Build) -> None:
            with suppress(NetworkError):
                _ = build.is_readable

        at_once(read, builds)

    def note_extras(self, requires: Iterable[str]) -> None:
        """Note the held projects of which an extra is required that their rows do not have."""
        for text in requires:
            if "[" not in text.partition(";")[0]:
                continue
            wanted = parse_requirement(text)
            name = canonical(wanted.name)
            held = Matrix.project(self, name)
            if held is None or name in self._whole or all(map(held.mentions_extra, wanted.extras)):
                continue
            if _is_plain(held) and not self._offline:
                self._whole.add(name)
                self._was_extended = True
                # What an extra brings may be held by nobody but an index.
                self._opened = True
            else:
                self._lost_extras.add(f"{name}[{','.join(sorted(wanted.extras))}]")

    def _whole_project(self, held: Project) -> Project:
        """A held project as the index has it: the same releases, with the requirements of extras,
        which the matrix leaves out."""
        with self._lock:
            if held.name in self._whole_projects:
                return self._whole_projects[held.name]
        indexes = self._package_indexes()
        listing = indexes.listing(indexes.urls[0], held.name)
        if listing is None:
            return held
        live = LiveProject(self, listing, PACKAGE_INDEX, indexes.urls[0], held, anew=True)
        with self._lock:
            return self._whole_projects.setdefault(held.name, live)

    def leads_to(self, name: str, other: str) -> bool:
        """Whether a project leads to another by projects that only an index has."""
        waiting, seen = [name], {name}
        for each in waiting:  # grows
            project = self._live.get(each) or self._whole_projects.get(each)
            for required in project.required() if isinstance(project, LiveProject) else ():
                if required == other:
                    return True
                if required not in seen:
                    seen.add(required)
                    waiting.append(required)
        held = Matrix.project(self, name)
        return held is not None and held.mentions(other)

    def read(self, project: LiveProject, file: File) -> Metadata | None:
        """The metadata of a listed wheel. Raises NetworkError."""
        from cudalock.sources.listings import with_credentials_of
        from cudalock.sources.wheel_metadata import read_metadata

        url = with_credentials_of(project.url, file.url)
        try:
            return read_metadata(self._package_indexes().web, file, url)
        except NetworkError as error:
            if self._offline:
                self._raise([f"{project.name} ({file.name})"], error)
            raise

    def prepare(self, requirements: Iterable[str], target: Target) -> None:
        """Ask, several at once, for what the newest releases lead to from the requirements.

        It is a guess at what the search will want: what it misses, or takes too much, costs time
        and nothing else.
        """
        wanted = frozenset(text.partition(";")[0] for text in requirements)
        if not self._offline:
            # An extra that the goal itself asks for, of a project held without its extras.
            self.note_extras(sorted(wanted))
            self._was_extended = False
            for text in wanted:
                asked = parse_requirement(text)
                self._asked_extras.setdefault(canonical(asked.name), set()).update(asked.extras)
        key = (wanted, target, self.window)
        if self._opened and key not in self._prepared:
            self._prepared.add(key)
            _Preparation(self, target).run(set(wanted))


class _Preparation:
    """What one target's answer may want, breadth first."""

    def __init__(self, matrix: LiveMatrix, target: Target) -> None:
        self._matrix = matrix
        self._environment = target.marker_environment()
        self._tags = target.tags()
        self._seen: set[str] = set()

    def run(self, waiting: set[str]) -> None:
        for depth in range(DEEPEST):
            fresh = sorted(waiting - self._seen)
            self._seen |= waiting
            if not fresh:
                return
            found = at_once(partial(self._requires, is_goal=depth == 0), fresh)
            waiting = {text for texts in found for text in texts}

    def _requires(self, text: str, is_goal: bool) -> set[str]:
        """What the newest release that meets a requirement requires on the target."""
        wanted = parse_requirement(text)
        try:
            project = self._matrix.project(canonical(wanted.name))
            if project is None:
                return set()
            count = self._matrix.window if is_goal and project.window else 1
            builds = list(islice(self._builds(project, str(wanted.specifier)), count))
            if count > 1:
                at_once(lambda build: build.is_readable, builds)
            requires = builds[0].requires if builds else ()
        except NetworkError:
            # The search says so, if it comes to this at all.
            return set()
        return set(self._applying(requires, wanted.extras))

    def _builds(self, project: Project, specifier: str) -> Iterator[Build]:
        """What the target can take, newest first."""
        python = self._environment["python_full_version"]
        for version in reversed(project.versions):
            is_asked = accepts(specifier, version)
            if is_asked and not (project.has_final and parse_version(version).is_prerelease):
                for build in project.release(version).builds:
                    fits = any(self._tags.rank(tags) is not None for tags in build.tags)
                    if fits and (build.python is None or accepts(build.python, python)):
                        yield build

    def _applying(self, requires: Iterable[str], extras: set[str]) -> Iterator[str]:
        for text in requires:
            parsed = parse_requirement(text)
            environments = [{**self._environment, "extra": each} for each in (*extras, "")]
            if parsed.marker is None or any(map(parsed.marker.evaluate, environments)):
                named = f"[{','.join(sorted(parsed.extras))}]" if parsed.extras else ""
                yield f"{parsed.name}{named}{parsed.specifier}"


class LiveProject(Project):
    """A project's releases as an index lists them, after those that the matrix holds, if any."""

    __slots__ = (
        "_files",
        "_held",
        "_is_cut",
        "_matrix",
        "_read",
        "_versions",
        "added",
        "has_final",
        "index",
        "url",
    )

    def __init__(
        self,
        matrix: LiveMatrix,
        listing: Listing,
        index: str,
        url: str,
        held: Project | None = None,
        *,
        anew: bool = False,
    ) -> None:
        """Before the releases come those of `held`, as they are or `anew`, as the index has
        them."""
        from cudalock.sources.rows import releases_of

        super().__init__(listing.project, listing.address, "", (listing.address,), {})
        files = releases_of(listing)
        self._matrix = matrix
        self._held = held
        self._files = {
            version: found
            for version, found in files.items()
            if held is None or (anew if version in held else matrix.takes(version, held))
        }
        self._is_cut = held is None or anew
        self._versions = sorted({*self._files, *(held.versions if held else ())}, key=parse_version)
        self._read: dict[str, Metadata | None] = {}
        self.index = index
        self.url = url
        self.added = tuple(self._files)
        """the versions that are the index's"""
        self.has_final = held is not None or any(
            not parse_version(version).is_prerelease for version in self._files
        )

    @property
    def window(self) -> int | None:  # type: ignore[override]
        """How many releases are looked at."""
        return self._matrix.window if self._is_cut else None

    @property
    def other_window(self) -> int | None:  # type: ignore[override]
        """How many of those are looked at that nobody asks for, to tell what is in the way."""
        return WINDOW if self._is_cut else None

    def newest_wheels(self, held: Project) -> str | None:
        """The newest final release of the index that has any, if it is newer than all that are
        held."""
        newest = parse_version(held.versions[-1])
        for version, files in reversed(self._files.items()):
            if parse_version(version) < newest:
                return None
            if any(file.is_wheel for file in files) and not parse_version(version).is_prerelease:
                return version
        return None

    @property
    def source_only(self) -> list[str]:
        """The releases that were looked at, oldest first, if none of them has a wheel."""
        looked_at = sorted(self._parsed, key=parse_version)
        return [] if any(self._parsed[each].builds for each in looked_at) else looked_at

    @property
    def unread(self) -> list[str]:
        """The wheels whose metadata was asked for in vain."""
        return sorted(file for file, metadata in self._read.items() if metadata is None)

    def cut(self) -> None:
        self._matrix.was_cut = True

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
        return self._matrix.leads_to(self.name, name)

    def mentions_extra(self, extra: str) -> bool:
        """Whether a release has requirements of an extra: the newest are asked, then some of the
        older ones, since an extra may be given up."""
        finals = [
            version
            for version in reversed(self.versions)
            if not (self.has_final and parse_version(version).is_prerelease)
        ]
        window = self._matrix.window
        older = finals[window :: max(1, len(finals) // WINDOW)]
        return any(
            f'extra == "{extra}"' in text
            for version in (*finals[:window], *older)
            for build in self.release(version).builds[:1]
            for text in build.requires
        )

    def lacks_extra(self, version: str, extra: str) -> bool:
        """Whether a release, which was read, has nothing of an extra."""
        return version in self._files and not any(
            f'extra == "{extra}"' in text
            for build in self.release(version).builds
            for text in build.requires
        )

    def required(self) -> set[str]:
        """The names that the metadata read so far requires; of the newest, where none was read."""
        if not self._read and self._files:
            for build in self.release(self.added[-1]).builds:
                _ = build.requires
        read = [metadata for metadata in self._read.values() if metadata is not None]
        return {leading_name(text) for metadata in read for text in metadata.requires}

    def metadata(self, file: File) -> Metadata | None:
        """The metadata of one wheel, asked for one time. Raises NetworkError."""
        if file.name not in self._read:
            metadata = self._matrix.read(self, file)
            self._read[file.name] = metadata
            self._matrix.note_extras(metadata.requires if metadata is not None else ())
        return self._read[file.name]


class LiveRelease(Release):
    """One version as an index lists it: a build for each system and machine, whose
    metadata may differ."""

    __slots__ = ("_live",)

    def __init__(self, project: LiveProject, version: str, files: list[File]) -> None:
        from cudalock.sources.rows import Row, grouped, listed_row

        row: Row = listed_row(files)
        groups = grouped(project.name, files)
        builds: list[dict[str, Any]] = [
            {"index": project.index, **({"local": local} if local else {}), "wheels": rows}
            for local, _, rows in groups
        ]
        super().__init__(project.name, version, {**row, "builds": builds})
        self._live = [
            LiveBuild(build, self._table.get("python"), project, found)
            for build, (_, found, _) in zip(builds, groups, strict=True)
        ]

    def build(self, position: int) -> Build:
        """One build."""
        return self._live[position]


class LiveBuild(Build):
    """Wheels of one system and machine, whose METADATA is read when it is asked for."""

    __slots__ = ("_files", "_project")

    def __init__(
        self, row: dict[str, Any], python: str | None, project: LiveProject, files: list[File]
    ) -> None:
        super().__init__(row, python, (), project.name.replace("-", "_"))
        self._project = project
        self._files = files

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
    def _metadata(self) -> Metadata | None:
        from cudalock.sources.rows import representative

        return self._project.metadata(representative(self._files))

    def address(self, wheel: Wheel) -> str | None:
        """Where the index has a wheel."""
        return next(
            (file.url for file in self._files if file.name.endswith(f"-{wheel.tags}.whl")), None
        )


def at_once(function: Callable[[_Given], _Made], items: Iterable[_Given]) -> list[_Made]:
    """The function of each, some at once, in their order."""
    # Imported here: a solve without the network would pay for it.
    from cudalock.sources import threads

    return threads.at_once(function, items, AT_ONCE)


def _is_plain(held: Project) -> bool:
    """Whether a listing says all there is to know of a project's wheels."""
    newest = held.release(held.versions[-1]) if held.versions else None
    return newest is not None and all(
        build.index == PACKAGE_INDEX and not build.labels for build in newest.builds
    )


__all__ = ["LiveMatrix", "LiveProject"]
