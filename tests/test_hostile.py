"""Hostile and unlucky input: what comes from outside neither runs nor escapes nor ends in a fault.

Windows' rules are tables of what Windows makes of a name, a path or a variable, tested everywhere.
"""

from __future__ import annotations

import ast
import errno
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import unicodedata
import zipfile
from collections import Counter
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import click
import pytest
from click.testing import CliRunner, Result

from cudalock import files
from cudalock.check import reports
from cudalock.check.reports import CheckReport
from cudalock.cli import main
from cudalock.cli.check import expanded_names
from cudalock.files import (
    data_directory,
    find_program,
    find_programs,
    is_safe_name,
    stays_inside,
    variable,
)
from cudalock.findings import Finding
from cudalock.indexes import client, digests
from cudalock.indexes.cache import CACHE_VARIABLE
from cudalock.indexes.client import Web
from cudalock.indexes.elf import read_links
from cudalock.indexes.listings import Listing, read_listing
from cudalock.indexes.pip_config import PipSettings, read_pip_settings
from cudalock.keep import commands
from cudalock.live import project
from cudalock.projects import read
from cudalock.projects.model import Place
from cudalock.projects.read import find_files
from cudalock.sdists import UnreadableArchive, read_archive
from cudalock.versions import parse_marker, parse_requirement, parse_version, specifier_set
from tests.files import write
from tests.local_index import build_wheel
from tests.paths import RESOLVER
from tests.scripted import Answer, ScriptedServer
from tests.small_matrix import small_matrix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


@cache
def nodes() -> list[tuple[str, ast.AST]]:
    """Every node of the package, with its module: to walk through all trees takes a while."""
    return [(name, node) for name, tree in trees() for node in ast.walk(tree)]


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


STARTERS = {
    *("subprocess.run", "subprocess.Popen", "subprocess.call", "subprocess.check_call"),
    *("subprocess.check_output", "run_program", "os.system", "os.popen", "os.startfile"),
}
LAST_WORDS = {name.rpartition(".")[2] for name in STARTERS}


def starts() -> Iterator[tuple[str, ast.Call]]:
    """The calls that start a program, each with its module."""
    for name, node in nodes():
        if isinstance(node, ast.Call):
            last = getattr(node.func, "attr", None) or getattr(node.func, "id", None)
            # To write out the name of each call of the package takes seconds.
            if last in LAST_WORDS and ast.unparse(node.func) in STARTERS:
                yield name, node


def test_every_program_is_started_by_a_path_that_was_found() -> None:
    """`shutil.which` looks into the current folder on Windows, and so does a bare name."""
    faults = []
    for name, node in nodes():
        is_imported = isinstance(node, ast.alias) and node.name == "which"
        if is_imported or (isinstance(node, ast.Attribute) and node.attr == "which"):
            faults.append(f"{name} uses shutil.which")
    calls = list(starts())
    for name, call in calls:
        first = call.args[0] if call.args else None
        word = first.elts[0] if isinstance(first, ast.List) and first.elts else first
        if word is None or (isinstance(word, ast.Constant)):
            faults.append(f"{name}:{call.lineno} starts a program by its name")
    assert not faults
    assert len(calls) >= 5, "the test sees the calls"


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


def test_a_long_path_of_windows_has_a_form_without_a_limit() -> None:
    assert files.extended("C:\\x/torch/include/a.h", "nt") == "\\\\?\\C:\\x\\torch\\include\\a.h"
    assert files.extended("\\\\server\\share\\x", "nt") == "\\\\server\\share\\x"
    assert files.extended("/x/a.h", "posix") == "/x/a.h"


def test_a_junction_is_not_walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        write(tmp_path / name / "requirements.txt", "torch\n")

    def lstat(path: Path) -> SimpleNamespace:
        return SimpleNamespace(st_reparse_tag=0xA0000003 if str(path).endswith("a") else 0)

    with monkeypatch.context() as patch:
        patch.setattr(files, "os", SimpleNamespace(lstat=lstat))
        assert files.is_junction(tmp_path / "a")
        assert not files.is_junction(tmp_path / "b")
    monkeypatch.setattr(read, "is_junction", lambda path: str(path).endswith("a"))
    assert [path.parent.name for path in find_files(tmp_path)] == ["b"]


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
        for name, node in nodes()
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


# -- numbers and digits ---------------------------------------------------------------------------

LONG = "9" * 5_000
"""Python refuses to convert it."""

NUMBERS = {
    "long": LONG,
    "long part": f"2.{LONG}",
    "full width": "\uff12.\uff15.\uff11",
    "superscript": "2.5\u00b2",
    "long path": "x/" * 5_000,
    "surrogate": "2.5\udcff",
}
"""Texts for an option, each of a kind that once ended in an internal error."""


def options() -> list[tuple[str, str]]:
    """`(command, option)` for each option of each command that takes a text."""
    context = click.Context(main)
    found = []
    commands: list[tuple[str, click.Command]] = []
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            inner = click.Context(command)
            commands += [
                (f"{name} {sub}", one)
                for sub in command.list_commands(inner)
                if (one := command.get_command(inner, sub)) is not None
            ]
        else:
            commands.append((name, command))
    for name, command in commands:
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not (parameter.is_flag or parameter.count):
                found.append((name, max(parameter.opts, key=len)))
    return found


GOALS = {
    "solve": ["torch"],
    "explain": ["torch"],
    "why-not": ["torch==2.5.1", "flash-attn"],
    "check": ["-"],
    "diagnose": ["-"],
    "fetch": ["lock.txt", "-d", "wheels"],
    "matrix show": ["torch"],
    "matrix lint": ["--matrix", "matrix"],
    "doctor": ["--python", "env"],
}
LEFT_OUT = {"matrix update", "matrix export"}
"""Commands that would ask the network, or write pages for minutes."""


