"""Whole screens of `solve`, `explain` and `why-not`, as a user sees them.

Each file of `cases/screens/` is a goal: the command, its exit status, and all that it printed.
`pytest tests/cli/test_explain.py --update` writes them anew from their first lines.
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from packaging.requirements import Requirement
from packaging.version import Version

from cudalock.cli import main
from cudalock.cli.options import request_of
from cudalock.cli.solve import solve
from cudalock.conflicts.core import Conflict
from cudalock.goals import Goal, read_request
from cudalock.matrix.matrix import Matrix
from cudalock.matrix.universe import ClosedUniverse
from cudalock.resolution.machine import newer_glibcs
from cudalock.resolution.problem import Problem
from cudalock.targets import Target
from tests.paths import CASES

SCREENS = sorted((CASES / "screens").glob("*.txt"))
PROMPT = "$ cudalock "


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the repository's pyproject.toml nor the active environment must matter."""
    monkeypatch.chdir(tmp_path)
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(variable, raising=False)


@cache
def run(command: str) -> Result:
    """What a command says; some tests ask the same."""
    words = [*shlex.split(command), "--offline"]
    return CliRunner().invoke(main, words, prog_name="cudalock")


def command_of(path: Path) -> str:
    return path.read_text(encoding="utf-8").partition("\n")[0].removeprefix(PROMPT)


def screen(command: str, result: Result) -> str:
    """What a file holds; what went to standard error comes first, as it does on a terminal."""
    return f"{PROMPT}{command}\nexit status {result.exit_code}\n{result.stderr}{result.stdout}"


def hints_of(text: str) -> list[str]:
    """The commands to paste, in their order."""
    return re.findall(r"^hint: .*?`cudalock ([^`]*)`", text, re.MULTILINE)


@cache
def rule_ids() -> frozenset[str]:
    """The ids that `cudalock matrix rules` lists."""
    listed = CliRunner().invoke(main, ["matrix", "rules", "--json"])
    assert listed.exit_code == 0, listed.stderr
    return frozenset(re.findall(r'"id": "([^"]+)"', listed.stdout))


# -- the screens ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SCREENS, ids=lambda path: path.stem)
def test_the_whole_screen(path: Path, request: pytest.FixtureRequest) -> None:
    command = command_of(path)
    result = run(command)
    shown = screen(command, result)
    if request.config.getoption("--update"):
        path.write_text(shown, encoding="utf-8")
    assert shown == path.read_text(encoding="utf-8")
    assert result.exit_code in (0, 1)
    assert "Traceback" not in shown


