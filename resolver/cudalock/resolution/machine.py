"""What a resolution needs of the machine: its driver, GPU and glibc."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cudalock.resolution.problem import Problem
from cudalock.targets.tags import glibc_floor
from cudalock.versions import parse_version, specifier_set

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.resolution.model import Resolution
    from cudalock.targets import Target

GLIBCS: Final = ("2.28", "2.31", "2.34", "2.35", "2.39")
"""Of Debian 10 to 13, RHEL 8 and 9, Ubuntu 20.04 to 24.04."""


def machine_bounds(resolution: Resolution) -> dict[str, list[tuple[str, ...]]]:
    """Return the specifiers that facts about the pins set for the machine, by virtual component.

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


def lower_bounds(bounds: list[tuple[str, ...]]) -> Iterator[str]:
    """Yield the versions that the specifiers name as the lowest."""
    for specifiers in bounds:
        for specifier in specifiers:
            for clause in specifier_set(specifier):
                if clause.operator == ">=":
                    yield clause.version


def glibc_needed(resolution: Resolution, bounds: list[tuple[str, ...]] | None = None) -> str | None:
    """Return the oldest glibc that the chosen wheels of all pins run on; None if no pin says.

    `bounds` are those of `machine_bounds` for glibc, where they are known already.
    """
    wheels = [[pin.wheel.tags] for pin in resolution.pins.values() if pin.wheel]
    return _oldest_glibc(resolution, wheels, bounds)


def oldest_glibc(resolution: Resolution) -> str | None:
    """Return the oldest glibc on which the same versions can be installed; None if no pin says.

    That is older than what `glibc_needed` returns where a build has further wheels for older ones.
    """
    family = resolution.target.family_tags()
    wheels = [
        [tags for tags in pin.build.tags if family.rank(tags) is not None]
        for pin in resolution.pins.values()
        if pin.build
    ]
    return _oldest_glibc(resolution, wheels, None)


def _oldest_glibc(
    resolution: Resolution, wheels: list[list[str]], bounds: list[tuple[str, ...]] | None
) -> str | None:
    """The oldest glibc that facts allow and that one of each list of wheels, by tags, runs on."""
    if not resolution.target.is_linux:
        return None
    if bounds is None:
        bounds = machine_bounds(resolution)["glibc"]
    # A wheel that promises no glibc counts as one that runs on any.
    floors = [min(glibc_floor(tags) or 0 for tags in of_build) for of_build in wheels]
    glibcs = [*lower_bounds(bounds), *(f"2.{floor}" for floor in floors if floor)]
    return max(glibcs, key=parse_version, default=None)


def newer_glibcs(target: Target) -> list[str]:
    """Return the usual glibcs that are newer than a target's, the oldest first."""
    if target.glibc is None:
        return []
    assumed = parse_version(target.glibc)
    return [glibc for glibc in GLIBCS if parse_version(glibc) > assumed]
