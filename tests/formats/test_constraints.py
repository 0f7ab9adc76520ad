"""Constraints: what they hold, and that the real pip and uv keep a CUDA torch by them."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from cudalock.cli import main
from cudalock.formats import format_of
from cudalock.formats.constraints import render
from tests.local_index import LocalIndex, build_wheel, clean_environment, make_environment, run_tool
from tests.sample_locks import CU124, FLASH, NUMPY, RELEASE, TORCH, lock, pin, small_lock

if TYPE_CHECKING:
    from pathlib import Path


def pins(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_whole_file() -> None:
    assert (
        render(small_lock())
        == """\
# cudalock: Linux x86_64, glibc 2.28, Python 3.11, CUDA 12.4
# command: cudalock solve "flash-attn==2.7.4.post1" "torch==2.5.1" --cuda 12.4 --python 3.11 \
--platform linux
# matrix: 2026.11.21
# needs: driver >= 525.60.13, glibc >= 2.17
# builder: flash-attn 2.7.4.post1 from Dao-AILab/flash-attention (the project's own)
# with pip: PIP_CONSTRAINT=constraints.txt, or pip install -c constraints.txt PACKAGE
# with uv: UV_CONSTRAINT=constraints.txt, or uv pip install -c constraints.txt PACKAGE

flash-attn==2.7.4.post1
torch==2.5.1+cu124
"""
    )


def test_the_stack_and_nothing_else() -> None:
    words = "--torch 2.6.0 --vision --cuda 11.8 --python 3.11 --platform linux --platform windows"
    result = CliRunner().invoke(main, ["solve", *shlex.split(words), "--format", "constraints"])
    assert result.exit_code == 0, result.output
    found = pins(result.stdout)
    assert "torch==2.6.0+cu118" in found
    assert "torchvision==0.21.0+cu118" in found
    assert "nvidia-cublas-cu11==11.11.3.6; sys_platform == 'linux'" in found
    assert not [line for line in found if re.match("jinja2|pillow|sympy|filelock", line)]
    assert "://" not in "".join(found)


def test_the_file_name_chooses_the_format() -> None:
    assert format_of("constraints.txt") == "constraints"
    assert format_of("gpu-constraints.txt") == "constraints"
    assert format_of("requirements.txt") == "requirements"


@pytest.mark.parametrize("tool", ["pip", "uv"])
@pytest.mark.parametrize("how", ["flag", "variable"])
def test_the_next_install_keeps_torch(tool: str, how: str, tmp_path: Path) -> None:
    """Without constraints both take the newer torch of the package index."""
    with LocalIndex() as index:
        newer = build_wheel("torch", "2.9.0")
        asking = build_wheel("wants-torch", "1.0", requires=["torch>=2", "numpy"])
        newer_asking = build_wheel("wants-torch", "2.0", requires=["torch>=2.9"])
        index.add("/main/", NUMPY, newer, asking, newer_asking)
        index.add("/whl/cu124/", TORCH)
        index.add("/main/", build_wheel("filelock", "3.16.1"))
        variables = clean_environment(tmp_path, index.url("/main/"))
        environment = make_environment(tmp_path, variables)
        flash = pin(FLASH, version="2.7.4.post1", builder="d/f", url=RELEASE + FLASH.name)
        (tmp_path / "constraints.txt").write_text(
            render(lock(pin(TORCH, index="cu124", url=CU124.url), flash))
        )
        if how == "variable":
            environment |= dict.fromkeys(("PIP_CONSTRAINT", "UV_CONSTRAINT"), "constraints.txt")
        pip = ["pip", "--python", "env", "install"] if tool == "pip" else ["uv", "pip", "install"]
        more = ["--extra-index-url", index.url("/whl/cu124/")]
        more += ["--index-strategy", "unsafe-best-match"] if tool == "uv" else []
        flag = ["-c", "constraints.txt"] if how == "flag" else []
        for words in (["torch"], ["--upgrade", "wants-torch"]):
            done = run_tool([*pip, *more, *flag, *words], tmp_path, environment)
            assert done.returncode == 0, done.stdout + done.stderr
            listing = run_tool(["uv", "pip", "freeze"], tmp_path, environment).stdout
            assert "torch==2.5.1+cu124" in listing.split()
        assert "wants-torch==1.0" in listing.split()
