"""Several questions to an index at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")

AT_ONCE: Final = 16


def at_once(function: Callable[[_Given], _Made], items: Iterable[_Given]) -> list[_Made]:
    """The function of each, some at once, in their order."""
    # Imported here: a solve without the network would pay for it.
    from cudalock.indexes import parallel as threads

    return threads.at_once(function, items, AT_ONCE)


__all__ = ["at_once"]
