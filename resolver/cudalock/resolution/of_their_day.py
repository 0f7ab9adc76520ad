"""Neighbours of an old release in the newest major version that existed when it was published.

METADATA of a serving engine says `transformers>=4.51` and means the 4.x that it was tried with: of
the next major version nobody knew. Where nothing says that a later one fits, the one of its day
comes first.

The other way round, a component of the goal that is years older than the framework is the last
choice: a transformers of 2019 has no bound on what came after it, and works with none of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from cudalock.goals import ProjectRequirement
from cudalock.resolution.model import Dated
from cudalock.versions import (
    accepts,
    is_prerelease,
    leading_name,
    parse_requirement,
    parse_version,
    specifier_set,
)

if TYPE_CHECKING:
    from cudalock.matrix.releases import Project
    from cudalock.resolution.model import Candidate, Resolution

_BOUNDS: Final = ("<", "<=", "==", "===", "~=")
_LEAST_YEAR: Final = 1000
"""From here on a major version is a year, which says nothing of what fits."""


def later_than_their_day(resolution: Resolution) -> tuple[Dated, ...]:
    """Return the pins in a later major version than there was when a component of the goal that
    requires them was published."""
    found: dict[str, Dated] = {}
    for dated in _all_later(resolution):
        known = found.get(dated.name)
        # Of several that require it the oldest has seen the fewest majors, and has to work as well.
        if known is None or dated.major < known.major:
            found[dated.name] = dated
    return tuple(found[name] for name in sorted(found))


def _all_later(resolution: Resolution) -> Iterator[Dated]:
    stated = stated_projects(resolution)
    for parent in resolution.goal_names:
        candidate = resolution.pins.get(parent)
        # What the framework and its companions require is general, and was tried with each release.
        is_central = parent == resolution.matrix.framework or parent in resolution.matrix.ranked
        if candidate is None or is_central:
            continue
        day = candidate.release.uploaded if candidate.release is not None else None
        for name in _unbounded(resolution, candidate) if day is not None else ():
            pin = resolution.pins[name]
            if name in stated or name == resolution.matrix.framework or day is None:
                continue
            major = _newest_major(resolution, name, day)
            if major is not None and parse_version(pin.version or "0").major > major:
                yield Dated(name, major, f"{parent} {candidate.version}")


def _unbounded(resolution: Resolution, candidate: Candidate) -> Iterator[str]:
    """The pins that METADATA of a candidate requires without an upper bound, and that no fact about
    it speaks of."""
    facts = resolution.matrix.component(candidate.name).facts
    # NumPy has a rule of its own, which says what goes with which.
    known = resolution.matrix.fits_any(candidate.name).union(
        demand.template.name for fact in facts for demand in fact.beside
    )
    for name in resolution.pins:
        reasons = [
            reason.requirement
            for reason in resolution.reasons.get(name, ())
            if reason.parent == candidate.name and reason.requirement.origin.kind == "metadata"
        ]
        specifiers = [specifier for each in reasons for specifier in each.specifiers]
        if reasons and name not in known and not any(map(_is_bounded, specifiers)):
            yield name


def _is_bounded(specifier: str) -> bool:
    return any(clause.operator in _BOUNDS for clause in specifier_set(specifier))


def _newest_major(resolution: Resolution, name: str, day: str) -> int | None:
    """Return the newest major version of a day; None if its releases are of no known day, or its
    majors are years."""
    for version, project in _finals_newest_first(resolution, name):
        uploaded = project.release(version).uploaded
        if uploaded is not None and uploaded <= day:
            major = parse_version(version).major
            return major if major < _LEAST_YEAR else None
    return None


_YEARS: Final = 2
"""How much older than the framework a component of the goal is taken only if nothing else is left:
longer than any torch was supported."""


def bounded_since(resolution: Resolution) -> tuple[ProjectRequirement, ...]:
    """Return constraints that keep components of the goal to their newest release that states an
    upper bound on the framework, where the goal states no version of the framework and an older
    release was chosen for want of such a bound: an lmdeploy of 2023 fits each torch by its
    METADATA, and whoever made the next ones knew of none that does."""
    pin = resolution.pins.get(resolution.matrix.framework or "")
    if pin is None or pin.name in stated_projects(resolution):
        return ()
    return _floors(
        (candidate, _newest_bounded(resolution, candidate, pin))
        for candidate in _unstated_components(resolution)
        if pin.name in _unbounded(resolution, candidate)
    )


def _newest_bounded(
    resolution: Resolution, candidate: Candidate, framework: Candidate
) -> str | None:
    """Return the newest release of a project since a candidate that excludes the chosen release of
    the framework as too new; None if there is none."""
    for version, project in _finals_newest_first(resolution, candidate.name):
        if parse_version(version) <= parse_version(candidate.version or "0"):
            break
        builds = project.release(version).builds
        for text in builds[0].requires if builds else ():
            if leading_name(text) == framework.name:
                specifier = str(parse_requirement(text).specifier)
                if _is_bounded(specifier) and not accepts(specifier, framework.version or ""):
                    return version
    return None


def older_than_their_day(resolution: Resolution) -> tuple[ProjectRequirement, ...]:
    """Return constraints that keep components of the goal, whose newer releases were not chosen,
    to those that are not years older than the framework."""
    framework = resolution.pins.get(resolution.matrix.framework or "")
    day = framework.release.uploaded if framework is not None and framework.release else None
    if day is None:
        return ()
    # Days are ISO 8601, which as text are in the order of time.
    limit = f"{int(day[:4]) - _YEARS}{day[4:]}"
    return _floors(
        (candidate, _oldest_since(resolution, candidate.name, limit))
        for candidate in _unstated_components(resolution)
        if candidate.release is not None and (candidate.release.uploaded or limit) < limit
    )


def of_newest_major(resolution: Resolution) -> tuple[ProjectRequirement, ...]:
    """Return constraints that keep components of the goal, of which an older major version was
    chosen, to the newest one: a dgl of 2018 has no warning, and works with nothing of today."""
    target = resolution.target
    # A warning about what the user stated is a reason to go back: ctranslate2 4 is for CUDA 12.
    if resolution.goal.accelerator is not None or target.gpus or target.driver:
        return ()
    return _floors(
        (candidate, _newer_major(resolution, candidate))
        for candidate in _unstated_components(resolution)
    )


def _newer_major(resolution: Resolution, candidate: Candidate) -> str | None:
    """Return the newest major version of a project, if it is newer than a candidate's."""
    newest, _ = next(_finals_newest_first(resolution, candidate.name), ("0", None))
    major = parse_version(newest).major
    is_newer = parse_version(candidate.version or "0").major < major < _LEAST_YEAR
    return str(major) if is_newer else None


