"""The command line: what is refused, how it is said, and with which exit status.

Solving itself is tested elsewhere; nothing here gets as far.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from cudalock import cli
from cudalock.cli import main
from cudalock.cli.options import request_of
from cudalock.cli.settings import ProjectSettings
from cudalock.cli.solve import solve
from cudalock.errors import (
    BadFile,
    CudalockError,
    HashesMissing,
    MatrixError,
    NetworkError,
    NoSolution,
    UnknownName,
    UsageError,
)
from cudalock.goals import RequestedProject


def run(*words: str, **options: Any) -> Result:
    return CliRunner().invoke(main, list(words), prog_name="cudalock", **options)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever pyproject.toml the tests are started beside must not matter."""
    monkeypatch.chdir(tmp_path)


HERE = ("--python", "3.11", "--platform", "linux")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["slove"], "no such command `slove`\n\nhint: did you mean `cudalock solve`?"),
        (["solve", "--tirch"], "--torch"),
        (["solve", "--torch", "--fa2"], "`--torch` needs a value, and `--fa2` is an option"),
        (["solve", "--format", "yaml"], "'yaml' is not one of"),
        (["solve"], "the goal is empty"),
        (["solve", "toch 2.5"], "`torch`"),
        (["explain", "nosuch-package==1"], "`nosuch-package` is not in the matrix"),
        (["explain", "torch", "--cuda", "cpu", "--cuda", "12.4"], "CUDA cannot be both"),
        (["why-not", "torch==2.5.1", "--cuda", "cpu", "--cuda", "12.4"], "CUDA cannot be both"),
        (["solve", "torch", "--cuda", "cpu", "--cuda", "12.4"], "`-o` has to name them"),
        (["solve", "torch 2.4", "--torch", "2.5.1"], "cannot be both"),
        (["solve", "torch", "--python", "2.7"], "2.7"),
        (["solve", "torch", "--platform", "windws"], "--platform windows"),
        (["solve", "torch", "--platform", "x86_64-unknown-linux-musl"], "musl"),
        (["solve", "torch", "--torch-backend", "tpu"], "unknown accelerator `tpu`"),
        (["solve", "torch", "--gpu", "RTX 1"], "RTX 1"),
        (["solve", "torch", "--toolkit", "all"], "invalid CUDA toolkit"),
        (["solve", "torch", "--exclude-newer", "soon"], "soon"),
        (["solve", "-r", "gone.txt"], "`gone.txt` cannot be read"),
        (["solve", "torch", "-c", "gone.txt"], "`gone.txt` cannot be read"),
        (["solve", "torch", "--json", "--format", "requirements"], "cannot be combined"),
        (["solve", "torch", "-o", "lock.yaml"], "--format requirements"),
        (["solve", "torch", "--matrix", "nowhere"], "matrix"),
    ],
)
def test_wrong_questions_are_2(words: list[str], said: str) -> None:
    target = HERE if "--python" not in words and "--platform" not in words else ()
    result = run(*words, *(target if words[0] == "solve" else ()))
    assert result.exit_code == 2, result.output
    # Who asks for JSON gets the error in it too.
    assert bool(result.stdout) == ("--json" in words)
    assert result.stderr.startswith("error: ")
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_a_requirements_file_from_standard_input() -> None:
    result = run("solve", "-r", "-", *HERE, input="torch\n-e .\n")
    assert result.exit_code == 2
    assert "standard input:2: `-e .`" in result.stderr


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["solve", "--help"]])
def test_help(words: list[str]) -> None:
    result = run(*words)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("Usage: cudalock")


def commands(group: click.Group, *path: str) -> list[list[str]]:
    """The words of every command that does something."""
    context = click.Context(group)
    found = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        below = commands(command, *path, name) if isinstance(command, click.Group) else None
        found += below if below is not None else [[*path, name]]
    return found


@pytest.mark.parametrize("words", commands(main), ids=" ".join)
def test_each_command_says_what_its_exit_status_means(words: list[str]) -> None:
    text = CliRunner().invoke(main, [*words, "--help"]).output
    status = text.partition("Exit status:")[2].partition("\n\n")[0]
    assert {"0", "2"} <= {word for word in status.replace(";", " ").split() if word.isdigit()}


def test_no_command_shows_the_help() -> None:
    result = run()
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: cudalock")


