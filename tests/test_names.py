"""Names, aliases and near misses."""

from __future__ import annotations

import pytest

from cudalock.names import nearest
from cudalock.versions import canonical
from tests.known import NAMES


def test_canonical() -> None:
    assert canonical("Flash_Attn") == "flash-attn"


@pytest.mark.parametrize(
    ("word", "project"),
    [
        ("FA2", "flash-attn"),
        ("fa2", "flash-attn"),
        ("Flash_Attn", "flash-attn"),
        ("Flash  Attention_2", "flash-attn"),
        ("pytorch", "torch"),
        ("nothing", None),
        ("", None),
    ],
)
def test_find(word: str, project: str | None) -> None:
    assert NAMES.find(word) == project


def test_nearest_keeps_the_spelling() -> None:
    assert nearest("fa_2", ["FA2", "torch"]) == ["FA2"]
    assert nearest("zzz", ["FA2", "torch"]) == []


def test_stand_in() -> None:
    assert NAMES.platform_alias("triton", {"sys_platform": "win32"}) == "triton-windows"
    assert NAMES.platform_alias("triton", {"sys_platform": "linux"}) == "triton"
    assert NAMES.platform_alias("torch", {"sys_platform": "win32"}) == "torch"
