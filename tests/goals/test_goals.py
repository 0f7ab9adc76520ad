"""Versions, merged requests, defaults, and the command that states a goal again."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any

import pytest

from cudalock.errors import (
    BadSpecifier,
    BadTarget,
    Contradiction,
    CudalockError,
    UnknownName,
    UnknownVersion,
    UsageError,
)
from cudalock.goals import (
    Goal,
    Request,
    RequestedProject,
    command_line,
    parse_accelerator,
    parse_date,
    parse_library,
    parse_toolkit,
    parse_version_spec,
    read_request,
)
from cudalock.targets import Here, Target
from cudalock.targets.accelerators import LIBRARIES, Wish
from tests.known import HERE, VERSIONS, FakeMatrix

MATRIX = FakeMatrix()


@pytest.mark.parametrize(
    ("project", "text", "expected"),
    [
        ("torch", "2.5.1", "==2.5.1"),
        ("torch", "2.5", "==2.5.*"),
        ("torch", "2", "==2.*"),
        ("torch", "v2.5.1", "==2.5.1"),
        ("torch", "2.5.*", "==2.5.*"),
        ("torch", "latest", ""),
        ("torch", ">=2.4,<2.6", "<2.6,>=2.4"),
        ("torch", "==2.5.1", "==2.5.1"),
        ("torch", "2.4.1+cu121", "==2.4.1+cu121"),
        ("torch", ">=3", ">=3"),
        ("flash-attn", "2.7.4.post1", "==2.7.4.post1"),
        ("flash-attn", "2.7.4", "==2.7.4"),
    ],
)
def test_versions(project: str, text: str, expected: str) -> None:
    assert parse_version_spec(project, text, VERSIONS[project]) == (expected, None)


def test_a_version_with_post_releases_only() -> None:
    specifier, note = parse_version_spec("triton-windows", "3.2.0", VERSIONS["triton-windows"])
    assert specifier == "==3.2.0.*"
    assert note == "`triton-windows` 3.2.0 has only post releases: read as 3.2.0.*"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("9.9", "newer than all releases in the matrix of 2026.01.02"),
        ("2.5.7", "torch==2.5.1"),
        ("2.5.1.post3", "torch==2.5.1"),
        ("1.9", "older than all releases"),
        ("==2.5.9", "torch==2.5.1"),
        ("2.5.9+cu124", "torch==2.5.1"),
    ],
)
def test_unknown_versions(text: str, said: str) -> None:
    with pytest.raises(UnknownVersion) as caught:
        parse_version_spec("torch", text, VERSIONS["torch"], "2026.01.02")
    assert said in " ".join([caught.value.message, *caught.value.hints])


@pytest.mark.parametrize("text", ["", "two", ">=", "2.5.1 2.6", ">=2,x"])
def test_versions_that_cannot_be_read(text: str) -> None:
    with pytest.raises(BadSpecifier):
        parse_version_spec("torch", text, VERSIONS["torch"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12.4", "==12.4.*"),
        ("12", "==12.*"),
        ("12.4.1", "==12.4.1"),
        ("12.4.*", "==12.4.*"),
        ("cu124", "==12.4.*"),
        ("CU130", "==13.0.*"),
        ("cu92", "==9.2.*"),
        ("cu12", "==12.*"),
        ("cuda12.4", "==12.4.*"),
        (">=12.1", ">=12.1"),
        ("cpu", "cpu"),
        ("auto", None),
    ],
)
def test_cuda(text: str, expected: str | None) -> None:
    assert parse_accelerator(text, "cuda") == Wish.of_default(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rocm6.4", Wish("rocm", "==6.4.*")),
        ("ROCm 6.2.4", Wish("rocm", "==6.2.4")),
        ("rocm624", Wish("rocm", "==6.2.4")),
        ("rocm72", Wish("rocm", "==7.2.*")),
        ("rocm7", Wish("rocm", "==7.*")),
        ("rocm>=6.3,<7", Wish("rocm", "<7,>=6.3")),
        ("rocm", Wish("rocm")),
        ("hip", Wish("rocm")),
        ("xpu", Wish("xpu")),
        ("mps", Wish("mps")),
        ("cuda", Wish("cuda")),
        ("cuda12.4", Wish("cuda", "==12.4.*")),
        ("cu128", Wish("cuda", "==12.8.*")),
        ("12.4", Wish("cuda", "==12.4.*")),
        ("cpu", Wish("cpu")),
        ("auto", None),
    ],
)
def test_accelerators(text: str, expected: Wish | None) -> None:
    assert parse_accelerator(text) == expected


@pytest.mark.parametrize("text", ["", "rocm6.2", "xpu", "gpu", ">=", "cu"])
def test_cuda_that_cannot_be_read(text: str) -> None:
    with pytest.raises(BadSpecifier):
        parse_accelerator(text, "cuda")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("9", "==9.*"), ("9.1.0", "==9.1.0.*"), ("9.1.0.70", "==9.1.0.70"), (">=9.1", ">=9.1")],
)
def test_cudnn(text: str, expected: str) -> None:
    assert parse_library(LIBRARIES["cudnn"], text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12.4.1", ("12.4.1", ())),
        ("12.4.1:nvcc,cudart,nvcc", ("12.4.1", ("cudart", "nvcc"))),
        ("12.4: cudart", ("12.4", ("cudart",))),
    ],
)
def test_toolkit(text: str, expected: tuple[str, tuple[str, ...]]) -> None:
    assert parse_toolkit(text) == expected


@pytest.mark.parametrize("text", ["", "12.4.0rc1", "cudart", "12.4.1:", "12.4.1:a b", ":cudart"])
def test_toolkits_that_cannot_be_read(text: str) -> None:
    with pytest.raises(BadSpecifier):
        parse_toolkit(text)


def test_dates() -> None:
    assert parse_date("2025-01-31T10:00:00Z") == parse_date("2025-01-31") == "2025-01-31"
    with pytest.raises(BadSpecifier):
        parse_date("last week")


# -- whole requests ---------------------------------------------------------------------------


def goal_of(*words: str, defaults: Request | None = None, **flags: Any) -> Goal:
    return read_request(Request(words=words, **flags), MATRIX, defaults, HERE)[0]


def target_of(*words: str, defaults: Request | None = None, **flags: Any) -> Target:
    words = words or ("torch",)
    return read_request(Request(words=words, **flags), MATRIX, defaults, HERE)[1]


SAME = Goal(requirements=("flash-attn", "torch==2.5.1"), accelerator=Wish("cuda", "==12.4.*"))


@pytest.mark.parametrize(
    "request_",
    [
        Request(words=("torch 2.5.1 + FA2 cuda 12.4",)),
        Request(words=("fa2", "cu124", "torch==2.5.1")),
        Request(framework=("2.5.1",), switches=("flash-attn",), cuda=("12.4",)),
        Request(words=("torch", "2.5.1"), switches=("flash-attn",), cuda=("cu124", "12.4", "auto")),
        Request(
            projects=(RequestedProject("Flash_Attn"), RequestedProject("torch", "==2.5.1")),
            cuda=(">=12.4", "12.4"),
        ),
    ],
)
def test_the_same_said_in_other_ways(request_: Request) -> None:
    goal, _ = read_request(request_, MATRIX, None, HERE)
    expected = (
        SAME
        if ">=12.4" not in request_.cuda
        else replace(SAME, accelerator=Wish("cuda", "==12.4.*,>=12.4"))
    )
    assert goal == expected


def test_requirements_of_one_project_are_merged() -> None:
    asked = (
        RequestedProject("cuda-toolkit", "==12.4.1", extras=("nvcc",)),
        RequestedProject("numpy", "<2"),
    )
    goal = goal_of("cuda-toolkit[cublas]", "numpy>=1.26", projects=asked)
    assert tuple(map(str, goal.requirements)) == (
        "cuda-toolkit[cublas,nvcc]==12.4.1",
        "numpy<2,>=1.26",
    )


def test_markers_are_the_targets() -> None:
    asked = (
        RequestedProject("numpy", "<2", marker="sys_platform == 'win32'", origin="r.txt:1"),
        RequestedProject("numpy", ">=2", marker="sys_platform != 'win32'", origin="r.txt:2"),
    )
    on_windows = goal_of("torch", projects=asked, platform=("windows",))
    assert tuple(map(str, on_windows.requirements)) == ("numpy<2", "torch")
    assert tuple(map(str, on_windows.notes)) == ("r.txt:2: `numpy` is not for this target",)


def test_a_stand_in_knows_the_versions() -> None:
    on_windows = goal_of("triton 3.2.0 + torch on windows")
    assert tuple(map(str, on_windows.requirements)) == ("torch", "triton==3.2.0.*")
    assert len(on_windows.notes) == 1
    assert tuple(map(str, goal_of("triton 3.2.0").requirements)) == ("triton==3.2.0",)


def test_constraints() -> None:
    limits = (
        RequestedProject("numpy", "<2"),
        RequestedProject("Torch", ">=2.4"),
        RequestedProject("nosuch", "==1"),
        RequestedProject("torch"),
    )
    goal = goal_of("torch", constraints=limits)
    assert tuple(map(str, goal.constraints)) == ("numpy<2", "torch>=2.4")
    assert "`nosuch`" in str(goal.notes[0])


@pytest.mark.parametrize(
    ("flags", "kind", "said"),
    [
        ({"words": ("torch 2.4",), "framework": ("2.5.1",)}, Contradiction, "--torch"),
        ({"words": ("torch==2.5.1+cu124", "torch==2.5.1+cu121")}, Contradiction, "torch"),
        ({"words": ("xformers==1", "xformers==2")}, Contradiction, "xformers"),
        ({"words": ("torch",), "cuda": ("cpu", "12.4")}, Contradiction, "`cpu` and `12.4`"),
        ({"words": ("torch cu121",), "cuda": ("12.4",)}, Contradiction, "CUDA"),
        ({"words": ("torch py3.11",), "python": ("3.12",)}, Contradiction, "--python"),
        ({"words": ("torch on linux",), "platform": ("windows",)}, Contradiction, "--platform"),
        (
            {"words": ("torch",), "platform": ("x86_64-manylinux_2_35",), "glibc": ("2.28",)},
            Contradiction,
            "glibc",
        ),
        ({"words": ("torch",), "platform": ("windows",), "glibc": ("2.28",)}, BadTarget, "glibc"),
        ({"words": ("torch",), "gpu": ("RTX 9999",)}, BadTarget, "RTX 9999"),
        ({"words": ("torch",), "driver": ("new",)}, BadSpecifier, "driver"),
        ({"words": ("torch",), "builders": ("mine",)}, BadSpecifier, "mine"),
        ({"projects": (RequestedProject("nosuch", origin="r.txt:7"),)}, UnknownName, "r.txt:7"),
        ({"words": ("nosuch>=1",)}, UnknownName, "`nosuch`"),
        ({"words": ("torch", "transformers==4.48")}, UnknownName, "`transformers`"),
        ({}, UsageError, "the goal is empty"),
        (
            {"projects": (RequestedProject("numpy", marker="python_version < '3'"),)},
            UsageError,
            "nothing in the goal is for this target",
        ),
    ],
)
def test_refused(flags: dict[str, Any], kind: type[CudalockError], said: str) -> None:
    with pytest.raises(kind, match=said):
        read_request(Request(**flags), MATRIX, None, HERE)


def test_a_toolkit_alone_is_a_goal() -> None:
    goal = goal_of(toolkit=("12.4.1:nvcc",))
    assert (goal.requirements, goal.toolkit) == ((), ("12.4.1", ("nvcc",)))


def test_what_was_said_comes_before_defaults() -> None:
    defaults = Request(
        framework=("2.4",),
        switches=("xformers",),
        cuda=("cpu",),
        python=("3.10",),
        platform=("windows",),
        builders=("any",),
    )
    goal, target = read_request(
        Request(words=("torch 2.5.1 py3.11 cu124",)), MATRIX, defaults, HERE
    )
    assert goal == Goal(
        ("torch==2.5.1", "xformers"), accelerator=Wish("cuda", "==12.4.*"), builders="any"
    )
    assert target == Target("3.11", "windows-x86_64")
    assert target.stated == {"python", "platform"}
    bare, _ = read_request(Request(words=("numpy",)), MATRIX, defaults, HERE)
    assert tuple(map(str, bare.requirements)) == ("numpy", "torch==2.4.*", "xformers")


def test_the_target_is_here_where_nothing_else_is_said() -> None:
    here = Here(
        python=lambda: ("3.12.7", False),
        platform=lambda: ("linux-x86_64", "2.36", None),
        gpus_and_driver=lambda: (("8.6",), "550.54"),
    )

    def read(**flags: Any) -> Target:
        return read_request(Request(words=("torch",), **flags), MATRIX, None, here)[1]

    assert read() == Target("3.12.7", "linux-x86_64", glibc="2.36", gpus=("8.6",), driver="550.54")
    assert read().stated == frozenset()
    assert read(python=("3.11",)).gpus == ("8.6",)
    assert read(platform=("linux",)) == Target("3.12.7", "linux-x86_64")
    assert read(glibc=("2.28",)).glibc == "2.28"


def test_nothing_is_asked_of_this_machine_when_all_is_stated() -> None:
    def never() -> Any:
        raise AssertionError

    here = Here(python=never, platform=never, gpus_and_driver=never)
    request = Request(words=("torch",), python=("3.11",), platform=("linux",))
    assert read_request(request, MATRIX, None, here)[1] == Target("3.11", "linux-x86_64")


def test_gpus_are_sorted_and_single() -> None:
    target = target_of(gpu=("RTX 5090", "8.6", "H100", "RTX 3060 Ti"))
    assert target.gpus == ("8.6", "9.0", "12.0")


@pytest.mark.parametrize(
    ("goal", "target", "expected"),
    [
        (
            Goal(("flash-attn", "torch==2.5.1")),
            Target("3.11", "linux-x86_64"),
            "cudalock solve --torch 2.5.1 --fa2 --python 3.11 --platform linux",
        ),
        (
            Goal(
                ("bitsandbytes", "flash-attn==2.7.4.post1", "numpy<2", "torch<2.6,>=2.4"),
                constraints=("numpy>=1.26",),
                accelerator=Wish("cuda", "==12.4.*"),
                cudnn="==9.1.0.70",
                toolkit=("12.4.1", ("cudart", "nvcc")),
                builders="official",
                exclude_newer="2025-01-31",
                strict=True,
            ),
            Target("3.11", "linux-x86_64", glibc="2.35", gpus=("8.6",), driver="550.54"),
            'cudalock solve flash-attn==2.7.4.post1 "numpy<2" --torch "<2.6,>=2.4" --bnb'
            ' --cuda 12.4 --cudnn 9.1.0.70 --toolkit "12.4.1:cudart,nvcc" --builders official'
            ' --exclude-newer 2025-01-31 --strict -c "numpy>=1.26"'
            " --python 3.11 --platform linux --glibc 2.35 --gpu 8.6 --driver 550.54",
        ),
        (
            Goal(("torch",), accelerator=Wish("cpu")),
            Target("3.13", "windows-x86_64", free_threaded=True),
            "cudalock solve --torch latest --cuda cpu --python 3.13t --platform windows",
        ),
        (
            Goal(("torch==2.4.1+cu121", "xformers")),
            Target("3.11", "linux-x86_64"),
            "cudalock solve --torch 2.4.1+cu121 --xformers --python 3.11 --platform linux",
        ),
        (
            Goal((), toolkit=("12.4.1", ())),
            Target("3.11", "linux-x86_64"),
            "cudalock solve --toolkit 12.4.1 --python 3.11 --platform linux",
        ),
    ],
)
def test_command_line(goal: Goal, target: Target, expected: str) -> None:
    from cudalock.cli.options import request_of
    from cudalock.cli.solve import solve

    command = command_line(goal, target)
    assert command == expected
    context = solve.make_context("solve", shlex.split(command)[2:])
    words = context.params.pop("goal")
    assert read_request(request_of(context.params, words), MATRIX, None, HERE) == (goal, target)
