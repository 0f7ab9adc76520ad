"""A screen: what tells the hopeless among thousands of wheels before anything else is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cudalock.matrix.releases import Build, Release


class Screen:
    """Tells builds that may fit from those that cannot, by a few labels and what fits of each.

    A thousand wheels differ in a handful of label values, so it is asked once a value.
    """

    def __init__(self, fits: Sequence[tuple[str, Callable[[tuple[str, ...]], bool]]]) -> None:
        self._fits = [(label, cache(fit)) for label, fit in fits]

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
        values = build.row(label)
        return not values or fit(values)
