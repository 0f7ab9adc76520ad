"""Markers of a lock for several targets: true where they should be, and nowhere else."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import Marker

from cudalock.lock.markers import disjoint_markers, full_marker, marker_for
from cudalock.targets import PLATFORMS, Target
from tests.properties import BOUNDED

PYTHONS = ["3.9", "3.10", "3.11", "3.12", "3.13"]
TARGETS = [Target(python, platform) for platform in PLATFORMS for python in PYTHONS]
LINUX, WINDOWS, MACOS = (
    [target for target in TARGETS if target.platform == name]
    for name in ("linux-x86_64", "windows-x86_64", "macos-arm64")
)
NEWER = Target("3.9", "linux-x86_64", glibc="2.35")

MACHINES = [
    {"sys_platform": system, "platform_machine": machine, "python_version": f"3.{minor}"}
    for system, machine, minor in product(
        ("linux", "win32", "darwin", "freebsd14"),
        ("x86_64", "AMD64", "aarch64", "arm64", "ARM64", "riscv64"),
        range(7, 17),
    )
]
"""Also those that nobody solved for."""


def holds(marker: str | None, target: Target) -> bool:
    return marker is None or Marker(marker).evaluate(dict(target.marker_environment()))


@pytest.mark.parametrize(
    ("chosen", "targets", "marker"),
    [
        (LINUX, LINUX, None),
        (LINUX, LINUX + WINDOWS, "sys_platform == 'linux'"),
        (LINUX + MACOS, LINUX + WINDOWS + MACOS, "sys_platform != 'win32'"),
        (LINUX[:2], LINUX, "python_version < '3.11'"),
        (LINUX[2:], LINUX, "python_version >= '3.11'"),
        (LINUX[2:3], LINUX, "python_version == '3.11'"),
        (LINUX[1:4], LINUX, "python_version >= '3.10' and python_version < '3.13'"),
        (
            LINUX + WINDOWS[:1],
            LINUX + WINDOWS,
            "sys_platform == 'linux' or python_version < '3.10'",
        ),
        (
            [LINUX[1], WINDOWS[2]],
            LINUX[:3] + WINDOWS[:3],
            "(sys_platform == 'linux' and python_version == '3.10')"
            " or (sys_platform == 'win32' and python_version >= '3.11')",
        ),
        ([LINUX[0]], LINUX + WINDOWS, "sys_platform == 'linux' and python_version < '3.10'"),
        # No marker tells of glibc.
        (
            [NEWER],
            [LINUX[0], NEWER],
            "(sys_platform == 'linux' and platform_machine == 'x86_64'"
            " and python_version == '3.9')",
        ),
    ],
)
def test_the_simplest_is_taken(
    chosen: list[Target], targets: list[Target], marker: str | None
) -> None:
    assert marker_for(chosen, targets) == marker


@st.composite
def grouped(draw: st.DrawFn) -> list[list[Target]]:
    targets = draw(st.lists(st.sampled_from(TARGETS), unique=True, min_size=1, max_size=8))
    groups: dict[int, list[Target]] = {}
    for target in targets:
        groups.setdefault(draw(st.integers(0, 3)), []).append(target)
    return list(groups.values())


@BOUNDED
@given(grouped())
def test_a_marker_holds_on_its_targets_and_on_no_other(groups: list[list[Target]]) -> None:
    targets = [target for group in groups for target in group]
    for group in groups:
        marker = marker_for(group, targets)
        assert [target for target in targets if holds(marker, target)] == [
            target for target in targets if target in group
        ]


def test_what_is_apart_is_told_as_simply_as_can_be() -> None:
    groups = [LINUX[:2], LINUX[2:]]
    assert disjoint_markers(groups, LINUX) == [
        "python_version < '3.11'",
        "python_version >= '3.11'",
    ]
    assert disjoint_markers([LINUX], LINUX) == [None]


@BOUNDED
@given(grouped())
def test_no_machine_meets_two_that_are_apart(groups: list[list[Target]]) -> None:
    markers = disjoint_markers(groups, [target for group in groups for target in group])
    for group, marker in zip(groups, markers, strict=True):
        assert all(holds(marker, target) for target in group)
    if len(groups) > 1:
        parsed = [Marker(str(marker)) for marker in markers]
        for machine in MACHINES:
            full = {**TARGETS[0].marker_environment(), **machine}
            assert sum(each.evaluate(dict(full)) for each in parsed) <= 1


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_a_whole_marker_is_one_targets(target: Target) -> None:
    assert [each for each in TARGETS if holds(full_marker(target), each)] == [target]
