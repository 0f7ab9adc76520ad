"""A PDM project with lines, which cudalock reads and does not write: what the real PDM makes of it.

`docs/lines.md` says what PDM can express; these tests show it.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from cudalock.cli import main
from cudalock.projects.read import read_file
from tests.local_index import clean_environment
from tests.recorded import MAIN

if TYPE_CHECKING:
    from tests.recorded import RecordedIndex

HAND = """\
[project]
name = "app"
version = "0"
requires-python = ">=3.11,<3.12"
dependencies = []

[project.optional-dependencies]
cpu = ["torch==2.9.1+cpu"]
cu126 = ["torch==2.9.1+cu126"]

[tool.pdm]
distribution = false

[[tool.pdm.source]]
name = "pytorch-cpu"
url = "https://download.pytorch.org/whl/cpu"
include_packages = ["torch"]

[[tool.pdm.source]]
name = "pytorch-cu126"
url = "https://download.pytorch.org/whl/cu126"
include_packages = ["torch"]
"""
LINUX = "--platform linux --python 3.11 --offline"


def run(words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, shlex.split(words))
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "pyproject.toml"
    path.write_text(HAND, encoding="utf-8", newline="\n")
    return path


def test_the_version_chooses_the_source(path: Path) -> None:
    """Both sources are for torch, and neither has what the other's line pins."""
    status, output, errors = run(f"check pyproject.toml {LINUX}")
    assert (status, output) == (0, ""), errors
    for line, version in (("cpu", "2.9.1+cpu"), ("cu126", "2.9.1+cu126")):
        status, output, errors = run(f"generate {LINUX} --extra {line} -q")
        assert status == 0, errors
        assert f"torch=={version}" in output
    # What no source has is still a finding.
    path.write_text(HAND.replace("2.9.1+cu126", "2.9.1+cu128"), encoding="utf-8", newline="\n")
    status, output, _ = run(f"check pyproject.toml {LINUX}")
    assert status == 1
    assert "2.9.1+cu128" in output


def test_lines_are_not_written(path: Path) -> None:
    lines = f"solve --torch 2.9 {LINUX} --cuda cpu --cuda 12.6"
    status, _, errors = run(f"{lines} -o pyproject.toml")
    assert status == 2
    assert "-o requirements.txt --as files" in errors
    assert path.read_text("utf-8") == HAND
    words = f"{lines} -o requirements.txt --as files -q"
    assert run(words)[0] == 0
    assert "torch==2.9.1+cu126" in Path("requirements-cu126.txt").read_text("utf-8")


@pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="PDM looks for a Python that the lines are for"
)
def test_pdm_locks_a_line_at_a_time(path: Path, recorded: RecordedIndex) -> None:
    program = shutil.which("pdm")
    if program is None:
        pytest.skip("pip install pdm, in an environment of its own, on PATH")
    folder = path.parent
    environment = {
        **clean_environment(folder, recorded.url(MAIN)),
        **{"PDM_PYPI_URL": recorded.url(MAIN), "PDM_IGNORE_ACTIVE_VENV": "1"},
        **{"PDM_CONFIG_FILE": str(folder / "pdm.toml"), "PDM_CACHE_DIR": str(folder / "cache")},
        **{"PDM_CHECK_UPDATE": "0", "PDM_PYTHON": sys.executable},
    }
    environment.pop("PYTHONPATH", None)
    path.write_text(recorded.redirected(HAND), encoding="utf-8", newline="\n")

    def pdm(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program or "", *words],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    both = pdm("lock", "-G", ":all")
    assert both.returncode != 0
    assert "Unable to find a resolution for torch" in both.stdout + both.stderr
    done = pdm("lock", "-G", "cu126", "-L", "pdm.cu126.lock")
    assert done.returncode == 0, done.stdout + done.stderr
    lock = read_file(str(folder / "pdm.cu126.lock"), kind="pdm-lock")
    pins = {each.name: each.version for each in lock.declared}
    assert pins["torch"] == "2.9.1+cu126"
    assert "nvidia-cudnn-cu12" in pins
