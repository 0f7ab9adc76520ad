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
