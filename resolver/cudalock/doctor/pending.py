"""A fix that was interrupted: half of it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.errors import CudalockError
from cudalock.findings import Finding
from cudalock.text import shell_word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.environment import Layout


def examine(layout: Layout) -> Iterator[Finding]:
    """Yield a finding for an environment whose last fix has to be undone."""
    # Imported here: most environments have no fix.
    from cudalock.doctor.repair import rollback

    try:
        pending = rollback.read(layout.prefix)
    except CudalockError:
        # `--fix` and `--undo` say what is wrong with it; the findings do not depend on it.
        return
    if pending is not None and pending.state != rollback.APPLIED:
        command = f"cudalock doctor --undo --python {shell_word(str(layout.prefix))}"
        yield Finding(
            "CL715",
            "error",
            f"a fix of `{layout.prefix}` was interrupted: packages may be half replaced",
            fix=f"`{command}`",
        )


__all__ = ["examine"]
