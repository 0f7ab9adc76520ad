"""Accelerators: one row for each kind of GPU build, with what goals, wheels and machines call it.

This is the only module that spells an accelerator. Which platforms can have one is a column of
`platforms`; which facts speak of its virtual component is data of the matrix.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

CPU: Final = "cpu"
"""The word of a goal for builds without any accelerator."""

AUTO: Final = "auto"
"""The word of a goal for the accelerator that the target can have, which is the default."""


class Library(NamedTuple):
    """A library of an accelerator that a goal may state a version of, and that pip installs."""

    name: str
    """its flag without dashes, and its virtual component"""
    title: str
    """for people"""
    numbers: int
    """how many numbers a full version has; fewer are a series"""
    example: str


class Accelerator(NamedTuple):
    """One row."""

    name: str
    """its flag without dashes, its virtual component, and the label of builds made with it"""
    title: str
    """for people"""
    version_word: str
    """a regular expression for a version as people and local versions write it, in lower case; the
    first group is the number, with or without its dots"""
    phrase_word: str
    """a regular expression for the same as a word of a goal, where a bare number is not enough"""
    vendor: str
    """the maker, for people"""
    vendor_prefix: str
    """how the pip projects of the maker's own libraries begin"""
    machine_parts: tuple[str, ...]
    """parts of a target that tell whether it has one"""
    detector: str
    """the module of `environment` that looks for one on this machine"""
    example: str
    libraries: tuple[Library, ...] = ()
    synonyms: tuple[str, ...] = ()
    """further flags"""


CUDA: Final = Accelerator(
    name="cuda",
    title="CUDA",
    version_word=r"(?:cuda|cu)?[- =]?([0-9]{1,9}(?:\.[0-9]{1,9})*)(?:\.[*x])?",
    phrase_word=r"cu[0-9]{2,3}|(?:cu|cuda)-?[0-9]+(?:\.[0-9]+)+|cuda-?[0-9]+",
    vendor="NVIDIA",
    vendor_prefix="nvidia-",
    machine_parts=("gpu", "driver"),
    detector="gpu",
    example="12.4",
    libraries=(Library("cudnn", "cuDNN", 4, "9.1.0.70"),),
    # uv's name for the same.
    synonyms=("torch-backend",),
)

ACCELERATORS: Final = {row.name: row for row in (CUDA,)}
"""By name."""

LIBRARIES: Final = {
    library.name: library for row in ACCELERATORS.values() for library in row.libraries
}
"""The libraries of all accelerators, by name."""

FOREIGN: Final = r"rocm[0-9.]*|xpu"
"""A regular expression for builds of the framework for accelerators that have no row."""


class OtherMaker(NamedTuple):
    """A maker of GPUs that have no row above."""

    name: str
    models: str
    """a regular expression for the names of its GPUs, in lower case"""
    builds: str
    """where builds of the framework for them are, for people"""


OTHER_MAKERS: Final = (
    OtherMaker(
        "AMD",
        r"\bamd\b|radeon|instinct|\bgfx[0-9]+|\brx ?[0-9]{3,4}\b|\bmi[0-9]{2,3}[a-z]?\b"
        r"|\bw[67][89]00\b",
        "https://download.pytorch.org/whl/ has builds for ROCm, such as rocm6.4",
    ),
    OtherMaker(
        "Intel",
        r"\bintel\b|\barc\b|\b[ab][357][1-8]0m?\b|\biris\b|ponte vecchio",
        "https://download.pytorch.org/whl/xpu has the builds for them",
    ),
    OtherMaker(
        "Apple",
        r"\bapple\b|\bmps\b|\bm[1-5](?: (?:pro|max|ultra))?\b",
        "`--platform macos` has the build for Apple silicon, which uses MPS",
    ),
)
"""GPUs are by the names that their makers sell them under."""


def other_maker(gpu: str) -> OtherMaker | None:
    """Return who makes a GPU that cudalock has no builds for, by its name; None if unknown."""
    text = gpu.lower()
    return next((maker for maker in OTHER_MAKERS if re.search(maker.models, text)), None)


def of_project(project: str) -> Accelerator | None:
    """Return the accelerator whose maker's libraries a pip project belongs to.

    By the project's name: `nvidia-cublas-cu12` is one of CUDA's.
    """
    return next(
        (row for row in ACCELERATORS.values() if project.startswith(row.vendor_prefix)), None
    )


def is_vendor_library(project: str) -> bool:
    """Tell whether a pip project is a maker's own library, `nvidia-cublas-cu12`, by its name."""
    return of_project(project) is not None


def is_foreign(word: str) -> bool:
    """Tell whether a word, in lower case, names a build for an accelerator that has no row."""
    return re.fullmatch(FOREIGN, word) is not None
