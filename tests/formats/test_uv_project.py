"""pyproject.toml and uv.lock: what they say, and that the real uv takes them as they are.

Locks of the embedded matrix go to uv by way of the recorded indexes; whatever is edited in place
is compared line by line with what was there.
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import signal
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from packaging.requirements import Requirement
from uv import find_uv_bin

from cudalock import toml
from cudalock.cli import main
from cudalock.errors import BadFile, LockDiffers
from cudalock.formats import WriteOptions, format_of
from cudalock.formats.python_ranges import requires_python
from cudalock.formats.uv import lock as uv_lock
from cudalock.formats.uv import plan as uv_plan
from cudalock.formats.uv import project as uv_project
from cudalock.formats.uv.toml_lists import edited
from cudalock.lock import Lock, ReplacedRequirement
from cudalock.projects.locks.graph import entries_for
from cudalock.projects.read import read_file
from cudalock.targets import Target
from cudalock.urls import file_of
from tests.conftest import STOPS
from tests.consumers import uv
from tests.local_index import build_wheel, run_tool
from tests.recorded import MAIN, RecordedIndex
from tests.sample_locks import CU124, lock, pin

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
LINUX = "linux"
BOTH = f"--torch 2.5.1 --fa2 --python 3.11 --python 3.12 --platform {LINUX} --platform windows"
GOALS = [
    f"--torch 2.5.1 --python 3.11 --platform {LINUX}",
    BOTH,
    f"--torch 2.5.1 --cuda cpu --python 3.11 --platform {LINUX}",
    f"--torch 2.5.1 --cuda 12.1 --vision --python 3.11 --platform {LINUX}",
    "--torch 2.9 --python 3.11 --platform linux-aarch64",
    "--toolkit 12.4.1:cudart,nvcc,cublas --platform windows --python 3.11",
    f"--torch 2.5.1 --fa2 --builders official --python 3.11 --platform {LINUX}",
    f"--torch 2.5.1 --xformers --cuda 12.4 --python 3.11 --platform {LINUX} --platform windows",
    f"--torch 2.5.1 --cuda cpu --python 3.11 --platform {LINUX} --platform macos",
    f"unsloth==2024.11.6 --torch 2.5.1 --python 3.11 --platform {LINUX} --platform windows",
    f"--torch 2.7.1 --vision --python 3.11 --platform {LINUX} --platform linux-aarch64 "
    "--platform windows",
    # Of cuDNN 9.1 the wheel for Windows alone requires nvrtc.
    f"--cudnn 9.1 --toolkit 12.4.1:cudart --platform {LINUX} --platform windows --python 3.11",
    f"--torch 2.5.1 --cuda 12.1 --urls --python 3.11 --platform {LINUX}",
]
UV_PLATFORMS = {
    "linux-x86_64": "x86_64-manylinux_2_28",
    "linux-aarch64": "aarch64-manylinux_2_28",
    "windows-x86_64": "x86_64-pc-windows-msvc",
    "macos-arm64": "aarch64-apple-darwin",
}
needs_311 = pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="uv looks for a Python that the lock is for"
)


@cache
def solved(words: str, *more: str) -> str:
    result = CliRunner().invoke(main, ["solve", *shlex.split(words), *more, "--offline", "-q"])
    assert result.exit_code == 0, result.output
    return result.stdout


def targets(words: str) -> list[Target]:
    """The targets of a command: platforms by Pythons."""
    said = shlex.split(words)
    values = {
        flag: [said[at + 1] for at, word in enumerate(said) if word == flag]
        for flag in ("--python", "--platform")
    }
    names = {"linux": "linux-x86_64", "windows": "windows-x86_64", "macos": "macos-arm64"}
    return [
        Target(python=python, platform=names.get(platform, platform))
        for platform in values["--platform"]
        for python in values["--python"]
    ]


def stated(entries: list[str], target: Target) -> dict[str, str]:
    """The pins among requirement strings that hold on a target."""
    environment = {**target.marker_environment(), "extra": ""}
    found: dict[str, str] = {}
    for entry in entries:
        requirement = Requirement(entry)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            assert requirement.name not in found
            version = requirement.url or str(requirement.specifier).removeprefix("==")
            found[requirement.name] = version.rpartition("/")[2].replace("%2B", "+")
    return found


def project_pins(text: str, target: Target) -> dict[str, str]:
    """What a pyproject.toml pins on a target: name to version, or to the file of an address."""
    data = toml.loads(text)
    uv = data["tool"]["uv"]
    pins = stated(data["project"]["dependencies"] + uv.get("constraint-dependencies", []), target)
    environment = target.marker_environment()
    for name, source in uv.get("sources", {}).items():
        for each in source if isinstance(source, list) else [source]:
            marker = each.get("marker")
            holds = marker is None or Requirement(f"x; {marker}").marker.evaluate(environment)  # type: ignore[union-attr]
            if holds and "url" in each:
                pins[name] = each["url"].rpartition("/")[2].replace("%2B", "+")
    return pins


def requirements_pins(text: str, target: Target) -> dict[str, str]:
    lines = [line.rstrip(" \\") for line in text.splitlines()]
    return stated([line for line in lines if re.match(r"[a-z0-9]", line)], target)


def version_of(pinned: str) -> str:
    """Of a version, or of a wheel's file name."""
    return pinned.split("-")[1] if pinned.endswith(".whl") else pinned


