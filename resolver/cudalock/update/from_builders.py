"""What a builder publishes as release files, as wheels to be merged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote

from cudalock.errors import NetworkError
from cudalock.indexes.github_releases import list_assets, repository_of
from cudalock.indexes.rows import is_kept, wheel_parts
from cudalock.update.merge import Listed
from cudalock.versions import canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from cudalock.indexes.client import Web
    from cudalock.indexes.github_releases import Asset
    from cudalock.matrix.matrix import Builder, Matrix
    from cudalock.update.file_names import Patterns

SOURCE: Final = "files of the GitHub releases"


class Published(NamedTuple):
    """A builder's wheels by project and version; `unread` are files that no pattern matches."""

    wheels: dict[str, dict[str, list[Listed]]]
    unread: list[str]


def is_listed(builder: Builder) -> bool:
    """Whether the builder's files can be listed: those of GitHub releases, as long as they
    exist."""
    return builder.listed and repository_of(builder.url) is not None


def read_builder(
    web: Web,
    builder: Builder,
    projects: Collection[str],
    patterns: Patterns,
    is_held: Callable[[str, str, str | None, str], bool],
) -> Published:
    """Return every wheel of these projects among a builder's release files.

    `is_held` is whether a row has a wheel, by project, version, tag and file: then a name that no
    pattern matches does no harm. Raises NetworkError if the releases cannot be listed, or have
    moved.
    """
    repository = repository_of(builder.url)
    if repository is None:
        raise NetworkError(f"{builder.id} has no GitHub releases")
    published = Published({}, [])
    moved = False
    for asset in list_assets(web, repository):
        parts = wheel_parts(asset.name)
        project = canonical(parts["dist"]) if parts else ""
        if parts is None or project not in projects or not is_kept(parts["tags"]):
            continue
        # GitHub redirects a renamed repository: its files then have URLs that no row has.
        if unquote(asset.url) != unquote(builder.url.format(tag=asset.tag, file=asset.name)):
            moved = True
            continue
        reading = patterns.read(parts["local"], parts["tags"])
        if reading is None and not is_held(project, parts["version"], asset.tag, asset.name):
            published.unread.append(f"{asset.tag}/{asset.name}")
            continue
        versions = published.wheels.setdefault(project, {})
        wheel = _wheel(asset, project, parts, reading.labels if reading else {})
        versions.setdefault(parts["version"], []).append(wheel)
    if moved and not published.wheels:
        raise NetworkError(
            f"the releases of {builder.id} have moved: matrix.toml names the old place"
        )
    return published


def _wheel(
    asset: Asset, project: str, parts: Mapping[str, str], labels: Mapping[str, Any]
) -> Listed:
    return Listed(
        version=parts["version"],
        tags=parts["tags"],
        local=parts["local"],
        tag=asset.tag,
        sha256=asset.sha256,
        size=asset.size,
        # The name is written down only if it is not the project's own: `flash_attn` of flash-attn.
        dist=parts["dist"] if parts["dist"] != project.replace("-", "_") else None,
        labels=labels,
        known="listed",
        source=SOURCE,
    )


def held_files(matrix: Matrix, builder: Builder) -> set[tuple[str, str, str | None, str]]:
    """Return project, version, tag and file of each wheel that the matrix has of a builder."""
    return {
        (release.project, release.version, build.tag, wheel.file(release.version, build.local))
        for name in matrix.projects
        if name.startswith(builder.project)
        for release in matrix.project(name) or ()
        for build in release.builds
        if build.builder == builder.id
        for wheel in build.wheels
    }


__all__ = ["Published", "held_files", "is_listed", "read_builder"]
