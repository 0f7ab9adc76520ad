"""Wheel tags: which wheels a target can install, and which of two it prefers."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol

from cudalock.records import NamedTuple
from cudalock.targets.platforms import PLATFORMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

ANY: Final = "any"
"""The platform tag of a wheel for every platform, and what stands for every Python."""

TAG_SYSTEMS: Final = ("manylinux", "linux", ANY, "macosx", "win")
"""How platform tags begin, in the order of a release's wheels in the matrix."""

TAG_ARCHES: Final = (
    *dict.fromkeys(row.arch for row in PLATFORMS.values()),
    # Several processors in one file, only on macOS.
    *("universal2", "intel"),
)
"""How platform tags end, in the same order."""

_NAMED_MANYLINUX: Final = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
"""The manylinux tags from before PEP 600, by the glibc minor that each stands for."""


class Ranker(Protocol):
    """How well a wheel's tags fit: smaller is better, None not at all."""

    def rank(self, tags: str) -> int | None: ...


def best_wheel(
    tag_sets: Sequence[str], ranker: Ranker, *, bare_linux_last: bool = True
) -> int | None:
    """Return the position of the wheel to take of several, given by their tags; None if none fits.

    Every choice of a wheel for a target is made here. A plain `linux_x86_64` promises no glibc, so
    any manylinux wheel is better where the file is named; installers that choose by tags alone put
    it first, which is `bare_linux_last=False`. Of wheels that rank alike the last is taken: build
    tags ascend in the matrix, and pip takes the highest.
    """
    # A loop: as a list of keys it takes twice the time, and a search asks for thousands of builds.
    best: tuple[bool, int, int] | None = None
    rank_of = ranker.rank
    for position, tags in enumerate(tag_sets):
        rank = rank_of(tags)
        if rank is not None:
            key = (bare_linux_last and "-linux_" in tags, rank, -position)
            if best is None or key < best:
                best = key
    return None if best is None else -best[2]


def fits_any(tag_sets: Iterable[str], ranker: Ranker) -> bool:
    """Tell whether one of several wheels, given by their tags, fits at all."""
    return any(ranker.rank(tags) is not None for tags in tag_sets)


class Tags:
    """The wheel tags of a target, best first.

    The order is that of `packaging.tags.sys_tags`: by Python and ABI, then by platform, with
    platform `any` after all others. So a rank is looked up in two small dicts, and the thousands of
    triples are never built.
    """

    __slots__ = ("_any", "_pairs", "_platforms", "_ranks")

    def __init__(self, pairs: list[str], any_pairs: list[str], platforms: list[str]) -> None:
        self._pairs = _ranks(pairs, len(platforms))
        self._any = _ranks(any_pairs, 1, start=len(pairs) * len(platforms))
        self._platforms = _ranks(platforms, 1)
        self._ranks: dict[str, int | None] = {}

    def rank(self, tags: str) -> int | None:
        """Return how well a wheel with this compressed tag set fits: smaller is better, None not.

        A build tag in front (`3-cp310-cp310-linux_x86_64`) does not count: among wheels of one rank
        pip takes the highest build tag.
        """
        try:
            return self._ranks[tags]
        except KeyError:
            rank = self._ranks[tags] = self._rank(tags)
            return rank

    def takes_python(self, tags: str) -> bool:
        """Tell whether the wheel fits this Python, whatever its platform."""
        return any(pair in self._pairs or pair in self._any for pair in _split(tags)[0])

    def takes_platform(self, tags: str) -> bool:
        """Tell whether the wheel fits this platform, whatever its Python."""
        return any(platform == "any" or platform in self._platforms for platform in _split(tags)[1])

    def _rank(self, tags: str) -> int | None:
        pairs, platforms = _split(tags)
        best = _best(self._pairs, pairs)
        where = _best(self._platforms, platforms)
        ranks = [best + where] if best is not None and where is not None else []
        if "any" in platforms:
            ranks += [self._any[pair] for pair in pairs if pair in self._any]
        return min(ranks, default=None)


def _split(tags: str) -> tuple[list[str], list[str]]:
    """Return the Python-ABI pairs and the platforms of a compressed tag set (PEP 425)."""
    # cp310-cp310-manylinux_2_17_x86_64.manylinux2014_x86_64 has two platforms for one pair.
    pythons, abis, platforms = tags.rsplit("-", 2)
    pairs = [
        f"{python}-{abi}"
        for python in pythons.rpartition("-")[2].split(".")
        for abi in abis.split(".")
    ]
    return pairs, platforms.split(".")


def _ranks(words: list[str], step: int, start: int = 0) -> dict[str, int]:
    return {word: start + position * step for position, word in enumerate(words)}


def _best(ranks: Mapping[str, int], words: list[str]) -> int | None:
    return min((ranks[word] for word in words if word in ranks), default=None)


@lru_cache(maxsize=32)
def tags_of(
    minor: int, free_threaded: bool, platform: str, glibc: str | None, macos: str | None
) -> Tags:
    """Return the tags of CPython 3.`minor` on a platform, with its system's glibc or macOS."""
    pairs = list(_cpython_pairs(minor, free_threaded))
    pure = [f"{python}-none" for python in _pure_pythons(minor)]
    return Tags(
        [*pairs, *pure], [f"cp3{minor}-none", *pure], _platform_tags(platform, glibc, macos)
    )


