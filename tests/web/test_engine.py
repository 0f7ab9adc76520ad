"""The resolver as the browser runs it, in Node: the same bytes as in this Python, and its cost."""

from __future__ import annotations

import gzip
import json
import subprocess
import time
from collections import Counter
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import pytest

from cudalock.errors import CudalockError, GaveUp, NotKnown
from cudalock.goals import read_request
from cudalock.goals.targets import nowhere
from cudalock.matrix.matrix import EMBEDDED, Matrix
from cudalock.matrix.universe import ClosedUniverse
from cudalock.solving import solve
from tests.paths import CASES
from tests.web.built import EVERYTHING, WEB, build_into, node, site
from web.engine.pageapi import Page, with_option
from web.engine.state import relaxed, request_of

QUESTIONS: Final = CASES / "web" / "questions.jsonl"
FIRST: Final = ("stdlib.pack", "engine.pack", "matrix.pack", "late.pack", "stdlib.zip")
MEGABYTE: Final = 1_000_000


def questions() -> list[dict[str, Any]]:
    """The questions, with the texts of the files that they name."""
    read = []
    for line in QUESTIONS.read_text(encoding="utf-8").splitlines():
        question = json.loads(line)
        case = question.pop("case", None)
        if case is not None:
            question["text"] = (CASES / case).read_bytes().decode("utf-8", "replace")
        read.append(question)
    return read


ALL: Final = questions()
ASKED: Final = ALL if EVERYTHING else ALL[::10]


class Answers(NamedTuple):
    """What Node answered to some questions, and what each cost."""

    lines: list[str]
    cpu: list[float]
    """milliseconds"""
    heaps: list[int]
    """bytes after each"""
    files: list[str]
    """what was read by the last of them"""


