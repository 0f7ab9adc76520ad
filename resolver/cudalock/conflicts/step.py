"""The steps of an explanation: what each says as a value, and the one place that words them.

Whoever explains a conflict chooses among these values, drops or replaces them by their class, and
turns what is left into text with :func:`describe` or :func:`render` at the very end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cudalock.matrix.sources import COMPILES, UNUSABLE, SourceState
from cudalock.records import dataclass
from cudalock.targets.accelerators import ACCELERATORS, CPU, DEFAULT, of_gpu
from cudalock.text import either, yanked_clause
from cudalock.versions import version_order

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cudalock.goals import ProjectRequirement
    from cudalock.matrix.universe import Unlisted
    from cudalock.resolution.model import Candidate
    from cudalock.targets import Target

SHOWN_VERSIONS: Final = 4
"""How many versions are named one by one; more are shown as a span."""

SHOWN_BUILDS: Final = 8
"""How many local version labels of a release are named; of more only how many there are."""


# -- what steps are about -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NamedVersions:
    """A project, or another component, and some versions of it, in ascending order."""

    name: str
    versions: tuple[str, ...]
    specifier: str = ""
    """PEP 440, for versions that are not listed"""

    @classmethod
    def of(cls, name: str, candidates: Iterable[Candidate]) -> NamedVersions:
        """Return the public versions of some candidates, each once."""
        versions = {candidate.version for candidate in candidates if candidate.version}
        return cls(name, tuple(sorted(versions, key=version_order)))

    def __str__(self) -> str:
        return f"{self.name} {version_span(self.versions) or self.specifier}".rstrip()


@dataclass(frozen=True, slots=True)
class FixedValues:
    """A component that the target or the goal fixes, and every value that it has there."""

    name: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} {' and '.join(self.values)}"


def version_span(versions: tuple[str, ...]) -> str:
    """Return ascending versions as text: a few by name, more as a span."""
    if len(versions) <= SHOWN_VERSIONS:
        return either(versions)
    return f"{versions[0]} to {versions[-1]}"


# -- the steps ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GoalRequires:
    """The goal, or lines of a repository, have a requirement."""

    requirement: ProjectRequirement
    lines: tuple[str, ...] = ()
    """`file:line`"""


@dataclass(frozen=True, slots=True)
class GoalWantsAccelerator:
    """The goal requires builds for an accelerator, or for none (`cpu`), or leaves it to the
    default."""

    name: str
    release: str | None
    is_stated: bool = True
    """whether the goal states it; else it follows from the target"""


@dataclass(frozen=True, slots=True)
class GoalWantsToolkit:
    """The goal requires NVIDIA's toolkit packages of a CUDA release; no parts means all."""

    release: str
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GoalWantsLibrary:
    """The goal requires a library such as cuDNN; `versions` are all there are, ascending."""

    title: str
    version: str
    project: str
    versions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PublishedBy:
    """The goal excludes what was published after a day."""

    day: str
    """`2025-06-30`"""


@dataclass(frozen=True, slots=True)
class BuilderRejected:
    """The other wheels of a project are by builders that `--builders` does not accept."""

    project: str
    builders: str
    """the value of the flag"""


@dataclass(frozen=True, slots=True)
class TargetHas:
    """A part of the target: `gpu`, `driver`, `glibc`, `python`, `platform` or `jetpack`."""

    part: str
    target: Target


@dataclass(frozen=True, slots=True)
class FactSays:
    """A curated fact about some releases, or about a value that is fixed.

    `parts` are the parts of the target that decided, and `labels` what the builds have of it.
    `implies` names the versions of another component that the fact leaves; without versions it
    leaves none.
    """

    subject: NamedVersions | FixedValues
    says: str
    fact: str
    parts: tuple[TargetHas, ...] = ()
    implies: NamedVersions | None = None
    labels: tuple[str, ...] = ()
    """the lowest and the highest value, as `8.0`"""


@dataclass(frozen=True, slots=True)
class BuiltWith:
    """The releases of an accelerator that the framework's versions are built with, ascending."""

    releases: NamedVersions
    versions: tuple[str, ...]
    name: str


@dataclass(frozen=True, slots=True)
class MetadataRequires:
    """The metadata of some releases requires other projects; each release has one of these."""

    owner: NamedVersions
    requirements: tuple[str, ...]
    """PEP 508, those for lower versions first"""


@dataclass(frozen=True, slots=True)
class PinRequires:
    """A pin of a solution that is not taken requires what the environment does not have."""

    owner: str
    """name and full version"""
    requirement: str
    """PEP 508"""


@dataclass(frozen=True, slots=True)
class NoWheel:
    """NamedVersions without a wheel for some parts of the target.

    `pythons` are the minor versions of CPython 3 that there are wheels for, and `glibc` the oldest
    that there is one for, where these are told.
    """

    releases: NamedVersions
    target: Target
    parts: tuple[str, ...]
    pythons: tuple[int, ...] = ()
    glibc: str | None = None


