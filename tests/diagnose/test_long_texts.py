"""A long log: what repeats is not read, and what explains the end of it is."""

from __future__ import annotations

import random
import string

import pytest

from cudalock.diagnose.text import PastedText

ERROR = "ModuleNotFoundError: No module named 'triton.ops'"
SIZE = 4_000_000


def of_training() -> list[str]:
    return [
        f"2026-11-29 10:00:{number % 60:02d} INFO step {number} loss={1 / number:.5f} lr=1e-4"
        for number in range(1, SIZE // 60)
    ]


def of_words() -> list[str]:
    source = random.Random(3)
    words = ["".join(source.choices(string.ascii_lowercase, k=6)) for _ in range(5000)]
    return [" ".join(source.choices(words, k=12)) for _ in range(SIZE // 84)]


@pytest.mark.parametrize("lines", [of_training(), of_words()], ids=["training", "words"])
@pytest.mark.parametrize("place", [0.5, 1.0])
def test_a_long_log_is_condensed(lines: list[str], place: float) -> None:
    at = int(len(lines) * place)
    text = PastedText.of("\n".join([*lines[:at], ERROR, *lines[at:]]))
    assert text.lines[at] == ERROR
    assert text.number(text.folded.index("triton.ops")) == at + 1
    assert sum(map(len, text.lines)) < SIZE // 8


def test_both_ends_of_a_repetition_stay() -> None:
    lines = [f"numpy {number}.0.0 is too old" for number in range(20_000)]
    text = PastedText.of("\n".join(lines))
    assert [line for line in text.lines if line] == [*lines[:2], *lines[-2:]]


def test_a_short_text_is_read_whole() -> None:
    text = "same line\n" * 1000
    assert PastedText.of(text).lines == text.split("\n")
