"""Accelerators: one row for each kind of GPU build, with what goals, wheels and machines call it.

This is the only module that spells an accelerator. Which platforms can have one is a column of
`platforms`; which facts speak of its virtual component is data of the matrix.
"""

from __future__ import annotations

import re
from typing import Final

from cudalock.records import NamedTuple

CPU: Final = "cpu"
"""The word of a goal for builds without any accelerator."""

AUTO: Final = "auto"
"""The word of a goal for the accelerator that the target can have, which is the default."""


_GFX: Final = r"gfx([0-9]{1,2})([0-9a-f])([0-9a-f])"
_XE: Final = r"xe([0-9]{2}\.[0-9]{1,2})"
_APPLE: Final = r"apple-m([0-9]{1,2})"


class Library(NamedTuple):
    """A library of an accelerator that a goal may state a version of, and that pip installs."""

    name: str
    """its flag without dashes, and its virtual component"""
    title: str
    """for people"""
    numbers: int
    """how many numbers a full version has; fewer are a series"""
    example: str


class Wish(NamedTuple):
    """Which builds a goal wants: those for an accelerator or, with the name CPU, those for none."""

    name: str
    specifier: str = ""
    """a PEP 440 specifier of the accelerator's version; empty for any"""

    @classmethod
    def of_default(cls, text: str | None) -> Wish | None:
        """Return the wish for CUDA by a specifier, for none by CPU; None where none is stated."""
        if text is None:
            return None
        return cls(CPU) if text == CPU else cls(DEFAULT.name, text)


class Accelerator(NamedTuple):
    """One row."""

    name: str
    """what `--accelerator` calls it, its virtual component, and the label of builds made with it"""
    title: str
    """for people"""
    version_word: str
    """a regular expression for a version as people and local versions write it, in lower case; the
    first group is the number, with or without its dots. Empty if its builds have no version"""
    phrase_word: str
    """a regular expression for the same as a word of a goal, where a bare number is not enough"""
    bare_words: tuple[str, ...]
    """words for any build for it"""
    vendor: str
    """the maker, for people"""
    vendor_prefix: tuple[str, ...]
    """how the pip projects of the maker's own libraries begin"""
    models: str
    """a regular expression for the names of the maker's GPUs, in lower case; empty for those whose
    names are all in the matrix"""
    architecture: str
    """a regular expression for the architecture of such a GPU"""
    component: str
    """the virtual component that such an architecture is a version of"""
    machine_parts: tuple[str, ...]
    """parts of a target that tell whether it has one"""
    kernel_driver: str
    """the Linux kernel's driver that its builds need, for people; empty where a driver of the
    maker's own brings it"""
    detector: str
    """the module of `environment` that looks for one on this machine"""
    example: str
    digits_are_numbers: bool = False
    """whether each digit of a version without dots is a number of its own: rocm624 is 6.2.4"""
    flag: bool = False
    """whether it has a flag of its own name, whose value is a version"""
    is_default: bool = False
    """whether its builds are wanted where nothing else is stated and the platform can have it"""
    is_build: bool = True
    """whether its builds have a label; else what is built for no accelerator can use it"""
    libraries: tuple[Library, ...] = ()

    @property
    def components(self) -> tuple[str, ...]:
        """What facts call the parts of a machine that has one: the GPU by its architecture."""
        return tuple(self.component if part == "gpu" else part for part in self.machine_parts)


