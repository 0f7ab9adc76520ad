"""`cudalock completion` and `cudalock cache`: what they change, and what they leave."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cudalock.cli import main
from cudalock.cli.completion import SHELLS, start_up_file
from cudalock.indexes.cache import CONTENT, FOLDERS


def run(*words: str) -> click.testing.Result:
    return CliRunner().invoke(main, words)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "USERPROFILE", "XDG_CONFIG_HOME", "ZDOTDIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("CUDALOCK_CACHE_DIR", str(tmp_path / "cache"))


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("before", [None, b"alias x=y", b"alias x=y\n", b"set x\r\n"])
def test_it_is_added_once_and_removed_without_a_trace(shell: str, before: bytes | None) -> None:
    path = start_up_file(shell)
    if shell == "fish":
        before = None
    if before is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(before)
    assert run("completion", shell, "--install").exit_code == 0
    first = path.read_bytes()
    assert b"cudalock" in first
    assert first.startswith(before or b"")
    assert "needs no change" in run("completion", shell, "--install").stderr
    assert path.read_bytes() == first
    assert run("completion", shell, "--uninstall").exit_code == 0
    left = path.read_bytes() if path.exists() else b""
    # A file without a newline at its end has one now: what follows has to be a line of its own.
    assert left.rstrip(b"\r\n") == (before or b"").rstrip(b"\r\n")


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_the_shells(shell: str) -> None:
    result = run("completion", shell)
    assert result.exit_code == 0, result.output
    assert "_CUDALOCK_COMPLETE" in result.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_real_shell_takes_the_script(shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    script = run("completion", shell).stdout
    done = subprocess.run([program, "-n"], input=script, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_cache_is_emptied_and_what_else_is_there_stays(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    ours = [folder / CONTENT[0], *(folder / name / "row" for name in FOLDERS)]
    others = [folder / "thesis.tex", folder / "papers" / "x.pdf", tmp_path / "outside"]
    for path in (*ours, *others):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    (folder / FOLDERS[0] / "link").symlink_to(tmp_path / "outside")
    assert run("cache", "dir").stdout == f"{folder}\n"
    document = json.loads(run("cache", "size", "--json").stdout)
    assert (document["files"], document["bytes"]) == (len(ours), 5 * len(ours))
    assert run("cache", "clear").stderr == f"removed {len(ours)} files, 0.0 MB\n"
    assert not any(path.exists() for path in ours)
    assert all(path.exists() for path in others)
    assert run("cache", "size").stdout == "0.0 MB in 0 files\n"
