"""Which facts cover a version, a platform, a build; and which facts name a component."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from cudalock.matrix.facts import Fact, gpu_range
from cudalock.targets import LIKELY_PYTHONS, Target
from cudalock.versions import accepts, holds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cudalock.matrix.facts import Demand, Labels
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.releases import Build

ANY_PYTHON: Final = LIKELY_PYTHONS[0]
"""The Python for markers that are about platforms only."""


def marker_holds(marker: str | None, platform: str | None, python: str | None = None) -> bool:
    """Whether a marker holds on a platform; without one, any marker may."""
    if marker is None or platform is None:
        return True
    return holds(marker, _environment(platform, python or ANY_PYTHON))


@cache
def _environment(platform: str, python: str) -> Mapping[str, str]:
    # `3.13t`: the free-threaded build is a tag, and to markers the same Python.
    return Target(
        python.rstrip("t"), platform, free_threaded=python.endswith("t")
    ).marker_environment()


def covers_build(fact: Fact, build: Build) -> bool:
    """Whether `where` of a fact takes a build."""
    return where_fits(fact.where, build)


def where_fits(where: Labels, build: Build) -> bool:
    """Whether each label named has a value that fits one of its patterns."""
    return all(Fact.matches(build.row(name), patterns) for name, patterns in where.items())


def facts_of(matrix: Matrix, component: str, version: str, platform: str | None) -> list[Fact]:
    """The facts of a component that cover a version, on a platform or on any."""
    return [
        fact
        for fact in matrix.component(component).facts
        if accepts(fact.versions, version) and marker_holds(fact.when, platform)
    ]


def demands_of(fact: Fact) -> tuple[Demand, ...]:
    """Return everything a fact requires or forbids, of other components and of the machine."""
    return fact.beside + fact.of_machine


def demand_texts(fact: Fact) -> Iterator[tuple[str, str]]:
    """Yield verb and clause of each demand of a fact, as the TOML file has them."""
    for demand in demands_of(fact):
        template = demand.template
        shown = [f"{template.name}{_spaced(pattern)}" for pattern in template.patterns]
        yield demand.verb, " or ".join(shown)


def _spaced(pattern: str) -> str:
    """`gpu {archs:gpu}` has no operator, which the label brings along."""
    return f" {pattern}" if pattern.startswith("{") else pattern


def shuts_out(fact: Fact, component: str, version: str) -> bool:
    """Whether a fact, whatever the build, is incompatible with a version of another component."""
    return any(
        not any(accepts(pattern, version) for pattern in demand.template.patterns)
        for demand in demands_of(fact)
        if demand.template.name == component
        and demand.verb != "conflicts"
        # With a label it depends on the build, of which this knows none.
        and not demand.template.label_names
    )


def has_code_for(archs: tuple[str, ...], capability: str) -> bool:
    """Whether one of these architectures is machine code for a compute capability.

    `8.0+PTX` counts for 8.x only: its PTX is compiled on a newer GPU, but the CUDA libraries beside
    it are not.
    """
    ranges = [gpu_range(arch.removesuffix("+PTX")) for arch in archs]
    return any(accepts(capability_range, capability) for capability_range in ranges)


def natural(text: str) -> list[tuple[int, str]]:
    """A key that sorts `torch-2.9` before `torch-2.10`."""
    parts = re.split(r"([0-9]{1,100})", text)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
