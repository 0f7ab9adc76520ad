"""One run of cudalock in a forked child, with faults injected: killed, limited, or in another time.

A fork shares the imports of its parent, so a thousand runs cost little more than what is run. What
starts other programs gets a process group, and a kill ends all of it.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from cudalock.cli import main

LIMIT: Final = 60.0
"""Seconds for one run; beyond that it hangs."""

MEMORY: Final = 500.0
"""MB of one run."""

HARMLESS: Final = (0, 1, 2, 3)
"""The documented exit statuses."""

_STEP: Final = 0.004
"""Seconds between two looks at a child."""

CHANGES: Final = frozenset(
    {
        *("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink"),
        *("os.chmod", "os.utime", "os.truncate", "shutil.copyfile", "shutil.rmtree"),
        *("shutil.move", "sqlite3.connect", "subprocess.Popen"),
    }
)
"""The audit events of what changes files, beside files that are opened to write."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended."""

    status: int
    """the exit status; -9 and its like for a signal"""
    output: str
    seconds: float
    megabytes: float
    hung: bool = False

    @property
    def fault(self) -> str | None:
        """What is wrong with it whatever was done to it; None for nothing."""
        if self.hung:
            return f"no end within {LIMIT:g} s"
        if self.megabytes > MEMORY:
            return f"{self.megabytes:.0f} MB"
        if "Traceback" in self.output or "internal error" in self.output:
            return f"internal error: {self.output[-300:]}"
        if self.status not in HARMLESS and self.status >= 0 and self.status < 128:
            return f"status {self.status}: {self.output[-300:]}"
        return None


@dataclass(frozen=True, slots=True)
class Kill:
    """When a run is killed: after so many seconds, or before so many changes of files."""

    seconds: float | None = None
    change: int | None = None
    number: int = signal.SIGKILL


Prepare = Callable[[], None]
"""Called in the child before the command."""


def run(
    words: Sequence[str],
    folder: Path,
    variables: Mapping[str, str],
    *,
    kill: Kill | None = None,
    prepare: Prepare | None = None,
    limit: float = LIMIT,
) -> Ended:
    """Run a command in a folder, with these variables beside the process's own."""
    with tempfile.TemporaryFile() as output:
        begun = time.monotonic()
        child = os.fork()
        if not child:
            _be_the_child(words, folder, variables, output, kill, prepare)
        hung = _await(child, kill, begun, limit)
        _, status, usage = os.wait4(child, 0)
        _end_group(child)
        seconds = time.monotonic() - begun
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return Ended(os.waitstatus_to_exitcode(status), text, seconds, usage.ru_maxrss / unit, hung)


def count_changes(words: Sequence[str], folder: Path, variables: Mapping[str, str]) -> int:
    """Run a command undisturbed and return how many changes of files it makes."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "count"

        def prepare() -> None:
            _watch(lambda number: file.write_bytes(str(number).encode()), {str(file)})

        run(words, folder, variables, prepare=prepare)
        return int(file.read_bytes()) if file.is_file() else 0


def _be_the_child(
    words: Sequence[str],
    folder: Path,
    variables: Mapping[str, str],
    output: IO[bytes],
    kill: Kill | None,
    prepare: Prepare | None,
) -> None:
    status = 70
    try:
        os.setsid()
        os.chdir(folder)
        os.environ.update(variables)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        nowhere = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nowhere, 0)
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
        random.seed()
        if kill is not None and kill.change is not None:
            _watch(_killer(kill.change, kill.number))
        if prepare is not None:
            prepare()
        main(list(words), prog_name="cudalock")
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _killer(change: int, number: int) -> Callable[[int], None]:
    def at(so_far: int) -> None:
        if so_far == change:
            # The group: what the command started ends with it, as where the power fails.
            os.killpg(0, number) if number == signal.SIGKILL else os.kill(os.getpid(), number)

    return at


def _watch(at: Callable[[int], object], but: set[str] | None = None) -> None:
    """Call `at` with the number of each change of files that this process is about to make."""
    number = 0
    inside = False

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal number, inside
        if inside or not _is_change(event, arguments, but or set()):
            return
        number += 1
        inside = True
        try:
            at(number)
        finally:
            inside = False

    sys.addaudithook(hook)


def _is_change(event: str, arguments: tuple[object, ...], but: set[str]) -> bool:
    if event == "open":
        path, _, flags = arguments
        return (
            isinstance(flags, int)
            and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
            and str(path) not in but
            and not str(path).startswith(("/dev/", "/proc/"))
        )
    return event in CHANGES


def _await(child: int, kill: Kill | None, begun: float, limit: float) -> bool:
    """Wait for a child, and kill it when its time has come; return whether it hung."""
    is_killed = False
    while True:
        # WNOWAIT: its usage is read afterwards.
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return False
        passed = time.monotonic() - begun
        if not is_killed and kill is not None and passed >= (kill.seconds or limit):
            is_killed = True
            with suppress(ProcessLookupError, PermissionError):
                # The group: what the command started ends with it, as where the power fails.
                end = os.killpg if kill.number == signal.SIGKILL else os.kill
                end(child, kill.number)
        if passed > limit:
            _end_group(child)
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            return True
        time.sleep(_STEP)


def _end_group(child: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)


def limit_file_size(size: int) -> Prepare:
    """Let no file grow beyond a size: writing more fails, as with a quota."""

    def prepare() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return prepare


__all__ = [
    "HARMLESS",
    "LIMIT",
    "MEMORY",
    "Ended",
    "Kill",
    "Prepare",
    "count_changes",
    "limit_file_size",
    "run",
]
