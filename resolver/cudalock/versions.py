"""Versions, specifiers, markers and requirements as text, parsed once.

What packaging parses goes through here, also for another reason: of the strings in a marker it has
Python build syntax trees, and Python 3.11 before 3.11.8 may raise SystemError where two threads do
that at once (https://github.com/python/cpython/issues/106905).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from threading import Lock

from packaging.markers import Marker
from packaging.requirements import Requirement as ParsedRequirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

_LEADING_NAME = r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)"
_LOCAL_LABEL = r"(===?[^,+]*)\+[^,]*"
_PARSING = Lock()


def canonical(name: str) -> str:
    """`name` as PEP 503 normalises it: `Flash_Attn` is `flash-attn`."""
    return canonicalize_name(name)


@cache
def specifier_set(text: str) -> SpecifierSet:
    """A parsed specifier, made once. Raises InvalidSpecifier."""
    return SpecifierSet(text)


@cache
def parse_requirement(text: str) -> ParsedRequirement:
    """A parsed PEP 508 requirement, made once. Raises InvalidRequirement."""
    with _PARSING:
        return ParsedRequirement(text)


@cache
def parse_marker(text: str) -> Marker:
    """A parsed marker, made once. Raises InvalidMarker."""
    with _PARSING:
        return Marker(text)


def holds(marker: str | None, environment: Mapping[str, str]) -> bool:
    """Whether a marker holds in an environment (PEP 508's marker values); none always does.

    Raises InvalidMarker, UndefinedComparison and UndefinedEnvironmentName.
    """
    return marker is None or parse_marker(marker).evaluate(dict(environment))


@cache
def parse_version(text: str) -> Version:
    """A parsed PEP 440 version, made once. Raises InvalidVersion."""
    return Version(text)


@cache
def version_order(text: str) -> tuple[Version, str]:
    """A key to sort versions by: those that PEP 440 has as equal, `12.4` and `12.4.0`, by text."""
    return parse_version(text), text


@cache
def accepts(specifier: str, version: str) -> bool:
    """Whether a version is inside a specifier; pre-releases were dealt with before."""
    if not specifier:
        return True
    return specifier_set(specifier).contains(parse_version(version), prereleases=True)


@cache
def leading_name(text: str) -> str:
    """The canonical project name at the start of a requirement string."""
    match = re.match(_LEADING_NAME, text)
    return canonical(match[1]) if match else ""


@cache
def is_prerelease(version: str) -> bool:
    """Whether a version is alpha, beta, a release candidate or a development release."""
    return parse_version(version).is_prerelease


def asks_prerelease(specifiers: Iterable[str]) -> bool:
    """Whether one of them names a pre-release: only then is one taken before a final release."""
    return any(specifier_set(specifier).prereleases for specifier in specifiers)


@cache
def may_accept(specifier: str, public: str) -> bool:
    """Whether some build of a public version may be inside a specifier that names a local one."""
    if "+" in specifier:
        if "!=" in specifier:
            return True
        specifier = re.sub(_LOCAL_LABEL, r"\1", specifier)
    return accepts(specifier, public)


def pins_exactly(specifiers: Iterable[str]) -> bool:
    """Whether one of them names a single version: only then is a withdrawn release taken."""
    return any(
        item.operator in ("==", "===") and not item.version.endswith(".*")
        for specifier in specifiers
        for item in specifier_set(specifier)
    )


# -- nearness -----------------------------------------------------------------------------------


def shared_numbers(one: str, other: str) -> int:
    """Return how many release numbers two versions share from the left: 2.5.1 and 2.6 one."""
    first, second = parse_version(one).release, parse_version(other).release
    # 2.5 is 2.5.0 to PEP 440, and as near to 2.5.1.
    size = max(len(first), len(second))
    first += (0,) * (size - len(first))
    second += (0,) * (size - len(second))
    pairs = zip(first, second, strict=True)
    return next((at for at, (left, right) in enumerate(pairs) if left != right), size)


def below_and_above(versions: Iterable[str], version: str) -> tuple[list[str], list[str]]:
    """Return the versions below and those above a public version, each the nearest first."""
    middle = parse_version(version)
    ordered = sorted(versions, key=version_order)
    below = [text for text in ordered if parse_version(text) < middle]
    above = [text for text in ordered if parse_version(text) > middle]
    return below[::-1], above


def nearest_first(
    versions: Iterable[str], anchors: Iterable[str], known: Iterable[str] = ()
) -> list[str]:
    """Return versions by their distance to the nearest of the anchors, the newest first without.

    The nearer of two versions shares more release numbers with its anchor, else has fewer `known`
    versions between, else is the newer one: to 2.5.1 the order is 2.5.0, 2.6.0, 2.4.1, 1.13.1.
    """
    versions, anchors = list(versions), list(anchors)
    ordered = sorted({parse_version(text) for text in (*versions, *anchors, *known)})
    positions = {version: position for position, version in enumerate(ordered)}
    anchor_positions = [(positions[parse_version(text)], text) for text in anchors]

    def distance(text: str) -> tuple[int, int, int]:
        position = positions[parse_version(text)]
        if not anchor_positions:
            return 0, 0, -position
        steps = min(abs(at - position) for at, _ in anchor_positions)
        shared = max(
            shared_numbers(text, anchor)
            for at, anchor in anchor_positions
            if abs(at - position) == steps
        )
        return -shared, steps, -position

    return sorted(versions, key=distance)
