"""Hostile and unlucky input: what comes from outside neither runs nor escapes nor ends in a fault.

Windows' rules are tables of what Windows makes of a name, a path or a variable, tested everywhere.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from cudalock import files
from cudalock.cli import main
from cudalock.files import find_program, find_programs, is_safe_name, stays_inside, variable
from tests.files import write
from tests.paths import RESOLVER

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = RESOLVER / "cudalock"

POSIX_ONLY = pytest.mark.skipif(os.name == "nt", reason="the test makes programs of shell scripts")


def run(*words: str | Path, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, list(map(str, words)), input=stdin, prog_name="cudalock")


@cache
def trees() -> list[tuple[str, ast.Module]]:
    return [
        (path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(encoding="utf-8")))
        for path in sorted(PACKAGE.rglob("*.py"))
    ]


# -- programs are those of PATH -------------------------------------------------------------------

WINDOWS_PATHS = {
    "the first absolute folder": (
        r"C:\tools;C:\Git\cmd",
        [r"C:\Git\cmd\git.exe"],
        r"C:\Git\cmd\git.exe",
    ),
    "not the current folder": (r".;C:\tools", ["git.exe", r".\git.exe"], None),
    "not an empty part": (r";;C:\tools;", ["git.exe"], None),
    "not a folder below the current one": (r"bin;.\bin", [r"bin\git.exe", r".\bin\git.exe"], None),
    "not the current drive": (r"\tools", [r"\tools\git.exe"], None),
    "not the current folder of a drive": (r"C:tools", [r"C:tools\git.exe"], None),
    "a quoted folder": (
        r'"C:\Program Files\Git"',
        [r"C:\Program Files\Git\git.exe"],
        r"C:\Program Files\Git\git.exe",
    ),
    "a server": (r"\\server\share", [r"\\server\share\git.exe"], r"\\server\share\git.exe"),
    "no batch file": (r"C:\tools", [r"C:\tools\git.bat", r"C:\tools\git.cmd"], None),
    "no file without an ending": (r"C:\tools", [r"C:\tools\git"], None),
}


@pytest.mark.parametrize("case", WINDOWS_PATHS)
def test_a_program_is_found_in_the_absolute_folders_of_windows_path(case: str) -> None:
    path, there, expected = WINDOWS_PATHS[case]
    found = find_programs("git", {"Path": path}, os_name="nt", is_program=there.__contains__)
    assert next(found, None) == expected


def test_a_batch_file_is_a_program_only_where_that_is_wanted() -> None:
    there = [r"C:\pyenv\shims\python.bat"]
    path = {"PATH": r"C:\pyenv\shims"}
    found = find_programs("python", path, scripts=True, os_name="nt", is_program=there.__contains__)
    assert list(found) == there


@POSIX_ONLY
@pytest.mark.parametrize("text", [".", "", "bin", "./bin", "{here}/../here/.:"])
def test_no_program_of_the_current_folder_is_found(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("git", "bin/git"):
        write(tmp_path / "here" / name, "#!/bin/sh\n").chmod(0o755)
    monkeypatch.chdir(tmp_path / "here")
    assert find_program("git", {"PATH": text.replace("{here}", "nowhere")}) is None


@POSIX_ONLY
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("git", ["generate"]),
        ("git", ["generate", "--exclude-newer", "commit"]),
        ("uv", ["solve", "torch==2.5.1", "--platform", "linux", "-o", "uv.lock", "--offline"]),
        ("python3", ["doctor", "--python", "."]),
        ("python", ["doctor", "--python", "."]),
        ("nvidia-smi", ["solve", "torch==2.5.1"]),
    ],
)
def test_no_program_of_the_repository_is_run(name: str, words: list[str], tmp_path: Path) -> None:
    """The repository is the current folder, and PATH has it as a Windows' search would: first."""
    witness = tmp_path / "ran"
    repository = tmp_path / "repository"
    write(repository / "requirements.txt", "torch\n")
    write(repository / name, f"#!/bin/sh\n: > {witness}\n").chmod(0o755)
    environment = {**os.environ, "PATH": os.pathsep.join([".", "", os.environ["PATH"]])}
    command = [sys.executable, "-m", "cudalock", *words]
    subprocess.run(command, cwd=repository, env=environment, capture_output=True, check=False)
    assert not witness.exists()


