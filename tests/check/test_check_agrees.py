"""Check and solve agree: pins are without an error exactly where the same pins have a lock. And
what `--fix` writes has none."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from cudalock.check import check_file
from cudalock.check.fix_text import rewrite
from cudalock.goals import Goal
from cudalock.matrix.universe import ClosedUniverse
from cudalock.projects.read import read_file
from cudalock.resolution.problem import Problem
from cudalock.resolution.search import Search
from cudalock.targets import Target
from cudalock.targets.accelerators import Wish

if TYPE_CHECKING:
    from cudalock.matrix.matrix import Matrix

NAMES = ["torchvision", "torchaudio", "xformers", "bitsandbytes", "triton", "torchcodec"]
EVERY_INDEX = "--find-links https://download.pytorch.org/whl/torch_stable.html\n"
"""Of a page with all builds pip takes those for XPU or ROCm, whose labels are the highest."""


def cuda_indexes(matrix: Matrix) -> str:
    """The lines for all indexes of builds for CUDA, and for none: there is something to mend for
    them alone, since most of the stack has no build for ROCm or XPU."""
    lines = (
        f"--extra-index-url {index.url}\n"
        for index in matrix.indexes.values()
        if index.url and re.search(r"/(cpu|cu[0-9]+)$", index.url)
    )
    return "".join(lines)


def case(seed: int, matrix: Matrix) -> tuple[list[str], Target]:
    """Some pins of released versions, and a target."""
    chance = random.Random(seed)
    platform = chance.choice(["linux-x86_64", "linux-x86_64", "windows-x86_64"])
    target = Target(chance.choice(["3.9", "3.10", "3.11", "3.12", "3.13"]), platform)
    names = ["torch", *chance.sample(NAMES, chance.randint(1, 3))]
    pins = []
    for name in names:
        versions = [each for each in matrix.versions(name) if not set("abr") & set(each)]
        pins.append(f"{name}=={chance.choice(versions)}")
    return pins, target


def as_pip_takes_it(pin: str, target: Target, matrix: Matrix) -> str:
    """The pin with the highest local version that an index has for the target."""
    problem = Problem(Goal((pin,), builders="any"), target, ClosedUniverse(matrix), wide=True)
    candidates = problem.candidates_at(*pin.split("==", 1))
    builds = [each.build for each in candidates if each.build and each.build.index]
    labels = [build.local for build in builds if build.local]
    highest = max(labels, key=lambda label: Version(f"0+{label}"), default=None)
    return f"{pin}+{highest}" if highest else pin


@pytest.mark.parametrize("seed", range(40))
def test_check_and_solve_agree(seed: int, matrix: Matrix) -> None:
    pins, target = case(seed, matrix)
    file = read_file("-", stdin=(EVERY_INDEX + "\n".join(pins)).encode())
    checked = check_file(file, matrix, [target])
    errors = [str(each) for each in checked.findings if each.severity == "error"]
    # pip would compile it, which solve does only where it is allowed.
    compiled = [str(each) for each in checked.findings if each.code == "CL104"]
    # Check wishes for nothing: a build with CUDA or one without.
    taken = tuple(sorted(as_pip_takes_it(pin, target, matrix) for pin in pins))
    goals = [
        Goal(taken, accelerator=Wish.of_default(cuda), builders="any") for cuda in (None, "cpu")
    ]
    has_lock = any(
        Search(Problem(goal, target, ClosedUniverse(matrix))).is_possible() for goal in goals
    )
    assert has_lock == (not errors and not compiled), errors
    assert bool(rewrite(checked, matrix)) <= bool(errors)


@pytest.mark.parametrize("seed", range(40, 60))
def test_what_is_mended_is_good(seed: int, matrix: Matrix) -> None:
    pins, target = case(seed, matrix)
    text = (cuda_indexes(matrix) + "\n".join(pins) + "\n").encode()
    for _ in range(4):
        checked = check_file(read_file("-", stdin=text), matrix, [target])
        rewritten = rewrite(checked, matrix)
        if not rewritten:
            break
        text = rewritten[0].content
    left = [each for each in checked.findings if each.severity == "error"]
    assert not rewritten
    # What has no wheel at all for the target cannot be mended by another version.
    assert {each.code for each in left} <= {"CL103", "CL104"}, (pins, text, left)
