"""Several lines of one project: what is written, and that the real uv and pip take each line.

The cases are public projects, shrunk (`tests/cases/lines.toml`). Their indexes are the recorded
ones, on loopback.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from packaging.requirements import Requirement
from uv import find_uv_bin

from cudalock import toml
from cudalock.cli import main
from cudalock.formats.uv import lined as uv_lined
from cudalock.formats.uv import lined_lock as uv_lined_lock
from cudalock.projects.locks.graph import entries_for
from cudalock.projects.read import read_file
from cudalock.targets import Target
from cudalock.urls import file_of
from tests.consumers import uv
from tests.local_index import clean_environment, run_tool
from tests.paths import CASES
from tests.recorded import MAIN, RecordedIndex

if TYPE_CHECKING:
    from collections.abc import Mapping

LINES = toml.loads((CASES / "lines.toml").read_text(encoding="utf-8"))["case"]
PLATFORMS = {"linux": "linux-x86_64", "windows": "windows-x86_64", "macos": "macos-arm64"}
THREE = "--torch 2.9 --vision --fa2 --cuda cpu --cuda 12.6 --cuda 13.0"
BOTH = "--platform linux --platform windows --python 3.11"


def run(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, [*words])
    return result.exit_code, result.stdout, result.stderr


def solve(words: str, *more: str) -> str:
    status, output, errors = run("solve", *shlex.split(words), *more, "--offline")
    assert status == 0, errors
    return output


@cache
def generated(name: str) -> str:
    """What `generate` makes of the project of a case, in a folder of its own."""
    case = next(case for case in LINES if case["name"] == name)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        path = Path("pyproject.toml")
        path.write_text(case["project"].lstrip(), encoding="utf-8", newline="\n")
        words = ["generate", *shlex.split(case["options"]), "-o", str(path), "--offline", "-q"]
        status, _, errors = run(*words)
        assert status == 0, errors
        once = path.read_text(encoding="utf-8")
        if case.get("uv"):
            # Again, and by the command that was recorded.
            assert run(*words)[0] == 0
            assert path.read_text(encoding="utf-8") == once
            status, output, errors = run("check", "--fresh", str(path))
            assert status == 0, output + errors
    return once


def targets(words: str) -> list[Target]:
    said = shlex.split(words)
    values = {
        flag: [said[at + 1] for at, word in enumerate(said) if word == flag]
        for flag in ("--python", "--platform")
    }
    return [
        Target(python=python, platform=PLATFORMS[platform])
        for platform in values["--platform"]
        for python in values["--python"]
    ]


def listed(text: str, line: str, target: Target) -> dict[str, str]:
    """What a project requires of a line on a target, constraints included: name to version."""
    data = toml.loads(text)
    environment = {**target.marker_environment(), "extra": ""}
    own = data["project"].get("optional-dependencies", {}).get(line)
    own = own if own is not None else data["dependency-groups"][line]
    pins: dict[str, str] = {}
    for entry in [*data["tool"]["uv"].get("constraint-dependencies", ()), *own]:
        requirement = Requirement(entry)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            exact = str(requirement.specifier)
            if exact.startswith("=="):
                pins[requirement.name] = exact[2:]
    return pins


def locked(text: str, recorded: RecordedIndex, environment: Mapping[str, str], folder: Path) -> str:
    """The uv.lock that uv makes of a project."""
    (folder / "pyproject.toml").write_text(
        recorded.redirected(text), encoding="utf-8", newline="\n"
    )
    uv(folder, environment, "lock")
    uv(folder, environment, "lock", "--check")
    return (folder / "uv.lock").read_text(encoding="utf-8")


def uv_pins(lock: str, line: str, target: Target) -> dict[str, str]:
    """What uv installs of a line on a target: name to version."""
    file = read_file("-", lock.encode(), kind="uv-lock")
    fork = next(fork for fork in file.forks if fork.endswith(f"-{line}"))
    found = entries_for(file, {**target.marker_environment()}, fork)
    return {each.name: version_of(each.url, each.version) for each in found}


def version_of(url: str | None, version: str | None) -> str:
    return file_of(url).split("-")[1] if url else version or ""


# What the public projects come to.


@pytest.mark.parametrize("case", LINES, ids=lambda case: case["name"])
def test_the_lines_of_a_public_project(case: dict[str, Any]) -> None:
    text = generated(case["name"])
    data = toml.loads(text)
    before = toml.loads(case["project"])
    first = targets(case["options"])[0]
    for line, pins in case["lines"].items():
        found = listed(text, line, first)
        for pin in pins:
            name, version = pin.split()
            assert found[name] in (version, version.partition("+")[0])
    for name, sources in case.get("sources", {}).items():
        assert data["tool"]["uv"]["sources"][name] == sources
    # What its maintainers wrote is there, in their order.
    lists = {"dependencies": before["project"]["dependencies"]}
    lists |= before["project"].get("optional-dependencies", {})
    now = {"dependencies": data["project"]["dependencies"]}
    now |= data["project"].get("optional-dependencies", {})
    for key, entries in lists.items():
        assert now[key][: len(entries)] == entries
    remarks = [line.strip() for line in case["project"].splitlines() if "# " in line]
    assert all(remark in text for remark in remarks)
    comments = [line for line in text.splitlines() if line.startswith("# cudalock:")]
    assert len(comments) < 12


@pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="uv looks for a Python that the lock is for"
)
@pytest.mark.parametrize(
    "case", [case for case in LINES if case.get("uv")], ids=lambda case: case["name"]
)
def test_uv_locks_the_lines_of_a_public_project(
    case: dict[str, Any],
    recorded: RecordedIndex,
    uv_environment: Mapping[str, str],
    tmp_path: Path,
) -> None:
    lock = locked(generated(case["name"]), recorded, uv_environment, tmp_path)
    for line, pins in case["lines"].items():
        found = uv_pins(lock, line, targets(case["options"])[0])
        assert {f"{name} {found.get(name)}" for name in (pin.split()[0] for pin in pins)} == {*pins}


needs_311 = pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="uv looks for a Python that the lock is for"
)


@needs_311
@pytest.mark.parametrize(
    ("words", "as_"),
    [
        (f"{THREE} {BOTH}", "extras"),
        (
            "--torch 2.9 --vision --cuda cpu --cuda 12.8 --accelerator rocm6.4 --accelerator xpu "
            f"{BOTH} --platform macos",
            "groups",
        ),
    ],
)
def test_uv_takes_each_line_on_each_platform(
    words: str,
    as_: str,
    recorded: RecordedIndex,
    uv_environment: Mapping[str, str],
    tmp_path: Path,
) -> None:
    """The same pins, target by target, as a requirements file of that line has."""
    text = solve(words, "--format", "uv", "--as", as_)
    lock = locked(text, recorded, uv_environment, tmp_path)
    lines = [member["extra" if as_ == "extras" else "group"] for member in _conflict(text)]
    for line in lines:
        flags = ["--extra", line] if as_ == "extras" else ["--no-default-groups", "--group", line]
        shown = uv(tmp_path, uv_environment, "sync", "--frozen", "--dry-run", *flags)
        installed = dict(re.findall(r"^ \+ ([a-z0-9-]+)==(\S+)", shown, re.MULTILINE))
        here = uv_pins(lock, line, targets(words)[0])
        public = {name: version.partition("+")[0] for name, version in here.items()}
        assert {n: v.partition("+")[0] for n, v in installed.items()} == public
        for target in targets(words):
            pins, found = listed(text, line, target), uv_pins(lock, line, target)
            is_for_it = "torch" in pins or not line.startswith(("rocm", "xpu"))
            assert ("torch" in found) is is_for_it
            for name in ("torch", "torchvision", "flash-attn"):
                if name in found:
                    assert found[name].startswith(pins[name].partition("+")[0])
                    assert found["torch"] == pins["torch"]


def _conflict(text: str) -> list[dict[str, str]]:
    (members,) = toml.loads(text)["tool"]["uv"]["conflicts"]
    return list(members)


@needs_311
def test_uv_refuses_two_lines_at_once(
    recorded: RecordedIndex, uv_environment: Mapping[str, str], tmp_path: Path
) -> None:
    text = solve(f"--torch 2.9 --cuda cpu --cuda 12.6 {BOTH}", "--format", "uv")
    locked(text, recorded, uv_environment, tmp_path)
    words = ["sync", "--frozen", "--dry-run", "--extra", "cpu", "--extra", "cu126"]
    done = run_tool(["uv", *words], tmp_path, uv_environment)
    assert done.returncode != 0
    assert "incompatible with the declared conflicts" in " ".join(done.stderr.split())


# What is written.


def test_groups_have_a_default_line() -> None:
    text = solve(f"--torch 2.9 --cuda cpu --cuda 12.6 {BOTH}", "--format", "uv", "--as", "groups")
    assert toml.loads(text)["tool"]["uv"]["default-groups"] == ["cpu"]


def test_a_line_has_only_what_is_built_for_it() -> None:
    """FlashAttention has no build for CPU; a version that fits no line is an error all the same."""
    extras = toml.loads(solve(f"{THREE} {BOTH}", "--format", "uv"))["project"]
    lists = extras["optional-dependencies"]
    assert not [each for each in lists["cpu"] if each.startswith("flash-attn")]
    assert [each for each in lists["cu126"] if each.startswith("flash-attn==2.8.3+cu126")]
    words = f"--torch 2.9 flash-attn==2.5.8 --cuda cpu --cuda 12.6 {BOTH}"
    status, _, errors = run("solve", *shlex.split(words), "--format", "uv", "--offline")
    assert status == 1
    assert "flash-attn" in errors


def test_a_platform_without_the_build_is_not_the_lines() -> None:
    words = f"--torch 2.9 --cuda cpu --accelerator rocm6.4 {BOTH}"
    status, text, errors = run("solve", *shlex.split(words), "--format", "uv", "--offline")
    assert status == 0
    assert "no build for ROCm 6.4 on Windows x86_64: the line is not for it" in errors
    torch = toml.loads(text)["tool"]["uv"]["sources"]["torch"]
    assert torch[1] == {
        "index": "pytorch-rocm64",
        "extra": "rocm64",
        "marker": "sys_platform == 'linux'",
    }


HAND = """\
[project]
name = "app"
version = "1"
requires-python = ">=3.11"
dependencies = [
    "torch>=2.7",   # any
    "rich",
]

