"""What is held, judged on a target: each clash with its code, its members and its facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

from cudalock.compat.judge import Judge, judge
from cudalock.compat.pins import PinnedProject
from cudalock.compat.wheels import oldest_glibc
from cudalock.findings import RULES, is_failure
from cudalock.matrix.universe import ClosedUniverse
from cudalock.targets import Target

if TYPE_CHECKING:
    from cudalock.matrix.matrix import Matrix

LINUX = Target("3.11", "linux-x86_64")
WINDOWS = Target("3.11", "windows-x86_64")
BLACKWELL = Target("3.11", "linux-x86_64", gpus=("12.0",))
ONLY_PACKAGE_INDEX = frozenset({"pypi"})


def held(*texts: str, indexes: frozenset[str] = ONLY_PACKAGE_INDEX) -> list[PinnedProject]:
    parsed = map(Requirement, texts)
    return [PinnedProject(each.name, str(each.specifier), indexes=indexes) for each in parsed]


CASES = [
    (["torch==2.5.1", "torchvision==0.20.1", "torchaudio==2.5.1"], LINUX, []),
    (["torch==2.5.1", "xformers==0.0.27"], LINUX, ["CL201 torch xformers"]),
    (
        ["torch==2.8.0", "torchvision==0.20.1", "torchaudio==2.6.0", "triton==3.1.0"],
        LINUX,
        ["CL201 torch torchaudio", "CL201 torch torchvision", "CL201 torch triton"],
    ),
    (["torch==2.5.1", "nvidia-cudnn-cu12==8.9.2.26"], LINUX, ["CL203 nvidia-cudnn-cu12 torch"]),
    (["torch==2.1.0", "numpy==2.0.0"], LINUX, ["CL202 numpy torch [numpy2-torch-linux]"]),
    (["torch==2.5.1"], BLACKWELL, ["CL204 torch [torch-gpu-archs]"]),
    (["torch==2.5.3"], LINUX, ["CL101 torch"]),
    (["torch==99.0"], LINUX, ["CL105 torch"]),
    (["torch==1.0.0"], LINUX, ["CL105 torch"]),
    (["torch==2.5.1+cu999"], LINUX, ["CL101 torch"]),
    (["torch==2.5.1+cu124"], LINUX, ["CL301 torch"]),
    (["torch==2.5.1"], WINDOWS, ["CL302 torch [torch-windows-pypi-cpu]"]),
    (["triton==3.1.0"], WINDOWS, ["CL103 triton"]),
    (["flash-attn==2.7.4.post1"], LINUX, ["CL104 flash-attn [fa2-pypi-sdist]"]),
    (["jinja2==3.1.2", "markupsafe==1.0", "nosuchthing==1"], LINUX, []),
    (["torch==2.5.1", "jinja2==3.1.2", "markupsafe==1.1.1"], LINUX, []),
]


@pytest.mark.parametrize(
    ("gpus", "expected"),
    [
        (
            ("9.0",),
            [
                "CL105 whether torch==2.10.0+cu129 works with GPU 9.0 is unknown: torch"
                " [torch-gpu-archs]"
            ],
        ),
        ((), []),
    ],
)
def test_a_build_without_a_list_of_gpus(
    matrix: Matrix, gpus: tuple[str, ...], expected: list[str]
) -> None:
    target = Target("3.12", "linux-aarch64", gpus=gpus)
    pins = held("torch==2.10.0+cu129", indexes=frozenset({"cu129"}))
    findings = [clash.finding for clash in judge(pins, target, ClosedUniverse(matrix))]
    assert [
        f"{each.code} {each.sentence}: {' '.join(each.members)} [{' '.join(each.facts)}]"
        for each in findings
    ] == expected
    assert not is_failure(findings, strict=True), "unknown is no failure"


@pytest.mark.parametrize(("texts", "target", "expected"), CASES, ids=lambda each: str(each)[:60])
def test_judge(matrix: Matrix, texts: list[str], target: Target, expected: list[str]) -> None:
    found = [clash.finding for clash in judge(held(*texts), target, ClosedUniverse(matrix))]
    shown = [
        " ".join([each.code, *sorted(each.members), *(f"[{fact}]" for fact in each.facts)])
        for each in found
    ]
    assert sorted(shown) == expected
    assert all(each.sentence and each.sentence[-1] != "." for each in found)
    assert all(each.code in RULES for each in found)


OLD_GLIBC = Target("3.11", "linux-x86_64", glibc="2.17")
NO_WHEEL = "has no wheel for Linux x86_64 with"


@pytest.mark.parametrize(
    ("text", "target", "sentence", "fix"),
    [
        (
            "torch==2.5.1+cu999",
            LINUX,
            "torch 2.5.1+cu999 does not exist: the builds of 2.5.1 are cpu, cu118, cu121, cu124,"
            " rocm6.1, rocm6.2",
            "`torch==2.5.1`",
        ),
        (
            "torch==2.5.1+local9",
            LINUX,
            "torch 2.5.1+local9 is not in the matrix, nor is any build with such a label",
            None,
        ),
        ("torch==2.5.3", LINUX, "torch 2.5.3 does not exist", "`torch==2.5.1`"),
        (
            "torch==2.5.1",
            Target("3.14", "linux-x86_64"),
            f"torch 2.5.1 {NO_WHEEL} Python 3.14: only for Python 3.9 to 3.13",
            "`torch==2.9.0`",
        ),
        (
            "triton==3.1.0",
            WINDOWS,
            "triton 3.1.0 has no wheel for Windows x86_64 with Python 3.11",
            None,
        ),
        (
            "triton==3.5.0",
            OLD_GLIBC,
            f"triton 3.5.0 {NO_WHEEL} glibc 2.17: only for glibc 2.27 or newer",
            "`triton==3.2.0`",
        ),
    ],
)
def test_what_would_work_instead_is_named(
    matrix: Matrix, text: str, target: Target, sentence: str, fix: str | None
) -> None:
    found = [clash.finding for clash in judge(held(text), target, ClosedUniverse(matrix))]
    assert [(each.sentence, each.fix) for each in found] == [(sentence, fix)]


@pytest.mark.parametrize(
    ("beside", "sentence", "members", "fix"),
    [
        (
            "torch==2.5.1",
            "pytorch-triton-rocm==3.1.0 and triton, which torch==2.5.1 requires, both install",
            ("pytorch-triton-rocm", "torch"),
            "remove `pytorch-triton-rocm`; where it was installed, reinstall `triton`",
        ),
        (
            "triton==3.1.0",
            "pytorch-triton-rocm==3.1.0 and triton==3.1.0 both install",
            ("pytorch-triton-rocm", "triton"),
            "only one of `pytorch-triton-rocm` and `triton`",
        ),
    ],
)
def test_what_is_required_stays(
    matrix: Matrix, beside: str, sentence: str, members: tuple[str, ...], fix: str
) -> None:
    pins = held(beside, "pytorch-triton-rocm==3.1.0")
    found = [clash.finding for clash in judge(pins, LINUX, ClosedUniverse(matrix))]
    (same,) = [each for each in found if each.code == "CL703"]
    assert same.sentence.startswith(f"{sentence} `triton/__init__.py`")
    assert (same.members, same.fix) == (members, fix)


@pytest.mark.parametrize(
    ("tag_sets", "oldest"),
    [
        (["cp311-cp311-manylinux_2_28_x86_64", "cp311-cp311-manylinux_2_17_x86_64"], "2.17"),
        # One promises nothing.
        (["cp311-cp311-manylinux_2_28_x86_64", "cp311-cp311-linux_x86_64"], None),
        # Another Python's, another platform's.
        (["cp311-cp311-manylinux_2_34_x86_64", "cp310-cp310-manylinux_2_17_x86_64"], "2.34"),
        (["cp311-cp311-manylinux_2_34_x86_64", "cp311-cp311-win_amd64"], "2.34"),
        (["cp310-cp310-manylinux_2_17_x86_64"], None),
        ([], None),
    ],
)
def test_the_oldest_glibc_of_wheels(tag_sets: list[str], oldest: str | None) -> None:
    assert oldest_glibc(LINUX, tag_sets) == oldest


def test_an_index_that_is_missing_for_one_is_there_for_all(matrix: Matrix) -> None:
    # The Windows wheels of xformers for this torch are on the cu124 index alone.
    found = judge(held("torch==2.5.1", "xformers==0.0.28.post3"), WINDOWS, ClosedUniverse(matrix))
    assert [(clash.finding.code, clash.missing_indexes) for clash in found] == [
        ("CL301", ("cu124",))
    ]


def test_the_cpu_build_is_an_error_beside_what_needs_cuda(matrix: Matrix) -> None:
    things = held("torch==2.5.1")
    file = "flash_attn-2.7.4.post1+cu124torch2.5.1cxx11abiFALSE-cp311-cp311-win_amd64.whl"
    found = judge(
        [*things, PinnedProject("flash-attn", "==2.7.4.post1", file=file)],
        WINDOWS,
        ClosedUniverse(matrix),
    )
    assert [clash.finding.code for clash in found] == ["CL302"]
    assert is_failure(clash.finding for clash in found)


def test_questions_are_bounded(matrix: Matrix) -> None:
    judging = Judge(LINUX, ClosedUniverse(matrix), solves=1)
    judging.judge(held("torch==2.8.0", "torchvision==0.20.1", "torchaudio==2.6.0"))
    assert judging.query.solves > -20
