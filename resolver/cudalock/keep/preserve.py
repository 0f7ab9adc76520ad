"""Decide which installed packages have to stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.errors import Contradiction, UnknownName, UnknownVersion
from cudalock.keep.commands import re_resolve_hints
from cudalock.keep.policy import meets
from cudalock.targets.accelerators import is_vendor_library
from cudalock.versions import canonical

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cudalock.compat.installed import ExaminedEnvironment
    from cudalock.compat.pins import PinnedProject
    from cudalock.environment.distributions import Installed
    from cudalock.goals import Goal, ProjectRequirement
    from cudalock.keep.commands import KeepRequest

ALL: Final = "all"
"""The word for everything installed."""


class Preserved(NamedTuple):
    """The packages that a request preserves."""

    known: tuple[PinnedProject, ...]
    """every installed project whose version the matrix has, the most important first"""
    pins: tuple[PinnedProject, ...]
    """what must stay as it is"""
    replaced: Mapping[str, ProjectRequirement]
    """names of installed projects that the goal requires at another version: the requirement"""
    is_all: bool


def preserved(request: KeepRequest) -> Preserved:
    """Return what has to stay.

    With `all` those are the framework and what has a rank; the rest is known to limit the solution,
    and whether it changes is seen once there is one.

    Raises UnknownName for a name that is not installed, UnknownVersion for a version that is not in
    the matrix, Contradiction for what the goal requires at another version.
    """
    environment = request.environment
    replaced = replaced_by_goal(environment, request.goal)
    known = _known(request, replaced)
    framework = environment.framework
    if environment.layout.image is not None and framework and framework.name in replaced:
        raise Contradiction(
            f"`--image` keeps {framework} of `{environment.layout.image}`, and the goal requires"
            f" `{replaced[framework.name]}`",
            hints=[f"another image, or one without {framework.name}, such as nvidia/cuda"],
        )
    if ALL in request.words:
        pins = tuple(pin for pin in known if pin.required and pin.name not in replaced)
        return Preserved(known, pins, replaced, is_all=True)
    names = {_installed(environment, word).name for word in request.words}
    for name in sorted(names & replaced.keys()):
        raise Contradiction(
            f"`--keep` preserves `{environment.inventory.find(name)}`, and the goal requires"
            f" `{replaced[name]}`"
        )
    for name in sorted(names - {pin.name for pin in known}):
        raise _unknown(request, name, replaced)
    pins = tuple(pin for pin in known if pin.name in names)
    return Preserved(known, pins, replaced, is_all=False)


def replaced_by_goal(environment: ExaminedEnvironment, goal: Goal) -> dict[str, ProjectRequirement]:
    """Return the goal's requirements that the installed version does not meet, by project."""
    names = environment.matrix.names
    replaced = {}
    for requirement in goal.requirements:
        name = names.platform_alias(requirement.name, environment.markers)
        installed = environment.inventory.find(name)
        if installed and not meets([requirement.specifier], installed.version):
            replaced[name] = requirement
    return replaced


def _known(
    request: KeepRequest, replaced: Mapping[str, ProjectRequirement]
) -> tuple[PinnedProject, ...]:
    """The installed projects that the matrix knows as they are, the most important first.

    The framework and what has a rank are required; the rest only limits.
    """
    environment = request.environment
    matrix = environment.matrix
    pins = []
    for installed in environment.stack():
        if environment.builds(installed):
            required = installed.name == matrix.framework or installed.name in matrix.ranked
            pins.append(environment.pin_of(installed)._replace(required=required))
    framework = environment.framework
    # Of a framework that the matrix lacks (a nightly, an own build) nothing is known that could
    # rule a requirement out: every answer would be a guess.
    if framework is not None and framework.name not in {pin.name for pin in pins}:
        raise _unknown(request, framework.name, replaced)

    def importance(pin: PinnedProject) -> tuple[bool, bool, int, bool, str]:
        rank = matrix.component(pin.name).rank
        is_library = is_vendor_library(pin.name)
        return pin.name != matrix.framework, rank is None, rank or 0, is_library, pin.name

    return tuple(sorted(pins, key=importance))


def _installed(environment: ExaminedEnvironment, word: str) -> Installed:
    names, inventory = environment.matrix.names, environment.inventory
    name = names.platform_alias(names.find(word) or canonical(word), environment.markers)
    # `triton` means triton-windows on Windows; both names are worth a look.
    installed = inventory.find(name) or inventory.find(canonical(word))
    if installed is None:
        raise UnknownName(f"`{word}` is not installed in `{environment.layout.place}`")
    return installed


def _unknown(
    request: KeepRequest, name: str, replaced: Mapping[str, ProjectRequirement]
) -> UnknownVersion:
    environment = request.environment
    is_framework = name == environment.matrix.framework and name not in replaced
    return UnknownVersion(
        f"the installed `{environment.inventory.find(name)}` is not in the matrix"
        f" ({environment.matrix.version}), and neither is what was built for it",
        hints=re_resolve_hints(environment, request.goal) if is_framework else (),
    )