def uv_pins(text: str, target: Target) -> dict[str, str]:
    """What a uv.lock has for a target: the version, of an address that of the file."""
    file = read_file("-", text.encode(), kind="uv-lock")
    assert file.problems == ()
    entries = entries_for(file, target.marker_environment())
    return {e.name: version_of(file_of(e.url) if e.url else e.version or "") for e in entries}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


# What the real uv makes of it.


@needs_311
@pytest.mark.parametrize("words", GOALS)
def test_uv_locks_the_project(
    words: str, recorded: RecordedIndex, uv_environment: Mapping[str, str], folder: Path
) -> None:
    text = solved(words, "--format", "uv")
    (folder / "pyproject.toml").write_text(recorded.redirected(text), newline="\n")
    uv(folder, uv_environment, "lock")
    uv(folder, uv_environment, "lock", "--check")
    locked = (folder / "uv.lock").read_text()
    for target in targets(words):
        # More than the project names: some pins the metadata of others holds.
        pins = requirements_pins(solved(words), target)
        pins = {name: version_of(pin) for name, pin in pins.items()}
        assert {name: pin.partition("+")[0] for name, pin in uv_pins(locked, target).items()} == {
            name: pin.partition("+")[0] for name, pin in pins.items()
        }
    # uv installs for the machine it runs on.
    here = f"{sys.platform}-x86_64" in {target.platform for target in targets(words)}
    if here and platform.machine() == "x86_64":
        shown = uv(folder, uv_environment, "sync", "--frozen", "--dry-run")
        expected = uv_pins(locked, targets(words)[0])
        installed = dict(re.findall(r"^ \+ ([a-z0-9-]+)==(\S+)", shown, re.MULTILINE))
        # Of an address uv shows the file's version, which METADATA may not have.
        public = {name: version.partition("+")[0] for name, version in installed.items()}
        assert public == {name: version.partition("+")[0] for name, version in expected.items()}
        assert installed.get("torch") == expected.get("torch")


@pytest.mark.parametrize("words", GOALS)
def test_the_pins_are_those_of_requirements(words: str) -> None:
    project, requirements = solved(words, "--format", "uv"), solved(words)
    for target in targets(words):
        here = project_pins(project, target)
        there = requirements_pins(requirements, target)
        assert set(here) <= set(there)
        for name in here:
            if here[name].endswith(".whl") == there[name].endswith(".whl"):
                assert here[name] == there[name]
            else:  # a wheel of another index: by its name there, by its address here
                assert version_of(here[name]) == version_of(there[name])


def test_what_a_machine_outside_the_targets_gets(
    recorded: RecordedIndex, uv_environment: Mapping[str, str], folder: Path
) -> None:
    """Nothing at all: else uv would fill the gap from the default index."""
    text = solved(
        f"--toolkit 12.4.1:cudart --platform linux-aarch64 --python {HERE}", "--format", "uv"
    )
    (folder / "pyproject.toml").write_text(recorded.redirected(text), newline="\n")
    uv(folder, uv_environment, "lock")
    done = run_tool(["uv", "sync", "--frozen", "--dry-run"], folder, uv_environment)
    # uv breaks its lines.
    said = " ".join(done.stderr.split())
    assert "not compatible with the lockfile's supported environments" in said


# uv.lock.


