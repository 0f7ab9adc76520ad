"""The wheels of a plan: looked up on the indexes before anything is changed."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from cudalock.files import distribution_name
from cudalock.indexes.downloads import download
from cudalock.indexes.listings import File, file_at, with_credentials_of
from cudalock.indexes.metadata import Metadata, metadata_in, parse_metadata, read_metadata
from cudalock.indexes.package_index import PackageIndexes
from cudalock.targets.tags import best_wheel, parse_wheel_name
from cudalock.urls import without_credentials
from cudalock.versions import (
    accepts,
    canonical,
    is_prerelease,
    nearest_first,
    parse_version,
    pins_exactly,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.environment.repairs import Install
    from cudalock.indexes.metadata import MalformedMetadata
    from cudalock.mirrors import Mirrors
    from cudalock.targets import Target


class PlannedWheel(NamedTuple):
    """The wheel that a step installs."""

    name: str
    version: str
    """that of its METADATA"""
    file: str
    url: str
    """without credentials"""
    source: str
    """the URL of the index that lists it; that of the wheel where no index does"""
    sha256: str | None
    size: int | None
    """in bytes; None where nothing says it"""
    tags: str
    requires: tuple[str, ...]
    python: str | None
    by_url: bool
    """whether a version does not identify it, so that the environment has to record the URL"""
    secret_url: str
    """with the credentials of its index, for the download"""


class WheelFinder:
    """Finds the wheel of a step on the indexes that pip is configured for."""

    def __init__(self, target: Target, mirrors: Mirrors) -> None:
        self._target = target
        self._indexes = PackageIndexes(mirrors=mirrors)

    def close(self) -> None:
        """End the connections."""
        self._indexes.web.close()

    def find(self, step: Install, installed: str | None) -> PlannedWheel | None:
        """Return the wheel for a step; None if no index has one for this Python and machine.

        `installed` is the version that is there: the nearest to it is taken. Raises NetworkError.
        """
        if step.url is not None:
            listed = file_at(self._indexes.web.mirrors.url(step.url))
            return self._planned(step, listed._replace(sha256=step.sha256 or listed.sha256), None)
        urls = [step.index_url] if step.index_url else self._indexes.urls
        for url in urls:
            listing = self._indexes.listing(url, step.name)
            chosen = _choose(listing.files, step, self._target, installed) if listing else None
            if chosen is not None:
                return self._planned(step, chosen, url)
        return None

    def _planned(self, step: Install, file: File, index: str | None) -> PlannedWheel | None:
        parts = parse_wheel_name(file.name)
        if parts is None:
            return None
        secret_url = with_credentials_of(index, file.url) if index else step.url or file.url
        metadata = read_metadata(self._indexes.web, file, secret_url) or self._downloaded(
            file, secret_url
        )
        if not isinstance(metadata, Metadata):
            return None
        return PlannedWheel(
            name=canonical(metadata.name),
            version=metadata.version,
            file=file.name,
            url=file.url,
            source=without_credentials(index or file.url),
            sha256=file.sha256 or step.sha256,
            size=file.size,
            tags=parts.tags,
            requires=metadata.requires,
            python=metadata.python,
            by_url=step.url is not None,
            secret_url=secret_url,
        )

    def _downloaded(self, file: File, url: str) -> Metadata | MalformedMetadata | None:
        """Read METADATA out of the whole wheel, where an index serves no part of it."""
        with TemporaryDirectory(prefix="cudalock-") as scratch:
            target = Path(scratch) / distribution_name(file.name, "the index")
            download(self._indexes.web, url, target, file.sha256)
            with target.open("rb") as wheel:
                content = metadata_in(wheel)
        return parse_metadata(content) if content is not None else None


def _choose(
    files: tuple[File, ...], step: Install, target: Target, installed: str | None
) -> File | None:
    """Return the wheel of the version nearest to the installed one, of the newest without one."""
    by_version: dict[str, list[File]] = {}
    for version, file in _usable(files, step, target):
        by_version.setdefault(version, []).append(file)
    anchors = [installed] if installed and not step.is_addition else []
    # As installers do: a pre-release only where there is nothing else.
    final = [version for version in by_version if not is_prerelease(version)]
    versions = final or list(by_version)
    # Labels have no place in the order by distance: 2.6.0+cu124 is as near as 2.6.0.
    publics = nearest_first({version.partition("+")[0] for version in versions}, anchors)
    for public in publics:
        labelled = sorted(
            (version for version in versions if version.partition("+")[0] == public),
            key=parse_version,
        )
        for version in reversed(labelled):
            candidates = by_version[version]
            tags = [file.name.removesuffix(".whl").split("-", 2)[2] for file in candidates]
            position = best_wheel(tags, target.tags())
            if position is not None:
                return candidates[position]
    return None


def _usable(files: tuple[File, ...], step: Install, target: Target) -> Iterator[tuple[str, File]]:
    python = target.marker_environment()["python_full_version"]
    is_pinned = pins_exactly([step.specifier])
    for file in files:
        parts = parse_wheel_name(file.name) if file.is_wheel else None
        if parts is None or target.tags().rank(parts.tags) is None:
            continue
        # pip takes a yanked file only for an exact pin (PEP 592).
        if file.yanked is not None and not is_pinned:
            continue
        # A page without digests refutes nothing: then the download is compared.
        if step.sha256 and file.sha256 and file.sha256 != step.sha256:
            continue
        try:
            version = str(parse_version(parts.version))
            if not accepts(file.python or "", python) or not accepts(step.specifier, version):
                continue
        except ValueError:
            continue
        yield version, file


__all__ = ["PlannedWheel", "WheelFinder"]
