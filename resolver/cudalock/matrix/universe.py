"""What the engine resolves over: the matrix, and perhaps what package indexes list beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from cudalock.records import NamedTuple, dataclass
from cudalock.versions import may_accept, names_prerelease, pins_exactly

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cudalock.goals.requirement import ProjectRequirement
    from cudalock.matrix.matrix import Index, Matrix
    from cudalock.matrix.releases import Build, Coverage, Project, Wheel
    from cudalock.targets import Target
    from cudalock.text import NamesNote

Result = TypeVar("Result")


class Blocker(NamedTuple):
    """A project on whose releases it rests that there is no solution."""

    name: str
    specifiers: tuple[str, ...] = ()
    """what the goal requires of it"""
    unmet: tuple[str, ...] = ()
    """the specifiers that something requires of it and that no release in sight meets"""
    platform: str | None = None
    """the target's, None for any"""
    is_old_ruled_out: bool = False
    """whether facts rule out whatever is too old for the matrix"""
    has_candidate: bool = True
    """whether any release of it is for the target and of the days that the goal allows"""

    def may_be_older(self, coverage: Coverage) -> bool:
        """Return whether a release that is too old for the matrix may change the result."""
        return not self.is_old_ruled_out and coverage.may_be_older(self.specifiers, self.platform)

    def needs_newer(self, coverage: Coverage) -> bool:
        """Return whether something requires a release that is too new for the matrix."""
        return coverage.may_be_newer(self.specifiers) and any(
            coverage.begins_beyond(specifier) for specifier in self.unmet
        )


@dataclass(frozen=True)
class Attempt(Generic[Result]):
    """The result of one search, and what that says about another one."""

    result: Result
    has_solution: bool
    is_final: bool = False
    """whether no further release could change the result"""
    blockers: Callable[[], Iterable[Blocker]] | None = None
    """what it rests on that there is no solution, or none with the newest version of what the goal
    requires; it costs time to see. None if it is not known"""


class Unlisted(NamedTuple):
    """Releases that the lack of a solution may rest on, and that nobody was asked about."""

    project: str
    coverage: Coverage | None
    """what the matrix has of the project, None if nothing"""
    is_newer: bool = False
    """whether it is newer releases that are required, and not older ones that may do"""
    reason: str = ""
    """why nobody was asked; empty where nobody ever is"""
    is_early: bool = False
    """whether it is pre-releases that may do, of a project that the matrix has others of"""


class Universe(Protocol):
    """The facts of a matrix, and every release that may be pinned.

    `ClosedUniverse` is the matrix by itself; `cudalock.live.LiveUniverse` also asks indexes.
    """

    @property
    def matrix(self) -> Matrix:
        """The facts and the releases that are in the matrix."""

    @property
    def indexes(self) -> Mapping[str, Index]:
        """The indexes of the matrix and those that the user named, by id."""

    @property
    def is_open(self) -> bool:
        """Whether :meth:`project` may return projects that are not in the matrix."""

    @property
    def is_whole(self) -> bool:
        """Whether :meth:`project` returns every release, and not just the newest ones."""

    @property
    def looks_further(self) -> bool:
        """Whether :meth:`elsewhere` asks an index."""

    @property
    def flags(self) -> str:
        """The flags that make a command resolve over this universe, each after a space."""

    def project(self, name: str) -> Project | None:
        """Return the releases of a project (its canonical name), None if there is no such project.

        Raises NetworkError if an index has to be asked and cannot be.
        """

    def versions(self, name: str) -> list[str]:
        """Return every version of a project, oldest first; empty if there is no such project."""

    def trust(self, build: Build) -> str:
        """Return who made a build: the project itself (`own`), a `known` builder or an `other`."""

    def url(self, build: Build, wheel: Wheel, version: str) -> str | None:
        """Return the URL of a wheel; None on the default index, whose URLs are looked up."""

    def has_own(self, name: str) -> bool:
        """Return whether an index that the user named has a project of this canonical name.

        Raises NetworkError.
        """

    def elsewhere(self, names: Iterable[str]) -> frozenset[str]:
        """Return those of the canonical names, none in the matrix, that an index has.

        Raises NetworkError naming those that cannot be looked up.
        """

    def look_up(self, name: str, specifier: str) -> list[str] | None:
        """Return the versions of a project of the matrix, with those that only an index has and a
        specifier of one version or series names.

        None if nobody is asked: the matrix tells that there is none, or there is no index to ask.
        Raises NetworkError.
        """

    def unlisted(self, blockers: Iterable[Blocker]) -> tuple[Unlisted, ...]:
        """Return of what a lack of solutions rests on those releases that may exist, and that the
        matrix lacks and no index was asked about."""

    def read_at_once(self, builds: Iterable[Build]) -> None:
        """Read the metadata of builds that the search is about to look at, in parallel."""

    def note_extras(self, requires: Iterable[str]) -> None:
        """Record requirements with extras, whose own requirements the matrix may lack."""

    def build_sources(self, names: Iterable[str]) -> None:
        """Look up the source distributions of these projects, if they are in the matrix."""

    def is_pinned(self, name: str, version: str) -> bool:
        """Return whether the goal names this very release, of a project that an index has."""

    def lacks_wheels(self, name: str) -> bool:
        """Return whether a search found no wheel of a project of the matrix, so that its source
        distributions are worth a look."""

    def has_unread_sources(self, blocker: Blocker) -> bool:
        """Return whether a project of the matrix has releases without a wheel that the goal allows,
        and their source distributions were not looked at."""

    @property
    def source_only(self) -> Mapping[str, tuple[str, ...]]:
        """The releases that were looked at of projects that have no wheel at all, by name."""

    def search(
        self,
        requirements: Iterable[ProjectRequirement],
        target: Target,
        attempt: Callable[[], Attempt[Result]],
    ) -> Result:
        """Search, again each time that there is more to see, and return the last result.

        Raises what `attempt` raises; GaveUp only if there is no more to see.
        """

    def troubles(self) -> tuple[str, ...]:
        """Return, as sentences, which projects were wanted from an index and cannot be had."""

    def notes(self, pins: Iterable[tuple[str, str]]) -> tuple[str | NamesNote, ...]:
        """Return, as sentences, what to know about where pins (name and version) come from."""


