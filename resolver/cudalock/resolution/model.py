"""The values of the engine: requirements, candidates, and the resolution made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from cudalock.goals import ProjectRequirement
from cudalock.matrix.facts import NONE, FactClause, Verb
from cudalock.records import NamedTuple
from cudalock.versions import accepts

if TYPE_CHECKING:
    from cudalock.goals import Goal
    from cudalock.matrix.facts import Fact
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.releases import Build, Release, Wheel
    from cudalock.matrix.universe import Universe, Unlisted
    from cudalock.resolution.elements import Element
    from cudalock.targets import Target

NO_EXTRAS: Final[frozenset[str]] = frozenset()


class Requirement(NamedTuple):
    """A component (its canonical name) and PEP 440 specifiers, any of which may hold.

    `requires` needs the component to be present, `constrains` is met by its absence too, and
    `conflicts` by its absence only. Without specifiers every version will do.
    """

    name: str
    specifiers: tuple[str, ...]
    kind: Verb
    origin: Element
    extras: frozenset[str] = frozenset()

    @classmethod
    def of_clause(cls, clause: FactClause, kind: Verb, origin: Element) -> Requirement:
        """Return the requirement of a fact's clause; a clause on :data:`NONE` is a conflict."""
        if NONE in clause.specifiers:
            return cls(clause.name, (), "conflicts", origin)
        return cls(clause.name, clause.specifiers, kind, origin)

    def accepts(self, candidate: Candidate | None) -> bool:
        """Return whether a candidate meets it; None means that the component is absent."""
        if candidate is None or candidate.version is None:
            return self.kind != "requires"
        if self.kind == "conflicts":
            return False
        return not self.specifiers or any(
            # PEP 440: a specifier without a local version accepts every build of the version.
            accepts(specifier, candidate.full_version if "+" in specifier else candidate.version)
            for specifier in self.specifiers
        )

    def may_accept(self, version: str) -> bool:
        """Return whether some build of a public version may meet it."""
        if self.kind == "conflicts":
            return False
        # A label is a build's, so of the public version nobody knows yet.
        return not self.specifiers or any(
            "+" in specifier or accepts(specifier, version) for specifier in self.specifiers
        )

    def __str__(self) -> str:
        return " or ".join(self.name + specifier for specifier in self.specifiers) or self.name


class Candidate:
    """A component at a version: a wheel, a version of a virtual component, or its absence.

    ``version`` is the public version, None if the component is absent; ``wheel`` is the one of the
    ``build`` that the target takes. Compared by identity: thousands are made, and put into dicts.
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
        """Return the same wheel for a requirement that names extras."""
        return Candidate(self.name, self.version, self.release, self.build, self.wheel, extras)

    @property
    def is_absent(self) -> bool:
        return self.version is None

    @property
    def full_version(self) -> str:
        """The version with the build's local version label, `2.5.1+cu124`; empty if absent."""
        if self.build is not None and self.build.local:
            return f"{self.version}+{self.build.local}"
        return self.version or ""

    @property
    def accelerator(self) -> str | None:
        """The accelerator that the build is made for, NONE for none; None if nobody knows."""
        return self.build.accelerator if self.build else None

    def row(self, name: str) -> tuple[str, ...]:
        """Return the values of a label, or of `index`, `builder`, `tag` or `local`; empty if it has
        none."""
        return self.build.row(name) if self.build else ()

    @property
    def is_yanked(self) -> bool:
        """Whether the release is yanked (PEP 592), and so taken only where it is pinned exactly."""
        return self.release is not None and self.release.yanked is not None

    @property
    def yanked_reason(self) -> str:
        """The publisher's reason for yanking the release; empty if there is none."""
        return (self.release.yanked if self.release else None) or ""

    @property
    def is_derived(self) -> bool:
        """Whether nobody has seen the very wheel."""
        return self.build is not None and self.build.known == "derived"

    @property
    def is_unseen(self) -> bool:
        """Whether nobody has seen the wheel, nor its like for another Python."""
        return (
            self.is_derived
            and self.build is not None
            and self.release is not None
            and self.wheel is not None
            and not self.release.has_seen_beside(self.build, self.wheel.tags)
        )

    @property
    def has_trap(self) -> bool:
        """Whether this very wheel has a known trap, which others of its release need not have."""
        return self.build is not None and self.build.warning is not None

    @property
    def is_doubtful(self) -> bool:
        """Whether nobody has seen the wheel, or it has a known trap."""
        return self.is_derived or self.has_trap

    def __str__(self) -> str:
        return f"{self.name} {self.full_version}" if self.version else f"no {self.name}"


def label(candidate: Candidate, name: str) -> str | None:
    """Return a label of a candidate's build, such as its CUDA release; None if it has none, or is
    built without."""
    row = candidate.row(name)
    return row[0] if row and row[0] != NONE else None


def accelerator_of(candidate: Candidate) -> tuple[str, str] | None:
    """Return the accelerator that a candidate's build is made for, and its version; None if it is
    made for none, or nobody knows."""
    name = candidate.accelerator
    version = label(candidate, name) if name else None
    return (name, version) if name and version else None


class Assignment(NamedTuple):
    """A complete choice: the candidate of every identifier, and its requirements with the project
    that has each (None: the goal)."""

    candidates: Mapping[str, Candidate]
    requirements: Mapping[str, tuple[tuple[Requirement, str | None], ...]]

    def candidate_of(self, name: str) -> Candidate | None:
        """Return the candidate chosen for a component, None if it is absent."""
        return self.candidates.get(name)


class Reason(NamedTuple):
    """Why a project is pinned: a requirement, and the project that has it (None: the goal)."""

    requirement: Requirement
    parent: str | None


class UnknownNewer(NamedTuple):
    """A newer version of what a goal requires, of which nobody knows whether it is possible."""

    name: str
    version: str
    unlisted: tuple[Unlisted, ...]
    """the releases that this rests on, and that nobody was asked about"""


class Dated(NamedTuple):
    """A project that has later major versions than when what requires it was published."""

    name: str
    major: int
    """the newest major version of that day"""
    parent: str
    """what requires it, with its version: `vllm 0.8.5`"""

    @property
    def constraint(self) -> ProjectRequirement:
        """The constraint that keeps it to the majors of that day."""
        return ProjectRequirement.of(self.name, f"<{self.major + 1}")


class Resolution(NamedTuple):
    """The solution of a goal on a target.

    ``pins`` are by project name; ``virtual_candidates`` are the components that the framework's
    build fixes; ``warnings`` are the soft facts that the solution goes against.
    """

    goal: Goal
    target: Target
    universe: Universe
    pins: Mapping[str, Candidate]
    reasons: Mapping[str, tuple[Reason, ...]]
    virtual_candidates: tuple[Candidate, ...]
    warnings: tuple[Fact, ...]
    goal_names: tuple[str, ...]
    unknown_newer: tuple[UnknownNewer, ...] = ()
    dated: tuple[Dated, ...] = ()
    """the pins that are kept to the major version of the day of what requires them"""

    @property
    def matrix(self) -> Matrix:
        """The facts and releases that it was solved over."""
        return self.universe.matrix

    @property
    def virtual(self) -> dict[str, str]:
        """The versions of the virtual components by name: the CUDA release, cuDNN, the C++ ABI."""
        return {component.name: str(component.version) for component in self.virtual_candidates}
