"""Which wheels a target takes, and which part of the target rules the others out."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Final

from cudalock import targets
from cudalock.resolution.elements import TARGET_GLIBC, TARGET_PLATFORM, TARGET_PYTHON, Element

if TYPE_CHECKING:
    from cudalock.matrix.releases import Build, Project, Release, Wheel
    from cudalock.targets import Ranker, Target

WHEEL_FACETS: Final = (TARGET_PYTHON, TARGET_PLATFORM, TARGET_GLIBC)
"""The parts of a target that wheel tags speak of, as elements of the question."""

LAST: Final = 1 << 30
"""The rank of a wheel that fits only because something was left out."""


class Fit:
    """A target's tags, with parts of the target left out at will."""

    def __init__(self, target: Target) -> None:
        self._exact = target.tags()
        self._family = target.family_tags()
        self._by_tags: dict[str, frozenset[frozenset[Element]]] = {}

    def ranker(self, off: frozenset[Element]) -> Ranker:
        """Ranks as the target does, not minding the facets in ``off``."""
        if off.isdisjoint(WHEEL_FACETS):
            return self._exact
        return _Lenient(self, frozenset(off.intersection(WHEEL_FACETS)))

    def missed(self, build: Build) -> Iterator[frozenset[Element]]:
        """The smallest sets of facets that together rule out every wheel of a build."""
        shared: frozenset[frozenset[Element]] | None = None
        for tags in build.tags:
            sets = self.missed_by(tags)
            shared = sets if shared is None else shared & sets
        for found in sorted(shared or (), key=sorted):
            if not any(other < found for other in shared or ()):
                yield found

    def missed_by(self, tags: str) -> frozenset[frozenset[Element]]:
        """Every set of facets that rules out a wheel with these tags."""
        found = self._by_tags.get(tags)
        if found is None:
            python, platform, glibc = WHEEL_FACETS
            missed = set()
            if not self._family.takes_python(tags):
                missed.add(frozenset([python]))
            if not self._family.takes_platform(tags):
                missed.add(frozenset([platform]))
            if not self._exact.takes_platform(tags):
                missed.add(frozenset([platform, glibc]))
            if self._family.rank(tags) is None:
                missed.add(frozenset([python, platform]))
            if self._exact.rank(tags) is None:
                missed.add(frozenset([python, platform, glibc]))
            found = self._by_tags[tags] = frozenset(_with_supersets(missed))
        return found


def _with_supersets(sets: set[frozenset[Element]]) -> Iterator[frozenset[Element]]:
    python, platform, glibc = WHEEL_FACETS
    for facets in (
        {python},
        {platform},
        {python, platform},
        {platform, glibc},
        {python, platform, glibc},
    ):
        if any(found <= facets for found in sets):
            yield frozenset(facets)


class _Lenient:
    """Ranks wheels for a target of which some facets are not minded."""

    def __init__(self, fit: Fit, off: frozenset[Element]) -> None:
        self._fit = fit
        self._exact = fit.ranker(frozenset())
        self._off = off
        self._ranks: dict[str, int | None] = {}

    def rank(self, tags: str) -> int | None:
        # Thousands of wheels have a hundred sets of tags.
        if tags not in self._ranks:
            self._ranks[tags] = self._rank(tags)
        return self._ranks[tags]

    def _rank(self, tags: str) -> int | None:
        rank = self._exact.rank(tags)
        if rank is not None:
            return rank
        if any(missed.isdisjoint(self._off) for missed in self._fit.missed_by(tags)):
            return None
        return LAST


def best_wheel(build: Build, tags: Ranker) -> Wheel | None:
    """The wheel that an installer on the target would prefer, or None where none fits."""
    position = targets.best_wheel(build.tags, tags)
    return None if position is None else build.wheel(position)


class Screen:
    """Tells builds that may fit from those that cannot, by a few labels and what fits of each.

    A thousand wheels differ in a handful of label values, so it is asked once a value.
    """

    def __init__(
        self, fits: Sequence[tuple[str, Callable[[tuple[str, ...]], bool]]], key: Hashable
    ) -> None:
        """`key` is what decides whether a value fits."""
        self.key = key
        self._fits = [(label, cache(fit)) for label, fit in fits]

    def may_pass(self, project: Project, version: str) -> bool:
        """Whether a release may have builds that pass, as far as its row tells unparsed."""
        label, fit = self._fits[0]
        return project.may_have(version, label, fit)

    def passing(self, release: Release) -> Iterator[Build]:
        """The builds of a release that have no label value that cannot fit."""
        (label, fit), *others = self._fits
        for values, positions in release.by_label(label).items():
            if not values or fit(values):
                for position in positions:
                    build = release.build(position)
                    if all(self._may_fit(build, *other) for other in others):
                        yield build

    @staticmethod
    def _may_fit(build: Build, label: str, fit: Callable[[tuple[str, ...]], bool]) -> bool:
        # What a build has no label for is unknown, which rules nothing out.
        values = build.row(label)
        return not values or fit(values)
