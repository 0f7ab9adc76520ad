"""GPUs of every maker are named for what they are, and no name is taken for another maker's."""

from __future__ import annotations

import re

import pytest

from cudalock.errors import BadPhrase, BadTarget, CudalockError
from cudalock.goals import Request, read_gpus, read_request
from cudalock.goals.phrase import parse_phrase
from cudalock.matrix.matrix import Matrix
from cudalock.matrix.universe import ClosedUniverse
from cudalock.targets import Here
from cudalock.targets.accelerators import ACCELERATORS, Wish, gpu_of, gpu_version, maker_of, of_gpu

UNIVERSE = ClosedUniverse(Matrix.load())
GPUS = UNIVERSE.matrix.gpus
HERE = Here(python=lambda: ("3.12", False), platform=lambda: ("linux-x86_64", "2.28", None))


@pytest.mark.parametrize(
    ("gpu", "architecture", "accelerator"),
    [
        ("RX 7900 XTX", "gfx1100", "rocm"),
        ("AMD Radeon RX 7900 XTX", "gfx1100", "rocm"),
        ("7900 XTX", "gfx1100", "rocm"),
        ("7900xtx", "gfx1100", "rocm"),
        ("AMD Radeon PRO W7900", "gfx1100", "rocm"),
        ("MI300X", "gfx942", "rocm"),
        ("AMD Instinct MI250X", "gfx90a", "rocm"),
        ("gfx1151", "gfx1151", "rocm"),
        ("AMD Radeon 8060S", "gfx1151", "rocm"),
        ("Strix Halo", "gfx1151", "rocm"),
        ("RX 6700 XT", "gfx1031", "rocm"),
        ("RX 9070 XT", "gfx1201", "rocm"),
        ("Radeon VII", "gfx906", "rocm"),
        ("Intel Arc A770", "xe12.55", "xpu"),
        ("Intel(R) Arc(TM) A770 Graphics", "xe12.55", "xpu"),
        ("B580", "xe20.1", "xpu"),
        ("Arc Pro B60", "xe20.1", "xpu"),
        ("Apple M4", "apple-m4", "mps"),
        ("M4 Pro", "apple-m4", "mps"),
        ("M4", "5.2", "cuda"),
        ("M3 Max", "apple-m3", "mps"),
        ("Apple M2", "apple-m2", "mps"),
        ("RTX 4090", "8.9", "cuda"),
    ],
)
def test_a_gpu_is_of_its_maker(gpu: str, architecture: str, accelerator: str) -> None:
    model = read_gpus([gpu], GPUS)[0]
    assert (model.architecture, of_gpu(model.architecture).name) == (architecture, accelerator)


@pytest.mark.parametrize(
    ("gpu", "said"),
    [
        ("RX 8900 XTX", "unknown AMD GPU"),
        ("Radeon HD 7970", "unknown AMD GPU"),
        ("gfx9999", "unknown AMD GPU"),
        ("Intel UHD 630", "unknown Intel GPU"),
        ("M9 Ultra", "unknown GPU"),
    ],
)
def test_an_unknown_gpu_is_told_whose_it_is(gpu: str, said: str) -> None:
    with pytest.raises(BadTarget, match=said):
        read_gpus([gpu], GPUS)


@pytest.mark.parametrize("name", GPUS.names)
def test_no_gpu_of_the_matrix_is_another_makers(name: str) -> None:
    model = read_gpus([name], GPUS)[0]
    row = of_gpu(model.architecture)
    maker = maker_of(name)
    # `M40` and `A30` are read before anybody asks whose they are.
    assert maker is None or maker is row or GPUS.match(name), name


@pytest.mark.parametrize(
    ("architecture", "version"),
    [
        ("gfx900", "9.0.0"),
        ("gfx90a", "9.0.10"),
        ("gfx90c", "9.0.12"),
        ("gfx942", "9.4.2"),
        ("gfx1030", "10.3.0"),
        ("gfx1151", "11.5.1"),
        ("xe12.55", "12.55"),
        ("apple-m3", "3"),
        ("8.9", "8.9"),
    ],
)
def test_facts_compare_architectures_as_versions(architecture: str, version: str) -> None:
    assert gpu_version(architecture) == version
    assert gpu_of(of_gpu(architecture).component, version) == architecture


def test_every_architecture_is_of_one_accelerator() -> None:
    for model in GPUS.models.values():
        rows = [
            row
            for row in ACCELERATORS.values()
            if re.fullmatch(row.architecture, model.architecture)
        ]
        assert len(rows) == 1, model


@pytest.mark.parametrize(
    ("phrase", "wish", "gpus", "platform"),
    [
        ("torch for my RX 7900 XTX", None, ("gfx1100",), "linux-x86_64"),
        ("torch rocm6.4", Wish("rocm", "==6.4.*"), (), "linux-x86_64"),
        ("torch rocm 6.4", Wish("rocm", "==6.4.*"), (), "linux-x86_64"),
        ("torch with rocm", Wish("rocm"), (), "linux-x86_64"),
        ("torch on amd", Wish("rocm"), (), "linux-x86_64"),
        ("torch xpu", Wish("xpu"), (), "linux-x86_64"),
        ("torch on Intel Arc B580", None, ("xe20.1",), "linux-x86_64"),
        ("torch for my M3 Max", None, ("apple-m3",), "macos-arm64"),
        ("torch on a mac with mps", Wish("mps"), (), "macos-arm64"),
        ("torch cpu", Wish("cpu"), (), "linux-x86_64"),
        ("torch cu124", Wish("cuda", "==12.4.*"), (), "linux-x86_64"),
    ],
)
def test_phrases_name_accelerators(
    phrase: str, wish: Wish | None, gpus: tuple[str, ...], platform: str
) -> None:
    goal, target = read_request(Request(words=(phrase,)), UNIVERSE, None, HERE)
    assert (goal.accelerator, target.gpus, target.platform) == (wish, gpus, platform)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"accelerator": ("rocm6.4", "cu124")}, "the accelerator cannot be both"),
        ({"accelerator": ("rocm6.4",), "cuda": ("12.4",)}, "the accelerator cannot be both"),
        ({"accelerator": ("rocm6.4", "rocm7.2")}, "ROCm cannot be both"),
        ({"cuda": ("rocm6.4",)}, "`--cuda` is for CUDA builds"),
        ({"accelerator": ("tpu",)}, "unknown accelerator `tpu`"),
    ],
)
def test_wishes_that_contradict(flags: dict[str, tuple[str, ...]], said: str) -> None:
    with pytest.raises(CudalockError, match=re.escape(said)):
        read_request(Request(words=("torch",), **flags), UNIVERSE, None, HERE)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("phrase", "said"),
    [
        ("torch 2.6 with kagle", "unknown word `kagle`"),
        ("torch for RX 8900", "unknown AMD GPU `RX 8900`"),
    ],
)
def test_a_plain_word_is_never_looked_up_as_a_package(phrase: str, said: str) -> None:
    with pytest.raises(BadPhrase) as raised:
        parse_phrase([phrase], UNIVERSE)
    assert said in str(raised.value)
    assert not any("package" in hint for hint in raised.value.hints)
