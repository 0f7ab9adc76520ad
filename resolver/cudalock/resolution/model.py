"""The values of the engine: requirements, candidates, and the resolution made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.matrix.facts import NONE, FactClause, Verb
from cudalock.versions import accepts

if TYPE_CHECKING:
    from cudalock.goals import Goal
    from cudalock.matrix.facts import Fact
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.releases import Build, Release, Wheel
    from cudalock.matrix.universe import Universe
    from cudalock.resolution.elements import Element
    from cudalock.targets import Target

NO_EXTRAS: Final[frozenset[str]] = frozenset()


class Requirement(NamedTuple):
    """One component and the specifiers of which any may hold.

    A ``requires`` wants the component present, a ``constrains`` is met by its absence too, and a
    ``conflicts`` by its absence alone.
    """

    name: str
    specifiers: tuple[str, ...]
    kind: Verb
    origin: Element
    extras: frozenset[str] = frozenset()

    @classmethod
    def of_clause(cls, clause: FactClause, kind: Verb, origin: Element) -> Requirement:
        """The requirement that a fact's clause makes. A clause on :data:`NONE` wants absence."""
        if NONE in clause.specifiers:
            return cls(clause.name, (), "conflicts", origin)
        return cls(clause.name, clause.specifiers, kind, origin)

    def accepts(self, candidate: Candidate | None) -> bool:
        """Whether the component may stand so; None and an absent candidate are the same."""
        if candidate is None or candidate.version is None:
            return self.kind != "requires"
        if self.kind == "conflicts":
            return False
        return not self.specifiers or any(
            accepts(specifier, candidate.full_version if "+" in specifier else candidate.version)
            for specifier in self.specifiers
        )

    def may_accept(self, version: str) -> bool:
        """Whether some build of a public version may be accepted."""
        if self.kind == "conflicts":
            return False
        return not self.specifiers or any(
            "+" in specifier or accepts(specifier, version) for specifier in self.specifiers
        )

    def __str__(self) -> str:
        return " or ".join(self.name + specifier for specifier in self.specifiers) or self.name


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
    def is_yanked(self) -> bool:
        """Yanked: taken only where it is pinned exactly."""
        return self.release is not None and self.release.yanked is not None

    @property
    def yanked_reason(self) -> str:
        """The publisher's words, if it has any."""
        return (self.release.yanked if self.release else None) or ""

    @property
    def is_doubtful(self) -> bool:
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


class Assignment(NamedTuple):
    """A complete choice: the candidate of every identifier, and who asked for each."""

    candidates: Mapping[str, Candidate]
    requirements: Mapping[str, tuple[tuple[Requirement, str | None], ...]]

    def candidate_of(self, name: str) -> Candidate | None:
        """The candidate chosen for a component, None where it is absent."""
        return self.candidates.get(name)


class Reason(NamedTuple):
    """Why a project is pinned: a requirement, and the project that has it (None: the goal)."""

    requirement: Requirement
    parent: str | None


class Resolution(NamedTuple):
    """An answer to a goal on a target.

    ``pins`` are the projects by name; ``virtual_candidates`` the components the framework's build
    fixes; ``warnings`` the facts in force against the answer.
    """

    goal: Goal
    target: Target
    universe: Universe
    pins: Mapping[str, Candidate]
    reasons: Mapping[str, tuple[Reason, ...]]
    virtual_candidates: tuple[Candidate, ...]
    warnings: tuple[Fact, ...]
    goal_names: tuple[str, ...]

    @property
    def matrix(self) -> Matrix:
        """The facts and releases of the universe that the answer is from."""
        return self.universe.matrix

    @property
    def virtual(self) -> dict[str, str]:
        """The versions of the virtual components: the CUDA release, cuDNN, the C++ ABI."""
        return {each.name: str(each.version) for each in self.virtual_candidates}
