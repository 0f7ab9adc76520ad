"""Read the machine that a text is from: Python, platform, GPU and driver."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.goals import check_platform, machines_of, read_gpus
from cudalock.targets import parse_platform, parse_python
from cudalock.targets.platforms import LINUX, PLATFORMS, of_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.diagnose.text import PastedText
    from cudalock.matrix.gpus import GpuModel
    from cudalock.matrix.matrix import Matrix
    from cudalock.targets.platforms import Platform

LONGEST: Final = 20_000
"""Characters of a line that are read: a longer one is data, and patterns slow down on it."""

# `Python 3.11.7`, `python=3.11`, `CPython 3.10`, `cp311-cp311`, `python311.dll`, `py311_cu121`.
_PYTHON: Final = re.compile(
    r"(?<![a-z0-9])(?:"
    r"c?python(?:\.exe)?(?: version)?['\" :=/\\-]{0,3}v?"
    r"(?P<dotted>3\.[0-9]{1,2}(?:\.[0-9]{1,2})?)(?![0-9.]*[0-9])"
    r"|(?:cp|cpython-|python|py)3(?P<minor>[0-9]{1,2})(?![0-9.]))",
)
# `built for Python 3.10 (you have 3.11.4)`: the second one is installed.
_HAS: Final = re.compile(r"\(you have (3\.[0-9]{1,2}\.[0-9]{1,2})\)")

# torch prints `CUDA capability sm_120`, nvidia-smi and others `compute capability 8.6`.
_CAPABILITY: Final = re.compile(
    r"(?:compute|cuda) capability(?: is)?[ :=]{1,3}(?:sm_?)?([0-9]{1,2}\.[0-9]|[0-9]{2,3})\b"
)
# Not `sm_80` in a file's name or path, which says what the file is built for.
_ARCHITECTURE: Final = re.compile(r"(?<![a-z0-9_./\\-])sm_?([0-9]{2,3})[af]?(?![a-z0-9])")
_DRIVER: Final = re.compile(
    r"driver(?: version)?(?: is)?[ :=]{1,3}([0-9]{3}\.[0-9]{1,3}(?:\.[0-9]{1,3})?)(?![0-9.]*[0-9])"
)
_DRIVER_CUDA: Final = re.compile(r"\(found version ([0-9]{1,2})0([0-9])0\)")
"""`cudaDriverGetVersion` prints 1000 times the major and 10 times the minor version: 12020."""
# ldd, `platform.libc_ver()`, and gcc's `--with-glibc-version`.
_GLIBC: Final = re.compile(
    r"(?<![a-z])(?:glibc(?: version)?[ :=-]{1,3}(?:glibc-)?|gnu libc\) |with-glibc)(2\.[0-9][0-9])"
    r"(?![0-9.]*[0-9])"
)
_UNFIT: Final = (
    "is not a supported wheel",
    "incompatible with the current platform",
    "wheels are available for",
)
"""A line with one of these names a wheel that is built for another machine."""


class Clues(NamedTuple):
    """The machine as flags would state it; None is unknown."""

    python: str | None = None
    platform: str | None = None
    gpu: str | None = None
    """a compute capability"""
    driver: str | None = None
    glibc: str | None = None


_TARGET: Final = re.compile(r"\bgfx[0-9]{1,2}[0-9a-f]{2}\b")
"""The target of an AMD GPU. Several are those that a build has code for."""


def read_clues(text: PastedText, matrix: Matrix) -> Clues:
    """Return the machine that the text is from."""
    folded = text.folded
    lines = folded.split("\n")
    fitting = [_own_part(line) for line in lines if not any(mark in line for mark in _UNFIT)]
    platform = of_text("\n".join(fitting))
    gpu = _gpu(text, matrix)
    return Clues(
        python=_python(fitting),
        platform=_platform_of(gpu, platform),
        gpu=gpu.architecture if gpu else None,
        driver=_first(_DRIVER, folded) or _oldest_driver(folded, matrix),
        glibc=_first(_GLIBC, folded),
    )


def _own_part(line: str) -> str:
    """Return a line without the platforms and Pythons that uv says a project has wheels for."""
    return line.partition(", but ")[0] if "only has wheels" in line else line


def _python(lines: list[str]) -> str | None:
    """Return the Python version: the first with three numbers, else the most frequent."""
    versions = list(_pythons(lines))
    # `3.11.7` is what an interpreter prints of itself; `cp310` may be part of any wheel's name.
    full = [version for version in versions if version.count(".") == 2]
    if full:
        return full[0]
    return max(dict.fromkeys(versions), key=versions.count, default=None)


def _pythons(lines: list[str]) -> Iterator[str]:
    for line in (line[:LONGEST] for line in lines if line):
        installed = _HAS.search(line) if "python" in line else None
        if installed:
            yield installed[1]
            continue
        for match in _PYTHON.finditer(line):
            minor = match["minor"]
            yield match["dotted"] or f"3.{minor}"


def _gpu(text: PastedText, matrix: Matrix) -> GpuModel | None:
    folded = text.folded
    capability = _CAPABILITY.search(folded)
    # A capability that no known GPU has was misread.
    if capability and (known := matrix.gpus.match(capability[1])):
        return known
    targets = set(_TARGET.findall(folded))
    if len(targets) == 1 and (known := matrix.gpus.match(targets.pop())):
        return known
    # In its own case: `H100` is a GPU, `h100` may be anything.
    if named := matrix.gpus.find_in("\n".join(line[:LONGEST] for line in text.lines)):
        return named
    # Several architectures are those that a build has code for; a single one is the GPU's.
    architectures = set(_ARCHITECTURE.findall(folded))
    return matrix.gpus.match(f"sm_{architectures.pop()}") if len(architectures) == 1 else None


def _platform_of(gpu: GpuModel | None, platform: Platform | None) -> str | None:
    """Return the flag of the text's platform: the GPU's machine if the text's own has no such GPU.

    Paths such as /usr show a Linux, and nothing of its processor.
    """
    if gpu is None or not gpu.is_of_machine:
        return platform.flag if platform else None
    if platform and platform.name in gpu.platforms:
        return platform.flag
    return PLATFORMS[gpu.platforms[0]].flag


def _oldest_driver(folded: str, matrix: Matrix) -> str | None:
    """Return the driver that came with the newest CUDA version that the driver reports."""
    match = _DRIVER_CUDA.search(folded)
    if match is None:
        return None
    releases: dict[str, dict[str, str]] = matrix.vendor_table("drivers")["releases"]
    return releases.get(f"{match[1]}.{match[2]}.0", {}).get(LINUX.name)


def driver_cuda(line: str) -> str | None:
    """Return the newest CUDA version that the driver can run, `12.2`, from a message about it."""
    match = _DRIVER_CUDA.search(line.lower())
    return f"{match[1]}.{match[2]}" if match else None


def _first(pattern: re.Pattern[str], folded: str) -> str | None:
    match = pattern.search(folded)
    return match[1] if match else None


def clues_of_flags(
    matrix: Matrix,
    python: str | None = None,
    platform: str | None = None,
    gpu: str | None = None,
    driver: str | None = None,
) -> Clues:
    """Return the machine that the options state. Raises BadTarget for one that cannot be."""
    models = read_gpus([gpu] if gpu else [], matrix.gpus)
    if platform:
        check_platform(parse_platform(platform)[0], models)
    elif machines := machines_of(models):
        platform = PLATFORMS[machines[0]].flag
    version = None
    if python:
        version, free_threaded = parse_python(python)
        version += "t" if free_threaded else ""
    return Clues(version, platform, models[0].architecture if models else None, driver)
