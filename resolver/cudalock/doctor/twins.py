"""Which of two distributions stays, where both cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.doctor.fixes import again
from cudalock.doctor.wanted import wanted_by
from cudalock.environment.installer import uninstall_command
from cudalock.environment.repairs import Fix, Uninstall

if TYPE_CHECKING:
    from cudalock.compat.installed import ExaminedEnvironment


def keeping_one(names: tuple[str, str], subject: ExaminedEnvironment) -> Fix:
    """Return the fix that keeps the one which something requires, if that is only one of them;
    else the one which was built for this machine, else the one which can do more."""
    chosen = _chosen(names, subject)
    installed = subject.inventory.find(chosen) if chosen else None
    if installed is None:
        return Fix(f"uninstall {' and '.join(names)}, then install the one that is wanted")
    other = next(name for name in names if name != chosen)
    fix = again(installed, subject)
    command = f"`{uninstall_command(subject.layout, subject.inventory)} {other}`"
    return Fix(f"{command}, then {fix.text}", (Uninstall(other), *fix.repairs))


def _chosen(names: tuple[str, str], subject: ExaminedEnvironment) -> str | None:
    required = {
        requirement.name
        for installed in subject.inventory.distributions
        for requirement in wanted_by(installed, subject)
    }
    needed = [name for name in names if name in required]
    if len(needed) == 1:
        return needed[0]
    fitting = [
        installed.name
        for installed in map(subject.inventory.find, names)
        if installed and not subject.is_foreign(installed)
    ]
    if len(fitting) == 1:
        return fitting[0]
    # Both are required: whoever requires the other would lack it.
    return None if needed else subject.matrix.preferred(*names)


__all__ = ["keeping_one"]