def starts(tree: ast.Module) -> Iterator[ast.Call]:
    """The calls of a module that start a program."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in (
            *("subprocess.run", "subprocess.Popen", "subprocess.call", "subprocess.check_call"),
            *("subprocess.check_output", "run_program", "os.system", "os.popen", "os.startfile"),
        ):
            yield node


def test_every_program_is_started_by_a_path_that_was_found() -> None:
    """`shutil.which` looks into the current folder on Windows, and so does a bare name."""
    faults = []
    for name, tree in trees():
        for node in ast.walk(tree):
            is_imported = isinstance(node, ast.alias) and node.name == "which"
            if is_imported or (isinstance(node, ast.Attribute) and node.attr == "which"):
                faults.append(f"{name} uses shutil.which")
        for call in starts(tree):
            first = call.args[0] if call.args else None
            word = first.elts[0] if isinstance(first, ast.List) and first.elts else first
            if word is None or (isinstance(word, ast.Constant)):
                faults.append(f"{name}:{call.lineno} starts a program by its name")
    assert not faults
    assert sum(len(list(starts(tree))) for _, tree in trees()) >= 5, "the test sees the calls"


# -- variables ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "environ", "on_windows", "elsewhere"),
    [
        ("SystemRoot", {"SYSTEMROOT": r"C:\Windows"}, r"C:\Windows", None),
        ("SYSTEMROOT", {"SystemRoot": r"C:\Windows"}, r"C:\Windows", None),
        ("PATH", {"Path": "a", "PATH": "b"}, "b", "b"),
        ("CUDA_PATH", {}, None, None),
    ],
)
def test_variables_of_windows_have_no_case(
    name: str, environ: dict[str, str], on_windows: str | None, elsewhere: str | None
) -> None:
    assert variable(environ, name, "nt") == on_windows
    assert variable(environ, name, "posix") == elsewhere


# -- names from outside ---------------------------------------------------------------------------

SAFE = [
    "torch-2.5.1+cu124-cp311-cp311-win_amd64.whl",
    "a-1!2.0-py3-none-any.whl",
    "numpy-2.0.0.tar.gz",
    "_x-1-py3-none-any.whl",
    "contoso-1-py3-none-any.whl",
    "com10-1.whl",
]
UNSAFE = [
    *("", ".", "..", ".hidden.whl", "-d.whl"),
    *("C:git.exe", "C:\\x.whl", "x.whl:stream", "a/b.whl", "a\\b.whl", "..\\..\\x.whl"),
    *("nul", "NUL.whl", "con.tar.gz", "Com1.whl", "LPT9", "aux", "CONIN$"),
    *("x.whl.", "x.whl ", "x\n.whl", "x\x00.whl", "x\u202e.whl", "t\u00f6rch.whl", "a*.whl"),
    *("%PATH%.whl", "$(id).whl", "`id`.whl", "a;b.whl", "a&b.whl", "a" * 300 + ".whl"),
]


@pytest.mark.parametrize("name", SAFE)
def test_names_of_wheels_are_safe(name: str) -> None:
    assert is_safe_name(name)
    assert stays_inside(name)


@pytest.mark.parametrize("name", UNSAFE)
def test_names_that_some_system_makes_something_else_of_are_not(name: str) -> None:
    assert not is_safe_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("../x", "a/../../x", "/etc/x", "..\\..\\x", "a\\..\\..\\x", "C:\\x", "C:x", "\\x"),
        *("\\\\server\\share\\x", "//server/share/x", "x:stream", "a/../b", "a\0b"),
    ],
)
def test_paths_that_leave_their_folder_on_some_system(name: str) -> None:
    assert not stays_inside(name)


@pytest.mark.parametrize(
    "file",
    [
        *("C%3Agit.exe", "C:git.exe", "git.exe", "NUL.whl", "x.whl%3Astream"),
        *("sitecustomize.py", "%2e%2e", "%2fetc%2fx.whl%00", "a%0ab.whl", ".pth"),
    ],
)
@pytest.mark.parametrize("kind", ["requirements.txt", "pylock.toml"])
def test_fetch_refuses_a_lock_with_such_a_file(file: str, kind: str, tmp_path: Path) -> None:
    """Before any download: port 9 answers nobody, and the status is not the network's."""
    url = f"http://127.0.0.1:9/{file}"
    digest = "0" * 64
    if kind == "pylock.toml":
        text = (
            'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "x"\nversion = "1"\n'
            f'[[packages.wheels]]\nname = "x-1-py3-none-any.whl"\nurl = "{url}"\n'
            f'hashes = {{sha256 = "{digest}"}}\n'
        )
    else:
        text = f"x @ {url} --hash=sha256:{digest}\n"
    result = run("fetch", write(tmp_path / kind, text), "-d", tmp_path / "wheels")
    assert result.exit_code == 2, result.output
    assert not (tmp_path / "wheels").exists()


# -- paths on other drives ------------------------------------------------------------------------


def test_a_path_on_another_drive_stays_absolute(monkeypatch: pytest.MonkeyPatch) -> None:
    import ntpath

    monkeypatch.setattr(os, "path", ntpath)
    assert files.relative(r"C:\repo\wheels", r"C:\repo\locks") == r"..\wheels"
    assert files.relative(r"C:\wheels", r"D:\x") == r"C:\wheels"
    assert files.relative(r"\\server\share\wheels", r"C:\x") == r"\\server\share\wheels"
    assert files.relative(r"C:\x\requirements.txt", r"D:\repo") == r"C:\x\requirements.txt"


def test_relpath_is_called_in_one_place() -> None:
    used = {
        name
        for name, tree in trees()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and node.attr == "relpath")
        or (isinstance(node, ast.alias) and node.name == "relpath")
    }
    assert used == {"files.py"}


# -- what is left behind --------------------------------------------------------------------------


def test_the_scratch_folder_of_a_killed_update_is_removed_a_day_later(tmp_path: Path) -> None:
    from cudalock.update.files import stage_beside

    for name in ("old", "new"):
        write(tmp_path / f".cudalock-{name}" / "matrix" / "matrix.toml")
    os.utime(tmp_path / ".cudalock-old", (0, 0))
    with stage_beside(tmp_path / "output"):
        assert not (tmp_path / ".cudalock-old").exists()
    assert [path.name for path in tmp_path.iterdir()] == [".cudalock-new"]


def test_a_file_that_a_virus_scanner_holds_is_replaced_a_moment_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = iter([PermissionError(13, "in use"), PermissionError(13, "in use")])
    rename = Path.replace

    def replace(source: Path, target: Path) -> Path:
        for error in refused:
            raise error
        return rename(source, target)

    monkeypatch.setattr(Path, "replace", replace)
    source, target = write(tmp_path / "new", "new"), write(tmp_path / "old", "old")
    files.replace_patiently(source, target, "nt")
    assert target.read_text(encoding="utf-8") == "new"
    refused = iter([PermissionError(13, "read-only")])
    with pytest.raises(PermissionError):
        files.replace_patiently(write(source), target, "posix")
