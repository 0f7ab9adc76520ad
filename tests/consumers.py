"""Locks given to the real pip and uv, by the command that each lock names."""

from __future__ import annotations

import platform
import re
import shlex
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.local_index import run_tool

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.recorded import RecordedIndex

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
UV_PLATFORMS = {
    "linux": "x86_64-manylinux_2_28",
    "linux-aarch64": "aarch64-manylinux_2_28",
    "windows": "x86_64-pc-windows-msvc",
    "macos": "aarch64-apple-darwin",
}

# A lock's line, and uv's for what it would install.
_PIN = re.compile(r"^(?: \+ )?([a-z0-9-]+)(?:==| @ )(\S+)", re.MULTILINE)


def uv(folder: Path, environment: Mapping[str, str], *words: str) -> str:
    """Run uv, which has to succeed, and return what it says."""
    done = run_tool(["uv", *words], folder, environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr


on_linux = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"),
    reason="pip reads markers for the machine it runs on, and these locks are for Linux x86_64",
)


@dataclass(frozen=True)
class Consumed:
    """A lock's text and what its header and pins say."""

    text: str

    def redirected(self, index: RecordedIndex) -> Consumed:
        return Consumed(index.redirected(self.text))

    def command(self, tool: str) -> list[str]:
        (line,) = re.findall(rf"^# with {tool}: (.*)$", self.text, re.MULTILINE)
        return shlex.split(line)

    @property
    def uv_target(self) -> list[str]:
        """The flags that make uv resolve for the lock's target, by the lock's own command."""
        (command,) = re.findall(r"^# command: (.*)$", self.text, re.MULTILINE)
        words = shlex.split(command)
        python, target = (words[words.index(flag) + 1] for flag in ("--python", "--platform"))
        return [
            *("--python-platform", UV_PLATFORMS.get(target, target)),
            *("--python-version", python),
        ]

    @property
    def pins(self) -> dict[str, str]:
        """Name -> version, or address."""
        return dict(_PIN.findall(self.text))


def uv_would_install(
    lock: Consumed, folder: Path, environment: Mapping[str, str]
) -> dict[str, str]:
    """What the header's uv command would install on the lock's target: name -> version, address.

    `--target` names a folder to install into: an environment of another platform cannot be.
    """
    dry = ["--dry-run", "--target", "there", "--python", sys.executable, *lock.uv_target]
    return dict(_PIN.findall(run(lock, "uv", dry, folder, environment).stderr))


def pip_would_install(
    lock: Consumed, folder: Path, environment: Mapping[str, str], *more: str
) -> set[str]:
    """What the header's pip command would install: each NAME-VERSION, as pip says it."""
    dry = ["--dry-run", "--target", "there", *more]
    output = run(lock, "pip", dry, folder, environment).stdout
    (line,) = re.findall(r"^Would install (.*)$", output, re.MULTILINE)
    return set(line.split())


def run(
    lock: Consumed, tool: str, more: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """The header's command with a few more options, which has to succeed."""
    (folder / "requirements.txt").write_text(lock.text, encoding="ascii", newline="\n")
    done = run_tool([*lock.command(tool), *more], folder, environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done
