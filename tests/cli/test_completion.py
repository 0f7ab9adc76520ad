"""What the tab key gives: words of the matrix, in the shells themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from cudalock.cli import main
from cudalock.cli.completing import KINDS, OPTIONS
from cudalock.cli.completion import script
from cudalock.matrix.matrix import Matrix
from tests.paths import RESOLVER

ROWS = [
    ("solve --platform win", "windows"),
    ("solve --platform ubuntu22", "ubuntu22.04"),
    ("solve --gpu rtx-50", "RTX-5090"),
    ("check --gpu H1", "H100"),
    ("solve --python 3.1", "3.11"),
    ("solve --cuda 12.", "12.4"),
    ("solve --driver 5", "550"),
    ("solve --torch 2.6", "2.6.0"),
    ("solve --builders o", "official"),
    ("solve flash", "flash-attn"),
    ("solve --skip xf", "xformers"),
    ("why-not xf", "xformers"),
    ("matrix table torch-c", "torch-cuda"),
    ("matrix show fa2-torch", "fa2-torch-minor"),
    ("matrix rules --for tri", "triton"),
    ("check --select CL2", "CL203"),
    ("check --select CL101,CL2", "CL101,CL203"),
    ("explain CL2", "CL203"),
    ("explain fa2-torch", "fa2-torch-minor"),
]


def completions(line: str) -> list[str]:
    *words, incomplete = line.split(" ")
    items = ShellComplete(main, {}, "cudalock", "_X").get_completions(words, incomplete)
    return [item.value for item in items]


@pytest.mark.parametrize(("line", "expected"), ROWS)
def test_a_value_is_completed(line: str, expected: str) -> None:
    assert expected in completions(line)


def test_files_are_left_to_the_shell() -> None:
    shell = ShellComplete(main, {}, "cudalock", "_X")
    assert [item.type for item in shell.get_completions(["check"], "req")] == ["file"]
    assert [item.type for item in shell.get_completions(["solve", "-o"], "")] == ["file"]


def test_a_damaged_matrix_completes_nothing(tmp_path: Path) -> None:
    assert completions(f"matrix show --matrix {tmp_path} fa2") == []


def test_every_kind_is_of_the_matrix_and_has_words() -> None:
    matrix = Matrix.load("embedded")
    for kind, values in KINDS.items():
        texts = [value.text for value in values(matrix)]
        assert texts, kind
        # bash splits a value there.
        assert not [text for text in texts if " " in text], kind
    assert {kind for kinds in OPTIONS.values() for kind in kinds} <= {*KINDS, "file", "folder"}


def test_every_option_in_the_table_is_one() -> None:
    def options(command: click.Command) -> set[str]:
        return {flag for parameter in command.params for flag in parameter.opts}

    context = click.Context(main)
    commands = [main.get_command(context, name) for name in main.list_commands(context)]
    known = set().union(*(options(command) for command in commands if command is not None))
    assert set(OPTIONS) <= known


BASH = """
{script}
COMP_WORDS=(cudalock solve --gpu RTX-509)
COMP_CWORD=3
_cudalock_completion cudalock
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
# Without an interactive terminal zsh has no completion system: its two ends are printed.
ZSH = """
compdef() {{ }}
compadd() {{ print -l -- "$@" }}
_describe() {{ print -l -- "${{(@P)argv[-2]}}" ${{(P)${{@[3]}}}} }}
{script}
words=(cudalock solve --gpu RTX-509)
CURRENT=4
_cudalock_completion
"""
FISH = """
{script}
complete -C "cudalock solve --gpu RTX-509"
"""


@pytest.mark.skipif(os.name == "nt", reason="shells of POSIX")
@pytest.mark.parametrize(("shell", "program"), [("bash", BASH), ("zsh", ZSH), ("fish", FISH)])
def test_a_real_shell_completes_a_gpu(shell: str, program: str, tmp_path: Path) -> None:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"{shell} is not installed: `apt install {shell}`")
    command = tmp_path / "bin" / "cudalock"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cudalock "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(RESOLVER),
        "HOME": str(tmp_path),
    }
    done = subprocess.run(
        [path, *(["-f"] if shell == "zsh" else [])],
        input=program.format(script=script(shell)),
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
    )
    assert "RTX-5090" in done.stdout, done.stderr
    assert "RTX-4090" not in done.stdout
