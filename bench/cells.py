"""The grid's cells: every framework release, accelerator, Python, platform and set of
components."""

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
from cudalock.goals.values import parse_accelerator
from cudalock.targets import PLATFORMS, Target
from cudalock.targets.accelerators import ACCELERATORS, CPU, MPS, XPU

FRAMEWORK: Final = "torch"
COMPONENTS: Final = (
    "flash-attn",
    "xformers",
    "bitsandbytes",
    "triton",
    "torchvision",
    "torchaudio",
)

Subset = tuple[str, ...]

SUBSETS: Final[tuple[Subset, ...]] = tuple(
    subset for size in range(len(COMPONENTS) + 1) for subset in combinations(COMPONENTS, size)
)
"""Smaller ones first: what is impossible stays so when more is asked for."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine with what decides over builds beside its platform."""

    platform: str
    gpus: tuple[str, ...]
    driver: str | None = None
    glibc: str | None = None
    jetpack: str | None = None


MACHINES: Final = {
    "gh200": Machine("linux-aarch64", ("9.0",), "570.124.06", "2.35"),
    "gb200": Machine("linux-aarch64", ("10.0",), "580.95.05", "2.39"),
    "dgx-spark": Machine("linux-aarch64", ("12.1",), "580.95.05", "2.39"),
    "t4g": Machine("linux-aarch64", ("7.5",), "550.54.15", "2.35"),
    "orin-jetpack-5": Machine("linux-aarch64", ("8.7",), None, "2.31", "5.1"),
    "orin-jetpack-6": Machine("linux-aarch64", ("8.7",), None, "2.35", "6.2"),
    "orin-jetpack-7": Machine("linux-aarch64", ("8.7",), None, "2.39", "7.2"),
    "thor": Machine("linux-aarch64", ("11.0",), "580.00", "2.39", "7.0"),
    "rtx-spark": Machine("windows-arm64", ("12.1",), "595.97"),
    "pascal-580": Machine("linux-x86_64", ("6.1",), "580.95.05", "2.35"),
    "pascal-595": Machine("linux-x86_64", ("6.1",), "595.71.05", "2.35"),
    "kepler-470": Machine("linux-x86_64", ("3.7",), "470.256.02", "2.31"),
    "volta-windows": Machine("windows-x86_64", ("7.0",), "576.57"),
    "ada-470": Machine("linux-x86_64", ("8.9",), "470.82.01", "2.35"),
    "b300": Machine("linux-x86_64", ("10.3",), "580.95.05", "2.39"),
}
"""The machines of `--machine`: ARM, and the ends of what a driver or a build knows."""


@dataclass(frozen=True, slots=True)
class Block:
    """The cells that differ only in their components."""

    torch: str
    cuda: str
    """`12.4`, `rocm6.4`, `xpu`, `mps` or `cpu`"""
    python: str
    """`3.11`, `3.13t`"""
    platform: str
    glibc: str | None = None
    machine: str | None = None
    """a key of MACHINES"""

    def target(self) -> Target:
        free_threaded = self.python.endswith("t")
        if self.machine is not None:
            own = MACHINES[self.machine]
            return Target(
                self.python.rstrip("t"),
                self.platform,
                free_threaded,
                own.glibc,
                gpus=own.gpus,
                driver=own.driver,
                jetpack=own.jetpack,
            )
        glibc = self.glibc if self.platform.startswith("linux") else None
        return Target(self.python.rstrip("t"), self.platform, free_threaded, glibc)

    def goal(self, subset: Subset = ()) -> Goal:
        wanted = sorted([f"{FRAMEWORK}=={self.torch}", *subset])
        return Goal(requirements=tuple(wanted), accelerator=parse_accelerator(self.cuda))

    @property
    def key(self) -> str:
        parts = [self.torch, self.cuda, self.python, self.platform, self.glibc, self.machine]
        return " ".join(part for part in parts if part)


def blocks(directory: Path, glibc: str | None = None, machines: Sequence[str] = ()) -> list[Block]:
    """Every block, those of one target together; with machines those of each of them."""
    releases = _releases(directory)
    pythons = sorted({each for row in releases.values() for each in _pythons(row)}, key=_by_number)
    places: list[tuple[str, str | None, str | None]] = [
        (MACHINES[name].platform, None, name) for name in machines
    ] or [(platform, glibc, None) for platform in PLATFORMS]
    return [
        Block(version, cuda, python, platform, libc, machine)
        for platform, libc, machine in places
        for python in pythons
        for version, release in releases.items()
        for cuda in _accelerators(release)
        # Elsewhere nobody can ask for it: such builds have no label, and are those for the CPU.
        if cuda != MPS.name or cuda in PLATFORMS[platform].built_in
    ]


def is_empty(directory: Path, block: Block) -> bool:
    """Whether the framework has no such build for the target at all: nothing to solve."""
    release = _releases(directory)[block.torch]
    target = block.target()
    return not any(
        block.cuda in _built_for(build)
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


def _accelerators(release: dict[str, Any]) -> list[str]:
    return sorted(
        {each for build in release["builds"] for each in _built_for(build)}, key=_by_number
    )


def _built_for(build: dict[str, Any]) -> tuple[str, ...]:
    labels = build.get("labels", {})
    cuda = labels.get("cuda", "none")
    if cuda != "none":
        return (".".join(cuda.split(".")[:2]),)
    for name in ACCELERATORS:
        if labels.get(name, "none") != "none":
            # An index of XPU holds one release of it for each release of the framework.
            return (name if name == XPU.name else f"{name}{labels[name]}",)
    on_a_mac = any("macosx" in row[0] and "arm64" in row[0] for row in build["wheels"])
    return (CPU, MPS.name) if on_a_mac else (CPU,)


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
