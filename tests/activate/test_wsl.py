"""A Windows environment that is seen from WSL, or from a Linux that has nothing to do with it."""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath

import pytest
from click.testing import CliRunner

from cudalock.activate.wsl import windows_folder
from cudalock.cli import main
from tests.files import write

WSL = {"WSL_DISTRO_NAME": "Ubuntu-24.04"}


@pytest.mark.parametrize(
    ("folder", "environ", "settings", "expected"),
    [
        ("/mnt/c/Users/u/app", {}, None, r"C:\Users\u\app"),
        ("/mnt/d", {}, None, "D:\\"),
        ("/home/u/app", WSL, None, r"\\wsl.localhost\Ubuntu-24.04\home\u\app"),
        ("/home/u/app", {}, None, None),
        ("/mnt/data/app", {}, None, None),
        ("/mnt/data/app", WSL, None, r"\\wsl.localhost\Ubuntu-24.04\mnt\data\app"),
        ("/c/app", WSL, "[automount]\nroot = /\n", r"C:\app"),
        ("/win/e/app", WSL, '[automount]\nroot = "/win"\n', r"E:\app"),
        ("/mnt/c/app", {}, "no settings\n", r"C:\app"),
        ("/home/u", {"WSL_DISTRO_NAME": "a;b"}, None, None),
    ],
)
def test_names_of_windows(
    folder: str, environ: dict[str, str], settings: str | None, expected: str | None, tmp_path: Path
) -> None:
    if settings is not None:
        write(tmp_path / "wsl.conf", settings)
    found = windows_folder(PurePosixPath(folder), environ, tmp_path / "wsl.conf")
    assert (str(found) if found else None) == expected


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    write(tmp_path / "env" / "pyvenv.cfg", "home = C:\\Python\nversion = 3.11.9\n")
    runtime = tmp_path / "env" / "Lib" / "site-packages" / "nvidia" / "cuda_runtime" / "bin"
    write(runtime / "cudart64_12.dll")
    return tmp_path / "env"


@pytest.mark.skipif(sys.platform == "win32", reason="a Linux sees it")
def test_a_shell_of_windows_gets_its_paths(tree: Path) -> None:
    words = ["activate", "--python", str(tree)]
    translated = CliRunner().invoke(main, words, env=WSL)
    assert translated.exit_code == 0, translated.output
    below = str(tree).replace("/", "\\")
    assert f"'\\\\wsl.localhost\\Ubuntu-24.04{below}\\Lib\\site-packages" in translated.stdout
    assert "warning" not in translated.stderr
    plain = CliRunner().invoke(main, [*words, "--shell", "cmd"], env={"WSL_DISTRO_NAME": ""})
    assert plain.exit_code == 0
    assert "is on no drive of Windows" in plain.stderr
    refused = CliRunner().invoke(main, [*words, "--shell", "bash"], env=WSL)
    assert refused.exit_code == 2
    assert "hint: --shell powershell" in refused.stderr
