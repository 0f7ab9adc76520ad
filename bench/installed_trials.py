"""Programs tried in an environment, each in a process of its own, by the environment's Python.

It reads imports and trials, lists of [name, program], and whether the trials use the framework, and
prints an object: for each name null, or why it failed. The processes are forks of this one, so that
Python and the framework start once. It runs on Python 3.8 and needs nothing installed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from contextlib import suppress
from importlib import import_module
from typing import BinaryIO

SECONDS = 900
"""For one program; the first import of a large package reads gigabytes."""
AT_ONCE = 2
SHOWN = 12
"""How many of the last lines of an error are returned."""


def start(program: str) -> tuple[int, BinaryIO]:
    """Fork a process that runs a program; return its id and the file of its standard error."""
    log = tempfile.TemporaryFile()  # noqa: SIM115
    process = os.fork()
    if process:
        return process, log
    # What it starts in the background ends with it.
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(log.fileno(), 2)
    signal.alarm(SECONDS)
    status = 1
    try:
        exec(compile(program, "<program>", "exec"), {"__name__": "__main__"})
        status = 0
    except SystemExit as end:
        status = 1 if end.code else 0
    except BaseException as error:
        import traceback

        traceback.print_exc()
        cause = error
        while cause.__cause__ or cause.__context__:
            cause = cause.__cause__ or cause.__context__ or cause
        if cause is not error:
            sys.stderr.write(f"the first error: {type(cause).__name__}: {cause}")
    sys.stderr.flush()
    os._exit(status)


def reason(status: int, error: BinaryIO) -> str | None:
    """Return null for a process that ended well, else the end of its standard error."""
    error.seek(0)
    lines = error.read()[-20000:].decode("utf-8", "replace").strip().splitlines()[-SHOWN:]
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        slow = number == signal.SIGALRM
        lines.append(f"no end within {SECONDS} seconds" if slow else f"signal {number}")
    elif not os.WEXITSTATUS(status):
        return None
    return "\n".join(lines) or "it failed without a word"


def run(programs: list[tuple[str, str]]) -> dict[str, str | None]:
    """Run programs, a few at a time, and return why each failed, or None."""
    waiting = list(programs)
    running: dict[int, tuple[str, BinaryIO]] = {}
    reasons: dict[str, str | None] = {}
    while waiting or running:
        while waiting and len(running) < AT_ONCE:
            name, program = waiting.pop(0)
            process, error = start(program)
            running[process] = (name, error)
        process, status = os.wait()
        with suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)
        name, error = running.pop(process)
        reasons[name] = reason(status, error)
    return reasons


if __name__ == "__main__":
    imports, trials, *rest = json.load(sys.stdin)
    with_torch = rest != [False]
    reasons = run(imports)
    if with_torch:
        # Each trial reports what this import fails with.
        with suppress(BaseException):
            import_module("torch")
    reasons.update(run(trials))
    print(json.dumps(reasons))
