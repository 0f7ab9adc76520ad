"""What a resolution needs of the machine: its driver, GPU and glibc."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.resolution.problem import Problem
from cudalock.targets.tags import glibc_floor
from cudalock.versions import parse_version, specifier_set

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.resolution.model import Resolution


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


def _glibcs_of_wheels(resolution: Resolution) -> Iterator[str]:
    """Yield for each pin the oldest glibc that a tag of the chosen wheel promises to run on."""
    for candidate in resolution.pins.values():
        floor = glibc_floor(candidate.wheel.tags) if candidate.wheel else None
        if floor is not None:
            yield f"2.{floor}"


def glibc_needed(resolution: Resolution, bounds: list[tuple[str, ...]] | None = None) -> str | None:
    """Return the oldest glibc that all pins run on, `2.31`; None if no pin says.

    `bounds` are those of `machine_bounds` for glibc, where they are known already.
    """
    if not resolution.target.is_linux:
        return None
    if bounds is None:
        bounds = machine_bounds(resolution)["glibc"]
    glibcs = [*lower_bounds(bounds), *_glibcs_of_wheels(resolution)]
    return max(glibcs, key=parse_version, default=None)
