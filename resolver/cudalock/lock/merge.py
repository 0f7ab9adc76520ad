"""Several targets in one lock: pins that agree become one, the others get markers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from cudalock.lock.build import from_resolution
from cudalock.lock.lock import GOAL, Lock, LockedWheel, LockWarning, Pin
from cudalock.lock.markers import marker_for

if TYPE_CHECKING:
    from cudalock.matrix.matrix import Index
    from cudalock.resolution import Resolution
    from cudalock.targets import Target


def from_resolutions(
    resolutions: Sequence[Resolution], command: str, notes: Iterable[str] = ()
) -> Lock:
    """One lock for the targets of all the resolutions, in their order."""
    searched = frozenset(
        candidate.build.index
        for resolution in resolutions
        for candidate in resolution.pins.values()
        if candidate.build and candidate.build.index
    )
    locks = [from_resolution(each, command, searched) for each in resolutions]
    merged = locks[0] if len(locks) == 1 else _merged(locks)
    return replace(merged, notes=tuple(dict.fromkeys((*merged.notes, *notes))))


def _merged(locks: list[Lock]) -> Lock:
    first, targets = locks[0], [lock.target for lock in locks]
    return replace(
        first,
        pins=tuple(_pins(locks)),
        others=tuple(targets[1:]),
        needs=tuple(_by_target([(lock.target, lock.needs) for lock in locks])),
        warnings=tuple(_warnings(locks)),
        notes=tuple(dict.fromkeys(note for lock in locks for note in lock.notes)),
        indexes=tuple(_indexes(locks)),
        builders=tuple(sorted({builder for lock in locks for builder in lock.builders})),
        cuda=_shared_cuda(locks),
        replaced=tuple(_by_target([(lock.target, lock.replaced) for lock in locks])),
        replacements=tuple(dict.fromkeys(each for lock in locks for each in lock.replacements)),
        stack=tuple(sorted({name for lock in locks for name in lock.stack})),
        framework=next((lock.framework for lock in locks if lock.framework), None),
    )


def _pins(locks: list[Lock]) -> Iterator[Pin]:
    targets = [lock.target for lock in locks]
    by_name: dict[str, dict[tuple[str, str | None], list[tuple[Target, Pin]]]] = {}
    for lock in locks:
        for pin in lock.pins:
            key = (pin.version, pin.wheel.url if pin.direct else None)
            by_name.setdefault(pin.name, {}).setdefault(key, []).append((lock.target, pin))
    for name in sorted(by_name):
        for found in by_name[name].values():
            marker = marker_for([target for target, _ in found], targets)
            yield _one_pin([pin for _, pin in found], marker)


def _one_pin(pins: list[Pin], marker: str | None) -> Pin:
    """One pin for targets that take the same version, perhaps in different wheels."""
    first = pins[0]
    via = {name for pin in pins for name in pin.via}
    wheels: dict[str, LockedWheel] = {
        wheel.file: wheel for pin in pins for wheel in (pin.wheel, *pin.wheels)
    }
    return replace(
        first,
        hashes=tuple(sorted({digest for pin in pins for digest in pin.hashes})),
        hashes_complete=all(pin.hashes_complete for pin in pins),
        via=(*((GOAL,) if GOAL in via else ()), *sorted(via - {GOAL})),
        facts=tuple(sorted({fact for pin in pins for fact in pin.facts})),
        requires=tuple(sorted({name for pin in pins for name in pin.requires})),
        direct=any(pin.direct for pin in pins),
        wheels=tuple(wheels.values()),
        marker=marker,
        overlooked=any(pin.overlooked for pin in pins),
    )


def _by_target(sentences: list[tuple[Target, tuple[str, ...]]]) -> Iterator[str]:
    """Each sentence once; one that is not of every target says of which it is."""
    of: dict[str, list[Target]] = {}
    for target, found in sentences:
        for sentence in found:
            of.setdefault(sentence, []).append(target)
    for sentence, targets in of.items():
        if len(targets) == len(sentences):
            yield sentence
        else:
            everywhere = [target for target, _ in sentences]
            yield f"{sentence} ({', '.join(_places(targets, everywhere))})"


def _places(targets: list[Target], everywhere: list[Target]) -> Iterator[str]:
    """Targets for people: a platform alone where all its Pythons are meant."""
    for platform in dict.fromkeys(target.platform for target in targets):
        meant = [target for target in targets if target.platform == platform]
        label = meant[0].platform_label
        if len(meant) < sum(target.platform == platform for target in everywhere):
            label += f" Python {', '.join(target.python_text for target in meant)}"
        yield label


def _warnings(locks: list[Lock]) -> Iterator[LockWarning]:
    seen = set()
    for lock in locks:
        for warning in lock.warnings:
            if (warning.fact, warning.says) not in seen:
                seen.add((warning.fact, warning.says))
                yield warning


def _indexes(locks: list[Lock]) -> Iterator[Index]:
    found = {index.id: index for lock in locks for index in lock.indexes}
    for id in sorted(found):
        yield found[id]


def _shared_cuda(locks: list[Lock]) -> str | None:
    """The CUDA release of all that have one; several are listed."""
    found = sorted({lock.cuda for lock in locks if lock.cuda})
    return ", ".join(found) or None


__all__ = ["from_resolutions"]
