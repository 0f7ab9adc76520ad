"""Solve a goal for an environment while installed packages stay as they are.

With `all` every installed package is preserved at its version and build; with names those are, and
of the rest as many as leave a solution, the most important first. The result is the lock of what is
new or has to change, and nothing else.

`keep` solves and makes that lock, `preserve` decides what has to stay, `policy` is how the resolver
treats it, `foreign` takes a framework that the matrix lacks as it is, `refusal` explains why there
is no solution, and `commands` writes the commands that are recorded and suggested.
"""

from cudalock.keep.commands import KeepRequest, keep_command
from cudalock.keep.foreign import foreign_overlay
from cudalock.keep.keep import lock_additions
from cudalock.keep.preserve import ALL

__all__ = ["ALL", "KeepRequest", "foreign_overlay", "keep_command", "lock_additions"]
