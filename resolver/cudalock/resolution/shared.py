"""What the problems of one target share, since a matrix never changes.

An explanation, a check or a hint looks at dozens of problems that differ in one requirement. What
they have in common is worked out once: markers, facts in force, the candidates of a project, and
what these require.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from cudalock.resolution.limits import SHARED_TARGETS

if TYPE_CHECKING:
    from cudalock.matrix.facts import Fact
    from cudalock.matrix.matrix import Matrix
    from cudalock.resolution.model import Candidate, Requirement
    from cudalock.resolution.propagation import Domain
    from cudalock.targets import Target


class Shared:
    """What is known of one matrix on one target, whatever the goal is."""

    def __init__(self, base: Shared | None) -> None:
        """`base` is that of the target with another glibc, GPU or driver: markers, and what hangs
        on them, are the same."""
        self.markers: dict[str, bool] = base.markers if base else {}
        """whether a marker holds, by the requirement that has it and the extra"""
        self.facts: dict[str, tuple[Fact, ...]] = base.facts if base else {}
        """the facts in force about a component, with none left out"""
        self.facts_of_version: dict[tuple[str, str], tuple[Fact, ...]] = (
            base.facts_of_version if base else {}
        )
        self.filled_demands: dict[tuple[int, tuple[tuple[str, ...], ...]], Requirement | None] = (
            base.filled_demands if base else {}
        )
        self.texts: dict[int, dict[str, tuple[str, ...]]] = base.texts if base else {}
        """the texts of metadata by the project that each requires, by the identity of the metadata:
        a release shares one tuple among its builds, and hashing a hundred texts is slow"""
        self.metadata: dict[Hashable, tuple[tuple[Requirement, ...], tuple[str, ...]]] = (
            base.metadata if base else {}
        )
        """what a wheel's metadata requires, of one project or of all, and the texts of it that name
        extras"""
        # None of the base's from here on: glibc, GPU and driver decide on candidates.
        self.domains: dict[Hashable, Domain] = {}
        """the candidates of a project, by all that they depend on"""
        self.candidates: dict[Hashable, dict[str, tuple[Candidate, ...]]] = {}
        """the candidates of a project, by all that they depend on and by version"""


# Weak: what is shared is of no use without its matrix, and goes with it.
_SHARED: WeakKeyDictionary[Matrix, dict[Target, Shared]] = WeakKeyDictionary()


def shared_by(matrix: Matrix, target: Target) -> Shared:
    """Return what problems over a matrix share on a target, for the targets of late."""
    by_target = _SHARED.setdefault(matrix, {})
    # Taken out and put back: a dict is in order, so the first one is what was not used for longest.
    shared = by_target.pop(target, None)
    if shared is None:
        alike = (other for other in by_target if other.has_markers_of(target))
        shared = Shared(by_target.get(next(alike, target)))
    by_target[target] = shared
    if len(by_target) > _kept_targets:
        del by_target[next(iter(by_target))]
    return shared


def forget(matrix: Matrix) -> None:
    """Drop what problems over a matrix share: the next one takes as long as a first one."""
    _SHARED.pop(matrix, None)


_kept_targets = SHARED_TARGETS


def keep_targets(number: int) -> None:
    """Keep what problems share for fewer targets: where memory is little, and is not given back."""
    global _kept_targets
    _kept_targets = number
