"""The view: what the matrix holds, and beyond it what an index has."""

from __future__ import annotations

import re
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, NoReturn

from cudalock.errors import GaveUp, NetworkError
from cudalock.indexes.cache import responses_path
from cudalock.indexes.parallel import map_parallel
from cudalock.live.preload import Preparation
from cudalock.live.project import WINDOW, LiveBuild, LiveProject, described, is_plain
from cudalock.live.sources import SdistBuild, SourcedProject
from cudalock.matrix.matrix import Index
from cudalock.matrix.releases import PACKAGE_INDEX, Build, Coverage, Project, Wheel
from cudalock.matrix.sources import UNREAD
from cudalock.matrix.universe import unlisted
from cudalock.records import replace
from cudalock.text import NamesNote, counted
from cudalock.urls import without_credentials
from cudalock.versions import (
    accepts,
    canonical,
    names_prerelease,
    parse_requirement,
    parse_version,
    specifier_set,
    takes_any_early,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from cudalock.goals import ProjectRequirement
    from cudalock.indexes.listings import File, Listing
    from cudalock.indexes.metadata import MalformedMetadata, Metadata
    from cudalock.indexes.package_index import PackageIndexes
    from cudalock.indexes.transport import Traffic
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.universe import Attempt, Blocker, Result, Unlisted
    from cudalock.sdists import SourceMetadata
    from cudalock.targets import Target
    from cudalock.update.labels import LabelRules

WIDEST: Final = WINDOW * 16
"""Releases of a project that are looked at before the search gives it up."""


_ONCE_ONLINE: Final = "once without `--offline`: what was listed and read is kept"
"""The hint for what `--offline` forbids."""


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
        self._is_patient = False
        self._filled: set[str] = set()
        """projects of the matrix with all releases of the package index"""
        self._unheard: dict[str, NetworkError] = {}
        """projects of the matrix of which no index could be asked for more"""
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
        self._prepared: set[tuple[frozenset[ProjectRequirement], Target]] = set()
        self._label_rules: LabelRules | None = None
        self._built: set[str] = set()
        self._pinned: set[tuple[str, str]] = set()
        self._pinned_names: set[str] = set()
        self._wheelless: set[str] = set()
        """projects of the matrix that a search found no wheel of"""
        self._sourced: dict[int, SourcedProject] = {}
        self._kinds: dict[Project, tuple[bool, bool]] = {}
        self._unread_sources: list[str] = []
        """projects (and archives) that `offline` kept from being read in this attempt"""
        self._lock = threading.RLock()
        self.indexes: dict[str, Index] = dict(matrix.indexes)
        self._windows: dict[str, int] = {}
        self._cut: set[str] = set()
        """projects that have more releases than were looked at"""
        self.on_lookup: Callable[[str], None] | None = None
        """called with the name of each project that an index is asked for"""

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

    def has_own(self, name: str) -> bool:
        """Whether an index that the user named beside the package index has the project."""
        indexes = self._package_indexes()
        return any(indexes.listing(url, name) is not None for url in indexes.urls[1:])

    def look_up(self, name: str, specifier: str) -> list[str] | None:
        """The versions of a project of the matrix, with those that a specifier of one version or
        series names and that only the package index has.

        None where the matrix tells that there is none. Raises NetworkError where the index cannot
        be asked.
        """
        matrix_project = self.matrix.project(name)
        coverage = matrix_project.coverage if matrix_project is not None else None
        version = specifier.lstrip("=").removesuffix(".*")
        if coverage is None or coverage.tells(version):
            return None
        if not self.matrix.component(name).on_index:
            return self.versions(name)
        indexes = self._package_indexes()
        try:
            listing = indexes.listing(indexes.urls[0], name)
        except NetworkError as error:
            self._raise([f"{name}{specifier}"], error, coverage)
        listed = LiveProject(self, listing, PACKAGE_INDEX, indexes.urls[0]) if listing else None
        named = {
            version
            for version in (listed.versions if listed else ())
            if accepts(specifier, version) and not coverage.tells(version)
        }
        if named:
            self._named.setdefault(name, set()).update(named)
            self._merged_projects.pop(name, None)
            # What such a release requires may be held by nobody but an index.
            self._opened = True
        return self.versions(name)

    def unlisted(self, blockers: Iterable[Blocker]) -> tuple[Unlisted, ...]:
        """What a lack of solutions rests on, less what an index was asked about."""
        return tuple(
            releases._replace(reason=self._why_unheard(releases.project))
            for releases in unlisted(self.matrix, blockers)
            if releases.project not in self._filled or releases.project in self._unheard
        )

    def _why_unheard(self, name: str) -> str:
        if self._offline or name not in self._unheard:
            return "`--offline` forbids to look further"
        return f"it cannot be looked up: {self._unheard[name]}"

    def _find(self, name: str) -> LiveProject | NetworkError | None:
        if self.on_lookup is not None and name not in self._live:
            self.on_lookup(name)
        try:
            return self._listed(name)
        except NetworkError as error:
            return error

    def _raise(self, names: list[str], error: object, coverage: Coverage | None = None) -> NoReturn:
        named = ", ".join(f"`{name}`" for name in names)
        verb = "is" if len(names) == 1 else "are"
        which = f", which has {coverage}" if coverage else ""
        if not self._offline:
            raise NetworkError(
                f"{named} {verb} not in the matrix{which}, and cannot be looked up: {error}"
            )
        raise NetworkError(
            f"{named} {verb} not in the matrix{which}, and `--offline` forbids to look further",
            hints=[_ONCE_ONLINE],
        )

    # -- projects ---------------------------------------------------------------------------

    def project(self, name: str) -> Project | None:
        """The project as the matrix has it, else as an index lists it.

        Raises NetworkError where an index has to be asked and cannot be.
        """
        matrix_project = self.matrix.project(name)
        if name in self._whole and matrix_project is not None:
            return self._with_sources(self._whole_project(matrix_project))
        if matrix_project is not None:
            is_merged = self._everything or name in self._filled or name in self._named
            merged = self._merged(matrix_project) if is_merged else matrix_project
            return self._with_sources(merged)
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
        if isinstance(build, SdistBuild):
            return build.url() if build.index != PACKAGE_INDEX else None
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

    # -- source distributions -----------------------------------------------------------------

    def build_sources(self, names: Iterable[str]) -> None:
        """Look up the source archives of these projects, if they are in the matrix."""
        self._built.update(names)

    def read_source(self, name: str, url: str, file: File, version: str) -> SourceMetadata:
        """What a source archive states, read once; with `offline` it is unknown if it never was.

        Raises NetworkError.
        """
        from cudalock.indexes.listings import with_credentials_of
        from cudalock.indexes.sources import read_source_file
        from cudalock.sdists import SourceMetadata

        where = with_credentials_of(url, file.url)
        web = self._package_indexes().web
        try:
            metadata = read_source_file(web, file, where, name, version, offline=self._offline)
        except NetworkError:
            if not self._offline:
                raise
            self._unread_sources.append(f"`{name}` ({file.name})")
            return SourceMetadata(name, version, None, None, UNREAD)
        self.note_extras(metadata.requires or ())
        return metadata

    def is_pinned(self, name: str, version: str) -> bool:
        """Whether the goal names this very release."""
        return (name, version) in self._pinned

    def lacks_wheels(self, name: str) -> bool:
        """Whether a search found no wheel of a project of the matrix."""
        return name in self._wheelless

    def has_unread_sources(self, blocker: Blocker) -> bool:
        """Whether releases that the goal allows have no wheel, and no source archive of them was
        looked at."""
        matrix_project = self.matrix.project(blocker.name)
        return (
            matrix_project is not None
            and blocker.name not in self._wheelless
            and is_plain(matrix_project)
            and any(
                matrix_project.release(version).is_source_only
                for version in matrix_project.versions
                if all(accepts(specifier, version) for specifier in blocker.specifiers)
            )
        )

    def _note_pins(self, requirements: Iterable[ProjectRequirement]) -> None:
        for requirement in requirements:
            for clause in specifier_set(requirement.specifier):
                if clause.operator == "==" and not clause.version.endswith(".*"):
                    self._pinned.add((requirement.name, str(parse_version(clause.version))))
                    self._pinned_names.add(requirement.name)

    def _with_sources(self, project: Project) -> Project:
        """The project with its source archives, where those may be built."""
        name = project.name
        if not (self.matrix.component(name).sdists or name in self._built | self._wheelless):
            is_pinned = name in self._pinned_names
            has_plain_wheels, is_source_only = self._kind_of(project)
            if not has_plain_wheels or not (is_pinned or is_source_only):
                return project
        with self._lock:
            key = id(project)
            if key not in self._sourced:
                listing = partial(self._index_page, project.name)
                self._sourced[key] = SourcedProject(project, self, listing)
            return self._sourced[key]

    def _kind_of(self, project: Project) -> tuple[bool, bool]:
        """Whether a project is plain, and whether its newest release has no wheel. A solve asks for
        the same thirty projects five hundred times."""
        kind = self._kinds.get(project)
        if kind is None:
            plain = is_plain(project)
            kind = plain, plain and project.release(project.versions[-1]).is_source_only
            if project.is_immutable:
                self._kinds[project] = kind
        return kind

    def _index_page(self, name: str) -> tuple[str, Listing] | None:
        # To load all that asks an index takes half the time of an explanation.
        if self._offline and self._indexes is None and not responses_path().exists():
            self._unread_sources.append(f"`{name}`")
            return None
        indexes = self._package_indexes()
        url = indexes.urls[0]
        try:
            listing = indexes.listing(url, name)
        except NetworkError:
            if not self._offline:
                raise
            self._unread_sources.append(f"`{name}`")
            return None
        if listing is None:
            return None
        if not self._opened:
            # What a source distribution requires may be held by nobody but an index.
            self._opened = True
            self._was_extended = True
        return url, listing

    # -- index pages --------------------------------------------------------------------------

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
        """The project with releases of the package index that the matrix does not hold."""
        name = matrix_project.name
        if not self.matrix.component(name).on_index:
            return matrix_project
        with self._lock:
            if name in self._merged_projects:
                return self._merged_projects[name]
        indexes = self._package_indexes()
        try:
            listing = indexes.listing(indexes.urls[0], name)
        except NetworkError as error:
            if self._everything:
                raise
            self._unheard[name] = error
            listing = None
        merged: Project = matrix_project
        if listing is not None:
            live = LiveProject(self, listing, PACKAGE_INDEX, indexes.urls[0], matrix_project)
            if live.added:
                merged = live
            if self._everything and not is_plain(matrix_project):
                self._note_left_out(listing, matrix_project)
        with self._lock:
            return self._merged_projects.setdefault(name, merged)

    def _note_left_out(self, listing: Listing, matrix_project: Project) -> None:
        every_release = LiveProject(self, listing, PACKAGE_INDEX, listing.address)
        if newer := every_release.newest_wheels(matrix_project):
            self._left_out[matrix_project.name] = newer

    def takes(self, version: str, held: Project) -> bool:
        """Whether a release is taken that the matrix does not hold, of a project that it does.

        Newer ones only where all wheels are of the package index and alike, unless somebody names
        them, or nothing else helps: what others were built with is more than a listing says.
        """
        if version in self._named.get(held.name, ()):
            return True
        coverage = held.coverage
        if coverage is not None and coverage.tells(version):
            return False
        if held.name in self._filled:
            return True
        is_newer = parse_version(version) > parse_version(held.versions[-1])
        return self._everything and is_newer and is_plain(held)

    def labels(self, project: LiveProject, wheel: str, requires: Iterable[str]) -> dict[str, str]:
        """What a listed wheel was built with, as far as the matrix's rules tell it."""
        from cudalock.indexes.rows import wheel_parts
        from cudalock.update.labels import LabelRules

        parts = wheel_parts(wheel)
        if parts is None or not any(project.name in row["projects"] for row in self.matrix.labels):
            return {}
        with self._lock:
            rules = self._label_rules = self._label_rules or LabelRules(self.matrix)
        return rules.of(project.name, parts["version"], project.index, parts["tags"], requires)

    def _package_indexes(self) -> PackageIndexes:
        with self._lock:
            if self._indexes is None:
                from cudalock.indexes.package_index import PackageIndexes
                from cudalock.indexes.rows import may_be_used

                self._indexes = PackageIndexes(
                    *self._given,
                    offline=self._offline,
                    mirrors=self.matrix.mirrors,
                    takes=may_be_used,
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
            if isinstance(project, LiveProject) and (repaired := project.repaired(version)):
                notes.append(
                    f"{name} {version} requires `{repaired[0]}` in its METADATA, which is not PEP"
                    " 440: pip 24.1 and later refuse it, uv and earlier ones take it"
                )
        notes += self._without_labels(pinned)
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

    def _without_labels(self, pinned: list[tuple[str, str]]) -> Iterator[str]:
        """What is not known of pins whose other builds the matrix knows."""
        for name, version in pinned:
            matrix_project = self.matrix.project(name)
            if (
                matrix_project is not None
                and not is_plain(matrix_project)
                and self._is_live(name, version)
            ):
                yield (
                    f"{name} {version} is not in the matrix, which has {matrix_project.coverage}:"
                    " its build is that of the package index; what it was built with, and other"
                    " builds, may not be known"
                )

    def _required(self, pinned: Iterable[tuple[str, str]]) -> set[str]:
        """The requirements of the pins that name extras, as `name[extra]`; those of an extra of
        their own count only where somebody requires it."""
        texts = [
            (name, text)
            for name, version in pinned
            if (project := self.project(name)) is not None and version in project
            for build in described(project.release(version))[:1]
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
            elif project.unreadable:
                sentences.append(_unreadable(project))
            elif project.unread:
                sentences.append(_unserved(project))
        return tuple(sentences)

    @property
    def source_only(self) -> dict[str, tuple[str, ...]]:
        """The releases that were looked at, oldest first, of projects that have no wheel at all."""
        return {
            name: tuple(versions)
            for name, project in sorted(self._live.items())
            if project is not None and (versions := project.source_only)
        }

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
        return self._is_patient or not self._opened

    def window(self, name: str) -> int:
        """How many releases of a project are looked at that cost a request."""
        return self._windows.get(name, WINDOW)

    def cut(self, name: str) -> None:
        """Note that a project has more releases than were looked at."""
        self._cut.add(name)

    def search(
        self,
        requirements: Iterable[ProjectRequirement],
        target: Target,
        attempt: Callable[[], Attempt[Result]],
    ) -> Result:
        """Search, again each time that there is more to see, and return the last result.

        What the matrix holds comes first. Where that has no solution, the index is asked for
        further releases of the projects that it rests on, and of those alone. An index has more
        releases than anybody wants to read the metadata of: the first attempt sees the newest
        WINDOW of a project, each further one four times as many.
        """
        # What holds elsewhere is prepared as well: it is a guess, and costs a request at most.
        stated = frozenset(replace(requirement, marker=None) for requirement in requirements)
        # The matrix has final releases alone, of all that have some.
        self._fill(
            {
                requirement.name
                for requirement in stated
                if takes_any_early(requirement.specifier)
                and self.matrix.project(requirement.name) is not None
            }
        )
        while True:
            self._prepare(stated, target)
            self._cut.clear()
            self._unread_sources.clear()
            try:
                outcome = attempt()
            except GaveUp:
                if not self._opened or not self._widen(None):
                    raise
                continue
            if self._was_extended:
                # It met an extra that the matrix knows nothing of.
                self._was_extended = False
            elif outcome.has_solution:
                if not self._improves(outcome):
                    return outcome.result
            elif self._unread_sources:
                # What is known has no solution, and what was not read may have one.
                names = " and ".join(dict.fromkeys(self._unread_sources))
                raise NetworkError(
                    f"the source distributions of {names} are not in the matrix, and `--offline`"
                    " forbids to look further",
                    hints=[_ONCE_ONLINE],
                )
            elif outcome.is_final or not self._widen(
                outcome.blockers and tuple(outcome.blockers())
            ):
                return outcome.result

    def _improves(self, outcome: Attempt[Result]) -> bool:
        """Whether the index has releases that the matrix lacks, and that a newer version of what
        the goal requires may rest on."""
        if outcome.blockers is None:
            return False
        blockers = tuple(outcome.blockers())
        fresh = {releases.project for releases in self.unlisted(blockers)} - self._filled
        is_wider = self._look_wider({blocker.name for blocker in blockers})
        opens = self._opens_for(blocker.name for blocker in blockers)
        return self._fill(fresh) or is_wider or opens

    def _widen(self, blockers: tuple[Blocker, ...] | None) -> bool:
        """Show more to the next attempt; whether there is more to show.

        That is more of the projects that it rests on that there was no solution; where that is not
        known, of all that have more.
        """
        was_patient, self._is_patient = self._is_patient, True
        names = self._cut if blockers is None else {blocker.name for blocker in blockers}
        fresh = {
            blocker.name
            for blocker in blockers or ()
            if blocker.name not in self._filled and self._may_have_more(blocker)
        }
        is_wider = self._look_wider(names)
        bare = {
            blocker.name
            for blocker in blockers or ()
            if not blocker.has_candidate and self.has_unread_sources(blocker)
        }
        self._wheelless |= bare
        opens = self._opens_for(names)
        has_more = self._fill(fresh) or is_wider or opens or bool(bare)
        return has_more or (blockers is None and not was_patient)

    def _opens_for(self, names: Iterable[str]) -> bool:
        """Show projects that are not in the matrix, if one of these is one and none was shown yet;
        whether they are shown from now on."""
        # What a project of the matrix requires may be held by nobody but an index.
        opens = not self._opened and not self._offline and any(map(self._is_outside, names))
        self._opened |= opens
        return opens

    def _is_outside(self, name: str) -> bool:
        is_virtual = self.matrix.component(name).is_virtual
        return not is_virtual and self.matrix.project(name) is None

    def _look_wider(self, names: set[str]) -> bool:
        """Look at more releases of those of the projects that have more; whether one has."""
        wider = {name for name in names & self._cut if self.window(name) < WIDEST}
        for name in wider:
            self._windows[name] = 4 * self.window(name)
        return bool(wider)

    def _fill(self, names: set[str]) -> bool:
        """Lay the releases of the package index beside those of the matrix; whether there are
        any."""
        self._filled |= names
        for name in names:
            self._merged_projects.pop(name, None)
            self._whole_projects.pop(name, None)
        self._sourced.clear()
        has_more = any(map_parallel(self._shows_more, sorted(names)))
        # What such a release requires may be held by nobody but an index.
        self._opened |= has_more
        return has_more

    def _may_have_more(self, blocker: Blocker) -> bool:
        """Whether an index may have a release of a project that could help, and the matrix not."""
        matrix_project = self.matrix.project(blocker.name)
        coverage = matrix_project.coverage if matrix_project is not None else None
        return coverage is not None and (
            coverage.may_be_newer(blocker.specifiers)
            or blocker.may_be_older(coverage)
            or names_prerelease(blocker.specifiers)
        )

    def _shows_more(self, name: str) -> bool:
        """Whether the package index has releases of a project that the matrix does not hold."""
        matrix_project = self.matrix.project(name)
        merged = self._merged(matrix_project) if matrix_project is not None else None
        return isinstance(merged, LiveProject) and bool(merged.added)

    def read_at_once(self, builds: Iterable[Build]) -> None:
        """Read the metadata of builds, several at once. Where that fails the search says so, if it
        comes to them."""

        def read(build: Build) -> None:
            with suppress(NetworkError):
                _ = build.is_readable

        map_parallel(read, builds)

    def note_extras(self, requires: Iterable[str]) -> None:
        """Note the held projects of which an extra is required that their rows do not have."""
        for text in requires:
            if "[" in text.partition(";")[0]:
                requirement = parse_requirement(text)
                self._noted(canonical(requirement.name), sorted(requirement.extras))

    def _noted(self, name: str, extras: Iterable[str]) -> tuple[str, ...]:
        """Note extras of a project; as `name[extra]` comes back what an index would tell, and was
        not asked for before `offline`."""
        matrix_project = self.matrix.project(name)
        if matrix_project is None or all(map(matrix_project.mentions_extra, extras)):
            return ()
        lost = f"{name}[{','.join(extras)}]"
        if name in self._whole:
            self._whole[name].add(lost)
            return ()
        if is_plain(matrix_project) and self._is_listed(name):
            # Several threads read ahead.
            self._whole.setdefault(name, set()).add(lost)
            self._was_extended = True
            # What an extra brings may be held by nobody but an index.
            self._opened = True
            return ()
        # Reported with the lock: it is complete but for what this extra would bring.
        self._lost_extras.add(lost)
        return (lost,) if is_plain(matrix_project) else ()

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
            project = (
                self._live.get(name_reached)
                or self._whole_projects.get(name_reached)
                or self._merged_projects.get(name_reached)
            )
            for required in project.required() if isinstance(project, LiveProject) else ():
                if required == other:
                    return True
                if required not in reached:
                    reached.add(required)
                    waiting.append(required)
        matrix_project = self.matrix.project(name)
        return matrix_project is not None and matrix_project.mentions(other)

    def read(self, project: LiveProject, file: File) -> Metadata | MalformedMetadata | None:
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
            self._raise([f"{project.name}=={project.version_of(file)}"], error)

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

    def _prepare(self, requirements: frozenset[ProjectRequirement], target: Target) -> None:
        """Ask, several at once, for what the newest releases lead to from the requirements.

        It is a guess at what the search will want: what it misses, or takes too much, costs time
        and nothing else. Raises NetworkError for an extra of the goal's own that is not known, and
        that with `offline` nobody can be asked for.
        """
        # An extra that the goal itself asks for, of a project held without its extras.
        # In a fixed order: the first one that is lost is the one that an error names.
        with_extras = sorted((one for one in requirements if one.extras), key=str)
        unasked = [lost for one in with_extras for lost in self._noted(one.name, one.extras)]
        if unasked:
            self._raise(unasked, None)
        self._note_pins(requirements)
        for requirement in requirements:
            self._asked_extras.setdefault(requirement.name, set()).update(requirement.extras)
        key = (requirements, target)
        if self._opened and key not in self._prepared:
            self._prepared.add(key)
            Preparation(self, target).run(set(requirements))
        # The attempt that follows knows what was met so far.
        self._was_extended = False


def _unreadable(project: LiveProject) -> str:
    """What keeps releases from being read, by the newest of them."""
    versions = sorted(project.unreadable, key=parse_version)
    newest = project.unreadable[versions[-1]]
    others = f" ({counted(len(versions) - 1, 'other release')} likewise)" if versions[1:] else ""
    return (
        f"the metadata of {project.name} {versions[-1]} cannot be read: `{newest.requirement}` is"
        f" not a requirement{others}"
    )


def _unserved(project: LiveProject) -> str:
    """Which wheel's metadata an index does not serve, and of how many more."""
    more = len(project.unread) - 1
    others = f", nor that of {counted(more, 'other wheel')} of it" if more else ""
    return f"the metadata of {project.unread[-1]} cannot be read{others}"
