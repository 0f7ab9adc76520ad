"""Words for a shell, read back by the shells that are here."""

from __future__ import annotations

import shlex
import shutil
import subprocess

import pytest

from cudalock.text import shell_command, shell_file, shell_word

WORDS = {
    "torch": "torch",
    "--torch": "--torch",
    "2.5.1+cu124": "2.5.1+cu124",
    "torch==2.5.1": "torch==2.5.1",
    "https://download.pytorch.org/whl/cu124": "https://download.pytorch.org/whl/cu124",
    "C:\\py\\python.exe": "C:\\py\\python.exe",
    "torch<2.6": '"torch<2.6"',
    ">=2.4,<2.6": '">=2.4,<2.6"',
    "12.4.1:cudart,nvcc": '"12.4.1:cudart,nvcc"',
    "RTX 5090": '"RTX 5090"',
    "my env/bin/python": '"my env/bin/python"',
    "https://host/simple?a=1&b=2": '"https://host/simple?a=1&b=2"',
    "@file": '"@file"',
    "numpy@1": "numpy@1",
    "": '""',
    "a;b|c>d": '"a;b|c>d"',
    "$(id)": "'$(id)'",
    "`id`": "'`id`'",
    'say "hi"': "'say \"hi\"'",
    "it's $5": "'it'\"'\"'s $5'",
}


@pytest.mark.parametrize(("word", "shown"), WORDS.items())
def test_a_word_is_quoted_where_a_shell_needs_it(word: str, shown: str) -> None:
    assert shell_word(word) == shown


@pytest.mark.parametrize("word", [word for word in WORDS if "\\" not in word])
def test_a_quoted_word_is_read_back(word: str) -> None:
    """`check --fresh` reads a lock's command with shlex."""
    assert shlex.split(shell_command(["cudalock", word])) == ["cudalock", word]


@pytest.mark.parametrize("shell", ["sh", "bash", "dash", "zsh", "pwsh"])
def test_a_shell_reads_the_word(shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell} here")
    if shell == "pwsh":
        words = [word for word in WORDS if '"' not in word and "'" not in word]
        script = "; ".join(f"Write-Output {shell_word(word)}" for word in words)
    else:
        words = [word for word in WORDS if "\\" not in word]
        script = f"printf '%s\\n' {shell_command(words)}"
    done = subprocess.run([program, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:-1] == words


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("requirements.txt", "requirements.txt"),
        ("my lock.txt", '"my lock.txt"'),
        ("a,b.txt", '"a,b.txt"'),
        ("$a`b.txt", "FILE"),
        ("/tmp/my locks/a.txt", '"/tmp/my locks/a.txt"'),
        ("C:/locks/a.txt", "C:/locks/a.txt"),
        ("../.lock.txt", "../.lock.txt"),
        ("-r.txt", "FILE"),
        ("sch\u00f6n.txt", "FILE"),
        ("%PATH%.txt", "FILE"),
    ],
)
def test_a_committed_file_names_itself_or_a_placeholder(name: str, shown: str) -> None:
    assert shell_file(name) == shown
