"""Which candidate is better: the cost vector, read from left to right.

Nothing ever goes against a fact that says `breaks`. Of what is left:

1. the fewest unknowns and warnings: a build of the framework of which something is unknown (see
   :mod:`cudalock.resolution.unknowns`) or that has a known problem; warnings about the framework,
   its build and the target, and those of goal components that rest on the framework, its build or
   the platform
2. the fewest goal components with a wheel that nobody has seen, nor its like for another Python
3. the framework, newest public version first
4. the fewest goal components with a wheel that has a known trap, which others of the release need
   not have
5. the framework's CUDA build: the one upstream publishes by default for Linux x86_64, then the
   newest, then older
6. each goal component, in the order of its rank, then by name: the newest major version, the
   project's own builder before known ones, a wheel that somebody has seen and that no fact warns
   of in itself, the newest minor version, the fewest other unknowns and warnings of its own, the
   newest version, the exact CUDA minor, the nearest minor below, the nearest above, the newest
   release tag, the address
7. the default package index before another, for the same build of the framework
8. the closure: what belongs to the build's CUDA release first, then the newest; where two of its
   projects compete, what has one version left or an upper bound goes first, then what was met first

So one warning about a component does not cost four of its releases, and what is unknown of a
project of the closure, or warned of, moves nothing that the goal names.

:mod:`cudalock.resolution.search` walks candidates in this order, so its first answer is the best.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from packaging.version import Version

from cudalock.matrix.releases import PACKAGE_INDEX
from cudalock.resolution.model import Candidate, accelerator_of, label
from cudalock.resolution.propagation import ABSENT
from cudalock.targets.accelerators import CUDA
from cudalock.versions import parse_version

if TYPE_CHECKING:
    from cudalock.resolution.problem import Problem
    from cudalock.resolution.propagation import Domain

TRUST: Final = {"named": 0, "own": 1, "known": 2, "other": 3}
"""What the user names comes first."""
UNRANKED: Final = 1000

Key = tuple[object, ...]


_Version = TypeVar("_Version", Version, tuple[int, ...])


class Newest(Generic[_Version]):
    """Orders versions newest first inside a key."""

    __slots__ = ("version",)

    def __init__(self, version: _Version) -> None:
        self.version: _Version = version

    def __lt__(self, other: Newest[_Version]) -> bool:
        return self.version > other.version

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Newest) and self.version == other.version

    def __hash__(self) -> int:
        return hash(self.version)

    def __repr__(self) -> str:
        return f"Newest({self.version})"


def component_order(problem: Problem, name: str) -> tuple[int, str]:
    """The place of a goal component in point 6."""
    rank = problem.matrix.component(name).rank
    return (UNRANKED if rank is None else rank, name)


def cuda_build_key(candidate: Candidate) -> Key:
    """Point 5 for a build of the framework."""
    cuda = label(candidate, CUDA.name)
    if cuda is None:
        # Of the others there is no build that a project publishes by default.
        other = accelerator_of(candidate)
        return (2,) if other is None else (1, Newest(_minor(other[1])))
    default = candidate.release.default.get(CUDA.name) if candidate.release else None
    if default is not None and _minor(default) == _minor(cuda):
        return (0,)
    return (1, Newest(_minor(cuda)))


def index_key(candidate: Candidate) -> int:
    """Point 7."""
    return 0 if candidate.build is not None and candidate.build.index == PACKAGE_INDEX else 1


def component_key(problem: Problem, candidate: Candidate, cuda: str | None) -> Key:
    """Point 6 for one goal component beside a framework built with ``cuda``, by what it is itself:
    :func:`with_doubts` adds what depends on the rest."""
    if candidate.version is None or candidate.build is None:
        return (-1,)
    build = candidate.build
    version = parse_version(candidate.version)
    return (
        Newest((version.epoch, version.major)),
        TRUST[problem.universe.trust(build)],
        problem.unknowns.count_faults(candidate),
        Newest((version.minor,)),
        problem.unknowns.count_clauses(candidate) + problem.unknowns.count_warnings(candidate),
        Newest(version),
        _cuda_distance(label(candidate, CUDA.name), cuda),
        index_key(candidate),
        Newest(_numbers(build.tag or "")),
        build.builder or build.index or "",
        build.tag or "",
        build.local or "",
    )


_DOUBTS: Final = 4
"""Where the key of a component has the number of its unknowns and warnings."""


def with_doubts(key: Key, doubts: int) -> Key:
    """Return the key of a component with all of its unknowns and warnings."""
    return key if len(key) <= _DOUBTS else (*key[:_DOUBTS], doubts, *key[_DOUBTS + 1 :])


def release_key(key: Key) -> Key:
    """Return the part of a component's key that is about its release and the wheels of that."""
    return key[: _DOUBTS + 2]


class Ranking:
    """Point 6 over the candidates of one network, each worked out once.

    What is best of thousands of wheels is asked after every dead end, and for every set of facts
    that an explanation leaves out.
    """

    def __init__(self, problem: Problem, domains: Mapping[str, Domain]) -> None:
        self._problem = problem
        self._domains = domains
        self._keys: dict[tuple[Candidate, str | None], Key] = {}
        self._ranked: dict[tuple[str, str | None], tuple[int, list[int]]] = {}

    def key(self, candidate: Candidate, cuda: str | None) -> Key:
        """The key of a candidate beside a framework built with a CUDA release."""
        key = self._keys.get((candidate, cuda))
        if key is None:
            key = self._keys[candidate, cuda] = component_key(self._problem, candidate, cuda)
        return key

    def best_first(self, name: str, allowed: int, cuda: str | None) -> Iterator[int]:
        """The positions of the candidates of a domain that are allowed, the best first."""
        allowed &= self._domains[name].all & ~ABSENT
        ranked, positions = self._ranked.get((name, cuda), (0, []))
        if allowed & ~ranked:
            ranked |= allowed
            positions = self._rank(name, ranked, cuda)
            self._ranked[name, cuda] = ranked, positions
        for position in positions:
            if allowed >> position & 1:
                yield position

    def _rank(self, name: str, mask: int, cuda: str | None) -> list[int]:
        candidates = self._domains[name].candidates
        favourite = self._problem.policy.favourites.get(name)
        positions = [position for position in range(len(candidates)) if mask >> position & 1]
        positions.sort(
            key=lambda position: (
                candidates[position].version != favourite,
                self.key(candidates[position], cuda),
            )
        )
        return positions


def better_versions(problem: Problem, name: str, cuda: str | None) -> list[str]:
    """Point 8: the versions of a project of the closure that are better than the newest, best
    first."""
    belonging = problem.matrix.toolkits.versions(name, _minor(cuda) if cuda else ())
    favourite = problem.policy.favourites.get(name)
    return belonging if favourite is None else [favourite, *belonging]


def _cuda_distance(built_with: str | None, cuda: str | None) -> tuple[int, int]:
    """How far a wheel's CUDA minor is from the framework's: exact, below, above, not known."""
    if built_with is None or cuda is None or "." not in built_with:
        return (3, 0)
    ours, theirs = _minor(built_with), _minor(cuda)
    if ours == theirs:
        return (0, 0)
    if ours < theirs:
        return (1, theirs[0] * 100 + theirs[1] - ours[0] * 100 - ours[1])
    return (2, ours[0] * 100 + ours[1] - theirs[0] * 100 - theirs[1])


@cache
def _minor(cuda: str) -> tuple[int, ...]:
    return tuple(int(part) for part in cuda.split(".")[:2])


@cache
def _numbers(tag: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"[0-9]{1,100}", tag))
