"""Which versions are near to one another, and what is made of specifiers that are none."""

from __future__ import annotations

import pytest

from cudalock.versions import (
    below_and_above,
    nearest_first,
    readable_requirement,
    readable_specifier,
    shared_numbers,
)


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


SPECIFIERS = {
    ">=1.8.*": ">=1.8",
    ">=3.5.*, <4": ">=3.5, <4",
    "<4.*": "<4",
    "~=1.8.*": "~=1.8",
    ">=7.2.0<8.0.0": ">=7.2.0,<8.0.0",
    "!=~5.0": "!=5.0.*",
    ">=2.7,!=3.0*": ">=2.7,!=3.0.*",
    ">'3.5'": ">3.5",
    ">=3.x": ">=3",
    ">dev": ">0.dev0",
    ">=2.7, !=3.0.*": ">=2.7, !=3.0.*",
    "": "",
    "==2004d": None,
    "^1.0": None,
    ">=latest": None,
}


@pytest.mark.parametrize(("written", "read"), SPECIFIERS.items())
def test_specifiers_of_others(written: str, read: str | None) -> None:
    assert readable_specifier(written) == read


REQUIREMENTS = {
    "torch (>=1.8.*)": "torch>=1.8",
    "x2>=1.*": "x2>=1",
    "a[b] (>= 1.0.*,<2) ; python_version < '3'": "a[b]>= 1.0,<2; python_version < '3'",
    "a (>=1.0) ; extra == 'x'": "a (>=1.0) ; extra == 'x'",
    "a @ https://x.example/a.whl": "a @ https://x.example/a.whl",
    "a>=1.*; no_such_variable == '1'": None,
    "not a requirement": None,
    "a[": None,
    "": None,
}


@pytest.mark.parametrize(("written", "read"), REQUIREMENTS.items())
def test_requirements_of_others(written: str, read: str | None) -> None:
    assert readable_requirement(written) == read
