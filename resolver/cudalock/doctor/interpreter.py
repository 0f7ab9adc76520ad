"""The environment's own Python: whether it is still there."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from cudalock.environment.layout import INTERPRETERS
from cudalock.files import read_small, resolved
from cudalock.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cudalock.compat.installed import ExaminedEnvironment
    from cudalock.environment import Layout

_SCRIPTS: Final = ("bin/activate", "Scripts/activate.bat", "Scripts/activate")
"""What a venv writes its own folder into."""


def examine(subject: ExaminedEnvironment) -> Iterator[Finding]:
    """A venv whose Python does not run here: the one it was made from was removed or replaced.

    A tree of another machine has a Python that does not run here either. One that was made in the
    folder where it lies is of this machine.
    """
    layout = subject.layout
    if layout.runs or layout.os_name != os.name or not _is_there(layout.prefix):
        return
    if not (layout.prefix / "pyvenv.cfg").is_file():
        return
    yield Finding(
        "CL714",
        "error" if _was_made_here(layout) else "warning",
        f"the Python of `{layout.prefix}` does not run here: the one that it was made from is gone"
        " or was replaced",
        fix="create the environment again, and install into the new one",
    )


def _is_there(prefix: Path) -> bool:
    """Whether it has an interpreter, be it a link that leads nowhere."""
    return any(os.path.lexists(prefix / name) for name in INTERPRETERS)


def _was_made_here(layout: Layout) -> bool:
    for name in _SCRIPTS:
        with suppress(OSError):
            text = read_small(layout.prefix / name).decode("utf-8", "replace")
            if str(layout.prefix) in text or str(resolved(layout.prefix)) in text:
                return True
    return False


__all__ = ["examine"]
