"""Several lines as a Poetry project: what is written, read back, and locked by the real Poetry."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from cudalock import toml
from cudalock.cli import main
from cudalock.projects.locks.graph import entries_for
from cudalock.projects.read import read_file
from cudalock.projects.syntax.markers import extras_of, with_extras
from cudalock.targets import Target
from tests.local_index import clean_environment
from tests.recorded import MAIN

if TYPE_CHECKING:
    from cudalock.projects.model import ProjectFile
    from tests.recorded import RecordedIndex

PLATFORMS = ("linux-x86_64", "windows-x86_64", "macos-arm64")
FLAGS = "--platform linux --platform windows --platform macos --python 3.11 --offline"
LINES = f"solve --torch 2.9 --vision --fa2 --cuda cpu --cuda 12.6 {FLAGS} --format poetry"


def run(words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, shlex.split(words))
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def project() -> str:
    status, text, errors = run(LINES)
    assert status == 0, errors
    assert "install: poetry install --extras cu126" in errors
    return text


def pins(file: ProjectFile, line: str, platform: str) -> dict[str, str]:
    """What a project file pins in a line: name to version."""
    environment = {**Target(python="3.11", platform=platform).marker_environment(), "extra": ""}
    wanted = file.wanted_with(f"extra:{line}")
    return {
        each.name: each.version or ""
        for each in file.declared
        if each.group in wanted
        and (each.marker is None or with_extras(each.marker, frozenset({line})) is not None)
        and _holds(each.marker, environment)
    }


def _holds(marker: str | None, environment: dict[str, str]) -> bool:
    from packaging.markers import Marker

    return marker is None or Marker(marker).evaluate(environment)


# -- what is written ------------------------------------------------------------------------------


def test_entries_exclude_one_another(project: str) -> None:
    data = toml.loads(project)
    torch = data["tool"]["poetry"]["dependencies"]["torch"]
    assert torch == [
        {
            "source": "pytorch-cpu",
            "markers": "extra == 'cpu' and extra != 'cu126' and sys_platform != 'darwin'",
        },
        {"markers": "extra == 'cpu' and extra != 'cu126' and sys_platform == 'darwin'"},
        {
            "source": "pytorch-cu126",
            "markers": "extra == 'cu126' and extra != 'cpu' and sys_platform != 'darwin'",
        },
        {"markers": "extra == 'cu126' and extra != 'cpu' and sys_platform == 'darwin'"},
    ]
    assert {s["priority"] for s in data["tool"]["poetry"]["source"]} == {"explicit"}
    # What both lines pin alike needs no entry.
    assert set(data["tool"]["poetry"]["dependencies"]) == {"flash-attn", "torch", "torchvision"}


def test_it_is_read_back(project: str) -> None:
    file = read_file("pyproject.toml", project.encode(), is_content=True)
    assert file.problems == ()
    assert file.conflicts == (frozenset({"extra:cpu", "extra:cu126"}),)
    assert pins(file, "cpu", "linux-x86_64")["torch"] == "2.9.1+cpu"
    assert pins(file, "cu126", "macos-arm64")["torch"] == "2.9.1"
    sent = {
        (each.group, each.index)
        for each in file.declared
        if each.name == "torch" and each.version != "2.9.1"
    }
    root = "https://download.pytorch.org/whl"
    assert sent == {("extra:cpu", f"{root}/cpu"), ("extra:cu126", f"{root}/cu126")}


HAND = """\
[project]
name = "app"
version = "0"
requires-python = ">=3.11"
dependencies = ["rich"]

[project.optional-dependencies]
cpu = ["torch (>=2.7,<3)", "torchvision (>=0.20)"]
gpu = ["torch (==2.9.1)", "torchvision (>=0.20)"]   # ours

[tool.poetry]
package-mode = false

[tool.poetry.dependencies]
torch = [
    { markers = "extra == 'cpu' and extra != 'gpu'", source = "pytorch-cpu" },
    { markers = "extra == 'gpu' and extra != 'cpu'", source = "cuda" },   # and this
]
torchvision = [
    { markers = "extra == 'cpu' and extra != 'gpu'", source = "pytorch-cpu" },
    { markers = "extra == 'gpu' and extra != 'cpu'", source = "cuda" },
]

[[tool.poetry.source]]
name = "pytorch-cpu"
url = "https://download.pytorch.org/whl/cpu"
priority = "explicit"

