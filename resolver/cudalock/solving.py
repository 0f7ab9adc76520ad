"""The front door of the engine: the best resolution of a goal, or the explanation of why not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cudalock.resolution.find import find
from cudalock.resolution.joint import Unsolvable, find_joint

if TYPE_CHECKING:
    from cudalock.goals import Goal
    from cudalock.matrix.universe import Universe
    from cudalock.resolution.joint import JointResolution
    from cudalock.resolution.model import Resolution
    from cudalock.targets import Target


def solve(goal: Goal, target: Target, universe: Universe) -> Resolution:
    """Return the best resolution of a goal on a target.

    Raises NoSolution with its explanation; GaveUp if the search ended without a resolution and
    without a proof that there is none; NetworkError if an index had to be asked and could not be.
    """
    resolution = find(goal, target, universe)
    if resolution is None:
        # Imported here: most goals have a solution.
        from cudalock.conflicts.no_solution import explain

        raise explain(goal, target, universe)
    return resolution


def solve_all(queries: Sequence[tuple[Goal, Target]], universe: Universe) -> JointResolution:
    """Return the best joint resolution of one goal for each target.

    Raises what :func:`solve` does; NoSolution is about the first target that has none.
    """
    try:
        return find_joint(queries, universe)
    except Unsolvable as unsolvable:
        from cudalock.conflicts.no_solution import explain

        raise explain(unsolvable.goal, unsolvable.target, universe) from None
