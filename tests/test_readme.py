"""What the README shows is what cudalock says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from cudalock.cli import main
from cudalock.compiled import COMPILED, compile_tables
from cudalock.matrix import data_directory

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
SCREENS = re.findall(r"^\$ cudalock ([^\n]+)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(("command", "screen"), SCREENS)
def test_screens(command: str, screen: str) -> None:
    result = CliRunner().invoke(main, shlex.split(command), standalone_mode=True)
    assert result.output == screen


def test_there_are_screens() -> None:
    assert SCREENS


def test_the_quickly_read_copy_of_the_facts_is_current() -> None:
    directory = data_directory()
    text = (directory / COMPILED).read_text(encoding="utf-8")
    assert text == compile_tables(directory), "run `python -m cudalock.compiled matrix`"
