"""Run the environment's own installer, with nothing but local files and nothing but this
environment."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.environment.installer import UV_KINDS
from cudalock.errors import BadTarget, CudalockError
from cudalock.files import find_program

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from cudalock.environment import Inventory, Layout

_LINES: Final = 12
"""How much of what a failed installer printed is shown."""

_REDIRECTS: Final = ("PIP_", "UV_", "PYTHON", "VIRTUAL_ENV", "CONDA_PREFIX", "__PYVENV_LAUNCHER__")
"""Variables that send pip or uv to another folder, index or configuration begin so."""


class InstallFailed(CudalockError):
    """The installer ended with an error; what it changed was undone."""

    code = "install-failed"
    exit_status = 1


class Installer(NamedTuple):
    """The program that installs into an environment."""

    name: str
    """`pip` or `uv`"""
    install: tuple[str, ...]
    uninstall: tuple[str, ...]

    def run(self, words: Iterable[str], log: Path, descriptors: tuple[int, ...]) -> int:
        """Run it, and return its status. What it prints goes into a file.

        `descriptors` are inherited: see :func:`cudalock.doctor.repair.rollback.locked`.
        """
        with log.open("ab") as output:
            return subprocess.run(
                [*words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_environment(os.environ),
                pass_fds=descriptors,
                check=False,
            ).returncode


def find_installer(layout: Layout, inventory: Inventory) -> Installer:
    """Return the environment's pip; without one uv, or the pip of cudalock's own Python.

    Raises BadTarget where there is none of them.
    """
    interpreter = str(layout.interpreter)
    pip = inventory.find("pip")
    uv = find_program("uv")
    # pipx shares one pip between its environments, which the inventory of one does not have.
    # -I: no variable and no folder at hand changes what is run; -B: nothing is compiled that
    # the roll-back does not know of.
    if pip is not None or layout.kind == "pipx":
        return _pip([interpreter, "-I", "-B", "-m", "pip"])
    if uv is not None:
        words = ("--python", interpreter, "--no-config", "--offline")
        return Installer(
            "uv",
            (uv, "pip", "install", *words, "--no-deps", "--no-index", "--reinstall"),
            (uv, "pip", "uninstall", *words),
        )
    if find_spec("pip") is not None:
        return _pip([sys.executable, "-m", "pip", "--python", interpreter])
    program = "uv" if layout.kind in UV_KINDS else "pip"
    raise BadTarget(
        f"`{layout.prefix}` has no pip, and PATH has no uv",
        hints=[f"install {program}, then the same command"],
    )


def _pip(words: list[str]) -> Installer:
    plain = ["--isolated", "--disable-pip-version-check", "--no-input"]
    return Installer(
        "pip",
        # Forced: the same version may be there, with files that another package overwrote.
        (*words, "install", *plain, "--no-deps", "--no-index", "--force-reinstall"),
        (*words, "uninstall", *plain, "--yes"),
    )


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables without those that lead outside the environment."""
    plain = {key: text for key, text in environ.items() if not key.upper().startswith(_REDIRECTS)}
    # pip reads no configuration at all for this name (its documentation, "PIP_CONFIG_FILE").
    return {**plain, "PIP_CONFIG_FILE": os.devnull, "PIP_NO_COLOR": "1"}


def last_lines(log: Path) -> str:
    """Return the end of what an installer printed."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(f"  {line}" for line in lines[-_LINES:])


__all__ = ["InstallFailed", "Installer", "find_installer", "last_lines"]
