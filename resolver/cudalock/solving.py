"""The front door of the engine: the lock or the best resolution of a goal, or why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cudalock.records import replace
from cudalock.resolution.find import find
from cudalock.resolution.joint import Unsolvable, find_joint

if TYPE_CHECKING:
    from cudalock.goals import Goal, Query
    from cudalock.lock import Lock
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


def build_lock(
    queries: tuple[Query, ...],
    universe: Universe,
    command: str,
    known: Sequence[Resolution] = (),
) -> Lock:
    """Return the lock for the queries, one per target; `command` is recorded in it.

    `known` are the resolutions of the queries, if they were found before. Raises NoSolution and
    GaveUp, and NetworkError if an index has to be read and cannot be.
    """
    lock = _solved(queries, universe, command, known)
    notes = universe.notes((pin.name, pin.version) for pin in lock.pins)
    return replace(lock, notes=(*lock.notes, *notes))


def _solved(
    queries: tuple[Query, ...], universe: Universe, command: str, known: Sequence[Resolution]
) -> Lock:
    if len(queries) == 1:
        resolution = known[0] if known else solve(*queries[0], universe)
        return lock_of(resolution, command)
    from cudalock.lock.merge import from_resolutions

    joint = solve_all(queries, universe)
    return from_resolutions(joint.resolutions, command, joint.notes)


def lock_of(resolution: Resolution, command: str) -> Lock:
    """Return the lock of a resolution, with what an assumed glibc costs it."""
    from cudalock.conflicts.glibc_cost import cost_of_glibc
    from cudalock.lock.build import from_resolution

    lock = from_resolution(resolution, command=command)
    cost = cost_of_glibc(resolution)
    if cost is None:
        return lock
    # The search for it found a solution: what conflicts with the pins here is no reason.
    newer = tuple(
        release._replace(why=f"it needs glibc {cost.glibc}", fact=None)
        if (release.name, release.version) in cost.releases
        else release
        for release in lock.newer
    )
    return replace(lock, notes=(*lock.notes, str(cost)), newer=newer)


def is_solvable(goal: Goal, target: Target, universe: Universe) -> bool | None:
    """Return whether a goal has a solution on a target, and None where nobody knows.

    That is where a lack of solutions rests on releases that the matrix lacks and no index was
    asked about, and where the search gave up. It costs a tenth of an explanation. Raises a
    UsageError as :func:`solve` does.
    """
    from cudalock.resolution.blockers import Blame
    from cudalock.resolution.problem import Problem
    from cudalock.resolution.search import Search

    search = Search(Problem(goal, target, universe))
    if search.is_possible():
        return True
    if search.gave_up:
        return None
    return None if universe.unlisted(Blame(search).of_no_solution()) else False
