"""Smallest conflicts, hitting sets and what can be preserved, beside trying everything."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import chain, combinations

import pytest

from cudalock.resolution.minimal import minimal_conflict, preserve_most, smallest_hitting_sets

SEEDS = range(60)


def invented(seed: int) -> tuple[list[int], list[frozenset[int]], Callable[[Sequence[int]], bool]]:
    """Some items, the conflicts among them, and whether a choice of items has none of these."""
    chance = random.Random(seed)
    items = list(range(chance.randint(1, 8)))
    conflicts = [
        frozenset(chance.sample(items, chance.randint(1, min(3, len(items)))))
        for _ in range(chance.randint(1, 4))
    ]
    return items, conflicts, lambda chosen: not any(each <= set(chosen) for each in conflicts)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_minimal_conflict_is_possible_without_any_of_its_members(seed: int) -> None:
    items, conflicts, is_possible = invented(seed)
    found = minimal_conflict(items, is_possible)
    assert frozenset(found) in conflicts
    assert not is_possible(found)
    assert all(is_possible([item for item in found if item != left_out]) for left_out in found)


def test_of_several_conflicts_the_one_with_what_comes_first() -> None:
    conflicts = [{"b", "d"}, {"a", "d"}]
    found = minimal_conflict("abcd", lambda chosen: not any(e <= set(chosen) for e in conflicts))
    assert set(found) == {"a", "d"}


def test_a_minimal_conflict_takes_few_questions() -> None:
    asked: list[int] = []

    def is_possible(chosen: list[int]) -> bool:
        asked.append(len(chosen))
        return not {500, 700} <= set(chosen)

    assert sorted(minimal_conflict(range(1000), is_possible)) == [500, 700]
    assert len(asked) < 50


def test_nothing_has_no_conflict() -> None:
    assert minimal_conflict([], bool) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_the_smallest_hitting_sets_are_all_there_are(seed: int) -> None:
    items, conflicts, _ = invented(seed)
    subsets = chain.from_iterable(combinations(items, size) for size in range(len(items) + 1))
    hitting = [frozenset(s) for s in subsets if not any(c.isdisjoint(s) for c in conflicts)]
    smallest = [each for each in hitting if len(each) == min(map(len, hitting))]
    assert smallest_hitting_sets(conflicts) == smallest
    assert smallest_hitting_sets(conflicts, largest=len(smallest[0]) - 1) == []


def test_hitting_sets_of_no_conflict_and_of_one_that_nothing_resolves() -> None:
    assert smallest_hitting_sets([]) == [frozenset()]
    assert smallest_hitting_sets([{1}, set()]) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_each_item_is_preserved_that_can_be_beside_those_before_it(seed: int) -> None:
    items, _, is_possible = invented(seed)
    expected: list[int] = []
    for item in items:
        if is_possible([*expected, item]):
            expected.append(item)
    assert preserve_most([], items, is_possible) == expected
