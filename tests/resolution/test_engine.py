"""What must always hold of answers, tried on the real matrix with goals and targets at random.

An answer is checked by :mod:`tests.verifier`, which shares no code with the package; a no, by its
hints, which must lead to an answer.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import replace

import pytest
from click.testing import CliRunner
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement

from cudalock.cli import main
from cudalock.errors import NoSolution
from cudalock.formats import json_lock
from cudalock.goals import Goal, command_line
from cudalock.lock import Lock
from cudalock.lock.making import from_resolution
from cudalock.resolution import resolve
from cudalock.target import Target
from tests.properties import BOUNDED, book, matrix
from tests.verifier import choices_of, verify

# -- goals and targets ----------------------------------------------------------------------------

TORCHES = [
    *("", "", "<2.5", ">=2.4,<2.7", "~=2.8", "!=2.15.0", "==2.0.1", "==2.1.2", "==2.3.1"),
    *("==2.4.0", "==2.4.1", "==2.5.*", "==2.5.1", "==2.6.0", "==2.7.*", "==2.8.0", "==2.9.1"),
    *("==2.11.0", "==2.12.*", "==2.13.0", "==2.5.1+cu121", "==2.6.0+cpu"),
]
OTHERS = {
    "flash-attn": ["", "", "==2.7.4.post1", ">=2.8", "<2.6"],
    "flash-attn-3": [""],
    "xformers": ["", "", "==0.0.28.post1", "<0.0.27", ">=0.0.33"],
    "bitsandbytes": ["", "", "==0.43.0", "<0.45", ">=0.48"],
    "triton": ["", "", "==3.1.*", "<3.2", ">=3.3"],
    "torchvision": ["", "==0.20.1", "<0.20"],
    "torchaudio": ["", "==2.5.1"],
    "numpy": ["<2", ">=2"],
}

CUDAS = ["cpu", "==12.4.*", "==12.1.*", ">=12.6", "==13.0.*"]


@st.composite
def goals(draw: st.DrawFn) -> Goal:
    names = draw(st.sets(st.sampled_from(sorted(OTHERS)), max_size=3))
    wanted = [name + draw(st.sampled_from(OTHERS[name])) for name in sorted(names)]
    if not wanted or draw(st.integers(0, 9)) < 9:
        wanted.append("torch" + draw(st.sampled_from(TORCHES)))
    sometimes = draw(st.integers(0, 7))
    return Goal(
        requirements=tuple(sorted(str(Requirement(each)) for each in wanted)),
        constraints=("numpy<2",) if sometimes == 1 else (),
        cuda=draw(st.sampled_from([None] * 6 + CUDAS)),
        builders=draw(st.sampled_from(["known"] * 4 + ["official", "any"])),
        exclude_newer="2025-01-31" if sometimes == 2 else None,
        strict=sometimes == 3,
    )


@st.composite
def targets(draw: st.DrawFn) -> Target:
    platform = draw(
        st.sampled_from(
            ["linux-x86_64"] * 5 + ["windows-x86_64"] * 4 + ["linux-aarch64", "macos-arm64"]
        )
    )
    python = draw(st.sampled_from(["3.8", "3.9", "3.10", "3.11", "3.11", "3.12", "3.13", "3.14"]))
    on_linux = platform.startswith("linux")
    has_gpu = platform != "macos-arm64" and draw(st.booleans())
    return Target(
        python,
        platform,
        free_threaded=python in ("3.13", "3.14") and draw(st.integers(0, 3)) == 0,
        glibc=draw(st.sampled_from([None, None, "2.17", "2.31", "2.35"])) if on_linux else None,
        gpus=(draw(st.sampled_from(["6.1", "7.5", "8.6", "8.9", "9.0", "12.0"])),)
        if has_gpu
        else (),
        driver=draw(st.sampled_from([None, None, "450.80", "528.33", "550.54", "580.65"]))
        if has_gpu
        else None,
        stated=frozenset(["python", "platform"]),
    )


def lock_of(goal: Goal, target: Target) -> Lock:
    command = command_line(goal, target)
    return from_resolution(resolve(goal, target, matrix()), command=command)


# -- what must hold -------------------------------------------------------------------------------


@BOUNDED
@given(goals(), targets())
def test_an_answer_breaks_nothing_and_a_no_leads_on(goal: Goal, target: Target) -> None:
    try:
        lock = lock_of(goal, target)
    except NoSolution as error:
        for command in re.findall(r"`cudalock ([^`]*)`", "\n".join(error.hints)):
            result = CliRunner().invoke(main, [*shlex.split(command), "--offline", "-q"])
            assert result.exit_code == 0, f"{command_line(goal, target)}\n{result.stderr}"
        return
    report = verify(book(), goal, target, choices_of(lock))
    assert report.errors == [], lock.command
    assert report.warnings == {warning.fact for warning in lock.warnings}, lock.command


@settings(BOUNDED, max_examples=30)
@given(goals(), targets())
def test_the_command_in_a_lock_makes_it_again(goal: Goal, target: Target) -> None:
    try:
        lock = lock_of(goal, target)
    except NoSolution:
        assume(False)
    words = shlex.split(lock.command)[1:]
    result = CliRunner().invoke(main, [*words, "--json", "--offline", "-q"])
    assert result.exit_code == 0, result.stderr
    assert result.stdout == json_lock.render(lock)


@settings(BOUNDED, max_examples=30)
@given(goals(), targets())
def test_a_strict_goal_has_no_warnings(goal: Goal, target: Target) -> None:
    try:
        lock = lock_of(replace(goal, strict=True), target)
    except NoSolution:
        assume(False)
    assert lock.warnings == ()


@settings(BOUNDED, max_examples=30)
@given(goals(), targets())
def test_less_asked_is_no_harder(goal: Goal, target: Target) -> None:
    """Where a goal has an answer, it has one without the first of its requirements."""
    try:
        resolve(goal, target, matrix())
    except NoSolution:
        assume(False)
    rest = goal.requirements[1:]
    if rest:
        resolve(replace(goal, requirements=rest), target, matrix())


@pytest.mark.parametrize("torch", matrix().versions("torch"))
@pytest.mark.parametrize(
    "target",
    [
        Target("3.11", "linux-x86_64"),
        Target("3.10", "windows-x86_64"),
        Target("3.11", "linux-aarch64"),
        Target("3.11", "macos-arm64"),
    ],
    ids=lambda target: target.platform,
)
def test_every_torch_has_an_answer_that_holds(torch: str, target: Target) -> None:
    goal = Goal((f"torch=={torch}",))
    try:
        lock = lock_of(goal, target)
    except NoSolution:
        # Before 2.15 some targets have no wheel with CUDA, and 2.15 has none for Python 3.10.
        assert target.platform == "linux-aarch64" or torch == "2.15.0"
        return
    report = verify(book(), goal, target, choices_of(lock))
    assert report.errors == []