@pytest.fixture
def with_uv(monkeypatch: pytest.MonkeyPatch, uv_environment: Mapping[str, str]) -> None:
    for name in [name for name in os.environ if name.startswith("UV_")]:
        monkeypatch.delenv(name)
    for name, value in uv_environment.items():
        if name.startswith(("UV_", "NO_PROXY", "no_proxy")):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{Path(find_uv_bin()).parent}{os.pathsep}{os.environ['PATH']}")


BACKEND = """\
import pathlib, tomllib

def prepare_metadata_for_build_wheel(folder, settings=None):
    there = pathlib.Path(folder, "a-1.dist-info")
    there.mkdir()
    project = tomllib.loads(pathlib.Path("pyproject.toml").read_text())["project"]
    lines = [f"Requires-Dist: {each}" for each in project["dependencies"]]
    lines = ["Metadata-Version: 2.1", "Name: a", "Version: 1", "Requires-Python: >=3.9", *lines]
    (there / "METADATA").write_text("\\n".join(lines))
    return there.name

prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel

def build_wheel(folder, settings=None, metadata=None):
    raise NotImplementedError

build_editable = build_wheel
"""
"""A project's own build, which makes its version."""

SMALL = f"--toolkit 12.4.1:cudart,cublas --platform {LINUX} --python {HERE}"


def solve(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["solve", *words])
    return result.exit_code, result.output


@pytest.mark.usefixtures("with_uv")
def test_uv_lock_is_up_to_date_beside_its_project(
    folder: Path, uv_environment: Mapping[str, str]
) -> None:
    for file in ("pyproject.toml", "uv.lock"):
        status, output = solve(*shlex.split(SMALL), "-o", str(folder / file))
        assert status == 0, output
    uv(folder, uv_environment, "lock", "--check")
    assert (
        solve(*shlex.split(SMALL), "--format", "uv-lock", "-q")[1]
        == (folder / "uv.lock").read_text()
    )


@needs_311
@pytest.mark.usefixtures("with_uv")
@pytest.mark.parametrize("words", [BOTH, GOALS[6], GOALS[7], GOALS[-1]])
def test_uv_lock_has_the_pins_of_the_lock(
    words: str, recorded: RecordedIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be refused otherwise. Only the addresses are moved on the way to uv."""
    render = uv_project.render
    monkeypatch.setattr(
        uv_project, "render", lambda lock, options: recorded.redirected(render(lock, options))
    )
    status, output = solve(*shlex.split(words), "--format", "uv-lock", "-q")
    assert status == 0, output
    for target in targets(words):
        pins = requirements_pins(solved(words), target)
        assert uv_pins(output, target) == {name: version_of(pin) for name, pin in pins.items()}


@pytest.mark.usefixtures("with_uv")
def test_settings_of_uv_beside_the_project(
    folder: Path, recorded: RecordedIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uv has its indexes from there, and the pins from the project as ever."""
    index = recorded.url(MAIN)
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    (folder / "uv.toml").write_text(f'index-url = "{index}"\n')
    for file in ("pyproject.toml", "uv.lock"):
        status, output = solve(*shlex.split(SMALL), "-o", str(folder / file))
        assert status == 0, output
        assert f"note: `{folder / 'uv.toml'}` makes uv warn" in output
    assert f'registry = "{index}"' in (folder / "uv.lock").read_text()
    before = (folder / "pyproject.toml").read_bytes()
    status, output = solve(
        *shlex.split(SMALL), "--index-url", index, "-o", str(folder / "pyproject.toml")
    )
    assert (status, (folder / "pyproject.toml").read_bytes()) == (2, before)
    assert f"`{folder / 'uv.toml'}`: uv reads its indexes from this file" in output


@needs_311
@pytest.mark.usefixtures("with_uv")
def test_uv_lock_of_a_package_that_is_there(
    folder: Path, uv_environment: Mapping[str, str]
) -> None:
    """What it depends on otherwise is uv's to choose, and a version made by a build is not made."""
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "a"\ndynamic = ["version"]\nreadme = "README.md"\n'
        'requires-python = ">=3.9"\ndependencies = ["mpmath>=1.2"]\n'
    )
    for file in ("pyproject.toml", "uv.lock"):
        status, output = solve(*shlex.split(SMALL), "-o", str(folder / file))
        assert status == 0, output
    (folder / "backend.py").write_text(BACKEND)
    uv(folder, uv_environment, "lock", "--check")
    assert 'name = "mpmath"' in (folder / "uv.lock").read_text()


