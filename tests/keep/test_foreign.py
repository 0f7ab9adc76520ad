"""A framework that no index has: completed, held in place by pip and uv, byte for byte.

The environment is real, and its torch is laid out as NVIDIA's images have theirs.
"""

from __future__ import annotations

import base64
import hashlib
import re
import struct
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest
from click.testing import CliRunner

from cudalock.cli import main
from cudalock.environment import find_layout
from cudalock.environment.build_record import read_build_record
from cudalock.formats.hold import dockerfile_lines
from tests.environments import install_stub, make_venv_with_pip, pretend
from tests.files import write
from tests.local_index import (
    LocalIndex,
    build_backend,
    build_sdist,
    build_wheel,
    clean_environment,
    run_tool,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from click.testing import Result

    from cudalock.matrix.matrix import Matrix

VERSION = "2.7.0a0+79aa17489c.nv25.4"
NEW_ABI = "_ZN3c105ErrorC2ENS_14SourceLocationENSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE"
OLD_ABI = "_ZN3c105ErrorC2ENS_14SourceLocationESs"
FROM_NVIDIA = """\
from typing import Optional

__all__ = ['__version__', 'debug', 'cuda', 'git_version', 'hip', 'xpu']
__version__ = '2.7.0a0+79aa17489c.nv25.04'
debug = False
cuda: Optional[str] = '12.9'
git_version = '79aa17489c3fc5ed6d5e972e9ffddf73e6dd0a5c'
hip: Optional[str] = None
xpu: Optional[str] = None
"""


class Place(NamedTuple):
    """An environment with such a torch, and what its torch was."""

    prefix: Path
    folder: Path
    digests: Mapping[str, str]

    def now(self) -> dict[str, str]:
        """The digest of each file of torch, its *.dist-info included."""
        return {
            path.relative_to(self.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for part in ("torch", f"torch-{VERSION}.dist-info")
            for path in sorted((self.folder / part).rglob("*"))
            if path.is_file() and path.suffix != ".pyc"
        }


def shared_object(*symbols: str) -> bytes:
    """The few bytes of ELF that a reader of symbols looks at: a .dynsym and its strings."""
    strings = b"\0" + b"".join(symbol.encode() + b"\0" for symbol in symbols)
    rows, at = struct.pack("<IBBHQQ", 0, 0, 0, 0, 0, 0), 1
    for symbol in symbols:
        rows += struct.pack("<IBBHQQ", at, 0x12, 0, 1, 0x1000, 8)
        at += len(symbol) + 1
    header = struct.Struct("<16sHHIQQQIHHHHHH")
    first, second = header.size, header.size + len(rows)
    sections = struct.pack("<IIQQQQIIQQ", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    sections += struct.pack("<IIQQQQIIQQ", 0, 11, 0, 0, first, len(rows), 2, 1, 8, 24)
    sections += struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, second, len(strings), 0, 0, 1, 0)
    place = second + len(strings)
    head = header.pack(
        b"\x7fELF\x02\x01\x01" + bytes(9), 3, 62, 1, 0, 0, place, 0, 64, 0, 0, 64, 3, 0
    )
    return head + rows + strings + sections


def lay_torch(folder: Path, version: str = VERSION, text: str = FROM_NVIDIA) -> None:
    tags = f"cp3{sys.version_info.minor}-cp3{sys.version_info.minor}-linux_x86_64"
    info = install_stub(folder, "torch", version, requires=["filelock"], tags=tags)
    files = {
        "torch/__init__.py": b"raise SystemExit('torch was run')\n",
        "torch/version.py": text.encode(),
        "torch/lib/libc10.so": shared_object(NEW_ABI),
        "torch/lib/libtorch_cpu.so": shared_object("at_add"),
    }
    record = []
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        record.append(f"{name},sha256={digest},{len(content)}")
    write(info / "RECORD", "\n".join([*record, f"{info.name}/METADATA,,", ""]))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    if sys.platform != "linux":
        pytest.skip("NVIDIA's images are Linux")
    prefix = tmp_path_factory.mktemp("image") / "env"
    make_venv_with_pip(prefix)
    folder = find_layout(prefix).site_packages[0]
    lay_torch(folder)
    install_stub(folder, "filelock", "3.16.1")
    there = Place(prefix, folder, {})
    return there._replace(digests=there.now())


@pytest.fixture(scope="module")
def index() -> Iterator[LocalIndex]:
    with LocalIndex() as index:
        root = "/simple/"
        index.add(root, build_wheel("torch", "2.9.0"))
        index.add(root, build_wheel("wants-torch", "1.0", requires=["torch>=2.0"]))
        index.add(root, build_wheel("wants-release", "1.0", requires=["torch==2.9.0"]))
        index.add(root, build_wheel("filelock", "3.16.1"), build_backend())
        needs = '[build-system]\nrequires = ["flit_core", "torch"]\n'
        needs += 'build-backend = "flit_core.buildapi"\n'
        files = {"pyproject.toml": needs, "compiled.py": ""}
        index.add(root, build_sdist("compiled", "1.0", files))
        yield index


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch)


def solve(*words: object) -> Result:
    return CliRunner().invoke(main, ["solve", *map(str, words)])


def lines(text: str) -> list[str]:
    return [line.rstrip(" \\") for line in text.splitlines() if re.match(r"[a-z]", line)]


# -- what is known of it ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "symbols", "labels"),
    [
        (FROM_NVIDIA, [NEW_ABI], {"cuda": "12.9", "cxx11abi": "1"}),
        ("cuda = '11.8'\nhip = None\n", [OLD_ABI], {"cuda": "11.8", "cxx11abi": "0"}),
        ("cuda = None\nhip = '6.4.43482-0f2d60242'\n", [NEW_ABI], {"rocm": "6.4", "cxx11abi": "1"}),
        ("cuda = None\nhip = None\n", [], {"cuda": "none"}),
        # what cannot be read, or says two things, is not known
        ("cuda = get()\n", [NEW_ABI, OLD_ABI], {}),
        ("import os; os._exit(1)\ncuda = '12.8'\n", [], {"cuda": "12.8"}),
        ("cuda = '12.8'\n(", [], {}),
        ("x" * (1 << 19), [], {}),
    ],
)
def test_what_a_build_says_of_itself(
    text: str, symbols: list[str], labels: dict[str, str], tmp_path: Path, matrix: Matrix
) -> None:
    record = matrix.component("torch").build_record
    assert record is not None
    write(tmp_path / "torch/version.py", text)
    (tmp_path / "torch/lib").mkdir()
    (tmp_path / "torch/lib/libc10.so").write_bytes(shared_object(*symbols))
    assert read_build_record(tmp_path, record) == labels