[project.optional-dependencies]
gpu = ["torch>=2.8"]   # ours
docs = ["mkdocs"]

[tool.uv.sources]
torch = [{ index = "cuda", extra = "gpu" }]

[[tool.uv.index]]
name = "cuda"
url = "https://download.pytorch.org/whl/cu126"
explicit = true
"""


def test_a_project_is_taken_over_under_its_own_names(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(HAND, encoding="utf-8", newline="\n")
    words = f"--torch 2.9 --cuda cpu --cuda 12.6 {BOTH} -q -o {shlex.quote(str(path))}"
    solve(words)
    once = path.read_text(encoding="utf-8")
    for line in HAND.splitlines():
        assert line in once or line.startswith("torch = [{")
    data = toml.loads(once)
    assert data["project"]["optional-dependencies"]["gpu"] == ["torch>=2.8"]
    assert data["project"]["optional-dependencies"]["cpu"] == ["torch==2.9.1+cpu"]
    assert data["tool"]["uv"]["conflicts"] == [[{"extra": "cpu"}, {"extra": "gpu"}]]
    assert data["tool"]["uv"]["sources"]["torch"] == [
        {"index": "pytorch-cpu", "extra": "cpu"},
        {"index": "cuda", "extra": "gpu"},
    ]
    assert "torch==2.9.1" in data["tool"]["uv"]["constraint-dependencies"]
    solve(words)
    assert path.read_text(encoding="utf-8") == once
    # A line more, and one less: what a run wrote the next one takes back.
    solve(words.replace("--cuda cpu", "--cuda cpu --cuda 13.0"))
    three = toml.loads(path.read_text(encoding="utf-8"))
    assert (
        three["tool"]["uv"]["conflicts"]
        == [[{"extra": "cpu"}, {"extra": "cu130"}, {"extra": "gpu"}]]
        or len(three["tool"]["uv"]["conflicts"][0]) == 3
    )
    assert "cu130" in three["project"]["optional-dependencies"]
    solve(words)
    after = toml.loads(path.read_text(encoding="utf-8"))
    # An index that no line needs any more has no effect.
    assert after["tool"]["uv"].pop("index")[:2] == data["tool"]["uv"].pop("index")
    assert after == data


def test_a_mirror_of_ones_own_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    text = HAND.replace("gpu", "cu126").replace("download.pytorch.org", "mirror.example")
    path.write_text(text, encoding="utf-8", newline="\n")
    words = f"solve --torch 2.9 --cuda cpu --cuda 12.6 {BOTH} -q -o {shlex.quote(str(path))}"
    status, _, errors = run(*shlex.split(words), "--offline")
    assert status == 2
    assert "tool.uv.sources.torch: its source for torch is not the lock's" in errors
    assert path.read_text(encoding="utf-8") == text


def test_what_uv_add_brought_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "pyproject.toml"
    path.write_text(
        '[project]\nname = "app"\nversion = "1"\ndependencies = ["torch>=2.7"]\n', newline="\n"
    )
    words = ["generate", "--platform", "linux", "--python", "3.11", "--offline", "-q"]
    assert run(*words, "-o", "pyproject.toml")[0] == 0
    assert run("check", "--fresh")[0] == 0
    path.write_text(path.read_text().replace('"torch>=2.7"', '"torch>=2.7", "peft>=0.10"'))
    status, output, _ = run("check", "--fresh")
    assert status == 1
    added = "peft was added since the lock was made, and is not pinned, nor is what it needs: "
    assert f"{added}accelerate" in output
    assert output.count("CL601") == 1
    # Its own pins are no limits of the next lock.
    assert run(*words, "-o", "pyproject.toml")[0] == 0
    assert run("check", "--fresh")[0] == 0


@needs_311
def test_uv_lock_of_all_lines(
    recorded: RecordedIndex,
    uv_environment: Mapping[str, str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """uv writes it, and every line is compared. Only the addresses are moved on the way to uv."""
    for name in [name for name in os.environ if name.startswith("UV_")]:
        monkeypatch.delenv(name)
    for name, value in uv_environment.items():
        if name.startswith(("UV_", "NO_PROXY", "no_proxy")):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{Path(find_uv_bin()).parent}{os.pathsep}{os.environ['PATH']}")
    edit = uv_lined.edit
    monkeypatch.setattr(
        uv_lined, "edit", lambda text, *more: recorded.redirected(edit(text, *more))
    )
    words = f"solve {THREE} {BOTH} --format uv-lock -q"
    status, text, errors = run(*shlex.split(words))
    assert status == 0, errors
    assert uv_pins(text, "cu130", targets(BOTH)[1])["torch"] == "2.9.1+cu130"
    # A difference is named.
    monkeypatch.setattr(
        uv_lined_lock, "written_by_uv", lambda *_: text.replace('"2.9.1+cu130"', '"2.9.0+cu130"')
    )
    status, _, errors = run(*shlex.split(words))
    assert status == 1
    assert "torch of cu130 on Linux x86_64, Python 3.11: 2.9.1+cu130 in the lock, 2.9.0" in errors


# The other formats.


def test_a_requirements_file_for_each_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, errors = run(
        *shlex.split(f"solve --torch 2.9 --cuda cpu --cuda 12.8 {BOTH} -o requirements.txt")
    )
    assert status == 0, errors
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["requirements-cpu.txt", "requirements-cu128.txt"]
    assert "torch==2.9.1" in (tmp_path / names[1]).read_text()
    assert "install: pip install --require-hashes -r requirements-cu128.txt" in errors
    assert run("check", "--fresh", *names)[0] == 0
    other = (tmp_path / names[1]).read_text().replace("sympy==1.14.0", "sympy==1.13.3")
    (tmp_path / names[1]).write_text(other)
    status, output, _ = run("check", "--fresh", *names)
    assert status == 1
    assert output.count("CL601") == 1


@pytest.mark.parametrize(
    ("words", "files"),
    [
        ("-o pyproject.toml", ["pyproject.toml"]),
        ("-o requirements.txt --as files", ["requirements-cpu.txt", "requirements-cu126.txt"]),
    ],
)
def test_an_update_keeps_the_pins_of_each_line(
    words: str, files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As far as they still have a solution; machine and lines are those of the lock."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "requirements.in").write_text("torch>=2.7\nnumpy\n", newline="\n")
    made = f"generate requirements.in --cuda cpu --cuda 12.6 {BOTH} --offline -q {words}"
    status, _, errors = run(*shlex.split(f"{made} --exclude-newer 2025-09-01"))
    assert status == 0, errors
    before = {name: _without_head((tmp_path / name).read_text()) for name in files}
    assert any("torch==2.8.0" in text for text in before.values())
    update = f"generate requirements.in --update --offline {words}"
    status, _, errors = run(*shlex.split(update))
    assert status == 0, errors
    assert "changed in cpu: nothing" in errors
    assert "changed in cu126: nothing" in errors
    after = {name: _without_head((tmp_path / name).read_text()) for name in files}
    assert after.keys() == before.keys()
    assert all(_pins_of(after[name]) == _pins_of(before[name]) for name in files)
    assert "--platform windows" in (tmp_path / files[0]).read_text()
    assert run("check", "--fresh", *files)[0] == 0
    # One of them is renewed, in all lines.
    status, _, errors = run(*shlex.split(f"{update} --upgrade-package numpy"))
    assert status == 0, errors
    assert errors.count("numpy 2.3.2 -> ") == 2
    assert "torch 2.8.0" not in "".join(re.findall("changed in .*", errors))
    status, _, errors = run(*shlex.split(f"{update} --upgrade"))
    assert "changed in cu126: torch 2.8.0 -> " in errors


def _without_head(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("#"))


def _pins_of(text: str) -> list[str]:
    return re.findall(r"[a-z0-9-]+==[^\s\";]+", text)


def test_an_update_needs_the_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "requirements.in").write_text("torch==2.8\n", newline="\n")
    words = f"generate requirements.in --cuda cpu --cuda 12.6 {BOTH} --offline --update"
    status, _, errors = run(*shlex.split(f"{words} -o requirements.txt"))
    assert status == 2
    assert "cannot update `requirements.txt`: it pins nothing of these lines" in errors


def test_a_dockerfile_for_each_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the lock that it copies, under names that `check` knows."""
    monkeypatch.chdir(tmp_path)
    words = "solve --torch 2.9 --cuda cpu --cuda 12.8 --platform linux --python 3.12 --offline"
    status, _, errors = run(*shlex.split(f"{words} -o Dockerfile"))
    assert status == 0, errors
    assert "install: docker build -f Dockerfile.cu128 -t IMAGE ." in errors
    names = {path.name for path in tmp_path.iterdir()}
    docker = {f"Dockerfile.{line}" for line in ("cpu", "cu128")}
    assert names == docker | {f"requirements.docker.{line}.txt" for line in ("cpu", "cu128")}
    for name in docker:
        (copied,) = re.findall(r"^COPY (requirements\S+)", (tmp_path / name).read_text(), re.M)
        assert copied in names
    status, output, errors = run("check", *sorted(docker), "--offline")
    assert (status, output) == (0, ""), errors


