"""Locks of the embedded matrix, given to the real uv and pip by the command that each one names.

uv reads metadata alone, so it is shown the locks of any target, with their hashes, as a dry run.
pip in hash mode downloads every wheel, and it reads markers for the machine it runs on; so it is
shown small real locks, and large ones for this machine whose wheels are stand-ins.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from cudalock.cli import main
from tests.consumers import HERE, Consumed, on_linux, pip_would_install, run, uv_would_install
from tests.local_index import clean_environment, make_environment, run_tool
from tests.recorded import MAIN, RecordedIndex

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from cudalock.matrix.matrix import Matrix


# Locks that need no index but the package index.
MAIN_ALONE = [
    "--torch 2.5.1 --python 3.11 --platform linux",
    "--torch 2.12 --python 3.13 --platform linux",
    "--torch 2.7.1 --bnb --xformers --python 3.12 --platform linux",
    "--torch 2.0.1 --python 3.10 --platform linux",
    "--torch latest --python 3.12 --platform linux",
    "--torch 2.9 --vision --audio --python 3.14 --platform linux",
]
# Locks with PyTorch's index, or with addresses.
ELSEWHERE = [
    "--torch 2.5.1 --cuda 12.1 --python 3.11 --platform linux",
    "--torch 2.5.1 --cuda 11.8 --python 3.11 --platform linux",
    "--torch 2.5.1 --cuda cpu --python 3.11 --platform linux",
    "--torch 2.6.0 --vision --audio --cuda 11.8 --python 3.12 --platform linux",
    "--torch 2.8 --cuda 12.6 --python 3.13 --platform linux",
    "--torch 2.9 --python 3.12 --platform linux-aarch64",
    "--torch 2.5.1 --fa2 --python 3.11 --platform linux",
    "--torch 2.5.1 --fa2 --cuda 12.1 --python 3.11 --platform linux",
    "--torch 2.7.1 --fa2 --python 3.12 --platform x86_64-manylinux_2_35",
    '"torch 2.5.1 + FA2 on Windows py3.11"',
    "--torch 2.4.1 --bnb --triton --xformers --platform windows --python 3.11",
    "--xformers --fa2 --bnb --platform windows --python 3.12",
    "--torch 2.6.0 --vision --audio --cudnn 9.1 --cuda 12.4 --platform windows --python 3.12",
    "--torch 2.5.1 --vision --python 3.11 --platform macos",
]


WINDOWS = [words for words in ELSEWHERE if "on Windows" in words or "--triton" in words]
FOR_THIS_MACHINE = f"--torch 2.9 --cuda 12.6 --python {HERE} --platform linux"


@pytest.fixture(scope="module")
def unlisted(matrix: Matrix) -> Iterator[RecordedIndex]:
    """The recorded indexes without a digest in their listings, to download the stand-ins from."""
    with RecordedIndex(matrix, digests=False) as index:
        yield index


def solved(words: str) -> Consumed:
    """What `cudalock solve` prints."""
    result = CliRunner().invoke(main, ["solve", *shlex.split(words), "--offline"])
    assert result.exit_code == 0, result.output
    return Consumed(result.stdout)


# uv, by the recorded indexes.


@pytest.mark.parametrize("words", MAIN_ALONE)
def test_uv_accepts_a_lock_of_the_package_index(
    words: str, recorded_environment: Mapping[str, str], tmp_path: Path
) -> None:
    lock = solved(words)
    assert "://" not in lock.text
    assert "--require-hashes" in lock.command("uv")
    assert uv_would_install(lock, tmp_path, recorded_environment) == lock.pins


@pytest.mark.parametrize("words", ELSEWHERE)
def test_uv_accepts_a_lock_with_other_sources(
    words: str, recorded: RecordedIndex, recorded_environment: Mapping[str, str], tmp_path: Path
) -> None:
    lock = solved(words).redirected(recorded)
    assert uv_would_install(lock, tmp_path, recorded_environment) == lock.pins


def test_uv_reads_metadata_alone(recorded: RecordedIndex, tmp_path: Path) -> None:
    recorded.asked.clear()
    lock = solved(ELSEWHERE[0]).redirected(recorded)
    uv_would_install(lock, tmp_path, clean_environment(tmp_path, recorded.url(MAIN)))
    assert not [path for path in recorded.asked if path.endswith(".whl")]
    wheel = "/whl/cu121/torch-2.5.1+cu121-cp311-cp311-linux_x86_64.whl"
    assert f"{wheel}.metadata" in recorded.asked


def test_uv_refuses_a_lock_with_a_hole(
    recorded_environment: Mapping[str, str], tmp_path: Path
) -> None:
    whole = solved(MAIN_ALONE[0])
    lock = Consumed(re.sub(r"^mpmath==.*\n.*\n", "", whole.text, flags=re.MULTILINE))
    assert set(whole.pins) - set(lock.pins) == {"mpmath"}
    with pytest.raises(AssertionError, match="mpmath"):
        uv_would_install(lock, tmp_path, recorded_environment)


def test_uv_refuses_what_the_mirror_lacks(
    recorded: RecordedIndex, recorded_environment: Mapping[str, str], tmp_path: Path
) -> None:
    """Which is why the header's command has the index strategy."""
    lock = solved(ELSEWHERE[0]).redirected(recorded)
    lock = Consumed(lock.text.replace("--index-strategy unsafe-best-match ", ""))
    with pytest.raises(AssertionError, match="filelock"):
        uv_would_install(lock, tmp_path, recorded_environment)


