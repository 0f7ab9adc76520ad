"""Which wheel each target of a lock takes, for formats that name wheels and not versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cudalock.lock.markers import marker_for
from cudalock.records import replace
from cudalock.targets import best_wheel
from cudalock.versions import parse_marker

ANY_TAGS: Final = "py3-none-any"

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cudalock.lock import Lock, LockedWheel, Pin
    from cudalock.targets import Target


def all_wheels(pin: Pin) -> tuple[LockedWheel, ...]:
    """Return each wheel of a pin once, the preferred one first."""
    return tuple({wheel.file: wheel for wheel in (pin.wheel, *pin.wheels)}.values())


def wheels_without_url(lock: Lock) -> list[tuple[str, LockedWheel]]:
    """Return the wheels whose URL is not in the matrix, each with its project's name."""
    return [
        (pin.name, wheel) for pin in lock.pins for wheel in all_wheels(pin) if wheel.url is None
    ]


def targets_of(pin: Pin, lock: Lock) -> list[Target]:
    """Return the targets of the lock on which the pin's marker holds."""
    if pin.marker is None:
        return list(lock.targets)

    marker = parse_marker(pin.marker)
    return [target for target in lock.targets if marker.evaluate(dict(target.marker_environment()))]


def wheel_for(pin: Pin, target: Target) -> LockedWheel:
    """Return the wheel of a pin that a target takes; the pin's own where none fits."""
    # The preferred one comes last: of wheels that rank alike the last is taken.
    wheels = all_wheels(pin)[::-1]
    position = best_wheel([_tags(wheel.file) for wheel in wheels], target.tags())
    return pin.wheel if position is None else wheels[position]


def wheels_of_targets(pin: Pin, lock: Lock) -> tuple[LockedWheel, ...]:
    """Return the wheels of a pin that some target of the lock takes, each once."""
    wheels = [wheel_for(pin, target) for target in targets_of(pin, lock)]
    return tuple({wheel.file: wheel for wheel in wheels}.values())


def split_by_wheel(lock: Lock, chosen: Callable[[Pin], bool] = lambda _: True) -> Lock:
    """Return the lock with the chosen pins split, by markers, until each has a single wheel.

    A requirement that names a URL or one hash cannot stand for the wheels of two platforms.
    """
    pins = [part for pin in lock.pins for part in (_split(pin, lock) if chosen(pin) else (pin,))]
    return replace(lock, pins=tuple(pins))


def with_urls(lock: Lock) -> Lock:
    """Return the lock with each wheel written as a URL, where the matrix has one for it."""

    def has_url(pin: Pin) -> bool:
        return any(wheel.url is not None for wheel in all_wheels(pin))

    split = split_by_wheel(lock, has_url)
    return replace(
        split,
        pins=tuple(
            replace(pin, direct=True) if pin.wheel.url is not None else pin for pin in split.pins
        ),
    )


def _split(pin: Pin, lock: Lock) -> Iterator[Pin]:
    targets_by_wheel: dict[LockedWheel, list[Target]] = {}
    for target in targets_of(pin, lock):
        targets_by_wheel.setdefault(wheel_for(pin, target), []).append(target)
    # Each part has the hash of its own wheel only: another platform's would never be checked.
    for wheel, targets in targets_by_wheel.items():
        yield replace(
            pin,
            wheel=wheel,
            wheels=(wheel,),
            hashes=(wheel.sha256,) if wheel.sha256 else (),
            hashes_complete=wheel.sha256 is not None,
            marker=marker_for(targets, lock.targets) if len(targets_by_wheel) > 1 else pin.marker,
        )


def _tags(file: str) -> str:
    """Return a wheel's tags from its file name, build tag included; any target takes an archive."""
    if not file.endswith(".whl"):
        return ANY_TAGS
    return file.removesuffix(".whl").split("-", 2)[2]
