"""Find the smallest change to a set of pins that makes it compatible."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Final

from cudalock.compat.pins import PinChange
from cudalock.compat.wheels import PinWheels
from cudalock.matrix.facts import NONE
from cudalock.matrix.releases import spellings_of_extra
from cudalock.resolution.cost import component_key, cuda_build_key, index_key
from cudalock.resolution.model import Candidate
from cudalock.targets.accelerators import CPU, CUDA, DEFAULT
from cudalock.versions import is_version, leading_name, nearest_first, parse_version, specifier_set

if TYPE_CHECKING:
    from cudalock.compat.pins import PinConflict, PinnedProject
    from cudalock.compat.query import PinQuery
    from cudalock.compat.wheels import ReleaseBuild
    from cudalock.matrix.releases import Release
    from cudalock.resolution.problem import Problem
    from cudalock.resolution.search import Search

MAX_TRIES: Final = 12
"""How many versions of one project are tried, from the nearest on.

In all 77 fixes of the files in tests/cases/check the nearest version that propagation leaves is the
one. The bound is for those of which only a search sees that they are impossible."""


class PinFixer:
    """Fixes conflicts on one target one after the other, each beside the fixes before it."""

    def __init__(self, query: PinQuery, compatible: Sequence[PinnedProject]) -> None:
        """`compatible` are the pins that have to stay compatible with every fix."""
        self._query = query
        self._target = query.target
        self._universe = query.universe
        self._matrix = query.universe.matrix
        self._compatible = list(compatible)

    def fix(self, conflict: PinConflict) -> tuple[PinChange, ...]:
        """Return the changes that fix a conflict, none where nothing near helps.

        That is one change, of the member to change first or else of another one, or two where no
        single one is enough. The changed pins join those that later fixes have to respect.
        """
        steps_back: list[tuple[PinnedProject, PinChange]] = []
        advised = self._advised(conflict)
        for pin in self._by_advice(conflict):
            # The framework does not move where another member can, back or not.
            if steps_back and pin.name == self._matrix.framework:
                continue
            change = self._nearest_change(pin, self._others(conflict.members, pin))
            if change is None:
                continue
            # A newer accelerate for its peft comes before an older peft for its accelerate.
            if _goes_back(change) and (
                steps_back or (pin.name not in advised and self._requires(pin, conflict.members))
            ):
                steps_back.append((pin, change))
                continue
            return self._take(conflict, pin, change)
        if steps_back:
            return self._take(conflict, *steps_back[0])
        return self._fix_both(conflict)

    def _requires(self, pin: PinnedProject, members: Sequence[PinnedProject]) -> bool:
        """Whether a pin's release requires another one of the members."""
        project = self._universe.project(pin.name)
        if project is None or not pin.version or pin.version not in project:
            return False
        names = {member.name for member in members} - {pin.name}
        builds = project.release(pin.version).builds
        return any(leading_name(text) in names for build in builds for text in build.requires)

    def _take(
        self, conflict: PinConflict, pin: PinnedProject, change: PinChange
    ) -> tuple[PinChange, ...]:
        """Make a change one that later fixes have to respect."""
        self._compatible = [*self._others(conflict.members, pin), _changed_pin(change)]
        return (change,)

    def wheel_of_release(self, pin: PinnedProject) -> tuple[PinChange, ...]:
        """Return the change to a wheel of the pin's own version, wherever one is; none where no
        wheel of it is compatible."""
        change = self._nearest_change(pin, self._others((pin,), pin), f"=={pin.version}")
        return (change,) if change is not None else ()

    def _by_advice(self, conflict: PinConflict) -> list[PinnedProject]:
        """The members, those first for which a fact has advice; but not the framework."""
        advised = self._advised(conflict)
        return sorted(conflict.members, key=lambda pin: pin.name not in advised)

    def _advised(self, conflict: PinConflict) -> set[str]:
        """The members that a fact of the conflict says how to fix, without the framework."""
        facts = [
            self._matrix.facts[fact_id]
            for fact_id in conflict.finding.facts
            if fact_id in self._matrix.facts
        ]
        framework = self._matrix.framework
        return {fact.component for fact in facts if fact.fix and fact.component != framework}

    def _others(self, members: Sequence[PinnedProject], free: PinnedProject) -> list[PinnedProject]:
        """The compatible pins and the members of a conflict, without the one that may change."""
        # By name: the file's own pin of a member may be among the compatible ones.
        names = {pin.name for pin in members}
        outside = [pin for pin in self._compatible if pin.name not in names]
        return outside + [pin for pin in members if pin is not free]

    def _fix_both(self, conflict: PinConflict) -> tuple[PinChange, ...]:
        """Change both members of a pair: the second to what suits some version of the first."""
        if len(conflict.members) != 2:
            return ()
        first, second = conflict.members
        names = {first.name, second.name}
        outside = [pin for pin in self._compatible if pin.name not in names]
        unpinned = first._replace(specifier="", file=None, indexes=None)
        second_change = self._nearest_change(second, [*outside, unpinned])
        if second_change is None:
            return ()
        others = [*outside, _changed_pin(second_change)]
        first_change = self._nearest_change(first, others)
        if first_change is None:
            return ()
        self._compatible = [*others, _changed_pin(first_change)]
        return second_change, first_change

    # -- one pin --------------------------------------------------------------------------------

    def _nearest_change(
        self, old: PinnedProject, others: Sequence[PinnedProject], specifier: str | None = None
    ) -> PinChange | None:
        """The change of one pin to its nearest candidate, of those that a specifier accepts, that
        is compatible with the others."""
        free = old._replace(
            specifier=_any_version(old) if specifier is None else specifier,
            file=None,
            indexes=None,
            takes_highest=False,
        )
        search = self._query.search([*others, free])
        candidate = next(self._candidates(search, old, others), None)
        return self._change_to(old, candidate) if candidate is not None else None

    def _candidates(
        self, search: Search, old: PinnedProject, others: Sequence[PinnedProject]
    ) -> Iterator[Candidate]:
        """The compatible candidates for a pin, the best replacement first.

        Another build of the same version comes before another version, and what the pin's own
        indexes have before what needs another index or a URL; then the nearest version comes first.
        Beside a framework with CUDA a build without it comes last of all, and never on a target
        that has a GPU, nor in the place of a framework with CUDA.
        """
        domain = search.network.domains.get(old.name)
        project = self._universe.project(old.name)
        if domain is None or project is None:
            return
        asked = [extra for extra in old.extras if project.mentions_extra(extra)]
        left = {
            version
            for version in search.versions_left(old.name, {}) or ()
            if all(_offers(project.release(version), extra) for extra in asked)
        }
        versions = nearest_first(left, _anchors(old), project.versions)[:MAX_TRIES]
        beside = self._beside(others)
        cuda = (
            beside.build.row(CUDA.name)[0] if beside and beside.accelerator == CUDA.name else None
        )
        is_framework = old.name == self._matrix.framework
        has_gpu = bool(self._target.gpus or self._target.driver)
        own = beside.accelerator if beside else None
        if beside is None and has_gpu:
            own = self._target.wanted_accelerator.name
        wanted = self._wanted(old) if is_framework else own
        may_be_cpu = wanted is not None and not is_framework and not has_gpu
        same = [version for version in versions if version in _public(old)]
        further = [version for version in versions if version not in same]
        for is_cpu in (False, True) if may_be_cpu else (False,):
            for group, is_reachable in product((same, further), (True, False)):
                for version in group:
                    builds = [
                        build
                        for build in domain.members(domain.versions[version])
                        if _is_reachable(old, build) == is_reachable
                        and self._specifier(old, build) is not None
                        and is_cpu == (wanted is not None and build.accelerator == NONE)
                        and build.accelerator in (wanted or DEFAULT.name, NONE, None)
                    ]
                    builds.sort(key=partial(self._build_key, search.problem, old, cuda))
                    yield from filter(search.is_possible_with, builds)

    def _build_key(
        self, problem: Problem, old: PinnedProject, cuda: str | None, candidate: Candidate
    ) -> tuple[object, ...]:
        """A key to sort builds by: with a local version like the old pin's, then as a solve does.

        `cuda` is the framework's CUDA release.
        """
        old_local = (old.version or "").partition("+")[2] if old.file is None else ""
        # `==2.5.1+cu118` stays a build for CUDA 11.8, and a plain pin stays plain, if that works.
        local = (candidate.build.local if candidate.build else None) or ""
        unlike = 0 if local == old_local else 1 if bool(local) == bool(old_local) else 2
        if candidate.name == self._matrix.framework:
            return unlike, cuda_build_key(candidate), index_key(candidate)
        return unlike, component_key(problem, candidate, cuda)

    def _wanted(self, framework: PinnedProject) -> str | None:
        """Return the accelerator that the framework's old pin meant a build for, if any; that of
        the target if there is no such build.

        A target with a GPU is meant to use it, unless the pin says otherwise.
        """
        project = self._universe.project(framework.name)
        if project is None or not self._target.accelerators or f"+{CPU}" in framework.specifier:
            return None
        wanted = self._target.wanted_accelerator.name
        if self._target.gpus or self._target.driver:
            return wanted
        if framework.file is not None:
            return None
        wheels = PinWheels(framework, project, self._target, self._matrix)
        usable = [
            release_build
            for release_build in wheels.release_builds()
            if wheels.is_reachable(release_build) and wheels.fits(release_build)
        ]
        # A build that the target cannot take says what was meant all the same: `+xpu`.
        own = {each.accelerator for each in usable or wheels.release_builds()}
        return wanted if not own or wanted in own else next(iter(own - {None}), None)

    def _beside(self, pins: Sequence[PinnedProject]) -> ReleaseBuild | None:
        """The build of the framework that the other pins have."""
        for pin in pins:
            project = self._universe.project(pin.name)
            if pin.name == self._matrix.framework and project is not None:
                wheels = PinWheels(pin, project, self._target, self._matrix)
                return wheels.first(wheels.is_reachable, wheels.fits)
        return None

    def _change_to(self, old: PinnedProject, candidate: Candidate) -> PinChange | None:
        """How a file would name a candidate: by version, with another index, or by URL."""
        build, wheel, release = candidate.build, candidate.wheel, candidate.release
        if build is None or wheel is None or release is None:
            return None
        by_name = old.file is None and (old.indexes is None or build.index in old.indexes)
        if by_name and build.builder is None:
            specifier = self._specifier(old, candidate) or ""
            return PinChange(old, specifier, index_id=build.index)
        url = self._universe.url(build, wheel, release.version)
        if url is not None and (build.builder is not None or old.file is not None):
            # A URL is one build's: an unpinned framework becomes the newest, whatever that build
            # was made for.
            if not self._is_framework_pinned(old):
                return None
            return PinChange(old, f"=={candidate.full_version}", url, wheel.sha256)
        if build.builder is None and old.file is None:
            return PinChange(old, f"=={candidate.full_version}", index_id=build.index)
        return None

    def _specifier(self, old: PinnedProject, candidate: Candidate) -> str | None:
        """The specifier that leads to a candidate where an old pin stands; None where none does.

        Beside an index with 2.7.1+cu128 a plain `==2.7.1` is that build, and never the plain one.
        """
        exact, plain = f"=={candidate.full_version}", f"=={candidate.version}"
        specifiers = (exact, plain) if "+" in old.specifier else (plain, exact)
        project = self._universe.project(old.name)
        if project is None or old.indexes is None or not old.takes_highest:
            return specifiers[0]
        for specifier in specifiers:
            pin = old._replace(specifier=specifier)
            wheels = PinWheels(pin, project, self._target, self._matrix)
            first = wheels.first(wheels.is_reachable, wheels.fits)
            if first is None or first.build is candidate.build:
                return specifier
        return None

    def _is_framework_pinned(self, old: PinnedProject) -> bool:
        framework = self._matrix.framework
        return old.name == framework or any(
            pin.name == framework and pin.version is not None for pin in self._compatible
        )


