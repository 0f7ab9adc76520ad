"""Find requirements that no release of an index can meet: all lead to a project without a wheel.

Where an index is asked, a search without a solution is repeated with ever more releases. That is in
vain if every release that a requirement allows requires something that has no wheel for the target.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.matrix.universe import Blocker
from cudalock.resolution.limits import UNREACHABLE_HOPS, UNREACHABLE_RELEASES
from cudalock.versions import is_prerelease

if TYPE_CHECKING:
    from cudalock.resolution.model import Requirement
    from cudalock.resolution.problem import Problem


def is_final_without_solution(problem: Problem) -> bool:
    """Return whether no further release could give a problem without a solution one."""
    return problem.contradicts_wish or bool(unreachable_requirements(problem))


def unreachable_requirements(problem: Problem) -> tuple[Requirement, ...]:
    """Return what the goal requires of an index and no release of it can meet."""
    walk = _Walk(problem)
    return tuple(
        root
        for root in problem.roots
        if root.kind == "requires"
        and walk.is_of_an_index(root)
        and walk.has_none(root, UNREACHABLE_HOPS)
    )


class _Walk:
    """Walks requirements to projects without a wheel, each only once."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._impossible: dict[tuple[str, tuple[str, ...], frozenset[str], int], bool] = {}

    def is_of_an_index(self, requirement: Requirement) -> bool:
        """Return whether an index lists a project, or no release of it has a usable wheel."""
        problem = self._problem
        project = problem.universe.project(requirement.name)
        if project is None or project.window is not None:
            return project is not None
        return problem.universe.is_open and not any(
            problem.candidates_at(requirement.name, version)
            for version in project.versions
            if requirement.may_accept(version)
        )

    def has_none(self, requirement: Requirement, hops: int) -> bool:
        """Return whether no release that a requirement allows can be pinned, as far as that many
        steps show."""
        key = (requirement.name, requirement.specifiers, requirement.extras, hops)
        if key not in self._impossible:
            self._impossible[key] = self._look(requirement, hops)
        return self._impossible[key]

    def _look(self, requirement: Requirement, hops: int) -> bool:
        problem = self._problem
        project = problem.universe.project(requirement.name)
        if project is None:
            return False
        limits = [requirement, *problem.roots_of(requirement.name)]
        specifiers = tuple(specifier for limit in limits for specifier in limit.specifiers)
        blocker = Blocker(requirement.name, specifiers, specifiers, problem.target.platform)
        if problem.universe.unlisted((blocker,)):
            # Releases that nobody has seen may do.
            return False
        if problem.universe.has_unread_sources(blocker) and not any(
            problem.candidates(requirement.name)
        ):
            return False
        takes_early = project.takes_prereleases(specifiers)
        versions = [
            version
            for version in project.versions
            if all(limit.may_accept(version) for limit in limits)
            and (takes_early or not is_prerelease(version))
        ]
        if len(versions) > (project.window or UNREACHABLE_RELEASES):
            return not any(problem.candidates_at(requirement.name, version) for version in versions)
        if not versions and not project.window:
            return False
        candidates = [
            candidate
            for version in versions
            for candidate in problem.candidates_at(requirement.name, version)
        ]
        return all(
            hops > 0
            and any(
                self.has_none(required, hops - 1)
                for part in (candidate, candidate.with_extras(requirement.extras))
                for required in problem.metadata_requirements(part)
                if required.name != requirement.name
            )
            for candidate in candidates
        )
