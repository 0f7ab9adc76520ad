"""The values of a lock.

A `Lock` is the last value before text. The modules of `formats` turn it into files, and the command
line prints a summary; neither reads the matrix, so whatever they write has to be in here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cudalock.errors import HashesMissing
from cudalock.matrix.releases import PACKAGE_INDEX
from cudalock.records import NamedTuple, dataclass
from cudalock.targets.accelerators import ACCELERATORS, CUDA

if TYPE_CHECKING:
    from cudalock.goals import Goal
    from cudalock.matrix.matrix import Index
    from cudalock.matrix.sources import SourceState
    from cudalock.targets import Target
    from cudalock.text import NamesNote

GOAL: Final = "goal"
"""The entry of `Pin.via` for the goal itself."""

DERIVED: Final = "derived from a build script, it may not exist"
ALIKE: Final = "alike"
"""How a derived wheel is known whose like for another Python has been seen."""
"""The note on a wheel that no index lists and nobody has seen."""

HASHES: Final = ("auto", "require", "off")
"""The values of `--hashes`."""


@dataclass(frozen=True, slots=True)
class FileUrl:
    """Where an index has a file, by its index page; `index` is the index's own URL."""

    url: str
    sha256: str | None
    size: int | None
    index: str
    uploaded_at: str | None = None
    """when the index received it, in ISO 8601 as the index writes it"""


@dataclass(frozen=True, slots=True)
class LockedWheel:
    """A wheel that a target takes.

    Either `index` (an index id) or `builder` names where it is published. `url` is its direct URL,
    None on the package index. `sha256` is None if nobody has published one. `known` is how the
    matrix knows the wheel; "derived" means that it may not exist, "alike" that the same build for
    another Python has been seen. A `renamed` wheel's file name has
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
    build: SourceState | None = None
    """how a source distribution is built; None for a wheel"""

    @property
    def is_source(self) -> bool:
        """Whether it is a source distribution, which an installer builds into a wheel."""
        return self.build is not None


@dataclass(frozen=True, slots=True)
class Pin:
    """One project at one version.

    `version` is what a requirement has to name: with the local version if METADATA or the index has
    one. `hashes` are the sha256 digests, sorted, of every wheel of the same build that an installer
    may prefer on this platform and Python; `hashes_complete` is false if one of those has no
    published digest. `via` names the pins that require this one, sorted, with `GOAL` first if the
    goal does. `facts` are ids of curated facts that decided it; `requires` names its locked
    dependencies.

    `direct`: name and version leave open which wheel an installer takes, so the pin has to be
    written as a URL. That is every builder's wheel, and a wheel that shares its project and public
    version with one on another index of the lock.

    `overlooked`: uv does not see that anything requires this pin. It reads the METADATA of one
    wheel for all of a release, and another wheel requires more.
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
    """in a lock for several targets: where the pin is installed; None for everywhere"""
    overlooked: bool = False
    held: bool = False
    """whether METADATA of another pin, as uv reads it, requires exactly this version"""

    @property
    def is_requested(self) -> bool:
        """Whether the goal requires it."""
        return GOAL in self.via

    @property
    def archive(self) -> LockedWheel | None:
        """The source distribution that some target takes; None where all take wheels."""
        return next((wheel for wheel in (self.wheel, *self.wheels) if wheel.is_source), None)

    @property
    def is_mixed(self) -> bool:
        """Whether some targets take a wheel, and others the source distribution."""
        return self.archive is not None and any(not wheel.is_source for wheel in self.wheels)

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


class UnknownFact(NamedTuple):
    """What nobody knows about a pin, so that it may fail or work.

    `subject` is the pin as text, `fact` the id of the fact that reads a label which its wheel
    lacks, `about` what that fact is about, as text: `GPU 9.0`, `torch 2.11.0`. Without a fact `why`
    is a clause.
    """

    subject: str
    about: str
    fact: str | None
    why: str = ""

    def __str__(self) -> str:
        reason = f" [{self.fact}]" if self.fact else f": {self.why}"
        return f"whether {self.subject} works with {self.about}{reason}"


class KeptVersion(NamedTuple):
    """What is installed and stays, as a constraint has it."""

    name: str
    version: str
    """PEP 440; what `==` names to mean what is there"""


class NewerRelease(NamedTuple):
    """A newer release of something requested that was not chosen; `why` is a clause."""

    name: str
    version: str
    why: str
    fact: str | None
    """the id of the fact that it rests on"""

    def __str__(self) -> str:
        return f"{self.name} {self.version}: {self.why}{f' [{self.fact}]' if self.fact else ''}"


class PinAdvisory(NamedTuple):
    """A known vulnerability of a pin. `aliases` are its other ids, `fixed` the versions without it,
    `url` is its page."""

    name: str
    version: str
    id: str
    aliases: tuple[str, ...]
    summary: str
    fixed: tuple[str, ...]
    url: str

    def __str__(self) -> str:
        cve = next((alias for alias in self.aliases if alias.startswith("CVE-")), None)
        named = f"{self.id} ({cve})" if cve and cve != self.id else self.id
        fixed = f"fixed in {' or '.join(self.fixed)}" if self.fixed else "and no version fixes it"
        return f"{self.name} {self.version}: {named}, {fixed}: {self.summary}".removesuffix(": ")


