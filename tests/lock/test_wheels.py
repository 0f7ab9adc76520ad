"""Which wheel of a pin a target takes, and pins divided until each has one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cudalock.lock.wheels import split_by_wheel, targets_of, wheel_for, wheels_of_targets, with_urls
from cudalock.targets import Target
from tests.local_index import build_wheel
from tests.sample_locks import lock, pin

if TYPE_CHECKING:
    from cudalock.lock import Pin

TARGETS = [
    Target(python, platform)
    for platform in ("linux-x86_64", "windows-x86_64")
    for python in ("3.11", "3.12")
]
LINUX, WINDOWS = TARGETS[:2], TARGETS[2:]
ON_LINUX, ON_WINDOWS = "sys_platform == 'linux'", "sys_platform == 'win32'"
MORE = f"{ON_LINUX} and os_name == 'posix'"
ABI3, PLAIN = "cp311-abi3-manylinux_2_28_x86_64", "py3-none-any"
OLD, NEW = (f"cp3{minor}-cp3{minor}-manylinux_2_28_x86_64" for minor in (11, 12))
HERE = "cp311-cp311-win_amd64"


def pinned(*tags: str, marker: str | None = None, url: str | None = None) -> Pin:
    """A pin of wheels with these tags, the first preferred."""
    files = [build_wheel("thing", "1.0", each) for each in tags]
    wheels = tuple(pin(each, url=url and f"{url}/{each.name}").wheel for each in files)
    return replace(
        pin(files[0]), wheel=wheels[0], wheels=wheels, marker=marker, hashes_complete=True
    )


@pytest.mark.parametrize(
    ("tags", "target", "expected"),
    [
        ([PLAIN, OLD], LINUX[0], OLD),
        ([OLD, NEW], LINUX[1], NEW),
        ([NEW, OLD], LINUX[0], OLD),
        ([ABI3, NEW], LINUX[1], NEW),
        ([ABI3, OLD], LINUX[1], ABI3),
        ([OLD, HERE], WINDOWS[0], HERE),
        ([OLD, HERE, PLAIN], WINDOWS[1], PLAIN),
        (["cp311-cp311-linux_x86_64", ABI3], LINUX[0], ABI3),
        ([OLD, NEW], WINDOWS[0], OLD),
    ],
)
def test_the_wheel_of_a_target(tags: list[str], target: Target, expected: str) -> None:
    assert wheel_for(pinned(*tags), target).file == f"thing-1.0-{expected}.whl"


@pytest.mark.parametrize(
    ("marker", "tags", "expected"),
    [
        (None, [PLAIN], {PLAIN: None}),
        (ON_LINUX, [PLAIN, HERE], {PLAIN: ON_LINUX}),
        (None, [ABI3, PLAIN], {ABI3: ON_LINUX, PLAIN: ON_WINDOWS}),
        (
            ON_LINUX,
            [OLD, NEW, HERE],
            {
                OLD: f"{ON_LINUX} and python_version < '3.12'",
                NEW: f"{ON_LINUX} and python_version >= '3.12'",
            },
        ),
        # What a marker says beyond the targets it says of machines that are none.
        (
            f"{ON_LINUX} and os_name == 'posix'",
            [ABI3],
            {ABI3: f"{ON_LINUX} and os_name == 'posix'"},
        ),
    ],
)
def test_a_pin_is_divided_among_its_targets(
    marker: str | None, tags: list[str], expected: dict[str, str | None]
) -> None:
    made = lock(pinned(*tags, marker=marker), target=TARGETS[0], others=tuple(TARGETS[1:]))
    parts = split_by_wheel(made).pins
    assert {part.wheel.file[len("thing-1.0-") : -4]: part.marker for part in parts} == expected
    assert all(part.hashes == (part.wheel.sha256,) for part in parts)
    (whole,) = made.pins
    assert {wheel.file for wheel in wheels_of_targets(whole, made)} == {
        part.wheel.file for part in parts
    }
    assert targets_of(whole, made) == (LINUX if marker else TARGETS)
    assert split_by_wheel(made, lambda _: False) == made


def test_only_what_has_an_address_is_written_by_it() -> None:
    here, there = pinned(OLD, NEW), replace(pinned(OLD, NEW, url="https://x.test"), name="other")
    made = with_urls(lock(here, there, target=LINUX[0], others=(LINUX[1],)))
    assert [(each.name, each.direct) for each in made.pins] == [
        ("other", True),
        ("other", True),
        ("thing", False),
    ]