@dataclass(frozen=True, slots=True)
class SourceOnly:
    """NamedVersions that have a source distribution and no wheel at all.

    `build` is how it is built; None where nobody looked into it.
    """

    releases: NamedVersions
    build: SourceState | None = None


@dataclass(frozen=True, slots=True)
class Yanked:
    """A release that was yanked (PEP 592)."""

    project: str
    version: str
    reason: str


@dataclass(frozen=True, slots=True)
class NoSuchBuild:
    """A release without a build of the wanted local version; `labels` are those that it has."""

    project: str
    version: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnknownProject:
    """A project that is not in the matrix, nor on an index where one was asked."""

    project: str
    asked_index: bool


@dataclass(frozen=True, slots=True)
class CpuBuild:
    """The framework's build on the package index has no CUDA on the target."""

    framework: str


@dataclass(frozen=True, slots=True)
class IsInstalled:
    """A distribution that is installed and has to stay."""

    distribution: str
    """name and version"""


@dataclass(frozen=True, slots=True)
class NotBuiltFor:
    """A project whose wheels are built for releases of the framework, beside one that is none."""

    project: str
    framework: str
    """its name and version"""
    fact: str | None
    """the id of the fact by which the wheels are so, or about that framework"""


@dataclass(frozen=True, slots=True)
class IndexTrouble:
    """What could not be had of a project that only an index has."""

    message: str


@dataclass(frozen=True, slots=True)
class NotLookedUp:
    """Releases outside the matrix that the lack of a solution rests on."""

    releases: Unlisted


@dataclass(frozen=True, slots=True)
class Advice:
    """What a curated fact advises to do instead."""

    advice: str
    fact: str


Step = (
    GoalRequires
    | GoalWantsAccelerator
    | GoalWantsToolkit
    | GoalWantsLibrary
    | PublishedBy
    | BuilderRejected
    | TargetHas
    | FactSays
    | BuiltWith
    | MetadataRequires
    | PinRequires
    | NoWheel
    | SourceOnly
    | Yanked
    | NoSuchBuild
    | UnknownProject
    | CpuBuild
    | IsInstalled
    | NotBuiltFor
    | IndexTrouble
    | NotLookedUp
    | Advice
)
"""One line of an explanation."""


# -- words --------------------------------------------------------------------------------------


def fact_of(step: Step) -> str | None:
    """Return the id of the curated fact that a step rests on, None for no fact."""
    return step.fact if isinstance(step, FactSays | NotBuiltFor | Advice) else None


def render(step: Step) -> str:
    """Return a step as a line of text, with the id of its fact."""
    fact = fact_of(step)
    return f"{describe(step)}   [{fact}]" if fact else describe(step)


def describe(step: Step) -> str:
    """Return a step as a clause, without full stop and id."""
    match step:
        case GoalRequires(requirement, ()):
            return f"the goal requires {requirement}"
        case GoalRequires(requirement, lines):
            verb = "requires" if len(lines) == 1 else "require"
            return f"{' and '.join(lines)} {verb} {requirement}"
        case GoalWantsAccelerator():
            return _goal_wants_accelerator(step)
        case GoalWantsToolkit(release, parts):
            return f"the goal requires CUDA toolkit {release} ({', '.join(parts) or 'all parts'})"
        case GoalWantsLibrary(title, version, _, ()):
            return f"the goal requires {title} {version}; there is none"
        case GoalWantsLibrary(title, version, project, versions):
            has = f"{project} has {versions[0]} to {versions[-1]}"
            return f"the goal requires {title} {version}; {has}"
        case PublishedBy(day):
            return f"only releases published by {day} are allowed"
        case BuilderRejected(project, builders):
            rejected = f"`--builders {builders}` does not accept"
            return f"other wheels of {project} are by builders that {rejected}"
        case TargetHas():
            return _target_has(step)
        case FactSays():
            return _fact_says(step)
        case BuiltWith(releases, versions, name):
            row = ACCELERATORS[name]
            needs = f"and bring it along: the system's own {row.title} does not matter"
            return f"the builds of {releases} are for {row.title} {either(versions)}, {needs}"
        case MetadataRequires(owner, requirements):
            return f"{owner} requires {_requirement_span(requirements)} (its metadata)"
        case PinRequires(owner, requirement):
            return f"{owner} requires {requirement}"
        case NoWheel():
            return _no_wheel(step)
        case SourceOnly():
            return _source_only(step)
        case Yanked(project, version, reason):
            return f"{project} {version} {yanked_clause(reason)}"
        case NoSuchBuild(project, version, labels):
            shown = ", ".join(f"+{label}" for label in labels[:SHOWN_BUILDS])
            more = len(labels) - SHOWN_BUILDS
            shown += f" and {more} more" if more > 0 else ""
            return f"{project} {version} has no build with that local version; it has {shown}"
        case UnknownProject(project, True):
            return f"{project} is neither in the matrix nor on an index that was queried"
        case UnknownProject(project, _):
            return f"{project} is not in the matrix; `--live` queries the package index as well"
        case CpuBuild(framework):
            return f"{framework} on the package index is a build without CUDA there"
        case IsInstalled(distribution):
            return f"{distribution} is installed and has to stay"
        case NotBuiltFor(project, framework, _):
            return f"no wheel of {project} is known to be built for {framework}"
        case IndexTrouble(message):
            return message
        case NotLookedUp(releases):
            return _not_looked_up(releases)
        case Advice(advice, _):
            return f"instead: {advice}"


