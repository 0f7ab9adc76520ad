"""The wheel that each target of a lock takes, for files that name wheels and not versions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cudalock.lock.markers import marker_for
from cudalock.targets import best_wheel
from cudalock.versions import parse_marker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cudalock.lock import Lock, LockedWheel, Pin
    from cudalock.targets import Target


def all_wheels(pin: Pin) -> tuple[LockedWheel, ...]:
    """Each wheel of a pin once, the preferred one first."""
    return tuple({wheel.file: wheel for wheel in (pin.wheel, *pin.wheels)}.values())


def wheels_without_url(lock: Lock) -> list[tuple[str, LockedWheel]]:
    """The wheels of a lock, with their project, whose address is not in the matrix."""
    return [
        (pin.name, wheel) for pin in lock.pins for wheel in all_wheels(pin) if wheel.url is None
    ]


def targets_of(pin: Pin, lock: Lock) -> list[Target]:
    """The targets of the lock on which the pin holds."""
    if pin.marker is None:
        return list(lock.targets)

    marker = parse_marker(pin.marker)
    return [each for each in lock.targets if marker.evaluate(dict(each.marker_environment()))]


def wheel_for(pin: Pin, target: Target) -> LockedWheel:
    """The wheel of a pin that a target gets."""
    # The preferred one comes last: of wheels that rank alike the last is taken.
    wheels = all_wheels(pin)[::-1]
    position = best_wheel([_tags(wheel.file) for wheel in wheels], target.tags())
    return pin.wheel if position is None else wheels[position]


def wheels_of_targets(pin: Pin, lock: Lock) -> tuple[LockedWheel, ...]:
    """The wheels of a pin that some target of the lock takes, each once."""
    found = {
        wheel.file: wheel for wheel in (wheel_for(pin, target) for target in targets_of(pin, lock))
    }
    return tuple(found.values())


def split_by_wheel(lock: Lock, chosen: Callable[[Pin], bool] = lambda _: True) -> Lock:
    """The lock with the chosen pins divided, by markers, until each has a single wheel."""
    pins = [part for pin in lock.pins for part in (_divided(pin, lock) if chosen(pin) else (pin,))]
    return replace(lock, pins=tuple(pins))


def with_urls(lock: Lock) -> Lock:
    """The lock with each wheel that has an address in the matrix written as that address."""

    def elsewhere(pin: Pin) -> bool:
        return any(wheel.url is not None for wheel in all_wheels(pin))

    divided = split_by_wheel(lock, elsewhere)
    return replace(
        divided,
        pins=tuple(
            replace(pin, direct=True) if pin.wheel.url is not None else pin for pin in divided.pins
        ),
    )


def _divided(pin: Pin, lock: Lock) -> Iterator[Pin]:
    groups: dict[LockedWheel, list[Target]] = {}
    for target in targets_of(pin, lock):
        groups.setdefault(wheel_for(pin, target), []).append(target)
    for wheel, targets in groups.items():
        yield replace(
            pin,
            wheel=wheel,
            wheels=(wheel,),
            hashes=(wheel.sha256,) if wheel.sha256 else (),
            hashes_complete=wheel.sha256 is not None,
            marker=marker_for(targets, lock.targets) if len(groups) > 1 else pin.marker,
        )


def _tags(file: str) -> str:
    """A file name's tags, build tag included."""
    return file.removesuffix(".whl").split("-", 2)[2]


__all__ = [
    "all_wheels",
    "split_by_wheel",
    "targets_of",
    "wheel_for",
    "wheels_of_targets",
    "wheels_without_url",
    "with_urls",
]
