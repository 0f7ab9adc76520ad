"""What an installer chooses badly where a file leaves a version open, beside what it pins."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

from cudalock.check.conda import CONDA, newest_that_replaces, pinned_version
from cudalock.check.unpinned import newest_that_fails
from cudalock.findings import Finding
from cudalock.targets.accelerators import is_vendor_library

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Set

    from cudalock.compat.stack import Stack
    from cudalock.matrix.universe import Universe
    from cudalock.projects.model import Declared, ProjectFile
    from cudalock.targets import Target

CODE: Final = "CL501"


class OpenRequirements:
    """The requirements of a file whose versions pip or uv choose."""

    def __init__(
        self, file: ProjectFile, names: Set[str], stack: Stack, universe: Universe
    ) -> None:
        """`names` are the projects of the file that are in the stack."""
        self._file = file
        self._names = names
        self._stack = stack
        self._universe = universe
        self._everything = list(file.everything())

    def findings(self, target: Target | None) -> Iterator[Finding]:
        """Yield a warning for a version that will be chosen and does not work, and a note for each
        other requirement of the stack that is open beside a pinned one.

        `target` is the one that the file was judged on first; None if it was on none.
        """
        reported = set()
        for requirement in filter(_is_open, self._everything):
            if target is None:
                break
            failing = self._failing(requirement, target)
            for finding in (*failing, *self._replacing(requirement, target)):
                reported.add(requirement.name)
                yield finding
        # A note that a line is open adds nothing to a warning of what will become of it.
        yield from self._beside_pins(reported)

    # -- a newest release that does not work ------------------------------------------------------

    @cached_property
    def _pinned(self) -> list[Declared]:
        """The lines that pin a project of the matrix."""
        known = self._universe.matrix.projects
        return [line for line in self._everything if line.version and line.name in known]

    def _failing(self, requirement: Declared, target: Target) -> Iterator[Finding]:
        """A requirement whose newest release does not work with a pin installed beside it."""
        name = requirement.name
        if any(pin.name == name for pin in self._pinned) or is_vendor_library(name):
            return
        beside = self._file.wanted_with(requirement.group)
        pins = {pin.name: pin.version or "" for pin in self._pinned if pin.group in beside}
        # What the pins themselves require of it narrows the choice as the line does.
        stated = [requirement.specifier] if requirement.specifier else []
        required = [
            specifier
            for pin, version in pins.items()
            for specifier in self._stack.specifiers_in(pin, version.partition("+")[0], name)
        ]
        newest = newest_that_fails(name, [*stated, *required], pins, target, self._universe)
        if newest is not None:
            why = f"{newest.fact.component} {newest.fact.says}"
            yield _warning(
                requirement,
                newest.version,
                f"does not work with {newest.pin} {pins[newest.pin]}: {why}",
                newest.better,
                newest.pin,
                newest.fact.id,
            )

    # -- a newest release that replaces what conda installs ---------------------------------------

    @cached_property
    def _by_conda(self) -> dict[str, str]:
        """The versions of the stack's projects that conda installs, and pip does not replace by a
        pin."""
        # pip installs after conda, so that its own pin of a project is what stays.
        by_pip = {line.name for line in self._everything if line.manager == "pypi" and line.version}
        return {
            line.name: version
            for line in self._everything
            if line.manager == CONDA
            and line.name in self._names
            and line.name not in by_pip
            and (version := pinned_version(line)) is not None
        }

    def _replacing(self, requirement: Declared, target: Target) -> Iterator[Finding]:
        """A requirement of pip's whose newest release replaces what conda installs."""
        installed = self._by_conda
        if not installed or requirement.name in installed:
            return
        newest = newest_that_replaces(
            requirement.name,
            requirement.specifier or "",
            installed,
            target,
            self._stack,
            self._universe,
        )
        if newest is not None:
            has = f"{newest.project} {installed[newest.project]}"
            yield _warning(
                requirement,
                newest.version,
                f"requires {newest.project}{newest.specifier}: pip replaces the {has} that conda "
                "installs",
                newest.better,
                newest.project,
            )

    # -- no version at all ------------------------------------------------------------------------

    def _beside_pins(self, reported: Set[str]) -> Iterator[Finding]:
        """A member of the stack that nothing pins, where something pins another that is installed
        with it. What the vendor makes is as the framework's own build wants it."""
        members = [line for line in self._everything if line.name in self._names]
        pinned = [line for line in members if line.version or line.url or line.index]
        names = {pin.name for pin in pinned}
        for requirement in filter(_is_open, members):
            name = requirement.name
            if name in names or name in reported or requirement.specifier:
                continue
            # A pin of another extra is not installed with it.
            beside = self._file.wanted_with(requirement.group)
            neighbours = sorted({pin.name for pin in pinned if pin.group in beside})
            if neighbours and not self._has_no_choice(name, pinned):
                says = f"{name} is not pinned, beside a pinned {' and '.join(neighbours[:2])}"
                yield Finding(CODE, "note", says, place=requirement.place, members=(name,))

    def _has_no_choice(self, name: str, pinned: Iterable[Declared]) -> bool:
        """Whether an installer has no choice of a project: the file's own, one of the vendor's, or
        one that the metadata of something pinned pins."""
        if not self._universe.matrix.is_curated(name):
            # A library of the vendor's, or what a library alone ties to the framework.
            return True
        if name in {file.project for file in self._file.files()}:
            return True
        return any(self._stack.is_pinned_by(name, pin.name, pin.version) for pin in pinned)


def _is_open(requirement: Declared) -> bool:
    """Whether pip or uv choose the version of a requirement."""
    return (
        requirement.role == "requirement"
        and requirement.manager == "pypi"
        and requirement.problem is None
        and not (requirement.version or requirement.url or requirement.index)
    )


def _warning(
    requirement: Declared, newest: str, why: str, better: str | None, other: str, *facts: str
) -> Finding:
    spelled = f"{requirement.name}{requirement.specifier or ''}"
    return Finding(
        CODE,
        "warning",
        f"{spelled} is not pinned, and its newest release, {newest}, {why}",
        place=requirement.place,
        facts=facts,
        fix=f"`{requirement.name}=={better}`" if better else None,
        members=(requirement.name, other),
    )
