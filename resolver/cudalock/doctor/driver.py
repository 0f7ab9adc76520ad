"""The machine itself: whether its driver answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.findings import Finding
from cudalock.targets.accelerators import CUDA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.compat.installed import ExaminedEnvironment


def examine(subject: ExaminedEnvironment) -> Iterator[Finding]:
    """A driver that is there and does not answer: nothing with CUDA runs."""
    if subject.machine.trouble is not None:
        yield Finding(
            "CL707",
            "error" if subject.has_cuda else "note",
            f"the {CUDA.vendor} driver does not answer: {subject.machine.trouble}",
            fix="restart the machine, or install the driver again",
        )
