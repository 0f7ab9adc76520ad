"""Merge the locks of several targets: pins that agree become one, the others get markers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from cudalock.lock.build import from_resolution
from cudalock.lock.lock import GOAL, Lock, LockedWheel, LockWarning, Pin
from cudalock.lock.markers import marker_for

if TYPE_CHECKING:
    from cudalock.matrix.matrix import Index
    from cudalock.resolution.model import Resolution
    from cudalock.targets import Target


def from_resolutions(
    resolutions: Sequence[Resolution], command: str, notes: Iterable[str] = ()
) -> Lock:
    """Return one lock for the targets of all the resolutions, in their order.

    `command` is the command line that makes the lock again, `notes` are sentences to add.
    """
    # A build is ambiguous if another index that the file names has the same version: all indexes
    # that any target needs are searched for every pin.
    searched = frozenset(
        candidate.build.index
        for resolution in resolutions
        for candidate in resolution.pins.values()
        if candidate.build and candidate.build.index
    )
    locks = [from_resolution(resolution, command, searched) for resolution in resolutions]
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
        replacements=tuple(dict.fromkeys(row for lock in locks for row in lock.replacements)),
        stack=tuple(sorted({name for lock in locks for name in lock.stack})),
        unknowns=tuple(dict.fromkeys(unknown for lock in locks for unknown in lock.unknowns)),
        newer=tuple(dict.fromkeys(newer for lock in locks for newer in lock.newer)),
        framework=next((lock.framework for lock in locks if lock.framework), None),
    )


def _pins(locks: list[Lock]) -> Iterator[Pin]:
    targets = [lock.target for lock in locks]
    by_name: dict[str, dict[tuple[str, str | None], list[tuple[Target, Pin]]]] = {}
    for lock in locks:
        for pin in lock.pins:
            # A pin by version covers the wheels of several platforms; a URL is one wheel.
            key = (pin.version, pin.wheel.url if pin.direct else None)
            by_name.setdefault(pin.name, {}).setdefault(key, []).append((lock.target, pin))
    for name in sorted(by_name):
        for same in by_name[name].values():
            marker = marker_for([target for target, _ in same], targets)
            yield _one_pin([pin for _, pin in same], marker)


def _one_pin(pins: list[Pin], marker: str | None) -> Pin:
    """Return one pin for targets that take the same version, perhaps in different wheels."""
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
        # One wheel whose requirement uv misses is enough to lose the pin there.
        overlooked=any(pin.overlooked for pin in pins),
        held=all(pin.held for pin in pins),
    )


def _by_target(sentences: list[tuple[Target, tuple[str, ...]]]) -> Iterator[str]:
    """Yield each sentence once; one that not every target has names its targets in brackets."""
    targets_by_sentence: dict[str, list[Target]] = {}
    for target, own in sentences:
        for sentence in own:
            targets_by_sentence.setdefault(sentence, []).append(target)
    for sentence, targets in targets_by_sentence.items():
        if len(targets) == len(sentences):
            yield sentence
        else:
            all_targets = [target for target, _ in sentences]
            yield f"{sentence} ({', '.join(_labels(targets, all_targets))})"


def _labels(targets: list[Target], all_targets: list[Target]) -> Iterator[str]:
    """Yield labels of targets: only the platform where all its Pythons are meant."""
    for platform in dict.fromkeys(target.platform for target in targets):
        of_platform = [target for target in targets if target.platform == platform]
        label = of_platform[0].platform_label
        if len(of_platform) < sum(target.platform == platform for target in all_targets):
            label += f" Python {', '.join(target.python_text for target in of_platform)}"
        yield label


def _warnings(locks: list[Lock]) -> Iterator[LockWarning]:
    written = set()
    for lock in locks:
        for warning in lock.warnings:
            if (warning.fact, warning.says) not in written:
                written.add((warning.fact, warning.says))
                yield warning


def _indexes(locks: list[Lock]) -> Iterator[Index]:
    indexes = {index.id: index for lock in locks for index in lock.indexes}
    for id in sorted(indexes):
        yield indexes[id]


def _shared_cuda(locks: list[Lock]) -> str | None:
    """Return the CUDA release that the locks share; a list of them where they differ."""
    releases = sorted({lock.cuda for lock in locks if lock.cuda})
    return ", ".join(releases) or None