def test_without_its_files_nothing_is_known(tmp_path: Path, matrix: Matrix) -> None:
    record = matrix.component("torch").build_record
    assert record is not None
    assert read_build_record(tmp_path, record) == {}


# -- what goes with it --------------------------------------------------------------------------


@pytest.mark.usefixtures("machine")
def test_what_does_not_link_it_goes_with_it(place: Place) -> None:
    result = solve("--python", place.prefix, "--keep", "all", "accelerate", "bitsandbytes")
    assert result.exit_code == 0, result.stderr
    names = {line.partition("==")[0] for line in lines(result.stdout)}
    assert {"accelerate", "bitsandbytes", "numpy"} <= names
    assert not {"torch", "filelock"} & names
    assert "CUDA 12.9" in result.stderr
    assert "unknown" not in result.stderr
    assert place.now() == place.digests


REFUSED = [
    # a wheel for a release, of which several are for torch 2.7
    ("flash-attn", f"no wheel of flash-attn is known to be built for torch {VERSION}"),
    # METADATA names the release
    ("xformers==0.0.30", "xformers 0.0.30 requires torch==2.7.0 (its metadata)"),
    ("torchvision==0.22.0", "torchvision 0.22.0 requires torch==2.7.0 (its metadata)"),
]


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(("goal", "why"), REFUSED, ids=[goal for goal, _ in REFUSED])
def test_what_is_built_for_a_release_is_refused(place: Place, goal: str, why: str) -> None:
    result = solve("--python", place.prefix, "--keep", "all", goal)
    assert result.exit_code == 1
    assert why in result.stderr
    assert f"torch {VERSION} is installed and has to stay" in result.stderr


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("version", ["2.7.3+cu129torch2.7", "2.7.3.post99"])
def test_a_wheel_that_the_user_names_is_taken(version: str, place: Place, tmp_path: Path) -> None:
    tag = f"cp3{sys.version_info.minor}-cp3{sys.version_info.minor}-linux_x86_64"
    made = build_wheel("flash-attn", version, tag, requires=["torch"])
    (tmp_path / made.name).write_bytes(made.content)
    words = ("--find-links", tmp_path, f"flash-attn=={version}", "--offline")
    result = solve("--python", place.prefix, "--keep", "all", *words)
    assert result.exit_code == 0, result.stderr
    assert "2.7.3" in result.stdout


