"""The nearest that goes together: the fewest things held otherwise, each as near as can be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from cudalock.compat.pins import PinChange
from cudalock.compat.wheels import PinWheels
from cudalock.matrix.facts import NONE
from cudalock.resolution.candidate import Candidate
from cudalock.resolution.cost import component_key, cuda_build_key, index_key
from cudalock.targets.accelerators import CUDA
from cudalock.versions import nearest_first, parse_version

if TYPE_CHECKING:
    from cudalock.compat.pins import PinConflict, PinnedProject
    from cudalock.compat.query import PinQuery
    from cudalock.resolution.problem import Problem
    from cudalock.resolution.search import Search

MAX_TRIES: Final = 12
"""How many versions of one thing are tried, from the nearest on."""


class PinFixer:
    """Mends what clashes on one target, one clash after the other, holding all the rest."""

    def __init__(self, question: PinQuery, kept: Sequence[PinnedProject]) -> None:
        self._question = question
        self._target = question.target
        self._universe = question.universe
        self._matrix = question.universe.matrix
        self.kept = list(kept)
        """what goes together; each change joins it"""

    def mend(self, clash: PinConflict) -> tuple[PinChange, ...]:
        """The changes that mend a clash: of the member to change first, else of another, else of
        two; none where nothing near helps."""
        for member in self._in_order(clash):
            change = self._changed(member, self._without(clash.members, member))
            if change is not None:
                self._keep(change, self._without(clash.members, member))
                return (change,)
        return self._both(clash)

    def _in_order(self, clash: PinConflict) -> list[PinnedProject]:
        """The one first that a fact says how to mend, as long as that is not the framework."""
        facts = [self._matrix.facts[id] for id in clash.finding.facts if id in self._matrix.facts]
        known = {fact.component for fact in facts if fact.fix} - {self._matrix.framework}
        return sorted(clash.members, key=lambda each: each.name not in known)

    def _without(
        self, members: Sequence[PinnedProject], freed: PinnedProject
    ) -> list[PinnedProject]:
        """What is kept, with the other members of a clash and without the freed one."""
        others = [each for each in members if each is not freed]
        names = {each.name for each in members}
        return [each for each in self.kept if each.name not in names] + others

    def _both(self, clash: PinConflict) -> tuple[PinChange, ...]:
        if len(clash.members) != 2:
            return ()
        first, second = clash.members
        rest = self._without(clash.members, first)[:-1]
        bare = first._replace(specifier="", file=None, indexes=None)
        change = self._changed(second, [*rest, bare])
        if change is None:
            return ()
        held = _as_held(change)
        other = self._changed(first, [*rest, held])
        if other is None:
            return ()
        self._keep(other, [*rest, held])
        return change, other

    def _keep(self, change: PinChange, rest: list[PinnedProject]) -> None:
        self.kept = [*rest, _as_held(change)]

    # -- one thing ------------------------------------------------------------------------------

    def _changed(self, old: PinnedProject, rest: Sequence[PinnedProject]) -> PinChange | None:
        """The nearest candidate for one thing that goes with the rest."""
        freed = old._replace(specifier=_open(old), file=None, indexes=None)
        search = self._question.search([*rest, freed])
        candidate = next(self._candidates(search, old, rest), None)
        return self._change(old, candidate) if candidate is not None else None

    def _candidates(
        self, search: Search, old: PinnedProject, rest: Sequence[PinnedProject]
    ) -> Iterator[Candidate]:
        """What goes with the rest: of the nearest version first, and what is within reach before
        what another index or an address is needed for. Beside a framework with CUDA a build
        without comes last of all, and in the place of such a framework never."""
        domain = search.network.domains.get(old.name)
        project = self._universe.project(old.name)
        if domain is None or project is None:
            return
        left = search.versions_left(old.name, {}) or set()
        near = nearest_first(left, _anchors(old), project.versions)[:MAX_TRIES]
        cuda = self._cuda(rest)
        is_framework = old.name == self._matrix.framework
        wants_cuda = self._keeps_cuda(old) if is_framework else cuda is not None
        for takes_less in (False, True)[: 2 if wants_cuda and not is_framework else 1]:
            for is_wanted in (self._is_within_reach, self._is_beyond):
                for version in near:
                    builds = domain.members(domain.versions[version])
                    wanted = [
                        each
                        for each in builds
                        if is_wanted(old, each)
                        and takes_less == (wants_cuda and each.row(CUDA.name) == (NONE,))
                    ]
                    wanted.sort(key=partial(self._key, search.problem, old, cuda))
                    yield from filter(search.is_possible_with, wanted)

    def _key(
        self, problem: Problem, old: PinnedProject, cuda: str | None, candidate: Candidate
    ) -> tuple[object, ...]:
        """Named as the old one was, then as a solve would have it."""
        label = (old.version or "").partition("+")[2] if old.file is None else ""
        local = (candidate.build.local if candidate.build else None) or ""
        unlike = 0 if local == label else 1 if bool(local) == bool(label) else 2
        if candidate.name == self._matrix.framework:
            return unlike, cuda_build_key(candidate), index_key(candidate)
        return unlike, component_key(problem, candidate, cuda)

    @staticmethod
    def _is_within_reach(old: PinnedProject, candidate: Candidate) -> bool:
        build = candidate.build
        if old.file is not None or build is None:
            return build is not None
        return old.indexes is None or build.index in old.indexes

    def _is_beyond(self, old: PinnedProject, candidate: Candidate) -> bool:
        return not self._is_within_reach(old, candidate)

    def _keeps_cuda(self, old: PinnedProject) -> bool:
        """Whether the old one, the framework, had CUDA, as far as it was there."""
        project = self._universe.project(old.name)
        if project is None or old.file is not None:
            return False
        if not self._target.accelerators:
            return False
        wheels = PinWheels(old, project, self._target, self._matrix)
        found = [made for made in wheels.made() if wheels.is_reachable(made) and wheels.fits(made)]
        return not found or any(made.has_cuda for made in found)

    def _cuda(self, kept: Sequence[PinnedProject]) -> str | None:
        """The CUDA release of the framework that is kept, where its label or index tells."""
        for each in kept:
            project = self._universe.project(each.name)
            if each.name == self._matrix.framework and project is not None:
                wheels = PinWheels(each, project, self._target, self._matrix)
                made = wheels.first(wheels.is_reachable, wheels.fits)
                return made.build.row(CUDA.name)[0] if made and made.has_cuda else None
        return None

    def _change(self, old: PinnedProject, candidate: Candidate) -> PinChange | None:
        build, wheel, release = candidate.build, candidate.wheel, candidate.release
        if build is None or wheel is None or release is None:
            return None
        within_reach = old.file is None and (old.indexes is None or build.index in old.indexes)
        if within_reach and build.builder is None:
            full = "+" in old.specifier
            version = candidate.full_version if full else candidate.version
            return PinChange(old, f"=={version}", index_id=build.index)
        url = self._universe.url(build, wheel, release.version)
        if url is not None and (build.builder is not None or old.file is not None):
            if not self._is_settled(old):
                return None
            return PinChange(old, f"=={candidate.full_version}", url, wheel.sha256)
        if build.builder is None and old.file is None:
            return PinChange(old, f"=={candidate.full_version}", index_id=build.index)
        return None

    def _is_settled(self, old: PinnedProject) -> bool:
        """Whether the framework is one version, so that a wheel made for it is made for what an
        installer takes: an open one comes to be the newest, whatever the wheel was made for."""
        framework = self._matrix.framework
        return old.name == framework or any(
            each.name == framework and each.version is not None for each in self.kept
        )


def _as_held(change: PinChange) -> PinnedProject:
    return change.old._replace(
        specifier=change.specifier, file=None, indexes=None if change.url else change.old.indexes
    )


def _open(old: PinnedProject) -> str:
    """A specifier that any version meets, pre-releases as well where the old one was one."""
    version = old.version
    if version is not None and parse_version(version).is_prerelease:
        return ">=0a0"
    return ""


def _anchors(old: PinnedProject) -> list[str]:
    """The version to stay near to, as far as one is named."""
    named = old.version or _named(old.specifier)
    return [named] if named else []


def _named(specifier: str) -> str | None:
    """The version that a range speaks of."""
    from packaging.specifiers import SpecifierSet

    for item in SpecifierSet(specifier):
        return item.version.removesuffix(".*")
    return None