@pytest.mark.usefixtures("with_uv")
def test_uv_lock_belongs_to_the_project_beside_it(folder: Path) -> None:
    (folder / "pyproject.toml").write_text('[project]\nname = "a"\nversion = "1"\n')
    status, output = solve(*shlex.split(SMALL), "-o", str(folder / "uv.lock"))
    assert status == 2
    assert "does not contain this lock" in output
    assert f"-o {folder / 'pyproject.toml'}" in output
    assert not (folder / "uv.lock").exists()


@pytest.mark.usefixtures("with_uv")
def test_uv_lock_of_a_project_with_a_path(folder: Path) -> None:
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "a"\nversion = "1"\ndependencies = ["lib"]\n'
        '[tool.uv.sources]\nlib = { path = "lib" }\n'
    )
    assert solve(*shlex.split(SMALL), "-o", str(folder / "pyproject.toml"))[0] == 0
    status, output = solve(*shlex.split(SMALL), "-o", str(folder / "uv.lock"))
    assert status == 2
    assert f"`{folder / 'pyproject.toml'}` refers to files beside it" in output
    assert not (folder / "uv.lock").exists()


@pytest.mark.usefixtures("with_uv")
def test_uv_lock_offline_needs_a_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(folder / "empty"))
    status, output = solve(*shlex.split(SMALL), "--format", "uv-lock", "--offline")
    assert status == 3
    assert "`uv lock` could not reach what it needs: error: " in output


def test_uv_lock_needs_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    status, output = solve(*shlex.split(SMALL), "--format", "uv-lock")
    assert status == 2
    assert "pip install uv" in output


@needs_311
@pytest.mark.usefixtures("with_uv")
def test_a_difference_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    text = uv_lock.render(lock(pin(build_wheel("mpmath", "1.3.0"))))
    other = text.replace('version = "1.3.0"', 'version = "1.2.1"')
    monkeypatch.setattr(uv_lock, "_run_uv", lambda *_: other)
    with pytest.raises(LockDiffers) as caught:
        uv_lock.render(lock(pin(build_wheel("mpmath", "1.3.0"))))
    assert caught.value.differences == (
        "mpmath on Linux x86_64, Python 3.11: 1.3.0 in the lock, 1.2.1 in uv's",
    )
    assert caught.value.exit_status == 1


# The parts of a new file.


def many(*places: tuple[str, str]) -> list[Target]:
    return [Target(python=python, platform=platform) for python, platform in places]


def test_environments_are_the_targets_and_no_more() -> None:
    found = uv_plan.environments(
        many(("3.11", "linux-x86_64"), ("3.12", "linux-x86_64"), ("3.12", "windows-x86_64"))
    )
    assert found == [
        "sys_platform == 'linux' and platform_machine == 'x86_64'"
        " and python_full_version >= '3.11' and python_full_version < '3.13'",
        "sys_platform == 'win32' and platform_machine == 'AMD64'"
        " and python_full_version >= '3.12' and python_full_version < '3.13'",
    ]


@pytest.mark.parametrize(
    ("pythons", "expected"),
    [
        (["3.11"], ">=3.11,<3.12"),
        (["3.13", "3.11"], ">=3.11,<3.14,!=3.12.*"),
        (["3.12.4"], ">=3.12.4,<3.13"),
        (["3.9", "3.10", "3.11"], ">=3.9,<3.12"),
    ],
)
def test_requires_python_covers_the_targets_exactly(pythons: list[str], expected: str) -> None:
    assert requires_python(many(*((p, "linux-x86_64") for p in pythons))) == expected


def stack(torch: str = "2.5.1+cu124", **changes: object) -> Lock:
    """torch from its own index, and what it needs from the package index."""
    return lock(
        pin(build_wheel("numpy", "2.1.3"), via=("torch",)),
        pin(build_wheel("torch", torch), index="cu124", url=f"{CU124.url}/torch.whl"),
        indexes=(CU124,),
        **changes,
    )


def test_a_replaced_requirement_is_overridden() -> None:
    changed = stack(replacements=(ReplacedRequirement("unsloth", "triton", "numpy", "a-fact"),))
    uv = toml.loads(uv_project.render(changed, WriteOptions()))["tool"]["uv"]
    assert uv["override-dependencies"] == ["triton; python_version < '0'"]
    held = stack(replacements=(ReplacedRequirement("torch", "numpy", None, "a-fact"),))
    uv = toml.loads(uv_project.render(held, WriteOptions()))["tool"]["uv"]
    assert uv["override-dependencies"] == ["numpy==2.1.3"]


