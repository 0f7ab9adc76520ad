"""Whether an environment is healthy: read from its files, and judged by the matrix.

Who does what, to a :class:`~cudalock.compat.installed.ExaminedEnvironment`: `duplicates` looks at
the distributions themselves, `files` at what they installed, `requirements` at their METADATA,
`clashes` puts what is held to the engine, `facts` sees which environment facts hold, `libraries`
which CUDA libraries are found first, `driver` whether the driver answers, `interpreter` whether its
Python is there, `lock` how it differs from a lock, `fixes` are those that mend, and `imports` alone
runs anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cudalock.compat.installed import ExaminedEnvironment
from cudalock.doctor import (
    clashes as stack,
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
from cudalock.doctor import (
    files,
    interpreter,
    libraries,
    requirements,
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
    libraries.examine,
    folders.examine,
    files.examine,
)
"""What needs no more than to be read. The better explained comes first: what it says of some
members is not said of them again."""


def examine(subject: ExaminedEnvironment) -> list[Finding]:
    """All findings, the worst first. Reads files, and runs nothing."""
    return arrange(finding for look in EXAMINATIONS for finding in look(subject))


def arrange(findings: Iterable[Finding]) -> list[Finding]:
    """The findings, the worst first, less those that an earlier one says better."""
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
