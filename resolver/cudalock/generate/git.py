"""When the requirement files of a repository were last committed, by its git.

git reads a repository's own configuration, which may name programs to run; each such way that a
plain `git log` has is closed.
"""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING, Final

from cudalock.errors import UsageError
from cudalock.files import NO_CURRENT_FOLDER, find_program, relative

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# fsmonitor, hooks, a pager and the program that checks signatures are commands which a cloned
# repository can set in its configuration.
_SAFE: Final = (
    *("-c", "core.fsmonitor=false"),
    *("-c", f"core.hooksPath={os.devnull}"),
    *("-c", "log.showSignature=false"),
    *("-c", "core.pager=cat"),
    # A file named `:(exclude)x` would be read as a pattern, and git would refresh the index file.
    *("--no-pager", "--literal-pathspecs", "--no-optional-locks", "--no-replace-objects"),
)
# A partial clone would fetch missing objects, and ask for a password.
_QUIET: Final = {"GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_ASKPASS": ""}
_SECONDS: Final = 20


def last_commit(root: Path, files: Sequence[Path]) -> str | None:
    """Return the ISO day of the last commit to one of the files; None if there is none."""
    program = find_program("git")
    if not files or program is None:
        return None
    paths = [relative(file, root) for file in files]
    # `--` ends the options: a file may be named like one.
    command = [program, *_SAFE, "log", "-1", "--format=%cs", "--no-ext-diff", "--no-textconv", "--"]
    try:
        done = subprocess.run(
            [*command, *paths],
            cwd=root,
            env={**os.environ, **_QUIET, **NO_CURRENT_FOLDER},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=True,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    day = done.stdout.strip()
    # The day becomes part of messages and of the lock's header, so nothing else may pass.
    return day if re.fullmatch(r"[0-9]{4}-[0-9][0-9]-[0-9][0-9]", day) else None


def commit_day(root: Path, files: Sequence[Path]) -> str:
    """Like `last_commit`. Raises UsageError if there is no such commit."""
    day = last_commit(root, files)
    if day is None:
        raise UsageError(
            f"`--exclude-newer commit`: git knows no commit of the requirement files in `{root}`",
            hints=["--exclude-newer 2025-01-31"],
        )
    return day


__all__ = ["commit_day", "last_commit"]