def _offers(release: Release, extra: str) -> bool:
    """Whether a release has an extra: an installer leaves out one that it has not."""
    texts = [f'extra == "{spelling}"' for spelling in spellings_of_extra(extra)]
    required = (line for build in release.builds for line in build.requires)
    return any(text in line for line in required for text in texts)


def _public(old: PinnedProject) -> tuple[str, ...]:
    """The version of a pin without its local label; none for a range."""
    return (parse_version(old.version).public,) if old.version else ()


def _is_reachable(old: PinnedProject, candidate: Candidate) -> bool:
    """Whether the indexes of the old pin have a candidate."""
    build = candidate.build
    if old.file is not None or build is None:
        return build is not None
    return old.indexes is None or build.index in old.indexes


def _changed_pin(change: PinChange) -> PinnedProject:
    indexes = None if change.url else change.old.indexes
    if indexes is not None and change.index_id is not None:
        # The fix names the index that it needs.
        indexes |= {change.index_id}
    return change.old._replace(specifier=change.specifier, file=None, indexes=indexes)


def _any_version(old: PinnedProject) -> str:
    """A specifier that every version meets, pre-releases only if the old pin was one."""
    version = old.version
    # PEP 440: a specifier that names a pre-release admits pre-releases.
    return ">=0a0" if version is not None and parse_version(version).is_prerelease else ""


def _anchors(old: PinnedProject) -> list[str]:
    """The version to stay near to: that of the pin, or the first that its range names."""
    if old.version:
        return [old.version]
    clauses = specifier_set(old.specifier) if old.specifier else ()
    return [clause.version.removesuffix(".*") for clause in clauses][:1]


def _goes_back(change: PinChange) -> bool:
    """Whether a change takes an older release."""
    before, after = change.old.version, change.specifier.removeprefix("==")
    if not before or not is_version(before) or not is_version(after):
        return False
    return parse_version(after) < parse_version(before)
