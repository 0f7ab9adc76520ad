"""The engine against the oracle: the same yes or no, the same cost; each answer verified.

`python -m bench.grid --check` does this for the whole grid; here is a sample of it, and goals that
the grid has not: ranges, GPUs, drivers, builders, constraints.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from bench.cells import COMPONENTS, SUBSETS, Block, blocks, is_empty
from bench.engine import solve
from bench.fuzz import questions
from cudalock.goals import Goal, command_line
from cudalock.lock import Lock
from cudalock.lock.build import from_resolution
from cudalock.matrix.matrix import Matrix
from cudalock.targets import Target
from cudalock.targets.accelerators import Wish
from tests.oracle import Oracle, disagreements
from tests.paths import MATRIX
from tests.verifier import Book, Choice, choices_of, verify

SEED = 20261121
CELLS_EACH = 20
FEW_TARGETS = 4
RANDOM_GOALS = 60

TARGETS = [
    ("3.9", "linux-x86_64"),
    ("3.11", "linux-x86_64"),
    ("3.13t", "linux-x86_64"),
    ("3.10", "linux-aarch64"),
    ("3.12", "windows-x86_64"),
    ("3.10", "windows-x86_64"),
    ("3.12", "macos-arm64"),
    ("3.11", "macos-x86_64"),
]

BOOK = Book(MATRIX)
ORACLE = Oracle(BOOK)


@cache
def matrix() -> Matrix:
    return Matrix.load(MATRIX)


def lock_of(goal: Goal, target: Target) -> Lock | None:
    resolution = solve(goal, target, matrix()).resolution
    return None if resolution is None else from_resolution(resolution, command="")


def disagreement(goal: Goal, target: Target) -> str | None:
    """What is wrong with the engine's answer, with the command that shows it."""
    wrong = disagreements(ORACLE, goal, target, solve(goal, target, matrix()).resolution)
    return f"{command_line(goal, target)}: {'; '.join(wrong)}" if wrong else None


def cells(python: str, platform: str) -> Iterator[tuple[Block, tuple[str, ...]]]:
    """A seeded sample of the cells of a target that are not trivially empty."""
    some = [
        block for block in blocks(MATRIX) if (block.python, block.platform) == (python, platform)
    ]
    yield from sampled(some, f"{SEED} {python} {platform}")


def sampled(some: list[Block], seed: str) -> Iterator[tuple[Block, tuple[str, ...]]]:
    full = [block for block in some if not is_empty(MATRIX, block)]
    chance = random.Random(seed)
    for _ in range(CELLS_EACH):
        yield chance.choice(full), chance.choice(SUBSETS)


@pytest.mark.parametrize(("python", "platform"), TARGETS)
def test_the_engine_agrees_on_a_sample_of_the_grid(python: str, platform: str) -> None:
    found = [
        disagreement(block.goal(subset), block.target())
        for block, subset in cells(python, platform)
    ]
    assert not list(filter(None, found))


@pytest.mark.parametrize("accelerator", ["rocm", "xpu", "mps"])
def test_the_engine_agrees_on_a_sample_of_other_accelerators(accelerator: str) -> None:
    """On a few targets, since a formula for each takes longer than the goals."""
    some = [block for block in blocks(MATRIX) if block.cuda.startswith(accelerator)]
    seed = f"{SEED} {accelerator}"
    targets = sorted({block.target() for block, _ in sampled(some, seed)}, key=str)
    few = set(random.Random(seed).sample(targets, min(FEW_TARGETS, len(targets))))
    of_them = [block for block in some if block.target() in few]
    cells = sorted(sampled(of_them, seed), key=lambda cell: str(cell[0].target()))
    found = [disagreement(block.goal(subset), block.target()) for block, subset in cells]
    assert not list(filter(None, found))


LINUX = Target("3.11", "linux-x86_64")
WINDOWS = Target("3.12", "windows-x86_64")


