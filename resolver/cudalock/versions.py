"""Parse versions, specifiers, markers and requirements, each text once.

What packaging parses goes through here, also for another reason: of the strings in a marker it has
Python build syntax trees, and Python 3.11 before 3.11.8 may raise SystemError where two threads do
that at once (https://github.com/python/cpython/issues/106905).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Final, NewType

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from cudalock.plain import canonical_name, read_marker, read_requirement

if TYPE_CHECKING:
    from datetime import date

    from packaging.markers import Marker
    from packaging.requirements import Requirement

    from cudalock.plain import PlainMarker

ProjectName = NewType("ProjectName", str)
"""A project's canonical name (PEP 503): `flash-attn`."""
FactId = NewType("FactId", str)
"""The id of a fact in the matrix: `bnb-triton-ops`."""
Specifier = NewType("Specifier", str)
"""A PEP 440 specifier set: `>=2.4,<2.6`; empty for any version."""
FullVersion = NewType("FullVersion", str)
"""A version with its local label, if it has one: `2.5.1+cu124`."""
Url = NewType("Url", str)
"""An absolute URL."""

LONGEST_NUMBER: Final = 100
"""Digits of a number in a version. Python converts at most 4,300, and 640 where it is told so."""

LONGEST_NAME: Final = 200
"""Characters of a project's name, which becomes the name of a file."""

NUMBER: Final = rf"[0-9]{{1,{LONGEST_NUMBER}}}"
"""A number of a version as a regular expression."""

_LONG_NUMBER: Final = rf"[0-9]{{{LONGEST_NUMBER + 1}}}"
_LEADING_NAME = r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)"
_LOCAL_LABEL = r"(===?[^,+]*)\+[^,]*"
_PARSING = Lock()

# What setuptools wrote into METADATA before packaging 22 refused it, as uv reads it too.
_SLIPS = (
    (r"['\"]", ""),
    # `>=7.2.0<8.0.0`
    (r"(?<=[\w*])\s*(?=[<>=!~])", ","),
    # `!=~5.0`
    (r"!=~\s*([0-9]+(?:\.[0-9]+)*)", r"!=\1.*"),
    # `!=3.0*`
    (r"(?<=[0-9])\*", ".*"),
    # `>=1.8.*`
    (r"(>=|<=|<|>|~=)(\s*[0-9]+(?:\.[0-9]+)*)(?:\.(?:\*|x))+", r"\1\2"),
    # `>dev`
    (r"(>=?)\s*dev\b", r"\g<1>0.dev0"),
)
_EXTRAS = r"\[[^\]]*\]"
# A requirement's name with its extras, its specifier, and its marker.
_PARTS = (
    r"\s*(?P<name>[A-Za-z0-9][\w.-]*\s*(?:\[[^\]]*\])?)\s*"
    r"(?P<specifier>\([^;()]*\)|[^;()@]*)\s*(?P<marker>;.*)?"
)


def canonical(name: str) -> ProjectName:
    """Normalize a project's name (PEP 503): `Flash_Attn` is `flash-attn`."""
    return ProjectName(canonical_name(name))


def has_long_number(text: str) -> bool:
    """Return whether a text has a number that is too long for a version.

    packaging accepts it in a specifier, a requirement or a marker, and fails when it is compared.
    """
    return len(text) > LONGEST_NUMBER and re.search(_LONG_NUMBER, text) is not None


@cache
def specifier_set(text: str) -> SpecifierSet:
    """Parse a specifier. Raises InvalidSpecifier."""
    if has_long_number(text):
        raise InvalidSpecifier("a number of the specifier is too long")
    return SpecifierSet(text)


def is_version(text: str) -> bool:
    """Return whether a text is a version of PEP 440."""
    try:
        parse_version(text)
    except InvalidVersion:
        return False
    return True


def is_specifier(text: str) -> bool:
    """Return whether a text is a specifier, the empty one included."""
    try:
        specifier_set(text)
    except InvalidSpecifier:
        return False
    return True


