"""What installers refuse: wheels of other platforms, requirements that exclude each other."""

from __future__ import annotations

import pytest

from cudalock.diagnose import diagnose
from cudalock.diagnose.refusals import Excluding, WrongWheel
from cudalock.matrix.matrix import Matrix
from cudalock.targets import Here

HERE = Here(python=lambda: ("3.11", False), platform=lambda: ("linux-x86_64", "2.35", None))

UV = """
  \u00d7 No solution found when resolving dependencies:
  ╰─▶ Because only fms-model-optimizer==0.2.0 is available and
      fms-model-optimizer==0.2.0 depends on torch>=2.1,<2.5, we can conclude
      that fms-model-optimizer==0.2.0 depends on torch>=2.1,<2.5.
      And because vllm>=0.8.5 depends on torch==2.6.0, we can conclude that
"""
DOCKER = "\n".join(f"#24 5.773 {line}" for line in UV.splitlines())
WRAPPED = """
  ╰─▶ Because vllm==0.8.5 depends on
      torch==2.6.0 and you require
      torch==2.4.1, we can conclude that your requirements are unsatisfiable.
"""
PIP = """
The conflict is caused by:
    torchvision 0.16.0 depends on torch==2.1.0
    xformers 0.0.26.post1 depends on torch==2.3.0
"""
POETRY = """
Because torchvision (0.23.0) depends on torch (2.8.0)
 and xformers (0.0.30) depends on torch (2.7.0), version solving failed.
"""


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        (UV, ("fms-model-optimizer 0.2.0", ">=2.1,<2.5"), ("vllm >=0.8.5", "==2.6.0")),
        (DOCKER, ("fms-model-optimizer 0.2.0", ">=2.1,<2.5"), ("vllm >=0.8.5", "==2.6.0")),
        (WRAPPED, ("vllm 0.8.5", "==2.6.0"), ("the request", "==2.4.1")),
        (PIP, ("torchvision 0.16.0", "==2.1.0"), ("xformers 0.0.26.post1", "==2.3.0")),
        (POETRY, ("torchvision 0.23.0", "==2.8.0"), ("xformers 0.0.30", "==2.7.0")),
    ],
    ids=["uv", "in Docker", "wrapped", "pip", "Poetry"],
)
def test_two_that_exclude_each_other(
    matrix: Matrix, text: str, first: tuple[str, str], second: tuple[str, str]
) -> None:
    found = [match.statement for match in diagnose(text, matrix, None, HERE).matches]
    pairs = [(row.first, row.second) for row in found if isinstance(row, Excluding)]
    assert pairs == [(first, second)]


def test_two_that_agree_are_no_cause(matrix: Matrix) -> None:
    text = PIP.replace("torch==2.3.0", "torch>=2.0")
    found = [match.statement for match in diagnose(text, matrix, None, HERE).matches]
    assert not any(isinstance(row, Excluding) for row in found)


def test_a_request_of_a_megabyte_is_read_in_time(matrix: Matrix) -> None:
    text = "a" * 200_000 + " depends on " + "b" * 200_000 + "\n" + "x depends on y " * 40_000
    diagnose(text, matrix, None, HERE)


@pytest.mark.parametrize(
    ("file", "tags"),
    [
        ("torch-2.1.2+cu121-cp311-cp311-win_amd64.whl", "Python 3.11 on Windows x86_64"),
        (
            "torchao-0.6.1-cp39-abi3-manylinux_2_28_x86_64.whl",
            "Python 3.9 and newer on Linux x86_64",
        ),
        ("bitsandbytes-0.45.0-py3-none-macosx_14_0_arm64.whl", "Python 3 on macOS arm64"),
    ],
)
def test_a_wheel_says_what_it_is_for(matrix: Matrix, file: str, tags: str) -> None:
    text = f"Python 3.10.9\nERROR: {file} is not a supported wheel on this platform."
    best = diagnose(text, matrix, None, HERE).matches[0]
    assert isinstance(best.statement, WrongWheel)
    assert best.statement.tags == tags
    assert "Python 3.10.9 runs" in best.says
