"""What a builder publishes as files of releases, of a repository or of pages, as wheels to be
merged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from cudalock.errors import NetworkError
from cudalock.indexes.github_releases import list_assets, repository_of
from cudalock.indexes.hugging_face import hugging_face_of, list_files
from cudalock.indexes.link_pages import list_pages
from cudalock.indexes.rows import is_kept, wheel_parts
from cudalock.update.merge import Listed
from cudalock.versions import canonical

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from cudalock.indexes.client import Web
    from cudalock.indexes.github_releases import Asset
    from cudalock.matrix.matrix import Builder, Matrix

    HeldFile = tuple[str, str, str | None, str]
    from cudalock.update.file_names import Patterns


class Published(NamedTuple):
    """A builder's wheels by project and version; `unread` are files that no pattern matches."""

    wheels: dict[str, dict[str, list[Listed]]]
    unread: list[str]


def is_listed(builder: Builder) -> bool:
    """Whether the builder's files can be listed, as long as they exist."""
    return builder.listed and any(
        (repository_of(builder.url), hugging_face_of(builder.url), builder.page)
    )


def _list(web: Web, builder: Builder, held: Collection[HeldFile]) -> tuple[list[Asset], str]:
    """Return every file of a builder, and what they are, for people. Raises NetworkError."""
    repository = repository_of(builder.url)
    if repository is not None:
        return list_assets(web, repository), "files of the GitHub releases"
    repository = hugging_face_of(builder.url)
    if repository is not None:
        return list_files(web, repository), "files of the Hugging Face repository"
    if builder.page is None:
        raise NetworkError(f"{builder.id} has no list of its files")
    tags = {tag for _, _, tag, _ in held if tag is not None}
    return list_pages(web, builder.url, builder.page, builder.pages, tags), "links of its pages"


def read_builder(
    web: Web,
    builder: Builder,
    projects: Collection[str],
    patterns: Patterns,
    held: Collection[HeldFile],
) -> Published:
    """Return every wheel of these projects among a builder's files.

    `held` has the wheels that rows have, by project, version, tag and file: a name of theirs that
    no pattern matches does no harm. Raises NetworkError if the files cannot be listed, or have
    moved.
    """
    assets, source = _list(web, builder, held)
    published = Published({}, [])
    moved = False
    for asset in assets:
        parts = wheel_parts(asset.name)
        project = canonical(parts["dist"]) if parts else ""
        if parts is None or project not in projects or not is_kept(parts["tags"]):
            continue
        # GitHub redirects a renamed repository: its files then have URLs that no row has.
        if unquote(asset.url) != unquote(builder.url.format(tag=asset.tag, file=asset.name)):
            moved = True
            continue
        reading = patterns.read(
            parts["local"], parts["tags"], builder=builder.id, tag=unquote(asset.tag)
        )
        is_held = (project, parts["version"], asset.tag, asset.name) in held
        if reading is None and not is_held:
            published.unread.append(f"{asset.tag}/{asset.name}")
            continue
        versions = published.wheels.setdefault(project, {})
        wheel = _wheel(asset, project, parts, reading.labels if reading else {}, source)
        versions.setdefault(parts["version"], []).append(wheel)
    if moved and not published.wheels:
        raise NetworkError(f"the files of {builder.id} have moved: matrix.toml names the old place")
    return published


def _wheel(
    asset: Asset, project: str, parts: Mapping[str, str], labels: Mapping[str, Any], source: str
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
        source=source,
    )


def held_files(matrix: Matrix, builder: Builder) -> set[HeldFile]:
    """Return project, version, tag and file of each wheel that the matrix has of a builder."""
    return {
        (release.project, release.version, build.tag, wheel.file(release.version, build.local))
        for name in matrix.projects
        if builder.has(name)
        for release in matrix.project(name) or ()
        for build in release.builds
        if build.builder == builder.id
        for wheel in build.wheels
    }


__all__ = ["Published", "held_files", "is_listed", "read_builder"]
