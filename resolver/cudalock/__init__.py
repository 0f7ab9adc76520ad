"""cudalock resolves goals such as "torch 2.5.1 + FA2 on Windows py3.11" into a lock.

`from cudalock import Goal, Target, solve` is the whole public interface of this version.
Names are imported when first used: `cudalock --help` must not pay for a resolver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cudalock.errors import CudalockError
    from cudalock.goals import Goal
    from cudalock.lock import Lock
    from cudalock.matrix.matrix import Matrix
    from cudalock.targets import Target

__version__ = "0.1.0"
__all__ = ["CudalockError", "Goal", "Lock", "Matrix", "Target", "__version__", "solve"]

_HOMES = {
    "CudalockError": "errors",
    "Goal": "goals",
    "Lock": "lock",
    "Matrix": "matrix.matrix",
    "Target": "targets",
}


def solve(goal: Goal, target: Target | Sequence[Target], matrix: Matrix | None = None) -> Lock:
    """The lock for `goal` on one target or several, by the matrix shipped with cudalock unless one
    is given.

    Raises NoSolution, with an explanation, when there is none; MatrixError when the data is wrong.
    """
    from cudalock.goals import command_line
    from cudalock.lock.merge import from_resolutions
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.universe import ClosedUniverse
    from cudalock.solving import solve_all
    from cudalock.targets import Target

    targets = [target] if isinstance(target, Target) else list(target)
    universe = ClosedUniverse(matrix or Matrix.load())
    joint = solve_all([(goal, each) for each in targets], universe)
    return from_resolutions(joint.resolutions, command_line(goal, *targets), joint.notes)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
