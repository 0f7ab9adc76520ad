"""Which names belong to the stack, and which others their metadata leads to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.names import VENDOR
from cudalock.resolution.specifiers import leading_name

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from cudalock.matrix import Matrix


class Stack:
    """The stack as a matrix has it."""

    def __init__(self, matrix: Matrix) -> None:
        self._matrix = matrix
        self._members: dict[str, bool] = {}

    def __contains__(self, name: str) -> bool:
        """Whether a project belongs to it: the framework, what has a rank, what is curated and is
        tied, by metadata or facts, to the framework or to what its build fixes, and the vendor's
        own packages."""
        found = self._members.get(name)
        if found is None:
            found = self._members[name] = self._is_member(name)
        return found

    def _is_member(self, name: str) -> bool:
        if not self._matrix.is_curated(name):
            return name.startswith(VENDOR) and self._matrix.project(name) is not None
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
        project, framework = self._matrix.project(name), self._matrix.framework
        return project is not None and framework is not None and project.mentions(framework)

    def _is_central(self, name: str) -> bool:
        if name == "python":
            return False
        return name == self._matrix.framework or self._matrix.component(name).is_virtual

    def related(self, names: Collection[str], versions: Mapping[str, str]) -> set[str]:
        """The further projects that the metadata and the facts of these lead to, at the given
        versions where they are given, else at the newest."""
        seen = set(names)
        waiting = list(seen)
        while waiting:
            name = waiting.pop()
            for other in self._named(name, versions.get(name)):
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)
        return seen - set(names)

    def _named(self, name: str, version: str | None) -> set[str]:
        project = self._matrix.project(name)
        if project is None or not project.versions:
            return set()
        known = version if version is not None and version in project else project.versions[-1]
        required = {
            leading_name(text)
            for build in project.release(known).builds[:1]
            for text in build.requires
            if "extra ==" not in text
        }
        facts = self._matrix.component(name).facts
        return required | {demand.template.name for fact in facts for demand in fact.beside}


__all__ = ["Stack"]