LABELS = [
    # the same number as a release, and nobody knows how a cluster built it
    ("2.7.0+computecanada", "cuda = '12.6'\nhip = None\n", "xformers==0.0.30"),
    ("2.8.0a0+git1234567", "cuda = None\nhip = None\n", "flash-attn"),
    ("2.7.0+rocm6.4.1.lw", "cuda = None\nhip = '6.4.43482'\n", "flash-attn"),
]


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(("version", "text", "goal"), LABELS, ids=[row[0] for row in LABELS])
def test_other_builds_that_no_index_has(
    version: str, text: str, goal: str, tmp_path: Path, place: Place
) -> None:
    prefix = tmp_path / "env"
    folder = prefix / "lib" / place.folder.parent.name / "site-packages"
    folder.mkdir(parents=True)
    lay_torch(folder, version, text)
    (folder / "torch/lib/libc10.so").write_bytes(shared_object(NEW_ABI))
    fits = solve("--python", prefix, "--keep", "all", "accelerate")
    assert fits.exit_code == 0, fits.stderr
    assert not any(line.startswith("torch==") for line in lines(fits.stdout))
    refused = solve("--python", prefix, "--keep", "all", goal)
    assert refused.exit_code == 1, refused.stdout
    assert f"torch {version} is installed and has to stay" in refused.stderr


# -- held in place ------------------------------------------------------------------------------


def pip(
    place: Place, environment: Mapping[str, str], *words: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(place.prefix / "bin/python"), "-m", "pip", "install", *words],
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def held(place: Place, tmp_path: Path, machine: None) -> dict[str, Path]:
    """What holds the torch: a file of each format."""
    files = {name: tmp_path / f"{name}.txt" for name in ("constraints", "overrides")}
    for file in files.values():
        made = solve("--python", place.prefix, "--keep", "torch", "accelerate", "-o", file)
        assert made.exit_code == 0, made.stderr
    return files


def test_the_next_install_with_pip_leaves_it_alone(
    place: Place, index: LocalIndex, held: dict[str, Path], tmp_path: Path
) -> None:
    environment = clean_environment(tmp_path, index.url("/simple/"))
    # Without constraints a requirement of a release replaces it: there is something to hold.
    free = pip(place, environment, "--dry-run", "wants-release")
    assert "Would install torch-2.9.0" in free.stdout, free.stderr
    constrained = {**environment, "PIP_CONSTRAINT": str(held["constraints"])}
    assert f"torch=={VERSION}" in held["constraints"].read_text()
    fits = pip(place, constrained, "wants-torch")
    assert fits.returncode == 0, fits.stderr
    refused = pip(place, constrained, "wants-release")
    assert refused.returncode != 0
    assert "conflict" in refused.stderr
    assert place.now() == place.digests


def test_the_constraints_of_an_image_mean_its_torch_whatever_its_label(
    place: Place, index: LocalIndex, tmp_path: Path
) -> None:
    """`==2.7.0a0` accepts any label, which a newer image may have more of, and no release."""
    file = tmp_path / "constraints.txt"
    words = ("--image", "nvcr.io/nvidia/pytorch:25.04-py3", "accelerate", "--offline", "-o", file)
    made = solve(*words)
    assert made.exit_code == 0, made.stderr
    assert "torch==2.7.0a0" in lines(file.read_text())
    environment = clean_environment(tmp_path, index.url("/simple/"))
    constrained = {**environment, "PIP_CONSTRAINT": str(file)}
    fits = pip(place, constrained, "--dry-run", "wants-torch")
    assert fits.returncode == 0, fits.stderr
    assert "torch-2" not in fits.stdout
    assert pip(place, constrained, "--dry-run", "wants-release").returncode != 0
    # uv takes what is there as well, since a constraint names the pre-release.
    held = run_tool(
        ["uv", "pip", "install", "--python", str(place.prefix), "--dry-run", "wants-torch"],
        tmp_path,
        {**environment, "UV_CONSTRAINT": str(file)},
    )
    assert held.returncode == 0, held.stderr
    assert "torch==2" not in held.stderr
    assert place.now() == place.digests


