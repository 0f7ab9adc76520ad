"""Whole processes, timed and weighed one after the other."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

# A process started from a large one is charged that one's memory, so a small one starts them all.
_SPAWNER = """
import os, sys
import json
for line in sys.stdin:
    words, text = json.loads(line)
    read, write = os.pipe()
    os.write(write, text.encode())
    os.close(write)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    child = os.posix_spawnp(words[0], words, os.environ, file_actions=[
        (os.POSIX_SPAWN_DUP2, read, 0),
        (os.POSIX_SPAWN_DUP2, nowhere, 1),
        (os.POSIX_SPAWN_DUP2, nowhere, 2),
    ])
    _, status, usage = os.wait4(child, 0)
    seconds = usage.ru_utime + usage.ru_stime
    os.close(read)
    os.close(nowhere)
    print(json.dumps([seconds, usage.ru_maxrss, os.waitstatus_to_exitcode(status)]), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """One run of a command."""

    seconds: float
    """of the processor: what a machine that does other things as well hardly changes"""
    megabytes: float
    status: int


class Spawner(AbstractContextManager["Spawner"]):
    """Runs commands, their output thrown away. Posix only, for the sake of ``wait4``."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _SPAWNER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )

    def run(self, command: Sequence[str], stdin: str = "") -> Ran:
        """Run a command to its end, with a short text on its stdin."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the spawner has no pipes")
        self._process.stdin.write(json.dumps([list(command), stdin]) + "\n")
        self._process.stdin.flush()
        seconds, memory, status = json.loads(self._process.stdout.readline())
        # Linux counts kilobytes, macOS bytes.
        unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
        return Ran(seconds, memory / unit, status)

    def __exit__(self, *_: object) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
