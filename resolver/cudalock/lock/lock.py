"""The values of a lock.

A `Lock` is the last value before text. The modules of `formats` turn it into files, and `render`
sums it up for people; neither asks the matrix anything, so whatever they say has to be in here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.errors import HashesMissing
from cudalock.matrix.releases import PACKAGE_INDEX

if TYPE_CHECKING:
    from cudalock.goals import Goal
    from cudalock.matrix.matrix import Index
    from cudalock.targets import Target

GOAL: Final = "goal"
"""What stands in `Pin.via` for the goal itself."""

DERIVED: Final = "derived from a build script, it may not exist"
"""What people are told of a wheel that nobody has listed or seen."""

HASHES: Final = ("auto", "require", "off")
"""The ways to treat hashes, as `--hashes` takes them."""


@dataclass(frozen=True, slots=True)
class FileUrl:
    """Where an index has a file, by its listing; `index` is the index's own address."""

    url: str
    sha256: str | None
    size: int | None
    index: str


@dataclass(frozen=True, slots=True)
class LockedWheel:
    """The wheel that the target gets.

    Either `index` (an index id) or `builder` says where it lives. `url` is its direct address,
    None on the package index. `sha256` is None where nobody has published one. `known` says how
    the wheel is known, "derived" meaning that it may not exist. A `renamed` wheel's file name has
    a local version that its METADATA lacks.
    """

    file: str
    sha256: str | None
    index: str | None
    builder: str | None
    url: str | None
    trust: str
    known: str
    warning: str | None
    renamed: bool
    source: str | None
    size: int | None = None
    """in bytes"""


@dataclass(frozen=True, slots=True)
class Pin:
    """One project at one version.

    `version` is what a requirement must say: with the local version where METADATA or the index
    has it. `hashes` are the sha256 digests, sorted, of every wheel of the same build that an
    installer may prefer on this platform and Python; `hashes_complete` is false when one of those
    has no published digest. `via` names the pins that require this one, sorted, `GOAL` first when
    it was asked for. `facts` are ids of curated facts that decided it; `requires` names its locked
    dependencies.

    `direct`: a name and version do not tell this wheel from another that an installer could find,
    so it must be written as an address. That is every builder's wheel, and a wheel that shares its
    project and public version with one on another index of the lock.

    `overlooked`: nothing in the METADATA from which uv takes a release's requirements says that
    this one is needed. It reads one wheel for all of them, and others may say more.
    """

    name: str
    version: str
    wheel: LockedWheel
    hashes: tuple[str, ...]
    hashes_complete: bool
    via: tuple[str, ...]
    facts: tuple[str, ...]
    requires: tuple[str, ...]
    direct: bool
    wheels: tuple[LockedWheel, ...] = ()
    """the wheel, and every other that a machine of the lock's targets may prefer, each once"""
    marker: str | None = None
    """in a lock for several targets: where the pin holds; None for everywhere"""
    overlooked: bool = False

    @property
    def is_requested(self) -> bool:
        """Whether the goal names it."""
        return GOAL in self.via

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True)
class LockWarning:
    """A curated fact in force that does not forbid the lock.

    `effect` is "degrades" or "unsupported".
    """

    fact: str
    says: str
    effect: str

    def __str__(self) -> str:
        return f"{self.says} [{self.fact}]"


class ReplacedRequirement(NamedTuple):
    """A requirement of a pin's metadata that a fact replaced, or dropped: names, and the fact."""

    of: str
    requirement: str
    replacement: str | None
    fact: str


@dataclass(frozen=True, slots=True)
class Lock:
    """What was asked, what it came to, and what a reader has to know about it.

    `pins` are sorted by name and closed: each requirement of each pin is met by another. In a lock
    for several targets a name may have several pins, whose markers exclude one another. `indexes`
    are those needed besides the package index; `builders` the ids of the third-party builders.
    `needs` are sentences about the machine ("driver >= 525.60.13"), `notes` other sentences.
    `cuda` is the toolkit that the build was made with, None without CUDA. `command` makes the lock
    again.

    `replaced` holds a sentence, fact id included, for each requirement of a pin's metadata that a
    fact replaced or dropped: an installer that checks requirements would refuse, so it must be
    told not to. `framework` is the name of the pin whose build fixes the CUDA version.
    """

    target: Target
    goal: Goal
    matrix_version: str
    pins: tuple[Pin, ...]
    needs: tuple[str, ...]
    warnings: tuple[LockWarning, ...]
    notes: tuple[str, ...]
    indexes: tuple[Index, ...]
    builders: tuple[str, ...]
    cuda: str | None
    command: str
    replaced: tuple[str, ...] = ()
    framework: str | None = None
    others: tuple[Target, ...] = ()
    """the further targets of a lock for several"""
    stack: tuple[str, ...] = ()
    """the names, sorted, of the CUDA stack: compiled and curated, or NVIDIA's own"""
    replacements: tuple[ReplacedRequirement, ...] = ()
    """what the sentences of `replaced` are about, each once"""
    installer: str | None = None
    """where the pins are what an environment lacks: the command that installs into it"""

    @property
    def targets(self) -> tuple[Target, ...]:
        """Every target the lock is for."""
        return (self.target, *self.others)

    @property
    def unhashed(self) -> tuple[Pin, ...]:
        """The pins whose wheel has no published hash."""
        return tuple(pin for pin in self.pins if pin.wheel.sha256 is None)

    @property
    def third_party(self) -> tuple[Pin, ...]:
        """The pins whose wheels live with a builder, outside any index."""
        return tuple(pin for pin in self.pins if pin.wheel.builder is not None)

    @property
    def derived(self) -> tuple[Pin, ...]:
        """The pins whose wheels are known only by derivation and may not exist."""
        return tuple(pin for pin in self.pins if pin.wheel.known == "derived")

    @property
    def by_address(self) -> frozenset[Pin]:
        """The pins to write as an address.

        The direct ones, as a rule. A direct wheel on the package index has no address that belongs
        in a lock; there the other indexes have to leave the file instead, and what comes from them
        is written by address.
        """
        on_package_index = any(pin.direct and pin.wheel.url is None for pin in self.pins)
        return frozenset(
            pin
            for pin in self.pins
            if pin.wheel.url is not None
            and (pin.direct or (on_package_index and pin.wheel.index != PACKAGE_INDEX))
        )

    @property
    def searched_indexes(self) -> tuple[Index, ...]:
        """The indexes, besides the package index, that an installer has to search for some pin."""
        by_address = self.by_address
        needed = {pin.wheel.index for pin in self.pins if pin not in by_address}
        return tuple(index for index in self.indexes if index.id in needed and index.url)


def require_hashes(lock: Lock) -> None:
    """Raise HashesMissing, naming each wheel, unless every wheel has a published hash."""
    if lock.unhashed:
        raise HashesMissing(
            {pin.wheel.file: pin.wheel.size for pin in lock.unhashed},
            hints=[
                "`--fetch-hashes` asks for them, or computes them from the files",
                "`--hashes auto` writes the lock without hashes and says why",
            ],
        )


def origin(wheel: LockedWheel) -> str:
    """Where a wheel comes from, for people: its builder with what is known of it, or its index."""
    if wheel.builder is None:
        elsewhere = wheel.index not in (None, PACKAGE_INDEX)
        return f"index {wheel.index}" if elsewhere else "the package index"
    return f"{wheel.builder} ({_TRUST.get(wheel.trust, wheel.trust)})"


_TRUST: Final = {
    "own": "the project's own",
    "known": "third party, widely used",
    "other": "third party, not vetted",
}