CUDA: Final = Accelerator(
    name="cuda",
    title="CUDA",
    version_word=r"(?:cuda|cu)?[- =]?([0-9]{1,9}(?:\.[0-9]{1,9})*)(?:\.[*x])?",
    phrase_word=r"cu[0-9]{2,3}|(?:cu|cuda)-?[0-9]+(?:\.[0-9]+)+|cuda-?[0-9]+",
    bare_words=("cuda",),
    vendor="NVIDIA",
    vendor_prefix=("nvidia-",),
    models="",
    architecture=r"[0-9]{1,2}\.[0-9]{1,2}",
    component="gpu",
    machine_parts=("gpu", "driver"),
    kernel_driver="",
    detector="gpu",
    example="12.4",
    flag=True,
    is_default=True,
    libraries=(Library("cudnn", "cuDNN", 4, "9.1.0.70"),),
)
ROCM: Final = Accelerator(
    name="rocm",
    title="ROCm",
    version_word=r"(?:rocm|hip)[- =]?([0-9]{1,9}(?:\.[0-9]{1,9})*)(?:\.[*x])?",
    phrase_word=r"(?:rocm|hip)-?[0-9]+(?:\.[0-9]+)*",
    bare_words=("rocm", "hip", "amd"),
    vendor="AMD",
    vendor_prefix=("rocm-sdk-", "amd-torch"),
    models=r"\bamd\b|radeon|instinct|\bgfx[0-9]+|\brx ?[0-9]{3,4}\b|\bmi[0-9]{2,3}[a-z]?\b"
    r"|\bw[67][89]00\b",
    architecture=_GFX,
    component="gfx",
    machine_parts=("gpu",),
    kernel_driver="amdgpu",
    detector="gpu",
    example="rocm6.4",
    digits_are_numbers=True,
)
XPU: Final = Accelerator(
    name="xpu",
    title="XPU",
    version_word="",
    phrase_word="",
    bare_words=("xpu", "intel"),
    vendor="Intel",
    vendor_prefix=("intel-sycl-", "intel-cmplr-", "onemkl-sycl-"),
    # Arc's cards are called by letter and number alone: A770, B580, A370M.
    models=r"\bintel\b|\barc\b|\b[ab][357][1-8]0m?\b|\biris\b|ponte vecchio",
    architecture=_XE,
    component="xe",
    machine_parts=("gpu",),
    kernel_driver="xe or i915",
    detector="gpu",
    example="xpu",
)
MPS: Final = Accelerator(
    name="mps",
    title="MPS",
    version_word="",
    phrase_word="",
    bare_words=("mps", "metal"),
    vendor="Apple",
    vendor_prefix=(),
    models=r"\bapple\b|\bmps\b|\bm[1-5](?: (?:pro|max|ultra))?\b",
    architecture=_APPLE,
    component="apple",
    machine_parts=("gpu",),
    kernel_driver="",
    detector="gpu",
    example="mps",
    # PyTorch's wheels for Apple silicon have MPS in them, and no label.
    is_build=False,
)

ACCELERATORS: Final = {row.name: row for row in (CUDA, ROCM, XPU, MPS)}
"""By name."""

BUILT_FOR: Final = tuple(name for name, row in ACCELERATORS.items() if row.is_build)
"""The accelerators that builds have a label for."""

DEFAULT: Final = next(row for row in ACCELERATORS.values() if row.is_default)
"""The accelerator that is wanted where nothing else is stated."""

OPTION: Final = "accelerator"
"""The general flag, without dashes, and the field of a goal."""

ACCELERATOR_FLAGS: Final = (*(name for name, row in ACCELERATORS.items() if row.flag), OPTION)
"""The flags that state a wish, without dashes."""

SYNONYMS: Final = ("torch-backend",)
"""Further words for the general flag: uv's."""

LIBRARIES: Final = {
    library.name: library for row in ACCELERATORS.values() for library in row.libraries
}
"""The libraries of all accelerators, by name."""


def maker_of(gpu: str) -> Accelerator | None:
    """Return the accelerator whose maker sells a GPU under such a name; None if unknown."""
    text = gpu.lower()
    return next(
        (row for row in ACCELERATORS.values() if row.models and re.search(row.models, text)), None
    )


def of_gpu(gpu: str) -> Accelerator:
    """Return the accelerator of a GPU by its architecture, as `Target.gpus` has it: `8.6` is
    CUDA's, `gfx1100` ROCm's."""
    return next(row for row in ACCELERATORS.values() if re.fullmatch(row.architecture, gpu))


def gpu_order(gpu: str) -> tuple[int, list[int], str]:
    """Return a sort key for architectures: by accelerator, then by number, the least first."""
    # By number: as text 10.0 is less than 8.6.
    numbers = [int(part) for part in gpu_version(gpu).split(".") if part.isdecimal()]
    return list(ACCELERATORS).index(of_gpu(gpu).name), numbers, gpu


def gpu_version(gpu: str) -> str:
    """Return the architecture of a GPU as a version, which facts compare.

    LLVM writes major, minor and stepping of AMD's as one word, the last two in hexadecimal:
    gfx90a is 9.0.10, gfx1100 is 11.0.0. Intel's compilers number theirs: xe12.55 is Alchemist.
    """
    if match := re.fullmatch(_GFX, gpu):
        return f"{match[1]}.{int(match[2], 16)}.{int(match[3], 16)}"
    match = re.fullmatch(_XE, gpu) or re.fullmatch(_APPLE, gpu)
    return match[1] if match else gpu


def gpu_of(component: str, version: str) -> str:
    """Return the architecture of a GPU by its component and version: the reverse of
    `gpu_version`."""
    if component == ROCM.component:
        major, minor, stepping = (*version.split("."), "0", "0")[:3]
        return f"gfx{major}{int(minor):x}{int(stepping):x}"
    prefix = {XPU.component: "xe", MPS.component: "apple-m"}.get(component, "")
    return f"{prefix}{version}"


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
