"""What a repository's code, images and history say, and how a lock is refreshed."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from cudalock import toml
from cudalock.cli import main
from cudalock.errors import BadFile, CudalockError, MatrixError, UsageError
from cudalock.files import find_program
from cudalock.generate.code import Used, read_code
from cudalock.generate.git import commit_day, last_commit
from cudalock.generate.hints import platforms_of, python_within
from cudalock.generate.read import read_repository
from cudalock.generate.rules import FILE, Rules, read_rules
from cudalock.generate.select_files import choose_files
from cudalock.generate.wheel_urls import find_wheel
from cudalock.matrix.images import read_images
from cudalock.matrix.vendor import Distributions
from tests.files import write_all
from tests.paths import CASES, MATRIX
from tests.properties import BOUNDED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cudalock.matrix.matrix import Matrix


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["generate", *words], prog_name="cudalock")


def table(name: str, key: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = toml.loads((CASES / name).read_text(encoding="utf-8"))[key]
    return rows


@pytest.fixture(scope="module")
def rules(matrix: Matrix) -> Rules:
    return read_rules(matrix.directory)


# -- code ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", table("imports.toml", "case"), ids=lambda case: case["why"])
def test_what_code_uses(case: dict[str, Any], tmp_path: Path, matrix: Matrix) -> None:
    write_all(tmp_path, dict.fromkeys(case.get("beside", ()), ""))
    write_all(tmp_path, {case.get("file", "code.py"): case["source"]})
    code = read_code(tmp_path, matrix.names.imports)
    assert [said(each) for each in code.used] == case["uses"]
    assert list(code.notes) == case.get("notes", [])


def said(used: Used) -> str:
    return f"{used.component}:{used.line}{'?' if used.optional else ''}"


def test_environments_and_hidden_folders_are_no_code(tmp_path: Path, matrix: Matrix) -> None:
    files = ["mine/pyvenv.cfg", "mine/lib/a.py", ".git/a.py", "node_modules/a.py", "build/a.py"]
    write_all(tmp_path, dict.fromkeys(files, "import torch\n"))
    assert read_code(tmp_path, matrix.names.imports).used == ()


def test_a_file_too_large_is_told(tmp_path: Path, matrix: Matrix) -> None:
    write_all(tmp_path, {"a.py": "import torch\n" + "#" * (2 * 1024 * 1024)})
    code = read_code(tmp_path, matrix.names.imports)
    assert (code.used, len(code.notes)) == ((), 1)
    assert "more than" in code.notes[0]


@pytest.mark.parametrize("source", ["(" * 5000, "x = " + "-" * 100_000 + "1", "torch\0"])
def test_code_that_no_parser_takes_is_told(source: str, tmp_path: Path, matrix: Matrix) -> None:
    write_all(tmp_path, {"a.py": f"import torch\n{source}\n"})
    code = read_code(tmp_path, matrix.names.imports)
    assert (code.used, len(code.notes)) == ((), 1)


IMAGE_PARTS = (
    *("platform", "python", "glibc", "cuda", "framework", "own", "musl", "installed", "labels"),
    *("constraints", "as_of"),
)


# -- images and hints ---------------------------------------------------------------------------


@pytest.mark.parametrize("row", table("images.toml", "image"), ids=lambda row: row["name"])
def test_what_an_image_says(row: dict[str, Any], matrix: Matrix) -> None:
    base = matrix.images.read(row["name"])
    assert (base is not None) == ("says" in row)
    if base is not None:
        shown = {name: getattr(base, name) for name in IMAGE_PARTS}
        assert {name: text for name, text in shown.items() if text} == row["says"]


@pytest.mark.parametrize(
    ("limits", "here", "python"),
    [
        ([">=3.10"], "3.12", "3.12"),
        ([">=3.8,<3.11"], "3.12", "3.10"),
        ([">=3.13"], "3.11", "3.13"),
        ([">=3.9", "<3.12,!=3.11.*"], "3.11.4", "3.10"),
        ([">=3.11,<3.11.5"], "3.12.1", "3.11"),
        (["<3"], "3.11", None),
        (["==3.10.*"], "3.10.14", "3.10.14"),
    ],
)
def test_the_python_of_a_range(limits: Sequence[str], here: str, python: str | None) -> None:
    assert python_within(limits, here) == python


@pytest.mark.parametrize(
    ("markers", "platforms"),
    [
        (["sys_platform == 'linux'"], ["linux"]),
        (["sys_platform == 'darwin'", "sys_platform == 'win32'"], ["windows", "macos"]),
        (["platform_machine != 'arm64'"], ["linux", "windows"]),
        (["python_version >= '3.8'"], ["linux", "windows", "macos"]),
        (["nonsense"], []),
    ],
)
def test_the_platforms_of_markers(markers: Sequence[str], platforms: Sequence[str]) -> None:
    assert platforms_of(markers) == platforms


def test_damaged_rules_name_the_key(tmp_path: Path) -> None:
    write_all(
        tmp_path, {FILE: '[[image]]\nname = "a"\nplatform = "linux"\ntags = ["(?P<gpu>x)"]\n'}
    )
    with pytest.raises(MatrixError, match=r"image a: is damaged: tags: gpu"):
        read_images(tmp_path, Distributions(()))
    write_all(tmp_path, {FILE: '[[tool]]\nname = "a"\n'})
    with pytest.raises(MatrixError, match="names"):
        read_rules(tmp_path)


def test_every_rule_has_a_source() -> None:
    rules = toml.loads((MATRIX / FILE).read_text(encoding="utf-8"))
    for key in ("image", "distribution", "conda", "tool"):
        for row in rules[key]:
            sources = [row["source"]] if isinstance(row["source"], str) else row["source"]
            assert sources
            assert all(source.startswith("https://") for source in sources)


# -- files --------------------------------------------------------------------------------------

REPOSITORY = {
    "requirements.txt": "torch\n",
    "requirements-dev.txt": "ruff\n",
    "requirements_cpu.txt": "torch\n",
    "requirements/windows.txt": "triton-windows\n",
    "constraints.txt": "numpy<2\n",
    "docker/Dockerfile": "FROM python:3.11\n",
    "uv.lock": "version = 1\n",
    "lock/requirements.txt": "torch==1\n",
    "locked.in": "torch\n",
    "locked.txt": "",
    "requirements.lock.txt": "# cudalock: Linux\n# command: cudalock generate\ntorch==2.5.1\n",
    "setup.py": "",
}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("requirements.txt", None),
        ("requirements-dev.txt", "for dev: `--group dev` takes it"),
        ("requirements_cpu.txt", "for other machines than those with CUDA"),
        ("requirements/windows.txt", None),
        ("constraints.txt", "nothing names it: `-c constraints.txt` takes it"),
        ("docker/Dockerfile", None),
        ("uv.lock", "a lock"),
        ("lock/requirements.txt", "of another part: `cudalock generate lock`"),
        ("requirements.lock.txt", "a lock"),
        ("setup.py", None),
    ],
)
def test_which_files_are_read(name: str, why: str | None, tmp_path: Path, rules: Rules) -> None:
    write_all(tmp_path, REPOSITORY)
    found = {each.name: each.why_not for each in choose_files(tmp_path, rules, ())}
    assert found[name] == why


def test_a_compiled_file_beside_its_source_is_a_lock(tmp_path: Path, rules: Rules) -> None:
    compiled = "#\n# This file is autogenerated by pip-compile with Python 3.11\n#\ntorch==2.5.1\n"
    write_all(tmp_path, {"requirements.in": "torch\n", "requirements.txt": compiled})
    found = {each.name: each.why_not for each in choose_files(tmp_path, rules, ())}
    assert found == {"requirements.in": None, "requirements.txt": "a lock, made of requirements.in"}
    (tmp_path / "requirements.in").unlink()
    assert [each.why_not for each in choose_files(tmp_path, rules, ())] == [None]


def test_a_workspace_is_its_members_and_not_what_it_excludes(
    tmp_path: Path, matrix: Matrix
) -> None:
    project = '[project]\nname = "{}"\ndependencies = ["{}"]\n'
    workspace = '[tool.uv.workspace]\nmembers = ["packages/*"]\nexclude = ["packages/old*"]\n'
    files = {
        "pyproject.toml": project.format("root", "torch") + workspace,
        "packages/core/pyproject.toml": project.format("core", "numpy"),
        "packages/core/core.py": "import flash_attn\n",
        "packages/older/pyproject.toml": project.format("older", "torch==1.0"),
        "packages/older/older.py": "import xformers\n",
    }
    write_all(tmp_path, files)
    found = read_repository(tmp_path, matrix)
    assert [each.name for each in found.requirements] == ["torch", "numpy", "flash-attn"]
    assert [each.component for each in found.inferred] == ["flash-attn"]
    assert [each.component for each in found.optional] == ["xformers"]
    read = {each.name: each.why_not is None for each in found.files}
    assert read["packages/core/pyproject.toml"]
    assert not read["packages/older/pyproject.toml"]


def test_what_the_code_of_other_repositories_uses_is_theirs(tmp_path: Path, matrix: Matrix) -> None:
    modules = '[submodule "x"]\n\tpath = outside/x\n\turl = https://example.org/x\n'
    files = {
        ".gitmodules": modules,
        "requirements.txt": "torch\n",
        "main.py": "import torch, bitsandbytes\n",
        "outside/x/a.py": "import flash_attn\n",
        "demo/requirements.txt": "xformers\n",
        "demo/app.py": "import xformers\n",
        "train/Dockerfile": "FROM python:3.11\n",
        "train/run.py": "import deepspeed\n",
    }
    write_all(tmp_path, files)
    found = read_repository(tmp_path, matrix)
    assert {each.component for each in found.inferred} == {"bitsandbytes", "deepspeed"}
    assert {each.component for each in found.optional} == {"flash-attn", "xformers"}


def test_a_group_is_read_where_it_is_asked_for(tmp_path: Path, rules: Rules) -> None:
    write_all(tmp_path, REPOSITORY)
    found = {each.name: each.why_not for each in choose_files(tmp_path, rules, ("dev",))}
    assert found["requirements-dev.txt"] is None


# -- wheels by address --------------------------------------------------------------------------

FA2 = "https://github.com/Dao-AILab/flash-attention/releases/download/v2.7.4.post1/"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            FA2 + "flash_attn-2.7.4.post1%2Bcu12torch2.5cxx11abiFALSE-cp311-cp311-linux_x86_64.whl",
            ("flash-attn", "2.7.4.post1+cu12torch2.5cxx11abifalse", "3.11", "linux"),
        ),
        (
            "https://download.pytorch.org/whl/cu124/torch-2.5.1%2Bcu124-cp312-cp312-win_amd64.whl",
            ("torch", "2.5.1+cu124", "3.12", "windows"),
        ),
        (
            "https://download.pytorch.org/whl/cpu/torch-2.13.0%2Bcpu-cp311-cp311-win_arm64.whl",
            ("torch", "2.13.0+cpu", "3.11", "windows-arm64"),
        ),
        (
            "https://example.org/torch-2.2.2-cp311-none-macosx_10_9_x86_64.whl",
            ("torch", "2.2.2", None, "macos-x86_64"),
        ),
        (
            "https://example.org/torch-2.2.2-cp311-none-macosx_11_0_arm64.whl",
            ("torch", "2.2.2", None, "macos"),
        ),
        ("https://example.org/torch-2.5.1+cu999-cp312-cp312-win_amd64.whl", None),
        ("https://example.org/nothing-1-py3-none-any.whl", None),
        ("https://example.org/torch-2.5.1.tar.gz", None),
        ("torch-2.5.1-bad.whl", None),
    ],
)
def test_a_wheel_by_address(url: str, expected: tuple[str, ...] | None, matrix: Matrix) -> None:
    found = find_wheel(url, matrix)
    assert (tuple(found) if found else None) == expected


# -- history ------------------------------------------------------------------------------------


def git(root: Path, *words: str, day: str = "2024-03-01") -> None:
    program = find_program("git")
    if program is None:
        pytest.skip("git is not installed here")
    date = f"{day}T12:00:00Z"
    names = ("GIT_AUTHOR", "GIT_COMMITTER")
    environment = {f"{name}_DATE": date for name in names}
    environment |= {f"{name}_NAME": "A" for name in names}
    environment |= {f"{name}_EMAIL": "a@example.org" for name in names}
    # Windows starts nothing without its own variable.
    system = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    subprocess.run(
        [program, "-c", "init.defaultBranch=main", *words],
        cwd=root,
        env={**system, "HOME": str(root), **environment},
        check=True,
        capture_output=True,
    )


@pytest.fixture
def committed(tmp_path: Path) -> Path:
    write_all(tmp_path, {"requirements.txt": "torch==2.3.1\ntransformers\n", "train.py": "x = 1\n"})
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first", day="2024-06-30")
    write_all(tmp_path, {"train.py": "x = 2\n"})
    git(tmp_path, "commit", "-a", "-m", "second", day="2026-11-01")
    return tmp_path


def test_the_day_is_that_of_the_requirement_files(committed: Path) -> None:
    assert last_commit(committed, [committed / "requirements.txt"]) == "2024-06-30"
    assert last_commit(committed, [committed / "train.py"]) == "2026-11-01"
    assert last_commit(committed, []) is None


def test_nothing_that_the_repository_names_is_run(committed: Path) -> None:
    ran = committed / "ran"
    program = committed / "program"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n", encoding="utf-8")
    program.chmod(0o755)
    for key in ("core.fsmonitor", "core.pager", "gpg.program", "diff.external", "core.editor"):
        git(committed, "config", key, str(program))
    git(committed, "config", "log.showSignature", "true")
    assert last_commit(committed, [committed / "requirements.txt"]) == "2024-06-30"
    assert not ran.exists()


def test_no_commit_is_a_sentence(tmp_path: Path) -> None:
    write_all(tmp_path, {"requirements.txt": "torch\n"})
    git(tmp_path, "init")
    with pytest.raises(UsageError, match="git knows no commit"):
        commit_day(tmp_path, [tmp_path / "requirements.txt"])


TARGET = ("--python", "3.11", "--platform", "linux")


def test_a_lock_of_the_day_of_the_last_commit(
    committed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(committed)
    today = run(*TARGET)
    assert "note: the files were last committed on 2024-06-30" in today.stderr
    then = run(*TARGET, "--exclude-newer", "commit")
    assert "--exclude-newer 2024-06-30" in then.stdout
    assert "transformers==4.42.3" in then.stdout
    assert "last committed" not in then.stderr


# -- one file, and what cannot be read ----------------------------------------------------------


def test_one_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_all(
        tmp_path,
        {"a.txt": "torch==2.5.1\n", "requirements.txt": "xformers\n", "x.py": "import vllm\n"},
    )
    result = run("a.txt", *TARGET)
    assert "torch==2.5.1" in result.stdout
    assert "xformers" not in result.stdout
    assert "# command: cudalock generate a.txt --python 3.11 --platform linux\n" in result.stdout


@pytest.mark.parametrize(
    ("files", "words", "status", "said"),
    [
        ({}, ["nowhere"], 2, "`nowhere` is not there"),
        ({}, [], 2, "nothing in `.` says what it wants"),
        ({"requirements.txt": "scikit-image\n"}, ["--offline"], 3, "requirements.txt:1"),
        ({"requirements.txt": "torch==2.5.7\n"}, [], 2, "requirements.txt:1"),
        (
            {"requirements.txt": "torch\n"},
            ["-o", "requirements.txt"],
            2,
            "would replace it",
        ),
        ({"requirements.txt": "torch\n"}, ["--update"], 2, "-o requirements.lock.txt"),
        ({"requirements.txt": "torch\n"}, ["--upgrade"], 2, "need `--update`"),
        ({"requirements.txt": "torch\n"}, ["--update", "-o", "gone.txt"], 2, "gone.txt"),
        ({"requirements.txt": "torch\n"}, ["--exclude-newer", "commit"], 2, "git knows no commit"),
        ({"requirements.txt": "torch\n", "pyproject.toml": "["}, [], 2, "pyproject.toml"),
        ({"requirements.txt": "torch==\n"}, [], 2, "requirements.txt:1"),
        ({"requirements.txt": "torch\n-r gone.txt\n"}, [], 2, "requirements.txt:2"),
        ({"environment.yml": "dependencies: [\n"}, [], 2, "environment.yml"),
        ({".python-version": "3.6\n", "requirements.txt": "torch\n"}, [], 2, ".python-version:1"),
    ],
)
def test_wrong_questions(
    files: dict[str, str],
    words: list[str],
    status: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_all(tmp_path, files)
    target = () if ".python-version" in files else TARGET
    result = run(*words, *target)
    assert (result.exit_code, result.stdout) == (status, ""), result.output
    assert said in result.stderr
    assert "internal error" not in result.stderr


def test_a_line_that_cannot_be_read_is_told_and_the_rest_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_all(tmp_path, {"requirements.txt": "torch==2.5.1\nnumpy=1.26\n"})
    result = run(*TARGET)
    assert result.exit_code == 0, result.output
    assert "torch==2.5.1" in result.stdout
    said = "requirements.txt:2: `numpy=1.26` is left out: invalid requirement `numpy=1.26`"
    assert f"# note: {said}: did you mean `numpy==1.26`?\n" in result.stdout
    assert "left out: requirements.txt:2 `numpy=1.26`" in result.stderr


GROUPS = """
[project]
name = "mine"
version = "0"
dependencies = ["torch==2.5.1"]
[project.optional-dependencies]
fast = ["triton"]
all = ["mine[fast]", "einops"]
[dependency-groups]
test = ["psutil"]
dev = [{include-group = "test"}, "tqdm"]
"""


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ([], []),
        (["--extra", "fast"], ["triton"]),
        (["--extra", "all"], ["einops", "triton"]),
        (["--group", "test"], ["psutil"]),
        (["--group", "dev"], ["psutil", "tqdm"]),
    ],
)
def test_extras_and_groups(
    words: list[str], wanted: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_all(tmp_path, {"pyproject.toml": GROUPS})
    result = run(*words, *TARGET, "--dry-run")
    goal = result.stdout.splitlines()[-1]
    assert goal == f"goal: {', '.join(sorted([*wanted, 'torch==2.5.1']))}"


def test_a_dockerfile_may_copy_what_it_installs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    install = "RUN pip install -r /app/r.txt torch==2.5.1"
    write_all(tmp_path, {"Dockerfile": f"FROM python:3.11\n{install}\n"})
    result = run("--dry-run")
    assert result.exit_code == 0, result.output
    assert "wanted: torch==2.5.1, Dockerfile:2" in result.stdout


def test_a_folder_that_is_no_folder(tmp_path: Path, rules: Rules) -> None:
    with pytest.raises(BadFile):
        choose_files(tmp_path / "gone", rules, ())


def damaged(draw: st.DrawFn) -> dict[str, bytes]:
    """Files of the cases, a few characters of each changed for others."""
    files: dict[str, bytes] = {}
    for name in draw(st.lists(st.sampled_from(sorted(WHOLE)), min_size=1, max_size=4)):
        content = WHOLE[name]
        for _ in range(draw(st.integers(0, 4))):
            start = draw(st.integers(0, len(content)))
            end = draw(st.integers(start, min(len(content), start + 20)))
            content = content[:start] + draw(st.sampled_from(ODD)) + content[end:]
        files[name] = content
    return files


WHOLE = {
    name: text.encode()
    for path in sorted((CASES / "repositories").glob("*.toml"))
    for name, text in toml.loads(path.read_text(encoding="utf-8"))["files"].items()
}
ODD = [b"", b"\0", b"\xff\xfe", b"[", b"]", b"{", b"'", b'"', b"\n", b"\\", b"- ", b"==", b";"]
ODD += [
    b"@",
    b"!pip install ",
    b"-r requirements.txt\n",
    b"!!python/name:os.system",
    b"&a *a",
    b"\t",
]


@settings(BOUNDED, max_examples=150)
@given(st.composite(damaged)())
def test_no_file_breaks_the_reading(matrix: Matrix, files: dict[str, bytes]) -> None:
    with TemporaryDirectory() as folder:
        for name, content in files.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        with suppress(CudalockError):
            read_repository(Path(folder), matrix)
