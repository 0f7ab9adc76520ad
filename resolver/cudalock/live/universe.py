"""The view: what the matrix holds, and beyond it what an index has."""

from __future__ import annotations

import re
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NoReturn

from cudalock.errors import GaveUp, NetworkError
from cudalock.indexes.parallel import map_parallel
from cudalock.live.preload import Preparation
from cudalock.live.project import WINDOW, LiveBuild, LiveProject, is_plain
from cudalock.matrix.matrix import Index
from cudalock.matrix.releases import PACKAGE_INDEX, Build, Project, Wheel
from cudalock.text import NamesNote
from cudalock.urls import without_credentials
from cudalock.versions import canonical, parse_requirement, parse_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cudalock.indexes.listings import File
    from cudalock.indexes.metadata import Metadata
    from cudalock.indexes.package_index import PackageIndexes
    from cudalock.indexes.transport import Traffic
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.universe import Attempt, Result
    from cudalock.targets import Target

WIDEST: Final = WINDOW * 16


class LiveUniverse:
    """A matrix, and what package indexes list beside it; see `cudalock.matrix.universe.Universe`.

    With `offline` only index pages that are in the cache are used.
    """

    def __init__(
        self,
        matrix: Matrix,
        index_url: str | None = None,
        extra_index_urls: Sequence[str] = (),
        *,
        everything: bool = False,
        offline: bool = False,
        flags: str = "",
    ) -> None:
        """`flags` make a command resolve over the same matrix, each after a space."""
        self.matrix = matrix
        self._flags = flags
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
        self._whole: dict[str, set[str]] = {}
        self._asked_extras: dict[str, set[str]] = {}
        self._whole_projects: dict[str, Project] = {}
        self._was_extended = False
        self._lost_extras: set[str] = set()
        self._prepared: set[tuple[frozenset[str], Target, int]] = set()
        self._lock = threading.RLock()
        self.indexes: dict[str, Index] = dict(matrix.indexes)
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
        """`--live`, where the index is asked for more than the matrix sends it to, and those that
        lay something over the matrix."""
        return (" --live" if self._everything else "") + self._flags

    @property
    def is_open(self) -> bool:
        """Whether :meth:`project` may have projects that are not held."""
        return self._opened

    def elsewhere(self, names: Iterable[str]) -> frozenset[str]:
        """Those of the names, canonical and not held, that an index has.

        Raises NetworkError for an index that cannot be asked, naming all that were to be.
        """
        real_names = [name for name in names if not self.matrix.component(name).is_virtual]
        projects = dict(zip(real_names, map_parallel(self._find, real_names), strict=True))
        missed = [name for name, project in projects.items() if isinstance(project, NetworkError)]
        if missed:
            self._raise(missed, projects[missed[0]])
        have = frozenset(name for name, project in projects.items() if project is not None)
        self._opened |= bool(have)
        return have

    def older(self, name: str, version: str) -> list[str]:
        """The versions of a held project, with one that an index alone has; none where none has it,
        or where it does not say all there is to know of it.

        Raises NetworkError where it cannot be asked.
        """
        matrix_project = self.matrix.project(name)
        if matrix_project is None or not is_plain(matrix_project):
            return []
        indexes = self._package_indexes()
        try:
            listing = indexes.listing(indexes.urls[0], name)
        except NetworkError as error:
            self._raise([f"{name}=={version}"], error)
        requested = parse_version(version)
        named = LiveProject(self, listing, PACKAGE_INDEX, indexes.urls[0]) if listing else ()
        for release in named:
            if parse_version(release.version) == requested:
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

    def _raise(self, names: list[str], error: object) -> NoReturn:
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
        matrix_project = self.matrix.project(name)
        if name in self._whole and matrix_project is not None:
            return self._whole_project(matrix_project)
        if matrix_project is not None:
            is_merged = self._everything or self._filled or name in self._named
            return self._merged(matrix_project) if is_merged else matrix_project
        if not self._opened or self.matrix.component(name).is_virtual:
            return None
        live_project = self._find(name)
        if isinstance(live_project, NetworkError):
            self._raise([name], live_project)
        return live_project if isinstance(live_project, LiveProject) else None

    def url(self, build: Build, wheel: Wheel, version: str) -> str | None:
        """The wheel's address; None on the package index, whose addresses are looked up."""
        if isinstance(build, LiveBuild) and build.index != PACKAGE_INDEX:
            return build.address(wheel)
        return self.matrix.url(build, wheel, version)

    def versions(self, name: str) -> list[str]:
        """Every version of a project, oldest first; empty where nobody has it."""
        project = self.project(name)
        return project.versions if project else []

    def trust(self, build: Build) -> str:
        """Whose wheel it is; an index that the user named is trusted like a project's own."""
        if build.builder is None and build.index in self.indexes:
            return self.indexes[build.index].trust
        return self.matrix.trust(build)

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

    def _merged(self, matrix_project: Project) -> Project:
        """The project with releases of the package index that the matrix does not hold.

        Only where all wheels are of that index and alike: what a build of the others was made with
        is more than a listing says.
        """
        with self._lock:
            if matrix_project.name in self._merged_projects:
                return self._merged_projects[matrix_project.name]
        indexes = self._package_indexes()
        listing = indexes.listing(indexes.urls[0], matrix_project.name)
        merged: Project = matrix_project
        if listing is not None:
            live = LiveProject(self, listing, PACKAGE_INDEX, indexes.urls[0], matrix_project)
            if live.added and is_plain(matrix_project):
                merged = live
            elif self._everything and (newer := live.newest_wheels(matrix_project)):
                self._left_out[matrix_project.name] = newer
        with self._lock:
            return self._merged_projects.setdefault(matrix_project.name, merged)

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
                from cudalock.indexes.package_index import PackageIndexes

                self._indexes = PackageIndexes(
                    *self._given, offline=self._offline, mirrors=self.matrix.mirrors
                )
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

    def notes(self, pins: Iterable[tuple[str, str]]) -> tuple[str | NamesNote, ...]:
        """Which pins are the index's and not the matrix's, and what the index could not tell."""
        pinned = list(pins)
        live = {name for name, version in pinned if self._is_live(name, version)}
        notes: list[str | NamesNote] = []
        for name, version in pinned:
            project = self._live.get(name) or self._whole_projects.get(name)
            for extra in sorted(self._asked_extras.get(name, ())):
                if isinstance(project, LiveProject) and project.lacks_extra(version, extra):
                    notes.append(f"{name} {version} has no extra `{extra}`")
        if live:
            says = "from a live listing, not from the matrix"
            notes.append(NamesNote(says, tuple(sorted(live))))
        if self._left_out:
            passed_over = ", ".join(
                f"{name} {self._left_out[name]}" for name in sorted(self._left_out)
            )
            notes.append(
                "newer than the matrix, and not looked at, for a listing does not say what its"
                f" builds are made with: {passed_over}; `cudalock matrix update` brings them"
            )
        if self._lost_extras and (lost := self._lost_extras & self._required(pinned)):
            named = ", ".join(sorted(lost))
            notes.append(f"what these extras bring is not known, and left out: {named}")
        return tuple(notes)

    def _required(self, pinned: Iterable[tuple[str, str]]) -> set[str]:
        """The requirements of the pins that name extras, as `name[extra]`; those of an extra of
        their own count only where somebody requires it."""
        texts = [
            (name, text)
            for name, version in pinned
            if (project := self.project(name)) is not None and version in project
            for build in project.release(version).builds[:1]
            for text in build.requires
        ]
        required: set[str] = set()
        requested_extras = {name: set(extras) for name, extras in self._asked_extras.items()}
        for _ in texts:
            before = len(required)
            for name, text in texts:
                own = set(re.findall(r'extra == "([^"]+)"', text))
                requirement = parse_requirement(text)
                if requirement.extras and (not own or own & requested_extras.get(name, set())):
                    other = canonical(requirement.name)
                    requested_extras.setdefault(other, set()).update(requirement.extras)
                    required.add(f"{other}[{','.join(sorted(requirement.extras))}]")
            if len(required) == before:
                break
        return required

    def troubles(self) -> tuple[str, ...]:
        """What was wanted of projects that are not held, and cannot be had."""
        sentences = []
        for name, project in sorted(self._live.items()):
            if project is None:
                sentences.append(f"{name} is in no package index that was asked")
            elif versions := project.source_only:
                shown = versions[0] if len(versions) == 1 else f"{versions[0]} to {versions[-1]}"
                sentences.append(
                    f"{name} {shown} has no wheel, only a source distribution that would have to"
                    " be compiled"
                )
            elif project.unread:
                sentences.append(f"the metadata of {', '.join(project.unread)} cannot be read")
        return tuple(sentences)

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

    def search(
        self, requirements: Iterable[str], target: Target, attempt: Callable[[], Attempt[Result]]
    ) -> Result:
        """Search, again each time that there is more to see, and return the last result.

        An index has more releases of a project than anybody wants to read the metadata of: the
        first attempt sees the newest WINDOW, each further one four times as many.
        """
        texts = tuple(requirements)
        while True:
            self._prepare(texts, target)
            try:
                outcome = attempt()
            except GaveUp:
                if not self._widen(has_solution=False):
                    raise
            else:
                if outcome.is_final or not self._widen(has_solution=outcome.has_solution):
                    return outcome.result

    def _widen(self, *, has_solution: bool) -> bool:
        """Show more to the next attempt; whether there is more to show.

        After an attempt with a solution only if it met an extra that the matrix knows nothing of.
        After one without, if there are more releases than were looked at, among them those that
        the matrix lacks of its own projects.
        """
        if self._was_extended:
            self._was_extended = False
            return True
        if has_solution or not self._opened or not (self.was_cut or not self._filled):
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

        map_parallel(read, builds)

    def note_extras(self, requires: Iterable[str]) -> None:
        """Note the held projects of which an extra is required that their rows do not have."""
        self._noted(requires)

    def _noted(self, requires: Iterable[str]) -> list[str]:
        """As `note_extras`; what an index would tell, and was not asked for before `offline`, comes
        back."""
        unasked = []
        for text in requires:
            if "[" not in text.partition(";")[0]:
                continue
            requirement = parse_requirement(text)
            name = canonical(requirement.name)
            matrix_project = self.matrix.project(name)
            if matrix_project is None or all(
                map(matrix_project.mentions_extra, requirement.extras)
            ):
                continue
            lost = f"{name}[{','.join(sorted(requirement.extras))}]"
            if name in self._whole:
                self._whole[name].add(lost)
                continue
            if is_plain(matrix_project) and self._is_listed(name):
                self._whole[name] = {lost}
                self._was_extended = True
                # What an extra brings may be held by nobody but an index.
                self._opened = True
                continue
            self._lost_extras.add(lost)
            if is_plain(matrix_project):
                unasked.append(lost)
        return unasked

    def _is_listed(self, name: str) -> bool:
        """Whether the package index can be asked of a project; with `offline`, whether it was."""
        if not self._offline:
            return True
        indexes = self._package_indexes()
        with suppress(NetworkError):
            indexes.listing(indexes.urls[0], name)
            return True
        return False

    def _whole_project(self, matrix_project: Project) -> Project:
        """A held project as the index has it: the same releases, with the requirements of extras,
        which the matrix leaves out."""
        with self._lock:
            if matrix_project.name in self._whole_projects:
                return self._whole_projects[matrix_project.name]
        indexes = self._package_indexes()
        listing = indexes.listing(indexes.urls[0], matrix_project.name)
        if listing is None:
            return matrix_project
        live = LiveProject(self, listing, PACKAGE_INDEX, indexes.urls[0], matrix_project, anew=True)
        with self._lock:
            return self._whole_projects.setdefault(matrix_project.name, live)

    def leads_to(self, name: str, other: str) -> bool:
        """Whether a project leads to another by projects that only an index has."""
        waiting, reached = [name], {name}
        for name_reached in waiting:  # grows
            project = self._live.get(name_reached) or self._whole_projects.get(name_reached)
            for required in project.required() if isinstance(project, LiveProject) else ():
                if required == other:
                    return True
                if required not in reached:
                    reached.add(required)
                    waiting.append(required)
        matrix_project = self.matrix.project(name)
        return matrix_project is not None and matrix_project.mentions(other)

    def read(self, project: LiveProject, file: File) -> Metadata | None:
        """The metadata of a listed wheel. Raises NetworkError."""
        from cudalock.indexes.listings import with_credentials_of
        from cudalock.indexes.metadata import read_metadata

        url = with_credentials_of(project.url, file.url)
        try:
            return read_metadata(self._package_indexes().web, file, url)
        except NetworkError as error:
            if not self._offline:
                raise
            if as_held := self._as_held(project, file):
                return as_held
            self._raise([f"{project.name} ({file.name})"], error)

    def _as_held(self, project: LiveProject, file: File) -> Metadata | None:
        """The metadata of a wheel that the matrix holds, without its extras, which were looked for
        and are not known."""
        from cudalock.indexes.metadata import Metadata

        matrix_project = self.matrix.project(project.name)
        version = project.version_of(file)
        if matrix_project is None or version not in matrix_project:
            return None
        builds = matrix_project.release(version).builds
        self._lost_extras |= self._whole.get(project.name, set())
        return Metadata(project.name, version, None, builds[0].requires if builds else ())

    def _prepare(self, requirements: Iterable[str], target: Target) -> None:
        """Ask, several at once, for what the newest releases lead to from the requirements.

        It is a guess at what the search will want: what it misses, or takes too much, costs time
        and nothing else. Raises NetworkError for an extra of the goal's own that is not known, and
        that with `offline` nobody can be asked for.
        """
        texts = frozenset(text.partition(";")[0] for text in requirements)
        # An extra that the goal itself asks for, of a project held without its extras.
        if unasked := self._noted(sorted(texts)):
            self._raise(unasked, None)
        self._was_extended = False
        for text in texts:
            requirement = parse_requirement(text)
            self._asked_extras.setdefault(canonical(requirement.name), set()).update(
                requirement.extras
            )
        key = (texts, target, self.window)
        if self._opened and key not in self._prepared:
            self._prepared.add(key)
            Preparation(self, target).run(set(texts))