def test_every_short_option_of_the_design_is_there() -> None:
    flags = {flag for parameter in solve.params for flag in parameter.opts}
    expected = """
        -r -c --torch --fa2 --fa3 --xformers --bnb --triton --vision --audio --flash-attn
        --bitsandbytes --torchvision --torchaudio --cuda --torch-backend --cudnn --toolkit
        --python --python-version --platform --python-platform --glibc --gpu --driver --format
        --json -o --hashes --offline --matrix --index-url --extra-index-url --builders
        --exclude-newer --strict -q -v
    """
    assert set(expected.split()) <= flags


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (NoSolution("torch needs this and that"), 1, "error: torch needs this and that\n"),
        (NoSolution("no", hints=["`try this`"]), 1, "error: no\n\nhint: `try this`\n"),
        (HashesMissing({"a.whl": None}), 1, "for `a.whl`\n"),
        (UsageError("what?"), 2, "error: what?\n"),
        (MatrixError("torch.toml", "fact[0]", "is odd"), 2, "torch.toml: fact[0]: is odd"),
        (NetworkError("no route"), 3, "no route"),
        (click.UsageError("eh?"), 2, "error: eh?\n"),
        (ZeroDivisionError("by zero"), 70, "internal error: ZeroDivisionError: by zero"),
        (OSError(28, "No space left"), 2, "cannot write to standard output: No space left"),
        (OSError(2, "No such file", "x.json"), 70, "internal error: FileNotFoundError"),
        (KeyboardInterrupt(), 130, ""),
        (click.Abort(), 130, ""),
    ],
)
def test_how_errors_end(
    error: BaseException, status: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _break_solve(monkeypatch, error)
    result = run("solve", "torch")
    assert result.exit_code == status
    assert said in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(os.name == "nt", reason="asks sh")
def test_a_reader_that_goes_away() -> None:
    command = f"'{sys.executable}' -m cudalock solve --help | true"
    environment = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[2])}
    done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_verbose_shows_where_an_internal_error_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    _break_solve(monkeypatch, ZeroDivisionError("by zero"))
    result = run("solve", "torch", "-v")
    assert result.exit_code == 70
    assert "Traceback" in result.stderr


def _break_solve(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    @click.command()
    @click.argument("goal")
    @click.option("-v", is_flag=True)
    def solve(goal: str, v: bool) -> None:
        raise error

    monkeypatch.setattr(sys.modules["cudalock.cli.solve"], "solve", solve)


def test_without_standalone_mode_errors_are_raised() -> None:
    with pytest.raises(CudalockError):
        main(["solve", "toch"], standalone_mode=False)
    assert set(cli.COMMANDS) == set(main.list_commands(click.Context(main)))


# -- [tool.cudalock] --------------------------------------------------------------------------


def write_table(directory: Path, lines: str) -> None:
    (directory / "pyproject.toml").write_text(f"[tool.cudalock]\n{lines}\n", encoding="utf-8")


def test_defaults_are_options(tmp_path: Path) -> None:
    write_table(
        tmp_path,
        'torch = "2.5"\nfa2 = true\npython-version = "3.11"\ngpu = ["8.6", "9.0"]\n'
        'builders = "official"\nformat = "json"\nconstraint = ["numpy<2"]\nquiet = true',
    )
    defaults = ProjectSettings.read(tmp_path).defaults(solve)
    request = request_of(defaults)
    assert (request.framework, request.switches, request.python) == (
        ("2.5",),
        ("flash-attn",),
        ("3.11",),
    )
    assert (request.gpu, request.builders) == (("8.6", "9.0"), ("official",))
    assert request.constraints == (RequestedProject("numpy", "<2", origin="-c"),)
    assert (defaults["format"], defaults["quiet"]) == ("json", True)


@pytest.mark.parametrize("text", [None, "", "[tool.other]\nx = 1\n", "not toml at all ["])
def test_no_table_no_defaults(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text)
    assert ProjectSettings.read(tmp_path).defaults(solve) == {}


@pytest.mark.parametrize(
    ("lines", "kind", "said"),
    [
        ('pyton = "3.11"', UnknownName, "`pyton`"),
        ("python = 3.10", BadFile, "quotes"),
        ('fa2 = "yes"', BadFile, "true or false"),
        ("gpu = [8.6]", BadFile, "quotes"),
        ('format = ["json"]', BadFile, "text"),
        ('format = "yaml"', UsageError, "yaml"),
        ("python = ", BadFile, "not valid TOML"),
        ('help = "x"', UnknownName, "`help`"),
    ],
)
def test_defaults_that_are_wrong(
    tmp_path: Path, lines: str, kind: type[CudalockError], said: str
) -> None:
    write_table(tmp_path, lines)
    with pytest.raises(kind, match=said):
        ProjectSettings.read(tmp_path).defaults(solve)


def test_an_unknown_key_names_the_nearest(tmp_path: Path) -> None:
    write_table(tmp_path, 'pyton = "3.11"')
    result = run("solve", "torch")
    assert result.exit_code == 2
    assert "hint: did you mean `python`" in result.stderr
