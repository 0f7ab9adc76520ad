"""Candidates: what can be pinned. One is a build of a release with the wheel the target takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cudalock import targets
from cudalock.matrix.facts import NONE
from cudalock.matrix.releases import Build, Release, Wheel

if TYPE_CHECKING:
    from cudalock.targets import Ranker

NO_EXTRAS: Final[frozenset[str]] = frozenset()


class Candidate:
    """A component at a version: a wheel, a virtual component's value, or its absence.

    ``version`` is the public version; None means that the component is absent. Two candidates are
    the same only if they are one object.
    """

    __slots__ = ("build", "extras", "name", "release", "version", "wheel")

    def __init__(
        self,
        name: str,
        version: str | None,
        release: Release | None = None,
        build: Build | None = None,
        wheel: Wheel | None = None,
        extras: frozenset[str] = NO_EXTRAS,
    ) -> None:
        self.name = name
        self.version = version
        self.release = release
        self.build = build
        self.wheel = wheel
        self.extras = extras

    def with_extras(self, extras: frozenset[str]) -> Candidate:
        """The same wheel, for a requirement that names extras."""
        return Candidate(self.name, self.version, self.release, self.build, self.wheel, extras)

    @property
    def is_absent(self) -> bool:
        return self.version is None

    @property
    def full_version(self) -> str:
        """The version with the build's local label (``2.5.1+cu124``); empty when absent."""
        if self.build is not None and self.build.local:
            return f"{self.version}+{self.build.local}"
        return self.version or ""

    def row(self, name: str) -> tuple[str, ...]:
        """The values of a label, or of `index`, `builder`, `tag` or `local`; empty without one."""
        return self.build.row(name) if self.build else ()

    @property
    def is_withdrawn(self) -> bool:
        """Yanked: taken only where it is pinned exactly."""
        return self.release is not None and self.release.yanked is not None

    @property
    def withdrawn_because(self) -> str:
        """The publisher's words, if it has any."""
        return (self.release.yanked if self.release else None) or ""

    @property
    def is_flawed(self) -> bool:
        """Known only by derivation, or carrying a warning: taken only where nothing better is."""
        return self.build is not None and (
            self.build.known == "derived" or self.build.warning is not None
        )

    def __str__(self) -> str:
        return f"{self.name} {self.full_version}" if self.version else f"no {self.name}"


def label(candidate: Candidate, name: str) -> str | None:
    """One label of a candidate's build; None where it has none, or is made without."""
    values = candidate.row(name)
    return values[0] if values and values[0] != NONE else None


def best_wheel(build: Build, tags: Ranker) -> Wheel | None:
    """The wheel that an installer on the target would prefer, or None where none fits."""
    position = targets.best_wheel(build.tags, tags)
    return None if position is None else build.wheel(position)


__all__ = ["Candidate", "best_wheel", "label"]