@pytest.mark.parametrize(
    ("goal", "target"),
    [
        (Goal(("flash-attn", "torch")), LINUX),
        (Goal(("torch", "torchaudio", "torchvision", "xformers")), LINUX),
        (Goal(("bitsandbytes<0.44", "torch>=2.3,<2.6", "triton")), LINUX),
        (Goal(("flash-attn",), constraints=("torch<2.7",)), LINUX),
        (Goal(("torch", "xformers==0.0.29")), LINUX),
        (Goal(("torch==2.4.1", "xformers==0.0.28.post1"), strict=True), LINUX),
        (Goal(("numpy<2", "torch")), LINUX),
        (Goal(("torch==2.5.1+cu121",)), LINUX),
        (Goal(("torch",), exclude_newer="2025-03-01"), LINUX),
        (Goal(("flash-attn", "torch"), builders="official"), LINUX),
        (Goal(("torch",), accelerator=Wish("cpu")), LINUX),
        (Goal(("flash-attn", "torch")), replace(LINUX, glibc="2.35")),
        (Goal(("flash-attn", "torch", "xformers")), replace(LINUX, gpus=("12.0",))),
        (Goal(("torch", "triton")), replace(LINUX, gpus=("7.5", "8.6"))),
        (Goal(("bitsandbytes", "torch")), replace(LINUX, gpus=("6.1",), driver="550.54")),
        (Goal(("torch", "torchvision")), replace(LINUX, driver="525.60")),
        (Goal(("torch", "xformers")), replace(LINUX, driver="470.1")),
        # A GPU that the driver does not see: nothing for who wants CUDA, nothing to the CPU.
        (Goal(("torch", "torchvision")), replace(LINUX, gpus=("8.9",), driver="470.1")),
        (
            Goal(("torch", "torchvision"), accelerator=Wish("cpu")),
            replace(LINUX, gpus=("8.9",), driver="470.1"),
        ),
        (Goal(("numpy", "sympy")), replace(LINUX, gpus=("8.9",), driver="470.1")),
        (Goal(("bitsandbytes", "flash-attn", "torch", "triton")), WINDOWS),
        (Goal(("torch==2.4.1", "triton-windows==3.2.*")), WINDOWS),
        (Goal(("bitsandbytes==0.43.0", "torch==2.4.1", "triton-windows==3.2.*")), WINDOWS),
        (Goal(("torch==2.3.1", "triton-windows")), WINDOWS),
        (Goal(("flash-attn", "torch"), builders="any"), WINDOWS),
        (Goal(("torch", "triton")), replace(WINDOWS, gpus=("7.5",))),
        # A framework that nobody named: old releases may do without it, or seem to.
        (
            Goal(("bitsandbytes",), accelerator=Wish("cuda", "==11.8.*"), builders="any"),
            Target("3.9", "linux-x86_64"),
        ),
        (
            Goal(("bitsandbytes",), accelerator=Wish("cpu")),
            Target("3.13", "linux-x86_64", glibc="2.31"),
        ),
        (
            Goal(("torchaudio",), accelerator=Wish("cuda", "==12.*")),
            Target("3.12", "linux-aarch64", gpus=("8.0", "10.0")),
        ),
    ],
    ids=lambda one: " ".join(map(str, one.requirements)) if isinstance(one, Goal) else one.label,
)
def test_the_engine_agrees_on_other_goals(goal: Goal, target: Target) -> None:
    assert disagreement(goal, target) is None


def test_the_engine_agrees_on_random_goals() -> None:
    some = islice(questions(SEED, matrix()), RANDOM_GOALS)
    assert not list(filter(None, (disagreement(goal, target) for goal, target in some)))


# -- the oracle and the verifier themselves -----------------------------------------------------


def test_the_verifier_finds_what_is_changed() -> None:
    goal = Goal(("flash-attn", "torch==2.5.1", "xformers"))
    lock = lock_of(goal, LINUX)
    assert lock is not None
    choices = {choice.name: choice for choice in choices_of(lock)}

    def errors(goal: Goal = goal, target: Target = LINUX, **changed: Choice | None) -> str:
        changes = {name.replace("_", "-"): choice for name, choice in changed.items()}
        kept = [choice for choice in {**choices, **changes}.values() if choice is not None]
        return "\n".join(verify(BOOK, goal, target, kept).errors)

    other = lock_of(Goal(("flash-attn", "torch==2.4.1")), LINUX)
    assert other is not None
    foreign = {choice.name: choice for choice in choices_of(other)}
    assert errors() == ""
    assert "[fa2-torch-minor]" in errors(flash_attn=foreign["flash-attn"])
    assert "requires sympy==1.13.1: not there" in errors(sympy=None)
    assert "the goal asks for torch==2.5.1, not 2.4.1" in errors(torch=foreign["torch"])
    assert "the goal asks for flash-attn" in errors(flash_attn=None)
    assert "does not fit the target" in errors(target=Target("3.12", "linux-x86_64"))
    assert "[fa2-min-sm80]" in errors(target=replace(LINUX, gpus=("7.5",)))
    assert "[cuda-12-driver-linux]" in errors(target=replace(LINUX, driver="470.1"))
    assert "without cuda" in errors(goal=replace(goal, accelerator=Wish("cpu")))
    assert "nothing asks for xformers" in errors(goal=Goal(("flash-attn", "torch")))
    assert "no row of the matrix" in errors(torch=replace(choices["torch"], sha256="0" * 64))


