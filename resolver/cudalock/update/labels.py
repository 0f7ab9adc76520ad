"""Labels of a new row by rules with a source: `[[label]]` in matrix.toml.

A label that no rule gives stays absent, and a fact that names it does not apply to the row.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from packaging.utils import canonicalize_name

from cudalock.errors import MatrixError
from cudalock.targets import LIKELY_PYTHONS, LIKELY_WITH_GPU, Target
from cudalock.targets.accelerators import CUDA
from cudalock.targets.platforms import of_wheel_tags
from cudalock.targets.tags import glibc_floor
from cudalock.versions import (
    ParsedMarker,
    accepts,
    is_version,
    parse_requirement,
    parse_version,
    specifier_set,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cudalock.matrix.matrix import Matrix
    from cudalock.update.inside import WheelContents

_PYTHON: Final = LIKELY_PYTHONS[0]
"""Markers about Python are evaluated for this one; the rules are about platforms."""

_GLIBC: Final = "GLIBC_"
"""How the versions of glibc's symbols begin: `GLIBC_2.34`."""


class LabelRules:
    """The rules of a matrix. Raises MatrixError for one that is malformed."""

    def __init__(self, matrix: Matrix) -> None:
        self._matrix = matrix
        for position, row in enumerate(matrix.labels):
            try:
                specifier_set(row.get("for", ""))
                _ = row["projects"], row["label"]
                _ = row.get("value") or row.get("pins") or row.get("needs") or _reads(row)
            except (ValueError, LookupError, re.error) as error:
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
                    or _of_contents(row, contents, tags)
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
    """The keys of a rule about an extra, a file or symbols. Raises LookupError, re.error,
    ValueError."""
    if "inside" in row:
        return (row["inside"], re.compile(row["finds"]))
    for key in ("brought", "gone", "systems"):
        if key in row:
            return tuple(map(parse_version, row[key]))
    return (row["floor"], row["extra"])


def _of_contents(row: Mapping[str, Any], contents: WheelContents | None, tags: str) -> str | None:
    """What a file of the wheel has, its groups joined by dots, or the number after a soname that
    its shared objects link: `13` of `libcudart.so.13`; or the newest release that brought a symbol
    which they do not define, the oldest that has one no more; or the oldest glibc of systems whose
    libraries have the versions of symbols that they link."""
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
    if "systems" in row:
        return _of_systems(row["systems"], contents, tags)
    if "brought" in row:
        return max(_using(row["brought"], contents), key=parse_version, default=None)
    if "gone" in row:
        oldest = min(_using(row["gone"], contents), key=parse_version, default=None)
        # Without a library nothing is known, which is not the same as libraries without it.
        return oldest or (row.get("otherwise") if contents.links else None)
    return None


def _using(symbols: Mapping[str, list[str]], contents: WheelContents) -> Iterator[str]:
    """Yield the releases of which a wheel leaves a symbol undefined."""
    wanted = frozenset[str]().union(*(links.undefined for links in contents.links))
    for version, names in symbols.items():
        if not wanted.isdisjoint(names):
            yield version


def _of_systems(systems: Mapping[str, list[str]], contents: WheelContents, tags: str) -> str | None:
    """Return the oldest glibc of systems with all that a wheel links, and that its tags promise to
    run on; None if nothing is known of what it links."""
    linked = frozenset[str]().union(*(links.versions for links in contents.links))
    bounds = {glibc for glibc, names in systems.items() if not linked.isdisjoint(names)}
    bounds |= {
        name.removeprefix(_GLIBC) for name in linked if is_version(name.removeprefix(_GLIBC))
    }
    promised = glibc_floor(tags)
    if bounds and promised is not None:
        bounds.add(f"2.{promised}")
    return max(bounds, key=parse_version, default=None)


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