# pip, by the recorded indexes.


@on_linux
def test_pip_accepts_a_torch_lock_by_its_metadata(
    recorded: RecordedIndex, recorded_environment: Mapping[str, str], tmp_path: Path
) -> None:
    lock = solved(f"{FOR_THIS_MACHINE} --hashes off").redirected(recorded)
    recorded.asked.clear()
    installed = pip_would_install(lock, tmp_path, recorded_environment)
    assert installed == {f"{name}-{version}" for name, version in lock.pins.items()}
    assert not [path for path in recorded.asked if path.endswith(".whl")]


@on_linux
def test_pip_accepts_a_torch_lock_with_hashes(unlisted: RecordedIndex, tmp_path: Path) -> None:
    lock = solved(FOR_THIS_MACHINE).redirected(unlisted)
    lock = Consumed(unlisted.with_stand_in_digests(lock.text))
    assert "--require-hashes" in lock.command("pip")
    environment = clean_environment(tmp_path, unlisted.url(MAIN))
    installed = pip_would_install(lock, tmp_path, environment)
    assert installed == {f"{name}-{version}" for name, version in lock.pins.items()}


@on_linux
def test_what_is_installed_fits_together(unlisted: RecordedIndex, tmp_path: Path) -> None:
    """By the metadata of what then is there, as `pip check` reads it."""
    variables = clean_environment(tmp_path, unlisted.url(MAIN))
    environment = make_environment(tmp_path, variables)
    lock = solved(FOR_THIS_MACHINE).redirected(unlisted)
    lock = Consumed(unlisted.with_stand_in_digests(lock.text))
    run(lock, "uv", [], tmp_path, environment)
    checked = run_tool(["pip", "--python", "env", "check"], tmp_path, environment)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("words", WINDOWS)
def test_pip_finds_each_wheel_of_another_platform(
    words: str, recorded: RecordedIndex, recorded_environment: Mapping[str, str], tmp_path: Path
) -> None:
    """Their requirements it would read for the machine it runs on, hence `--no-deps`."""
    lock = solved(f"{words} --hashes off").redirected(recorded)
    python = lock.uv_target[-1]
    there = ["--platform", "win_amd64", "--python-version", python, "--no-deps"]
    installed = pip_would_install(lock, tmp_path, recorded_environment, *there)
    assert {name.rpartition("-")[0] for name in installed} == set(lock.pins)


# By the real package index.


@pytest.mark.network
@pytest.mark.parametrize("words", MAIN_ALONE)
def test_uv_accepts_a_lock_of_the_real_package_index(
    words: str, network_environment: Mapping[str, str], tmp_path: Path
) -> None:
    lock = solved(words)
    assert uv_would_install(lock, tmp_path, network_environment) == lock.pins


@pytest.mark.network
@on_linux
@pytest.mark.parametrize("words", ["sympy", "--toolkit 12.4.1:cudart"])
def test_pip_accepts_a_lock_of_the_real_package_index(
    words: str, network_environment: Mapping[str, str], tmp_path: Path
) -> None:
    lock = solved(f"{words} --python {HERE} --platform linux")
    assert "--require-hashes" in lock.command("pip")
    installed = pip_would_install(lock, tmp_path, network_environment)
    assert installed == {f"{name}-{version}" for name, version in lock.pins.items()}
