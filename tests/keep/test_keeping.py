"""`solve --keep`: what an environment lacks, and why something does not fit it."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from cudalock import toml
from cudalock.cli import main
from cudalock.environment import find_layout
from cudalock.goals import Request, read_request
from cudalock.matrix.universe import ClosedUniverse
from cudalock.versions import canonical
from tests.environments import (
    install_lock,
    install_stub,
    lay_out,
    make_venv_with_pip,
    pretend,
    solved,
)
from tests.files import write
from tests.local_index import LocalIndex, build_wheel, clean_environment
from tests.paths import CASES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from click.testing import Result

    from cudalock.matrix.matrix import Matrix

KEPT = toml.loads((CASES / "keeping.toml").read_text(encoding="utf-8"))["case"]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch)


def solve(*words: object) -> Result:
    return CliRunner().invoke(main, ["solve", *map(str, words)])


def pins(text: str) -> list[str]:
    return [line.rstrip(" \\") for line in text.splitlines() if re.match(r"[a-z]", line)]


def cases(*, listed: bool) -> list[Any]:
    """Those that the package index has a part in, or the others."""
    return [
        pytest.param(case, id=case["name"]) for case in KEPT if case.get("listed", False) is listed
    ]


@pytest.mark.network
@pytest.mark.usefixtures("network_environment", "machine")
@pytest.mark.parametrize("case", cases(listed=True))
def test_what_an_environment_lacks_of_what_is_listed(
    case: dict[str, Any], tmp_path: Path, matrix: Matrix
) -> None:
    test_what_an_environment_lacks(case, tmp_path, matrix)


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("case", cases(listed=False))
def test_what_an_environment_lacks(case: dict[str, Any], tmp_path: Path, matrix: Matrix) -> None:
    lay_out(case, tmp_path, matrix)
    flags = case.get("flags", ())
    result = solve("--python", tmp_path, "--keep", case["keep"], *case["goal"], *flags)
    if "refused" in case:
        assert result.exit_code in (1, 2)
        for line in case["refused"]:
            assert line in result.stderr
        return
    assert result.exit_code == 0, result.stderr
    assert sorted(pins(result.stdout)) == sorted(case["pins"])
    for line in case.get("notes", ()):
        assert line in result.stderr.splitlines()
    for words in case.get("told", ()):
        assert words in result.stderr


@pytest.mark.usefixtures("machine")
def test_the_command_makes_it_again_and_the_other_installs_it(
    tmp_path: Path, matrix: Matrix
) -> None:
    lay_out({"words": "torch 2.6.0"}, tmp_path, matrix)
    words = ["--python", tmp_path, "--keep", "all", "--xformers", "--gpu", "8.9"]
    first = solve(*words)
    again = re.search(r"^# command: cudalock solve (.*)$", first.stdout, re.MULTILINE)
    assert again is not None
    assert again[1] == f"--xformers --python {tmp_path.as_posix()} --keep all --gpu 8.9"
    assert solve(*again[1].split()).stdout == first.stdout
    assert "pip install --no-deps --require-hashes -r requirements.txt" in first.stderr


@pytest.mark.usefixtures("machine")
def test_a_path_with_an_accent(tmp_path: Path, matrix: Matrix) -> None:
    """As many a user's folder has: another spelling is another folder."""
    prefix = tmp_path / "Jos\u00e9  x"
    lay_out({"words": "torch 2.6.0"}, prefix, matrix)
    result = solve("--python", prefix, "--keep", "all", "--xformers")
    assert (
        f'# command: cudalock solve --xformers --python "{prefix.as_posix()}" --keep all'
        in result.stdout
    )
    assert "install: " in result.stderr
    other = solve("--python", prefix, "--keep", "torch", "triton==2.0")
    assert str(prefix) in other.stderr


def test_a_path_with_a_space_on_windows(tmp_path: Path, matrix: Matrix) -> None:
    prefix = tmp_path / "Comfy UI" / "python_embeded"
    packages = lay_out({"words": "torch 2.6.0", "platform": "windows"}, prefix, matrix)
    install_stub(packages, "pip", "25.0")
    write(prefix / "python.exe", "")
    told = solve("--python", prefix.parent, "--keep", "all", "torchvision").stderr
    assert "note: in PowerShell the install command needs `&` and a space before it" in told
    assert f', then "{prefix / "python.exe"}" -m pip install' in told


@pytest.mark.usefixtures("machine")
def test_a_hook_does_not_look_for_the_environment(tmp_path: Path, matrix: Matrix) -> None:
    lay_out({"words": "torch 2.6.0"}, tmp_path / "env", matrix)
    file = tmp_path / "requirements.txt"
    assert solve("--python", tmp_path / "env", "--keep", "all", "--fa2", "-o", file).exit_code == 0
    result = CliRunner().invoke(main, ["check", "--fresh", str(file)])
    assert result.exit_code == 0
    assert "made for what is there" in result.stderr


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--platform", "linux"), "uses the platform of the environment"),
        (("--python", "3.11"), "there is none at `3.11`"),
        (("--format", "uv"), "`uv` describes a whole environment"),
    ],
)
def test_what_does_not_go_with_keep(
    tmp_path: Path, matrix: Matrix, words: tuple[str, ...], message: str
) -> None:
    lay_out({"words": "torch 2.6.0"}, tmp_path, matrix)
    named = () if "--python" in words else ("--python", tmp_path)
    result = solve("--keep", "all", "--fa2", *named, *words)
    assert result.exit_code == 2
    assert message in result.stderr


def run(
    command: list[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=dict(environment), capture_output=True, text=True, check=False
    )


def test_pip_installs_what_is_new_and_nothing_else(tmp_path: Path, matrix: Matrix) -> None:
    """A real environment and the real pip, on an index of small wheels."""
    prefix = tmp_path / "env"
    make_venv_with_pip(prefix)
    layout = find_layout(prefix)
    goal, _ = read_request(
        Request(words=("torch latest",), python=(layout.python,)), ClosedUniverse(matrix)
    )
    folder = layout.site_packages[0]
    install_lock(folder, solved(goal, layout.target, matrix), matrix)
    before = {path.name for path in folder.glob("*.dist-info")}

    file = tmp_path / "requirements.txt"
    result = solve(
        "--python", prefix, "--keep", "all", "bitsandbytes", "-o", file, "--hashes", "off"
    )
    said = result.stderr.rpartition("install: ")[2]
    command = shlex.split(said, posix=sys.platform != "win32")
    assert command[:4] == [str(layout.interpreter), "-m", "pip", "install"]
    with LocalIndex() as index:
        for pin in pins(file.read_text()):
            name, _, version = pin.partition("==")
            index.add("/main/simple/", build_wheel(name, version))
        environment = clean_environment(tmp_path, index.url("/main/simple/"))
        done = run(command, tmp_path, environment)
    assert done.returncode == 0, done.stderr

    new = {path.name for path in folder.glob("*.dist-info")} - before
    wanted = {canonical(pin.partition("==")[0]) for pin in pins(file.read_text())}
    assert {canonical(name.partition("-")[0]) for name in new} == wanted
    check = run([*command[:3], "check"], tmp_path, environment)
    assert check.returncode == 0, check.stdout
    assert CliRunner().invoke(main, ["doctor", "--python", str(prefix)]).exit_code == 0