def test_builds_have_constraints_of_their_own(
    place: Place, index: LocalIndex, held: dict[str, Path], tmp_path: Path
) -> None:
    """Since 26.2 pip's builds do not see PIP_CONSTRAINT: they would compile against a release."""
    environment = clean_environment(tmp_path, index.url("/simple/"))
    constraints = str(held["constraints"])
    unseen = pip(place, {**environment, "PIP_CONSTRAINT": constraints}, "--no-deps", "compiled")
    assert unseen.returncode == 0, unseen.stderr
    both = {**environment, "PIP_CONSTRAINT": constraints, "PIP_BUILD_CONSTRAINT": constraints}
    words = ("--no-deps", "--force-reinstall", "--no-cache-dir", "compiled")
    seen = pip(place, both, *words)
    assert seen.returncode != 0, seen.stdout
    # Without isolation the build sees the torch that is there, and pip refuses constraints for it.
    own = pip(place, both, "--no-build-isolation", *words)
    assert "cannot be used with --no-build-isolation" in own.stderr
    own = pip(place, {**both, "PIP_BUILD_CONSTRAINT": ""}, "--no-build-isolation", *words)
    # The backend has to be there too, and is not.
    assert "flit_core" in own.stderr
    assert place.now() == place.digests


def test_uv_leaves_out_what_an_override_drops(
    place: Place, index: LocalIndex, held: dict[str, Path], tmp_path: Path
) -> None:
    environment = clean_environment(tmp_path, index.url("/simple/"))
    assert "torch ; sys_platform == 'never'" in held["overrides"].read_text()
    words = ["uv", "pip", "install", "--python", str(place.prefix), "wants-release"]
    free = run_tool([*words, "--dry-run"], tmp_path, environment)
    assert "torch==2.9.0" in free.stderr, free.stderr
    dropped = run_tool(words, tmp_path, {**environment, "UV_OVERRIDE": str(held["overrides"])})
    assert dropped.returncode == 0, dropped.stderr
    assert place.now() == place.digests


def test_a_project_of_uv_leaves_it_out(
    place: Place, index: LocalIndex, held: dict[str, Path], tmp_path: Path
) -> None:
    environment = clean_environment(tmp_path, index.url("/simple/"))
    table = re.search(r"\[tool\.uv\] (override-dependencies = .*)", held["overrides"].read_text())
    assert table is not None
    project = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\n'
    project += f'dependencies = ["wants-release"]\n[tool.uv]\n{table[1]}\n'
    write(tmp_path / "app/pyproject.toml", project)
    locked = run_tool(["uv", "lock"], tmp_path / "app", environment)
    assert locked.returncode == 0, locked.stderr
    shown = run_tool(["uv", "export", "--no-hashes"], tmp_path / "app", environment)
    installed = [line for line in shown.stdout.splitlines() if re.match(r"torch\b", line)]
    assert all("sys_platform == 'never'" in line for line in installed), shown.stdout


def test_the_lines_of_a_dockerfile_hold_it(place: Place, index: LocalIndex, tmp_path: Path) -> None:
    """They are run as Docker's shell runs them, in this environment, with /etc elsewhere."""
    made = dockerfile_lines(["torch"], ["wants-torch"], "/etc/pip/constraint.txt")
    text = "\n".join(made)
    assert 'PIP_CONSTRAINT="/etc/pip/constraint.txt /etc/cudalock-constraints.txt"' in text
    write(tmp_path / "etc/pip/constraint.txt", "filelock==3.16.1\n")
    script = re.sub(
        r"^(RUN|ENV) ", lambda word: "export " if word[1] == "ENV" else "", text, flags=re.M
    )
    script = script.replace("/etc/", f"{tmp_path}/etc/")
    environment = clean_environment(tmp_path, index.url("/simple/"))
    environment["PATH"] = f"{place.prefix / 'bin'}:{environment['PATH']}"
    done = subprocess.run(
        ["sh", "-ec", f"{script}\npython -m pip install wants-release && exit 9 || exit 0"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    held = (tmp_path / "etc/cudalock-constraints.txt").read_text()
    assert held == f"torch=={VERSION}\n"
    assert (
        tmp_path / "etc/cudalock-overrides.txt"
    ).read_text() == "torch ; sys_platform == 'never'\n"
    assert place.now() == place.digests
