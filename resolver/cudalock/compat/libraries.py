"""Name the package of NVIDIA's that two pins require at different versions, however far down."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from cudalock.compat.wheels import comes_from
from cudalock.goals import ProjectRequirement
from cudalock.matrix.releases import PACKAGE_INDEX
from cudalock.targets.accelerators import is_vendor_library
from cudalock.versions import accepts, canonical, parse_requirement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cudalock.compat.pins import PinnedProject
    from cudalock.matrix.universe import Universe
    from cudalock.targets import Target

DEPTH = 3
"""how many projects there may be between a pin and the library: jax, its plugin"""


class _Wanted(NamedTuple):
    owner: str
    """what requires it, with its version: `jax-cuda12-plugin 0.4.30`"""
    specifier: str


def different_libraries(
    pins: Sequence[PinnedProject], target: Target, universe: Universe
) -> str | None:
    """Return, as a clause, which library two pins require at versions that no release has; None if
    there is none that exact requirements lead to."""
    environment = target.marker_environment()
    wanted = [
        dict(_libraries(_public(pin), universe, environment, DEPTH, pin))
        for pin in pins
        if pin.version and pin.required
    ]
    for one, other in combinations(wanted, 2):
        for name in sorted(one.keys() & other.keys()):
            both = (one[name], other[name])
            project = universe.project(name)
            versions = project.versions if project is not None else []
            if versions and not any(
                all(accepts(each.specifier, version) for each in both) for version in versions
            ):
                first, second = both
                return (
                    f"{first.owner} requires {name}{first.specifier}, and {second.owner} requires "
                    f"{name}{second.specifier} (their metadata)"
                )
    return None


def _libraries(
    requirement: ProjectRequirement,
    universe: Universe,
    environment: Mapping[str, str],
    depth: int,
    pin: PinnedProject | None = None,
) -> Iterator[tuple[str, _Wanted]]:
    """Yield NVIDIA's packages that the one release that a requirement leaves wants."""
    name = requirement.name
    project = universe.project(name)
    left = [
        version
        for version in (project.versions if project is not None else ())
        if requirement.specifier and accepts(requirement.specifier, version)
    ]
    if project is None or len(left) != 1:
        return
    release = project.release(left[0])
    builds = [
        build for build in release.builds if pin is None or comes_from(pin, build, release.version)
    ]
    # What the package index has is what comes by itself.
    plain = [build for build in builds if build.index == PACKAGE_INDEX]
    texts = {text: None for build in plain or builds[:1] for text in build.requires}
    for text in _holding(texts, environment, requirement.extras):
        required = ProjectRequirement.parse(text)
        if is_vendor_library(required.name):
            wanted = _Wanted(f"{name} {left[0]}", required.specifier)
            if wanted.specifier:
                yield required.name, wanted
        elif depth > 0:
            yield from _libraries(required, universe, environment, depth - 1)


def _public(pin: PinnedProject) -> ProjectRequirement:
    """A pin as a requirement of its release, whatever the local label."""
    return pin._replace(specifier=f"=={(pin.version or '').partition('+')[0]}").requirement


def _holding(
    texts: Iterable[str], environment: Mapping[str, str], extras: Iterable[str]
) -> Iterator[str]:
    """Yield the requirements whose markers hold with some extras."""
    spellings = {"", *extras, *map(canonical, extras)}
    for text in texts:
        marker = parse_requirement(text).marker
        if marker is None or any(
            marker.evaluate({**environment, "extra": extra}) for extra in spellings
        ):
            yield text
