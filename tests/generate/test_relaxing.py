"""The fewest limits let go, and locks refreshed with the least change."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from cudalock.cli import main
from cudalock.generate.relax import Limit, pinned_query, relax
from cudalock.generate.update_lock import hold, read_held
from cudalock.goals import Goal
from cudalock.matrix.universe import ClosedUniverse
from cudalock.resolution.problem import Problem
from cudalock.resolution.search import Search
from cudalock.targets import Target
from tests.consumers import Consumed
from tests.files import write_all

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cudalock.goals import Query
    from cudalock.matrix.matrix import Matrix

LINUX = Target("3.11", "linux-x86_64")
WINDOWS = Target("3.11", "windows-x86_64")


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["generate", *words], prog_name="cudalock")


def limits(*texts: str) -> list[Limit]:
    found = []
    for number, text in enumerate(texts, 1):
        name, _, version = text.partition("==")
        weight = {"torch": 3, "torchvision": 2, "xformers": 2, "flash-attn": 2}.get(name, 1)
        found.append(Limit(name, f"=={version}", f"requirements.txt:{number}", weight=weight))
    return found


def asking(found: Sequence[Limit], *targets: Target) -> list[Query]:
    names = tuple(sorted({limit.name for limit in found}))
    return [(Goal(requirements=names), target) for target in targets or (LINUX,)]


def is_possible(questions: Sequence[Query], matrix: Matrix) -> bool:
    return all(
        Search(Problem(*each, ClosedUniverse(matrix))).best() is not None for each in questions
    )


SETS = [
    (["torch==2.5.1", "torchvision==0.19.0"], ["torchvision==0.20.1"]),
    (["torch==2.5.1", "torchvision==0.20.1"], []),
    # Two companions of one torch outvote it.
    (["torch==2.5.1", "torchvision==0.19.0", "torchaudio==2.4.0"], ["torch==2.4.0"]),
    (
        ["torch==2.5.1", "torchvision==0.19.0", "xformers==0.0.27", "transformers==4.46.0"],
        ["torchvision==0.20.1", "xformers==0.0.28.post3"],
    ),
    # There is no such release: the nearest is taken.
    (["torch==2.5.7"], ["torch==2.5.1"]),
    (["numpy==2.1.0", "torch==2.2.2", "pandas==2.1.0"], None),
    # Nearer ones have a warning, or may not exist.
    (["flash-attn==2.5.8", "torch==2.5.1"], ["flash-attn==2.6.3"]),
]


@pytest.mark.parametrize(("said", "instead"), SETS, ids=lambda value: " ".join(value or ["none"]))
def test_the_fewest_limits_are_let_go(
    said: list[str], instead: list[str] | None, matrix: Matrix
) -> None:
    found = limits(*said)
    questions = asking(found)
    relaxed = relax(questions, found, ClosedUniverse(matrix))
    assert relaxed is not None
    assert is_possible(relaxed.questions, matrix)
    let_go = {each.limit for each in relaxed.loosened}
    if instead is not None:
        assert [f"{each.limit.name}=={each.version}" for each in relaxed.loosened] == instead
    # Nothing smaller would do: tried one by one.
    for count in range(len(let_go)):
        for fewer in combinations(found, count):
            kept = [limit for limit in found if limit not in fewer]
            assert not is_possible([pinned_query(each, kept, {}) for each in questions], matrix)


def test_limits_of_two_targets(matrix: Matrix) -> None:
    found = limits("torch==2.5.1", "torchvision==0.19.0")
    elsewhere = found[1]._replace(marker='sys_platform == "win32"')
    relaxed = relax(asking(found, LINUX, WINDOWS), [found[0], elsewhere], ClosedUniverse(matrix))
    assert relaxed is not None
    assert [each.limit for each in relaxed.loosened] == [elsewhere]
    assert relaxed.held == {"torchvision": "0.20.1"}


def test_no_limit_helps_where_the_target_has_nothing(matrix: Matrix) -> None:
    found = limits("torch==2.5.1")
    free_threaded = Target("3.13", "windows-x86_64", free_threaded=True)
    question = (Goal(requirements=("torch<2",)), free_threaded)
    assert relax([question], found, ClosedUniverse(matrix)) is None


# -- an existing lock -----------------------------------------------------------------------------

TARGET = ("--python", "3.11", "--platform", "linux")


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository and its lock of 2024."""
    monkeypatch.chdir(tmp_path)
    write_all(tmp_path, {"requirements.txt": "torch\ntorchvision\ntransformers\n"})
    made = run(*TARGET, "--exclude-newer", "2024-12-01", "-o", "requirements.lock.txt")
    assert made.exit_code == 0, made.output
    return tmp_path


def pins(root: Path) -> dict[str, str]:
    return Consumed((root / "requirements.lock.txt").read_text(encoding="utf-8")).pins


def test_an_update_without_a_cause_changes_nothing(locked: Path) -> None:
    before = pins(locked)
    updated = run("--update", "-o", "requirements.lock.txt")
    assert updated.exit_code == 0, updated.output
    assert "changed: nothing" in updated.stderr
    assert pins(locked) == before


