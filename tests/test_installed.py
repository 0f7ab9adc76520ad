"""`bench.installed`: its stacks are complete, and what fails in an environment is reported."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement

from bench.installed import (
    TRIALS,
    Result,
    Runner,
    Stack,
    Trial,
    differences,
    find_interpreter,
    main,
    modules_to_import,
    read_stacks,
)
from bench.installed_table import markdown, pairs, verdict
from cudalock.matrix.matrix import Matrix
from cudalock.versions import parse_version
from tests.local_index import build_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST = parse_version("2.0")
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


def test_the_stacks_skip_no_torch_minor(matrix: Matrix) -> None:
    stacks, _ = read_stacks()
    whole = [stack for stack in stacks if not stack.shares and not stack.repository]
    covered = {parse_version(stack.minor) for stack in whole}
    minors = {
        parse_version(f"{version.major}.{version.minor}")
        for version in map(parse_version, matrix.versions("torch"))
    }
    # A minor of a later update may wait for its stack.
    assert covered == {minor for minor in minors if FIRST <= minor <= max(covered)}
    assert len(whole) >= 25
    assert sum(stack.before is not None for stack in whole) >= 4
    assert {"uv", "pip"} == {name for stack in whole for name in stack.installers}


def test_a_sweep_locks_sixty_and_installs_twenty_beside_each_torch() -> None:
    stacks, _ = read_stacks()
    of_sweep = [stack for stack in stacks if stack.shares]
    locked = Counter(stack.torch for stack in of_sweep)
    assert len(locked) == 3
    assert min(locked.values()) >= 60
    installed = Counter(stack.torch for stack in of_sweep if stack.install)
    assert min(installed.values()) == 20


def test_the_stacks_and_trials_can_be_read() -> None:
    stacks, trials = read_stacks()
    for stack in stacks:
        for requirement in stack.beside:
            Requirement(requirement)
    assert list(dict.fromkeys(stack.minor for stack in stacks)) == sorted(
        {stack.minor for stack in stacks}, key=parse_version
    )
    for trial in trials:
        ast.parse(trial.code)
    files = Counter(Runner(Path(os.devnull).parent, (), ()).file(stack) for stack in stacks)
    assert max(files.values()) == 1


def test_repositories_are_named_with_their_commits() -> None:
    stacks, _ = read_stacks()
    repositories = [stack for stack in stacks if stack.repository]
    assert len(repositories) >= 15
    for stack in repositories:
        assert re.fullmatch(r"[0-9a-f]{40}", stack.commit), stack.name
        assert stack.beside, f"{stack.name}: nothing of it is imported"
        assert stack.command[0] == "generate"
        assert stack.command[1].startswith(stack.repository)


def test_a_repository_that_is_not_to_be_had_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "owner+name").mkdir()
    stack = Stack("name", HERE, "2.5.1", repository="owner/name", commit="0" * 40)
    result = Runner(tmp_path, (), (), tmp_path).examine(stack)
    assert verdict(asdict(result)) == "skipped"
    assert result.skipped == f"owner/name has no commit {'0' * 40}"


def test_the_minors_are_printed_for_the_workflow(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--minors"]) == 0
    minors = json.loads(capsys.readouterr().out)
    # The repositories of 2022 come before the stacks.
    assert minors[:4] == ["1.12", "1.13", "2.0", "2.1"]


def test_differences_leave_the_installers_out() -> None:
    installed: dict[str, list[Any]] = {
        "numpy": ["2.0.0", [], True],
        "pip": ["26.0", [], False],
        "extra": ["1", [], False],
    }
    pins = {"numpy": "2.1.0", "torch": "2.5.1"}
    assert differences(pins, installed) == [
        "extra: locked None, installed 1",
        "numpy: locked 2.1.0, installed 2.0.0",
        "torch: locked 2.5.1, installed None",
    ]


def test_what_was_requested_or_is_compiled_is_imported() -> None:
    installed: dict[str, list[Any]] = {
        "scikit-learn": ["1", ["sklearn", "_private"], True],
        "torch": ["2.5.1", ["functorch", "torch", "torchgen"], True],
        "open-clip-torch": ["1", ["open_clip", "tests"], False],
        "nvidia-nccl-cu12": ["1", ["nvidia"], True],
        "pure": ["1", ["pure"], False],
    }
    stack = Stack("name", "3.11", "2.5.1", ("open_clip_torch",))
    modules = modules_to_import(stack, {"pins": dict.fromkeys(installed)}, installed)
    assert modules == {"torch": "torch", "open_clip": "open-clip-torch", "sklearn": "scikit-learn"}


PROGRAMS = {
    "good": ("print('noise')", None),
    "exit 0": ("raise SystemExit", None),
    "exit 1": ("raise SystemExit('no')", "failed"),
    "error": ("import nothing_of_this_name", "No module named 'nothing_of_this_name'"),
    "crash": ("import os; os.abort()", "signal 6"),
    "printed": ("import sys; sys.stderr.write('last words'); sys.exit(3)", "last words"),
}


def test_a_table_keeps_the_rows_of_other_stacks() -> None:
    before = markdown([result_of(failures=FAILURES), *_named("b", "c")])
    after = markdown([*_named("torch and thing", "a")], before, ("a", "torch and thing", "b", "c"))
    assert after.startswith("4 stacks: 4 works.")
    assert re.findall(r"^\| ([a-z ]+) \| 3", after, re.MULTILINE) == [
        "a",
        "torch and thing",
        "b",
        "c",
    ]
    assert "undefined symbol" not in after
    # What is not examined again stays as it is, with why it fails.
    assert markdown([], before, ("torch and thing", "b", "c")) == before


def _named(*names: str) -> Iterator[dict[str, Any]]:
    for name in names:
        result = result_of()
        yield {**result, "stack": {**result["stack"], "name": name}}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the programs are forks")
def test_each_program_ends_for_itself() -> None:
    listed = [[name, code] for name, (code, _) in PROGRAMS.items()]
    ended = subprocess.run(
        [sys.executable, TRIALS],
        input=json.dumps([listed[:3], listed[3:], False]),
        capture_output=True,
        text=True,
        check=True,
    )
    reasons = json.loads(ended.stdout)
    for name, (_, expected) in PROGRAMS.items():
        reason = reasons[name]
        assert reason == expected if expected is None else expected in reason, name


def result_of(**fields: Any) -> dict[str, Any]:
    stack = Stack("torch and thing", "3.11", "2.5.1", ("thing",))
    lock = {
        "command": "cudalock solve",
        "status": 0,
        "summary": [],
        "pins": {"torch": "2.5.1", "thing": "1.0"},
        "warnings": [],
        "unknowns": [],
        **fields.pop("lock", {}),
    }
    complete = {"installed": {"uv": ""}, "programs": {"a thing": ["thing", "torch"]}, **fields}
    return asdict(Result(asdict(stack), "2026-11-30", lock=lock, **complete))


FAILURES = {"a thing": "Traceback\nImportError: undefined symbol"}
VERDICTS: dict[str, dict[str, Any]] = {
    "works": {},
    "fails": {"failures": FAILURES},
    "fails on install": {"installed": {"uv": "no such file"}},
    "fails in comparison": {"differences": ["thing: locked 1.0, installed 2.0"]},
    "fails in pip check": {"pip_check": ["thing 1.0 requires other"]},
    "warned": {
        "failures": FAILURES,
        "lock": {"warnings": [{"says": "thing 1.0 is not for torch 2.5.1"}]},
    },
    "works but for FFmpeg": {"failures": {"a thing": "OSError: libavutil.so.57: cannot open"}},
    "slow": {"failures": {"a thing": "no end within 900 seconds"}},
    "fails with a warning of something else": {
        "failures": FAILURES,
        "lock": {"warnings": [{"says": "thing 1.0 is a CPU build"}]},
    },
    "fails with a blanket warning": {
        "failures": FAILURES,
        "lock": {"warnings": [{"says": "torch 2.5.1 may not work"}]},
    },
    "unsolved": {"lock": {"status": 1, "summary": ["error: none"], "pins": {}}},
    "skipped": {"skipped": "no Python 3.11 at hand"},
    "locked": {"installed": {}},
}


@pytest.mark.parametrize("name", VERDICTS)
def test_verdicts(name: str) -> None:
    assert verdict(result_of(**VERDICTS[name])) == name.partition(" ")[0]


def test_the_table_and_the_pairs() -> None:
    results = [result_of(**fields) for fields in VERDICTS.values()]
    table = markdown(results)
    assert table.startswith("13 stacks: 2 works, 1 warned, 6 fails, 1 slow, ")
    assert "| torch and thing | 3.11 | torch 2.5.1, thing 1.0 | skipped: no Python" in table
    assert "- torch and thing, a thing: `ImportError: undefined symbol`" in table
    assert pairs([result_of(), result_of(failures=FAILURES)]) == [
        {
            "pins": {"torch": "2.5.1", "thing": "1.0"},
            "python": "3.11",
            "works": not failures,
            "failures": failures,
        }
        for failures in ({}, FAILURES)
    ]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the programs are forks")
@pytest.mark.skipif(shutil.which("uv") is None, reason="uv is not at hand")
def test_a_lock_is_installed_compared_and_tried(tmp_path: Path) -> None:
    if find_interpreter(HERE) is None:
        pytest.skip(f"no python{HERE} on PATH")
    wheels = [
        build_wheel("torch", "2.5.1"),
        build_wheel("thing", "1.0", contents="import torch\n"),
        build_wheel("broken", "1.0", contents="raise ImportError('undefined symbol')\n"),
    ]
    lines = [f"--no-index\n--find-links {tmp_path}"]
    pins = {}
    for wheel in wheels:
        (tmp_path / wheel.name).write_bytes(wheel.content)
        name, version = wheel.name.split("-")[:2]
        pins[name] = version
        lines.append(f"{name}=={version} --hash=sha256:{wheel.real_sha256}")
    (tmp_path / "requirements.txt").write_text("\n".join(lines), encoding="utf-8")
    stack = Stack("local", HERE, "2.5.1", ("thing", "broken"), doctor=False)
    lock = {"pins": {**pins, "absent": "1.0"}, "indexes": [], "status": 0}
    result = Result(asdict(stack), "2026-11-30", lock=lock)
    trials = [
        Trial("thing and torch", ("thing", "torch"), "import thing, torch"),
        Trial("absent", ("absent",), "import absent"),
    ]
    Runner(tmp_path, trials, ()).install_and_try(stack, tmp_path, result)
    assert result.installed == {"uv": ""}
    assert result.differences == ["absent: locked 1.0, installed None"]
    assert {name: reason.splitlines()[-1] for name, reason in result.failures.items()} == {
        "import broken": "ImportError: undefined symbol"
    }
    assert result.programs == {
        "import broken": ["broken"],
        "import thing": ["thing"],
        "import torch": ["torch"],
        "thing and torch": ["thing", "torch"],
    }
