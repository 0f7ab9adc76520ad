"""The platforms and Pythons for which a build has wheels, from wheel tags."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cudalock.targets.platforms import of_wheel_tags
from cudalock.targets.tags import python_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cudalock.matrix.releases import Build

_PYTHON = re.compile(r"3\.([0-9]{1,3})(t?)")


def tags_on(builds: Iterable[Build], platform: str | None) -> Iterator[str]:
    """Yield the tags of each wheel of the builds that installs on a platform, or anywhere."""
    for build in builds:
        for tags in build.tags:
            if platform is None or platform in of_wheel_tags(tags):
                yield tags


def builds_on(builds: Iterable[Build], platform: str) -> list[Build]:
    """The builds with a wheel for a platform."""
    return [build for build in builds if any(True for _ in tags_on([build], platform))]


def pythons_on(builds: Iterable[Build], platform: str | None) -> list[str]:
    """The Pythons that have a wheel, oldest first."""
    return sorted({python_of(tags) for tags in tags_on(builds, platform)}, key=_python_order)


def _python_order(python: str) -> tuple[bool, int, str]:
    match = _PYTHON.match(python)
    # Pythons that are no `3.N`, such as any, come last.
    return (match is None, int(match[1]) if match else 0, python)


def python_ranges(pythons: Iterable[str]) -> list[str]:
    """`3.9`, `3.10`, `3.11` as `3.9-3.11`, a free-threaded run after the others."""
    plain = [match for match in map(_PYTHON.fullmatch, pythons) if match]
    ranges: list[str] = []
    # PEP 703's builds have tags of their own, and gaps of their own.
    for suffix in ("", "t"):
        minors = sorted(int(match[1]) for match in plain if match[2] == suffix)
        ranges += [_range(run, suffix) for run in _runs(minors)]
    return ranges + [python for python in pythons if not _PYTHON.fullmatch(python)]


def _range(run: list[int], suffix: str) -> str:
    first = f"3.{run[0]}{suffix}"
    return first if len(run) == 1 else f"{first}-3.{run[-1]}{suffix}"


def _runs(numbers: list[int]) -> Iterator[list[int]]:
    run: list[int] = []
    for number in numbers:
        if run and number != run[-1] + 1:
            yield run
            run = []
        run.append(number)
    if run:
        yield run
