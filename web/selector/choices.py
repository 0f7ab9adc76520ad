"""What a visitor can choose, read from the matrix: nothing of it is listed by hand."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.goals.switches import read_switches
from cudalock.show.wheels import pythons_on
from cudalock.targets import LIKELY, PLATFORMS
from cudalock.targets.accelerators import ACCELERATORS, CPU, CUDA
from cudalock.versions import parse_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.matrix.matrix import Matrix

DEFAULT: Final = {"torch": ["latest"], "python": ["3.12"], "platform": ["linux"]}
"""The state of a page whose address states none."""
OLDEST: Final = "2.0"
"""The first release of the framework that has an option of its own; others are typed."""
LATEST: Final = "latest"


class Choice(NamedTuple):
    """One option: the key and value of the state, and what people call it."""

    key: str
    value: str
    label: str


def systems(matrix: Matrix) -> list[Choice]:
    """Return the platforms, the likeliest first, and the systems of Jetson boards."""
    boards = [
        Choice("platform", f"jetpack-{name}", f"JetPack {name}")
        for name in reversed(matrix.jetpacks.releases)
    ]
    names = [*LIKELY, *(name for name in PLATFORMS if name not in LIKELY)]
    plain = [Choice("platform", PLATFORMS[name].flag, PLATFORMS[name].label) for name in names]
    return plain + boards


def pythons(matrix: Matrix) -> list[Choice]:
    """Return the Pythons that the framework has wheels for on any system."""
    project = matrix.project(matrix.framework or "")
    versions = project.versions if project else []
    builds = (
        [build for name in versions for build in project.release(name).builds] if project else []
    )
    found = {python for platform in PLATFORMS for python in pythons_on(builds, platform)}
    ordered = sorted(found, key=lambda text: (int(text.rstrip("t").split(".")[1]), text))
    return [Choice("python", text, text) for text in ordered if not text.endswith("3.8")]


def releases(matrix: Matrix) -> list[Choice]:
    """Return the series of the framework, the newest first, and the newest release of all."""
    versions = [parse_version(text) for text in matrix.versions(matrix.framework or "")]
    recent = sorted((one for one in versions if is_recent(str(one))), reverse=True)
    series = [
        f"{major}.{minor}" for (major, minor), _ in groupby(recent, lambda one: one.release[:2])
    ]
    return [Choice("torch", LATEST, "newest"), *(Choice("torch", text, text) for text in series)]


def is_recent(version: str) -> bool:
    """Return whether a release of the framework has an option of its own."""
    return parse_version(version) >= parse_version(OLDEST)


def accelerators(matrix: Matrix) -> list[Choice]:
    """Return what the framework is built for: any, the CUDA series, none, other accelerators."""
    project = matrix.project(matrix.framework or "")
    recent = [name for name in project.versions if is_recent(name)] if project else []
    releases = [project.release(name) for name in recent] if project else []
    used = {build.index for release in releases for build in release.builds}
    series = {
        index.cuda
        for name, index in matrix.indexes.items()
        if name in used and index.cuda and index.cuda[0].isdigit()
    }
    named = sorted(series, key=parse_version, reverse=True)
    others = [row for row in ACCELERATORS.values() if row is not CUDA and row.is_build]
    return [
        Choice(CUDA.name, "", "newest that fits"),
        *(Choice(CUDA.name, text, text) for text in named),
        *(Choice("accelerator", row.name, row.title) for row in others),
        Choice(CUDA.name, CPU, "CPU"),
    ]


def add_ons(matrix: Matrix) -> list[tuple[Choice, str]]:
    """Return the projects with a switch, each with what it is."""
    return [
        (Choice("with", name, name), matrix.component(name).summary)
        for name in read_switches().by_project
    ]


def gpus(matrix: Matrix) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield the GPUs by maker and generation, the newest first, each with its architecture."""
    table = matrix.vendor_table("gpus")
    capabilities = table["capabilities"]
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for name, model in matrix.gpus.models.items():
        title = table["vendors"].get(model.vendor, {}).get("title", model.vendor)
        known = capabilities.get(model.architecture, {}).get("architecture", "")
        group = (
            f"{title} {known}, {model.architecture}" if known else f"{title} {model.architecture}"
        )
        groups.setdefault((model.vendor, group), []).append((name, model.architecture))
    makers = list(table["vendors"])

    def order(
        item: tuple[tuple[str, str], list[tuple[str, str]]],
    ) -> tuple[int, tuple[int, ...], str]:
        (vendor, group), members = item
        numbers = [int(part) for part in members[0][1].split(".") if part.isdigit()]
        return makers.index(vendor), tuple(-number for number in numbers), group

    for (_, group), members in sorted(groups.items(), key=order):
        yield group, sorted(members, key=lambda member: _natural(member[0]), reverse=True)


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    from cudalock.show.covering import natural

    return tuple(natural(name))


def drivers(matrix: Matrix) -> list[str]:
    """Return the drivers that CUDA releases came with, the newest first."""
    rows = matrix.vendor_table("drivers")["releases"].values()
    found = {text for row in rows for text in row.values() if text[0].isdigit()}
    return sorted(found, key=parse_version, reverse=True)