def test_given_indexes_are_named_without_credentials() -> None:
    options = WriteOptions(
        index_url="https://me:secret@mirror.example/simple",
        extra_index_urls=("https://more.example/simple",),
    )
    text = uv_project.render(stack(), options)
    assert "secret" not in text
    assert toml.loads(text)["tool"]["uv"]["index"] == [
        {"name": "pytorch-cu124", "url": CU124.url, "explicit": True},
        {"name": "package-index", "url": "https://mirror.example/simple", "default": True},
        {"name": "extra-1", "url": "https://more.example/simple"},
    ]


# In place.

PLAIN = """\
# The service's project.
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "service"   # as on the dashboard
version = "1.4.0"
requires-python = ">=3.9"
dependencies = [
    # web
    "fastapi>=0.110",     # keep below 1.0
    'torch[opt] >=2.4',   # the framework
    "uvicorn[standard]",
]

[project.optional-dependencies]
dev = ["pytest"]

[tool.ruff]
line-length = 120

[tool.ruff.lint]
select = [ "E", "F",
           "I" ]

# The last word.
"""
DOTTED = """\
project.name = "dotted"
project.version = "0.1"
project.dependencies = ["torch", "rich"]
tool.black.line-length = 88

[tool.uv]
package = false   # a folder of scripts
dev-dependencies = ["ruff"]
constraint-dependencies = ["rich<14"]

[[tool.uv.index]]
name = "corp"
url = "https://corp.example/simple"
explicit = true

[tool.uv.sources]
rich = { index = "corp" }

[tool.pyright]
strict = ["src"]
"""
SPLIT = """\
[project]
name = "split"
version = "0"
readme = { file = "README.md", content-type = "text/markdown" }
authors = [{ name = "A", email = "a@example.org" }]
dependencies = []

[tool.pytest.ini_options]
addopts = '''
  -ra
'''

[project.scripts]
go = "split:main"

[tool.uv.sources]
other = { git = "https://example.org/other" }

[dependency-groups]
dev = ["pytest", { include-group = "lint" }]
lint = ["ruff"]

[tool.uv]
default-groups = ["dev"]
# end
"""
FILES = {
    "plain": PLAIN,
    "dotted": DOTTED,
    "split": SPLIT,
    "crlf": PLAIN.replace("\n", "\r\n"),
    "mark": "\ufeff" + DOTTED,
    "bare": "[tool.ruff]\nline-length = 100",
    "empty": "",
}


@pytest.mark.parametrize("name", FILES)
def test_an_edit_keeps_what_is_there(name: str) -> None:
    before = FILES[name]
    after = uv_project.edit(before, stack(), WriteOptions())
    lost = [line for line in before.splitlines(keepends=True) if line not in after]
    assert [line for line in lost if "dependencies" not in line] in (
        [],
        before.splitlines(keepends=True)[-1:],
    )
    assert ("\r" in after) is ("\r" in before)
    assert not ("\r" in before and re.search(r"(?<!\r)\n", after))
    data = toml.loads(after.removeprefix("\ufeff"))
    constraints = data["tool"]["uv"]["constraint-dependencies"]
    assert "torch==2.5.1+cu124" in [*data["project"]["dependencies"], *constraints]
    assert ("torch==2.5.1+cu124" in constraints) is ("torch" in before)
    assert data["tool"]["uv"]["sources"]["torch"] == {"index": "pytorch-cu124"}


@pytest.mark.parametrize("name", FILES)
def test_a_second_run_changes_nothing(name: str) -> None:
    once = uv_project.edit(FILES[name], stack(), WriteOptions())
    assert uv_project.edit(once, stack(), WriteOptions()) == once


@pytest.mark.parametrize("name", FILES)
def test_another_lock_takes_the_place_of_the_first(name: str) -> None:
    """There and back, it is the first again: what a run wrote, the next one may change."""
    first = uv_project.edit(FILES[name], stack(), WriteOptions())
    second = uv_project.edit(first, stack("2.6.0+cu124"), WriteOptions())
    assert "2.6.0+cu124" in second
    assert "2.5.1" not in second.replace(stack().command, "")
    assert uv_project.edit(second, stack(), WriteOptions()) == first


