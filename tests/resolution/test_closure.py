"""The closure of a torch release: what the engine pins is what uv resolves for the same torch.

uv resolves twice. With the package index as the matrix records it, uv has to choose the same
versions, which tests the engine. With the real index and our pins as constraints, uv has to arrive
at the same set of projects and find the recorded hashes, which tests the matrix.

Newer versions on the real index prove nothing. `--exclude-newer` cannot bring back the listing
of the matrix's day either: an index may list a file days after its upload time (filelock 4.2.12
and cmake 4.4.5, uploaded three and seven days before the day of a matrix, were not listed on it).
"""

from __future__ import annotations

import re
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import pytest
from packaging.requirements import Requirement

from cudalock import Goal, Target, solve
from tests.local_index import clean_environment, run_tool
from tests.recorded import MAIN, LaterIndex

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from cudalock.lock import Lock, Pin
    from cudalock.matrix.matrix import Matrix

RELEASES: Final = [
    ("2.0.0", "3.8"),
    ("2.0.1", "3.11"),
    ("2.1.2", "3.10"),
    ("2.2.0", "3.12"),
    ("2.2.2", "3.12"),
    ("2.3.1", "3.11"),
    ("2.4.1", "3.11"),
    ("2.4.1", "3.12"),  # its cp312 wheels require setuptools, those of other Pythons do not
    ("2.5.1", "3.11"),
    ("2.6.0", "3.12"),
    ("2.7.1", "3.13"),
    ("2.8.0", "3.9"),
    ("2.9.1", "3.14"),
    ("2.10.0", "3.12"),
    ("2.11.0", "3.13"),
    ("2.12.1", "3.13"),
    ("2.13.0", "3.12"),
    ("2.14.1", "3.14"),
    ("2.15.0", "3.13"),
]
"""Each with a Python it has wheels for."""

# Where the pins differ, and why. Everything else is the same to the last project.
ONE_CUDA_RELEASE = "metadata leaves it open, and we take the one of the build's own CUDA release"
SETUPTOOLS = "torch before 2.2 imports pkg_resources, which setuptools 82 removed"
DIFFERENCES: Final[dict[str, dict[str, str]]] = {
    "2.0.1": {"setuptools": SETUPTOOLS},
    "2.1.2": {"nvidia-nvjitlink-cu12": ONE_CUDA_RELEASE},
    "2.2.0": {"nvidia-nvjitlink-cu12": ONE_CUDA_RELEASE},
    "2.2.2": {"nvidia-nvjitlink-cu12": ONE_CUDA_RELEASE},
    "2.3.1": {"nvidia-nvjitlink-cu12": ONE_CUDA_RELEASE},
    "2.4.1": {"nvidia-nvjitlink-cu12": ONE_CUDA_RELEASE},
    "2.13.0": {"nvidia-nvjitlink": ONE_CUDA_RELEASE},
    "2.14.1": {"nvidia-nvjitlink": ONE_CUDA_RELEASE},
    "2.15.0": {"nvidia-cuda-cccl": ONE_CUDA_RELEASE, "nvidia-nvjitlink": ONE_CUDA_RELEASE},
}


def closure(version: str, python: str, matrix: Matrix) -> Lock:
    target = Target(python=python, platform="linux-x86_64", glibc="2.28")
    return solve(Goal(requirements=(f"torch=={version}",)), target, matrix)


def compile_with_uv(
    version: str, python: str, folder: Path, environment: Mapping[str, str], *options: str
) -> str:
    """Return uv's requirements.txt for a torch release on Linux x86_64."""
    (folder / "torch.in").write_text(f"torch=={version}\n")
    plain = ["--quiet", "--no-annotate", "--no-header", "--only-binary", ":all:"]
    target = ["--python-version", python, "--python-platform", "x86_64-manylinux_2_28"]
    command = ["uv", "pip", "compile", *plain, "--python", sys.executable, *target]
    compiled = run_tool([*command, *options, "torch.in"], folder, environment)
    assert compiled.returncode == 0, compiled.stderr
    return compiled.stdout


def constrain_with_uv(
    lock: Lock, folder: Path, environment: Mapping[str, str], *options: str
) -> str:
    """Return uv's requirements.txt for the torch of a lock, with the lock's pins as constraints."""
    pins = {pin.name: pin.version for pin in lock.pins}
    text = "".join(f"{name}=={version}\n" for name, version in pins.items())
    (folder / "pins.txt").write_text(text)
    options = ("--constraints", "pins.txt", *options)
    return compile_with_uv(pins["torch"], lock.target.python, folder, environment, *options)


def read_pins(requirements: str) -> dict[str, str]:
    """Return name -> version of each `name==version` of a requirements.txt."""
    return dict(re.findall(r"^([a-z0-9-]+)==([^\s\\]+)", requirements, re.MULTILINE))


