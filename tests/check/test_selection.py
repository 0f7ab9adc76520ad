"""What is checked, which findings are reported, and the settings that say so."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cudalock.check.selection import Selection, codes_of
from cudalock.cli import main
from cudalock.errors import UnknownName
from cudalock.findings import RULES

PINS = "torch==2.5.1\ntorchvision==0.19.0\nflashattn==2.7.4\n"
"""An error CL201 that `--fix` mends, and a warning CL108 that it does not."""
FOR = ("--platform", "linux", "--python", "3.11")


@pytest.fixture(autouse=True)
def _repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "requirements.txt").write_text(PINS)
    monkeypatch.chdir(tmp_path)


def run(*words: str) -> click.testing.Result:
    return CliRunner().invoke(main, ["check", *words, *FOR])


def codes(*words: str) -> set[str]:
    result = run(*words, "--json")
    return {finding["code"] for finding in json.loads(result.stdout)["findings"]}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), {"CL201", "CL108"}),
        (("--select", "CL2"), {"CL201"}),
        (("--select", "CL1,CL2"), {"CL201", "CL108"}),
        (("--select", "metadata-clash"), {"CL201"}),
        (("--ignore", "CL201"), {"CL108"}),
        (("--ignore", "cl2", "--ignore", "near-miss"), set()),
        (("--select", "ALL", "--ignore", "CL1"), {"CL201"}),
    ],
)
def test_codes_are_selected_and_ignored(words: tuple[str, ...], expected: set[str]) -> None:
    assert codes("requirements.txt", *words) == expected


@pytest.mark.parametrize("word", ["CL999", "metadata-clsh", "E501", "2"])
def test_a_code_that_is_none_is_refused(word: str) -> None:
    with pytest.raises(UnknownName, match=word):
        codes_of([word])
    assert run("requirements.txt", "--ignore", word).exit_code == 2


def test_all_codes_are_selected_by_default() -> None:
    assert Selection.of((), (), {}).select == set(RULES)


def test_an_ignored_code_is_not_fixed(tmp_path: Path) -> None:
    result = run("--fix", "--ignore", "CL201", "requirements.txt")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "requirements.txt").read_text() == PINS


@pytest.mark.parametrize("name", ["cudalock.toml", "pyproject.toml"])
@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ('ignore = ["CL201"]', {"CL108"}),
        ('select = ["CL201"]', {"CL201"}),
        ('per-file-ignores = { "requirements.txt" = ["CL2"] }', {"CL108"}),
        ('per-file-ignores = { "below/*" = "CL201" }', {"CL201", "CL108"}),
    ],
)
def test_settings_of_the_folder_above(
    tmp_path: Path, name: str, lines: str, expected: set[str]
) -> None:
    table = "[tool.cudalock]\n" if name == "pyproject.toml" else ""
    (tmp_path / name).write_text(f"{table}{lines}\n")
    below = tmp_path / "sub" / "folder"
    below.mkdir(parents=True)
    (below / "requirements.txt").write_text(PINS)
    assert codes("sub/folder/requirements.txt") == expected


def test_settings_outside_a_repository_are_not_ours(tmp_path: Path) -> None:
    """A folder above may be everybody's, such as the one for temporary files."""
    (tmp_path / ".git").rmdir()
    (tmp_path / "cudalock.toml").write_text('ignore = ["ALL"]\n')
    below = tmp_path / "sub"
    below.mkdir()
    (below / "requirements.txt").write_text(PINS)
    assert codes("sub/requirements.txt") == {"CL201", "CL108"}
    assert codes("requirements.txt") == set()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('ignor = ["CL201"]', "cudalock.toml: unknown key `ignor`"),
        ("fix = true", "cudalock.toml: fix is not a setting"),
        ('ignore = ["CL999"]', "unknown code `CL999`"),
        ("per-file-ignores = 3", "per-file-ignores has to map"),
        ('per-file-ignores = { "a.txt" = [3] }', "per-file-ignores has to map"),
        ('output-format = "xml"', "'xml' is not one of"),
    ],
)
def test_settings_that_are_wrong_are_refused(tmp_path: Path, lines: str, message: str) -> None:
    (tmp_path / "cudalock.toml").write_text(f"{lines}\n")
    result = run("requirements.txt")
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_a_setting_of_another_command_is_let_pass(tmp_path: Path) -> None:
    (tmp_path / "cudalock.toml").write_text('format = "pylock"\nlive = true\n')
    assert run("requirements.txt").exit_code == 1


def test_a_folder_is_checked_and_an_empty_one_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert codes(".") == {"CL201", "CL108"}
    result = run("empty")
    assert (result.exit_code, result.stderr) == (0, "no file to check in `empty`\n")
    result = run("empty", "--require-files")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: no file to check in `empty`")


def test_errors_may_be_no_failure() -> None:
    assert run("requirements.txt").exit_code == 1
    assert run("requirements.txt", "--exit-zero").exit_code == 0


FULL = """\
requirements.txt:2:1: CL201 [*] torch==2.5.1 and torchvision==0.19.0 are incompatible; torchvision \
0.19.0 requires torch==2.4.0 (its metadata)
  |
2 | torchvision==0.19.0
  | ^^^^^^^^^^^^^^^^^^^
    fix: `torchvision==0.20.1`

requirements.txt:3:1: CL108 warning: `flashattn` is not in the matrix, and one letter off flash-attn
  |
3 | flashattn==2.7.4
  | ^^^^^^^^^^^^^^^^
    fix: `flash-attn`

"""


def test_the_full_report_shows_the_line() -> None:
    result = run("requirements.txt", "--output-format", "full")
    assert result.stdout == FULL
    assert "`--fix` mends 1 of 2 [*]" in result.stderr


def test_colours_are_added_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    result = CliRunner().invoke(
        main, ["check", "requirements.txt", *FOR, "--output-format", "full"], color=True
    )
    assert "\x1b[" in result.stdout
    assert click.unstyle(result.stdout) == FULL


def test_nothing_of_a_file_reaches_the_terminal_as_a_control(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("torch==2.5.2  # \x1b[2J\x07\n")
    result = run("requirements.txt", "--output-format", "full")
    assert "\x1b" not in result.stdout
    assert "torch==2.5.2" in result.stdout
