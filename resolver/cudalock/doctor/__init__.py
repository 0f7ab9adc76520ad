"""Whether an environment is healthy: read from its files, and judged by the matrix.

Each module examines one thing of an :class:`~cudalock.compat.installed.ExaminedEnvironment`:
`duplicates` the distributions themselves, `files` what they installed, `requirements` their
METADATA (`wanted` reads it), `clashes` their versions with the engine, `facts` which environment
facts hold, `compiled` for what modules were compiled, `libraries` which CUDA libraries are found
first, `driver` whether the driver answers, `interpreter` whether its Python is there, `lock` the
differences from a lock, `pending` whether a fix was interrupted. `fixes` has the commands that fix
something, `twins` which of two distributions stays, `repair` carries a fix out, and only `imports`
and `repair` run anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cudalock.compat.installed import ExaminedEnvironment
from cudalock.doctor import (
    clashes as stack,
)
from cudalock.doctor import (
    compiled,
    files,
    interpreter,
    libraries,
    requirements,
)
from cudalock.doctor import (
    driver as machine,
)
from cudalock.doctor import (
    duplicates as folders,
)
from cudalock.doctor import (
    facts as conditions,
)
from cudalock.findings import SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cudalock.findings import Finding

EXAMINATIONS: Final[tuple[Callable[[ExaminedEnvironment], Iterator[Finding]], ...]] = (
    machine.examine,
    interpreter.examine,
    stack.examine,
    requirements.examine,
    conditions.examine,
    compiled.examine,
    libraries.examine,
    folders.examine,
    files.examine,
)
"""The examinations that only read. Those that explain best come first: what one reports about some
members is not repeated."""


def examine(subject: ExaminedEnvironment) -> list[Finding]:
    """Return all findings, the worst first. Reads files, and runs nothing."""
    return arrange(finding for look in EXAMINATIONS for finding in look(subject))


def arrange(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings, the worst first, without those that an earlier one explains better."""
    findings_left: list[Finding] = []
    clashing: list[frozenset[str]] = []
    for finding in findings:
        members = frozenset(finding.members)
        if len(members) > 1 and any(members <= other for other in clashing):
            continue
        if len(members) > 1:
            clashing.append(members)
        findings_left.append(finding)
    return sorted(findings_left, key=lambda each: SEVERITIES.index(each.severity))


__all__ = ["EXAMINATIONS", "ExaminedEnvironment", "arrange", "examine"]