def pins_beside(lock: Lock, theirs: Mapping[str, str]) -> dict[str, str]:
    """Return name -> version of a lock, without what only a fact asks for and uv cannot know."""
    return {pin.name: pin.version for pin in lock.pins if pin.name in theirs or not pin.facts}


def compare(lock: Lock, theirs: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """What is pinned otherwise: name -> (our version, theirs). The names must be the same."""
    ours = pins_beside(lock, theirs)
    assert sorted(ours) == sorted(theirs)
    return {name: (ours[name], theirs[name]) for name in ours if ours[name] != theirs[name]}


@pytest.mark.parametrize(("version", "python"), RELEASES)
def test_uv_resolves_the_same_from_the_recorded_index(
    version: str,
    python: str,
    matrix: Matrix,
    recorded_environment: Mapping[str, str],
    tmp_path: Path,
) -> None:
    theirs = read_pins(compile_with_uv(version, python, tmp_path, recorded_environment))
    differing = compare(closure(version, python, matrix), theirs)
    assert set(differing) == set(DIFFERENCES.get(version, ()))


@pytest.fixture(scope="module")
def constrained_by_our_pins(
    matrix: Matrix,
    network_environment: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Mapping[tuple[str, str], Future[str]]]:
    """What uv resolves from the real index, all at once: it waits for the network most of the time.

    Newer torch wheels have their metadata inside only, which takes several requests each.
    """

    def compile_with_hashes(version: str, python: str) -> str:
        lock, folder = closure(version, python, matrix), tmp_path_factory.mktemp("uv")
        return constrain_with_uv(lock, folder, network_environment, "--generate-hashes")

    with ThreadPoolExecutor(max_workers=8) as pool:
        yield {case: pool.submit(compile_with_hashes, *case) for case in RELEASES}


@pytest.mark.network
@pytest.mark.parametrize(("version", "python"), RELEASES)
def test_the_real_index_still_has_what_is_pinned(
    version: str,
    python: str,
    matrix: Matrix,
    constrained_by_our_pins: Mapping[tuple[str, str], Future[str]],
) -> None:
    lock = closure(version, python, matrix)
    requirements = constrained_by_our_pins[version, python].result()
    theirs = read_pins(requirements)
    assert theirs == pins_beside(lock, theirs)
    digests = set(re.findall(r"--hash=sha256:([0-9a-f]{64})", requirements))
    pinned = [pin.wheel for pin in lock.pins if pin.name in theirs]
    assert {wheel.file for wheel in pinned if wheel.sha256 not in digests} == set()


@pytest.fixture(scope="module")
def later_environment(
    matrix: Matrix, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, str]]:
    """For tools that use an index with a later release of every project."""
    with LaterIndex(matrix) as index:
        yield clean_environment(tmp_path_factory.mktemp("later"), index.url(MAIN))


@pytest.mark.parametrize(("version", "python"), RELEASES[::6])
def test_later_releases_do_not_change_what_constraints_give(
    version: str,
    python: str,
    matrix: Matrix,
    later_environment: Mapping[str, str],
    tmp_path: Path,
) -> None:
    """The comparison with the real index holds whatever is released; one without pins would not."""
    lock = closure(version, python, matrix)
    theirs = read_pins(constrain_with_uv(lock, tmp_path, later_environment))
    ours = pins_beside(lock, theirs)
    assert theirs == ours
    assert read_pins(compile_with_uv(version, python, tmp_path, later_environment)) != ours


@pytest.mark.parametrize(("version", "python"), RELEASES)
def test_only_what_metadata_leaves_open_differs(version: str, python: str, matrix: Matrix) -> None:
    lock = closure(version, python, matrix)
    for name in DIFFERENCES.get(version, ()):
        specifiers = [str(found.specifier) for found in requirements_on(name, lock, matrix)]
        assert specifiers
        assert not [text for text in specifiers if text.startswith("==") and "*" not in text]


def requirements_on(name: str, lock: Lock, matrix: Matrix) -> Iterator[Requirement]:
    """What the metadata of a lock's pins requires of a project on its target, any extra counted."""
    for pin in lock.pins:
        for requirement in map(Requirement, metadata_of(pin, matrix)):
            if requirement.name == name and applies(requirement, lock):
                yield requirement


def metadata_of(pin: Pin, matrix: Matrix) -> tuple[str, ...]:
    project = matrix.project(pin.name)
    assert project is not None
    (build,) = [
        build
        for build in project.release(pin.version).builds
        for wheel in build.wheels
        if wheel.file(pin.version, build.local) == pin.wheel.file
    ]
    return build.requires


def applies(requirement: Requirement, lock: Lock) -> bool:
    marker = requirement.marker
    extras = ["", *re.findall(r'extra == "([^"]+)"', str(marker))]
    environment = lock.target.marker_environment()
    return marker is None or any(marker.evaluate({**environment, "extra": e}) for e in extras)
