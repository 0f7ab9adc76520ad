"""GPUs of other makers are named for what they are, and NVIDIA's are never taken for one."""

from __future__ import annotations

import pytest

from cudalock.errors import BadPhrase, BadTarget
from cudalock.goals.gpus import read_gpus
from cudalock.goals.phrase import parse_phrase
from cudalock.matrix.matrix import Matrix
from cudalock.matrix.universe import ClosedUniverse
from cudalock.targets.accelerators import other_maker

UNIVERSE = ClosedUniverse(Matrix.load())


@pytest.mark.parametrize(
    ("gpu", "maker"),
    [
        ("RX 7900 XTX", "AMD"),
        ("Radeon Pro W7900", "AMD"),
        ("MI300X", "AMD"),
        ("gfx1100", "AMD"),
        ("Intel Arc A770", "Intel"),
        ("B580", "Intel"),
        ("M3 Max", "Apple"),
        ("Apple M2", "Apple"),
    ],
)
def test_the_maker_is_named(gpu: str, maker: str) -> None:
    with pytest.raises(BadTarget, match=f"is a GPU by {maker}: cudalock covers NVIDIA"):
        read_gpus([gpu], UNIVERSE.matrix.gpus)


@pytest.mark.parametrize("name", UNIVERSE.matrix.gpus.names)
def test_no_gpu_of_the_matrix_is_another_makers(name: str) -> None:
    assert read_gpus([name], UNIVERSE.matrix.gpus)
    maker = other_maker(name)
    # `M40` and `A30` are read before anybody asks whose they are.
    assert maker is None or UNIVERSE.matrix.gpus.find(name), name


@pytest.mark.parametrize(
    ("phrase", "said"),
    [
        ("torch for my RX 7900 XTX", "`RX 7900` is by AMD"),
        ("torch on amd", "`amd` is by AMD"),
        ("I want torch 2.6", "unknown word `I`"),
        ("torch for kaggle", "unknown word `kaggle`"),
    ],
)
def test_a_plain_word_is_never_looked_up_as_a_package(phrase: str, said: str) -> None:
    with pytest.raises(BadPhrase) as raised:
        parse_phrase([phrase], UNIVERSE)
    assert said in str(raised.value)
    assert not any("package" in hint for hint in raised.value.hints)