def test_the_verifier_tells_warnings_apart() -> None:
    goal = Goal(("torch==2.4.1", "triton-windows==3.2.*"))
    lock = lock_of(goal, WINDOWS)
    assert lock is not None
    report = verify(BOOK, goal, WINDOWS, choices_of(lock))
    assert (report.errors, report.warnings) == ([], {"torch-triton-windows-2.4"})
    strict = verify(BOOK, replace(goal, strict=True), WINDOWS, choices_of(lock))
    assert "[torch-triton-windows-2.4]" in "\n".join(strict.errors)


WHEEL = ["py3-none-any", None]
COMPILED = ["cp311-cp311-manylinux_2_28_x86_64", None]


def tiny(folder: Path, facts: str = "", header: str = "", **projects: dict[str, Any]) -> Oracle:
    """An oracle over a matrix made for one test."""
    (folder / "components").mkdir()
    (folder / "index").mkdir()
    header = f'version = "1"\n[[index]]\nid = "pypi"\n[[index]]\nid = "cu126"\n{header}'
    (folder / "matrix.toml").write_text(header, encoding="utf-8")
    torch = f'name = "torch"\nrole = "framework"\n{facts}'
    (folder / "components" / "torch.toml").write_text(torch, encoding="utf-8")
    cuda = 'name = "cuda"\nkind = "virtual"\n'
    (folder / "components" / "cuda.toml").write_text(cuda, encoding="utf-8")
    for name, releases in projects.items():
        text = json.dumps({"project": name, "releases": releases})
        (folder / "index" / f"{name}.json").write_text(text, encoding="utf-8")
    return Oracle(Book(folder))


def made_with(cuda: str, index: str = "pypi", **others: str) -> dict[str, Any]:
    return {"index": index, "labels": {"cuda": cuda}, "wheels": [WHEEL], **others}


FIXES_CUDA = """
[[fact]]
id = "torch-cuda"
requires = ["cuda=={cuda}"]
effect = "breaks"
"""
WARNS = """
[[fact]]
id = "torch-new"
for = ">=3"
refuses = true
effect = "degrades"
"""


def test_the_oracle_takes_the_newest(tmp_path: Path) -> None:
    builds = {"builds": [made_with("12.4.1")]}
    oracle = tiny(tmp_path, FIXES_CUDA, torch={"2.0": builds, "3.0": builds})
    best = oracle.best(Goal(("torch",)), LINUX)
    assert best is not None
    assert best.rows["torch"].version == "3.0"


def test_the_oracle_minds_warnings_first(tmp_path: Path) -> None:
    builds = {"builds": [made_with("12.4.1")]}
    oracle = tiny(tmp_path, FIXES_CUDA + WARNS, torch={"2.0": builds, "3.0": builds})
    best = oracle.best(Goal(("torch",)), LINUX)
    assert best is not None
    assert (best.cost[0], best.rows["torch"].version) == (0, "2.0")
    warned = oracle.best(Goal(("torch>2",)), LINUX)
    assert warned is not None
    assert (warned.cost[0], warned.rows["torch"].version) == (1, "3.0")
    assert oracle.best(Goal(("torch>2",), strict=True), LINUX) is None


def test_the_oracle_takes_the_default_build_and_no_derived_one(tmp_path: Path) -> None:
    builds = [made_with("12.6.3", "cu126"), made_with("12.4.1"), made_with("none")]
    release = {"default": {"cuda": "12.4"}, "builds": builds}
    oracle = tiny(tmp_path, FIXES_CUDA, torch={"2.0": release})
    best = oracle.best(Goal(("torch",)), LINUX)
    assert best is not None
    assert best.rows["torch"].labels["cuda"] == ["12.4.1"]
    builds[1]["known"] = "derived"
    (folder := tmp_path / "derived").mkdir()
    best = tiny(folder, FIXES_CUDA, torch={"2.0": release}).best(Goal(("torch",)), LINUX)
    assert best is not None
    assert best.rows["torch"].labels["cuda"] == ["12.6.3"]


