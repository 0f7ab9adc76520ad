"""Recorded machines are detected, told, written out, and solved for, as the real one would be."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cudalock.cli.machine import LocalMachine
from cudalock.environment import gpu
from cudalock.errors import NoSolution
from cudalock.goals import Request, command_line, read_request
from cudalock.lock.build import from_resolution
from cudalock.matrix.universe import ClosedUniverse
from cudalock.solving import solve
from cudalock.targets import Here
from tests.machines import MACHINES, RecordedMachine, machine

if TYPE_CHECKING:
    from pathlib import Path

    from cudalock.matrix.matrix import Matrix


def looking_at(recorded: RecordedMachine, matrix: Matrix) -> tuple[LocalMachine, Here]:
    local = LocalMachine(matrix, probe=recorded.probe)
    place = (recorded.platform, "2.36" if recorded.platform.startswith("linux") else None, None)
    here = Here(lambda: ("3.11.9", False), lambda: place, local.here.gpus_and_driver)
    return local, here


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "SECONDS", 0.05)


@pytest.mark.parametrize("recorded", MACHINES, ids=lambda recorded: recorded.name)
def test_what_a_machine_has_is_detected(recorded: RecordedMachine, matrix: Matrix) -> None:
    local, here = looking_at(recorded, matrix)
    goal, target = read_request(
        Request(framework=(recorded.torch or "2.6.0",)), ClosedUniverse(matrix), None, here
    )
    assert local.describe([target]) == recorded.says
    command = command_line(goal, target)
    assert command.endswith(recorded.flags)
    assert ("--gpu" in command) == ("--gpu" in recorded.flags)
    if recorded.refused:
        with pytest.raises(NoSolution) as refused:
            solve(goal, target, ClosedUniverse(matrix))
        assert recorded.refused in refused.value.hints
    if recorded.build:
        lock = from_resolution(solve(goal, target, ClosedUniverse(matrix)), command)
        assert recorded.build in [str(pin) for pin in lock.pins]


@pytest.mark.parametrize(
    ("stated", "flags", "says"),
    [
        (
            Request(driver=("580",)),
            "--gpu 8.9 --driver 580",
            "detected: RTX 4090 (8.9), driver 551.86; override with --gpu",
        ),
        (
            Request(gpu=("RTX 4090",)),
            "--gpu 8.9 --driver 551.86",
            "detected: RTX 4090 (8.9), driver 551.86; override with --driver",
        ),
        # A GPU that is not here is in another machine: nothing is known of that one's driver.
        (Request(gpu=("RTX 5090",)), "--gpu 12.0", None),
        (Request(gpu=("8.9",), driver=("560",)), "--gpu 8.9 --driver 560", None),
        (Request(platform=("windows",)), "--platform windows", None),
    ],
)
def test_what_is_stated_goes_before_what_is_found(
    matrix: Matrix, stated: Request, flags: str, says: str | None
) -> None:
    local, here = looking_at(machine("a Windows box"), matrix)
    goal, target = read_request(
        stated._replace(framework=("2.6.0",)), ClosedUniverse(matrix), None, here
    )
    assert command_line(goal, target).endswith(flags)
    assert local.describe([target]) == says


def test_detection_can_be_turned_off(matrix: Matrix) -> None:
    local = LocalMachine(matrix, off=True, probe=machine("a Windows box").probe)
    assert local.here.gpus_and_driver() == ((), None)
    assert local.describe([]) is None


def test_without_a_driver_nothing_is_imported_or_run() -> None:
    def never(*words: object) -> str:
        raise AssertionError(words)

    assert gpu.detect(probe=gpu.Probe(lambda: False, never, never)) == gpu.Machine()
    code = (
        "import sys; from cudalock.environment.gpu import detect, Probe, load_nvml, run_smi;"
        "detect(probe=Probe(lambda: False, load_nvml, run_smi));"
        "print([n for n in ('pynvml', 'email', 'cudalock.environment.layout')"
        " if n in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_nvml_itself_where_there_is_none() -> None:
    """The real bindings, asked where the library is missing or is there: an answer either way."""
    found = gpu.detect(probe=gpu.Probe(lambda: True, gpu.load_nvml, gpu.run_smi))
    assert found.driver or found.trouble


@pytest.mark.parametrize(
    ("text", "version"),
    [("550.54.14", "550.54.14"), ("580", "580"), ("[N/A]", None), ("", None), ("5500", None)],
)
def test_driver_versions(text: str, version: str | None) -> None:
    assert gpu.read_driver(text) == version


def test_nvidia_smi_that_prints_something_else() -> None:
    def smi(fields: tuple[str, ...]) -> str:
        return "No devices were found\n"

    def none() -> object:
        raise ImportError("no bindings")

    found = gpu.detect(probe=gpu.Probe(lambda: True, none, smi))
    assert found.trouble == ("no bindings (NVML), it printed `No devices were found` (nvidia-smi)")


@pytest.mark.skipif(sys.platform == "win32", reason="a script stands in for it")
@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("sleep 30", "timed out after 0.5 seconds"),
        ("head -c 30000 /dev/zero | tr '\\0' x", "it printed 30000 characters"),
        ("echo 'No devices were found'; exit 6", "No devices were found"),
    ],
)
def test_nvidia_smi_that_hangs_or_prints_without_end(
    script: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(gpu, "SECONDS", 0.5)
    with pytest.raises(ValueError, match=says):
        gpu.run_smi(("name",))