def in_node(folder: Path, **asked: list[dict[str, Any]]) -> dict[str, Answers]:
    """Ask lists of questions in one process, one after the other; return each list's answers."""
    together = [question for questions in asked.values() for question in questions]
    done = subprocess.run(
        [node(), WEB / "selector" / "ask.mjs", folder],
        input="".join(f"{json.dumps(question)}\n" for question in together),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    *lines, last = done.stdout.splitlines()
    assert len(lines) == len(together)
    cost = json.loads(last)
    answers, start = {}, 0
    for name, questions in asked.items():
        end = start + len(questions)
        part = slice(start, end)
        files = cost["files"][: cost["read"][end - 1]]
        answers[name] = Answers(lines[part], cost["cpu"][part], cost["heaps"][part], files)
        start = end
    return answers


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return site(tmp_path_factory.mktemp("web"))


STATE: Final = {"torch": ["2.8"], "with": ["flash-attn"], "python": ["3.12"], "platform": ["linux"]}
OFTEN: Final = [
    {
        "ask": "solve",
        "state": {
            "torch": ["2.9"],
            "with": ["xformers"],
            "python": ["3.13"],
            "platform": ["linux"],
        },
    }
]
SOLVES: Final = [question for question in ALL if question["ask"] == "solve"][:6]
ROUNDS: Final = 4
WARM: Final = len(SOLVES) * 2
"""The first two rounds: an interpreter that has just begun is slow."""
REPEATED: Final = [
    {"ask": "solve", "state": {**question["state"], "skip": [f"no-such-{turn}"]}}
    for turn in range(ROUNDS)
    for question in SOLVES
]


def files_asked(folder: Path) -> list[dict[str, Any]]:
    """A file of each format that the page offers."""
    manifest = json.loads((folder / "engine" / "manifest.json").read_text(encoding="utf-8"))
    names = [row["format"] for row in manifest["formats"]]
    assert {"requirements", "uv", "constraints", "json"} <= set(names)
    return [{"ask": "file", "state": STATE, "format": name} for name in names]


def marks_asked() -> list[dict[str, Any]]:
    """Every option that the page shows, in a question of its own."""
    from web.selector import choices

    matrix = Matrix.load(EMBEDDED)
    shown = [
        (choice.key, choice.value)
        for choice in (
            *choices.systems(matrix),
            *choices.pythons(matrix),
            *choices.releases(matrix),
            *choices.accelerators(matrix),
        )
    ]
    shown += [("+with", choice.value) for choice, _ in choices.add_ons(matrix)]
    return [{"ask": "mark", "state": STATE, "options": {key: [value]}} for key, value in shown]


@pytest.fixture(scope="module")
def session(folder: Path) -> dict[str, Answers]:
    """What is asked of one resolver: to start another takes as long as twenty questions."""
    return in_node(
        folder,
        often=OFTEN,
        # As it is after the visitor's first answer.
        warm=[{"ask": "solve", "state": STATE}],
        marks=marks_asked(),
        files=files_asked(folder),
        repeated=REPEATED,
        all=ASKED,
    )


@pytest.fixture(scope="module")
def answers(session: dict[str, Answers]) -> Answers:
    return session["all"]


@cache
def page() -> Page:
    return Page(Matrix.load(EMBEDDED))


@cache
def here(question: str) -> tuple[str, float]:
    """The answer in this Python, and its CPU time in milliseconds."""
    began = time.process_time()
    answer = page().answer(question)
    return answer, (time.process_time() - began) * 1000


def test_there_are_questions_of_every_kind() -> None:
    kinds = Counter(question["ask"] for question in ALL)
    assert sum(kinds.values()) >= 300
    assert kinds["why-not"] >= 60
    assert kinds["check"] >= 60
    assert kinds["diagnose"] >= 30
    assert {"solve", "explain", "file", "mark", "read"} <= kinds.keys()


def test_the_bytes_are_the_same(answers: Answers) -> None:
    different = [
        question
        for question, line in zip(ASKED, answers.lines, strict=True)
        if line != here(json.dumps(question))[0]
    ]
    assert different == []


def test_the_answers_are_of_every_kind(answers: Answers) -> None:
    kinds = {json.loads(line)["answer"] for line in answers.lines}
    assert kinds >= ({"yes", "no", "unknown", "wrong", "none"} if EVERYTHING else {"yes", "no"})


def test_each_mark_is_that_of_a_solve(answers: Answers) -> None:
    wrong = []
    for question, line in zip(ASKED, answers.lines, strict=True):
        if question["ask"] != "mark":
            continue
        for key, marks in json.loads(line)["marks"].items():
            for option, mark in marks.items():
                expected = solved_mark(question["state"], key, option)
                if mark != expected:
                    wrong.append((question["state"], key, option, mark, expected))
    assert wrong == []


def solved_mark(state: dict[str, list[str]], key: str, option: str) -> str:
    """The mark of an option by whole solves, with explanations, which the page does not use."""
    universe = ClosedUniverse(Matrix.load(EMBEDDED))
    try:
        goal, target = read_request(
            request_of(with_option(state, key, option)), universe, here=nowhere()
        )
    except CudalockError:
        return "no"
    outcomes = []
    for tried in (goal, relaxed(goal, key)):
        try:
            solve(tried, target, universe)
            outcomes.append("yes")
        except (NotKnown, GaveUp):
            outcomes.append("unknown")
        except CudalockError:
            outcomes.append("no")
    first, second = outcomes
    return first if first == "yes" or second != "yes" else "other"


def test_two_builds_are_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    if not EVERYTHING:
        pytest.skip("a second build takes as long as all else: set CUDALOCK_WEB=1")
    build_into(tmp_path, "engine")
    manifests = [
        (root / "engine" / "manifest.json").read_text(encoding="utf-8")
        for root in (folder, tmp_path)
    ]
    assert manifests[0] == manifests[1]


def test_the_first_answer_is_small(folder: Path) -> None:
    manifest = json.loads((folder / "engine" / "manifest.json").read_text(encoding="utf-8"))
    sizes = {}
    for name in manifest["files"]:
        content = (folder / "engine" / name).read_bytes()
        is_packed = content[:2] == b"\x1f\x8b"
        if name.endswith(FIRST) or name.startswith(manifest["runtime"].removeprefix("engine/")):
            sizes[name] = len(content) if is_packed else len(gzip.compress(content, 9))
    assert len(sizes) == len(FIRST) + 3
    assert sum(sizes.values()) <= 6.6 * MEGABYTE, sizes


def test_every_format_of_the_page_can_be_made(folder: Path, session: dict[str, Answers]) -> None:
    asked, answered = files_asked(folder), session["files"].lines
    assert [json.loads(line)["answer"] for line in answered] == ["yes"] * len(asked)
    assert answered == [here(json.dumps(question))[0] for question in asked]


def test_what_is_asked_often_needs_nothing_more(session: dict[str, Answers]) -> None:
    assert session["often"].files == ["stdlib.pack", "engine.pack", "matrix.pack", "late.pack"]


def test_a_solve_takes_three_times_as_long_at_most(session: dict[str, Answers]) -> None:
    theirs = median(session["repeated"].cpu[WARM:])
    ours = median([here(json.dumps(question))[1] for question in REPEATED][WARM:])
    assert theirs <= 3 * ours, (theirs, ours)


def test_all_options_that_are_shown_are_marked_in_three_seconds(
    session: dict[str, Answers],
) -> None:
    spent = session["marks"].cpu
    assert len(spent) > 50
    assert sum(spent) <= 3000, (len(spent), sum(spent))


HEAP: Final = 64 * 1024 * 1024
LONG_HEAP: Final = 80 * 2**20
"""Bytes after hundreds of questions, which no visitor asks in one sitting."""


def test_the_heap_stays_small(session: dict[str, Answers]) -> None:
    """Of a resolver that was asked seventy questions, and then all of them, of every kind."""
    heaps = [heap for part in session.values() for heap in part.heaps]
    assert len(heaps) >= 70
    # It never shrinks: that after the last question is the largest.
    assert heaps[69] <= HEAP
    assert heaps[-1] <= LONG_HEAP


@pytest.mark.parametrize(
    "kinds",
    [("solve", "why-not", "explain", "file", "mark"), ("check", "diagnose")],
    ids=["selection", "pasted"],
)
def test_the_heap_stays_small_after_seventy_of_a_kind(folder: Path, kinds: tuple[str, ...]) -> None:
    if not EVERYTHING:
        pytest.skip("a resolver of its own takes as long as all else: set CUDALOCK_WEB=1")
    asked = [question for question in ALL if question["ask"] in kinds]
    some = [asked[place * len(asked) // 70] for place in range(70)]
    assert in_node(folder, some=some)["some"].heaps[-1] <= HEAP


def test_no_registry_is_named() -> None:
    lock = (WEB / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock
    packages = json.loads(lock)["packages"]
    assert all("integrity" in package for name, package in packages.items() if name)


def test_licences_of_all_that_is_bundled(folder: Path) -> None:
    manifest = json.loads((folder / "engine" / "manifest.json").read_text(encoding="utf-8"))
    text = (folder / manifest["engine"] / "licences.txt").read_text(encoding="utf-8")
    for name in ("pyodide", "CPython", "packaging", "resolvelib", "tomlkit", "PyYAML"):
        assert f"\n{name} " in text or f"\n{name}," in text, name
    assert "Mozilla Public License" in text
    assert "Permission is hereby granted" in text