def unlisted(matrix: Matrix, blockers: Iterable[Blocker]) -> Iterator[Unlisted]:
    """Yield of what a lack of solutions rests on what the matrix by itself does not tell."""
    for blocker in blockers:
        project = matrix.project(blocker.name)
        coverage = project.coverage if project is not None else None
        if project is None or coverage is None or _is_pinned(blocker, project):
            continue
        if blocker.needs_newer(coverage):
            yield Unlisted(blocker.name, coverage, is_newer=True)
        elif blocker.may_be_older(coverage):
            yield Unlisted(blocker.name, coverage, is_newer=False)
        elif blocker.unmet and project.has_final and names_prerelease(blocker.specifiers):
            yield Unlisted(blocker.name, coverage, is_newer=False, is_early=True)


def _is_pinned(blocker: Blocker, project: Project) -> bool:
    """Return whether the goal names a release that is there: no other one could change that."""
    return pins_exactly(blocker.specifiers) and any(
        all(may_accept(specifier, version) for specifier in blocker.specifiers)
        for version in project.versions
    )


@dataclass(frozen=True)
class ClosedUniverse:
    """A matrix by itself: no index is asked."""

    matrix: Matrix
    is_open = False
    is_whole = True
    looks_further = False
    flags = ""

    @property
    def indexes(self) -> Mapping[str, Index]:
        return self.matrix.indexes

    def project(self, name: str) -> Project | None:
        return self.matrix.project(name)

    def versions(self, name: str) -> list[str]:
        return self.matrix.versions(name)

    def trust(self, build: Build) -> str:
        return self.matrix.trust(build)

    def url(self, build: Build, wheel: Wheel, version: str) -> str | None:
        return self.matrix.url(build, wheel, version)

    def has_own(self, name: str) -> bool:
        return False

    def elsewhere(self, names: Iterable[str]) -> frozenset[str]:
        return frozenset()

    def look_up(self, name: str, specifier: str) -> list[str] | None:
        return None

    def unlisted(self, blockers: Iterable[Blocker]) -> tuple[Unlisted, ...]:
        return tuple(unlisted(self.matrix, blockers))

    def read_at_once(self, builds: Iterable[Build]) -> None:
        """There is nothing to read: the matrix has the metadata."""

    def note_extras(self, requires: Iterable[str]) -> None:
        """There is nobody to ask what an extra requires."""

    def search(
        self,
        requirements: Iterable[ProjectRequirement],
        target: Target,
        attempt: Callable[[], Attempt[Result]],
    ) -> Result:
        return attempt().result

    def build_sources(self, names: Iterable[str]) -> None:
        """The matrix has no source archives."""

    def is_pinned(self, name: str, version: str) -> bool:
        return False

    def lacks_wheels(self, name: str) -> bool:
        return False

    def has_unread_sources(self, blocker: Blocker) -> bool:
        return False

    @property
    def source_only(self) -> Mapping[str, tuple[str, ...]]:
        return {}

    def troubles(self) -> tuple[str, ...]:
        return ()

    def notes(self, pins: Iterable[tuple[str, str]]) -> tuple[str | NamesNote, ...]:
        return ()
