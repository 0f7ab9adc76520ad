"""What an install does to the torch of its base image: files of public repositories."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from cudalock import toml
from cudalock.check import check
from cudalock.cli import main
from cudalock.projects.read import read_file
from tests.files import write
from tests.paths import CASES

if TYPE_CHECKING:
    from pathlib import Path

    from cudalock.findings import Finding
    from cudalock.matrix.matrix import Matrix

ROWS = toml.loads((CASES / "base_images.toml").read_text(encoding="utf-8"))["case"]
FILES = [pytest.param(row, id=row["source"]) for row in ROWS if "Dockerfile" in row]
GOALS = [pytest.param(row, id=row["source"]) for row in ROWS if "image" in row]
CODES = ("CL104", "CL105", "CL205")


def found(text: str, matrix: Matrix) -> list[Finding]:
    file = read_file("-", stdin=text.encode(), kind="dockerfile")
    return [finding for finding in check(file, matrix) if finding.code in CODES]


def fits(finding: Finding, row: list[Any]) -> bool:
    line, code, severity, text = row
    place = finding.place
    where = place is not None and place.line == line
    says = f"{finding.sentence} {finding.fix}"
    return where and (finding.code, finding.severity) == (code, severity) and text in says


@pytest.mark.parametrize("row", FILES)
def test_a_file_on_a_base_image(row: dict[str, Any], matrix: Matrix) -> None:
    findings = found(row["Dockerfile"].removeprefix("\n"), matrix)
    for expected in row["found"]:
        assert any(fits(finding, expected) for finding in findings), (expected, findings)
    others = [each for each in findings if not any(fits(each, one) for one in row["found"])]
    assert others == []


@pytest.mark.parametrize("row", GOALS)
def test_what_is_added_to_an_image(row: dict[str, Any]) -> None:
    words = ["solve", "--image", row["image"], *row["goal"], "--offline", "--hashes", "off"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.stderr
    pins = [line for line in result.stdout.splitlines() if re.match(r"[a-z]", line)]
    assert not any(re.match(r"(torch|triton|nvidia-.*)(==| @)", pin) for pin in pins)
    for line in row["lines"]:
        assert any(pin == line or f"/{line.replace('==', '-')}-" in pin for pin in pins), pins


@pytest.mark.parametrize(
    ("pin", "status", "said"),
    [
        ("trl==1.16.0", 0, "note: changes datasets 4.0.0 to"),
        (
            "torchao==0.18.0",
            0,
            "nothing prevents it: `cudalock solve torchao==0.18.0 --image colab:",
        ),
        ("torchvision==0.20.0", 1, "torchvision 0.20.0 requires torch==2.5.0"),
        ("torch==2.12.0", 2, "`--image` keeps torch 2.11.0+cu128 of `colab:2026-08-19`"),
    ],
)
def test_what_prevents_a_pin_beside_an_image(pin: str, status: int, said: str) -> None:
    words = ["why-not", pin, "--image", "colab:2026-08-19", "--offline"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == status, result.output
    assert said in result.output
    if status == 0:
        assert json.loads(CliRunner().invoke(main, [*words, "--json"]).stdout)["possible"] is True


STAGES = """\
FROM nvcr.io/nvidia/pytorch:25.04-py3 AS own
RUN pip install xformers==0.0.30
FROM python:3.12-slim AS plain
RUN pip install torch==2.7.0 xformers==0.0.30
FROM own
RUN pip install torchvision==0.22.0
"""


def test_each_stage_is_on_its_own_image(matrix: Matrix) -> None:
    lines = [finding.place.line for finding in found(STAGES, matrix) if finding.place]
    assert lines == [2, 6]


KNOWN = [
    # The image's own release, of an index: nothing is replaced.
    ("pytorch/pytorch:2.7.1-cuda12.8-cudnn9-devel", "torch==2.7.1 torchvision==0.22.1", []),
    ("pytorch/pytorch:2.7.1-cuda12.8-cudnn9-devel", "torchvision==0.21.0", ["warning"]),
    ("pytorch/pytorch:2.7.1-cuda12.8-cudnn9-devel", "torch==2.6.0", ["note"]),
    # What vLLM's release pins is what its image has.
    ("vllm/vllm-openai:v0.12.0", "torch==2.9.0", []),
    ("vllm/vllm-openai:v0.12.0", "torch==2.8.0", ["note"]),
    # A tag that nobody recorded is unknown, and said to be.
    ("nvcr.io/nvidia/pytorch:25.07-py3", "xformers==0.0.30", ["note"]),
    ("nvcr.io/nvidia/pytorch:25.04-py3", "accelerate transformers", []),
    ("ubuntu:24.04", "xformers==0.0.30", []),
    ("nobody/knows:1", "xformers==0.0.30", []),
]


@pytest.mark.parametrize(("image", "words", "severities"), KNOWN)
def test_what_is_replaced(image: str, words: str, severities: list[str], matrix: Matrix) -> None:
    findings = found(f"FROM {image}\nRUN pip install {words}\n", matrix)
    assert [finding.severity for finding in findings] == severities


def test_a_requirements_file_is_on_the_image_that_installs_it(tmp_path: Path) -> None:
    write(tmp_path / "requirements.txt", "xformers==0.0.30\n")
    file = tmp_path / "Dockerfile"
    write(file, "FROM nvcr.io/nvidia/pytorch:25.04-py3\nRUN pip install -r requirements.txt\n")
    result = CliRunner().invoke(main, ["check", str(file)])
    assert result.exit_code == 1
    assert "requirements.txt:1:1: CL205" in result.stdout
    stated = ["check", "--image", "nvcr.io/nvidia/pytorch:25.04-py3"]
    by_itself = CliRunner().invoke(main, [*stated, str(tmp_path / "requirements.txt")])
    assert "CL205" in by_itself.stdout
    # `--fix` leaves it: no other version of xformers takes that torch.
    fixed = CliRunner().invoke(main, ["check", "--fix", str(file)])
    assert fixed.exit_code == 1
    assert (tmp_path / "requirements.txt").read_text() == "xformers==0.0.30\n"


REFUSED = [
    ("nobody/knows:1", "does not know the image `nobody/knows:1`"),
    ("nvcr.io/nvidia/pytorch:25.07-py3", "--image nvcr.io/nvidia/pytorch:25.06-py3"),
    ("colab:2027-01-01", "does not know what `colab:2027-01-01` has"),
    ("vllm/vllm-openai:latest", "does not know what `vllm/vllm-openai:latest` has"),
    ("pytorch/pytorch:2.7.1-cuda12.8-cudnn9-devel", "the Python of `pytorch/pytorch:2.7.1"),
]


@pytest.mark.parametrize(("image", "says"), REFUSED)
def test_an_image_of_which_too_little_is_known(image: str, says: str) -> None:
    result = CliRunner().invoke(main, ["solve", "--image", image, "accelerate", "--offline"])
    assert result.exit_code == 2
    assert says in result.stderr


def test_the_torch_of_an_image_is_never_replaced() -> None:
    words = ["solve", "--image", "nvcr.io/nvidia/pytorch:25.04-py3", "torch==2.7.0", "--offline"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert "`--image` keeps torch 2.7.0a0+79aa17489c.nv25.4" in result.stderr


def test_a_repository_on_an_image(tmp_path: Path) -> None:
    image = "nvcr.io/nvidia/pytorch:25.04-py3"
    write(tmp_path / "requirements.txt", "torch==2.5.1\naccelerate\n")
    words = ["generate", str(tmp_path), "--image", image, "--offline"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.stderr
    pins = [line for line in result.stdout.splitlines() if re.match(r"[a-z]", line)]
    assert [pin.partition("==")[0] for pin in pins] == ["accelerate"]
    assert "`torch==2.5.1` is left out: torch 2.7.0a0+79aa17489c.nv25.4 of" in result.stdout
    assert f"--image {image}" in result.stdout.splitlines()[1]
    held = CliRunner().invoke(main, [*words, "--format", "overrides"])
    assert "torch ; sys_platform == 'never'" in held.stdout


def test_an_image_without_torch_is_the_machine(tmp_path: Path) -> None:
    image = "nvidia/cuda:12.4.1-cudnn-devel-ubuntu22.04"
    words = ["solve", "--image", image, "--torch", "2.5.1", "--python", "3.11", "--offline"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.stderr
    assert "for Linux x86_64, glibc 2.35, Python 3.11" in result.stderr


def test_what_is_there_and_serves_stays(tmp_path: Path) -> None:
    """A version that the files do not ask for is no reason to change what a runtime has."""
    file = tmp_path / "requirements.txt"
    write(file, "torch>=2.8\npeft\ntransformers>=5.0\nxformers\n")
    words = ["generate", str(file), "--image", "colab:2026-08-19", "--offline"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.stderr
    pins = [line for line in result.stdout.splitlines() if re.match(r"[a-z]", line)]
    assert [pin.partition("==")[0] for pin in pins] == ["xformers"]
    assert "changes" not in result.stdout
    assert "`peft` (peft 0.20.0 of `colab:2026-08-19` is there)" in result.stderr
    # One that they do ask for is.
    write(file, "transformers>=5.20\n")
    result = CliRunner().invoke(main, words)
    assert "changes transformers 5.15.0 to 5." in result.stdout
    write(file, "torch\npeft\n")
    result = CliRunner().invoke(main, words)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "nothing to install: `colab:2026-08-19` has everything" in result.stderr


# -- an image with CUDA and no framework --------------------------------------------------------

CUDA_IMAGES = [
    # The newest build is for CUDA 13, which that image's oldest driver does not run.
    (
        "--torch 2.14 --image nvidia/cuda:12.4.1-cudnn-devel-ubuntu22.04",
        ("torch==2.14.0+cu126", "glibc 2.35", "--driver 550", "driver 550 is assumed"),
        (),
    ),
    ("--torch 2.14 --image nvidia/cuda:13.0.2-base-ubuntu24.04", ("CUDA 13.", "--driver 580"), ()),
    # What is stated counts, and nothing that nobody stated is a reason for a no.
    (
        "--torch 2.14 --image nvidia/cuda:12.4.1-base-ubuntu22.04 --driver 580.65",
        ("its containers are for driver 550 or newer",),
        ("is assumed", "+cu126"),
    ),
    (
        "--torch 2.9 --image nvidia/cuda:12.4.1-base-ubuntu22.04 --gpu 12.0",
        ("not the 12.4 of `nvidia/cuda:12.4.1-base-ubuntu22.04`",),
        ("is assumed",),
    ),
    ("--torch 2.14 --image nvidia/cuda:11.8.0-devel-ubuntu22.04", ("CUDA 1",), ("is assumed",)),
    # What compiles takes the image's nvcc, if there is one.
    (
        "--torch 2.14 --allow-build x --image nvidia/cuda:12.8.1-devel-ubuntu24.04",
        ("a build for CUDA 12 is assumed", "torch==2.14.0+cu12"),
        (),
    ),
    (
        "--torch 2.9 --allow-build x --image nvidia/cuda:12.8.1-runtime-ubuntu24.04",
        ("it has no nvcc to compile x, which a devel image has",),
        ("for CUDA 12 is assumed",),
    ),
    # An image without CUDA says nothing of it.
    ("--torch 2.9 --image python:3.12-slim-bookworm", ("glibc 2.36",), ("bring their own",)),
]


@pytest.mark.parametrize(("words", "has", "lacks"), CUDA_IMAGES, ids=lambda part: str(part)[:60])
def test_what_an_image_with_cuda_means(
    words: str, has: tuple[str, ...], lacks: tuple[str, ...]
) -> None:
    python = [] if "python:" in words else ["--python", "3.12"]
    result = CliRunner().invoke(main, ["solve", *words.split(), *python, "--offline", "-q"])
    assert result.exit_code == 0, result.stderr
    assert [text for text in has if text not in result.stdout] == []
    assert [text for text in lacks if text in result.stdout] == []
