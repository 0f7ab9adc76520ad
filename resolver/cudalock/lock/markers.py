"""Environment markers: the simplest that holds on some targets of a lock and not on the others."""

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
_PYTHON: Final = "python_version"


def marker_for(chosen: Sequence[Target], targets: Sequence[Target]) -> str | None:
    """The marker that holds on ``chosen`` and on no other of ``targets``; None where that is all.

    One comparison if that will do, else two joined by `and`, else two by `or`, else the targets
    spelled out.
    """
    wanted = _mask(target in chosen for target in targets)
    everything = (1 << len(targets)) - 1
    if wanted == everything:
        return None
    atoms = list(_atoms(targets))
    for marker, mask in atoms:
        if mask == wanted:
            return marker
    for joiner in (" and ", " or "):
        for (left, one), (right, other) in combinations(atoms, 2):
            if (one & other if joiner == " and " else one | other) == wanted:
                return left + joiner + right
    return _spelled_out(wanted, targets, atoms)


def full_marker(target: Target) -> str:
    """A target's platform, processor and Python minor, in full."""
    return f"{_platform_marker(target)} and {_PYTHON} == '{target.marker_environment()[_PYTHON]}'"


def disjoint_markers(
    groups: Sequence[Sequence[Target]], targets: Sequence[Target]
) -> list[str | None]:
    """A marker for each group of ``targets``, such that no machine whatever meets two of them.

    The simplest that tell the targets apart, where these do that as well; else each names platform
    and processor.
    """
    simple = [marker_for(group, targets) for group in groups]
    if len(groups) < 2 or _exclude_one_another(simple, targets):
        return simple
    return [" or ".join(_by_platform(group, targets)) for group in groups]


def _exclude_one_another(markers: Iterable[str | None], targets: Sequence[Target]) -> bool:

    parsed = [parse_marker(each) for each in markers if each is not None]
    return all(sum(each.evaluate(world) for each in parsed) <= 1 for world in _worlds(targets))


def _worlds(targets: Sequence[Target]) -> Iterator[dict[str, str]]:
    """Every kind of machine that comparisons with the targets' own values can tell apart."""
    environments = [target.marker_environment() for target in targets]
    systems, machines = ({"", *(each[name] for each in environments)} for name in _NAMES)
    minors = [_minor(each[_PYTHON]) for each in environments]
    pythons = [f"3.{minor}" for minor in range(min(minors) - 1, max(minors) + 2)]
    for values in product(sorted(systems), sorted(machines), pythons):
        yield {**environments[0], **dict(zip((*_NAMES, _PYTHON), values, strict=True))}


def _by_platform(group: Sequence[Target], targets: Sequence[Target]) -> Iterator[str]:
    platforms = dict.fromkeys(_platform_marker(target) for target in group)
    for platform in platforms:
        here = [target for target in targets if _platform_marker(target) == platform]
        python = marker_for([target for target in group if target in here], here)
        part = platform if python is None else f"{platform} and ({python})"
        yield part if len(platforms) == 1 else f"({part})"


def _platform_marker(target: Target) -> str:
    environment = target.marker_environment()
    return " and ".join(f"{name} == '{environment[name]}'" for name in _NAMES)


def _spelled_out(wanted: int, targets: Sequence[Target], atoms: list[tuple[str, int]]) -> str:
    """Each target by as few comparisons as tell it from those not wanted, joined by `or`."""
    parts = []
    for position, target in enumerate(targets):
        bit = 1 << position
        if wanted & bit:
            parts.append(_telling(bit, wanted, len(targets), atoms) or full_marker(target))
    return " or ".join(f"({part})" for part in dict.fromkeys(parts))


def _telling(bit: int, wanted: int, count: int, atoms: list[tuple[str, int]]) -> str | None:
    others = ((1 << count) - 1) & ~wanted
    mine = [(marker, mask) for marker, mask in atoms if mask & bit]
    for size in (1, 2, 3):
        for group in combinations(mine, size):
            if not reduce(and_, (mask for _, mask in group)) & others:
                return " and ".join(marker for marker, _ in group)
    return None


def _atoms(targets: Sequence[Target]) -> Iterator[tuple[str, int]]:
    """Single comparisons, with the targets each holds on; what holds on all or none is left out."""
    environments = [target.marker_environment() for target in targets]
    everything = (1 << len(targets)) - 1
    for name in _NAMES:
        values = [environment[name] for environment in environments]
        for value in sorted(set(values)):
            mask = _mask(each == value for each in values)
            if mask != everything:
                yield f"{name} == '{value}'", mask
        for value in sorted(set(values)):
            mask = _mask(each != value for each in values)
            if mask:
                yield f"{name} != '{value}'", mask
    minors = [_minor(environment[_PYTHON]) for environment in environments]
    for minor in sorted(set(minors)):
        text = f"3.{minor}"
        below = _mask(each < minor for each in minors)
        if below:
            yield f"{_PYTHON} < '{text}'", below
            yield f"{_PYTHON} >= '{text}'", everything & ~below
    for minor in sorted(set(minors)):
        mask = _mask(each == minor for each in minors)
        if mask != everything:
            yield f"{_PYTHON} == '3.{minor}'", mask


def _minor(python_version: str) -> int:
    return int(python_version.split(".")[1])


def _mask(flags: Iterable[bool]) -> int:
    return sum(1 << position for position, flag in enumerate(flags) if flag)


__all__ = ["disjoint_markers", "full_marker", "marker_for"]
