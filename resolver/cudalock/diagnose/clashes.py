"""Which of the versions in a text do not go together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cudalock.compat.judge import judge
from cudalock.compat.pins import PinnedProject
from cudalock.diagnose.versions import ASKED, Pin
from cudalock.errors import BadTarget
from cudalock.matrix.universe import ClosedUniverse
from cudalock.targets import LINUX, PLATFORMS, Here, Target, parse_platform, parse_python

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cudalock.diagnose.machine import Clues
    from cudalock.findings import Finding
    from cudalock.matrix.matrix import Matrix

CLASHES: Final = ("CL201", "CL202", "CL203", "CL204")
"""What may be said of versions read from a text. Of wheels and indexes it tells too little."""


def find_clashes(
    pins: Sequence[Pin], clues: Clues, matrix: Matrix, here: Here
) -> tuple[Finding, ...]:
    """What does not go together of what the text has, on the machine that it tells of."""
    held = [
        PinnedProject(pin.name, f"=={pin.version}")
        for pin in pins
        if pin.trust > ASKED and _is_held(pin, matrix)
    ]
    if len(held) < 2:
        return ()
    try:
        target = _target(clues, here)
    except BadTarget:  # no wheels are made for it, which is not what the text is about
        return ()
    found = [clash.finding for clash in judge(held, target, ClosedUniverse(matrix))]
    return tuple(
        each
        for each in found
        if each.code in CLASHES and each.severity == "error" and _is_told(each, clues, matrix)
    )


def _is_told(clash: Finding, clues: Clues, matrix: Matrix) -> bool:
    """Whether what the clash says of the machine stands in the text, and was not assumed."""
    facts = [matrix.facts[id] for id in clash.facts if id in matrix.facts]
    asked = {demand.template.name for fact in facts for demand in fact.of_machine}
    return all(getattr(clues, name) for name in asked)


def _is_held(pin: Pin, matrix: Matrix) -> bool:
    project = matrix.project(pin.name)
    return project is not None and pin.version.partition("+")[0] in project


def _target(clues: Clues, here: Here) -> Target:
    python, free_threaded = parse_python(clues.python) if clues.python else here.python()
    platform, glibc, macos = parse_platform(clues.platform) if clues.platform else here.platform()
    gpus = (clues.gpu,) if clues.gpu else ()
    glibc = clues.glibc or glibc if PLATFORMS[platform].system is LINUX else None
    return Target(python, platform, free_threaded, glibc, macos, gpus, clues.driver)