@pytest.mark.parametrize(
    ("goal", "flags"),
    [
        ("torch 2.9 for CPU and cu128", "--cuda cpu --cuda 12.8"),
        ("torch 2.9 for CUDA 12.6 and 13.0", "--cuda 12.6 --cuda 13.0"),
        ("torch 2.9 for CUDA 12.6, 12.8 and 13.0", "--cuda 12.6 --cuda 12.8 --cuda 13.0"),
        ("torch 2.9 with CUDA 12.8 and ROCm 6.4", "--cuda 12.8 --accelerator rocm6.4"),
        ("torch 2.9 for CUDA 12.6, 3.12", "--cuda 12.6"),
    ],
)
def test_lines_in_other_words(goal: str, flags: str) -> None:
    words = ["solve", goal, "--platform", "linux", "--offline"]
    status, output, errors = run(*words)
    assert flags in output + errors
    assert status == (0 if "3.12" in goal else 2)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["torch 2.9 with and without CUDA"], "`with and without CUDA` is two locks: name both"),
        (["--torch", "2.9", "--cuda", "cpu,12.8"], "hint: --cuda cpu --cuda 12.8"),
        (["--torch", "2.9", "--cuda", "12,4"], "invalid CUDA version `12,4`"),
    ],
)
def test_lines_that_are_no_goal(words: list[str], says: str) -> None:
    status, _, errors = run("solve", *words, "--platform", "linux", "--offline")
    assert status == 2
    assert says in errors


