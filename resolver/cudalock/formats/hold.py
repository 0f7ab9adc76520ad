"""What holds the packages that are there in place when something else is installed.

Constraints let pip and uv take only the version that is there. An override with a marker that holds
nowhere drops a requirement, whoever has it, which is how uv leaves alone what no index has. Builds
have constraints of their own: since 26.2 pip's do not see those of the install.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cudalock.errors import UsageError
from cudalock.formats import DEFAULTS, Format, InstallCommand, WriteOptions
from cudalock.formats.header import header_lines
from cudalock.text import shell_file, shell_word, with_coding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cudalock.lock import Lock

FILE: Final = "overrides.txt"
NEVER: Final = "sys_platform == 'never'"
"""A marker of no machine: with it an override leaves a requirement out."""

_READ_VERSIONS: Final = (
    "import importlib.metadata as m; print(*(n + '==' + m.version(n) for n in {names}), sep='\\n')"
)
"""Prints constraints, by METADATA as it is there: an image's version may have more to its label
than anybody recorded."""


def constraint_lines(lock: Lock) -> list[str]:
    """Return what is there as constraints: `torch==2.7.0a0+79aa17489c.nv25.4`."""
    return [f"{name}=={version}" for name, version in lock.kept]


def override_lines(names: Iterable[str]) -> list[str]:
    """Return overrides that leave projects out: for `uv pip install --override`, and for
    `override-dependencies` of `[tool.uv]`."""
    return [f"{name} ; {NEVER}" for name in names]


def dockerfile_lines(
    names: Iterable[str], install: Iterable[str], pip_constraints: str | None = None
) -> list[str]:
    """Return the lines of a Dockerfile that hold projects of its base image, for every later
    install and build, and then install.

    `install` are requirements or options of `pip install`. `pip_constraints` is the file that
    `PIP_CONSTRAINT` names in the image already. A line with `--no-build-isolation`, which compiles
    beside what is there, has to begin with `PIP_BUILD_CONSTRAINT=`: pip refuses the two together.
    """
    listed = tuple(names)
    held, dropped = "/etc/cudalock-constraints.txt", "/etc/cudalock-overrides.txt"
    code = _READ_VERSIONS.format(names=f"({''.join(f'{name!r}, ' for name in listed)})")
    lines = " ".join(shell_word(line) for line in override_lines(listed))
    every = f"{pip_constraints} {held}" if pip_constraints else held
    return [
        f"RUN python -c {_quoted(code)} > {held} \\",
        f" && printf '%s\\n' {lines} > {dropped}",
        f'ENV PIP_CONSTRAINT="{every}" PIP_BUILD_CONSTRAINT="{held}" \\',
        f'    UV_CONSTRAINT="{held}" UV_BUILD_CONSTRAINT="{held}" UV_OVERRIDE="{dropped}"',
        " ".join(["RUN python -m pip install", *map(shell_word, install)]),
    ]


def _quoted(code: str) -> str:
    """Python code in double quotes, which Docker's shell leaves as they are."""
    return f'"{code}"'


def render(lock: Lock, options: WriteOptions = DEFAULTS) -> str:
    """Return overrides for uv. Raises UsageError for a lock that keeps nothing."""
    if not lock.kept:
        raise UsageError(
            "overrides leave out what is there already, and nothing is kept",
            hints=["--keep torch", "--image nvcr.io/nvidia/pytorch:25.04-py3"],
        )
    file = shell_file(options.filename or FILE)
    header = [*header_lines(lock), f"# with uv: UV_OVERRIDE={file}, or --override {file}"]
    names = [name for name, _ in lock.kept]
    listed = ", ".join(f'"{line}"' for line in override_lines(names))
    header.append(f"# in pyproject.toml: [tool.uv] override-dependencies = [{listed}]")
    return with_coding("\n".join([*header, "", *override_lines(names)]) + "\n")


def install_commands(lock: Lock, options: WriteOptions) -> tuple[InstallCommand, ...]:
    """Return how uv takes the file."""
    file = shell_file(options.filename or FILE)
    return (InstallCommand("uv", f"uv pip install --override {file} PACKAGE"),)


FORMAT: Final = Format(render, FILE, install_commands)

__all__ = ["FORMAT", "NEVER", "constraint_lines", "dockerfile_lines", "override_lines"]
