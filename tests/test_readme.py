"""What the README shows is what cudalock says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from cudalock.cli import main
from cudalock.findings import RULES
from cudalock.matrix.matrix import data_directory
from cudalock.matrix.store import COMPILED, compile_tables
from tests.paths import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\w*\n(\$ .*?)^```$", README, re.DOTALL | re.MULTILINE)
"""What a terminal shows: each command after a `$`, and what it prints."""
SCREENS = [block for block in BLOCKS if "$ cudalock " in block]


@pytest.mark.parametrize("block", SCREENS)
def test_screens(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for command, output in re.findall(r"^\$ ([^\n]+)\n(.*?)(?=^\$ |\Z)", block, re.DOTALL | re.M):
        tool, *words = shlex.split(command)
        if tool == "cat":
            Path(*words).write_text(output, encoding="utf-8")
        else:
            assert tool == "cudalock"
            assert CliRunner().invoke(main, words).output == output


def test_there_are_screens() -> None:
    assert SCREENS


def test_the_quickly_read_copy_of_the_facts_is_current() -> None:
    directory = data_directory()
    text = (directory / COMPILED).read_text(encoding="utf-8")
    assert text == compile_tables(directory), "run `python -m cudalock.matrix.store matrix`"


def test_the_table_of_codes_is_that_of_the_rules() -> None:
    told = {}
    for codes, severity in re.findall(
        r"^\| ((?:CL\d+(?:, )?)+) \| ([^|]+) \|", README, re.MULTILINE
    ):
        told.update(dict.fromkeys(codes.split(", "), severity.strip()))
    assert list(told) == list(RULES)
    by_fact = {code for code, severity in told.items() if severity == "by its fact"}
    assert by_fact == {"CL708"}
    for code in told.keys() - by_fact:
        assert told[code] == RULES[code].severity, code
