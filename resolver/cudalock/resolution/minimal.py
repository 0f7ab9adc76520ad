"""Smallest conflicts, the fewest things that resolve them, and as much as can be preserved."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

_Item = TypeVar("_Item")


def minimal_conflict(
    items: Sequence[_Item], is_possible: Callable[[list[_Item]], bool]
) -> list[_Item]:
    """Return a minimal part of ``items`` that is impossible together; all of them must be.

    Without any one of its members the rest of it is possible. Of several such parts it is the one
    with more of what comes first. ``is_possible`` is called k log(n/k) times or so, for k members
    of n items: this is QuickXplain (Junker, "Preferred explanations and relaxations for
    over-constrained problems", AAAI 2004).
    """

    def needed(background: list[_Item], is_larger: bool, rest: list[_Item]) -> list[_Item]:
        # What of the rest is needed beside the background; ``is_larger``: since it was last known
        # to be possible.
        # If the part added last made it impossible by itself, nothing of the rest is needed.
        if is_larger and not is_possible(background):
            return []
        if len(rest) == 1:
            return rest
        half = len(rest) // 2
        first, second = rest[:half], rest[half:]
        # The second half is narrowed beside all of the first: so more of the first stays in the
        # conflict.
        of_second = needed(background + first, bool(first), second)
        of_first = needed(background + of_second, bool(of_second), first)
        return of_first + of_second

    return needed([], False, list(items)) if items else []


def smallest_hitting_sets(
    conflicts: Iterable[Collection[_Item]],
    key: Callable[[_Item], Any] | None = None,
    largest: int | None = None,
) -> list[frozenset[_Item]]:
    """Return every smallest set that has a member of each conflict, in the order of ``key``.

    Empty if a conflict is empty, or if each such set has more than ``largest`` members. With
    conflicts {a, b} and {b, c}: {b}; with {a}, {b, c}: {a, b} and {a, c}.
    """
    sets = [frozenset(conflict) for conflict in conflicts]
    empty: frozenset[_Item] = frozenset()
    members = sorted(empty.union(*sets), key=key)  # type: ignore[type-var,arg-type]
    for size in range(len(members) + 1 if largest is None else min(len(members), largest) + 1):
        hitting = [
            frozenset(chosen)
            for chosen in combinations(members, size)
            if not any(conflict.isdisjoint(chosen) for conflict in sets)
        ]
        if hitting:
            return hitting
    return []


def preserve_most(
    kept: Sequence[_Item], items: Sequence[_Item], is_possible: Callable[[list[_Item]], bool]
) -> list[_Item]:
    """Return the items that can be preserved beside ``kept``, each beside those before it.

    Tried by halves, since most can: all of n that can take one call, one of n that cannot some
    2 log(n).
    """
    if not items or is_possible([*kept, *items]):
        return list(items)
    if len(items) == 1:
        return []
    half = len(items) // 2
    first = preserve_most(kept, items[:half], is_possible)
    return first + preserve_most([*kept, *first], items[half:], is_possible)
