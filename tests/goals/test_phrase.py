"""The goal phrase, word by word, and that no text at all makes it fall over."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cudalock.errors import BadPhrase, BadTarget, CudalockError
from cudalock.goals import ParsedPhrase, Request, parse_phrase, read_request
from tests.known import HERE, FakeMatrix

MATRIX = FakeMatrix()


def read(*words: str) -> ParsedPhrase:
    return parse_phrase(words, MATRIX)


def said(*words: str) -> dict[str, Any]:
    """The components with their versions, and whatever else was said."""
    parsed = read(*words)
    asked = [(item.name, item.loose or item.specifier or None) for item in parsed.projects]
    rest = {
        name: list(getattr(parsed, name))
        for name in ("cuda", "cudnn", "python", "platform", "glibc", "gpu", "driver")
        if getattr(parsed, name)
    }
    return {"asked": asked, **rest}


TORCH = [("torch", "2.5.1")]
WITH_FA = [*TORCH, ("flash-attn", None)]


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        (
            "torch 2.5.1 + FA2 on Windows py3.11",
            {"asked": WITH_FA, "platform": ["windows"], "python": ["py3.11"]},
        ),
        ("torch 2.5.1+fa2", {"asked": WITH_FA}),
        ("torch 2.5.1, fa2", {"asked": WITH_FA}),
        ("torch 2.5.1 and fa2", {"asked": WITH_FA}),
        ("PyTorch 2.5.1 with Flash Attention 2", {"asked": WITH_FA}),
        ("torch 2.5.1 flash-attn", {"asked": WITH_FA}),
        ("torch v2.5.1", {"asked": [("torch", "v2.5.1")]}),
        ("torch 2.5", {"asked": [("torch", "2.5")]}),
        ("torch 2.5.*", {"asked": [("torch", "2.5.*")]}),
        ("torch latest + bnb", {"asked": [("torch", "latest"), ("bitsandbytes", None)]}),
        (
            "torch 2.4.1+cu121 + bnb",
            {"asked": [("torch", "2.4.1+cu121"), ("bitsandbytes", None)]},
        ),
        ("torch==2.5.1", {"asked": [("torch", "==2.5.1")]}),
        ("torch>=2.4,<2.6 + bnb", {"asked": [("torch", "<2.6,>=2.4"), ("bitsandbytes", None)]}),
        ("bnb + torch >= 2.4, < 2.6", {"asked": [("bitsandbytes", None), ("torch", "<2.6,>=2.4")]}),
        ("flash attention 2 >=2.7", {"asked": [("flash-attn", ">=2.7")]}),
        ("flash-attn 2.7.4.post1", {"asked": [("flash-attn", "2.7.4.post1")]}),
        ("torch 2.5.1 cuda 12.4", {"asked": TORCH, "cuda": ["12.4"]}),
        ("torch 2.5.1 cu124", {"asked": TORCH, "cuda": ["cu124"]}),
        ("torch 2.5.1 cuda>=12.1", {"asked": TORCH, "cuda": [">=12.1"]}),
        ("torch 2.5.1 with cuda", {"asked": TORCH}),
        ("torch 2.5.1 cpu", {"asked": TORCH, "cuda": ["cpu"]}),
        ("torch 2.5.1 cudnn 9.1", {"asked": TORCH, "cudnn": ["9.1"]}),
        ("torch 2.5.1 python 3.11", {"asked": TORCH, "python": ["3.11"]}),
        ("torch 2.5.1 3.13t", {"asked": TORCH, "python": ["3.13t"]}),
        ("torch 2.5.1 3.11", {"asked": TORCH, "python": ["3.11"]}),
        (
            "torch 2.5.1 on Windows 3.11.x",
            {"asked": TORCH, "platform": ["windows"], "python": ["3.11.x"]},
        ),
        ("torch 2.5.1 cp311", {"asked": TORCH, "python": ["cp311"]}),
        (
            "torch 2.5.1 on linux glibc 2.35",
            {"asked": TORCH, "platform": ["linux"], "glibc": ["2.35"]},
        ),
        (
            "torch 2.5.1 for x86_64-manylinux_2_35",
            {"asked": TORCH, "platform": ["x86_64-manylinux_2_35"]},
        ),
        ("torch 2.5.1 on Windows 11", {"asked": TORCH, "platform": ["windows"]}),
        ("torch 2.5.1 on macOS 12", {"asked": TORCH, "platform": ["macosx_12_0_arm64"]}),
        ("torch 2.5.1 for RTX 5090", {"asked": TORCH, "gpu": ["RTX 5090"]}),
        ("torch 2.5.1 for an RTX 3060 Ti", {"asked": TORCH, "gpu": ["RTX 3060 Ti"]}),
        ("torch 2.5.1 RTX 3060 Ti, H100", {"asked": TORCH, "gpu": ["RTX 3060 Ti", "H100"]}),
        ("torch 2.5.1 sm_86", {"asked": TORCH, "gpu": ["sm_86"]}),
        ("torch 2.5.1 gpu 8.6", {"asked": TORCH, "gpu": ["8.6"]}),
        ("torch 2.5.1 driver 550.54", {"asked": TORCH, "driver": ["550.54"]}),
        ("torch 2.5.1 + FA2.", {"asked": WITH_FA}),
        ("cuda-toolkit[cublas] + torch 2.5.1", {"asked": [("cuda-toolkit", None), *TORCH]}),
        ("", {"asked": []}),
        ("+ , and", {"asked": []}),
    ],
)
def test_phrases(phrase: str, expected: dict[str, Any] | None) -> None:
    if expected is None:
        with pytest.raises(BadPhrase):
            said(phrase)
        return
    assert said(phrase) == expected
    if not any(sign in phrase for sign in "[<>="):
        assert said(*phrase.split()) == expected


def test_an_argument_that_is_a_requirement_is_taken_whole() -> None:
    parsed = read('numpy<2; python_version < "3.12"', "cuda-toolkit[cublas,NVCC]==12.4.1", "bnb")
    numpy, toolkit, bnb = parsed.projects
    assert (numpy.specifier, numpy.marker) == ("<2", 'python_version < "3.12"')
    assert (toolkit.extras, toolkit.specifier) == (("cublas", "nvcc"), "==12.4.1")
    assert bnb.name == "bitsandbytes"


@pytest.mark.parametrize(
    ("phrase", "kind", "parts"),
    [
        ("toch 2.5", BadPhrase, ["`toch`", "`torch`"]),
        ("torch 2.5.1 on windoze", BadPhrase, ["`windoze`", "`windows`"]),
        ("torch on alpine", BadTarget, ["musl"]),
        ("2.5.1", BadPhrase, ["`2.5.1`", "right after its component"]),
        ("torch 2.5.1 2.8", BadPhrase, ["`2.8`", "right after its component"]),
        (">=2", BadPhrase, ["`>=2`"]),
        ("torch driver", BadPhrase, ["`driver`", "`driver 550.54`"]),
        ("torch python", BadPhrase, ["`python 3.11`"]),
        ("torch python>=3.10", BadPhrase, ["python"]),
        ("torch>=x", BadPhrase, ["`torch>=x`"]),
        ("torch RTX 9999", BadPhrase, ["`RTX`"]),
    ],
)
def test_what_a_phrase_is_refused_for(
    phrase: str, kind: type[CudalockError], parts: list[str]
) -> None:
    with pytest.raises(kind) as caught:
        read(phrase)
    text = " ".join([caught.value.message, *caught.value.hints])
    assert all(part in text for part in parts), text


VOCABULARY = """
    torch fa2 flash attention 2 2.5.1 2.5 latest + , and on for windows linux py3.11 python cuda
    cu124 12.4 cpu gpu RTX 5090 driver 550.54 glibc >=2.4 <2.6 == [ ] ; @ 3.13t bnb numpy<2
    2.4.1+cu121 -r . ! ~= '' musl 9!1 1.0.dev0
"""
WORDS = st.sampled_from(VOCABULARY.split())


@given(st.lists(WORDS | st.text(max_size=12), max_size=12))
@example(["torch @ https://example.org/torch.whl"])
@example(["torch", "=="])
@example(["torch==2.5.1+"])
@example(["cuda>=99999999999999999999"])
def test_any_words_are_read_or_refused(words: list[str]) -> None:
    with suppress(CudalockError):
        read_request(Request(words=tuple(words)), MATRIX, here=HERE)
