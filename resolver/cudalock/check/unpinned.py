"""Requirements without a version of their own, beside pins that their newest release fails with.

An installer takes the newest release that METADATA allows, and knows no facts: `transformers`
beside `torch==2.1.2` becomes one that switches torch off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.compat.in_force import facts_in_force, is_met
from cudalock.matrix.facts import NONE, VERSION
from cudalock.records import NamedTuple
from cudalock.resolution.wheels import best_wheel
from cudalock.versions import (
    accepts,
    is_prerelease,
    is_version,
    leading_name,
    parse_requirement,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cudalock.matrix.facts import Fact
    from cudalock.matrix.releases import Build, Release
    from cudalock.matrix.universe import Universe
    from cudalock.targets import Target


class NewestFails(NamedTuple):
    """The release that an installer would take, the fact that it goes against, and the newest one
    that goes against none."""

    version: str
    fact: Fact
    pin: str
    """the project of the pin that it does not work with"""
    better: str | None


def newest_that_fails(
    name: str,
    specifiers: Iterable[str],
    pins: Mapping[str, str],
    target: Target,
    universe: Universe,
) -> NewestFails | None:
    """Return why the newest release of a project that some specifiers accept does not work beside
    pins, versions by name; None if it does, or nothing is known about it.

    What the framework's build fixes, where its pin names a build, counts as pinned too.
    """
    first: tuple[str, Fact, str] | None = None
    # `===` may stand before any text.
    pins = {pinned: text for pinned, text in pins.items() if is_version(text)}
    fixed = _fixed_by_framework(pins, target, universe)
    pins = {pinned: text.partition("+")[0] for pinned, text in pins.items()}
    for version, release, build in usable(name, list(specifiers), target, universe):
        # A release whose own METADATA excludes a pin is none that an installer takes.
        if fixed and not _accepts_pins(build, pins, target):
            continue
        found = next(
            _violated(name, version, release, build, {**pins, **fixed}, target, universe), None
        )
        if found is not None and found[1] in fixed:
            found = found[0], universe.matrix.framework or ""
        if found is None:
            return first and NewestFails(*first, version)
        first = first or (version, *found)
    return first and NewestFails(*first, None)


def _fixed_by_framework(
    pins: Mapping[str, str], target: Target, universe: Universe
) -> dict[str, str]:
    """Return the CUDA release and the like of the framework's build that a pin names by its local
    version; empty where it names none, or one that the matrix does not have."""
    framework = universe.matrix.framework or ""
    public, _, local = pins.get(framework, "").partition("+")
    project = universe.matrix.project(framework)
    if not local or project is None or public not in project.versions:
        return {}
    tags = target.tags()
    build = next(
        (
            build
            for build in project.release(public).builds
            if build.local == local and best_wheel(build, tags) is not None
        ),
        None,
    )
    return {
        name: values[0]
        for name, values in (build.labels if build is not None else {}).items()
        if values[0] != NONE and universe.matrix.is_virtual(name)
    }


def _accepts_pins(build: Build, pins: Mapping[str, str], target: Target) -> bool:
    environment = target.marker_environment()
    return all(
        required.specifier is None or accepts(str(required.specifier), pins[name])
        for text in build.requires
        if (name := leading_name(text)) in pins
        and (
            (required := parse_requirement(text)).marker is None
            or required.marker.evaluate(environment)
        )
    )


def usable(
    name: str, specifiers: list[str], target: Target, universe: Universe
) -> Iterator[tuple[str, Release, Build]]:
    """Yield the releases with a wheel for the target, the newest first."""
    project = universe.matrix.project(name)
    tags, python = target.tags(), target.marker_environment()["python_full_version"]
    for version in reversed(project.versions if project is not None else ()):
        # A requirement without a version of its own brings no pre-release.
        if is_prerelease(version) or not all(accepts(each, version) for each in specifiers):
            continue
        release = project.release(version) if project is not None else None
        for build in release.builds if release is not None and not release.yanked else ():
            fits_python = build.python is None or accepts(build.python, python)
            if release is not None and fits_python and best_wheel(build, tags) is not None:
                yield version, release, build
                break


def _violated(
    name: str,
    version: str,
    release: Release,
    build: Build,
    pins: Mapping[str, str],
    target: Target,
    universe: Universe,
) -> Iterator[tuple[Fact, str]]:
    """The facts about a release, and about pins, that it goes against; each with the pin."""
    labels = {**build.labels, VERSION: (version,)}
    for fact in facts_in_force(name, version, target, universe.matrix, soft=True):
        is_of_row = fact.rows is None or fact.rows.covers(
            release.uploaded, build.tags[0], build.requires
        )
        if is_of_row and all(
            fact.matches(build.row(key), wish) for key, wish in fact.where.items()
        ):
            for demand in fact.beside:
                pin = pins.get(demand.template.name)
                # A warning counts where it is about the build that a pin names: it loses the GPU.
                counts = fact.is_hard or universe.matrix.is_virtual(demand.template.name)
                if pin is not None and counts and not is_met(demand, labels, pin):
                    yield fact, demand.template.name
    for pinned, pin in pins.items():
        for fact in facts_in_force(pinned, pin, target, universe.matrix):
            # Which build a pin comes to is not known here: only what is true of all of them counts.
            for demand in fact.beside if fact.rows is None and not fact.where else ():
                is_about = demand.template.name == name
                if is_about and not is_met(demand, {VERSION: (pin,)}, version):
                    yield fact, pinned


__all__ = ["NewestFails", "newest_that_fails", "usable"]
