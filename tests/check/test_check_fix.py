"""`cudalock check --fix`: what is written, byte for byte, and what is left alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from cudalock.cli import main
from tests.paths import CASES

if TYPE_CHECKING:
    from cudalock.matrix.matrix import Matrix

LINUX = ["--python", "3.11", "--platform", "linux"]
FA = (
    "https://github.com/Dao-AILab/flash-attention/releases/download/v2.7.4.post1/"
    "flash_attn-2.7.4.post1%2Bcu12torch{torch}cxx11abiFALSE-{python}-{python}-linux_x86_64.whl"
)
CU124 = "--extra-index-url https://download.pytorch.org/whl/cu124\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fix(*words: str) -> Result:
    return CliRunner().invoke(main, ["check", "--fix", *words])


REWRITTEN = {
    "a pin": (
        "torch==2.5.1\ntorchvision==0.19.0\n",
        "torch==2.5.1\ntorchvision==0.20.1\n",
    ),
    "spaces, markers and comments": (
        'torch == 2.5.1 # a\nTorchVision  == 0.19.0 ; python_version > "3.8"   # b\n\n\n# end',
        'torch == 2.5.1 # a\nTorchVision  == 0.20.1 ; python_version > "3.8"   # b\n\n\n# end',
    ),
    "line ends of every kind": (
        "torch==2.5.1\r\ntorchaudio==2.4.0\r\n\r\nx\n",
        "torch==2.5.1\r\ntorchaudio==2.5.1\r\n\r\nx\n",
    ),
    "a label": (
        CU124 + "torch==2.5.1+cu124\ntorchvision==0.19.0+cu124\n",
        CU124 + "torch==2.5.1+cu124\ntorchvision==0.20.1+cu124\n",
    ),
    "one line twice": (
        "torch==2.5.1\ntorchvision==0.19.0\ntorchvision==0.19.0  # again\n",
        "torch==2.5.1\ntorchvision==0.20.1\ntorchvision==0.20.1  # again\n",
    ),
    "a version that is not": ("torch==2.5.2\n", "torch==2.5.1\n"),
    "several": (
        "torch==2.8.0\ntorchvision==0.20.1\ntorchaudio==2.6.0\ntriton==3.1.0\n",
        "torch==2.8.0\ntorchvision==0.23.0\ntorchaudio==2.8.0\ntriton==3.4.0\n",
    ),
    "the vendor's": (
        "torch==2.5.1\nnvidia-cudnn-cu12==9.5.1.17\n",
        "torch==2.5.1\nnvidia-cudnn-cu12==9.1.0.70\n",
    ),
    "a wheel that there is": (
        "torch==2.5.1\nflash-attn==2.7.4.post1\n",
        f"torch==2.5.1\nflash-attn @ {FA.format(torch='2.5', python='cp311')}\n",
    ),
    "with a marker behind it": (
        'torch==2.5.1\nflash-attn==2.7.4.post1;sys_platform=="linux"\n',
        f"torch==2.5.1\nflash-attn @ {FA.format(torch='2.5', python='cp311')} "
        ';sys_platform=="linux"\n',
    ),
    "an address for another torch": (
        f"torch==2.6.0\nflash-attn @ {FA.format(torch='2.5', python='cp311')}\n",
        f"torch==2.6.0\nflash-attn @ {FA.format(torch='2.6', python='cp311')}\n",
    ),
    "an address for another Python": (
        f"torch==2.5.1\nflash-attn @ {FA.format(torch='2.5', python='cp310')}\n",
        f"torch==2.5.1\nflash-attn @ {FA.format(torch='2.5', python='cp311')}\n",
    ),
}


@pytest.mark.parametrize(("before", "after"), REWRITTEN.values(), ids=REWRITTEN)
def test_requirements(folder: Path, before: str, after: str) -> None:
    file = folder / "requirements.txt"
    file.write_bytes(before.encode())
    found = fix("requirements.txt", *LINUX)
    assert file.read_bytes().decode() == after
    assert (found.exit_code, "changed: " in found.stderr) == (1, True)
    again = fix("requirements.txt", *LINUX)
    assert file.read_bytes().decode() == after
    assert again.exit_code == 0, again.stdout


LEFT = {
    "what is fine": "torch==2.5.1\ntorchvision==0.20.1\n",
    "what is silenced": "torch==2.5.1\ntorchvision==0.19.0  # cudalock: ignore[CL201]\n",
    "what another index is needed for": "torch==2.5.1+cu124\n",
    "an open torch, which comes to be the newest": "torch\nflash-attn\n",
    "a warning": "mamba-ssm==2.2.2\n",
    "a line that cannot be read": "torch=>2.5.1\n",
}


@pytest.mark.parametrize("text", LEFT.values(), ids=LEFT)
def test_what_is_left_alone(folder: Path, text: str) -> None:
    (folder / "requirements.txt").write_text(text)
    before = (folder / "requirements.txt").stat().st_mtime_ns
    assert "changed: " not in fix("requirements.txt", *LINUX).stderr
    assert (folder / "requirements.txt").read_text() == text
    assert (folder / "requirements.txt").stat().st_mtime_ns == before


def test_a_nested_file_is_changed_where_the_pin_stands(folder: Path) -> None:
    (folder / "requirements.txt").write_text("-r base.txt\ntorchvision==0.20.1\n")
    (folder / "base.txt").write_text("torchaudio==2.4.0\ntorch==2.5.1\n")
    assert fix("requirements.txt", *LINUX).exit_code == 1
    assert (folder / "requirements.txt").read_text() == "-r base.txt\ntorchvision==0.20.1\n"
    assert (folder / "base.txt").read_text() == "torchaudio==2.5.1\ntorch==2.5.1\n"


def test_utf_16_stays_utf_16(folder: Path) -> None:
    text = "torch==2.5.1\r\ntorchvision==0.19.0\r\n"
    (folder / "requirements.txt").write_bytes(text.encode("utf-16"))
    assert fix("requirements.txt", *LINUX).exit_code == 1
    assert (folder / "requirements.txt").read_bytes() == text.replace("0.19.0", "0.20.1").encode(
        "utf-16"
    )


def test_hashes_are_those_of_the_new_version(folder: Path, matrix: Matrix) -> None:
    project = matrix.project("torchvision")
    assert project is not None
    old, new = (
        [
            wheel.sha256
            for build in project.release(version).builds
            if build.index == "pypi"
            for wheel in build.wheels
        ]
        for version in ("0.19.0", "0.20.1")
    )
    text = f"torchvision==0.19.0 \\\n    --hash=sha256:{old[0]} \\\n    --hash=sha256:{old[1]}\n"
    (folder / "requirements.txt").write_text("torch==2.5.1\n" + text)
    assert fix("requirements.txt", *LINUX).exit_code == 1
    written = (folder / "requirements.txt").read_text()
    assert "torchvision==0.20.1 \\\n    --hash=sha256:" in written
    assert set(re.findall(r"sha256:(\w+)", written)) == set(new)


def test_a_hash_that_is_not_known_stays_in_the_way(folder: Path) -> None:
    """PyTorch's index has no hashes of that release: the line is told of and left."""
    text = (
        "--index-url https://download.pytorch.org/whl/cu121\ntorch==2.5.1\n"
        f"torchaudio==2.4.0 --hash=sha256:{'ab' * 32}\n"
    )
    (folder / "requirements.txt").write_text(text)
    result = fix("requirements.txt", *LINUX)
    assert result.exit_code == 1
    assert "fix: `torchaudio==2.5.1`" in result.stdout
    assert (folder / "requirements.txt").read_text() == text


