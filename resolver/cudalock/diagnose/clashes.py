"""Find the conflicts between the versions in a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cudalock.compat.judge import judge
from cudalock.compat.pins import PinnedProject
from cudalock.diagnose.versions import REQUESTED, TextPin
from cudalock.errors import BadTarget
from cudalock.matrix.universe import ClosedUniverse
from cudalock.targets import LINUX, PLATFORMS, Here, Target, parse_platform, parse_python

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cudalock.diagnose.machine import Clues
    from cudalock.findings import Finding
    from cudalock.matrix.matrix import Matrix

CLASHES: Final = ("CL201", "CL202", "CL203", "CL204")
"""The codes that versions alone can show; a text has too little about wheels and indexes."""


def find_clashes(
    pins: Sequence[TextPin], clues: Clues, matrix: Matrix, here: Here
) -> tuple[Finding, ...]:
    """Return the conflicts between the pins, on the machine that the text is from, those that are
    warnings as well."""
    # Requested versions may be those that an installer refused: they are not in one environment.
    installed = [
        PinnedProject(pin.name, f"=={pin.version}")
        for pin in pins
        if pin.trust > REQUESTED and _is_in_matrix(pin, matrix)
    ]
    # One version conflicts with nothing but the machine: a GPU that the driver does not see.
    if len(installed) < (1 if clues.gpu and clues.driver else 2):
        return ()
    try:
        target = _target(clues, here)
    except BadTarget:  # a Python or platform without wheels: versions cannot be judged there
        return ()
    findings = [clash.finding for clash in judge(installed, target, ClosedUniverse(matrix))]
    return tuple(
        finding
        for finding in findings
        if finding.code in CLASHES and _knows_machine(finding, clues, matrix)
    )


def _knows_machine(clash: Finding, clues: Clues, matrix: Matrix) -> bool:
    """Return whether the text has what the conflict is about the machine, so that nothing of it was
    assumed."""
    facts = [matrix.facts[id] for id in clash.facts if id in matrix.facts]
    needed = {demand.template.name for fact in facts for demand in fact.of_machine}
    return all(getattr(clues, name) for name in needed)


def _is_in_matrix(pin: TextPin, matrix: Matrix) -> bool:
    project = matrix.project(pin.name)
    return project is not None and pin.version.partition("+")[0] in project


def _target(clues: Clues, here: Here) -> Target:
    python, free_threaded = parse_python(clues.python) if clues.python else here.python()
    platform, glibc, macos = parse_platform(clues.platform) if clues.platform else here.platform()
    gpus = (clues.gpu,) if clues.gpu else ()
    glibc = clues.glibc or glibc if PLATFORMS[platform].system is LINUX else None
    return Target(python, platform, free_threaded, glibc, macos, gpus, clues.driver)