class ParsedMarker:
    """A PEP 508 marker, read by packaging where it is not plain."""

    __slots__ = ("_plain", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._plain = read_marker(text)

    def evaluate(self, environment: Mapping[str, str]) -> bool:
        """Return whether it holds in an environment (PEP 508 marker values).

        Raises UndefinedComparison and UndefinedEnvironmentName.
        """
        return _is_met(self._text, self._plain, environment)

    def __str__(self) -> str:
        return str(parse_marker(self._text))


class ParsedRequirement:
    """A PEP 508 requirement."""

    __slots__ = ("_specifier", "extras", "marker", "name", "url")

    def __init__(
        self, name: str, extras: Iterable[str], specifier: str, url: str | None, marker: str | None
    ) -> None:
        self.name = name
        self.extras = frozenset(extras)
        self.url = url
        self.marker = None if marker is None else ParsedMarker(marker)
        self._specifier = specifier

    @property
    def specifier(self) -> SpecifierSet:
        return specifier_set(self._specifier)

    def __str__(self) -> str:
        extras = f"[{','.join(sorted(self.extras))}]" if self.extras else ""
        url = f" @ {self.url}" if self.url else ""
        marker = f"{' ' if url else ''}; {self.marker}" if self.marker else ""
        return f"{self.name}{extras}{self.specifier}{url}{marker}"


@cache
def parse_requirement(text: str) -> ParsedRequirement:
    """Parse a PEP 508 requirement. Raises InvalidRequirement."""
    plain = None if has_long_number(text) else read_requirement(text)
    if plain is not None and len(plain.name) <= LONGEST_NAME and is_specifier(plain.specifier):
        return ParsedRequirement(plain.name, plain.extras, plain.specifier, None, plain.marker)
    parsed = _parse_requirement(text)
    marker = None if parsed.marker is None else str(parsed.marker)
    return ParsedRequirement(parsed.name, parsed.extras, str(parsed.specifier), parsed.url, marker)


def _parse_requirement(text: str) -> Requirement:
    """Parse a requirement that is not plain, or none at all. Raises InvalidRequirement."""
    from packaging.markers import InvalidMarker
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        with _PARSING:
            requirement = Requirement(text)
        if len(requirement.name) > LONGEST_NAME:
            raise InvalidRequirement("its name is too long")
        # A URL may have any number. To write two specifiers is to compare them, which fails.
        compared = re.sub(_EXTRAS, "", text, count=1) if requirement.url is None else None
        if has_long_number(str(requirement.marker) if compared is None else compared):
            raise InvalidRequirement("a number of the requirement is too long")
        if requirement.marker is not None:
            _check_comparisons(requirement.marker)
    except RecursionError:
        raise InvalidRequirement("its marker is nested too deeply") from None
    except InvalidMarker as error:
        raise InvalidRequirement(str(error)) from None
    return requirement


def normalized_requirement(text: str) -> str:
    """Return a PEP 508 requirement as packaging writes it, with the project's canonical name.

    Raises InvalidRequirement.
    """
    requirement = parse_requirement(text)
    # A copy would be parsed again, and outside of the one place for that.
    return canonical(requirement.name) + str(requirement).removeprefix(requirement.name)


@cache
def parse_marker(text: str) -> Marker:
    """Parse a PEP 508 marker. Raises InvalidMarker."""
    from packaging.markers import InvalidMarker, Marker

    if has_long_number(text):
        raise InvalidMarker("a number of the marker is too long")
    try:
        with _PARSING:
            marker = Marker(text)
        _check_comparisons(marker)
    except RecursionError:
        raise InvalidMarker("it is nested too deeply") from None
    return marker


_ANYWHERE: Final[dict[str, str | AbstractSet[str]]] = {
    **dict.fromkeys(
        (
            *("os_name", "sys_platform", "platform_machine", "platform_python_implementation"),
            *("platform_release", "platform_system", "platform_version", "python_full_version"),
            *("python_version", "implementation_name", "implementation_version", "extra"),
        ),
        "0",
    ),
    # Of a lock (PEP 751).
    **dict.fromkeys(("extras", "dependency_groups"), frozenset[str]()),
}
"""A value for each variable of markers."""


def _check_comparisons(marker: Marker) -> None:
    """Raise InvalidMarker for a marker that has no value anywhere: `python_version ~= 'x'`.

    packaging notices such a comparison when it evaluates it.
    """
    from packaging.markers import InvalidMarker, UndefinedComparison

    try:
        marker.evaluate(dict(_ANYWHERE))
    except UndefinedComparison as error:
        raise InvalidMarker(str(error)) from None


def holds(marker: str | None, environment: Mapping[str, str]) -> bool:
    """Return whether a marker is true in an environment (PEP 508 marker values); None always is.

    Raises InvalidMarker, UndefinedComparison and UndefinedEnvironmentName.
    """
    if marker is None:
        return True
    plain = None if has_long_number(marker) else read_marker(marker)
    try:
        return _is_met(marker, plain, environment)
    except RecursionError:
        from packaging.markers import InvalidMarker

        raise InvalidMarker("it is nested too deeply") from None


def _is_met(text: str, plain: PlainMarker | None, environment: Mapping[str, str]) -> bool:
    """Return whether a marker holds, by packaging where it is not plain, or asks for what the
    environment lacks."""
    is_met = None if plain is None else plain.evaluate(environment)
    return parse_marker(text).evaluate(dict(environment)) if is_met is None else is_met


@cache
def parse_version(text: str) -> Version:
    """Parse a PEP 440 version. Raises InvalidVersion."""
    if has_long_number(text):
        raise InvalidVersion("a number of the version is too long")
    return Version(text)


def project_and_version(file: str) -> tuple[ProjectName, Version]:
    """Return the project and version that a wheel's file name states.

    Raises InvalidWheelFilename.
    """
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    if has_long_number(file):
        raise InvalidWheelFilename("a number of the file name is too long")
    name, version, _, _ = parse_wheel_filename(file)
    return ProjectName(name), version


@cache
def version_order(text: str) -> tuple[Version, str]:
    """Return a key to sort versions by; the text decides between `12.4` and `12.4.0`, equal to PEP
    440."""
    return parse_version(text), text


@cache
def accepts(specifier: str, version: str) -> bool:
    """Return whether a version is inside a specifier, pre-releases included.

    Whether a pre-release may be pinned at all is decided before: see :func:`names_prerelease`.
    """
    if not specifier:
        return True
    return specifier_set(specifier).contains(parse_version(version), prereleases=True)


@cache
def leading_name(text: str) -> ProjectName:
    """Return the canonical project name at the start of a requirement; empty if there is none."""
    match = re.match(_LEADING_NAME, text)
    return canonical(match[1]) if match else ProjectName("")


@cache
def is_prerelease(version: str) -> bool:
    """Return whether a version is an alpha, beta, release candidate or development release."""
    return parse_version(version).is_prerelease


def day_of_nightly(version: Version) -> date | None:
    """Return the day of a build of one day, `2.12.0.dev20260301`; None for any other version."""
    from datetime import date

    digits = str(version.dev or "")
    if len(digits) != len("20260301"):
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None


def names_prerelease(specifiers: Iterable[str]) -> bool:
    """Return whether a specifier names a pre-release: only then may one be pinned."""
    return any(specifier_set(specifier).prereleases for specifier in specifiers)


ANY_EARLY: Final = ">=0.dev0"
"""The clause of whoever takes pre-releases of a project, whatever their version."""


def takes_any_early(specifier: str) -> bool:
    """Return whether a specifier admits pre-releases without naming one that matters: `>=0.dev0`,
    `>=0a0`."""
    return any(
        clause.operator == ">="
        and is_prerelease(clause.version)
        and set(parse_version(clause.version).release) == {0}
        for clause in specifier_set(specifier)
    )


@cache
def may_accept(specifier: str, public: str) -> bool:
    """Return whether some build of a public version may be inside a specifier.

    The specifier may name a local label: `==2.5.1+cu124` may accept a build of 2.5.1.
    """
    if "+" in specifier:
        # `!=2.5.1+cu124` leaves the other builds of 2.5.1.
        if "!=" in specifier:
            return True
        specifier = re.sub(_LOCAL_LABEL, r"\1", specifier)
    return accepts(specifier, public)


def pins_exactly(specifiers: Iterable[str]) -> bool:
    """Return whether a specifier names a single version: only then may a yanked release be pinned.

    PEP 592 asks this of installers.
    """
    return any(
        clause.operator in ("==", "===") and not clause.version.endswith(".*")
        for specifier in specifiers
        for clause in specifier_set(specifier)
    )


# -- what others wrote ------------------------------------------------------------------------


@cache
def readable_specifier(text: str) -> str | None:
    """Return a specifier of somebody's metadata as PEP 440 has it; None if nothing makes it so.

    `>=1.8.*` is `>=1.8`, as it was to the installers of its day.
    """
    for slip, repaired in ((None, ""), *_SLIPS):
        text = re.sub(slip, repaired, text) if slip else text
        if is_specifier(text):
            return text
    return None


@cache
def readable_requirement(text: str) -> str | None:
    """Return a requirement of somebody's metadata as PEP 508 has it; None if nothing makes it so.

    Its specifier is repaired as `readable_specifier` does; name, extras and marker are not.
    """
    try:
        parse_requirement(text)
    except ValueError:  # InvalidRequirement, whose import takes long
        parts = re.fullmatch(_PARTS, text)
        specifier = parts and readable_specifier(parts["specifier"].strip().strip("()"))
        if not parts or specifier is None:
            return None
        repaired = f"{parts['name'].strip()}{specifier}{parts['marker'] or ''}"
        # Where only the marker is at fault, the same text would come back for ever.
        return readable_requirement(repaired) if repaired != text else None
    return text


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
