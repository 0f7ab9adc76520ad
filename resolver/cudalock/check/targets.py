"""The targets that a file is judged for, where nobody said which."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from cudalock.projects.syntax.pep508 import may_hold
from cudalock.records import replace
from cudalock.targets import (
    LIKELY,
    LIKELY_PYTHONS,
    LIKELY_WITH_GPU,
    PYTHONS,
    Target,
    parse_platform,
)
from cudalock.text import either
from cudalock.versions import specifier_set

if TYPE_CHECKING:
    from cudalock.projects.model import ProjectFile

NEWER_GLIBC: Final = "2.39"
"""Of a Linux that nobody says more of, where the oldest usual one is too old: Ubuntu 24.04's."""

_MINOR: Final = re.compile(r"3\.([0-9]{1,2})")
_CPYTHON: Final = re.compile(r"-cp3([0-9]{1,2})-cp3\1m?t?-[^/]*\.whl(?:#|$)")
"""The tags of a wheel for one CPython; `abi3` fits later ones as well."""


def likely(file: ProjectFile) -> Iterator[Target]:
    """The targets that a file may be meant for, the likeliest first.

    What it says of Pythons and platforms limits them; where it says what leaves none, that is for
    the installer to complain of, and all are here. Last come those with a newer glibc.
    """
    usual = list(_usual(file))
    yield from usual
    yield from newer(usual)


def newer(targets: Iterable[Target]) -> list[Target]:
    """Those of Linux, with a newer glibc where none is stated."""
    return [
        replace(target, glibc=NEWER_GLIBC)
        for target in targets
        if target.is_linux and "glibc" not in target.stated
    ]


def _usual(file: ProjectFile) -> Iterator[Target]:
    pythons = list(_pythons(file)) or list(LIKELY_PYTHONS)
    named = [parse_platform(flag)[0] for flag in file.platforms]
    # The likeliest first, whatever the order in the file.
    likely = [name for name in LIKELY if name in named]
    for platform in dict.fromkeys((*likely, *named)) or LIKELY:
        for python in pythons:
            target = Target(python, platform)
            if _is_meant(file, target):
                yield target


def completed(target: Target, file: ProjectFile) -> list[Target]:
    """The targets that one stands for: itself where it was not made from what somebody stated;
    else every likely one that has what is."""
    if not target.stated:
        return [target]
    if {"python", "platform"} <= target.stated:
        return [target, *newer([target])]
    targets = []
    for usual in _usual(file):
        wants_cuda = bool(target.gpus or target.driver)
        if wants_cuda and "platform" not in target.stated and usual.platform not in LIKELY_WITH_GPU:
            continue
        python = target if "python" in target.stated else usual
        place = target if "platform" in target.stated else usual
        one = replace(
            place,
            python=python.python,
            free_threaded=python.free_threaded,
            glibc=target.glibc if place.is_linux and "glibc" in target.stated else place.glibc,
            gpus=target.gpus if place.accelerators else (),
            driver=target.driver if place.accelerators else None,
            stated=target.stated,
        )
        if one not in targets:
            targets.append(one)
    return [*targets, *newer(targets)]


def _pythons(file: ProjectFile) -> Iterator[str]:
    match = _MINOR.match(file.python.value) if file.python else None
    if match and f"3.{match[1]}" in PYTHONS:
        yield f"3.{match[1]}"
        return
    allowed = file.requires_python.value if file.requires_python else None
    if allowed is None and (python := _python_of_wheels(file)) in PYTHONS:
        yield python
        return
    for python in LIKELY_PYTHONS:
        if allowed is None or is_allowed(allowed, python):
            yield python


def _python_of_wheels(file: ProjectFile) -> str | None:
    """The one Python that the wheels are for whose URLs a file names, None where they differ."""
    found = {
        f"3.{match[1]}"
        for each in file.files()
        for declared in each.declared
        if declared.url and (match := _CPYTHON.search(unquote(declared.url)))
    }
    return found.pop() if len(found) == 1 else None


def is_allowed(requires_python: str, python: str) -> bool:
    """Whether some patch release of a Python minor is inside a range; so it is in a bad one."""
    from packaging.specifiers import InvalidSpecifier

    try:
        allowed = specifier_set(requires_python)
    except InvalidSpecifier:
        return True
    return any(allowed.contains(f"{python}.{patch}") for patch in range(25))


def _is_meant(file: ProjectFile, target: Target) -> bool:
    environment = target.marker_environment()
    return not file.environments or any(
        may_hold(environment_marker.value, environment) for environment_marker in file.environments
    )


def describe(targets: Sequence[Target]) -> str:
    """Targets for people: `Linux x86_64 with Python 3.10 or 3.11`, the platforms in their order. A
    newer glibc is told where only that will do."""
    usual = {
        (target.platform, target.python_text) for target in targets if target.glibc != NEWER_GLIBC
    }
    by_place: dict[str, list[Target]] = {}
    for target in targets:
        is_newer = target.glibc == NEWER_GLIBC
        if not is_newer or (target.platform, target.python_text) not in usual:
            glibc = f", glibc {NEWER_GLIBC}," if is_newer else ""
            by_place.setdefault(target.platform_label + glibc, []).append(target)
    return " and ".join(
        f"{place} with Python {_span([target.python_text for target in same])}"
        for place, same in by_place.items()
    )


def _span(pythons: Iterable[str]) -> str:
    """Several Pythons as a list."""
    ordered = sorted(set(pythons), key=_numbers)
    return either(ordered)


def _numbers(python: str) -> list[int]:
    return [int(part) for part in python.rstrip("t").split(".")]


__all__ = ["completed", "describe", "is_allowed", "likely"]
