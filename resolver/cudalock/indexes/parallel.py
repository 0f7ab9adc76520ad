"""Run functions that wait for servers in parallel, in threads that Ctrl-C does not wait for.

The threads of a `ThreadPoolExecutor` are joined before the process may end, and each of them may be
waiting for a server that says nothing.
"""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Final, TypeVar

from cudalock.files import INTERRUPTIBLE
from cudalock.targets import LINUX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future
    from queue import SimpleQueue

_Argument = TypeVar("_Argument")
_Result = TypeVar("_Result")

THREADS: Final = 16
"""How many threads a call starts; requests to one host are limited to half of that elsewhere."""


def map_parallel(
    function: Callable[[_Argument], _Result], arguments: Iterable[_Argument], threads: int = THREADS
) -> list[_Result]:
    """Call a function with each argument and return the results in the order of the arguments.

    Raises what the first failing call raises, after all calls have ended.
    """
    futures = dict(as_completed(function, arguments, threads))
    return [futures[position].result() for position in sorted(futures)]


def as_completed(
    function: Callable[[_Argument], _Result], arguments: Iterable[_Argument], threads: int = THREADS
) -> Iterator[tuple[int, Future[_Result]]]:
    """Call a function with each argument; yield `(position of the argument, future)` as they end.

    Calls that have not begun when the caller stops iterating are never made.
    """
    # Imported here: `concurrent.futures` imports `logging`, for which a solve without the network
    # has no use.
    from queue import SimpleQueue

    waiting: SimpleQueue[tuple[int, _Argument]] = SimpleQueue()
    ended: SimpleQueue[tuple[int, Future[_Result]]] = SimpleQueue()
    for numbered in enumerate(arguments):
        waiting.put(numbered)
    count = waiting.qsize()
    if count:
        _share_one_heap()
    for _ in range(min(threads, count)):
        threading.Thread(target=_work, args=(function, waiting, ended), daemon=True).start()
    try:
        for _ in range(count):
            yield _next(ended)
    finally:
        list(_drain(waiting))


_ARENA_MAX: Final = -8
"""glibc's `M_ARENA_MAX`."""


@cache
def _share_one_heap() -> None:
    """Let all threads allocate from one heap. glibc has one for each thread, and what a page of an
    index took while it was read stays in them: 80 of 215 MB for a file with 200 pins."""
    if sys.platform != LINUX.sys_platform:
        return
    # Not every libc has it, nor every Python ctypes.
    with suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)


def _next(ended: SimpleQueue[_Result]) -> _Result:
    """Wait for a queue. On Windows a wait without a limit cannot be interrupted."""
    from queue import Empty

    while True:
        try:
            return ended.get(timeout=INTERRUPTIBLE)
        except Empty:
            continue


def _work(
    function: Callable[[_Argument], _Result],
    waiting: SimpleQueue[tuple[int, _Argument]],
    ended: SimpleQueue[tuple[int, Future[_Result]]],
) -> None:
    from concurrent.futures import Future

    for position, argument in _drain(waiting):
        future: Future[_Result] = Future()
        try:
            future.set_result(function(argument))
        except BaseException as error:
            future.set_exception(error)
        ended.put((position, future))


def _drain(waiting: SimpleQueue[tuple[int, _Argument]]) -> Iterator[tuple[int, _Argument]]:
    from queue import Empty

    while True:
        try:
            yield waiting.get_nowait()
        except Empty:
            return
