"""The content of a uv project for a lock: requirements, sources, indexes, environments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from packaging.utils import canonicalize_name

from cudalock.formats.python_ranges import Bound, bounds_of, dotted, joined
from cudalock.lock.markers import disjoint_markers, marker_for
from cudalock.lock.wheels import targets_of
from cudalock.matrix.releases import PACKAGE_INDEX
from cudalock.urls import encoded, local_path, without_credentials
from cudalock.versions import parse_requirement

if TYPE_CHECKING:
    from cudalock.formats import WriteOptions
    from cudalock.lock import Lock, Pin
    from cudalock.targets import Target

NOWHERE: Final = "python_version < '0'"
"""A marker that never holds."""


def direct_names(lock: Lock) -> frozenset[str]:
    """Return the projects that become dependencies of the file.

    These are the requested ones, those that are not on the default index, and those that uv would
    not resolve by itself.
    """
    names = {
        pin.name
        # uv takes transitive dependencies from the default index, whatever `sources` has for them.
        for pin in lock.pins
        if pin.is_requested or pin.overlooked or pin.wheel.index != PACKAGE_INDEX
    }
    instead = {
        canonicalize_name(parse_requirement(replacement.replacement).name)
        for replacement in lock.replacements
        if replacement.replacement
    }
    return frozenset(names | (instead & {pin.name for pin in lock.pins}))


def is_held(pins: Sequence[Pin]) -> bool:
    """Return whether the metadata of other pins holds a project to its pins."""
    return all(pin.held for pin in pins)


def environments(targets: Iterable[Target]) -> list[str]:
    """Return a marker for each platform and range of Pythons; no two hold together."""
    markers = []
    ranges: dict[tuple[str, str], list[tuple[Bound, Bound]]] = {}
    for target in targets:
        variables = target.marker_environment()
        # Markers of one platform are written once, for all of its Pythons that follow each other.
        place = variables["sys_platform"], variables["platform_machine"]
        ranges.setdefault(place, []).append(bounds_of(target))
    for (platform, machine), bounds in ranges.items():
        for low, high in joined(bounds):
            markers.append(
                f"sys_platform == '{platform}' and platform_machine == '{machine}'"
                f" and python_full_version >= '{dotted(low)}'"
                f" and python_full_version < '{dotted(high)}'"
            )
    return markers


def stated(name: str, pins: Iterable[Pin], lock: Lock, extras: Iterable[str] = ()) -> list[str]:
    """Return the requirements that pin a project."""
    label = f"{name}[{','.join(sorted(extras))}]" if extras else name
    return [
        f"{label}=={pin.version}" + (f"; {pin.marker}" if pin.marker else "")
        for pin in _together(pins, lock, lambda pin: pin.version)
    ]


def _together(pins: Iterable[Pin], lock: Lock, key: Callable[[Pin], object]) -> Iterator[Pin]:
    """Yield the pins; those that are written the same become one, under one marker."""
    groups: dict[object, list[Pin]] = {}
    for pin in pins:
        groups.setdefault(key(pin), []).append(pin)
    for group in groups.values():
        if len(group) > 1:
            targets = [target for pin in group for target in targets_of(pin, lock)]
            yield replace(group[0], marker=marker_for(targets, lock.targets))
        else:
            yield group[0]


def overrides(lock: Lock, pins: Mapping[str, Sequence[Pin]]) -> dict[str, list[str]]:
    """Return by project the overrides for requirements that a fact replaces or drops."""
    names = {
        canonicalize_name(parse_requirement(replacement.requirement).name)
        for replacement in lock.replacements
    }
    return {
        name: stated(name, pins[name], lock) if name in pins else [f"{name}; {NOWHERE}"]
        for name in sorted(names)
    }


def static_metadata(lock: Lock) -> list[dict[str, Any]]:
    """Return what source distributions require, for `tool.uv.dependency-metadata`.

    Else uv builds them to learn it, which runs their setup.py when it only writes a uv.lock. What
    they require is pinned, so a name is enough.
    """
    markers: dict[str, list[str | None]] = {}
    for pin in lock.pins:
        markers.setdefault(pin.name, []).append(pin.marker)
    required: dict[tuple[str, str], set[str]] = {}
    for pin in lock.built:
        required.setdefault((pin.name, pin.version), set()).update(pin.requires)
    return [
        {
            "name": name,
            "version": version,
            "requires-dist": [
                f"{other}; {marker}" if marker else other
                for other in sorted(others)
                for marker in (
                    [None] if None in markers[other] else sorted(markers[other], key=str)
                )
            ],
        }
        for (name, version), others in sorted(required.items())
    ]


def goal_extras(lock: Lock) -> dict[str, set[str]]:
    """Return the extras that the goal requests, by project."""
    # The pins have no extras: whoever uv resolves for has to name them.
    return {
        requirement.name: set(requirement.extras)
        for requirement in lock.goal.requirements
        if requirement.extras
    }


def given_indexes(options: WriteOptions) -> Iterator[dict[str, Any]]:
    """Yield the user's indexes. Credentials are left out: uv reads them from its environment."""
    if options.index_url:
        yield {
            "name": "package-index",
            "url": without_credentials(options.index_url),
            "default": True,
        }
    for position, url in enumerate(options.extra_index_urls, 1):
        yield {"name": f"extra-{position}", "url": without_credentials(url)}


def by_address(pin: Pin, options: WriteOptions) -> bool:
    """Return whether the file names the URL of the pin's wheel, not an index."""
    return pin.wheel.url is not None and (pin.wheel.builder is not None or options.urls)


def sources(
    pins: Iterable[Pin], indexes: Mapping[str, str], lock: Lock, options: WriteOptions
) -> Iterator[dict[str, str]]:
    """Yield the sources of one project's pins for `[tool.uv.sources]`, with disjoint markers."""

    def place(pin: Pin) -> tuple[str, str] | None:
        if path := local_path(pin.wheel.url):
            return "path", path
        if by_address(pin, options):
            return "url", without_credentials(encoded(pin.wheel.url or ""))
        return ("index", indexes[pin.wheel.index or ""]) if pin.wheel.index in indexes else None

    groups: dict[tuple[str, str], list[Target]] = {}
    for pin in pins:
        source = place(pin)
        if source:
            groups.setdefault(source, []).extend(targets_of(pin, lock))
    # uv rejects two sources whose markers overlap, even if on no target of the lock.
    for (kind, where), marker in zip(
        groups, disjoint_markers(list(groups.values()), lock.targets), strict=True
    ):
        yield {kind: where, **({"marker": marker} if marker else {})}
