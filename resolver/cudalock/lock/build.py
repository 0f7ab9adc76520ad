"""From a resolution to a lock: wheels with their addresses and hashes, edges, needs, warnings."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from cudalock.lock.lock import GOAL, Lock, LockedWheel, LockWarning, Pin, ReplacedRequirement
from cudalock.matrix.releases import PACKAGE_INDEX
from cudalock.resolution.problem import Problem
from cudalock.targets.accelerators import CUDA, is_vendor_library
from cudalock.targets.tags import glibc_floor
from cudalock.versions import accepts, leading_name, parse_requirement, parse_version, specifier_set

if TYPE_CHECKING:
    from cudalock.matrix.matrix import Index
    from cudalock.matrix.releases import Build, Release, Wheel
    from cudalock.resolution import Candidate, Reason, Resolution


def from_resolution(
    resolution: Resolution, command: str, searched: frozenset[str] = frozenset()
) -> Lock:
    """The lock of a resolution; ``command`` is the command line that makes it again.

    ``searched`` are indexes that the file will name for other targets' sake.
    """
    used = {each.build.index for each in resolution.pins.values() if each.build}
    replacements = list(_replacements(resolution))
    indexes = searched | {PACKAGE_INDEX} | {index for index in used if index}
    pins = tuple(_pin(resolution, name, indexes) for name in resolution.pins)
    return Lock(
        target=resolution.target,
        goal=resolution.goal,
        matrix_version=resolution.matrix.version,
        pins=pins,
        needs=tuple(_needs(resolution)),
        warnings=tuple(_warnings(resolution)),
        notes=tuple(map(str, resolution.goal.notes)),
        indexes=tuple(_indexes(resolution, used)),
        builders=tuple(sorted({pin.wheel.builder for pin in pins if pin.wheel.builder})),
        cuda=resolution.virtual.get(CUDA.name),
        command=command,
        replaced=tuple(f"{resolution.pins[item.of]}: {_told(item)}" for item in replacements),
        framework=_framework(resolution),
        stack=tuple(_stack(resolution)),
        replacements=tuple(replacements),
    )


def _pin(resolution: Resolution, name: str, searched: frozenset[str]) -> Pin:
    candidate = resolution.pins[name]
    release, build, wheel = _parts(candidate)
    matrix = resolution.matrix
    renamed = matrix.is_renamed(build)
    local = build.local if build.local and not renamed else None
    acceptable = _acceptable(resolution, build)
    digests = sorted({each.sha256 for each in acceptable if each.sha256})
    reasons = resolution.reasons.get(name, ())
    parents = sorted({reason.parent for reason in reasons if reason.parent})
    return Pin(
        name=name,
        version=f"{release.version}+{local}" if local else release.version,
        wheel=_wheel(resolution, release, build, wheel, renamed),
        hashes=tuple(digests),
        hashes_complete=all(each.sha256 for each in acceptable),
        via=((GOAL,) if any(reason.parent is None for reason in reasons) else ()) + tuple(parents),
        facts=tuple(
            sorted(
                {r.requirement.origin.id for r in reasons if r.requirement.origin.kind == "fact"}
            )
        ),
        requires=tuple(
            other
            for other, found in resolution.reasons.items()
            if other in resolution.pins and any(reason.parent == name for reason in found)
        ),
        direct=_is_ambiguous(release, build, searched),
        wheels=tuple(
            _wheel(resolution, release, build, each, renamed)
            for each in (wheel, *(other for other in acceptable if other.tags != wheel.tags))
        ),
        overlooked=not any(_is_seen(resolution, name, reason) for reason in reasons),
    )


def _is_seen(resolution: Resolution, name: str, reason: Reason) -> bool:
    """Whether uv sees what requires a project: the goal, or METADATA that it reads.

    For all wheels of a release it reads that of the first by file name (tried with uv 0.13).
    """
    if reason.parent is None:
        return True
    if reason.requirement.origin.kind != "metadata":
        return False
    release, build, _ = _parts(resolution.pins[reason.parent])
    if build.builder is not None:
        return True
    alike = [each for each in release.builds if _place(each) == _place(build)]
    if all(each.requires is build.requires for each in alike):
        return True
    read = min(
        alike, key=lambda each: min(w.file(release.version, each.local) for w in each.wheels)
    )
    return any(leading_name(text) == name for text in read.requires)


def _place(build: Build) -> tuple[str | None, str | None]:
    return build.index, build.local


def _parts(candidate: Candidate) -> tuple[Release, Build, Wheel]:
    if candidate.release is None or candidate.build is None or candidate.wheel is None:
        raise TypeError(f"{candidate} is no wheel")  # pins hold wheels only
    return candidate.release, candidate.build, candidate.wheel


def _wheel(
    resolution: Resolution, release: Release, build: Build, wheel: Wheel, renamed: bool
) -> LockedWheel:
    return LockedWheel(
        file=wheel.file(release.version, build.local),
        sha256=wheel.sha256,
        index=build.index,
        builder=build.builder,
        url=resolution.universe.url(build, wheel, release.version),
        trust=resolution.universe.trust(build),
        known=build.known,
        warning=build.warning,
        renamed=renamed,
        source=build.source,
        size=wheel.size,
    )


def _acceptable(resolution: Resolution, build: Build) -> list[Wheel]:
    """The wheels of a build that an installer may take on some machine of the target's kind.

    A machine with a newer glibc prefers a newer manylinux wheel than the one chosen here.
    """
    tags = resolution.target.family_tags()
    return [wheel for wheel in build.wheels if tags.rank(wheel.tags) is not None]


def _is_ambiguous(release: Release, build: Build, searched: frozenset[str]) -> bool:
    """Whether name and version do not tell a build's wheel from that of another index searched.

    A version without a local label matches every build of its release.
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


