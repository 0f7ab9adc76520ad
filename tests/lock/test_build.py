"""What a lock says of its pins, for one target and for several."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from cudalock.cli import main
from cudalock.matrix.matrix import Matrix

BOTH = "--platform linux --platform windows"
FACTS = set(Matrix.load().facts)


def made(words: str) -> dict[str, Any]:
    result = CliRunner().invoke(main, ["solve", "--offline", "--format", "json", *words.split()])
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


@pytest.mark.parametrize(
    "words",
    [
        "--torch 2.5.1 --fa2 --vision --python 3.11 --platform linux",
        f"--torch 2.5.1 --xformers --python 3.10 --python 3.12 {BOTH}",
        "--torch 2.9.1 --cuda cpu --python 3.12 --platform linux --platform macos",
    ],
)
def test_reasons_name_what_there_is(words: str) -> None:
    pins = made(words)["pins"]
    names = {pin["name"] for pin in pins}
    via = {(pin["name"], parent) for pin in pins for parent in pin["via"]}
    assert {fact for pin in pins for fact in pin["facts"]} <= FACTS
    assert {parent for _, parent in via} <= names | {"goal"}
    assert {(required, pin["name"]) for pin in pins for required in pin["requires"]} == {
        each for each in via if each[1] != "goal"
    }
    for pin in pins:
        assert pin["hashes"] == sorted(set(pin["hashes"]))
        assert pin["requires"] == sorted(set(pin["requires"]))
        first, *rest = pin["via"]
        assert rest == sorted(rest)
        assert first == "goal" or pin["via"] == sorted(pin["via"])


@pytest.mark.parametrize(
    ("words", "needs"),
    [
        (
            f"--torch 2.5.1 --xformers --python 3.10 --python 3.12 {BOTH}",
            [
                "driver >= 525.60.13 (Linux x86_64)",
                "glibc >= 2.28 (Linux x86_64)",
                "GPU sm_60 to sm_9x",
                "driver >= 528.33 (Windows x86_64)",
            ],
        ),
    ],
)
def test_a_need_names_its_targets(words: str, needs: list[str]) -> None:
    assert made(words)["needs"] == needs


def test_a_warning_of_two_targets_is_told_once() -> None:
    document = made(f"torch==2.7.1 unsloth==2025.5.9 --python 3.11 {BOTH}")
    assert [each["fact"] for each in document["warnings"]] == ["unsloth-torch-2.7"]
