"""Look up what exact pins name and the matrix lacks, as rows to lay over it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cudalock.errors import NetworkError
from cudalock.indexes.parallel import map_parallel
from cudalock.live.universe import LiveUniverse
from cudalock.matrix.overlay import Overlay

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.releases import Build, Release


def look_up_pins(pins: Iterable[tuple[str, str]], matrix: Matrix) -> Overlay:
    """Return the releases that the package index has of pins (canonical name, public version).

    What cannot be looked up, or has no readable metadata, is not among them.
    """
    universe = LiveUniverse(matrix)
    try:
        releases: dict[str, dict[str, dict[str, Any]]] = {}
        wanted = dict.fromkeys(pins)
        rows = map_parallel(lambda pin: _row(universe, *pin), wanted)
        for (name, version), row in zip(wanted, rows, strict=True):
            if row is not None:
                releases.setdefault(name, {})[version] = row
        return Overlay(releases=releases)
    finally:
        universe.close()


def _row(universe: LiveUniverse, name: str, version: str) -> dict[str, Any] | None:
    try:
        universe.look_up(name, f"=={version}")
        project = universe.project(name)
        if project is None or version not in project:
            return None
        return _release_row(project.release(version))
    except NetworkError:
        # The pin keeps the note that nothing is known of it, and the others are judged.
        return None


def _release_row(release: Release) -> dict[str, Any] | None:
    """Return a release as a line of an index file has it, None if no wheel of it can be read.

    Raises NetworkError.
    """
    # A wheel without METADATA would look as if it required nothing.
    builds = [_build_row(build) for build in release.builds if build.is_readable]
    plain = {key: value for key, value in release.row.items() if key != "builds"}
    return {**plain, "builds": builds} if builds else None


def _build_row(build: Build) -> dict[str, Any]:
    row: dict[str, Any] = {
        "index": build.index,
        "wheels": list(build.rows),
        "requires": list(build.requires),
        "labels": {name: list(labels) for name, labels in build.labels.items()},
    }
    return {**row, "local": build.local} if build.local else row
