"""Build a lock from a resolution: wheels with URLs and hashes, edges, needs, warnings."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from cudalock.conflicts.pin_reasons import PinExplainer
from cudalock.errors import NetworkError
from cudalock.lock.lock import (
    ALIKE,
    GOAL,
    Lock,
    LockedWheel,
    LockWarning,
    NewerRelease,
    Pin,
    ReplacedRequirement,
    UnknownFact,
)
from cudalock.matrix.releases import PACKAGE_INDEX
from cudalock.records import replace
from cudalock.resolution.machine import glibc_needed, lower_bounds, machine_bounds
from cudalock.resolution.model import accelerator_of
from cudalock.resolution.problem import Problem
from cudalock.targets.accelerators import ACCELERATORS, CUDA, DEFAULT, is_vendor_library
from cudalock.targets.facets import titled
from cudalock.text import NamesNote, listed
from cudalock.versions import (
    accepts,
    is_prerelease,
    leading_name,
    parse_requirement,
    parse_version,
    pins_exactly,
    specifier_set,
)

if TYPE_CHECKING:
    from cudalock.matrix.matrix import Index
    from cudalock.matrix.releases import Build, Release, Wheel
    from cudalock.matrix.sources import SourceState
    from cudalock.resolution.model import Candidate, Reason, Requirement, Resolution


def from_resolution(
    resolution: Resolution, command: str, searched: frozenset[str] = frozenset()
) -> Lock:
    """Return the lock of one target's resolution.

    `command` is the command line that makes the lock again; `searched` are ids of indexes that the
    file will name for other targets' sake.
    """
    used = {pin.build.index for pin in resolution.pins.values() if pin.build}
    problem = Problem(resolution.goal, resolution.target, resolution.universe)
    replacements = [*_replacements(resolution), *_skipped(resolution)]
    indexes = searched | {PACKAGE_INDEX} | {index for index in used if index}
    pins = tuple(_pin(problem, resolution, name, indexes) for name in resolution.pins)
    return Lock(
        target=resolution.target,
        goal=resolution.goal,
        matrix_version=resolution.matrix.version,
        pins=pins,
        needs=tuple(_needs(resolution)),
        warnings=tuple(_warnings(resolution)),
        notes=(
            *(note if isinstance(note, NamesNote) else str(note) for note in resolution.goal.notes),
            *_skip_notes(resolution),
            *_dated_notes(resolution),
        ),
        indexes=tuple(_indexes(resolution, used)),
        builders=tuple(sorted({pin.wheel.builder for pin in pins if pin.wheel.builder})),
        cuda=resolution.virtual.get(CUDA.name),
        command=command,
        replaced=tuple(f"{resolution.pins[row.of]}: {_sentence(row)}" for row in replacements),
        framework=_framework(resolution),
        accelerator=_accelerator(resolution),
        is_unlabelled=_is_unlabelled(resolution),
        stack=tuple(_stack(resolution)),
        replacements=tuple(replacements),
        unknowns=(*_unknowns(resolution), *_not_named(resolution)),
        newer=tuple(_newer(resolution)),
    )


def _pin(problem: Problem, resolution: Resolution, name: str, searched: frozenset[str]) -> Pin:
    candidate = resolution.pins[name]
    release, build, wheel = _parts(candidate)
    matrix = resolution.matrix
    renamed = matrix.is_renamed(build)
    source_build = problem.source_build(candidate)
    # A renamed wheel has a local version in its file name that METADATA lacks: `==2.8.3+cu12` would
    # not accept it once it is installed.
    local = build.local if build.local and not renamed else None
    acceptable = _acceptable(resolution, build)
    digests = sorted({other.sha256 for other in acceptable if other.sha256})
    reasons = resolution.reasons.get(name, ())
    parents = sorted({reason.parent for reason in reasons if reason.parent})
    return Pin(
        name=name,
        version=f"{release.version}+{local}" if local else release.version,
        wheel=_wheel(resolution, release, build, wheel, renamed, source_build),
        hashes=tuple(digests),
        hashes_complete=all(other.sha256 for other in acceptable),
        via=((GOAL,) if any(reason.parent is None for reason in reasons) else ()) + tuple(parents),
        facts=tuple(
            sorted(
                {r.requirement.origin.id for r in reasons if r.requirement.origin.kind == "fact"}
            )
        ),
        requires=tuple(
            other
            for other, its_reasons in resolution.reasons.items()
            if other in resolution.pins and any(reason.parent == name for reason in its_reasons)
        ),
        direct=_is_ambiguous(release, build, searched),
        wheels=tuple(
            _wheel(resolution, release, build, usable, renamed, source_build)
            for usable in (wheel, *(other for other in acceptable if other.tags != wheel.tags))
        ),
        overlooked=not any(_is_seen_by_uv(resolution, name, reason) for reason in reasons),
        held=any(_is_exact(problem, resolution, name, reason) for reason in reasons),
    )


def _is_exact(problem: Problem, resolution: Resolution, name: str, reason: Reason) -> bool:
    """Tell whether METADATA of another pin requires one version of a project, and uv sees it."""
    requirement = reason.requirement
    return (
        reason.parent is not None
        and requirement.origin.kind == "metadata"
        and len(requirement.specifiers) == 1
        and pins_exactly(requirement.specifiers)
        # What an archive requires is written into the file by name alone.
        and problem.source_build(resolution.pins[reason.parent]) is None
        and _is_seen_by_uv(resolution, name, reason)
    )


def _is_seen_by_uv(resolution: Resolution, name: str, reason: Reason) -> bool:
    """Tell whether uv sees what requires a project: the goal, or METADATA that it reads.

    uv takes all wheels of a release to have the same requirements. It reads the METADATA of one,
    the first by file name (tried with uv 0.13), so what only another wheel requires is lost.
    """
    if reason.parent is None:
        return True
    if reason.requirement.origin.kind != "metadata":
        return False
    release, build, _ = _parts(resolution.pins[reason.parent])
    # A builder's wheel is written as a URL, and uv reads the METADATA of that very file.
    if build.builder is not None:
        return True
    siblings = [
        other for other in release.builds if other.rows and _origin(other) == _origin(build)
    ]
    if not siblings:
        return True
    if all(other.requires is build.requires for other in siblings):
        return True
    first = min(
        siblings,
        key=lambda other: min(wheel.file(release.version, other.local) for wheel in other.wheels),
    )
    return any(leading_name(text) == name for text in first.requires)


def _origin(build: Build) -> tuple[str | None, str | None]:
    return build.index, build.local


def _parts(candidate: Candidate) -> tuple[Release, Build, Wheel]:
    """Narrow the types of a pinned candidate, which always is a wheel."""
    if candidate.release is None or candidate.build is None or candidate.wheel is None:
        raise TypeError(f"{candidate} is not a wheel")
    return candidate.release, candidate.build, candidate.wheel


def _wheel(
    resolution: Resolution,
    release: Release,
    build: Build,
    wheel: Wheel,
    renamed: bool,
    source_build: SourceState | None,
) -> LockedWheel:
    is_alike = build.known == "derived" and release.has_seen_beside(build, wheel.tags)
    return LockedWheel(
        file=wheel.file(release.version, build.local),
        sha256=wheel.sha256,
        index=build.index,
        builder=build.builder,
        url=resolution.universe.url(build, wheel, release.version),
        trust=resolution.universe.trust(build),
        known=ALIKE if is_alike else build.known,
        warning=build.warning,
        renamed=renamed,
        source=build.source,
        size=wheel.size,
        build=source_build,
    )


def _acceptable(resolution: Resolution, build: Build) -> list[Wheel]:
    """Return the wheels of a build that an installer may take on some machine like the target.

    A machine with a newer glibc prefers a newer manylinux wheel than the one chosen here, and its
    hash has to be in the lock as well.
    """
    tags = resolution.target.family_tags()
    return [wheel for wheel in build.wheels if tags.rank(wheel.tags) is not None]


def _is_ambiguous(release: Release, build: Build, searched: frozenset[str]) -> bool:
    """Tell whether name and version leave open from which of the searched indexes a wheel comes.

    A specifier without a local version matches every build of its release (PEP 440, "Version
    matching"): `torch==2.5.1` accepts 2.5.1+cu124.
    """
    return build.builder is not None or any(
        other.index != build.index
        and other.index in searched
        and (build.local is None or other.local == build.local)
        for other in release.builds
    )


def _indexes(resolution: Resolution, used: set[str | None]) -> Iterator[Index]:
    for id, index in resolution.universe.indexes.items():
        if id in used and id != PACKAGE_INDEX:
            yield index


def _accelerator(resolution: Resolution) -> tuple[str, str] | None:
    """Return the accelerator that the framework is built for, and its version."""
    framework = resolution.pins.get(resolution.matrix.framework or "")
    return accelerator_of(framework) if framework is not None else None


def _is_unlabelled(resolution: Resolution) -> bool:
    """Tell whether nobody knows what the framework is built for."""
    framework = resolution.pins.get(resolution.matrix.framework or "")
    return framework is not None and framework.accelerator is None


def _framework(resolution: Resolution) -> str | None:
    name = resolution.matrix.framework
    return name if name in resolution.pins else None


def _stack(resolution: Resolution) -> Iterator[str]:
    for name in sorted(resolution.pins):
        wheel = resolution.pins[name].wheel
        # A pure wheel does not depend on the framework's build.
        compiled = wheel is not None and not wheel.tags.endswith("-none-any")
        if is_vendor_library(name) or (compiled and resolution.matrix.is_curated(name)):
            yield name


def _warnings(resolution: Resolution) -> Iterator[LockWarning]:
    for fact in resolution.warnings:
        candidate = resolution.pins.get(fact.component)
        version = candidate.version if candidate else resolution.virtual.get(fact.component)
        subject = f"{fact.component} {version}" if version else fact.component
        yield LockWarning(fact.id, f"{subject} {fact.says}", fact.effect)
    yield from _same_files(resolution)


def _same_files(resolution: Resolution) -> Iterator[LockWarning]:
    """Yield the pins that overwrite one another's files, where that is no reason against them."""
    sharers = resolution.matrix.file_sharers
    # Each row would ask each pin, and most locks have no two projects that share a file.
    if not any(sharers.get(name, frozenset()) & resolution.pins.keys() for name in resolution.pins):
        return
    reported = set()
    for shared in resolution.matrix.shared_files:
        if shared.fact.scope == "solve":
            continue
        sharing = [pin for name, pin in resolution.pins.items() if shared.holder(name, pin.version)]
        for one, other in pairwise(sharing):
            if (pair := (one.name, other.name)) not in reported:
                reported.add(pair)
                yield LockWarning(
                    shared.fact_id(*pair),
                    f"{one} and {other} both install `{shared.path}`: the last one installed "
                    "overwrites the other",
                    shared.fact.effect,
                )


def _unknowns(resolution: Resolution) -> Iterator[UnknownFact]:
    problem = Problem(resolution.goal, resolution.target, resolution.universe)
    build = resolution.pins.get(_framework(resolution) or "")
    chosen = {
        **resolution.pins,
        **{candidate.name: candidate for candidate in resolution.virtual_candidates},
    }
    for name, candidate in resolution.pins.items():
        beside = None if candidate is build else build
        for clause in problem.unknowns.clauses_beside(candidate, beside):
            values = problem.target_values.get(clause.about) or (chosen[clause.about],)
            about = listed(titled(value.name, value.full_version) for value in values)
            yield UnknownFact(f"{name} {candidate.full_version}", about, clause.fact.id)


def _not_named(resolution: Resolution) -> Iterator[UnknownFact]:
    """Yield the components that require no framework, although their next release does.

    That such a release fits any framework is not known: it may have left the requirement to an
    extra, or to its documentation.
    """
    problem = Problem(resolution.goal, resolution.target, resolution.universe)
    # The goal may rule the next release out, and it is a neighbour all the same.
    wide = Problem(resolution.goal, resolution.target, resolution.universe, wide=True)
    framework = resolution.pins.get(_framework(resolution) or "")
    for name in resolution.goal_names if framework is not None else ():
        candidate = resolution.pins.get(name)
        if candidate is None or framework is None or candidate is framework:
            continue
        if next(_demands(problem, candidate, framework.name), None) is not None:
            continue
        following = _next_release(wide, candidate)
        demand = following and next(_demands(problem, following, framework.name), None)
        if demand:
            why = f"it names no {framework.name}, and {following} requires {demand}"
            yield UnknownFact(
                f"{name} {candidate.full_version}",
                f"{framework.name} {framework.full_version}",
                None,
                why,
            )


def _demands(problem: Problem, candidate: Candidate, framework: str) -> Iterator[Requirement]:
    """Yield what metadata and facts require of the framework beside a candidate."""
    yield from problem.metadata_requirements(candidate, frozenset([framework]))
    for requirement in problem.fact_requirements(candidate):
        if requirement.name == framework:
            yield requirement


def _next_release(wide: Problem, candidate: Candidate) -> Candidate | None:
    """Return the next newer final release of a project for the target, if it can be read."""
    project = wide.universe.project(candidate.name)
    versions = project.versions if project is not None else []
    newer = versions[versions.index(candidate.version or "") + 1 :]
    following = next((version for version in newer if not is_prerelease(version)), None)
    if following is None:
        return None
    with suppress(NetworkError):
        return next(iter(wide.candidates_at(candidate.name, following)), None)
    return None


def _newer(resolution: Resolution) -> Iterator[NewerRelease]:
    explainer = PinExplainer(resolution)
    for name in resolution.goal_names:
        passed = explainer.newest_passed_over(name) if name in resolution.pins else None
        unknown = [newer for newer in resolution.unknown_newer if newer.name == name]
        if passed is not None and all(newer.version not in passed.versions for newer in unknown):
            yield NewerRelease(name, passed.versions[0], passed.why, passed.fact)
        if unknown:
            # Two dozen classes, which most solves do not need.
            from cudalock.conflicts.step import NotLookedUp, render
        for newer in unknown:
            # Why nobody was asked is about this run: with it the same lock would have other bytes.
            unlisted = (releases._replace(reason="") for releases in newer.unlisted)
            reasons = "; ".join(render(NotLookedUp(releases)) for releases in unlisted)
            yield NewerRelease(name, newer.version, f"whether it fits is unknown: {reasons}", None)


def _replacements(resolution: Resolution) -> Iterator[ReplacedRequirement]:
    problem = Problem(resolution.goal, resolution.target, resolution.universe)
    for row in problem.replacements():
        pinned = resolution.pins.get(row.of)
        if pinned is None or not accepts(row.of_versions, pinned.version or ""):
            continue
        if not _is_met_anyway(resolution, pinned, row.requirement):
            yield ReplacedRequirement(row.of, row.requirement, row.replacement, row.fact)


SKIPPED: Final = "--skip"
"""What stands in the place of a fact's id where the user left a requirement out."""


def _skipped(resolution: Resolution) -> Iterator[ReplacedRequirement]:
    """Yield the requirements of the pins that `--skip` leaves out."""
    problem = Problem(replace(resolution.goal, skip=()), resolution.target, resolution.universe)
    for name, pinned in resolution.pins.items():
        reasons = resolution.reasons.get(name, ())
        extras = frozenset(extra for reason in reasons for extra in reason.requirement.extras)
        parts = [pinned, *([pinned.with_extras(extras)] if extras else ())]
        named = {
            requirement.name
            for part in parts
            for requirement in problem.metadata_requirements(part)
        }
        for skipped in resolution.goal.skip:
            if skipped in named:
                yield ReplacedRequirement(name, skipped, None, SKIPPED)


def _skip_notes(resolution: Resolution) -> Iterator[str]:
    for name in resolution.goal.skip:
        yield f"`--skip` leaves out {name}: install it yourself"


NAMED_DATED: Final = 4
"""How many neighbours of one old release are named."""


def _dated_notes(resolution: Resolution) -> Iterator[str]:
    """A note for each old release: its neighbours in the major versions of its day."""
    by_parent: dict[str, list[str]] = {}
    # What is tied to the framework first: that is what most likely fails.
    stack = resolution.matrix.curated
    for dated in sorted(resolution.dated, key=lambda dated: dated.name not in stack):
        pin = resolution.pins.get(dated.name)
        if pin is not None:
            by_parent.setdefault(dated.parent, []).append(f"{dated.name} {pin.version}")
    for parent, pins in by_parent.items():
        more = len(pins) - NAMED_DATED
        rest = f" and {more} more" if more > 0 else ""
        yield (
            f"{listed(pins[:NAMED_DATED])}{rest}: the major versions of the day of {parent}, which "
            "states no upper bound"
        )


def _is_met_anyway(resolution: Resolution, pinned: Candidate, requirement: str) -> bool:
    """Tell whether a requirement that a fact sets aside is met by this lock all the same."""
    pin = resolution.pins.get(requirement)
    texts = pinned.build.requires if pinned.build else ()
    parsed = [parse_requirement(text) for text in texts if leading_name(text) == requirement]
    return pin is not None and all(
        accepts(str(other.specifier), pin.full_version) for other in parsed
    )


def _sentence(row: ReplacedRequirement) -> str:
    instead = f"replaced by {row.replacement}" if row.replacement else "dropped"
    return f"its requirement {row.requirement} is {instead} [{row.fact}]"


# -- what the machine needs ---------------------------------------------------------------------


def _needs(resolution: Resolution) -> Iterator[str]:
    bounds = machine_bounds(resolution)
    # Several pins may each need a driver; the highest floor is enough for all.
    drivers = list(lower_bounds(bounds["driver"]))
    if drivers:
        yield f"driver >= {max(drivers, key=parse_version)}"
    glibc = glibc_needed(resolution, bounds["glibc"])
    if glibc is not None:
        yield f"glibc >= {glibc}"
    accelerator = _accelerator(resolution)
    if accelerator is not None and accelerator[0] != DEFAULT.name:
        yield from _needs_of_another(resolution, accelerator[0])
        return
    gpus = _gpu_range(bounds["gpu"], resolution.matrix.gpus.capabilities)
    if gpus and resolution.target.accelerators:
        yield gpus


def _needs_of_another(resolution: Resolution, accelerator: str) -> Iterator[str]:
    """Yield what a framework for another accelerator than the default one needs of the machine."""
    row = ACCELERATORS[accelerator]
    if row.kernel_driver and resolution.target.is_linux:
        yield f"the {row.kernel_driver} kernel driver"
    framework = resolution.pins.get(resolution.matrix.framework or "")
    targets = framework.row(row.component) if framework is not None else ()
    yield f"{row.vendor} GPU {', '.join(targets)}" if targets else f"{row.vendor} GPU"


def _gpu_range(bounds: list[tuple[str, ...]], capabilities: Collection[str]) -> str | None:
    """Return the compute capabilities that every pin has code for, as a sentence's part.

    `capabilities` are those of all GPUs in the matrix. Example: bounds of `>=8.0` and `<10.0` are
    `GPU sm_80 to sm_9x`.
    """
    # One major version past all that a GPU or a bound has stands for every newer GPU.
    versions = {clause.version for texts in bounds for t in texts for clause in specifier_set(t)}
    majors = {int(version.split(".")[0]) for version in (*capabilities, *versions)}
    newer = max(majors, default=0) + 1
    known = [
        f"{major}.{minor}"
        for major in range(min(majors, default=newer), newer + 1)
        for minor in range(10)
    ]
    fit = [
        capability
        for capability in known
        if all(any(accepts(text, capability) for text in texts) for texts in bounds)
    ]
    if not bounds or not fit:
        return None
    lowest = fit[0].replace(".", "")
    highest = int(fit[-1].split(".")[0])
    return f"GPU sm_{lowest} or newer" if highest == newer else f"GPU sm_{lowest} to sm_{highest}x"
