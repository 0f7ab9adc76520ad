"""What cannot be had however long one searches: what leads to a project that has no wheel here.

Where an index is asked, a search that fails looks at ever more releases. That is in vain for a
requirement all of whose releases require something without a wheel: it is seen beforehand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.resolution.limits import UNREACHABLE_HOPS, UNREACHABLE_RELEASES
from cudalock.versions import is_prerelease

if TYPE_CHECKING:
    from cudalock.resolution.model import Requirement
    from cudalock.resolution.problem import Problem


def unreachable_requirements(problem: Problem) -> tuple[Requirement, ...]:
    """What the goal asks for, only an index has, and cannot be had however many releases are
    looked at."""
    reach = _Reach(problem)
    return tuple(
        root
        for root in problem.roots
        if root.kind == "requires"
        and reach.is_of_an_index(root.name)
        and reach.has_none(root, UNREACHABLE_HOPS)
    )


class _Reach:
    """Looks for what has no wheel, and remembers what it saw."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._seen: dict[tuple[str, tuple[str, ...], frozenset[str], int], bool] = {}

    def is_of_an_index(self, name: str) -> bool:
        project = self._problem.universe.project(name)
        return project is not None and project.window is not None

    def has_none(self, wanted: Requirement, hops: int) -> bool:
        """Whether no release that a requirement allows can be had, as far as so many steps tell."""
        key = (wanted.name, wanted.specifiers, wanted.extras, hops)
        if key not in self._seen:
            self._seen[key] = self._look(wanted, hops)
        return self._seen[key]

    def _look(self, wanted: Requirement, hops: int) -> bool:
        problem = self._problem
        project = problem.universe.project(wanted.name)
        if project is None:
            return False
        together = [wanted, *problem.roots_of(wanted.name)]
        asked = [
            version
            for version in project.versions
            if all(each.may_accept(version) for each in together)
            and not (project.has_final and is_prerelease(version))
        ]
        if len(asked) > (project.window or UNREACHABLE_RELEASES) or not (asked or project.window):
            return False
        offered = [
            each for version in asked for each in problem.candidates_at(wanted.name, version)
        ]
        return all(
            hops > 0
            and any(
                self.has_none(each, hops - 1)
                for part in (candidate, candidate.with_extras(wanted.extras))
                for each in problem.metadata_requirements(part)
                if each.name != wanted.name
            )
            for candidate in offered
        )
