"""Facets: the parts of a target that a user may state, one row each.

A facet's name is its flag without dashes, its key in `[tool.cudalock]`, what `Target.stated` holds
and, where facts may speak of it, its virtual component. To add one, add a row here and a field to
`Target`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cudalock.records import NamedTuple
from cudalock.targets.accelerators import ACCELERATORS, gpu_of, gpu_version, of_gpu
from cudalock.targets.platforms import DEFAULT_GLIBC, LIKELY, PLATFORMS
from cudalock.targets.target import Target, newest_driver


class Facet(NamedTuple):
    """One row."""

    name: str
    title: str
    """for people"""
    example: str
    """as its flag takes it"""
    values: Callable[[Target], tuple[str, ...]]
    """what a target has of it, as facts compare it; none where it is not known"""
    is_component: bool = True
    """whether facts may speak of it"""
    stated_by: str | None = None
    """the facet with the flag that states it, where it has none of its own"""

    @property
    def is_of_accelerator(self) -> bool:
        """Whether only a machine with an accelerator has one: a GPU, its driver."""
        return any(self.name in row.machine_parts for row in ACCELERATORS.values())


def _gpus_of(component: str) -> Callable[[Target], tuple[str, ...]]:
    """Return the function that returns the GPUs of one maker, each as a version."""
    return lambda target: tuple(
        gpu_version(gpu) for gpu in target.gpus if of_gpu(gpu).component == component
    )


def _known(version: str | None) -> tuple[str, ...]:
    return () if version is None else (version,)


FACETS: Final = {
    facet.name: facet
    for facet in (
        Facet("python", "Python", "3.11", lambda target: (target.python_full,)),
        Facet(
            "platform",
            "platform",
            PLATFORMS[LIKELY[0]].flag,
            lambda target: (target.platform,),
            is_component=False,
        ),
        Facet("glibc", "glibc", DEFAULT_GLIBC, lambda target: _known(target.glibc)),
        Facet("gpu", "GPU", "8.6", lambda target: target.gpus),
        Facet(
            "driver",
            "driver",
            "550.54",
            lambda target: _known(target.driver and newest_driver(target.driver)),
        ),
        Facet(
            "jetpack",
            "JetPack",
            "6.2",
            lambda target: _known(target.jetpack),
            stated_by="platform",
        ),
    )
}
"""By name, in the order in which they are written."""

FLAGS: Final = tuple(name for name, facet in FACETS.items() if facet.stated_by is None)
"""The facets that have a flag of their own."""

_GPU: Final = "gpu"
"""The flag of all GPUs, and the component of CUDA's."""

ARCHITECTURES: Final = {
    row.component: Facet(row.component, "GPU", row.example, _gpus_of(row.component))
    for row in ACCELERATORS.values()
}
"""What facts call the GPUs of each maker: one flag states them all."""

COMPONENTS: Final = {
    **{name: facet for name, facet in FACETS.items() if facet.is_component},
    **ARCHITECTURES,
}
"""The virtual components that a target fixes."""


def flag_of(component: str) -> str:
    """Return the flag, without dashes, that states a component of the target."""
    return _GPU if component in ARCHITECTURES else component


OF_ACCELERATOR: Final = tuple(name for name, facet in FACETS.items() if facet.is_of_accelerator)
"""The facets that only a machine with an accelerator has."""


def titled(name: str, version: str) -> str:
    """Return a component and its version for people: `GPU 9.0`, `torch 2.11.0`."""
    row = COMPONENTS.get(name) or FACETS.get(name) or ACCELERATORS.get(name)
    version = gpu_of(name, version) if name in ARCHITECTURES else version
    return f"{row.title if row else name} {version}".strip()