[[tool.poetry.source]]
name = "cuda"
url = "https://download.pytorch.org/whl/cu126"
priority = "explicit"
"""
LINUX = "--platform linux --python 3.11 --offline"


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "pyproject.toml"
    path.write_text(HAND, encoding="utf-8", newline="\n")
    return path


def test_a_project_is_taken_over(written: Path) -> None:
    """By its own names, and every line of it stays; a second run and `check` find nothing new."""
    words = f"generate {LINUX} -o pyproject.toml -q"
    status, _, errors = run(words)
    assert status == 0, errors
    once = written.read_text(encoding="utf-8")
    lines = once.splitlines()
    kept = [line for line in HAND.splitlines() if not line.startswith(("cpu = [", "gpu = ["))]
    assert [line for line in kept if line not in lines] == []
    extras = toml.loads(once)["project"]["optional-dependencies"]
    assert extras["cpu"][:2] == ["torch (>=2.7,<3)", "torchvision (>=0.20)"]
    assert "torch==2.9.1+cpu" in extras["cpu"]
    assert "torch==2.9.1+cu126" in extras["gpu"]
    assert run(words)[0] == 0
    assert written.read_text(encoding="utf-8") == once
    status, output, errors = run(f"check --fresh pyproject.toml {LINUX}")
    assert status == 0, output + errors
    status, _, errors = run("generate --update -o pyproject.toml --offline")
    assert (status, errors.count("changed in")) == (0, 2)
    assert "changed in gpu: nothing" in errors


def test_each_line_is_judged_on_its_platform(written: Path) -> None:
    """The index of a line has no build for a Mac; the fix is in Poetry's own words."""
    words = "check pyproject.toml --platform macos --python 3.12 --offline"
    status, output, _ = run(words)
    fixed = (
        "{ source = \"cuda\", markers = \"extra == 'gpu' and extra != 'cpu' and"
        " sys_platform != 'darwin'\" }, { markers = \"extra == 'gpu' and extra != 'cpu' and"
        " sys_platform == 'darwin'\" }"
    )
    assert status == 1
    assert f"fix: `torch = [{fixed}]` in [tool.poetry.dependencies]" in " ".join(output.split())
    assert run(f"{words} --fix")[0] == 1
    torch = toml.loads(written.read_text("utf-8"))["tool"]["poetry"]["dependencies"]["torch"]
    assert [entry.get("source") for entry in torch] == ["pytorch-cpu", "cuda", None]
    assert "# and this" in written.read_text("utf-8")
    _, output, _ = run(words)
    assert "sys_platform" not in output


def test_a_line_alone_is_locked(written: Path) -> None:
    status, output, errors = run(f"generate {LINUX} --extra gpu -q")
    assert status == 0, errors
    assert "torch==2.9.1+cu126" in output
    status, _, errors = run(f"generate {LINUX} --extra gpu --extra cpu")
    assert status == 2
    assert "extra cpu and extra gpu are declared to conflict" in errors
    # A contradiction in one line is none of the other's.
    text = HAND.replace('"torchvision (>=0.20)"]   # ours', '"torchvision (==0.20.1)"]')
    written.write_text(text, encoding="utf-8", newline="\n")
    status, output, _ = run(f"check pyproject.toml {LINUX}")
    assert status == 1
    assert output.count("CL201") == 1
    assert "pyproject.toml:9:" in output


OLD = """\
[tool.poetry]
name = "app"
version = "0"
description = ""
authors = []

[tool.poetry.dependencies]
python = "^3.11"
torch = [
  {version="2.5.1+cpu", source="a", markers="extra=='cpu' and extra!='gpu'", optional=true},
  {version="2.5.1+cu124", source="b", markers="extra=='gpu' and extra!='cpu'", optional=true},
]
numpy = { version = "^2", optional = true }

[tool.poetry.extras]
cpu = ["torch", "numpy"]
gpu = ["torch", "numpy"]

[[tool.poetry.source]]
name = "a"
url = "https://download.pytorch.org/whl/cpu"
priority = "explicit"

[[tool.poetry.source]]
name = "b"
url = "https://download.pytorch.org/whl/cu124"
priority = "explicit"
"""
DEFAULT = """\
[project]
name = "app"
version = "0"
requires-python = ">=3.11"
dependencies = ["torch (==2.5.1+cpu); extra != 'gpu'"]
optional-dependencies = { gpu = ["torch (==2.5.1+cu124)"] }

[tool.poetry.dependencies]
torch = [
  { source = "a", markers = "extra != 'gpu'" },
  { source = "b", markers = "extra == 'gpu'" },
]
"""


