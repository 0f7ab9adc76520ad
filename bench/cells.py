"""The grid's cells: every framework release, CUDA build, Python, platform and set of components."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from packaging.specifiers import SpecifierSet

from cudalock.goals import Goal
from cudalock.targets import PLATFORMS, Target
from cudalock.targets.accelerators import Wish

FRAMEWORK: Final = "torch"
COMPONENTS: Final = (
    "flash-attn",
    "xformers",
    "bitsandbytes",
    "triton",
    "torchvision",
    "torchaudio",
)
CPU: Final = "cpu"

Subset = tuple[str, ...]

SUBSETS: Final[tuple[Subset, ...]] = tuple(
    subset for size in range(len(COMPONENTS) + 1) for subset in combinations(COMPONENTS, size)
)
"""Smaller ones first: what is impossible stays so when more is asked for."""


@dataclass(frozen=True, slots=True)
class Block:
    """The cells that differ only in their components."""

    torch: str
    cuda: str
    """`12.4`, or `cpu`"""
    python: str
    """`3.11`, `3.13t`"""
    platform: str
    glibc: str | None = None

    def target(self) -> Target:
        free_threaded = self.python.endswith("t")
        glibc = self.glibc if self.platform.startswith("linux") else None
        return Target(self.python.rstrip("t"), self.platform, free_threaded, glibc)

    def goal(self, subset: Subset = ()) -> Goal:
        cuda = CPU if self.cuda == CPU else f"=={self.cuda}.*"
        wanted = sorted([f"{FRAMEWORK}=={self.torch}", *subset])
        return Goal(requirements=tuple(wanted), accelerator=Wish.of_default(cuda))

    @property
    def key(self) -> str:
        return f"{self.torch} {self.cuda} {self.python} {self.platform} {self.glibc or ''}".strip()


def blocks(directory: Path, glibc: str | None = None) -> list[Block]:
    """Every block, those of one target together."""
    releases = _releases(directory)
    pythons = sorted({each for row in releases.values() for each in _pythons(row)}, key=_by_number)
    return [
        Block(version, cuda, python, platform, glibc)
        for platform in PLATFORMS
        for python in pythons
        for version, release in releases.items()
        for cuda in _cudas(release)
    ]


def is_empty(directory: Path, block: Block) -> bool:
    """Whether the framework has no such build for the target at all: nothing to solve."""
    release = _releases(directory)[block.torch]
    target = block.target()
    return not any(
        _cuda(build) == block.cuda
        and _takes(build.get("python", release.get("python", "")), target)
        and any(_fits(row[0], target) for row in build["wheels"])
        for build in release["builds"]
    )


def sample(every: Sequence[Block], size: int, seed: int) -> dict[Block, list[Subset]]:
    """Some cells, the same for the same seed, by block in the order of the blocks."""
    total = len(every) * len(SUBSETS)
    chosen = random.Random(seed).sample(range(total), min(size, total))
    found: dict[Block, list[Subset]] = {}
    for place in sorted(chosen):
        found.setdefault(every[place // len(SUBSETS)], []).append(SUBSETS[place % len(SUBSETS)])
    return found


@lru_cache(maxsize=4)
def _releases(directory: Path) -> dict[str, dict[str, Any]]:
    text = (directory / "index" / f"{FRAMEWORK}.json").read_text(encoding="utf-8")
    releases: dict[str, dict[str, Any]] = json.loads(text)["releases"]
    return {version: release for version, release in releases.items() if release.get("builds")}


def _cudas(release: dict[str, Any]) -> list[str]:
    return sorted({_cuda(build) for build in release["builds"]}, key=_by_number)


def _cuda(build: dict[str, Any]) -> str:
    cuda = build.get("labels", {}).get("cuda", "none")
    return CPU if cuda == "none" else ".".join(cuda.split(".")[:2])


def _pythons(release: dict[str, Any]) -> Iterator[str]:
    for build in release["builds"]:
        for row in build["wheels"]:
            match = re.match(r"cp3(\d+)-(?:cp3\d+(t?)|\w+)-", row[0])
            if match:
                yield f"3.{match[1]}{match[2] or ''}"


def _by_number(text: str) -> tuple[tuple[int, ...], str]:
    return tuple(int(number) for number in re.findall(r"\d+", text)), text


@lru_cache(maxsize=100_000)
def _fits(tags: str, target: Target) -> bool:
    return target.tags().rank(tags) is not None


@lru_cache(maxsize=1000)
def _takes(python: str, target: Target) -> bool:
    return SpecifierSet(python).contains(target.marker_environment()["python_full_version"])