def test_the_oracle_takes_the_newest_framework_that_was_seen(tmp_path: Path) -> None:
    derived = {"builds": [made_with("12.4.1", known="derived")]}
    seen = {"builds": [made_with("12.4.1", known="seen")]}
    oracle = tiny(tmp_path, FIXES_CUDA, torch={"2.0": seen, "2.1": seen, "3.0": derived})
    best = oracle.best(Goal(("torch",)), LINUX)
    assert best is not None
    assert (best.cost[0], best.rows["torch"].version) == (0, "2.1")
    by_version = oracle.best(Goal(("torch==3.0",)), LINUX)
    assert by_version is not None
    assert (by_version.cost[0], by_version.rows["torch"].version) == (1, "3.0")


READS_GPUS = """
[[fact]]
id = "torch-gpus"
constrains = ["gpu {archs:gpu}"]
effect = "breaks"
"""


def test_the_oracle_takes_what_is_known_to_run_before_what_is_not_known(tmp_path: Path) -> None:
    builds = {
        "2.0": {"builds": [{**made_with("12.4.1"), "labels": {"cuda": "12.4.1", "archs": "8.0"}}]},
        "2.1": {"builds": [made_with("12.4.1")]},
    }
    builds["2.0"]["builds"][0]["wheels"] = [COMPILED]
    builds["2.1"]["builds"][0]["wheels"] = [COMPILED]
    oracle = tiny(tmp_path, FIXES_CUDA + READS_GPUS, torch=builds)

    def chosen(target: Target, *requirements: str) -> tuple[int, str] | None:
        best = oracle.best(Goal(requirements), target)
        return None if best is None else (best.cost[0], best.rows["torch"].version)

    assert chosen(LINUX, "torch") == (0, "2.1"), "nobody asks about a GPU"
    assert chosen(replace(LINUX, gpus=("8.6",)), "torch") == (0, "2.0")
    assert chosen(replace(LINUX, gpus=("9.0",)), "torch") == (1, "2.1")
    assert chosen(replace(LINUX, gpus=("9.0",)), "torch==2.0") is None


def test_the_oracle_takes_the_major_before_the_builder_and_that_before_the_version(
    tmp_path: Path,
) -> None:
    torch = {"2.0": {"builds": [made_with("12.4.1")]}}
    known = {"builder": "somebody", "tag": "1", "wheels": [COMPILED]}
    mine = {"index": "pypi", "wheels": [COMPILED]}
    header = '[[builder]]\nid = "somebody"\ntrust = "known"\n'
    ext = {
        "1.9": {"builds": [mine]},
        "2.0": {"builds": [mine, known]},
        "2.1": {"builds": [mine]},
        "2.2": {"builds": [{**mine, "known": "derived"}]},
        "2.3": {"builds": [known]},
        "3.0": {"builds": [known]},
    }
    oracle = tiny(tmp_path, FIXES_CUDA, header=header, torch=torch, ext=ext)

    def chosen(requirement: str) -> str | None:
        best = oracle.best(Goal(("torch", requirement)), LINUX)
        return None if best is None else best.rows["ext"].version

    assert chosen("ext") == "3.0", "the newest major, whoever built it"
    assert chosen("ext<3") == "2.1", "their own wheel that was seen, before newer ones"
    assert chosen("ext>=2.2,<3") == "2.3", "another's that was seen, before an unseen one"
    assert chosen("ext==2.2") == "2.2"
    assert chosen("ext==2.3") == "2.3"


def test_the_oracle_needs_the_closure(tmp_path: Path) -> None:
    torch = {"requires": ["filelock>=2"], "builds": [made_with("12.4.1")]}
    old = {"wheels": [WHEEL]}
    oracle = tiny(tmp_path, FIXES_CUDA, torch={"2.0": torch}, filelock={"1.0": old})
    assert oracle.best(Goal(("torch",)), LINUX) is None


def test_every_component_of_the_grid_has_rows() -> None:
    assert all(BOOK.holds(name) for name in COMPONENTS)