# https://python-poetry.org/docs/dependency-specification/#exclusive-extras has both markers.
EITHER = """\
[project]
name = "app"
version = "0"
requires-python = ">=3.11"

[project.optional-dependencies]
gpu = ["torch (==2.5.1+cu124) ; extra != 'cpu'"]
cpu = ["torch (==2.5.1+cpu) ; extra != 'gpu'"]

[tool.poetry.dependencies]
torch = [
  { markers = "extra == 'cpu' and extra != 'gpu'", source = "a"},
  { markers = "extra == 'gpu' and extra != 'cpu'", source = "b"},
]
"""
# The lines are Windows's alone; everyone else has the package index's build.
WINDOWS = """\
[project]
name = "app"
version = "0"
requires-python = ">=3.11"
dependencies = ["torch (==2.5.1) ; sys_platform != 'win32'"]

[project.optional-dependencies]
cpu = ["torch (==2.5.1+cpu) ; sys_platform == 'win32'"]
gpu = ["torch (==2.5.1+cu124) ; sys_platform == 'win32'"]

[tool.poetry.dependencies]
torch = [
  { markers = "sys_platform != 'win32'" },
  { markers = "sys_platform == 'win32' and extra == 'cpu' and extra != 'gpu'", source = "a"},
  { markers = "sys_platform == 'win32' and extra == 'gpu' and extra != 'cpu'", source = "b"},
]
"""
GROUPS = """\
[tool.poetry]
name = "app"
version = "0"
description = ""
authors = []

[tool.poetry.dependencies]
python = "^3.11"

[tool.poetry.group.cpu.dependencies]
torch = { version = "2.5.1", source = "a", markers = "extra=='cpu' and extra!='gpu'" }

[tool.poetry.group.gpu.dependencies]
torch = { version = "2.5.1", source = "b", markers = "extra=='gpu' and extra!='cpu'" }
"""
SOURCES = OLD[OLD.index("[[tool") :]
SPELLINGS = [
    ("old", OLD, "--extra cpu", "--extra gpu", "linux"),
    ("default", DEFAULT + SOURCES, "", "--extra gpu", "linux"),
    ("either", EITHER + SOURCES, "--extra cpu", "--extra gpu", "linux"),
    ("windows", WINDOWS + SOURCES, "--extra cpu", "--extra gpu", "windows"),
    ("groups", GROUPS + SOURCES, "--group cpu", "--group gpu", "linux"),
]


@pytest.mark.parametrize(
    ("text", "cpu", "gpu", "platform"),
    [row[1:] for row in SPELLINGS],
    ids=[r[0] for r in SPELLINGS],
)
def test_other_spellings_of_lines(
    text: str, cpu: str, gpu: str, platform: str, written: Path
) -> None:
    """Poetry 1's optional entries and groups, and a line that everyone has without the other."""
    written.write_text(text, encoding="utf-8", newline="\n")
    target = f"--platform {platform} --python 3.11 --offline"
    status, output, errors = run(f"check pyproject.toml {target}")
    assert (status, output) == (0, ""), errors
    for flags, cuda in ((cpu, "no CUDA"), (gpu, "CUDA 12.4.1")):
        status, output, errors = run(f"generate {target} {flags} -q")
        assert status == 0, errors
        assert output.splitlines()[0].endswith(f"Python 3.11, {cuda}")
        assert "torch==2.5.1" in output or "torch-2.5.1%2B" in output
    # Elsewhere a line of Windows alone has nothing to say.
    status, output, errors = run("check pyproject.toml --platform linux --python 3.11 --offline")
    assert (status, output) == (0, ""), errors


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('["rich"]', '["rich", "torch>=2"]', "Poetry would install `torch>=2` with one of the"),
        ('"explicit"\n\n[[', '"supplemental"\n\n[[', 'this source with `priority = "explicit"`'),
        ("[[tool.poetry.source]]", "[tool.poetry.source.x]", "source: it is not a list of tables"),
        ('source = "cuda" }', 'version = "*" }', "its entry for torch is not the lines'"),
    ],
)
def test_what_contradicts_the_lines(old: str, new: str, says: str, written: Path) -> None:
    text = HAND.replace(old, new) if "source.x" not in new else HAND.split(old)[0] + new
    written.write_text(text, encoding="utf-8", newline="\n")
    words = f"solve --torch 2.9 --vision --cuda cpu --cuda 12.6 {LINUX} -o pyproject.toml"
    status, _, errors = run(words)
    assert status == 2
    assert says in errors
    assert written.read_text("utf-8") == text


MAIN_TABLE = "[tool.poetry.dependencies]\nnumpy = '^2'\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (OLD, "tool.poetry: lines need the [project] table that Poetry 2 reads"),
        ("[project]\nname='a'\nversion='0'\n" + MAIN_TABLE, "numpy: beside extras of [project]"),
        (
            "[project]\nname='a'\nversion='0'\ndependencies=[]\n"
            "[tool.poetry.dependencies]\n[tool.poetry.extras]\nx=['numpy']\n",
            "tool.poetry.extras: the lines are extras of [project]",
        ),
    ],
)
def test_a_project_that_poetry_would_read_otherwise(text: str, says: str, written: Path) -> None:
    """Extras in [project] would silence what Poetry's own tables have."""
    written.write_text(text, encoding="utf-8", newline="\n")
    words = f"solve --torch 2.9 --cuda cpu --cuda 12.6 {LINUX} -o pyproject.toml"
    status, _, errors = run(words)
    assert status == 2
    assert says in errors
    assert written.read_text("utf-8") == text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (f"solve --torch 2.9 {LINUX} --format poetry", "the format poetry is for several lines"),
        (f"{LINES} --as groups", "the format poetry has no groups: a line is one of its extras"),
    ],
)
def test_what_the_format_is_not_for(words: str, says: str) -> None:
    status, _, errors = run(words)
    assert status == 2
    assert says in errors