def test_pyproject_keeps_the_rest(folder: Path) -> None:
    text = """# ours
[project]
name = "x"   # it is
requires-python = ">=3.11,<3.12"
dependencies = [
  'torch==2.5.1',   # the build
  "torchvision ==0.19.0 ; sys_platform == 'linux'",
]

[tool.poetry.dependencies]
torchaudio = { version = "2.4.0" }
"""
    (folder / "pyproject.toml").write_text(text)
    assert fix("pyproject.toml").exit_code == 1
    mended = text.replace("==0.19.0", "==0.20.1")
    assert (folder / "pyproject.toml").read_text() in (mended, mended.replace('"2.4.0"', '"2.5.1"'))
    assert fix("pyproject.toml").exit_code == 0


def test_poetry_says_it_in_its_own_way(folder: Path) -> None:
    text = """[tool.poetry]
name = "x"
version = "0"
[tool.poetry.dependencies]
python = ">=3.11,<3.12"
torch = "2.5.1"
torchvision = "^0.19.0"
"""
    (folder / "pyproject.toml").write_text(text)
    assert fix("pyproject.toml").exit_code == 1
    assert (folder / "pyproject.toml").read_text() == text.replace("^0.19.0", "0.20.1")


def test_a_lock_is_not_changed_by_hand(folder: Path) -> None:
    case = CASES / "check" / "clash.uv.lock"
    (folder / "uv.lock").write_bytes(case.read_bytes())
    assert fix("uv.lock").exit_code == 1
    assert (folder / "uv.lock").read_bytes() == case.read_bytes()


def test_a_read_only_file_is_said_to_be(folder: Path) -> None:
    file = folder / "requirements.txt"
    file.write_text("torch==2.5.1\ntorchvision==0.19.0\n")
    file.chmod(0o444)
    found = fix("requirements.txt", *LINUX)
    assert found.exit_code == 2
    assert "cannot write `requirements.txt`" in found.stderr


def test_an_open_framework_is_pinned_where_its_newest_release_does_not_run(folder: Path) -> None:
    """The line says what it was: an installer would take the newest torch for it."""
    file = folder / "requirements.txt"
    file.write_text("torch>=2.0  # gpu\n", encoding="utf-8")
    result = fix("requirements.txt", *LINUX, "--gpu", "V100")
    assert file.read_text(encoding="utf-8") == "torch==2.10.0  # gpu\n"
    assert "torch>=2.0 is now torch==2.10.0" in result.stderr


def test_a_fix_on_another_index_serves_the_pins_beside_it(folder: Path) -> None:
    """The build for the GPU is on an index that the file lacks, and torchvision goes with it."""
    text = "--index-url https://download.pytorch.org/whl/cu118\n"
    text += "torch==2.4.1+cu118\ntorchvision==0.19.1+cu118\n"
    (folder / "requirements.txt").write_text(text, encoding="utf-8")
    result = fix("requirements.txt", *LINUX, "--gpu", "RTX 5090")
    assert "fix: `torch==2.7.0+cu128`" in result.stdout
    assert "fix: `torchvision==0.22.0+cu128`" in result.stdout