def _cpython_pairs(minor: int, free_threaded: bool) -> Iterator[str]:
    """Yield Python and ABI, best first, in the order of `packaging.tags.cpython_tags`.

    A free-threaded build cannot load the old stable ABI; PEP 803 gave it one of its own, abi3t.
    """
    # Wheels with abi3 exist from cp32 on (PEP 384).
    stable = "abi3t" if free_threaded else "abi3"
    yield f"cp3{minor}-cp3{minor}{'t' if free_threaded else ''}"
    yield f"cp3{minor}-{stable}"
    yield f"cp3{minor}-none"
    for older in range(minor - 1, 1, -1):
        yield f"cp3{older}-{stable}"


def _pure_pythons(minor: int) -> Iterator[str]:
    yield f"py3{minor}"
    yield "py3"
    for older in range(minor - 1, -1, -1):
        yield f"py3{older}"


def _platform_tags(platform: str, glibc: str | None, macos: str | None) -> list[str]:
    row = PLATFORMS[platform]
    if glibc is not None:
        oldest = row.oldest_manylinux or int(glibc.split(".")[1])
        return list(_linux_tags(row.arch, int(glibc.split(".")[1]), oldest))
    if macos is not None:
        # Imported for a Mac alone, for the sake of start-up time.
        from packaging.tags import mac_platforms

        major, minor = macos.split(".")[:2]
        return list(mac_platforms((int(major), int(minor)), row.arch))
    return [f"win_{row.arch}"]


def _linux_tags(arch: str, glibc_minor: int, oldest: int) -> Iterator[str]:
    """Yield the tags of a Linux, best first.

    `linux_*` comes first, as packaging has it since 26.3; some release assets are tagged so.
    """
    yield f"linux_{arch}"
    for minor in range(glibc_minor, oldest - 1, -1):
        yield f"manylinux_2_{minor}_{arch}"
        if minor in _NAMED_MANYLINUX:
            yield f"{_NAMED_MANYLINUX[minor]}_{arch}"


# -- what a tag says -------------------------------------------------------------------------------


class WheelName(NamedTuple):
    """The parts of a wheel's file name, as they are spelled."""

    dist: str
    version: str
    """with the local version"""
    build: str | None
    tags: str
    """`cp311-cp311-win_amd64`"""
    variant: str | None
    """the label of a wheel variant (PEP 825), `cuda12.6`; pip and packaging refuse such a name"""


_VARIANT: Final = r"[0-9a-z_.]{1,16}"


def parse_wheel_name(file: str) -> WheelName | None:
    """Read a file name, `NAME-VERSION(-BUILD)-PYTHON-ABI-PLATFORM(-VARIANT).whl`.

    None for another one. Only a build number begins with a digit (PEP 427), which tells it from a
    Python tag where one of the two optional parts is there.
    """
    parts = file.removesuffix(".whl").split("-")
    if not file.endswith(".whl") or not 5 <= len(parts) <= 7 or not all(parts):
        return None
    build = parts.pop(2) if len(parts) > 5 and parts[2][0].isdigit() else None
    variant = parts.pop() if len(parts) > 5 else None
    if len(parts) != 5 or (variant is not None and not re.fullmatch(_VARIANT, variant)):
        return None
    return WheelName(parts[0], parts[1], build, "-".join(parts[2:]), variant)


def glibc_floor(tags: str) -> int | None:
    """Return the minor of the oldest glibc that some manylinux tag of a wheel promises to run on.

    None for a wheel without a manylinux tag, which promises nothing.
    """
    minors = [int(minor) for minor in re.findall(r"manylinux_2_([0-9]{1,2})_", tags)]
    minors += [minor for minor, name in _NAMED_MANYLINUX.items() if name in tags]
    return min(minors, default=None)


def split_platform_tag(tag: str) -> tuple[str, str]:
    """Return the system and the processor of a platform tag: `win_amd64` is `("win", "amd64")`.

    The system is one of TAG_SYSTEMS and the processor one of TAG_ARCHES; each is empty where the
    tag has none of them.
    """
    system = next((name for name in TAG_SYSTEMS if tag.startswith(name)), "")
    return system, next((name for name in TAG_ARCHES if tag.endswith(name)), "")


def python_of(tags: str) -> str:
    """Return the Python that a wheel with these tags is for.

    `3.11`, `3.13t` (free-threaded), `3.9+` (stable ABI, from 3.9 on) or `any` (no CPython tag).
    """
    python, abi, _ = tags.split("-")[-3:]
    match = re.fullmatch(r"cp3([0-9]{1,3})", python)
    if match is None:
        return ANY
    if abi.startswith("abi3"):
        return f"3.{match[1]}{abi[4:]}+"
    return f"3.{match[1]}{'t' if abi.endswith('t') else ''}"


def minor_of(tags: str) -> int | None:
    """Return the minor of the one CPython that a wheel's ABI is of: 11 for `cp311-cp311-win_amd64`.

    None for a wheel that several Pythons take: pure, or with the stable ABI.
    """
    match = re.search(r"\bcp3([0-9]{1,3})-cp3[0-9]+", tags)
    return int(match[1]) if match else None
