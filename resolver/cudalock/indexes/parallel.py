"""Work that waits for servers, some of it at once, in threads that Ctrl-C does not wait for.

An executor's threads are joined before the process may end, and each may be waiting for a server
that says nothing.
"""

from __future__ import annotations

from concurrent.futures import Future
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


def at_once(work: Callable[[_Given], _Made], items: Iterable[_Given], most: int) -> list[_Made]:
    """What the work makes of each, in their order. Raises what it raises for the first that fails,
    after all were tried."""
    ended = dict(each_at_once(work, items, most))
    return [ended[number].result() for number in sorted(ended)]


def each_at_once(
    work: Callable[[_Given], _Made], items: Iterable[_Given], most: int
) -> Iterator[tuple[int, Future[_Made]]]:
    """Each item's number and outcome, as they end. What has not begun when the caller breaks off
    never does."""
    waiting: SimpleQueue[tuple[int, _Given]] = SimpleQueue()
    ended: SimpleQueue[tuple[int, Future[_Made]]] = SimpleQueue()
    for numbered in enumerate(items):
        waiting.put(numbered)
    count = waiting.qsize()
    for _ in range(min(most, count)):
        Thread(target=_work_off, args=(work, waiting, ended), daemon=True).start()
    try:
        for _ in range(count):
            yield ended.get()
    finally:
        list(_taken(waiting))


def _work_off(
    work: Callable[[_Given], _Made],
    waiting: SimpleQueue[tuple[int, _Given]],
    ended: SimpleQueue[tuple[int, Future[_Made]]],
) -> None:
    for number, item in _taken(waiting):
        outcome: Future[_Made] = Future()
        try:
            outcome.set_result(work(item))
        except BaseException as error:
            outcome.set_exception(error)
        ended.put((number, outcome))


def _taken(waiting: SimpleQueue[tuple[int, _Given]]) -> Iterator[tuple[int, _Given]]:
    while True:
        try:
            yield waiting.get_nowait()
        except Empty:
            return


__all__ = ["at_once", "each_at_once"]