class ReplacedRequirement(NamedTuple):
    """A requirement in a pin's METADATA that a fact replaced or dropped.

    `of`, `requirement` and `replacement` are project names, `fact` is a fact's id.
    """

    of: str
    requirement: str
    replacement: str | None
    fact: str


@dataclass(frozen=True, slots=True)
class Lock:
    """A goal, the pins that it resolved to, and what a reader has to know about them.

    `pins` are sorted by name and closed: each requirement of each pin is met by another. In a lock
    for several targets a name may have several pins, whose markers are disjoint. `indexes` are
    those needed besides the package index; `builders` the ids of the third-party builders. `needs`
    are sentences about the machine ("driver >= 525.60.13"), `notes` other sentences. `cuda` is the
    release that the framework was built with, None without CUDA. `command` makes the lock again.

    `replaced` has a sentence, fact id included, for each requirement in a pin's METADATA that a
    fact replaced or dropped: an installer that checks requirements needs an override to accept it.
    `framework` is the name of the pin whose build fixes the CUDA version.
    """

    target: Target
    goal: Goal
    matrix_version: str
    pins: tuple[Pin, ...]
    needs: tuple[str, ...]
    warnings: tuple[LockWarning, ...]
    notes: tuple[str | NamesNote, ...]
    indexes: tuple[Index, ...]
    builders: tuple[str, ...]
    cuda: str | None
    command: str
    replaced: tuple[str, ...] = ()
    framework: str | None = None
    accelerator: tuple[str, str] | None = None
    """the accelerator that the framework was built for, and its version; None for none"""
    is_unlabelled: bool = False
    """whether nobody knows what the framework was built for"""
    others: tuple[Target, ...] = ()
    """the further targets of a lock for several"""
    stack: tuple[str, ...] = ()
    """the names, sorted, of the CUDA stack: compiled and curated, or NVIDIA's own"""
    replacements: tuple[ReplacedRequirement, ...] = ()
    """the rows behind the sentences of `replaced`, each once"""
    unknowns: tuple[UnknownFact, ...] = ()
    """what nobody knows about the pins, beside whether the `derived` ones exist"""
    newer: tuple[NewerRelease, ...] = ()
    """the newest release of each requested project that was not chosen, if it is newer"""
    advisories: tuple[PinAdvisory, ...] | None = None
    """the known vulnerabilities of the pins; None where nobody asked for them"""
    safe_command: str | None = None
    """the command of the nearest solution without them, which was solved"""
    installer: str | None = None
    """with `--keep`, where the pins are only what to add: the command that installs them"""
    image: str | None = None
    """with `--image` and something in it that stays: the image, as it was named"""
    kept: tuple[KeptVersion, ...] = ()
    """with `--keep`, what is there and has to stay of the CUDA stack"""
    is_open: bool = False
    """whether not all that is there is known, so that `pins` are only what the goal names, and an
    installer adds what they require and is missing"""

    @property
    def targets(self) -> tuple[Target, ...]:
        """Every target of the lock, in the order of its command."""
        return (self.target, *self.others)

    @property
    def built_for(self) -> str | None:
        """The accelerator that the framework was built for, for people: `CUDA 12.4`."""
        if self.cuda:
            return f"{CUDA.title} {self.cuda}"
        if self.accelerator is None:
            return None
        name, version = self.accelerator
        row = ACCELERATORS[name]
        return f"{row.title} {version}" if row.version_word else row.title

    @property
    def not_built_for(self) -> str:
        """Why nothing is named that the framework was built for, for people."""
        return f"{CUDA.title} unknown" if self.is_unlabelled else f"no {CUDA.title}"

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
    def alike(self) -> tuple[Pin, ...]:
        """The pins whose wheels nobody has seen, but the same builds for another Python."""
        return tuple(pin for pin in self.pins if pin.wheel.known == ALIKE)

    @property
    def built(self) -> tuple[Pin, ...]:
        """The pins that an installer has to build from a source distribution on some target."""
        return tuple(pin for pin in self.pins if pin.archive is not None)

    @property
    def by_address(self) -> frozenset[Pin]:
        """The pins to write as a URL.

        The direct ones, as a rule. A direct wheel on the package index has no URL in the matrix.
        There the other indexes have to leave the file instead, and their wheels become URLs.
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
        """The indexes besides the package index that an installer has to search for some pin."""
        by_address = self.by_address
        needed = {pin.wheel.index for pin in self.pins if pin not in by_address}
        return tuple(index for index in self.indexes if index.id in needed and index.url)


def require_hashes(lock: Lock) -> None:
    """Raise HashesMissing, naming each wheel, unless every wheel has a published hash."""
    if lock.unhashed:
        raise HashesMissing(
            {pin.wheel.file: pin.wheel.size for pin in lock.unhashed},
            hints=[
                "`--fetch-hashes` gets them from the index, or computes them from the files",
                "`--hashes auto` writes the lock without hashes and says why",
            ],
        )


def origin(wheel: LockedWheel) -> str:
    """Return where a wheel comes from, for people: its builder and its trust, or its index."""
    if wheel.builder is None:
        elsewhere = wheel.index not in (None, PACKAGE_INDEX)
        return f"index {wheel.index}" if elsewhere else "the package index"
    return f"{wheel.builder} ({_TRUST.get(wheel.trust, wheel.trust)})"


_TRUST: Final = {
    "named": "named by you",
    "own": "the project's own",
    "known": "third party, widely used",
    "other": "third party, not vetted",
}