@pytest.mark.parametrize("name", FILES)
def test_a_source_that_is_wanted_no_more_is_taken_away(name: str) -> None:
    """Else torch would come from the index of a build that is pinned no longer."""
    numpy, torch = stack("2.5.1").pins
    torch = replace(torch, wheel=replace(torch.wheel, index="pypi", url=None))
    plain = replace(stack(), pins=(numpy, torch), indexes=())
    once = uv_project.edit(FILES[name], stack(), WriteOptions())
    after = uv_project.edit(once, plain, WriteOptions())
    assert "torch" not in toml.loads(after.removeprefix("\ufeff"))["tool"]["uv"]["sources"]
    assert uv_project.edit(after, plain, WriteOptions()) == after
    assert uv_project.edit(after, stack(), WriteOptions()) == once


@pytest.mark.parametrize("own", ["numpy<3", "numpy>=2.1.3", "numpy<=2.1.3"])
def test_constraints_of_ones_own_stay(own: str) -> None:
    """Beside those of the lock, also where they name a version that it pins."""
    before = f"{PLAIN}\n[tool.uv]\nconstraint-dependencies = ['{own}']\n"
    once = uv_project.edit(before, stack(), WriteOptions())
    after = uv_project.edit(once, stack("2.6.0+cu124"), WriteOptions())
    for text in (once, after):
        found = toml.loads(text)["tool"]["uv"]["constraint-dependencies"]
        assert found[0] == own
        assert [each.partition("==")[0] for each in found[1:]] == ["numpy", "torch"]


def test_an_index_joins_those_that_are_there() -> None:
    other = uv_project.edit(DOTTED, stack(), WriteOptions())
    cpu_url = "https://download.pytorch.org/whl/cpu"
    moved = replace(CU124, id="cpu", url=cpu_url, uv_name="pytorch-cpu")
    numpy, torch = stack("2.6.0+cpu").pins
    torch = replace(torch, wheel=replace(torch.wheel, index="cpu"))
    cpu = replace(stack(), pins=(numpy, torch), indexes=(moved,))
    after = uv_project.edit(other, cpu, WriteOptions())
    assert uv_project.edit(after, cpu, WriteOptions()) == after
    names = [index["name"] for index in toml.loads(after)["tool"]["uv"]["index"]]
    assert names == ["corp", "pytorch-cu124", "pytorch-cpu"]


def test_the_block_is_small() -> None:
    """Its user reads the file more often than cudalock does."""
    text = solved(
        "--torch 2.9 --vision --audio --xformers --platform linux --python 3.11", "--format", "uv"
    )
    block = [line for line in text.splitlines() if line.startswith("# cudalock:")]
    assert len(block) < 8
    uv = toml.loads(text)["tool"]["uv"]
    assert not [pin for pin in uv["constraint-dependencies"] if pin.startswith("nvidia-")]


def test_what_an_older_version_wrote_is_its_own() -> None:
    """It made dependencies exact, and named every pin in the block."""
    older = (
        '[project]\nname = "a"\nversion = "0"\ndependencies = ["torch==2.4.0+cu124"]\n\n'
        "# cudalock: command: cudalock solve --torch 2.4.0\n"
        "# cudalock: pins: numpy==2.0.0 torch==2.4.0+cu124\n"
        "[tool.uv]\nconstraint-dependencies = ['numpy==2.0.0', 'rich<14']\n"
    )
    after = toml.loads(uv_project.edit(older, stack(), WriteOptions()))
    assert after["project"]["dependencies"] == ["torch==2.5.1+cu124"]
    assert after["tool"]["uv"]["constraint-dependencies"] == ["numpy==2.1.3", "rich<14"]


def test_the_lines_of_a_list_stay() -> None:
    after = uv_project.edit(PLAIN, stack(), WriteOptions())
    assert (
        """\
dependencies = [
    # web
    "fastapi>=0.110",     # keep below 1.0
    'torch[opt] >=2.4',   # the framework
    "uvicorn[standard]",
]
"""
        in after
    )


