"""What the engine resolves over: the matrix, and perhaps what package indexes list beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cudalock.matrix.matrix import Index, Matrix
    from cudalock.matrix.releases import Build, Project, Wheel
    from cudalock.targets import Target
    from cudalock.text import NamesNote

Result = TypeVar("Result")


@dataclass(frozen=True)
class Attempt(Generic[Result]):
    """The result of one search, and what that says about another one."""

    result: Result
    has_solution: bool
    is_final: bool = False
    """whether no further release could change the result"""


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

    def older(self, name: str, version: str) -> list[str]:
        """Return the versions of a project of the matrix including one that only an index has.

        Empty if no index has that version, or if the index page does not say enough about it.
        Raises NetworkError.
        """

    def read_at_once(self, builds: Iterable[Build]) -> None:
        """Read the metadata of builds that the search is about to look at, in parallel."""

    def note_extras(self, requires: Iterable[str]) -> None:
        """Record requirements with extras, whose own requirements the matrix may lack."""

    def build_sources(self, names: Iterable[str]) -> None:
        """Look up the source distributions of these projects, if they are in the matrix."""

    def is_pinned(self, name: str, version: str) -> bool:
        """Return whether the goal names this very release, of a project that an index has."""

    @property
    def source_only(self) -> Mapping[str, tuple[str, ...]]:
        """The releases that were looked at of projects that have no wheel at all, by name."""

    def search(
        self, requirements: Iterable[str], target: Target, attempt: Callable[[], Attempt[Result]]
    ) -> Result:
        """Search, again each time that there is more to see, and return the last result.

        Raises what `attempt` raises; GaveUp only if there is no more to see.
        """

    def troubles(self) -> tuple[str, ...]:
        """Return, as sentences, which projects were wanted from an index and cannot be had."""

    def notes(self, pins: Iterable[tuple[str, str]]) -> tuple[str | NamesNote, ...]:
        """Return, as sentences, what to know about where pins (name and version) come from."""


@dataclass(frozen=True)
class ClosedUniverse:
    """A matrix by itself: no index is asked, and what it lacks does not exist."""

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

    def older(self, name: str, version: str) -> list[str]:
        return []

    def read_at_once(self, builds: Iterable[Build]) -> None:
        """There is nothing to read: the matrix has the metadata."""

    def note_extras(self, requires: Iterable[str]) -> None:
        """There is nobody to ask what an extra requires."""

    def search(
        self, requirements: Iterable[str], target: Target, attempt: Callable[[], Attempt[Result]]
    ) -> Result:
        return attempt().result

    def build_sources(self, names: Iterable[str]) -> None:
        """The matrix has no source archives."""

    def is_pinned(self, name: str, version: str) -> bool:
        return False

    @property
    def source_only(self) -> Mapping[str, tuple[str, ...]]:
        return {}

    def troubles(self) -> tuple[str, ...]:
        return ()

    def notes(self, pins: Iterable[tuple[str, str]]) -> tuple[str | NamesNote, ...]:
        return ()
