"""environment.yml and pixi.toml: what they say, and that their consumers' parsers take them."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from click.testing import CliRunner, Result

from cudalock import toml
from cudalock.cli import main
from cudalock.errors import Contradiction
from cudalock.formats import WriteOptions, format_of, load_format
from cudalock.formats.conda import render as environment
from cudalock.formats.pixi import render as manifest
from cudalock.lock import ReplacedRequirement
from cudalock.projects.locks.lock_pins import read_pins
from cudalock.projects.read import read_file
from cudalock.targets import Target
from tests.local_index import LocalIndex, clean_environment, make_environment, run_tool
from tests.sample_locks import (
    CU124,
    FILELOCK,
    NUMPY,
    TORCH,
    lock,
    pin,
    small_lock,
    unhashed_lock,
)

if TYPE_CHECKING:
    from pathlib import Path

REPLACED = {
    "replaced": ("unsloth 2025.3.1 asks for numpy [fact]",),
    "replacements": (ReplacedRequirement("flash-attn", "numpy", "numpy", "fact"),),
}


def run(words: str, *more: str) -> Result:
    return CliRunner().invoke(main, ["solve", *shlex.split(words), "--offline", "-q", *more])


def pip_section(text: str) -> list[str]:
    *_, last = yaml.safe_load(text)["dependencies"]
    lines: list[str] = last["pip"]
    return lines


# -- environment.yml ------------------------------------------------------------------------------


def test_whole_environment() -> None:
    text = environment(small_lock(), WriteOptions())
    document: dict[str, Any] = yaml.safe_load(text)
    assert text.startswith("# cudalock: Linux x86_64")
    assert "# create: conda env create -f environment.yml\n" in text
    assert document["name"] == "cudalock"
    assert document["channels"] == ["conda-forge", "nodefaults"]
    assert document["dependencies"][:2] == ["python=3.11", "pip"]
    lines = pip_section(text)
    assert lines[0] == f"--extra-index-url {CU124.url}"
    assert [line.partition(" ")[0] for line in lines[1:]] == [
        "flash-attn",
        "numpy==2.1.3",
        "torch==2.5.1+cu124",
    ]
    assert all("--hash=sha256:" in line for line in lines[1:])


def test_without_hashes_nothing_may_be_built() -> None:
    lines = pip_section(environment(unhashed_lock(), WriteOptions()))
    assert "--only-binary :all:" in lines
    assert not [line for line in lines if "--hash" in line]


def test_match_specs_are_of_conda() -> None:
    rattler = pytest.importorskip("rattler", reason="pip install py-rattler")
    for free_threaded in (False, True):
        target = Target("3.13", "linux-x86_64", free_threaded=free_threaded)
        text = environment(small_lock(target=target), WriteOptions())
        specs = [spec for spec in yaml.safe_load(text)["dependencies"] if isinstance(spec, str)]
        names = [rattler.MatchSpec(spec).name.normalized for spec in specs]
        assert names == ["python-freethreading" if free_threaded else "python", "pip"]


def test_pip_installs_the_section_as_conda_gives_it(tmp_path: Path) -> None:
    """conda joins the lines of the section into a requirements file."""
    with LocalIndex() as index:
        index.add("/main/", NUMPY, FILELOCK)
        index.add("/whl/cu124/", TORCH)
        complete = lock(
            pin(NUMPY, via=("torch",)),
            pin(FILELOCK, via=("torch",)),
            pin(TORCH, index="cu124", url=index.url(f"/whl/cu124/torch/{TORCH.name}")),
            indexes=(replace(CU124, url=index.url("/whl/cu124")),),
        )
        variables = clean_environment(tmp_path, index.url("/main/"))
        variables = make_environment(tmp_path, variables)
        text = environment(complete, WriteOptions())
        (tmp_path / "section.txt").write_text("\n".join(pip_section(text)), encoding="ascii")
        command = ["pip", "--python", "env", "install", "-U", "-r", "section.txt"]
        done = run_tool(command, tmp_path, variables)
        assert done.returncode == 0, done.stdout + done.stderr
        listing = run_tool(["uv", "pip", "freeze"], tmp_path, variables).stdout.split()
    assert listing == ["filelock==3.16.1", "numpy==2.1.3", "torch==2.5.1+cu124"]


def test_a_replaced_requirement_stays_away() -> None:
    text = environment(small_lock(**REPLACED), WriteOptions())
    assert "# create: PIP_NO_DEPS=1 conda env create -f environment.yml" in text


# -- pixi.toml ------------------------------------------------------------------------------------


def test_a_manifest_is_what_rattler_reads() -> None:
    """pixi is made of rattler: its specs, its platforms and its channels."""
    rattler = pytest.importorskip("rattler", reason="pip install py-rattler")
    words = "--torch 2.8 --python 3.12 --platform linux --platform windows --platform macos"
    document = toml.loads(run(words, "--format", "pixi").stdout)
    for spec in document["dependencies"].values():
        assert rattler.NamelessMatchSpec(spec).version
    platforms = [*document["workspace"]["platforms"], *document["target"]]
    assert [str(rattler.Subdir(name)) for name in platforms] == platforms
    assert {"linux-64", "win-64", "osx-arm64"} == set(document["workspace"]["platforms"])
    assert [rattler.Channel(name).name for name in document["workspace"]["channels"]]


def test_whole_manifest() -> None:
    document = toml.loads(manifest(small_lock(**REPLACED), WriteOptions()))
    assert document == {
        "workspace": {
            "name": "cudalock-project",
            "channels": ["conda-forge"],
            "platforms": ["linux-64"],
        },
        "dependencies": {"python": "3.11.*"},
        "system-requirements": {"libc": {"family": "glibc", "version": "2.28"}},
        "pypi-options": {"no-build": True, "dependency-overrides": {"numpy": "==2.1.3"}},
        "pypi-dependencies": {
            "flash-attn": {"url": small_lock().pins[0].wheel.url.replace("+", "%2B")},  # type: ignore[union-attr]
            "numpy": "==2.1.3",
            "torch": {"version": "==2.5.1+cu124", "index": CU124.url},
        },
    }


def test_platforms_have_tables_of_their_own(tmp_path: Path) -> None:
    words = "--torch 2.8 --vision --python 3.12 --platform linux --platform windows"
    path = tmp_path / "pixi.toml"
    assert run(words, "-o", str(path)).exit_code == 0
    document = toml.loads(path.read_text(encoding="utf-8"))
    assert document["workspace"]["platforms"] == ["linux-64", "win-64"]
    target = document["target"]
    assert target["linux-64"]["pypi-dependencies"]["torch"] == "==2.8.0"
    assert target["win-64"]["pypi-dependencies"]["torch"]["version"] == "==2.8.0+cu128"
    # Who has pixi may see that it takes the file; nothing is resolved.
    if (pixi := shutil.which("pixi")) is None:
        pytest.skip("no pixi: https://pixi.sh has an installer")
    done = subprocess.run([pixi, "info", "--manifest-path", str(path)], capture_output=True)
    assert done.returncode == 0, done.stderr


# -- both -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["environment.yml", "pixi.toml"])
def test_what_is_written_is_read_back(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    words = "--torch 2.8 --vision --cuda 12.6 --python 3.12 --platform linux"
    assert run(words, "-o", str(path)).exit_code == 0
    file = read_file(str(path))
    assert not file.problems
    assert file.python is not None
    assert file.python.value == "3.12"
    versions = {pin.name: pin.version for pin in read_pins(file)}
    assert versions["torch"] == "2.8.0+cu126"
    assert len(versions) == 28
    fresh = CliRunner().invoke(main, ["check", "--fresh", str(path)])
    assert fresh.exit_code == 0, fresh.output
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("torch==2.8.0", "torch==2.7.1").replace('"==2.8.0+', '"==2.7.1+'))
    fresh = CliRunner().invoke(main, ["check", "--fresh", str(path)])
    assert fresh.exit_code == 1
    assert "torch==2.7.1+cu126 is pinned" in fresh.output
    assert run(words, "-o", str(path)).exit_code == 0  # a lock of ours is replaced


@pytest.mark.parametrize("kind", ["conda", "pixi"])
def test_one_environment_has_one_python(kind: str) -> None:
    others = (Target("3.12", "linux-x86_64"),)
    with pytest.raises(Contradiction, match=r"has one Python, and the lock is for 3\.11 or 3\.12"):
        load_format(kind).render(small_lock(others=others), WriteOptions())


def test_what_a_manifest_cannot_say() -> None:
    dropped = (ReplacedRequirement("flash-attn", "triton", None, "fact"),)
    with pytest.raises(Contradiction, match="cannot drop a requirement"):
        manifest(small_lock(replacements=dropped), WriteOptions())
    with pytest.raises(Contradiction, match="pixi has no paths"):
        manifest(small_lock(), WriteOptions(wheels="wheels"))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("environment.yml", "conda"),
        ("conda-env.yaml", "conda"),
        ("gpu_environment.yml", "conda"),
        ("pixi.toml", "pixi"),
        ("config.yml", None),
    ],
)
def test_the_name_chooses_the_format(name: str, kind: str | None) -> None:
    assert format_of(name) == kind