@pytest.mark.parametrize(
    ("text", "changes", "more", "expected"),
    [
        ("[]", [], ["a"], '[\n    "a",\n]'),
        ('["a"]', [None], ["b"], '["a", "b"]'),
        ('["a"]', [[]], [], "[]"),
        ("['a', 'b']", [["c"], None], [], "[\"c\", 'b']"),
        (
            '[\n  "a", # x\n  "b" # y\n]',
            [None, None],
            ["c"],
            '[\n  "a", # x\n  "b", # y\n  "c",\n]',
        ),
        ('[\n  "a", # x\n  "b" # y\n]', [[], None], [], '[\n  "b" # y\n]'),
        ('[\n  # none, ["yet"]\n]', [], ["c"], '[\n  # none, ["yet"]\n    "c",\n]'),
        ('["a",\n "b"]', [None, None], ["c"], '["a",\n "b",\n "c",\n]'),
        ('["a",\n "b"]', [None, []], [], '["a",\n ]'),
        ('[\n  "a",\n]', [["b", "c"]], [], '[\n  "b",\n  "c",\n]'),
    ],
)
def test_lists(text: str, changes: list[list[str] | None], more: list[str], expected: str) -> None:
    assert edited(text, changes, more) == expected
    toml.loads(f"x = {expected}")


# What is refused.