# -- markers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("marker", "extras", "left"),
    [
        (
            "extra == 'a' and extra != 'b' and sys_platform == 'linux'",
            "a",
            "sys_platform == 'linux'",
        ),
        ("extra == 'a' and extra != 'b'", "a b", None),
        ("extra == 'a' and extra != 'b'", "", None),
        ("extra != 'b'", "", ""),
        ("'a' == extra or python_version < '3'", "", "python_version < '3'"),
        (
            "(extra == 'a' or os_name == 'nt') and (python_version < '3' or extra == \"A\")",
            "",
            "os_name == 'nt' and python_version < '3'",
        ),
        (
            "(os_name == 'x' or os_name == ' or ') and extra == 'a'",
            "a",
            "os_name == 'x' or os_name == ' or '",
        ),
        (
            "(os_name == 'x' or os_name == 'y') and extra == 'a' and python_version > '3'",
            "a",
            "(os_name == 'x' or os_name == 'y') and python_version > '3'",
        ),
    ],
)
def test_what_is_left_of_a_marker(marker: str, extras: str, left: str | None) -> None:
    assert with_extras(marker, frozenset(extras.split())) == left
    assert extras_of(marker) <= {"a", "b"}


# -- Poetry ---------------------------------------------------------------------------------------


def poetry() -> str:
    found = shutil.which("poetry")
    if found is None:
        pytest.skip("pip install poetry, 2.0 or newer, in an environment of its own, on PATH")
    return found


@pytest.fixture(scope="module")
def locked(
    project: str, recorded: RecordedIndex, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, str]]:
    """The project as the real Poetry locks it, over the recorded indexes alone."""
    program = poetry()
    folder = tmp_path_factory.mktemp("poetry")
    names = {"CONFIG_DIR": "config", "CACHE_DIR": "cache", "DATA_DIR": "data"}
    environment = {
        **{
            k: v
            for k, v in clean_environment(folder, recorded.url(MAIN)).items()
            if k != "PYTHONPATH"
        },
        **{f"POETRY_{name}": str(folder / value) for name, value in names.items()},
        "POETRY_VIRTUALENVS_CREATE": "false",
    }
    text = recorded.redirected(project)
    # Without it Poetry would ask its own package index.
    text += f'\n[[tool.poetry.source]]\nname = "main"\nurl = "{recorded.url(MAIN)}"\n'
    (folder / "pyproject.toml").write_text(text, encoding="utf-8", newline="\n")
    for words in (["check"], ["lock", "-n"]):
        done = subprocess.run(
            [program, *words],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return folder, environment


needs_311 = pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="Poetry looks for a Python that the lines are for"
)


@needs_311
def test_poetry_locks_each_line_on_each_platform(
    project: str, locked: tuple[Path, dict[str, str]]
) -> None:
    """Pin by pin what the project pins, and one torch for each."""
    file = read_file("pyproject.toml", project.encode(), is_content=True)
    lock = read_file(str(locked[0] / "poetry.lock"))
    assert lock.problems == ()
    for line in ("cpu", "cu126"):
        for platform in PLATFORMS:
            environment = Target(python="3.11", platform=platform).marker_environment()
            entries = entries_for(lock, environment, line)
            found = {each.name: each.version for each in entries}
            assert len(found) == len(entries)
            wanted = pins(file, line, platform)
            assert {name: found.get(name) for name in wanted} == wanted
            cuda = [name for name in found if name.startswith("nvidia-")]
            assert bool(cuda) is (line == "cu126" and platform == "linux-x86_64")
    status, output, errors = run(f"check {locked[0] / 'poetry.lock'} {LINUX}")
    assert (status, output) == (0, ""), errors


@needs_311
@pytest.mark.skipif(sys.platform != "linux", reason="the line is for Linux")
def test_poetry_installs_a_line(locked: tuple[Path, dict[str, str]]) -> None:
    folder, environment = locked
    words = ["install", "-n", "--dry-run", "--extras", "cu126"]
    done = subprocess.run(
        [poetry(), *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    installs = re.findall(r"Installing (\S+) \(([^\s)]+)[^)]*\)$", done.stdout, re.MULTILINE)
    versions = dict(installs)
    assert versions["torch"] == "2.9.1+cu126"
    assert versions["flash-attn"].startswith("2.8.3")
