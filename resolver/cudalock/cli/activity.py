"""What long work is doing, on a terminal: a line that is there while nothing else is printed.

It comes only after `DELAY`, so that a quick answer shows none, and `console` takes it away before
it writes. Nothing is shown without a terminal.
"""

from __future__ import annotations

import sys
import time
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.status import Status

DELAY: Final = 0.5
"""Seconds of silence before a person wonders."""
STARTED: Final = time.perf_counter()


class Activity:
    """A line on a terminal: what is done, and with which package in hand."""

    def __init__(self, text: str, stream: IO[str], delay: float = DELAY) -> None:
        import threading

        self._text = text
        self._stream = stream
        self._count = 0
        self._status: Status | None = None
        # The timer shows the line while threads that look packages up change it.
        self._lock = threading.Lock()
        self._ended = False
        self._timer = threading.Timer(delay, self._begin)
        # A process that ends does not wait for it.
        self._timer.daemon = True
        self._timer.start()

    def note(self, name: str) -> None:
        """Say which package is looked up."""
        with self._lock:
            self._count += 1
            if self._status is not None:
                self._status.update(self._line(name))

    def end(self) -> None:
        """Take the line away for good."""
        self._timer.cancel()
        with self._lock:
            self._ended = True
            if self._status is not None:
                self._status.stop()
                self._status = None

    def _begin(self) -> None:
        from rich.console import Console
        from rich.status import Status

        with self._lock:
            # The timer may have been waiting for the lock while the work ended.
            if not self._ended:
                self._status = Status(self._line(), console=Console(file=self._stream))
                self._status.start()

    def _line(self, name: str = "") -> str:
        from rich.markup import escape

        looked = f" ({self._count} looked up)" if self._count else ""
        # A project's name comes from outside, and rich reads brackets as its markup.
        return escape(f"{self._text}{looked} {name}".rstrip())


_shown: Activity | None = None


def begin(text: str) -> Activity | None:
    """Show a line from now on, unless standard error is no terminal; return it."""
    global _shown
    end()
    stream = sys.stderr
    # A process without a console (pythonw) has no stream.
    if stream is not None and stream.isatty():
        _shown = Activity(text, stream)
    return _shown


def end() -> None:
    """Take away the line that is shown, if there is one."""
    global _shown
    if _shown is not None:
        _shown.end()
        _shown = None


def elapsed() -> float:
    """Return the seconds since the program began."""
    return time.perf_counter() - STARTED