def _floors(oldest: Iterable[tuple[Candidate, str | None]]) -> tuple[ProjectRequirement, ...]:
    """Return constraints from the oldest versions that candidates of the goal may have, where there
    is one."""
    return tuple(
        ProjectRequirement.of(candidate.name, f">={version}")
        for candidate, version in oldest
        if version is not None
    )


def _unstated_components(resolution: Resolution) -> Iterator[Candidate]:
    """Yield the pins that the goal names without a version."""
    stated = stated_projects(resolution)
    for name in resolution.goal_names:
        if name not in stated and name in resolution.pins:
            yield resolution.pins[name]


def _finals_newest_first(resolution: Resolution, name: str) -> Iterator[tuple[str, Project]]:
    """Yield the versions of a project that are no pre-releases, each with the project: to parse the
    row of a release takes long."""
    project = resolution.universe.project(name)
    for version in reversed(project.versions if project is not None else ()):
        if project is not None and not is_prerelease(version):
            yield version, project


def _oldest_since(resolution: Resolution, name: str, day: str) -> str | None:
    """Return the oldest release of a project since a day; None if it has none, or none is known."""
    project = resolution.universe.project(name)
    for version in project.versions if project is not None else ():
        uploaded = project.release(version).uploaded if project is not None else None
        if uploaded is not None and uploaded >= day and not is_prerelease(version):
            return version
    return None


def stated_projects(resolution: Resolution) -> set[str]:
    """The projects of which the goal states versions."""
    goal = resolution.goal
    return {stated.name for stated in (*goal.requirements, *goal.constraints) if stated.specifier}


__all__ = [
    "bounded_since",
    "later_than_their_day",
    "of_newest_major",
    "older_than_their_day",
    "stated_projects",
]
