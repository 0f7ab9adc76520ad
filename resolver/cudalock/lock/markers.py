"""Environment markers: the simplest one that holds on some targets of a lock and not on the others.

A lock for several targets writes a marker beside a pin that only some of them take. People read
these files, so the fewest comparisons that separate the targets are looked for. No library does
that: the usual simplifiers make a given marker shorter, and none is given here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from itertools import combinations, product
from operator import and_
from typing import TYPE_CHECKING, Final

from cudalock.versions import parse_marker

if TYPE_CHECKING:
    from cudalock.targets import Target

_NAMES: Final = ("sys_platform", "platform_machine")
"""The variables besides Python that separate the targets of the table of platforms."""
_PYTHON: Final = "python_version"


def marker_for(chosen: Sequence[Target], targets: Sequence[Target]) -> str | None:
    """Return the marker that holds on `chosen` and on no other of `targets`, in PEP 508 form.

    None where `chosen` are all of them. One comparison if that will do, else two joined by `and`,
    else two by `or`, else the targets spelled out.
    """
    # A set of targets is a number with a bit for each: and, or and equality are one operation.
    goal_mask = _mask(target in chosen for target in targets)
    everything = (1 << len(targets)) - 1
    if goal_mask == everything:
        return None
    comparisons = list(_comparisons(targets))
    for marker, mask in comparisons:
        if mask == goal_mask:
            return marker
    # Pairs only: with three comparisons the spelled-out form is easier to read.
    for joiner in (" and ", " or "):
        for (left, left_mask), (right, right_mask) in combinations(comparisons, 2):
            joined = left_mask & right_mask if joiner == " and " else left_mask | right_mask
            if joined == goal_mask:
                return left + joiner + right
    return _spelled_out(goal_mask, targets, comparisons)


def full_marker(target: Target) -> str:
    """Return the marker of a target's platform, processor and Python minor, in full."""
    return f"{_platform_marker(target)} and {_PYTHON} == '{target.marker_environment()[_PYTHON]}'"


def disjoint_markers(
    groups: Sequence[Sequence[Target]], targets: Sequence[Target]
) -> list[str | None]:
    """Return a marker for each group of `targets`, such that no machine meets two of them.

    The simplest that separate the targets, if no machine at all meets two; otherwise each names
    platform and processor. Example: `platform_machine == 'x86_64'` tells Linux on x86_64 from Linux
    on aarch64, and `sys_platform == 'darwin'` a Mac from both, but an Intel Mac meets the two.
    """
    simple = [marker_for(group, targets) for group in groups]
    if len(groups) < 2 or _are_disjoint(simple, targets):
        return simple
    return [" or ".join(_by_platform(group, targets)) for group in groups]


def _are_disjoint(markers: Iterable[str | None], targets: Sequence[Target]) -> bool:
    parsed = [parse_marker(marker) for marker in markers if marker is not None]
    return all(
        sum(marker.evaluate(machine) for marker in parsed) <= 1 for machine in _machines(targets)
    )


def _machines(targets: Sequence[Target]) -> Iterator[dict[str, str]]:
    """Yield the marker values of each machine that the targets' own values can tell from others.

    The empty text stands for every value that no target has, and so do a Python below the lowest
    and one above the highest.
    """
    environments = [target.marker_environment() for target in targets]
    systems, machines = (
        {"", *(environment[name] for environment in environments)} for name in _NAMES
    )
    minors = [_minor(environment[_PYTHON]) for environment in environments]
    pythons = [f"3.{minor}" for minor in range(min(minors) - 1, max(minors) + 2)]
    for combination in product(sorted(systems), sorted(machines), pythons):
        yield {**environments[0], **dict(zip((*_NAMES, _PYTHON), combination, strict=True))}


def _by_platform(group: Sequence[Target], targets: Sequence[Target]) -> Iterator[str]:
    platforms = dict.fromkeys(_platform_marker(target) for target in group)
    for platform in platforms:
        of_platform = [target for target in targets if _platform_marker(target) == platform]
        python = marker_for([target for target in group if target in of_platform], of_platform)
        part = platform if python is None else f"{platform} and ({python})"
        yield part if len(platforms) == 1 else f"({part})"


def _platform_marker(target: Target) -> str:
    environment = target.marker_environment()
    return " and ".join(f"{name} == '{environment[name]}'" for name in _NAMES)


def _spelled_out(
    goal_mask: int, targets: Sequence[Target], comparisons: list[tuple[str, int]]
) -> str:
    """Return each target by the fewest comparisons that tell it from the others, joined by `or`."""
    parts = []
    for position, target in enumerate(targets):
        bit = 1 << position
        if goal_mask & bit:
            shortest = _shortest(bit, goal_mask, len(targets), comparisons)
            parts.append(shortest or full_marker(target))
    return " or ".join(f"({part})" for part in dict.fromkeys(parts))


def _shortest(
    bit: int, goal_mask: int, count: int, comparisons: list[tuple[str, int]]
) -> str | None:
    """Return the fewest comparisons, at most three, that hold on one target and on none outside."""
    outside = ((1 << count) - 1) & ~goal_mask
    fitting = [(marker, mask) for marker, mask in comparisons if mask & bit]
    for size in (1, 2, 3):
        for group in combinations(fitting, size):
            if not reduce(and_, (mask for _, mask in group)) & outside:
                return " and ".join(marker for marker, _ in group)
    return None


def _comparisons(targets: Sequence[Target]) -> Iterator[tuple[str, int]]:
    """Yield single comparisons, each with the mask of the targets that it holds on.

    Comparisons that hold on all targets or on none are left out. Their order is the preference of
    `marker_for`: equality before inequality, platforms before Pythons.
    """
    environments = [target.marker_environment() for target in targets]
    everything = (1 << len(targets)) - 1
    for name in _NAMES:
        column = [environment[name] for environment in environments]
        for text in sorted(set(column)):
            mask = _mask(cell == text for cell in column)
            if mask != everything:
                yield f"{name} == '{text}'", mask
        for text in sorted(set(column)):
            mask = _mask(cell != text for cell in column)
            if mask:
                yield f"{name} != '{text}'", mask
    minors = [_minor(environment[_PYTHON]) for environment in environments]
    for minor in sorted(set(minors)):
        text = f"3.{minor}"
        below = _mask(other < minor for other in minors)
        if below:
            yield f"{_PYTHON} < '{text}'", below
            yield f"{_PYTHON} >= '{text}'", everything & ~below
    for minor in sorted(set(minors)):
        mask = _mask(other == minor for other in minors)
        if mask != everything:
            yield f"{_PYTHON} == '3.{minor}'", mask


def _minor(python_version: str) -> int:
    return int(python_version.split(".")[1])


def _mask(flags: Iterable[bool]) -> int:
    return sum(1 << position for position, flag in enumerate(flags) if flag)
