"""The values that are judged: pins, conflicts between them, and the changes that fix those."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.goals import ProjectRequirement
from cudalock.records import NamedTuple
from cudalock.versions import ProjectName, Specifier, is_version, specifier_set

if TYPE_CHECKING:
    from cudalock.findings import Finding


class PinnedProject(NamedTuple):
    """A project as a line of a file pins or limits it, or as an environment has it installed."""

    name: str
    """the canonical project name"""
    specifier: str = ""
    """PEP 440; `==2.5.1+cu124` for a pin, empty for any version"""
    file: str | None = None
    """the file name of the only wheel that will do, where the pin is a URL or a locked file"""
    indexes: frozenset[str] | None = None
    """ids of the matrix's indexes, and of its builders' pages, that it may come from; None for
    anywhere at all"""
    hashes: tuple[str, ...] = ()
    """sha256 digests, any of which the wheel may have"""
    required: bool = True
    """False for a constraint: it counts only if something requires the project"""
    names_sources: bool = True
    """False if nothing states where it comes from, as in a file of constraints"""
    has_build_recipe: bool = False
    """whether the file has build options for it, for when there is no wheel"""
    has_sdist: bool = False
    """whether a source distribution is listed beside the pin, as in a lockfile"""
    takes_highest: bool = False
    """whether an installer chooses among the indexes, and so takes the highest local version of a
    release: 2.5.1+cu124 before 2.5.1"""
    may_be_elsewhere: bool = False
    """whether it may come from an index or a page that the matrix knows nothing of"""
    extras: tuple[str, ...] = ()
    """the extras that are asked for: `cuda12` of `jax[cuda12]`"""
    by_conda: bool = False
    """whether conda installs it, whose package requires other things than the wheel"""
    origin: object = None
    """the caller's own object, to recognize the pin by; never looked into"""

    @property
    def text(self) -> str:
        """The pin as a requirement: `torch==2.5.1`."""
        return self.name + self.specifier

    @property
    def requirement(self) -> ProjectRequirement:
        """The pin as a requirement, with its extras: `jax[cuda12]==0.4.30`."""
        return ProjectRequirement(
            ProjectName(self.name), Specifier(self.specifier), tuple(sorted(self.extras))
        )

    @property
    def constraint(self) -> ProjectRequirement:
        """The pin as a constraint."""
        return ProjectRequirement.of(self.name, self.specifier)

    @property
    def version(self) -> str | None:
        """The only version that the specifier accepts, None where there may be several."""
        clauses = list(specifier_set(self.specifier)) if self.specifier else []
        # `==2.5.*` is a range, though it looks like a pin. `===` may stand before any text.
        exact = [
            clause.version
            for clause in clauses
            if clause.operator in ("==", "===") and is_version(clause.version)
        ]
        return exact[0] if exact else None


class PinChange(NamedTuple):
    """Another specifier for a pin, or a wheel's URL where a version is not enough."""

    old: PinnedProject
    specifier: str
    url: str | None = None
    sha256: str | None = None
    index_id: str | None = None
    """the matrix's index that has it, None for a URL"""

    @property
    def text(self) -> str:
        """What to write: `torchvision==0.20.1`, or `flash-attn @ https://...`."""
        return f"{self.old.name} @ {self.url}" if self.url else f"{self.old.name}{self.specifier}"


class PinConflict(NamedTuple):
    """A finding about some pins, the one to change first at the front."""

    finding: Finding
    members: tuple[PinnedProject, ...]
    has_guess: bool = False
    """whether the finding's fix is a near release, judged beside no other pin"""
    missing_indexes: tuple[str, ...] = ()
    """ids of indexes that the file would have to name"""
    changes: tuple[PinChange, ...] = ()
    """what fixes it while all other pins stay; empty where nothing is known to"""
    target_dependent: bool = True
    """whether another target may be free of it"""
