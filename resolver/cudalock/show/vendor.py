"""NVIDIA's tables as rows: the packages of a CUDA release, cuDNN, drivers, GPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cudalock.errors import MatrixError
from cudalock.files import read_text
from cudalock.show.cells import exact, unique
from cudalock.show.covering import has_code_for, natural
from cudalock.targets import LIKELY_WITH_GPU, PLATFORMS
from cudalock.text import read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cudalock.matrix.matrix import Matrix
    from cudalock.show.table import Cell


def _toolkits(matrix: Matrix) -> Iterator[Mapping[str, Cell]]:
    """One row for each package of each CUDA release."""
    for release, row in _newest_first(matrix.toolkits.releases):
        published = row.get("published", {})
        for project in sorted(row["pins"]):
            other = published.get(project)
            yield {
                "cuda": release,
                "part": part_of(project, row["extras"]),
                "project": project,
                "version": row["pins"][project],
                "platforms": tuple(row.get("platforms", {}).get(project, ())) or None,
                "published": exact(other) if other else row.get("ranges", {}).get(project),
            }


def part_of(project: str, extras: Mapping[str, list[str]]) -> str | None:
    """Return the extra of the toolkit for a package: the one with the fewest others."""
    parts = [part for part, projects in extras.items() if project in projects]
    # A package is in `all` and in those of others that need it: the extra in its name is its own.
    return min(parts, key=lambda part: (part not in project, len(extras[part]), part), default=None)


def _cudnn(matrix: Matrix) -> Iterator[Mapping[str, Cell]]:
    """One row for each cuDNN and CUDA major version."""
    majors = {project: major for major, project in matrix.component("cudnn").by_cuda.items()}
    for version, row in _newest_first(_table(matrix, "cudnn.json", "releases")):
        for project, platforms in sorted(row["projects"].items()):
            yield {
                "cudnn": ".".join(version.split(".")[:3]),
                "cuda_major": majors.get(project),
                "project": project,
                "version": version,
                "platforms": tuple(platforms),
                "recommended_cuda": row.get("recommended_cuda"),
                "yanked": "yanked" if project in row.get("yanked", ()) else None,
            }


def _drivers(matrix: Matrix) -> Iterator[Mapping[str, Cell]]:
    """One row for each CUDA release: its own driver, and the oldest of its major version."""
    majors = _table(matrix, "drivers.json", "majors")
    systems = list(dict.fromkeys(PLATFORMS[name].system.name for name in LIKELY_WITH_GPU))
    for release, row in _newest_first(_table(matrix, "drivers.json", "releases")):
        floor = majors.get(release.split(".")[0], {})
        yield {
            "cuda": release,
            **{name: row.get(name) for name in systems},
            "branch": row.get("branch"),
            **{f"oldest_{name}": floor.get(name) for name in systems},
        }


def _capabilities(matrix: Matrix) -> Iterator[Mapping[str, Cell]]:
    """One row for each compute capability, with the framework's releases that have code for it."""
    builds = list(_framework_archs(matrix))
    for capability, row in _newest_first(_table(matrix, "gpus.json", "capabilities")):
        releases = [version for version, archs in builds if has_code_for(archs, capability)]
        yield {
            "capability": capability,
            "architecture": row.get("architecture"),
            "first_cuda": row.get("first_cuda"),
            "last_cuda": row.get("last_cuda"),
            "gpus": unique(
                name
                for name, known_capability in matrix.gpus.by_name.items()
                if known_capability == capability
            ),
            "framework": _span(releases),
        }


def _jetpack(matrix: Matrix) -> Iterator[Mapping[str, Cell]]:
    """One row for each release of JetPack."""
    for release, row in _newest_first(_table(matrix, "jetpack.json", "releases")):
        yield {
            "jetpack": release,
            "l4t": tuple(row["l4t"]),
            "cuda": row.get("cuda"),
            "python": row["python"],
            "glibc": matrix.distributions.glibc(row["distribution"]),
            "capabilities": tuple(row["architectures"]),
            "index": row.get("index"),
        }


def _framework_archs(matrix: Matrix) -> Iterator[tuple[str, tuple[str, ...]]]:
    project = matrix.project(matrix.framework) if matrix.framework else None
    for release in project or ():
        for build in release.builds:
            if archs := build.row("archs"):
                yield release.version, archs


def _span(versions: list[str]) -> str | None:
    """Return the first and the last of ordered versions."""
    if not versions:
        return None
    return versions[0] if versions[0] == versions[-1] else f"{versions[0]} to {versions[-1]}"


def _newest_first(rows: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return sorted(rows.items(), key=lambda row: natural(row[0]), reverse=True)


def _table(matrix: Matrix, file: str, key: str) -> dict[str, Any]:
    path = matrix.file(f"cuda/{file}")
    try:
        rows: dict[str, Any] = read_json(read_text(path))[key]
    except (OSError, ValueError, LookupError) as error:
        raise MatrixError(file, key, f"cannot be read: {error}") from None
    return rows


VENDOR: Final[Mapping[str, Callable[[Matrix], Iterator[Mapping[str, Cell]]]]] = {
    "toolkits": _toolkits,
    "cudnn": _cudnn,
    "drivers": _drivers,
    "capabilities": _capabilities,
    "jetpack": _jetpack,
}

__all__ = ["VENDOR", "part_of"]