def _goal_wants_accelerator(step: GoalWantsAccelerator) -> str:
    row = ACCELERATORS.get(step.name)
    if row is None:
        return f"the goal requires a build without {DEFAULT.title}"
    if not step.is_stated and row is DEFAULT:
        return f"a build with {row.title} is required unless `--{row.name} {CPU}` is given"
    if not step.is_stated:
        return f"the target's GPU requires a build for {row.title}"
    return f"the goal requires {row.title} {step.release or ''}".rstrip()


def _not_looked_up(releases: Unlisted) -> str:
    name, coverage = releases.project, releases.coverage
    reason = f": {releases.reason}" if releases.reason else ""
    if coverage is None:
        return f"{name} is not in the matrix{reason}"
    if releases.is_newer:
        has = f"the matrix has {name} up to {coverage.newest} of {coverage.until}"
        return f"{has}, and a newer one is required{reason}"
    if releases.is_early:
        return f"the matrix has no pre-releases of {name}, and one may fit{reason}"
    return f"the matrix has {name} from {coverage.oldest} on, and an older one may fit{reason}"


def _source_only(step: SourceOnly) -> str:
    build = step.build
    if build is None:
        return f"{step.releases} has no wheel, only a source distribution"
    reason = f": {build.reason}" if build.reason else ""
    if build.kind == COMPILES:
        source = "only a source distribution that would have to be compiled"
        return f"{step.releases} has no wheel, {source}{reason}"
    if build.kind == UNUSABLE:
        return f"{step.releases} has no wheel, and its source distribution {build.reason}"
    source = "and whether its source distribution compiles anything is unknown"
    return f"{step.releases} has no wheel, {source}{reason}"


def _target_has(step: TargetHas) -> str:
    target = step.target
    if step.part == "glibc" and target.assumes_glibc:
        return f"the target is assumed to have glibc {target.glibc}"
    if step.part == "jetpack" and "jetpack" not in target.stated:
        return f"the target is assumed to have JetPack {target.jetpack}"
    by_part = {
        "gpu": _gpus_have(target),
        "driver": f"the target's driver is {target.driver}",
        "glibc": f"the target has glibc {target.glibc}",
        "python": f"the target has Python {target.python_text}",
        "platform": f"the target is {target.platform_label}",
        "jetpack": f"the target has JetPack {target.jetpack}",
    }
    return by_part[step.part]


def _gpus_have(target: Target) -> str:
    listed = " and ".join(target.gpus)
    # A capability is NVIDIA's word; other makers have names for their architectures.
    is_capability = all(of_gpu(gpu) is DEFAULT for gpu in target.gpus)
    return f"the target's GPU {'has compute capability' if is_capability else 'is'} {listed}"


def _fact_says(step: FactSays) -> str:
    text = f"{step.subject} {step.says}"
    if step.labels:
        lowest, highest = step.labels[0], step.labels[-1]
        text += f", from {lowest} to {highest}" if lowest != highest else f", {lowest}"
    text += "".join(f"; {_target_has(part)}" for part in step.parts)
    if step.implies is not None:
        nothing = f": only builds without {step.implies.name} are left"
        text += f": {step.implies}" if step.implies.versions else nothing
    return text


def _requirement_span(requirements: tuple[str, ...]) -> str:
    if len(requirements) > SHOWN_VERSIONS:
        return f"{requirements[0]} to {requirements[-1]}, depending on the release"
    return " or ".join(requirements)


def _no_wheel(step: NoWheel) -> str:
    target = step.target
    if step.parts == ("python",):
        only = f": only for Python {python_span(step.pythons)}" if step.pythons else ""
        return f"{step.releases} has no wheel for Python {target.python_text}{only}"
    if "glibc" in step.parts:
        return f"{step.releases} has no wheel for {describe_glibc(target, step.glibc)}"
    where = target.platform_label
    if step.parts != ("platform",):
        where += f" with Python {target.python_text}"
    return f"{step.releases} has no wheel for {where}"


def describe_glibc(target: Target, needed: str | None) -> str:
    """Return a Linux target whose glibc is too old, as a clause, with the oldest that will do."""
    assumed = " (assumed)" if target.assumes_glibc else ""
    only = f": only for glibc {needed} or newer" if needed else ""
    return f"{target.platform_label} with glibc {target.glibc}{assumed}{only}"


def python_span(minors: tuple[int, ...]) -> str:
    is_gapless = minors == tuple(range(minors[0], minors[-1] + 1))
    if is_gapless and len(minors) > 2:
        return f"3.{minors[0]} to 3.{minors[-1]}"
    return either([f"3.{minor}" for minor in minors])