def test_an_update_changes_what_must(locked: Path) -> None:
    before = pins(locked)
    write_all(locked, {"requirements.txt": "torch\ntorchvision\ntransformers>=4.50\n"})
    updated = run("--update", "-o", "requirements.lock.txt")
    assert updated.exit_code == 0, updated.output
    after = pins(locked)
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    assert "transformers" in changed
    assert not {"torch", "torchvision", "triton", "numpy"} & changed
    assert f"changed: transformers {before['transformers']} -> {after['transformers']}" in (
        updated.stderr
    )


def test_one_package_is_lifted(locked: Path) -> None:
    before = pins(locked)
    updated = run("--update", "--upgrade-package", "torchvision", "-o", "requirements.lock.txt")
    assert updated.exit_code == 0, updated.output
    after = pins(locked)
    assert after["torchvision"] != before["torchvision"]
    assert after["transformers"] == before["transformers"]


def test_everything_is_lifted(locked: Path) -> None:
    before = pins(locked)
    updated = run("--update", "--upgrade", "-o", "requirements.lock.txt")
    assert updated.exit_code == 0, updated.output
    assert pins(locked)["transformers"] != before["transformers"]
    assert f"changed: torch {before['torch']} -> {pins(locked)['torch']}" in updated.stderr


def test_an_update_is_for_the_machine_of_the_lock(locked: Path) -> None:
    write_all(locked, {".python-version": "3.12\n"})
    updated = run("--update", "-o", "requirements.lock.txt")
    assert updated.exit_code == 0, updated.output
    text = (locked / "requirements.lock.txt").read_text(encoding="utf-8")
    assert "# cudalock: Linux x86_64, glibc 2.28, Python 3.11" in text
    moved = run(
        "--update", "--python", "3.12", "-o", "requirements.lock.txt", "--platform", "linux"
    )
    assert moved.exit_code == 0, moved.output
    text = (locked / "requirements.lock.txt").read_text(encoding="utf-8")
    assert "# cudalock: Linux x86_64, glibc 2.28, Python 3.12" in text


def test_what_is_held_comes_back(locked: Path, matrix: Matrix) -> None:
    held = read_held(locked / "requirements.lock.txt", matrix)
    names = {pin.name: pin.specifier.removeprefix("==") for pin in held.pins}
    assert names == pins(locked)
    assert held.command is not None
    questions = hold(
        [(Goal(requirements=("torch",)), LINUX)], held.pins, frozenset(), ClosedUniverse(matrix)
    )
    answer = Search(Problem(*questions[0], ClosedUniverse(matrix))).best()
    assert answer is not None
    chosen = answer.assignment.candidate_of("torch")
    assert chosen is not None
    assert f"torch=={chosen.version}" in [f"{pin.name}{pin.specifier}" for pin in held.pins]


def test_a_lock_is_fresh_until_its_repository_changes(locked: Path) -> None:
    fresh = CliRunner().invoke(main, ["check", "--fresh", "requirements.lock.txt"])
    assert fresh.exit_code == 0, fresh.output
    write_all(locked, {"requirements.txt": "torch\ntorchvision\ntransformers<4.40\n"})
    stale = CliRunner().invoke(main, ["check", "--fresh", "requirements.lock.txt"])
    assert stale.exit_code == 1, stale.output
    assert "transformers" in stale.stdout
    assert "torchvision" not in stale.stdout.replace("requirements.lock.txt", "")


def test_the_targets_of_pyproject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_all(tmp_path, {"pyproject.toml": TARGETS})
    made = run("-o", "requirements.lock.txt")
    assert made.exit_code == 0, made.output
    text = (tmp_path / "requirements.lock.txt").read_text(encoding="utf-8")
    assert "# cudalock: Linux x86_64, glibc 2.28, Python 3.11" in text
    assert "# cudalock: Windows x86_64, Python 3.12" in text
    assert text.count("# cudalock: ") == 2
    assert "# command: cudalock generate\n" in text
    one = run("--python", "3.12", "--platform", "linux")
    assert one.stdout.count("# cudalock: ") == 1


def test_no_program_that_a_file_names_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = tmp_path / "ran"
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\ntouch {ran}\necho CPython 3.11.0 0\n", encoding="utf-8")
    program.chmod(0o755)
    lock = "# command: cudalock {} --python ./python --platform linux\ntorch==2.5.1\n"
    write_all(tmp_path, {"requirements.txt": "torch==2.5.1\n"})
    write_all(tmp_path, {"a.lock.txt": lock.format("solve --torch 2.5.1")})
    write_all(tmp_path, {"b.lock.txt": lock.format("generate")})
    for words in (
        ["check", "--fresh", "a.lock.txt"],
        ["check", "--fresh", "b.lock.txt"],
        ["generate", "--update", "-o", "b.lock.txt"],
    ):
        result = CliRunner().invoke(main, words)
        assert result.exit_code in (1, 2)
        assert "no program that a file names is run" in result.output
    write_all(tmp_path, {"pyproject.toml": '[tool.cudalock]\npython = "./python"\n'})
    for command in (["solve", "torch"], ["generate"], ["explain", "torch"]):
        result = CliRunner().invoke(main, command)
        assert (result.exit_code, result.stdout) == (2, "")
    assert not ran.exists()


TARGETS = """
[project]
name = "mine"
version = "0"
dependencies = ["torch==2.5.1"]
[tool.cudalock]
targets = ["linux 3.11", "windows 3.12"]
"""
