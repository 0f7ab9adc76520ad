"""A small stand-in for the matrix, for the tests that read a goal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cudalock import toml
from cudalock.matrix.facts import Component
from cudalock.matrix.gpus import Gpus
from cudalock.matrix.images import Images
from cudalock.matrix.jetpack import JetPacks
from cudalock.matrix.namesakes import Namesakes
from cudalock.matrix.phrases import Phrases, read_phrases
from cudalock.matrix.store import PHRASES
from cudalock.matrix.vendor import Distributions
from cudalock.names import Names
from cudalock.targets import LIKELY_WITH_GPU, Here
from tests.paths import MATRIX

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMES = Names(
    aliases={
        "FA2": "flash-attn",
        "flash attention 2": "flash-attn",
        "bnb": "bitsandbytes",
        "vision": "torchvision",
        "pytorch": "torch",
    },
    projects=frozenset(
        {
            "bitsandbytes",
            "cuda-toolkit",
            "flash-attn",
            "flash-attn-3",
            "numpy",
            "torch",
            "torchvision",
            "triton",
            "triton-windows",
            "xformers",
        }
    ),
    imports={"flash_attn": "flash-attn"},
    platform_aliases={"triton": (("sys_platform == 'win32'", "triton-windows"),)},
)
WORDS = read_phrases(toml.loads((MATRIX / PHRASES).read_text(encoding="utf-8")))
VERSIONS = {
    "torch": ["2.4.0", "2.4.1", "2.5.0", "2.5.1", "2.6.0"],
    "flash-attn": ["2.6.3", "2.7.4", "2.7.4.post1"],
    "triton": ["3.1.0", "3.2.0"],
    "triton-windows": ["3.1.0.post17", "3.2.0.post10", "3.2.0.post21"],
    "numpy": ["1.26.4", "2.0.0", "2.1.0"],
}


@dataclass(frozen=True)
class FakeMatrix:
    """What `read_request` asks of a matrix."""

    version: str = "2026.01.02"
    names: Names = field(default=NAMES)

    @property
    def matrix(self) -> FakeMatrix:
        """Where a universe has its names and GPUs."""
        return self

    framework: str | None = "torch"

    @property
    def images(self) -> Images:
        """The user names no image."""
        return Images({}, self.distributions)

    def component(self, name: str, /) -> Component:
        return Component(name)

    def is_named(self, project: str) -> bool:
        """The user names no wheel of his own."""
        return False

    looks_further: bool = False
    is_open: bool = False

    def has_own(self, name: str, /) -> bool:
        del name
        return False

    def elsewhere(self, names: Iterable[str], /) -> frozenset[str]:
        del names
        return frozenset()

    def versions(self, name: str, /) -> list[str]:
        return VERSIONS.get(name, [])

    def look_up(self, name: str, specifier: str, /) -> None:
        del name, specifier

    @property
    def namesakes(self) -> Namesakes:
        return Namesakes({})

    @property
    def phrases(self) -> Phrases:
        return WORDS

    def driver_of(self, cuda: str, /) -> str | None:
        del cuda
        return None

    @property
    def gpus(self) -> Gpus:
        return Gpus(
            {
                "vendors": {"nvidia": {"title": "NVIDIA", "platforms": list(LIKELY_WITH_GPU)}},
                "gpus": {"RTX 5090": "12.0", "RTX 3060 Ti": "8.6", "H100": "9.0"},
            }
        )

    @property
    def jetpacks(self) -> JetPacks:
        return JetPacks({})

    @property
    def distributions(self) -> Distributions:
        return Distributions(
            [{"title": "Ubuntu", "names": ["ubuntu"], "releases": {"22.04": "2.35"}}]
        )


HERE = Here(
    python=lambda: ("3.12.7", False),
    platform=lambda: ("linux-x86_64", "2.36", None),
)
"""A Linux machine with Python 3.12.7."""