PROJECT = '[project]\nname = "a"\nversion = "0"\n'
INDEX = "[[tool.uv.index]]\n"
REFUSED = {
    "not TOML": ("[project\n", "is not valid TOML"),
    "another pin": (f'{PROJECT}dependencies = ["torch==2.4.0"]\n', "project.dependencies: "),
    "an address": (
        f'{PROJECT}dependencies = ["torch @ https://x.example/torch.whl"]\n',
        "project.dependencies: ",
    ),
    "a transitive pin": (f'{PROJECT}dependencies = ["numpy<2"]\n', "project.dependencies: "),
    "an extra": (
        f'{PROJECT}[project.optional-dependencies]\ngpu = ["torch==2.4.0"]\n',
        "project.optional-dependencies.gpu: ",
    ),
    "a group": (f'{PROJECT}[dependency-groups]\ngpu = ["torch<2.5"]\n', "dependency-groups.gpu: "),
    "a constraint": (
        f'{PROJECT}[tool.uv]\nconstraint-dependencies = ["numpy<2"]\n',
        "tool.uv.constraint-dependencies: ",
    ),
    "a source": (
        f'{PROJECT}[tool.uv.sources]\ntorch = {{ index = "x" }}\n',
        "tool.uv.sources.torch: ",
    ),
    "a source of a transitive pin": (
        f'{PROJECT}[tool.uv.sources]\nNumPy = {{ git = "https://x.example" }}\n',
        "tool.uv.sources.NumPy: ",
    ),
    "environments": (
        f"{PROJECT}[tool.uv]\nenvironments = [\"sys_platform == 'darwin'\"]\n",
        "tool.uv.environments: ",
    ),
    "a Python": (f'{PROJECT}requires-python = ">=3.12"\n', "project.requires-python: "),
    "an open index": (f'{PROJECT}{INDEX}name = "x"\nurl = "{CU124.url}"\n', "tool.uv.index[0]: "),
    "an index's name": (
        f'{PROJECT}{INDEX}name = "pytorch-cu124"\nurl = "https://x.example"\n',
        "tool.uv.index[0]: ",
    ),
    "made dependencies": (f'{PROJECT}dynamic = ["dependencies"]\n', "project.dynamic: "),
    "poetry": ('[tool.poetry]\nname = "a"\n', "tool.poetry: "),
    "no list": (f'{PROJECT}dependencies = "torch"\n', "project.dependencies: "),
    "tables apart": (
        f'{PROJECT}{INDEX}name = "a"\nurl = "https://x.example/a"\n[tool.uv.sources]\n'
        f'x = {{ index = "a" }}\n{INDEX}name = "b"\nurl = "https://x.example/b"\n',
        "tool.uv: ",
    ),
    "an inline table": (f"{PROJECT}[tool]\nuv = {{ package = false }}\n", "tool.uv: "),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    text, expected = REFUSED[name]
    with pytest.raises(BadFile) as caught:
        uv_project.edit(text, stack(), WriteOptions(filename="pyproject.toml"))
    assert expected in caught.value.message
    assert "`pyproject.toml`" in caught.value.message


@pytest.mark.parametrize(
    "entry",
    ["torch>=2.4", "torch==2.5.1", "torch==2.4.0; sys_platform == 'darwin'", "rich==13.0.0"],
)
def test_what_is_not_refused(entry: str) -> None:
    text = f'{PROJECT}dependencies = ["{entry}"]\n'
    after = toml.loads(uv_project.edit(text, stack(), WriteOptions()))
    there = after["project"]["dependencies"]
    assert there[0] == entry
    is_enough = entry in ("torch>=2.4", "torch==2.5.1")
    assert ("torch==2.5.1+cu124" in there) is not is_enough
    constraints = after["tool"]["uv"]["constraint-dependencies"]
    assert ("torch==2.5.1+cu124" in constraints) is is_enough


def test_what_was_changed_by_hand_is_no_longer_ours() -> None:
    first = uv_project.edit(PLAIN, stack(), WriteOptions())
    by_hand = first.replace('torch = { index = "pytorch-cu124" }', 'torch = { index = "mine" }')
    assert by_hand != first
    with pytest.raises(BadFile, match=r"tool\.uv\.sources\.torch"):
        uv_project.edit(by_hand, stack(), WriteOptions())
    by_hand = first.replace('"torch==2.5.1+cu124"', '"torch==2.3.0"')
    with pytest.raises(BadFile, match="excludes the lock's torch"):
        uv_project.edit(by_hand, stack(), WriteOptions())


# By the command.


def test_a_refused_file_is_left_untouched(folder: Path) -> None:
    path = folder / "pyproject.toml"
    for text, expected in REFUSED["another pin"], REFUSED["not TOML"]:
        path.write_bytes(text.encode())
        status, output = solve(
            "--torch", "2.5.1", "--python", "3.11", "--platform", LINUX, "-o", str(path)
        )
        assert status == 2
        assert str(path) in output
        assert expected in output
        assert path.read_bytes() == text.encode()
    assert [each.name for each in folder.iterdir()] == ["pyproject.toml"]


def test_a_read_only_file_is_left_untouched(folder: Path) -> None:
    path = folder / "pyproject.toml"
    path.write_text(PLAIN, newline="\n")
    path.chmod(0o444)
    status, output = solve(*shlex.split(SMALL), "-o", str(path))
    assert status == 2
    assert f"{path}" in output
    assert "read-only" in output
    assert path.read_text() == PLAIN


@pytest.mark.usefixtures("heeded_stops")
@pytest.mark.parametrize(
    "name", ["pyproject.toml", "requirements.txt", "constraints.txt", "lock.json", "pylock.toml"]
)
@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), *STOPS])
def test_an_interrupted_write_leaves_the_old_file(
    name: str, failure: OSError | signal.Signals, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / name
    path.write_bytes(FILES["crlf"].encode())

    def fail(*_: object) -> None:
        if isinstance(failure, OSError):
            raise failure
        signal.raise_signal(failure)

    monkeypatch.setattr(os, "fsync", fail)
    wheels = ["--wheels", "w"] if name == "pylock.toml" else []
    status, _ = solve(*shlex.split(SMALL), *wheels, "-o", str(path), "--force")
    assert status == (2 if isinstance(failure, OSError) else 128 + failure)
    assert path.read_bytes() == FILES["crlf"].encode()
    assert [each.name for each in folder.iterdir()] == [name]


@pytest.mark.usefixtures("heeded_stops")
@pytest.mark.skipif(sys.platform == "win32", reason="no such signal there")
def test_what_nohup_has_ignored_stays_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "requirements.txt"
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    monkeypatch.setattr(os, "fsync", lambda _: signal.raise_signal(signal.SIGHUP))
    assert solve(*shlex.split(SMALL), "-o", str(path))[0] == 0
    assert "nvidia-cublas-cu12==" in path.read_text()


@pytest.mark.usefixtures("with_uv")
def test_a_full_disk_where_uv_is_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(uv_lock, "_run_uv", fail)
    status, output = solve(*shlex.split(SMALL), "-o", str(folder / "uv.lock"))
    assert status == 2
    assert output == "error: uv cannot be run for uv.lock: No space left on device\n"


def test_the_command_edits_in_place_and_once(folder: Path) -> None:
    path = folder / "pyproject.toml"
    path.write_bytes(FILES["crlf"].encode())
    assert solve(*shlex.split(SMALL), "-o", str(path))[0] == 0
    once = path.read_bytes()
    assert b"nvidia-cuda-runtime-cu12==12.4.127" in once
    assert solve(*shlex.split(SMALL), "-o", str(path))[0] == 0
    assert path.read_bytes() == once


def test_the_file_names_mean_the_formats() -> None:
    assert format_of("a/pyproject.toml") == "uv"
    assert format_of("uv.lock") == "uv-lock"