def test_lines_in_words_are_hinted() -> None:
    """A phrase has one lock; the command with a line for each was solved."""
    status, _, errors = run("solve", "torch 2.9 for CPU and cu128", *shlex.split(BOTH), "--offline")
    assert status == 2
    assert "CUDA cannot be both `cpu` and `cu128`" in errors
    (command,) = re.findall(r"`(cudalock solve [^`]*)` has an extra of a project for each", errors)
    assert "--cuda cpu --cuda 12.8" in command
    _, *words = shlex.split(command.removesuffix("-o pyproject.toml"))
    assert run(*words, "--format", "uv", "--offline")[0] == 0
    # What has no solution is no hint.
    status, _, errors = run(
        "solve", "torch 2.9 for cu118 and cu128", *shlex.split(BOTH), "--offline"
    )
    assert status == 2
    assert "extra of a project" not in errors


@pytest.mark.network
def test_the_line_on_the_real_package_index(
    network_environment: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three lines one is there; uv reads metadata alone."""
    monkeypatch.chdir(tmp_path)
    words = "--torch 2.9 --cuda cpu --cuda 12.8 --cuda 13.0 --platform linux --python 3.11"
    assert run(*shlex.split(f"solve {words} -o requirements.txt"))[0] == 0
    target = ["--python-platform", "x86_64-manylinux_2_28", "--python-version", "3.11"]
    flags = ["--require-hashes", "--dry-run", "--target", "there", "--python", sys.executable]
    file = ["-r", "requirements-cu128.txt"]
    done = run_tool(["uv", "pip", "install", *flags, *target, *file], tmp_path, network_environment)
    assert done.returncode == 0, done.stderr
    assert " + torch==2.9.1\n" in done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--as groups -o requirements.txt", "the format requirements has no groups"),
        ("--as files -o pyproject.toml", "uv has all lines of a project in one file"),
        ("-q", "several lines are several files, and `-o` has to name them"),
        ("-o pixi.toml", "a pixi.toml is one project, and a folder has one"),
        ("--keep all", "`--keep` is for one environment"),
    ],
)
def test_what_lines_cannot_be(words: str, expected: str) -> None:
    stated = f"solve --torch 2.9 --cuda cpu --cuda 12.6 {BOTH} {words} --offline"
    status, _, errors = run(*shlex.split(stated))
    assert status == 2
    assert expected in errors


def test_a_project_of_another_tool(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text('[project]\nname = "a"\nversion = "0"\n[tool.pdm.resolution]\nx = 1\n')
    words = f"solve --torch 2.9 --cuda cpu --cuda 12.6 {BOTH} -o {shlex.quote(str(path))}"
    status, _, errors = run(*shlex.split(words), "--offline")
    assert status == 2
    assert "lines are written for uv" in errors
    assert "--as files" in errors


def test_one_line_is_no_lines() -> None:
    status, _, errors = run(*shlex.split(f"solve --torch 2.9 --cuda 12.6 {BOTH} --as extras"))
    assert status == 2
    assert "`--as` is for several lines" in errors


def test_the_same_line_twice_is_one() -> None:
    text = solve(f"--torch 2.9 --cuda 12.6 --cuda cu126 {BOTH}", "--format", "uv")
    assert "conflicts" not in toml.loads(text)["tool"]["uv"]


PINS = "--torch 2.9 --cuda cpu --cuda 12.8 --cuda 13.0"


@pytest.fixture(scope="module")
def pylocks(
    recorded: RecordedIndex, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Path]:
    """A pylock.toml of three lines as extras, and one as groups."""
    folder = tmp_path_factory.mktemp("pylock")
    paths = {}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in clean_environment(folder, recorded.url(MAIN)).items():
            if name.startswith(("PIP_", "UV_", "NO_PROXY")):
                patch.setenv(name, value)
        for as_ in ("extras", "groups"):
            paths[as_] = folder / f"pylock.{as_}.toml"
            words = f"solve {PINS} {BOTH} --as {as_} --index-url {recorded.url(MAIN)}"
            status, _, errors = run(*shlex.split(words), "-q", "-o", str(paths[as_]))
            assert status == 0, errors
            text = recorded.redirected(paths[as_].read_text(encoding="utf-8"))
            paths[as_].write_text(text, encoding="utf-8")
    return paths


@needs_311
@pytest.mark.parametrize(
    ("as_", "flags", "torch"),
    [
        ("extras", "--extra cpu", "2.9.1+cpu"),
        ("extras", "--extra cu130", "2.9.1+cu130"),
        ("extras", "", None),
        ("groups", "", "2.9.1+cpu"),
        ("groups", "--group cu128", "2.9.1"),
    ],
)
def test_uv_takes_a_line_of_a_pylock(
    as_: str,
    flags: str,
    torch: str | None,
    pylocks: Mapping[str, Path],
    uv_environment: Mapping[str, str],
    tmp_path: Path,
) -> None:
    words = ["pip", "install", "--dry-run", "--target", "there", *shlex.split(flags)]
    shown = uv(tmp_path, uv_environment, *words, "-r", str(pylocks[as_]))
    installed = dict(re.findall(r"^ \+ ([a-z0-9-]+)==(\S+)", shown, re.MULTILINE))
    assert installed.get("torch") == torch
    assert bool(installed) is (torch is not None)


@needs_311
def test_uv_refuses_two_lines_of_a_pylock(
    pylocks: Mapping[str, Path], uv_environment: Mapping[str, str], tmp_path: Path
) -> None:
    words = ["pip", "install", "--dry-run", "--target", "there", "--extra", "cpu"]
    more = ["--extra", "cu130", "-r", str(pylocks["extras"])]
    done = run_tool(["uv", *words, *more], tmp_path, uv_environment)
    assert done.returncode != 0
    assert "Multiple active package entries found for `torch`" in done.stderr


@pytest.mark.parametrize("as_", ["extras", "groups"])
def test_a_pylock_of_lines_is_read_back(as_: str, pylocks: Mapping[str, Path]) -> None:
    """By `check`, which judges each line by itself; by packaging, that pip reads it with."""
    from packaging.pylock import Pylock

    path = pylocks[as_]
    lock = Pylock.from_dict(toml.loads(path.read_text(encoding="utf-8")))
    assert (lock.extras if as_ == "extras" else lock.dependency_groups) == ["cpu", "cu128", "cu130"]
    file = read_file(str(path))
    assert file.problems == ()
    torch = {
        fork: {entry.name: entry.version for entry in entries_for(file, _LINUX, fork)}["torch"]
        for fork in file.forks
    }
    assert torch == {"cpu": "2.9.1+cpu", "cu128": "2.9.1", "cu130": "2.9.1+cu130"}
    status, output, errors = run("check", str(path), "--offline")
    assert (status, output) == (0, ""), errors


_LINUX = Target(python="3.11", platform="linux-x86_64").marker_environment()


# check, and its fixes.

GUIDE = """\
[project]
name = "app"
version = "0"
requires-python = ">=3.12"
dependencies = []

[project.optional-dependencies]
cpu = ["torch==2.9.1"]
cu126 = ["torch==2.9.1"]

[tool.uv]
conflicts = [[{ extra = "cpu" }, { extra = "cu126" }]]

[tool.uv.sources]
torch = [
    { index = "pytorch-cpu", extra = "cpu" },
    { index = "pytorch-cu126", extra = "cu126" },
]

[[tool.uv.index]]
name = "pytorch-cpu"
url = "https://download.pytorch.org/whl/cpu"
explicit = true

[[tool.uv.index]]
name = "pytorch-cu126"
url = "https://download.pytorch.org/whl/cu126"
explicit = true
"""


def test_a_source_that_a_mac_cannot_take(tmp_path: Path) -> None:
    """The fix is in the file's own words, and `--fix` writes it."""
    path = tmp_path / "pyproject.toml"
    path.write_text(GUIDE, encoding="utf-8", newline="\n")
    words = ["check", str(path), "--platform", "macos", "--python", "3.12", "--offline"]
    status, output, _ = run(*words)
    fixed = '{ index = "pytorch-cu126", extra = "cu126", marker = "sys_platform != \'darwin\'" }'
    assert status == 1
    assert f"fix: `torch = [{fixed}]` in [tool.uv.sources]" in " ".join(output.split())
    assert run(*words, "--fix")[0] == 1
    after = path.read_text(encoding="utf-8")
    assert after == GUIDE.replace('{ index = "pytorch-cu126", extra = "cu126" }', fixed)
    assert run(*words)[0] == 0


def test_a_marker_that_is_there_is_extended(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    marker = "platform_machine != 'ppc64le'"
    text = GUIDE.replace(
        'cu126", extra = "cu126" }', f'cu126", extra = "cu126", marker = "{marker}" }}'
    )
    path.write_text(text, encoding="utf-8", newline="\n")
    words = ["check", str(path), "--platform", "macos", "--python", "3.12", "--offline"]
    assert run(*words, "--fix")[0] == 1
    expected = text.replace(marker, f"({marker}) and sys_platform != 'darwin'")
    assert path.read_text(encoding="utf-8") == expected


def test_extras_that_conflict_are_not_locked_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(GUIDE, encoding="utf-8")
    words = "generate --platform linux --python 3.12 --offline"
    status, _, errors = run(*shlex.split(words), "--extra", "cpu", "--extra", "cu126")
    assert status == 2
    assert "extra cpu and extra cu126 are declared to conflict" in errors
    # One of them has the CUDA of its own index.
    status, output, errors = run(*shlex.split(words), "--extra", "cu126")
    assert status == 0, errors
    assert "torch==2.9.1+cu126" in output