@pytest.mark.parametrize(
    ("command", "option"),
    [pair for pair in options() if pair[0] not in LEFT_OUT],
    ids=lambda text: text.replace(" ", "-"),
)
def test_no_text_for_an_option_is_an_internal_error(
    command: str, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(client, "BACK_OFF", 0)
    write(tmp_path / "requirements.txt", "torch==2.5.1\n")
    write(tmp_path / "lock.txt", "six==1.17.0 --hash=sha256:" + "0" * 64 + "\n")
    if command == "matrix lint":
        small_matrix(tmp_path / "matrix")
    elif command == "doctor":
        installed_tree(tmp_path / "env", "")
    words = [*command.split(), *GOALS.get(command, [])]
    network = {"fetch"}
    for kind, text in NUMBERS.items():
        offline = ["--index-url", "http://127.0.0.1:9/"] if command in network else []
        result = run(*words, *offline, option, text, stdin="torch==2.5.1\n")
        assert result.exit_code in (0, 1, 2, 3), f"{option} {kind}: {result.output}"


TEXTS = [
    f"torch=={LONG}",
    f"torch>={LONG}",
    f"torch=={LONG}.*",
    f"torch==2.5.1+{LONG}",
    f"torch==2.5.1; python_version > '{LONG}'",
    f"torch[{LONG}]==2.5.1",
    f"https://127.0.0.1:9/torch-{LONG}-py3-none-any.whl",
    f"torch @ https://127.0.0.1:9/torch-{LONG}-cp311-cp311-win_amd64.whl",
    "torch==\uff12.\uff15",
    "torch==2.5.1; python_version > '\uff13'",
    "torch==2.5.1; " + "(" * 3_000 + "python_version > '3'" + ")" * 3_000,
    f"flash-attn {LONG}",
    f"torch 2.5.1 on macos {LONG}",
    f"torch on glibc 2.{LONG}",
    f"torch py3.{LONG}",
    f"torch cu{LONG}",
    f"torch cuda {LONG}",
    f"rtx {LONG}",
    f"torch driver {LONG}",
    "torch py\uff13.\uff11\uff11",
    "torch cu\uff11\uff12\uff14",
    "\u212a \u0131 \u017f",
]


def test_no_text_of_a_setting_is_an_internal_error_neither(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for text in ('"a\\u0000"', '["\\u0000"]', LONG, '"' + LONG + '"', "1979-05-27", "nan"):
        for key in ("matrix", "python", "torch", "builders", "gpu", "exclude-newer"):
            write(tmp_path / "pyproject.toml", f"[tool.cudalock]\n{key} = {text}\n")
            result = run("solve", "torch", "--offline")
            assert result.exit_code in (0, 1, 2), f"{key} = {text[:20]}: {result.output[-500:]}"


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_no_number_in_a_goal_or_a_file_is_an_internal_error(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = f"torch==2.5.1\n{text}\n"
    write(tmp_path / "requirements.txt", lines)
    write(
        tmp_path / "project" / "pyproject.toml",
        f'[project]\nname = "x"\nversion = "1"\ndependencies = [{text!a}]\n'.replace("\\x00", ""),
    )
    for words in (
        ["solve", text, "--offline", "--platform", "linux", "--python", "3.11"],
        ["explain", text, "--platform", "linux", "--python", "3.11"],
        ["why-not", "torch==2.5.1", text],
        ["check", "requirements.txt"],
        ["check", "project/pyproject.toml"],
        ["solve", "-r", "requirements.txt", "--offline"],
        ["diagnose", "-"],
        ["generate", "project", "--offline"],
    ):
        result = run(*words, stdin=lines)
        assert result.exit_code in (0, 1, 2, 3), f"{words}: {result.output[-500:]}"


DOCUMENTS = {
    "pylock.toml": [
        f'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "torch"\nversion = "{LONG}"',
        f'lock-version = "1.0"\ncreated-by = "x"\nx = {LONG}',
        "a = " + "[" * 10_000,
        "[" + "a." * 10_000 + "a]",
    ],
    "pyproject.toml": [
        f'[project]\nname = "x"\nrequires-python = ">={LONG}"\ndependencies = ["torch"]',
        f"[project]\nname = {LONG}",
        f"[tool.poetry.dependencies]\npython = '^{LONG}'\ntorch = '^{LONG}'\nx = '~\uff11'",
        "[tool.uv]\na = " + "{a=" * 5_000,
    ],
    "uv.lock": [
        f'version = {LONG}\n[[package]]\nname = "torch"\nversion = "{LONG}"',
        f'requires-python = ">={LONG}"\n[[package]]\nname = "torch"\nversion = "\uff12"',
    ],
    "poetry.lock": [
        f'[[package]]\nname = "torch"\nversion = "{LONG}"\n[metadata]\npython-versions="^{LONG}"'
    ],
    "environment.yml": [
        f"dependencies:\n - python={LONG}\n - pytorch={LONG}\n - pip:\n   - torch=={LONG}",
        f"dependencies: {LONG}",
        "dependencies: " + "[" * 5_000,
        "a: &a [*a, *a]\ndependencies: *a",
    ],
    "Pipfile": [f'[packages]\ntorch = "=={LONG}"'],
    "Pipfile.lock": ["[" * 100_000, f'{{"default": {{"torch": {{"version": "=={LONG}"}}}}}}', LONG],
    "setup.cfg": [f"[options]\npython_requires = >={LONG}\ninstall_requires =\n  torch=={LONG}"],
    "setup.py": [
        f"from setuptools import setup\nsetup(install_requires=['torch=={LONG}'])",
        f"x = {LONG}",
        "x = " + "(" * 5_000,
        "x = " + "-" * 50_000 + "1",
    ],
    "Dockerfile": [f"FROM nvidia/cuda:{LONG}\nRUN pip install torch=={LONG}"],
    "requirements.txt": [f"--index-url https://[\ntorch=={LONG} --hash=sha256:{LONG}\n-r {LONG}"],
    ".python-version": [LONG, f"3.{LONG}", "\uff13.11", "3.11." + LONG],
}


@pytest.mark.parametrize(
    ("name", "number"),
    [(name, number) for name, texts in DOCUMENTS.items() for number in range(len(texts))],
)
def test_no_number_or_nesting_in_a_file_is_an_internal_error(
    name: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / name, DOCUMENTS[name][number] + "\n")
    for words in (
        ["check", name],
        ["check"],
        ["generate", ".", "--offline"],
        ["solve", "torch", "--offline"],
        ["fetch", name, "-d", "wheels", "--index-url", "http://127.0.0.1:9/"],
        ["solve", "-r", name, "--offline"],
        ["solve", "torch", "--offline", "-o", name],
    ):
        result = run(*words)
        assert result.exit_code in (0, 1, 2, 3), f"{words}: {result.output[-500:]}"


DEEP = "(" * 5_000 + "python_version > '3'" + ")" * 5_000


@pytest.mark.parametrize(
    ("parse", "text", "reason"),
    [
        (parse_version, LONG, "long"),
        (specifier_set, f"=={LONG}", "long"),
        (parse_requirement, f"x=={LONG}", "long"),
        (parse_requirement, f"x; python_version > '{LONG}'", "long"),
        (parse_requirement, f"x>=1,<{LONG}", "long"),
        (parse_requirement, f"x @ https://x/x-1.whl ; python_version > '{LONG}'", "long"),
        (parse_marker, f"python_version > '{LONG}'", "long"),
        (parse_requirement, f"x; {DEEP}", "nested"),
        (parse_marker, DEEP, "nested"),
    ],
    ids=range(9),
)
def test_what_packaging_would_fail_at_later_is_refused_where_it_is_read(
    parse: Callable[[str], object], text: str, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        parse(text)


PARSERS = {
    *("Version", "SpecifierSet", "Specifier", "Requirement", "Marker"),
    *("parse_wheel_filename", "parse_sdist_filename"),
}


def test_versions_and_their_like_are_parsed_in_one_place() -> None:
    """There numbers are bounded. A constant is no text from outside."""
    faults = []
    for name, tree in trees():
        imported = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("packaging.")
            for alias in node.names
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                is_constant = all(isinstance(word, ast.Constant) for word in node.args)
                if node.func.id in PARSERS & imported and not is_constant:
                    faults.append(f"{name}:{node.lineno} {node.func.id}")
    allowed = {"versions.py": 5, "plain.py": 1, "indexes/rows.py": 1, "formats/pylock.py": 1}
    """What the functions themselves call, and the file names of source distributions."""
    counts = Counter(fault.partition(":")[0] for fault in faults)
    assert counts == allowed, faults


def test_digits_in_patterns_are_those_of_ascii() -> None:
    r"""`\d` accepts the digits of every script, and what they write is no version."""
    faults = [
        f"{name}:{node.lineno}"
        for name, node in nodes()
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\\d" in node.value
    ]
    assert not faults


# -- pipes, devices and names ---------------------------------------------------------------------

NAMED_FILES = {
    "check": ["check", "{}"],
    "requirements": ["solve", "torch", "-r", "{}", "--offline"],
    "constraints": ["solve", "torch", "-c", "{}", "--offline"],
    "fetch": ["fetch", "{}", "-d", "wheels"],
    "diagnose": ["diagnose", "{}"],
    "doctor": ["doctor", "--lock", "{}", "--python", sys.executable],
    "python": ["solve", "torch", "--python", "{}", "--offline"],
    "generate": ["generate", "{}", "--offline"],
    "activate": ["activate", "--python", "{}"],
}


@POSIX_ONLY
@pytest.mark.timeout(60)
@pytest.mark.parametrize("case", NAMED_FILES)
@pytest.mark.parametrize("name", ["pipe.txt", "uv.lock", "/dev/tty", "/dev/zero"])
def test_a_pipe_that_nobody_writes_to_is_not_waited_for(
    case: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if not name.startswith("/"):
        os.mkfifo(tmp_path / name)
    ended = run(*(word.replace("{}", name) for word in NAMED_FILES[case]))
    assert ended.exit_code in (1, 2), ended.output
    assert "Traceback" not in ended.output


@POSIX_ONLY
@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "name", ["pyproject.toml", ".python-version", "runtime.txt", ".gitmodules", "requirements.txt"]
)
@pytest.mark.parametrize(
    "words", [["solve", "torch", "--offline"], ["generate", "--offline"], ["check"]], ids=" ".join
)
def test_nor_one_in_the_repository(
    name: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / name)
    ended = run(*words)
    assert ended.exit_code in (0, 1, 2), ended.output


@POSIX_ONLY
def test_the_pipe_of_a_shell_is_read(tmp_path: Path) -> None:
    """`check <(command)` is a pipe that somebody writes to."""
    command = f"{sys.executable} -m cudalock solve -r <(sleep 0.3; echo torch==9.9.9)"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    standard = subprocess.run(
        ["bash", "-c", f"echo torch==9.9.9 | {sys.executable} -m cudalock solve -r /dev/stdin"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "named pipe" not in ended.stderr + standard.stderr
    assert "9.9.9" in ended.stderr
    assert "9.9.9" in standard.stderr


@pytest.mark.parametrize("error", [errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES, errno.EIO])
def test_what_the_system_says_of_a_file_is_a_sentence(
    error: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise OSError(error, os.strerror(error), str(path))

    monkeypatch.setattr("cudalock.environment.find_layout", refuse)
    result = run("doctor", "--python", "x" * 400)
    assert result.exit_code == 2
    assert result.output.startswith("error: cannot use `xxx")
    assert len(result.output) < 400


# -- commands to copy -----------------------------------------------------------------------------

EVIL = ("$(touch ran)", "`touch ran`", '"; touch ran; "', "a; touch ran", "a && touch ran", "x y")


@POSIX_ONLY
@pytest.mark.parametrize("name", EVIL)
def test_a_command_that_is_shown_runs_nothing_of_a_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hints, fixes and headers are copied into a shell; a repository chooses its names."""
    monkeypatch.chdir(tmp_path)
    repository = tmp_path / "repository"
    write(repository / "requirements.txt", "torch==2.5.1\n")
    write(repository / name / "requirements.txt", "torch==2.4.0\n")
    write(repository / "pyproject.toml", f"[tool.cudalock]\npython = {json.dumps(name)}\n")
    venv = installed_tree(tmp_path / name, "")
    outputs = [
        run("generate", repository, "--offline").output,
        run("solve", "torch", "--offline", "-o", tmp_path / name / "no" / "x.txt").output,
        run("solve", "torch", "--offline", "-o", tmp_path / name).output,
        run("doctor", "--python", venv).output,
        run("solve", "flash-attn", "--keep", "all", "--python", venv, "--offline").output,
        run("activate", "--python", venv, "--install", "--offline").output,
    ]
    for file in ("Dockerfile", "environment.yml", "pixi.toml", "constraints.txt", "pylock.toml"):
        words = [
            "--offline",
            "--platform",
            "linux",
            "--python",
            "3.11",
            "--wheels",
            str(tmp_path / name),
        ]
        result = run("solve", "torch==2.5.1", *words, "-o", tmp_path / name / file)
        outputs.append(result.output)
        if result.exit_code == 0:
            outputs.append((tmp_path / name / file).read_text(encoding="utf-8"))
    monkeypatch.chdir(repository)
    outputs.append(run("solve", "torch", "--offline").output)
    shown = "\n".join(outputs)
    programs = ("cudalock", "mkdir", "python", "uv", "pip", "docker", "conda", "pixi", "micromamba")
    start = rf"(?:{'|'.join(programs)}|--python|-o) "
    commands = re.findall(rf"`({start}.*?)`(?=[ ,;.)]|$)", shown, re.M)
    commands += re.findall(rf"^hint: ({start}.*)$", shown, re.M)
    lines = r"^(?:# *)?(?:install|command|fetch|make it again|with [a-z]+): (.*?)(?: \(.*\))?$"
    commands += [text for line in re.findall(lines, shown, re.M) for text in line.split(", then ")]
    assert len(commands) > 3
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for words in commands:
        harmless = "".join(f"{program}() {{ :; }}\n" for program in programs)
        line = words if words.startswith(programs) else f": {words}"
        subprocess.run(
            ["bash", "-c", harmless + line], cwd=scratch, capture_output=True, check=False
        )
        assert not (scratch / "ran").exists(), words


# -- what is installed ----------------------------------------------------------------------------

METADATA = {
    "no requirement": "Requires-Dist: torch==2#.5.1",
    "no variable": "Requires-Dist: numpy; machine_os == 'x'",
    "long range": f"Requires-Dist: numpy (>=1,<{LONG})",
    "no comparison": "Requires-Dist: numpy; python_full_version ~= 'x'",
    "deep": "Requires-Dist: numpy; " + "(" * 3_000,
    "long": f"Requires-Dist: numpy=={LONG}",
    "long marker": f"Requires-Dist: numpy; python_version > '{LONG}'",
    "not text": "Requires-Dist: \x00\x1b[2J",
    "digits": "Requires-Dist: numpy==\uff11",
}


def installed_tree(root: Path, line: str) -> Path:
    """An environment whose torch requires what is not there, beside a package with such a line."""
    packages = root / "lib" / "python3.11" / "site-packages"
    write(root / "pyvenv.cfg", "home = /nowhere\nversion = 3.11.9\n")
    head = "Metadata-Version: 2.1\nName: {}\nVersion: {}\n"
    for name, version, rest in (
        ("torch", "2.5.1", "Requires-Dist: sympy==1.13.1\n"),
        ("other", "1.0", f"{line}\nRequires-Dist: absent>=2\n"),
    ):
        folder = packages / f"{name}-{version}.dist-info"
        write(folder / "METADATA", head.format(name, version) + rest)
        write(folder / "RECORD", f"{folder.name}/METADATA,,\n")
        write(folder / "WHEEL", "Wheel-Version: 1.0\nTag: cp311-cp311-linux_x86_64\n")
    return root


@pytest.mark.parametrize("kind", METADATA)
def test_what_doctor_cannot_read_is_reported_and_the_rest_judged(kind: str, tmp_path: Path) -> None:
    result = run("doctor", "--python", installed_tree(tmp_path / "venv", METADATA[kind]), "--json")
    assert result.exit_code == 1, result.output
    findings = json.loads(result.stdout)["findings"]
    about_it = [each for each in findings if "which is not a requirement" in each["message"]]
    assert [each["severity"] for each in about_it] == ["note"]
    missing = {name for each in findings if each["code"] == "CL705" for name in each["members"]}
    assert {"sympy", "absent"} <= missing


@POSIX_ONLY
@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["METADATA", "RECORD", "WHEEL", "INSTALLER", "direct_url.json"])
def test_a_pipe_in_an_environment_is_not_waited_for(name: str, tmp_path: Path) -> None:
    root = installed_tree(tmp_path / "venv", "")
    for folder in root.rglob("other-*.dist-info"):
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)
    os.mkfifo(root / "lib" / "python3.11" / "site-packages" / "torch.pth")
    ended = run("doctor", "--python", root)
    assert ended.exit_code == 1
    assert f"{name} is not a file" in ended.stdout


@pytest.mark.parametrize("marker", ["python_full_version ~= 'x'", "foo == 'x'", "os_name ~= 'a'"])
def test_a_marker_that_has_no_value_is_an_invalid_marker(marker: str, tmp_path: Path) -> None:
    file = write(tmp_path / "requirements.txt", f"torch==2.5.1; {marker}\n")
    for words in (["check", file], ["solve", f"torch==2.5.1; {marker}"], ["solve", "-r", file]):
        assert run(*words).exit_code in (1, 2)


# -- what reaches a terminal, an annotation or a lock ---------------------------------------------

CONTROLS = "\x1b]0;title\x07 \x1b[2J\x9b31m\x08 \u202eoops\u202c \u2066x\u2069 \u200f\x7f\x00\u2028"
NAME = "sub\u202edir\x1b[31m"


def unseen(text: str) -> set[str]:
    return {
        letter
        for letter in text
        if letter not in "\n\t\r" and unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    }


@POSIX_ONLY
@pytest.mark.parametrize(
    "words",
    [
        *(["check", "--format", name] for name in ("text", "json", "github", "sarif")),
        *(["check", ".", "--format", name] for name in ("text", "json", "github", "sarif")),
        ["diagnose", "-"],
        ["diagnose", "-", "--json"],
        ["generate", ".", "--offline"],
        ["solve", "-r", "requirements.txt", "--offline", "--no-detect"],
        ["solve", f"torch{CONTROLS}".replace("\0", "")],
        ["explain", f"torch {CONTROLS}".replace("\0", "")],
        ["why-not", "torch==2.5.1", f"flash-attn {CONTROLS}".replace("\0", "")],
        ["check", f"no {CONTROLS}".replace("\0", "")],
        ["fetch", "requirements.txt", "-d", "wheels"],
        ["doctor", "--python", f"no {CONTROLS}".replace("\0", "")],
    ],
    ids=lambda words: " ".join(words[:4]).encode("ascii", "replace").decode().split("?")[0],
)
def test_no_control_character_reaches_a_terminal(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = f"torch==99.0\nxformers=={CONTROLS}\n{CONTROLS}\n-r {CONTROLS}\n# {CONTROLS}\n"
    write(tmp_path / "requirements.txt", lines)
    write(tmp_path / NAME / "requirements.txt", f"torch==99.0\nbad line {CONTROLS}\n")
    write(
        tmp_path / "pyproject.toml", '[project]\nname="x"\ndependencies=["torch==1 \\u001b[2J"]\n'
    )
    if words[:2] == ["check", "--format"]:
        words = [*words, "requirements.txt", "pyproject.toml"]
    result = run(*words, stdin=f"ImportError: {CONTROLS} libcudart.so.12: cannot open\n")
    assert result.exit_code in (0, 1, 2, 3), result.output
    assert not unseen(result.stdout)
    assert not unseen(result.stderr)


def test_an_annotation_names_a_file_with_slashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """GitHub attaches nothing to `sub\\deeper.txt`."""
    assert files.slashed(r"sub\deeper.txt", "nt") == "sub/deeper.txt"
    assert files.slashed(r"sub\deeper.txt", "posix") == r"sub\deeper.txt"
    place = Place(r"sub\deeper.txt", 1, 1, 0, 1)
    finding = Finding("CL101", "error", "a\x1b[2J\rb", place=place)
    monkeypatch.setattr(reports, "slashed", lambda name: files.slashed(name, "nt"))
    assert "file=sub/deeper.txt,line=1" in reports.github(CheckReport([finding], "1"))
    assert (
        json.loads(reports.as_json(CheckReport([finding], "1")))["findings"][0]["file"]
        == "sub/deeper.txt"
    )
    assert "\x1b" not in reports.github(CheckReport([finding], "1"))


ROWS: dict[str, dict[str, object]] = {
    "digest that is a path": {"hashes": {"sha256": "../../../../x"}},
    "digest that is a line": {"hashes": {"sha256": "0" * 64 + "\nevil==1"}},
    "digest that is a list": {"hashes": {"sha256": ["0" * 64]}},
    "metadata digest": {"core-metadata": {"sha256": "../../x"}},
    "metadata digest of another kind": {"core-metadata": {"sha256": 7}},
    "a line in the address": {
        "url": "oddball-1.17.0-py3-none-any.whl?a\n--index-url\u2028http://x"
    },
    "a blank in the address": {"url": "a b/oddball-1.17.0-py3-none-any.whl"},
    "another scheme": {"url": "file:///etc/oddball-1.17.0-py3-none-any.whl"},
    "a script": {"url": "javascript:alert(1)//oddball-1.17.0-py3-none-any.whl"},
    "a drive": {"url": "http://127.0.0.1:9/C%3Aoddball-1.17.0-py3-none-any.whl"},
    "a stream": {"url": "http://127.0.0.1:9/oddball-1.17.0-py3-none-any.whl%3Ax"},
    "no python": {"requires-python": ["3"]},
    "a long python": {"requires-python": f">={LONG}"},
    "a line for python": {"requires-python": ">=3\nevil"},
    "a day": {"upload-time": "2024-01-0\n"},
    "a day of another kind": {"upload-time": 7},
    "a size": {"size": -1},
    "a large size": {"size": 10**400},
    "a reason": {"yanked": CONTROLS},
    "a long version": {"url": f"oddball-{'9' * 200}-py3-none-any.whl"},
}


@pytest.mark.parametrize("kind", ROWS)
def test_an_index_cannot_write_lines_or_paths(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files of a listing become lines of a lock, and names in the cache."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "a" / "b" / "cache"))
    monkeypatch.chdir(tmp_path)
    row = {
        "filename": "oddball-1.17.0-py3-none-any.whl",
        "url": "oddball-1.17.0-py3-none-any.whl",
        "hashes": {"sha256": "0" * 64},
        **ROWS[kind],
    }
    page = json.dumps({"meta": {"api-version": "1.1"}, "name": "oddball", "files": [row]})
    content = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
    with ScriptedServer() as server:
        server.answers["/simple/oddball/"] = [Answer(headers=content, body=page.encode())]
        wheel = build_wheel("oddball", "1.17.0").content
        server.answers["/simple/oddball/oddball-1.17.0-py3-none-any.whl"] = [Answer(body=wheel)]
        index = ["--index-url", server.url("/simple/")]
        with Web(PipSettings()) as web:
            for file in (read_listing(web, index[1], "oddball") or Listing("", "", ())).files:
                assert is_safe_name(file.name)
                assert re.fullmatch(r"https?://[!-~]+", file.url)
                assert file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256)
                assert file.metadata in (None, "") or re.fullmatch("[0-9a-f]{64}", file.metadata)
                assert file.uploaded is None or re.fullmatch(
                    "[0-9]{4}-[0-9]{2}-[0-9]{2}", file.uploaded
                )
        result = run(
            "solve", "oddball", "--python", "3.11", "--platform", "linux", "--urls", *index
        )
    assert result.exit_code in (0, 1, 2, 3), result.output
    assert not any(
        line.startswith(("evil", "--index-url http://x")) for line in result.stdout.split("\n")
    )
    assert not unseen(result.output)
    assert [path.name for path in tmp_path.iterdir()] in ([], ["a"])


# -- files of Windows -----------------------------------------------------------------------------


def saved(text: str, how: str) -> bytes:
    if how == "coding":
        return b"# -*- coding: utf-8 -*-\n" + text.encode()
    if how == "crlf":
        return text.replace("\n", "\r\n").encode()
    return text.encode(how)


@pytest.mark.parametrize("how", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "coding", "crlf"])
def test_a_lock_of_our_own_is_no_input_however_it_was_saved(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PowerShell's `>` writes UTF-16, and we a coding line where a path has other letters."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "requirements.in", "torch==2.5.1\n")
    words = ["--offline", "--platform", "linux", "--python", "3.11", "--no-detect"]
    lock = run("generate", *words).stdout
    assert lock.startswith("# cudalock:")
    (tmp_path / "requirements.txt").write_bytes(saved(lock, how))
    again = run("generate", *words, "-o", "requirements.txt")
    assert again.exit_code == 0, again.output
    assert "torch==2.5.1" in (tmp_path / "requirements.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "cp936"])
def test_pip_settings_in_the_encoding_that_pip_wrote_them_in(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("locale.getpreferredencoding", lambda do_setlocale=True: encoding)
    cert = {"cp936": "C:\\\u663e\u5361\\ca.pem"}.get(encoding, "C:\\Jos\u00e9\\ca.pem")
    text = f"[global]\nindex-url = https://example.org/simple\ncert = {cert}\n"
    file = tmp_path / "pip.ini"
    file.write_bytes(text.encode(encoding))
    settings = read_pip_settings({"PIP_CONFIG_FILE": str(file), "HOME": str(tmp_path)})
    assert (settings.index_url, settings.cert) == ("https://example.org/simple", cert)


def test_pip_settings_in_no_encoding_at_all(tmp_path: Path) -> None:
    file = tmp_path / "pip.ini"
    file.write_bytes(b"[global]\nindex-url = https://example.org/simple\ncert = \xff\xfe\x81\n")
    settings = read_pip_settings({"PIP_CONFIG_FILE": str(file), "HOME": str(tmp_path)})
    assert settings.index_url == "https://example.org/simple"


@pytest.mark.parametrize("quote", ['"', "'", "\\"])
def test_a_lock_whose_command_has_an_open_quote(quote: str, tmp_path: Path) -> None:
    lock = write(
        tmp_path / "requirements.txt",
        f"# cudalock: 2.5.1\n# command: cudalock solve torch=={quote}2.5.1\ntorch==2.5.1\n",
    )
    header = f"# made by: cudalock solve torch --python {quote}x\n"
    for text in (lock.read_text(encoding="utf-8"), header + "torch==2.5.1\n"):
        write(lock, text)
        result = run("check", "--fresh", lock)
        assert result.exit_code in (0, 1, 2), result.output


def test_a_recorded_path_has_no_backslash(monkeypatch: pytest.MonkeyPatch) -> None:
    import shlex

    monkeypatch.setattr(commands, "slashed", lambda name: files.slashed(name, "nt"))
    monkeypatch.setattr(commands, "machine_flags", lambda environment: [])
    monkeypatch.setattr(commands, "command_line", lambda goal: "cudalock solve torch")
    for path in ("venv\\", "my env\\", "C:\\x y\\venv"):
        environment = SimpleNamespace(layout=SimpleNamespace(image=None))
        request = cast("Any", SimpleNamespace(environment=environment, words=("all",), goal=None))
        words = shlex.split(commands.keep_command(request, path))
        assert words[words.index("--python") + 1] == path.replace("\\", "/")


def test_patterns_are_expanded_where_no_shell_does_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.txt", "b.txt", "[c].txt"):
        write(tmp_path / name)
    names = ["*.txt", "[c].txt", "no*.txt", "-"]
    assert expanded_names(names, "nt") == ["[c].txt", "a.txt", "b.txt", "[c].txt", "no*.txt", "-"]
    assert expanded_names(names, "posix") == names


def test_no_wait_is_without_a_limit() -> None:
    """On Windows Ctrl-C ends no wait for a lock, a queue or a thread that has no limit."""
    endless = [
        name
        for name, node in nodes()
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("get", "join", "wait", "acquire")
        and not node.args
        and not node.keywords
    ]
    # A process that was killed has ended.
    assert endless == ["doctor/imports.py"]


# -- wheels and their METADATA --------------------------------------------------------------------

HEAD = "Metadata-Version: 2.1\nName: oddball\nVersion: 1.17.0\n"
SERVED = {
    **{f"requirement, {kind}": f"{HEAD}{line}\n" for kind, line in METADATA.items()},
    "nothing": "",
    "no name": "Version: 1.17.0\n",
    "another name": HEAD.replace("oddball", "seven"),
    "another version": HEAD.replace("1.17.0", "2.0"),
    "a long version": HEAD.replace("1.17.0", LONG),
    "no version": HEAD.replace("1.17.0", "one"),
    "two names": f"{HEAD}Name: other\n",
    "python": f"{HEAD}Requires-Python: >={LONG}\n",
    "no python": f"{HEAD}Requires-Python: three\n",
    "itself": f"{HEAD}Requires-Dist: six>=2\n",
    "a file": f"{HEAD}Requires-Dist: x @ file:///etc/passwd\n",
    "many": HEAD + "Requires-Dist: torch>=1\n" * 3_000,
    "many others": HEAD + "".join(f"Requires-Dist: torch>=1.{n}\n" for n in range(20_000)),
    "a long line": f"{HEAD}Requires-Dist: {'x' * 1_000_000}\n",
    "an extra": f"{HEAD}Provides-Extra: {LONG}\nRequires-Dist: torch; extra == '{LONG}'\n",
    "bytes": HEAD + "Summary: \udcff\udcfe\0\n",
}


def solve_oddball(wheel: bytes, metadata: bytes | None) -> Result:
    file = "/oddball-1.17.0-py3-none-any.whl"
    row = {
        "filename": file[1:],
        "url": file,
        "hashes": {"sha256": hashlib.sha256(wheel).hexdigest()},
        "core-metadata": metadata is not None,
    }
    page = json.dumps({"meta": {"api-version": "1.1"}, "name": "oddball", "files": [row]})
    content = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
    with ScriptedServer() as server:
        server.answers["/simple/oddball/"] = [Answer(headers=content, body=page.encode())]
        server.answers[file] = [Answer(headers={"Accept-Ranges": "bytes"}, body=wheel)]
        server.answers[f"{file}.metadata"] = [Answer(body=metadata or b"")]
        index = ["--index-url", server.url("/simple/")]
        return run("solve", "oddball", "--python", "3.11", "--platform", "linux", *index)


@pytest.mark.parametrize("kind", SERVED)
def test_no_metadata_of_an_index_is_an_internal_error(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    wheel = build_wheel("oddball", "1.17.0").content
    result = solve_oddball(wheel, SERVED[kind].encode("utf-8", "surrogateescape"))
    assert result.exit_code in (0, 1, 3), result.output[-500:]
    assert not unseen(result.output)


def encrypted() -> bytes:
    """The flags of each member say that it is encrypted."""
    content = bytearray(build_wheel("oddball", "1.17.0").content)
    for signature, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        at = content.find(signature)
        while at >= 0:
            content[at + offset] |= 1
            at = content.find(signature, at + 1)
    return bytes(content)


def compressed_by(method: int) -> bytes:
    content = bytearray(build_wheel("oddball", "1.17.0").content)
    for signature, offset in ((b"PK\x01\x02", 10), (b"PK\x03\x04", 8)):
        at = content.find(signature)
        while at >= 0:
            content[at + offset] = method
            at = content.find(signature, at + 1)
    return bytes(content)


def with_noise(start: int) -> bytes:
    content = bytearray(build_wheel("oddball", "1.17.0").content)
    content[start : start + 40] = b"\xff" * 40
    return bytes(content)


ARCHIVES = {
    "no zip": b"<html>sign in</html>",
    "empty": b"",
    "cut": build_wheel("oddball", "1.17.0").content[:-30],
    "encrypted": encrypted(),
    **{f"method {number}": compressed_by(number) for number in (8, 12, 14, 93, 99)},
    **{f"noise at {start}": with_noise(start) for start in range(0, 400, 40)},
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_no_archive_of_an_index_is_an_internal_error(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    result = solve_oddball(ARCHIVES[kind], None)
    assert result.exit_code in (0, 1, 3), result.output[-500:]


@pytest.mark.parametrize(
    ("method", "stated"),
    [(8, 1 << 20), (8, 10), (zipfile.ZIP_BZIP2, 10), (zipfile.ZIP_LZMA, 10), (0, 1 << 20)],
)
def test_a_member_is_read_no_further_than_it_may_be(method: int, stated: int) -> None:
    """What the directory states is no limit, and bz2 and LZMA are unpacked in one piece."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("METADATA", b" " * (1 << 20))
    with zipfile.ZipFile(buffer) as archive:
        member = archive.getinfo("METADATA")
        member.file_size = stated
        with pytest.raises((ValueError, zipfile.BadZipFile)):
            files.read_member(archive, member, 1000)


# -- what somebody left where we write ------------------------------------------------------------


@pytest.fixture
def wheel_server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        wheel = build_wheel("oddball", "1.17.0").content
        server.answers[f"/{ODDBALL}"] = [Answer(headers={"ETag": '"1"'}, body=wheel)]
        yield server


ODDBALL = "oddball-1.17.0-py3-none-any.whl"


@POSIX_ONLY
@pytest.mark.parametrize("name", [f".{ODDBALL}.part", f".{ODDBALL}.part.etag", ODDBALL])
@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "zero", "folder"])
def test_fetch_writes_through_nothing_that_it_did_not_make(
    name: str, kind: str, tmp_path: Path, wheel_server: ScriptedServer
) -> None:
    """A repository may come with the folder of wheels, and with links in it."""
    folder, victim = tmp_path / "wheels", tmp_path / "victim"
    folder.mkdir()
    if kind != "dangling link":
        write(victim, "precious")
    if kind == "pipe":
        os.mkfifo(folder / name)
    elif kind == "folder":
        (folder / name).mkdir()
    else:
        (folder / name).symlink_to("/dev/zero" if kind == "zero" else victim)
    content = build_wheel("oddball", "1.17.0").content
    digest = hashlib.sha256(content).hexdigest()
    lock = write(
        tmp_path / "requirements.txt",
        f"oddball @ {wheel_server.url('/' + ODDBALL)} --hash=sha256:{digest}\n",
    )
    result = run("fetch", lock, "-d", folder)
    assert not victim.exists() if kind == "dangling link" else victim.read_text() == "precious"
    assert result.exit_code == (2 if kind == "folder" else 0), result.output
    if result.exit_code == 0:
        assert (folder / ODDBALL).read_bytes() == content
        assert not (folder / ODDBALL).is_symlink()


@POSIX_ONLY
@pytest.mark.parametrize("kind", ["pipe", "zero", "folder"])
def test_a_wheel_of_this_machine_that_is_no_file(kind: str, tmp_path: Path) -> None:
    source = tmp_path / "wheels" / ODDBALL
    source.parent.mkdir()
    if kind == "pipe":
        os.mkfifo(source)
    elif kind == "folder":
        source.mkdir()
    else:
        source.symlink_to("/dev/zero")
    lock = write(
        tmp_path / "requirements.txt", f"oddball @ {source.as_uri()} --hash=sha256:{'0' * 64}\n"
    )
    result = run("fetch", lock, "-d", tmp_path / "elsewhere")
    assert result.exit_code == 2, result.output


# -- the cache ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"", b"evil==1\n", b"\xff" * 64, b"0" * 63, b"0" * 65, b"0" * 64 + b"\nx"]
)
def test_a_digest_of_the_cache_is_a_digest(content: bytes, tmp_path: Path) -> None:
    """It becomes a part of a line of a lock."""
    note = tmp_path / "note"
    assert digests._noted(note) is None
    note.write_bytes(content)
    assert digests._noted(note) is None
    note.write_bytes(b"0a" * 32)
    assert digests._noted(note) == "0a" * 32


# -- what fuzzing found ---------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "# nothing\n", "\n\n"])
def test_a_lock_of_nothing_has_no_wheels(text: str, tmp_path: Path) -> None:
    result = run("fetch", write(tmp_path / "lock.txt", text), "-d", tmp_path / "wheels")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""


@pytest.mark.parametrize("name", ["a" * 5_000, "a-" * 300 + "b"])
@pytest.mark.parametrize("file", ["requirements.txt", "setup.cfg"])
def test_a_name_that_no_file_system_takes_is_one_name_of_many(
    name: str, file: str, tmp_path: Path
) -> None:
    """The rest of the file is checked all the same."""
    text = f"{name}==1.0\n{name}\ntorch==99.0\n"
    if file == "setup.cfg":
        text = "[options]\ninstall_requires =\n" + "".join(f"  {x}\n" for x in text.split())
    result = run("check", write(tmp_path / file, text), "--platform", "linux")
    assert result.exit_code == 0, result.output
    assert "torch==99.0 is not in the matrix" in result.stdout


@pytest.mark.parametrize("body", ["<![[[", "<!x[", "<![x", "<!DOCTYPE [", "&#" + "9" * 5_000 + ";"])
def test_a_page_that_the_parser_of_html_gives_up_is_no_listing(
    body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    with ScriptedServer() as server:
        page = f'<a href="{ODDBALL}">x</a>{body}'.encode()
        server.answers["/simple/oddball/"] = [
            Answer(headers={"Content-Type": "text/html"}, body=page)
        ]
        result = run(
            "solve", "oddball", "--index-url", server.url("/simple/"), "--platform", "linux"
        )
    assert result.exit_code in (1, 3), result.output
    assert "internal" not in result.output


def test_an_archive_with_an_empty_name_is_unreadable() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x", b"")
    content = buffer.getvalue()
    # The length of the name in the directory, and the name.
    at = content.index(b"PK\x01\x02")
    content = content[: at + 28] + b"\0\0" + content[at + 30 : at + 46] + content[at + 47 :]
    with pytest.raises(UnreadableArchive):
        read_archive("x-1.0.zip", content)


def test_a_shared_object_whose_sections_are_nowhere_links_nothing() -> None:
    header = bytearray(64)
    header[:6] = b"\x7fELF\x02\x01"
    header[40:48] = b"\xff" * 8
    header[58:60] = header[60:62] = b"\x40\x00"
    assert read_links(bytes(header)) is None


@pytest.fixture(scope="module")
def linked_matrix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A matrix whose files are links to the embedded one's."""
    folder, embedded = tmp_path_factory.mktemp("linked") / "matrix", data_directory()
    for path in embedded.rglob("*"):
        if path.is_file():
            link = folder / path.relative_to(embedded)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)
    return folder


@POSIX_ONLY
@pytest.mark.parametrize("kind", ["pipe", "zero", "folder", "deep", "noise"])
@pytest.mark.parametrize(
    "name",
    ["matrix.toml", "compiled.json", "components/torch.toml", "index/torch.json", "cuda/gpus.json"],
)
def test_a_matrix_of_somebody_is_read_as_any_file(
    name: str, kind: str, linked_matrix: Path, tmp_path: Path
) -> None:
    file, kept = linked_matrix / name, linked_matrix / "kept"
    file.rename(kept)
    try:
        if kind == "pipe":
            os.mkfifo(file)
        elif kind == "zero":
            file.symlink_to("/dev/zero")
        elif kind == "folder":
            file.mkdir()
        else:
            file.write_bytes(b"[" * 100_000 if kind == "deep" else b"\xff\xfe\x00\xd8" * 50)
        result = run("matrix", "show", "torch", "--matrix", linked_matrix)
    finally:
        file.rmdir() if file.is_dir() else file.unlink()
        kept.rename(file)
    # The compiled copy is a convenience, and what is no file is not there.
    assert result.exit_code in (0, 1, 2), result.output


@pytest.mark.parametrize(
    "url", ["https://[", "http://[x]/", "//[", "https://[::1/x", "http://x:9z/"]
)
def test_a_url_that_cannot_be_split_is_a_text(url: str, tmp_path: Path) -> None:
    pixi = f'[pypi-dependencies]\ntorch = {{ version = "==2.5.1", index = "{url}" }}\n'
    for name, text in (
        ("pixi.toml", pixi),
        ("requirements.txt", f"--index-url {url}\n--find-links {url}\ntorch==2.5.1\n"),
        ("pyproject.toml", f'[[tool.uv.index]]\nname = "x"\nurl = "{url}"\n'),
    ):
        result = run("check", write(tmp_path / name, text), "--platform", "linux")
        assert result.exit_code in (0, 1, 2), result.output


@pytest.mark.parametrize("text", ["torch===no-version", "torch===2.5.1;x", "triton=== =K==2.0.0"])
def test_what_stands_after_three_signs_may_be_any_text(text: str, tmp_path: Path) -> None:
    lines = f"{text}\nflash-attn\nxformers\n"
    for words in (["check"], ["solve", "--offline", "-r"]):
        result = run(*words, write(tmp_path / "requirements.txt", lines), "--platform", "linux")
        assert result.exit_code in (0, 1, 2), result.output


@POSIX_ONLY
def test_a_lock_that_is_a_link_to_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "requirements.txt", "torch==2.5.1\n")
    loop = tmp_path / "lock.txt"
    loop.symlink_to(loop)
    file = str(loop)
    for words in (["generate", "-o", file], ["generate", "--update", "-o", file], ["check", file]):
        assert run(*words, *(["--offline"] if words[0] == "generate" else [])).exit_code == 2
    assert loop.is_symlink()


def test_an_index_of_endless_releases_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of them can be read, and each would be a request."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(project, "MOST_UNREADABLE", 5)
    names = [f"oddball-1.{number}-py3-none-any.whl" for number in range(100)]
    page = json.dumps(
        {
            "meta": {"api-version": "1.1"},
            "name": "oddball",
            "files": [{"filename": name, "url": name, "hashes": {}} for name in names],
        }
    )
    content = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
    with ScriptedServer() as server:
        server.answers["/simple/oddball/"] = [Answer(headers=content, body=page.encode())]
        result = run(
            "solve", "oddball", "--index-url", server.url("/simple/"), "--platform", "linux"
        )
        assert result.exit_code == 3, result.output
        assert "metadata of 5 of its files cannot be read" in result.output
        assert len(server.asked) < 30


@pytest.mark.parametrize(
    "content", [b"[" * 10_000, b"9" * 100_000, b"machine x login", b"\xff\xfe\x00", b"macdef x"]
)
def test_a_damaged_netrc_file_is_passed_over(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "netrc"
    file.write_bytes(content)
    monkeypatch.setenv("NETRC", str(file))
    monkeypatch.setattr(client, "home", lambda: tmp_path)
    with ScriptedServer() as server:
        server.answers["/"] = [Answer(body=b"a page")]
        with Web(PipSettings()) as web:
            assert web.get(server.url("/")).content == b"a page"
