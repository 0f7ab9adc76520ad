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
    needed = _required(names, subject)
    if len(needed) == len(names):
        # Whoever requires the other would lack it.
        return Fix(
            f"keep both, which others require: install the one again whose files are used, "
            f"{' or '.join(names)}"
        )
    chosen = _chosen(names, needed, subject)
    installed = subject.inventory.find(chosen) if chosen else None
    if installed is None:
        return Fix(f"uninstall {' and '.join(names)}, then install the one that is wanted")
    other = next(name for name in names if name != chosen)
    fix = again(installed, subject)
    command = f"`{uninstall_command(subject.layout, subject.inventory)} {other}`"
    return Fix(f"{command}, then {fix.text}", (Uninstall(other), *fix.repairs))


def _required(names: tuple[str, str], subject: ExaminedEnvironment) -> list[str]:
    required = {
        requirement.name
        for installed in subject.inventory.distributions
        for requirement in wanted_by(installed, subject)
    }
    return [name for name in names if name in required]


def _chosen(names: tuple[str, str], needed: list[str], subject: ExaminedEnvironment) -> str | None:
    if len(needed) == 1:
        return needed[0]
    fitting = [
        installed.name
        for installed in map(subject.inventory.find, names)
        if installed and not subject.is_foreign(installed)
    ]
    if len(fitting) == 1:
        return fitting[0]
    return subject.matrix.preferred(*names)


__all__ = ["keeping_one"]
