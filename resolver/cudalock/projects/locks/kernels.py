"""kernels.lock of Hugging Face's kernels: the variants that each kernel was locked in.

A variant is a build for one minor release of the framework, `torch210-cxx11-cu128-x86_64-linux`, or
for its stable ABI from one on, `torch-stable-abi210-cu126-x86_64-linux`. So a kernel limits the
framework's version, by platform: to the releases that it has a variant for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.projects.model import Declared, FileProblem, ProjectFile
from cudalock.targets.platforms import PLATFORMS, SYSTEMS
from cudalock.text import read_json
from cudalock.versions import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cudalock.projects.model import Encoding, Place
    from cudalock.projects.syntax.text import Text
    from cudalock.targets.platforms import Platform

_VARIANT: Final = re.compile(
    r"(?P<project>[a-z]+)(?P<stable>-stable-abi)?(?P<major>[0-9])(?P<minor>[0-9]{1,2})-"
    r"(?P<rest>.+)-(?P<machine>[a-z0-9_]+)-(?P<system>[a-z]+)"
)
_MACHINES: Final = {"aarch64": ("aarch64", "arm64"), "x86_64": ("x86_64", "amd64")}
"""Nix's words for processors, and how `platform_machine` has them."""
_REPOSITORY: Final = re.compile(r'"repo_id"\s*:\s*"((?:[^"\\]|\\.)*)"')


class _Variant(NamedTuple):
    """A build of a kernel."""

    project: str
    minor: tuple[int, int]
    is_open: bool
    """whether later releases of the framework take it too"""
    platform: str
    """a key of PLATFORMS"""


def read(text: Text, encoding: Encoding) -> ProjectFile:
    """Read the file. One of another program that has the same name says nothing."""
    declared: list[Declared] = []
    problems: list[FileProblem] = []
    notes: list[str] = []
    try:
        document = read_json(text.text)
    except ValueError:
        document = None
        # Others have a kernels.lock too, which is no JSON.
        if text.text.lstrip().startswith("["):
            problems.append(FileProblem(text.place(0, 0), "this is not JSON"))
    places = {match[1]: text.place(*match.span(1)) for match in _REPOSITORY.finditer(text.text)}
    for kernel in document if isinstance(document, list) else ():
        repository = kernel.get("repo_id") if isinstance(kernel, dict) else None
        variants = kernel.get("variants") if isinstance(kernel, dict) else None
        if not isinstance(repository, str) or not isinstance(variants, dict):
            problems.append(
                FileProblem(text.place(0, 0), "an entry has no `repo_id` and `variants`")
            )
            continue
        place = places.get(repository, text.place(0, 0))
        known = [variant for name in variants if (variant := _variant(name)) is not None]
        if len(known) < len(variants):
            # One for every release, or of another framework: what is left would limit too much.
            notes.append(f"{repository}: it has variants without a release of the framework")
            continue
        declared += _limits(repository, known, place)
    return ProjectFile(
        text.name,
        "kernels-lock",
        text.text,
        encoding,
        declared=tuple(declared),
        notes=tuple(notes),
        problems=tuple(problems),
    )


def _variant(name: object) -> _Variant | None:
    match = _VARIANT.fullmatch(name) if isinstance(name, str) else None
    platform = _platform(match["system"], match["machine"]) if match else None
    if match is None or platform is None:
        return None
    return _Variant(
        canonical(match["project"]),
        (int(match["major"]), int(match["minor"])),
        match["stable"] is not None,
        platform.name,
    )


def _platform(system: str, machine: str) -> Platform | None:
    """Return the platform of Nix's words for it: `x86_64-linux`, `aarch64-darwin`."""
    row = next((row for row in SYSTEMS if system in (row.name, row.sys_platform)), None)
    return next(
        (
            known
            for known in PLATFORMS.values()
            if known.system is row and known.machine.lower() in _MACHINES.get(machine, (machine,))
        ),
        None,
    )


def _limits(repository: str, variants: Iterable[_Variant], place: Place) -> Iterator[Declared]:
    """Yield what a kernel demands of the framework on each platform that it has variants for."""
    # A kernel may have other releases for Windows than for Linux.
    by_place: dict[tuple[str, str], list[_Variant]] = {}
    for variant in variants:
        by_place.setdefault((variant.project, variant.platform), []).append(variant)
    for (project, name), rows in by_place.items():
        platform = PLATFORMS[name]
        yield Declared(
            name=project,
            text=repository,
            place=place,
            specifier=_specifier(rows),
            marker=f'sys_platform == "{platform.system.sys_platform}"'
            f' and platform_machine == "{platform.machine}"',
            role="constraint",
            syntax="locked",
        )


def _specifier(variants: Iterable[_Variant]) -> str:
    """Return the range of releases that have a variant, without the gaps in it."""
    rows = tuple(variants)
    exact = {row.minor for row in rows}
    start = min(exact)
    # A stable ABI from 2.10 on serves 2.11 and later, so there is no end.
    opened = min((row.minor for row in rows if row.is_open), default=None)
    clauses = [f">={_text(start)}"]
    last = max(exact)
    if opened is None:
        clauses.append(f"<{_text((last[0], last[1] + 1))}")
    end = last if opened is None else opened
    clauses += [
        f"!={_text(minor)}.*"
        for minor in ((start[0], number) for number in range(start[1], end[1]))
        if start[0] == end[0] and minor not in exact and (opened is None or minor < opened)
    ]
    return ",".join(clauses)


def _text(minor: tuple[int, int]) -> str:
    return ".".join(map(str, minor))
