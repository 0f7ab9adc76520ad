"""Mutants are put into a process as they are written, and what became of them is told."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from bench import mutants, mutation
from bench.mutants import JUDGED, RESULTS, forked, judged, page, results
from bench.mutation import ROOT, Mutant, NotApplicable, apply

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SOURCE = """\
def plus(a, b=1, *, c=2):
    if a:
        return [each + b
                for each in range(c)]
    return None


def outer(a):
    def inner():
        return a
    return inner


class Box:
    def __init__(self, held):
        self.held = held

    @classmethod
    def of(cls, *held, more=3):
        return cls(list(held) + [more])

    def first(self):
        match self.held:
            case []:
                return None
            case [first, *_]:
                return first
"""
NAME = "changed_by_a_mutant"
PATH = f"resolver/{NAME}.py"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(mutation, "ROOT", tmp_path)
    (tmp_path / "resolver").mkdir()
    (tmp_path / PATH).write_text(SOURCE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "resolver")
    yield __import__(NAME)
    del sys.modules[NAME]


def mutant(function: str, before: str, after: str) -> Mutant:
    lines = SOURCE.splitlines()
    line = next(number for number, text in enumerate(lines, 1) if before in text)
    changed = lines[line - 1].replace(before, after)
    return Mutant(PATH, function, line, (lines[line - 1],), (changed,))


CHANGES: list[tuple[Mutant, Callable[[Any], object], object, object]] = [
    (mutant("plus", "each + b", "each - b"), lambda m: m.plus(1), [1, 2], [-1, 0]),
    (mutant("plus", "b=1", "b=2"), lambda m: m.plus(1), [1, 2], [2, 3]),
    (mutant("plus", "c=2", "c=3"), lambda m: m.plus(1), [1, 2], [1, 2, 3]),
    (
        mutant("outer", "return inner", "return inner()"),
        lambda m: callable(m.outer(1)),
        True,
        False,
    ),
    (mutant("Box.of", "[more]", "[0]"), lambda m: m.Box.of(1).held, [1, 3], [1, 0]),
    (mutant("Box.of", "more=3", "more=4"), lambda m: m.Box.of(1).held, [1, 3], [1, 4]),
    (
        mutant("Box.first", "case [first, *_]", "case [_, first]"),
        lambda m: m.Box([1, 2]).first(),
        1,
        2,
    ),
]


@pytest.mark.parametrize(("change", "asked", "before", "after"), CHANGES)
def test_a_function_gets_the_changed_code(
    module: Any, change: Mutant, asked: Callable[[Any], object], before: object, after: object
) -> None:
    assert asked(module) == before
    apply(change)
    assert asked(module) == after


@pytest.mark.parametrize(
    "change",
    [mutant("nowhere", "c=2", "c=3"), mutant("Box", "def first", "def second")],
    ids=["no such function", "a class"],
)
def test_what_cannot_be_changed_is_told(module: Any, change: Mutant) -> None:
    with pytest.raises(NotApplicable):
        apply(change)


@pytest.mark.parametrize(
    ("old", "new", "is_found"), [("def plus", "\n\ndef plus", True), ("+ b", "+  b", False)]
)
def test_lines_may_move_but_not_change(
    module: Any, tmp_path: Path, old: str, new: str, is_found: bool
) -> None:
    (tmp_path / PATH).write_text(SOURCE.replace(old, new), encoding="utf-8")
    change = mutant("plus", "each + b", "each - b")
    if is_found:
        assert change.source() == SOURCE.replace(old, new).replace("each + b", "each - b")
    else:
        with pytest.raises(ValueError, match="has changed at line 3"):
            change.source()


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (mutant("plus", "each + b", "each - b"), {3, 4}),
        (mutant("plus", "if a", "if not a"), {2}),
        (mutant("Box.first", "match self.held", "match None"), {23}),
        (mutant("Box.first", "case []", "case [_]"), {24}),
    ],
    ids=["a statement of two lines", "a head", "a match", "a case"],
)
def test_the_tests_that_count_run_its_statement(
    module: Any, change: Mutant, lines: set[int]
) -> None:
    assert change.lines() == lines


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize(
    ("work", "status"),
    [(lambda: 0, 0), (lambda: 1, 1), (lambda: 1 // 0, 1), (lambda: [0 for _ in iter(int, 1)], -9)],
    ids=["passes", "fails", "raises", "never ends"],
)
def test_a_fork_ends_as_its_work_does(work: Callable[[], Any], status: int) -> None:
    def told(say: Callable[[str], None]) -> int:
        say("said")
        status: int = work()
        return status

    ended = forked(told, 0.5, 20)
    assert (ended.status, ended.said) == (status, "said\n")


def test_each_mutant_is_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = [change for change, _, _, _ in CHANGES]
    same = tmp_path / "same.toml"
    same.write_text(
        f'[[same]]\npath = "{PATH}"\nbefore = "return inner"\nafter = "return inner()"\nwhy = "x"\n'
    )
    monkeypatch.setattr(mutants, "JUDGED", same)
    ends = ["survived", "killed", "undecided", "survived", "no test"]
    records = [
        {**asdict(each), "result": end, "seconds": 1.0}
        for each, end in zip(changes, ends, strict=False)
    ]
    records[2] |= {"result": "survived", "left out": 7}
    # An earlier one of the first, and a line that was cut off.
    lines = [json.dumps(each) for each in [{**records[0], "result": "no test"}, *records]]
    (tmp_path / RESULTS).write_text("\n".join([*lines, '{"path": "reso']))
    assert len(results(tmp_path)) == 5
    text = page(changes, tmp_path, 1, "2026-11-30")
    assert [line for line in text.splitlines() if line.startswith("|")] == [
        "| Became of it | Mutants |",
        "|---|--:|",
        "| killed: a test failed | 1 |",
        "| survived, and means the same (`bench/mutants.toml` says why) | 1 |",
        "| survived all of their tests | 1 |",
        "| survived the tests that the time was for; others were left out | 1 |",
        "| no test of the chosen ones runs its lines | 1 |",
        "| not tried | 2 |",
        "| Where | Before | After |",
        "|---|---|---|",
        f"| `{PATH}`, `plus` | `return [each + b` | `return [each - b` |",
        f"| `{PATH}`, `Box.of` | `return cls(list(held) + [more])` |"
        " `return cls(list(held) + [0])` |",
        "| Where | Before | After |",
        "|---|---|---|",
        f"| `{PATH}`, `plus` | `def plus(a, b=1, *, c=2):` | `def plus(a, b=1, *, c=3):` |",
    ]


def test_what_means_the_same_still_stands_in_the_code() -> None:
    for (path, before, after), why in judged().items():
        text = " ".join((ROOT / path).read_text(encoding="utf-8").split())
        assert before in text, f"{JUDGED.name}: {path} has no `{before}`"
        assert why
        assert before != after
