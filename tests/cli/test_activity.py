"""The line that tells what long work is doing, and how long it took."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from cudalock.cli import activity
from cudalock.cli.console import emit, tell
from tests.paths import RESOLVER


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    return stream


def until(stream: io.StringIO, text: str) -> bool:
    """Whether a text is shown, waited for as long as a loaded machine may take."""
    end = time.monotonic() + 60
    while text not in stream.getvalue():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def test_the_package_in_hand_is_shown(terminal: io.StringIO) -> None:
    shown = activity.Activity("Resolving", terminal, delay=0.0)
    try:
        assert until(terminal, "Resolving")
        shown.note("numpy")
        shown.note("vllm [bold]")
        assert until(terminal, "(2 looked up) vllm [bold]")
    finally:
        shown.end()


def test_a_quick_answer_shows_none(terminal: io.StringIO) -> None:
    shown = activity.Activity("Resolving", terminal, delay=3600.0)
    shown.end()
    assert terminal.getvalue() == ""


@pytest.mark.parametrize("write", [lambda: tell("done"), lambda: emit("")])
def test_what_is_printed_takes_the_line_away(
    terminal: io.StringIO, write: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", terminal)
    before = threading.active_count()
    assert activity.begin("Resolving") is not None
    write()
    assert activity._shown is None
    end = time.monotonic() + 60
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_without_a_terminal_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert activity.begin("Resolving") is None


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudoterminal")
def test_a_solve_on_a_terminal_says_how_long_it_took() -> None:
    code = "import os, pty, sys; pty.spawn(sys.argv[1:], lambda file: os.read(file, 65536))"
    words = ["solve", "torch==2.5.1", "--python", "3.11", "--platform", "linux", "--offline"]
    done = subprocess.run(
        [sys.executable, "-c", code, sys.executable, "-m", "cudalock", *words],
        env={**os.environ, "PYTHONPATH": str(RESOLVER)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert re.search(r"resolved \d+ packages in \d+\.\d s", done.stdout), done.stdout
