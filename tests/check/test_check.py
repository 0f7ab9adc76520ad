"""`cudalock check`, as a command: statuses, formats, rewriting, standard input."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cudalock.cli import main
from cudalock.environment import gpu
from tests.machines import machine

STATED = ["--python", "3.11", "--platform", "linux"]
BROKEN = "torch==2.5.1\ntorchvision==0.19.0  # why not\n"
MENDED = "torch==2.5.1\ntorchvision==0.20.1  # why not\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["check", *words], input=stdin)


def test_a_clash_is_told_where_it_stands(folder: Path) -> None:
    (folder / "requirements.txt").write_text(BROKEN)
    found = run("requirements.txt", "-q")
    assert found.exit_code == 1
    assert found.stdout == (
        "requirements.txt:2:1: CL201 torch==2.5.1 and torchvision==0.19.0 are incompatible; "
        "torchvision 0.19.0 requires torch==2.4.0 (its metadata)\n"
        "    fix: `torchvision==0.20.1`\n"
    )


def test_without_a_file_those_of_the_repository_are_read(folder: Path) -> None:
    (folder / "requirements").mkdir()
    (folder / "requirements" / "dev.txt").write_text(BROKEN)
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "x"\ndependencies = ["torch==2.5.3"]\n'
    )
    found = run("-q")
    codes = [line.split(" ")[1] for line in found.stdout.splitlines() if not line.startswith(" ")]
    assert codes == ["CL101", "CL201"]
    assert "requirements/dev.txt:2:1" in found.stdout


def test_standard_input_is_judged_for_any_target(folder: Path) -> None:
    frozen = "torch==2.5.1\r\ntriton==3.1.0\r\n".encode("utf-16")
    found = run("-", "--platform", "windows", "--python", "3.11", "-q", stdin=frozen)
    assert found.exit_code == 1
    assert "standard input:2:1: CL103 triton 3.1.0 has no wheel for Windows" in found.stdout
    assert run("-", *STATED, "-q", stdin=frozen).exit_code == 0
    assert run("-", "--fix", stdin="").exit_code == 2


def test_fix_rewrites_what_must_change_and_no_more(folder: Path) -> None:
    file = folder / "requirements.txt"
    file.write_bytes(b"\xef\xbb\xbf" + BROKEN.replace("\n", "\r\n").encode())
    found = run("--fix", "requirements.txt", *STATED)
    assert (found.exit_code, found.stdout) == (1, "")
    assert "torchvision==0.19.0 is now torchvision==0.20.1" in found.stderr
    assert file.read_bytes() == b"\xef\xbb\xbf" + MENDED.replace("\n", "\r\n").encode()
    again = run("--fix", "requirements.txt", *STATED)
    assert (again.exit_code, again.stdout) == (0, "")


def test_strict_counts_warnings(folder: Path) -> None:
    (folder / "requirements.txt").write_text("torch==2.5.1\n")
    words = ["requirements.txt", "--platform", "windows", "--python", "3.11", "-q"]
    assert "CL302 warning" in run(*words).stdout
    assert run(*words).exit_code == 0
    assert run(*words, "--strict").exit_code == 1


def test_the_table_of_the_repository_states_targets(folder: Path) -> None:
    (folder / "requirements.txt").write_text("torch==2.4.1\n")
    assert run("requirements.txt", "-q").exit_code == 0
    table = folder / "pyproject.toml"
    table.write_text('[tool.cudalock]\ntargets = ["linux py3.12", "linux py3.13"]\n')
    assert (
        "CL103 torch 2.4.1 has no wheel for Linux x86_64 with Python 3.13"
        in run("requirements.txt", "-q").stdout
    )
    assert run("requirements.txt", *STATED, "-q").exit_code == 0
    table.write_text('[tool.cudalock]\npython = "3.13"\nplatform = "linux"\nhashes = "require"\n')
    assert run("requirements.txt", "-q").exit_code == 1
    for wrong in ("targets = 3", 'targets = ["amiga"]', "python = 3.13"):
        table.write_text(f"[tool.cudalock]\n{wrong}\n")
        assert run("requirements.txt", "-q").exit_code == 2


@pytest.mark.skipif(sys.platform != "linux", reason="the machine was recorded on Linux")
def test_what_this_machine_has_counts_when_it_is_asked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine recorded with a driver of 470, nothing of CUDA 12 runs."""
    detect, probe = gpu.detect, machine("a driver that is in the way").probe
    monkeypatch.setattr(gpu, "detect", lambda named, _: detect(named, probe))
    (folder / "requirements.txt").write_text("torch==2.5.1\n")
    where = ["--here", "--python", "3.11"]
    assert run("requirements.txt", "-q").exit_code == 0
    found = run("requirements.txt", *where)
    assert "detected: " in found.stderr
    assert found.exit_code == 1
    assert "CL204" in found.stdout
    assert run("requirements.txt", *where, "--driver", "560.35").exit_code == 0


def test_nothing_to_read_is_fine(folder: Path) -> None:
    found = run()
    assert (found.exit_code, found.stdout) == (0, "")
    assert "no file to check" in found.stderr


def test_a_comment_silences_a_code(folder: Path) -> None:
    (folder / "requirements.txt").write_text(
        "torch==2.5.1\ntorchvision==0.19.0  # cudalock: ignore[CL201]\n"
    )
    assert run("requirements.txt", *STATED, "-q").exit_code == 0


def test_json_holds_what_the_text_says(folder: Path) -> None:
    (folder / "requirements.txt").write_text(BROKEN)
    report = json.loads(run("requirements.txt", "-q", "--format", "json").stdout)
    assert report["summary"] == {"error": 1, "warning": 0, "note": 0}
    [found] = report["findings"]
    assert (found["file"], found["line"], found["column"]) == ("requirements.txt", 2, 1)
    assert (found["code"], found["name"]) == ("CL201", "metadata-clash")
    assert found["fix"] == "`torchvision==0.20.1`"


def test_github_sees_workflow_commands(folder: Path) -> None:
    (folder / "a, b:c.txt").write_text(BROKEN)
    found = run("a, b:c.txt", "-q", "--format", "github").stdout
    assert found.startswith(
        "::error file=a%2C b%3Ac.txt,line=2,col=1,title=CL201 metadata-clash::torch"
    )


@pytest.mark.parametrize("words", [["nosuch.txt"], ["README.pdf"], ["--platform", "amiga", "-"]])
def test_a_wrong_question_is_2(folder: Path, words: list[str]) -> None:
    assert run(*words, stdin="").exit_code == 2