def _framework(resolution: Resolution) -> str | None:
    name = resolution.matrix.framework
    return name if name in resolution.pins else None


def _stack(resolution: Resolution) -> Iterator[str]:
    for name in sorted(resolution.pins):
        wheel = resolution.pins[name].wheel
        compiled = wheel is not None and not wheel.tags.endswith("-none-any")
        if is_vendor_library(name) or (compiled and resolution.matrix.is_curated(name)):
            yield name


def _warnings(resolution: Resolution) -> Iterator[LockWarning]:
    for fact in resolution.warnings:
        candidate = resolution.pins.get(fact.component)
        version = candidate.version if candidate else resolution.virtual.get(fact.component)
        subject = f"{fact.component} {version}" if version else fact.component
        yield LockWarning(fact.id, f"{subject} {fact.says}", fact.effect)


def _replacements(resolution: Resolution) -> Iterator[ReplacedRequirement]:
    problem = Problem(resolution.goal, resolution.target, resolution.universe)
    for item in problem.replacements():
        pinned = resolution.pins.get(item.of)
        if pinned is None or not accepts(item.of_versions, pinned.version or ""):
            continue
        if not _is_met_anyway(resolution, pinned, item.requirement):
            yield ReplacedRequirement(item.of, item.requirement, item.replacement, item.fact)


def _is_met_anyway(resolution: Resolution, pinned: Candidate, requirement: str) -> bool:
    """Whether what METADATA says, though a fact sets it aside, holds in this lock all the same."""
    found = resolution.pins.get(requirement)
    texts = pinned.build.requires if pinned.build else ()
    asked = [parse_requirement(text) for text in texts if leading_name(text) == requirement]
    return found is not None and all(
        accepts(str(each.specifier), found.full_version) for each in asked
    )


def _told(item: ReplacedRequirement) -> str:
    instead = f"replaced by {item.replacement}" if item.replacement else "dropped"
    return f"its requirement {item.requirement} is {instead} [{item.fact}]"


# -- what the machine needs ---------------------------------------------------------------------


def _needs(resolution: Resolution) -> Iterator[str]:
    bounds = _machine_bounds(resolution)
    drivers = list(_lower_bounds(bounds["driver"]))
    if drivers:
        yield f"driver >= {max(drivers, key=parse_version)}"
    if resolution.target.is_linux:
        libcs = [*_lower_bounds(bounds["glibc"]), *_glibcs_of_wheels(resolution)]
        if libcs:
            yield f"glibc >= {max(libcs, key=parse_version)}"
    gpus = _gpu_range(bounds["gpu"], resolution.matrix.gpus.capabilities)
    if gpus and resolution.target.accelerators:
        yield gpus


def _machine_bounds(resolution: Resolution) -> dict[str, list[tuple[str, ...]]]:
    """The specifiers that facts in force about the pins set for the machine, by virtual component.

    Those of one tuple are alternatives: a machine has to be in one of them.
    """
    problem = Problem(resolution.goal, resolution.target, resolution.universe)
    bounds: dict[str, list[tuple[str, ...]]] = {"driver": [], "glibc": [], "gpu": []}
    for requirement in problem.machine_requirements(
        [*resolution.pins.values(), *resolution.virtual_candidates]
    ):
        if requirement.name in bounds:
            bounds[requirement.name].append(requirement.specifiers)
    return bounds


def _lower_bounds(bounds: list[tuple[str, ...]]) -> Iterator[str]:
    for specifiers in bounds:
        for specifier in specifiers:
            for clause in specifier_set(specifier):
                if clause.operator == ">=":
                    yield clause.version


def _glibcs_of_wheels(resolution: Resolution) -> Iterator[str]:
    """For each pin the oldest glibc that some wheel tag of the chosen file promises to run on."""
    for candidate in resolution.pins.values():
        floor = glibc_floor(candidate.wheel.tags) if candidate.wheel else None
        if floor is not None:
            yield f"2.{floor}"


def _gpu_range(bounds: list[tuple[str, ...]], capabilities: Collection[str]) -> str | None:
    """The compute capabilities that every pin has code for, from the lowest to the highest.

    `capabilities` are those of all GPUs that the matrix knows.
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


__all__ = ["from_resolution"]
