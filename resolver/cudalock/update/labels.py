"""Labels of a new row by rules with a source: `[[label]]` in matrix.toml.

A label that no rule gives stays absent, and a fact that names it does not apply to the row.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from packaging.specifiers import InvalidSpecifier
from packaging.utils import canonicalize_name

from cudalock.errors import MatrixError
from cudalock.targets import LIKELY_PYTHONS, LIKELY_WITH_GPU, Target
from cudalock.targets.accelerators import CUDA
from cudalock.targets.platforms import of_wheel_tags
from cudalock.versions import (
    ParsedMarker,
    accepts,
    parse_requirement,
    parse_version,
    specifier_set,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cudalock.matrix.matrix import Matrix
    from cudalock.update.inside import WheelContents

_PYTHON: Final = LIKELY_PYTHONS[0]
"""Markers about Python are evaluated for this one; the rules are about platforms."""


class LabelRules:
    """The rules of a matrix. Raises MatrixError for one that is malformed."""

    def __init__(self, matrix: Matrix) -> None:
        self._matrix = matrix
        for position, row in enumerate(matrix.labels):
            try:
                specifier_set(row.get("for", ""))
                _ = row["projects"], row["label"]
                _ = row.get("value") or row.get("pins") or row.get("needs") or _reads(row)
            except (InvalidSpecifier, LookupError, re.error) as error:
                key = f"label[{position}]"
                raise MatrixError("matrix.toml", key, f"is no rule: {error}") from None

    def of(
        self,
        project: str,
        version: str,
        index: str,
        tags: str,
        requires: Iterable[str] | None,
        contents: WheelContents | None = None,
    ) -> dict[str, str]:
        """The labels of a wheel on an index; `requires` is all of its METADATA, extras too.

        Rules about what is inside a wheel give nothing without its `contents`. Raises NetworkError.
        """
        labels: dict[str, str] = {}
        if index in self._matrix.indexes:
            listed = self._matrix.indexes[index]
            labels.update(listed.built_for)
            if listed.cuda is not None:
                labels[CUDA.name] = listed.cuda
        # METADATA that was not read is unknown, which is not the same as having no pins.
        pins = None if requires is None else pinned(requires, tags)
        for row in self._matrix.labels:
            if _applies(row, project, version, index, tags):
                label_value = (
                    row.get("value")
                    or _of_pins(row, pins)
                    or _of_extra(row, requires or ())
                    or _of_contents(row, contents)
                )
                if label_value:
                    labels[row["label"]] = label_value
        return labels


def _applies(row: Mapping[str, Any], project: str, version: str, index: str, tags: str) -> bool:
    platform = tags.rpartition("-")[2]
    return (
        project in row["projects"]
        and row.get("index", index) == index
        and fnmatchcase(platform, row.get("only", "*"))
        and accepts(row.get("for", ""), version)
    )


def _of_pins(row: Mapping[str, Any], pins: Mapping[str, str] | None) -> str | None:
    if pins is None or "pins" not in row:
        return None
    pinned_versions = [pins[name] for name in row["pins"] if name in pins]
    otherwise: str | None = row.get("otherwise")
    return pinned_versions[0] if pinned_versions else otherwise


def _of_extra(row: Mapping[str, Any], requires: Iterable[str]) -> str | None:
    """The lowest version of a project that a requirement of an extra allows: `2.6` for
    `torch>=2.6; extra == "torch"`."""
    if "floor" not in row:
        return None
    environment = Target(_PYTHON, LIKELY_WITH_GPU[0]).marker_environment()
    for text in requires:
        requirement = parse_requirement(text)
        if canonicalize_name(requirement.name) != row["floor"] or requirement.marker is None:
            continue
        with_extra, without = (
            _holds(requirement.marker, {**environment, "extra": extra})
            for extra in (row["extra"], "")
        )
        # What holds without the extra says nothing of what the extra is for.
        if with_extra and not without:
            for specifier in requirement.specifier:
                if specifier.operator == ">=":
                    return specifier.version
    return None


def _reads(row: Mapping[str, Any]) -> tuple[object, ...]:
    """The keys of a rule about an extra, a file or symbols. Raises LookupError, re.error."""
    if "inside" in row:
        return (row["inside"], re.compile(row["finds"]))
    if "brought" in row:
        return tuple(map(parse_version, row["brought"]))
    return (row["floor"], row["extra"])


def _of_contents(row: Mapping[str, Any], contents: WheelContents | None) -> str | None:
    """What a file of the wheel has, its groups joined by dots, or the number after a soname that
    its shared objects link: `13` of `libcudart.so.13`; or the newest release that brought a symbol
    which they do not define."""
    if contents is None:
        return None
    if "inside" in row:
        text = contents.text(row["inside"])
        match = re.search(row["finds"], text or "")
        if match is not None:
            return ".".join(match.groups())
        # Without the file nothing is known, which is not the same as a file without it.
        return None if text is None else row.get("otherwise")
    if "needs" in row:
        sonames = {name for links in contents.links for name in links.needed}
        numbers = {
            name.removeprefix(f"{row['needs']}.")
            for name in sonames
            if name.startswith(f"{row['needs']}.")
        }
        # Libraries for two releases of CUDA in one wheel: either will do, and no label says so.
        return numbers.pop() if len(numbers) == 1 else None
    if "brought" in row:
        wanted = frozenset[str]().union(*(links.undefined for links in contents.links))
        used = (
            version for version, names in row["brought"].items() if not wanted.isdisjoint(names)
        )
        return max(used, key=parse_version, default=None)
    return None


def pinned(requires: Iterable[str], tags: str) -> dict[str, str]:
    """Return what requirements pin exactly on the platforms of a wheel, without local versions."""
    environments = [
        {**Target(_PYTHON, platform).marker_environment(), "extra": ""}
        for platform in of_wheel_tags(tags)
    ]
    pins: dict[str, str] = {}
    for text in requires:
        requirement = parse_requirement(text)
        # Either platform of a wheel for two (universal2) is enough.
        if any(_holds(requirement.marker, environment) for environment in environments):
            for specifier in requirement.specifier:
                if specifier.operator == "==" and not specifier.version.endswith("*"):
                    pins[canonicalize_name(requirement.name)] = specifier.version.partition("+")[0]
    return pins


def _holds(marker: ParsedMarker | None, environment: Mapping[str, str]) -> bool:
    return marker is None or marker.evaluate(dict(environment))


__all__ = ["LabelRules", "pinned"]
