"""The GPUs of AMD and Intel, from recorded files and outputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from cudalock.environment.gpu import Machine, Probe, detect
from cudalock.environment.other_gpus import OtherProbe, find_others, run_program
from cudalock.matrix.matrix import Matrix

GPUS = Matrix.load().gpus

CARD = "simd_count 192\ngfx_target_version 110000\nvendor_id 4098\n"
PROCESSOR = "cpu_cores_count 16\nsimd_count 0\ngfx_target_version 0\n"
OWN_GRAPHICS = "simd_count 4\ngfx_target_version 100306\n"
STRIX_HALO = "simd_count 80\ngfx_target_version 110501\n"
MI250X = "simd_count 440\ngfx_target_version 90010\n"


def nodes(folder: Path, *properties: str) -> Path:
    for number, text in enumerate(properties):
        node = folder / str(number)
        node.mkdir(parents=True)
        (node / "properties").write_text(text, encoding="ascii")
    return folder


@pytest.mark.parametrize(
    ("properties", "targets"),
    [
        ((PROCESSOR, CARD), ["gfx1100"]),
        ((PROCESSOR, CARD, CARD), ["gfx1100"]),
        # The graphics of a Ryzen beside a card is not what anybody computes on.
        ((PROCESSOR, CARD, OWN_GRAPHICS), ["gfx1100"]),
        ((PROCESSOR, OWN_GRAPHICS), ["gfx1036"]),
        ((PROCESSOR, STRIX_HALO), ["gfx1151"]),
        ((PROCESSOR, MI250X), ["gfx90a"]),
        ((PROCESSOR, STRIX_HALO, CARD), ["gfx1151", "gfx1100"]),
        ((PROCESSOR,), []),
        (("nonsense\nsimd_count x\n",), []),
        ((), []),
    ],
)
def test_the_kernel_names_targets(
    tmp_path: Path, properties: tuple[str, ...], targets: list[str]
) -> None:
    probe = OtherProbe(nodes(tmp_path / "nodes", *properties), lambda name, arguments: None)
    assert [gpu.architecture for gpu in find_others(GPUS.architecture, probe)] == targets


AMD_SMI = """{"gpu_data": [{"gpu": 0, "asic": {"market_name": "AMD Radeon RX 9070 XT",
 "vendor_id": "0x1002", "target_graphics_version": "gfx1201"}}]}"""
AMD_SMI_LIST = """[{"gpu": 0, "asic": {"market_name": "AMD Instinct MI300X"}}]"""
ROCM_SMI = """{"card0": {"Card Series": "AMD Radeon RX 6800 XT", "Card Model": "0x73bf",
 "GFX Version": "gfx1030"}}"""
XPU_SMI = """{"device_list": [{"device_id": 0, "device_name": "Intel(R) Arc(TM) A770 Graphics",
 "vendor_name": "Intel(R) Corporation"}]}"""


@pytest.mark.parametrize(
    ("outputs", "targets"),
    [
        ({"amd-smi": AMD_SMI}, ["gfx1201"]),
        ({"amd-smi": AMD_SMI_LIST}, ["gfx942"]),
        ({"amd-smi": "no JSON", "rocm-smi": ROCM_SMI}, ["gfx1030"]),
        ({"amd-smi": "[" * 100_000, "rocm-smi": ROCM_SMI}, ["gfx1030"]),
        ({"rocm-smi": ROCM_SMI, "xpu-smi": XPU_SMI}, ["gfx1030"]),
        ({"xpu-smi": XPU_SMI}, ["xe12.55"]),
        ({"xpu-smi": '{"device_list": [{"device_name": "Some Graphics"}]}'}, []),
        ({}, []),
    ],
)
def test_programs_name_gpus(tmp_path: Path, outputs: dict[str, str], targets: list[str]) -> None:
    probe = OtherProbe(tmp_path / "none", lambda name, arguments: outputs.get(name))
    assert [gpu.architecture for gpu in find_others(GPUS.architecture, probe)] == targets


def test_no_program_of_the_current_folder_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "rocm-smi"
    program.write_text("#!/bin/sh\ntouch ran\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", ".:")
    assert run_program("rocm-smi", ()) is None
    assert not (tmp_path / "ran").exists()


def test_a_machine_without_nvidia_has_the_others(tmp_path: Path) -> None:
    def never(*_: object) -> str:
        raise AssertionError

    others = OtherProbe(nodes(tmp_path / "nodes", PROCESSOR, CARD), lambda name, arguments: None)
    machine = detect(GPUS.architecture, Probe(lambda: False, never, never, others))
    assert machine.capabilities == ("gfx1100",)
    assert str(machine) == "gfx1100"
    assert machine.driver is None
    nothing = OtherProbe(tmp_path / "none", lambda name, arguments: None)
    assert detect(GPUS.architecture, Probe(lambda: False, never, never, nothing)) == Machine()
