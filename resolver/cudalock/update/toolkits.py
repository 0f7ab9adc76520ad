"""NVIDIA's tables that follow from the package index: `cuda/toolkits.json`, what each CUDA release
is as pip packages, and `cuda/cudnn.json`, for which platforms each cuDNN has wheels.

A toolkit's row that was corrected by hand (it has `published` beside `pins`) is never overwritten:
if what is published changes, that is reported. What people added to a cuDNN's row stays.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from packaging.utils import canonicalize_name
from packaging.version import Version

from cudalock.targets import LIKELY_PYTHONS, PLATFORMS, Target
from cudalock.targets.platforms import of_wheel_tags
from cudalock.versions import ParsedRequirement, parse_requirement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Wheels = Callable[[str, str], Sequence[str]]

ALL: Final = "all"
"""The extra that names every package of a release."""

_ORDER: Final = (
    "package",
    "pins",
    "ranges",
    "published",
    "reason",
    "extras",
    "platforms",
    "source",
)
_PYTHON: Final = LIKELY_PYTHONS[0]


def read_toolkit(
    version: str, release: Mapping[str, Any], wheels: Wheels
) -> tuple[str, dict[str, Any]]:
    """Return a CUDA release and its row, from one release of the project in an index file.

    A package is on the platforms that its marker holds for and that it has wheels for.
    """
    requirements = [parse_requirement(text) for text in release.get("requires", ())]
    extras: dict[str, dict[str, ParsedRequirement]] = {}
    for requirement in requirements:
        for extra in _extras(requirement):
            extras.setdefault(extra, {})[canonicalize_name(requirement.name)] = requirement
    everything = extras.pop(ALL, {})
    pins, ranges = {}, {}
    for name, requirement in sorted(everything.items()):
        pins[name], is_range = _pin(requirement)
        if is_range:
            ranges[name] = str(requirement.specifier)
    # `13.0.3.0` of the package is CUDA 13.0.3.
    cuda = ".".join(version.split(".")[:3])
    row: dict[str, Any] = {
        "package": version if version != cuda else None,
        "pins": pins,
        "ranges": ranges,
        "extras": {extra: sorted(named) for extra, named in sorted(extras.items())},
        "platforms": {
            name: _platforms(releases, wheels(name, pins[name]))
            for name, releases in sorted(everything.items())
        },
    }
    return cuda, {key: row[key] for key in _ORDER if row.get(key)}


def merge_toolkits(
    held: Mapping[str, Any], project: Mapping[str, Mapping[str, Any]], wheels: Wheels
) -> tuple[dict[str, Any], list[str]]:
    """Return the rows by CUDA release, and what changed, in words.

    `project` are the releases of the toolkit's project in an index file, `wheels` the tags of a
    package's version, empty for one that the matrix does not have.
    """
    rows, notes = dict(held), []
    for version, release in project.items():
        if release.get("yanked") or not _wheels(release):
            continue
        cuda, new = read_toolkit(version, release, wheels)
        if "pins" not in new:  # METADATA without the extra that names every package
            continue
        old = rows.get(cuda)
        new["source"] = _source(version, release)
        if old is None:
            rows[cuda] = new
            notes.append(f"CUDA {cuda} is new")
        elif "published" in old:
            # Only what is published counts: the correction itself differs from it on purpose.
            if {**new["pins"], **old["published"]} != new["pins"]:
                notes.append(
                    f"CUDA {cuda} was corrected by hand, and what is published has changed"
                )
        # The source names a wheel's digest; a change of that alone changes no fact.
        elif {**old, "source": ""} != {**new, "source": ""}:
            rows[cuda] = new
            notes.append(f"CUDA {cuda} has changed")
    return {cuda: rows[cuda] for cuda in sorted(rows, key=Version)}, notes


def merge_cudnn(
    held: Mapping[str, Any], projects: Mapping[str, Mapping[str, Mapping[str, Any]]]
) -> dict[str, Any]:
    """Return the rows by cuDNN release.

    `projects` are the releases of each of its projects as index files have them.
    """
    versions: dict[str, dict[str, list[str]]] = {}
    yanked: dict[str, list[str]] = {}
    for name, releases in sorted(projects.items()):
        for version, release in releases.items():
            platforms = {
                platform for wheel in _wheels(release) for platform in of_wheel_tags(wheel[0])
            }
            if platforms:
                # macOS and new platforms come last, the others by name.
                known = sorted(platforms, key=lambda name: (not PLATFORMS[name].accelerators, name))
                versions.setdefault(version, {})[name] = known
                if release.get("yanked"):
                    yanked.setdefault(version, []).append(name)
    rows = {}
    for version in sorted({*held, *versions}, key=Version):
        row = dict(held.get(version, {}))
        # Projects that this update did not query keep what the row has.
        unknown_names = [name for name in row.pop("yanked", ()) if name not in projects]
        row["projects"] = {**row.get("projects", {}), **versions.get(version, {})}
        if withdrawn := sorted([*unknown_names, *yanked.get(version, ())]):
            row["yanked"] = withdrawn
        rows[version] = row
    return rows


def vendor_text(retrieved: str, sources: Iterable[str], rows: Mapping[str, Any]) -> str:
    """Return the text of the file: a release a line."""
    lines = ",\n".join(f'"{cuda}": {_compact(row)}' for cuda, row in rows.items())
    head = f'"retrieved": "{retrieved}",\n"sources": {_compact(list(sources))}'
    return f'{{\n{head},\n"releases": {{\n{lines}\n}}\n}}\n'


def _wheels(release: Mapping[str, Any]) -> list[list[Any]]:
    builds = release.get("builds", [release])
    return [wheel for build in builds for wheel in build.get("wheels", ())]


def _compact(document: Any) -> str:
    return json.dumps(document, separators=(",", ":"))


def _extras(requirement: ParsedRequirement) -> list[str]:
    """Return the extras that a requirement belongs to."""
    text = str(requirement.marker or "")
    parts = text.replace("'", '"').split('extra == "')[1:]
    return [part.partition('"')[0] for part in parts]


def _pin(requirement: ParsedRequirement) -> tuple[str, bool]:
    """Return a version, and whether it is the lower end of a range."""
    for specifier in requirement.specifier:
        if specifier.operator == "==":
            return specifier.version.removesuffix(".*"), False
    lower = [each.version for each in requirement.specifier if each.operator in (">=", "~=")]
    return (lower[0] if lower else "0"), True


def _platforms(requirement: ParsedRequirement, tags: Sequence[str]) -> list[str]:
    platforms = []
    tagged = {platform for tag_set in tags for platform in of_wheel_tags(tag_set)}
    for platform in PLATFORMS:
        # Without any wheel in the matrix the marker alone decides.
        if tagged and platform not in tagged:
            continue
        environment = Target(_PYTHON, platform).marker_environment()
        marker = requirement.marker
        if marker is None or marker.evaluate({**environment, "extra": ALL}):
            platforms.append(platform)
    return platforms


def _source(version: str, release: Mapping[str, Any]) -> str:
    tags, sha256 = _wheels(release)[0][:2]
    return f"cuda_toolkit-{version}-{tags}.whl sha256:{sha256}"


__all__ = ["merge_cudnn", "merge_toolkits", "read_toolkit", "vendor_text"]