NOES = [path for path in SCREENS if "\nexit status 1\n" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", NOES, ids=lambda path: path.stem)
def test_every_fact_of_a_no_is_listed(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = set(re.findall(r" \[([a-z0-9.-]+)\]$", text, re.MULTILINE))
    assert named <= rule_ids()


@pytest.mark.parametrize("path", NOES, ids=lambda path: path.stem)
def test_a_no_names_each_fact_it_rests_on(path: Path) -> None:
    goal, target, matrix = question(command_of(path))
    targets = [target]
    if target.assumes_glibc:
        # Where the newest glibc has no solution either, its conflict is the one to show.
        targets.append(replace(target, glibc=newer_glibcs(target)[-1]))
    text = path.read_text(encoding="utf-8")
    unnamed = []
    for judged in targets:
        cores = Conflict(Problem(goal, judged, ClosedUniverse(matrix), wide=True)).cores()
        elements = {element for core in cores for element in core.elements}
        resting = {element.id for element in elements if element.kind == "fact"}
        if judged is target or resting:
            unnamed.append([fact for fact in sorted(resting) if f"   [{fact}]" not in text])
    assert [] in unnamed, unnamed


@pytest.mark.parametrize("path", NOES, ids=lambda path: path.stem)
def test_every_hint_of_a_no_has_an_answer_and_keeps_the_goal(path: Path) -> None:
    asked = items(command_of(path))
    commands = hints_of(path.read_text(encoding="utf-8"))
    assert 1 <= len(commands) <= 3
    for command in commands:
        result = run(f"{command} -q")
        assert result.exit_code == 0, f"{command}\n{result.stderr}"
        changed = asked - items(command)
        assert len(changed) <= 2, f"{command} lets go of {sorted(changed)}"


@cache
def loaded() -> Matrix:
    return Matrix.load()


def question(command: str) -> tuple[Goal, Target, Matrix]:
    """The goal and target of a command line; the pin of `why-not` is one more requirement."""
    words = shlex.split(command)
    if words[0] in ("solve", "explain", "why-not"):
        del words[0]
    given: dict[str, Any] = dict(solve.make_context("solve", words).params)
    goal, target = read_request(request_of(given, given.pop("goal")), ClosedUniverse(loaded()))
    return goal, target, loaded()


def items(command: str) -> set[str]:
    """What a command asks, item by item, so that two ways of saying it are the same."""
    goal, target, _ = question(command)
    found = {str(Requirement(str(stated))) for stated in goal.requirements}
    found |= {f"constraint {text}" for text in goal.constraints}
    for name in ("cuda", "builders", "exclude_newer", "strict", "cudnn", "toolkit"):
        found.add(f"{name} {getattr(goal, name)}")
    for name in ("python", "platform", "glibc", "gpus", "driver"):
        found.add(f"{name} {getattr(target, name)}")
    return found


def test_the_screens_are_all_of_a_kind() -> None:
    assert len(NOES) >= 20
    for path in SCREENS:
        lines = path.read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith(PROMPT), path.name
        assert re.fullmatch(r"exit status [01]", lines[1]), path.name


# -- what some of them must say -------------------------------------------------------------------


def shown(name: str) -> str:
    path = next(path for path in SCREENS if path.stem == name)
    return path.read_text(encoding="utf-8")


def test_two_conflicts_are_told_one_after_the_other() -> None:
    first, besides, second = shown("two-conflicts").partition("\nand in addition\n")
    assert besides
    assert "torchvision 0.19.0 requires" in first
    assert "xformers 0.0.27.post2 requires" in second.partition("\n\n")[0]


def test_the_seed_is_refused_by_one_fact_and_mended_by_one_pin() -> None:
    text = shown("seed-refused")
    assert set(re.findall(r"\[([a-z0-9.-]+)\]$", text, re.MULTILINE)) == {"bnb-triton-ops"}
    asked, first = items(command_of_screen("seed-refused")), items(hints_of(text)[0])
    assert asked - first == {"bitsandbytes==0.43.0"}
    [instead] = first - asked
    assert Requirement(instead).name == "bitsandbytes"
    [newer] = Requirement(instead).specifier
    assert Version(newer.version) > Version("0.43.0")


def command_of_screen(name: str) -> str:
    return command_of(next(path for path in SCREENS if path.stem == name))


def test_strict_makes_a_warning_a_no() -> None:
    assert "[torch-triton-windows-2.4]" in shown("warning-without-strict")
    assert "[torch-triton-windows-2.4]" in shown("strict-makes-a-warning-a-no")


def test_windows_is_shown_the_way_to_wsl2() -> None:
    assert "under WSL2" in shown("wsl2-for-windows")


# -- JSON -----------------------------------------------------------------------------------------


def test_the_json_of_an_explanation_has_the_content_of_the_screen() -> None:
    goal = "torch==2.5.1 xformers --python 3.11 --platform linux"
    value = json.loads(run(f"explain {goal} --json").stdout)
    assert value["schema"] == "cudalock.explain/1"
    lines: list[str] = []
    for pin in value["pins"]:
        lines.append(f"{pin['name']} {pin['version']}, from {pin['from']}")
        lines.append(f"  required by {'; '.join(pin['wanted_by'])}")
        for passed in pin["passed_over"]:
            versions = passed["versions"]
            span = versions[0] if len(versions) == 1 else f"{versions[-1]} to {versions[0]}"
            fact = f"   [{passed['fact']}]" if passed["fact"] else ""
            lines.append(f"  newer {span}: {passed['why']}{fact}")
        lines += [f"  would also work: {build}" for build in pin["other_builds"]]
    lines += [f"warning: {each['says']}   [{each['fact']}]" for each in value["warnings"]]
    assert "\n".join(lines) + "\n" == run(f"explain {goal}").stdout


def test_the_json_of_one_package() -> None:
    goal = "torch==2.5.1 xformers --python 3.11 --platform linux --package triton"
    value = json.loads(run(f"explain {goal} --json").stdout)
    assert [pin["name"] for pin in value["pins"]] == ["triton"]


def test_the_json_of_a_no_has_the_content_of_the_screen() -> None:
    goal = "torch==2.2.0 numpy==2.0.0 --python 3.11 --platform linux"
    result = run(f"explain {goal} --json")
    assert result.exit_code == 1
    value = json.loads(result.stdout)
    assert value["pins"] is None
    steps = [
        f"  {step['says']}" + (f"   [{step['fact']}]" if step["fact"] else "")
        for steps in value["conflicts"]
        for step in steps
    ]
    hints = [f"hint: {hint}" for hint in value["hints"]]
    lines = result.stderr.splitlines()
    assert lines[1:] == [*steps, "", *hints]


def test_a_package_that_is_not_pinned_is_a_wrong_question() -> None:
    result = run("explain torch==2.5.1 --package xformers --python 3.11 --platform linux")
    assert result.exit_code == 2
    assert "`xformers` is not in this lock" in result.stderr
