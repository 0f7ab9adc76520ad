"""Which names belong to the stack, and what else may not go with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.compat.pins import PinnedProject
from cudalock.compat.wheels import comes_from
from cudalock.targets.accelerators import is_vendor_library
from cudalock.versions import accepts, leading_name, parse_requirement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cudalock.matrix.universe import Universe


class Stack:
    """The stack as a matrix has it."""

    def __init__(self, universe: Universe) -> None:
        self._universe = universe
        self._matrix = universe.matrix
        self._members: dict[str, bool] = {}

    def __contains__(self, name: object) -> bool:
        """Whether a project belongs to it: the framework, what has a rank, what is curated and is
        tied, by metadata or facts, to the framework or to what its build fixes, and the vendor's
        own packages."""
        if not isinstance(name, str):
            return False
        found = self._members.get(name)
        if found is None:
            found = self._members[name] = self._is_member(name)
        return found

    def _is_member(self, name: str) -> bool:
        if not self._matrix.is_curated(name):
            return is_vendor_library(name) and self._universe.project(name) is not None
        component = self._matrix.component(name)
        if component.is_virtual or component.role or component.rank is not None:
            return not component.is_virtual
        if self._requires_framework(name):
            return True
        return any(
            self._is_central(demand.template.name)
            for fact in component.facts
            for demand in (*fact.beside, *fact.of_machine)
        )

    def _requires_framework(self, name: str) -> bool:
        project, framework = self._universe.project(name), self._matrix.framework
        return project is not None and framework is not None and project.mentions(framework)

    def _is_central(self, name: str) -> bool:
        if name == "python":
            return False
        return name == self._matrix.framework or self._matrix.component(name).is_virtual

    def is_pinned_by(self, name: str, other: str, version: str | None) -> bool:
        """Whether the metadata of another project, at a version where one is told, leaves an
        installer one release of this one, patches apart."""
        held = PinnedProject(other, f"=={version}") if version else PinnedProject(other)
        found = [text for text in self._required(held) if leading_name(text) == name]
        signs = [item.operator for text in found for item in parse_requirement(text).specifier]
        return any(sign in ("==", "~=") for sign in signs)

    def strained(
        self, members: Sequence[PinnedProject], others: Iterable[PinnedProject]
    ) -> list[PinnedProject]:
        """Of the others those that the members may not go with: that metadata of theirs does not
        accept, or that a fact of theirs speaks of. The rest need not be put to the engine."""
        demands = self._demands(members)
        facts = {
            demand.template.name
            for name in {each.name for each in members}
            for fact in self._matrix.component(name).facts
            for demand in fact.beside
        }
        return [
            each
            for each in others
            if each.name in facts
            or (each.name in demands and not _is_accepted(each, demands[each.name]))
        ]

    def _demands(self, members: Sequence[PinnedProject]) -> dict[str, set[str]]:
        """The requirements of what the members may come to, by the project that they are of. Of a
        member in a range only the newest is looked at, and what it names is always in doubt."""
        found: dict[str, set[str]] = {}
        for held in members:
            for text in dict.fromkeys(self._required(held)):
                found.setdefault(leading_name(text), set()).add(text if held.version else "")
        return found

    def _required(self, held: PinnedProject) -> Iterator[str]:
        project = self._universe.project(held.name)
        public = (held.version or "").partition("+")[0]
        if project is None or not project.versions:
            return
        release = project.release(public if public in project else project.versions[-1])
        for build in release.builds:
            if not held.version or comes_from(held, build, release.version):
                yield from build.requires


def _is_accepted(held: PinnedProject, demands: Iterable[str]) -> bool:
    """Whether each of some requirements accepts the version of what is held, whatever their
    markers."""
    version = held.version
    return version is not None and all(
        text != "" and accepts(str(parse_requirement(text).specifier), version) for text in demands
    )
