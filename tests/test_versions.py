"""Which versions are near to one another."""

from __future__ import annotations

import pytest

from cudalock.versions import below_and_above, nearest_first, shared_numbers


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("2.5.1", "2.6.0", 1),
        ("2.5.1", "2.5.0", 2),
        ("2.5", "2.5.0", 3),
        ("2.5", "2.5.1", 2),
        ("2.5.1", "2.5.1.post1", 3),
        ("1.13", "2.0", 0),
    ],
)
def test_shared_numbers(one: str, other: str, shared: int) -> None:
    assert shared_numbers(one, other) == shared_numbers(other, one) == shared


def test_below_and_above() -> None:
    versions = ["2.10", "2.9", "2.8.1", "2.8"]
    assert below_and_above(versions, "2.8.1") == (["2.8"], ["2.9", "2.10"])
    assert below_and_above(versions, "2.8.5") == (["2.8.1", "2.8"], ["2.9", "2.10"])
    assert below_and_above([], "1") == ([], [])


@pytest.mark.parametrize(
    ("versions", "anchors", "known", "ordered"),
    [
        ("1.13.1 2.4.1 2.5.0 2.6.0", "2.5.1", "", "2.5.0 2.6.0 2.4.1 1.13.1"),
        ("2.4 2.6", "2.5", "", "2.6 2.4"),
        ("2.4 2.6", "2.5", "2.5.1 2.5.2", "2.4 2.6"),
        ("1.0 2.0 3.0", "", "", "3.0 2.0 1.0"),
        ("1.2 1.9 3.1", "1.1 3.0", "", "3.1 1.2 1.9"),
        ("", "1.0", "", ""),
    ],
)
def test_nearest_first(versions: str, anchors: str, known: str, ordered: str) -> None:
    assert nearest_first(versions.split(), anchors.split(), known.split()) == ordered.split()
