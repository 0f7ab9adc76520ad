"""The wheel that a place's files are copied from: out of a folder, or from the package index."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from packaging.utils import InvalidWheelFilename

from cudalock.errors import HashMismatch, SourceMissing
from cudalock.files import distribution_name
from cudalock.matrix.releases import PACKAGE_INDEX
from cudalock.text import shell_word
from cudalock.versions import project_and_version, specifier_set

if TYPE_CHECKING:
    from pathlib import Path

    from cudalock.matrix.facts import FileCopy
    from cudalock.matrix.matrix import Matrix
    from cudalock.targets import Target


class WheelFile(NamedTuple):
    """A wheel that the matrix lists: its file name and published digest."""

    project: str
    version: str
    file: str
    sha256: str | None


def choose_wheel(place: FileCopy, target: Target, matrix: Matrix) -> WheelFile:
    """The newest wheel for the target that has a place's files.

    Raises SourceMissing where the matrix lists none.
    """
    project, tags = matrix.project(place.project), target.tags()
    fitting = specifier_set(place.versions)
    for version in reversed(project.versions if project else []):
        release = project.release(version) if project else None
        if release is None or version not in fitting or release.yanked:
            continue
        for build in release.builds:
            for wheel in build.wheels:
                if build.index == PACKAGE_INDEX and tags.rank(wheel.tags) is not None:
                    return WheelFile(
                        place.project, version, wheel.file(version, build.local), wheel.sha256
                    )
    raise SourceMissing(f"no wheel of `{place.project}{place.versions}` is known for this system")


def in_folder(folder: Path, place: FileCopy, target: Target, matrix: Matrix) -> Path | None:
    """Return the newest wheel in a folder that has the place's files; None if there is none.

    Raises HashMismatch for one that differs from what was published under its name.
    """
    from cudalock.indexes.downloads import digest_of

    fitting, tags = specifier_set(place.versions), target.tags()
    files = []
    for path in folder.glob("*.whl"):
        try:
            name, version = project_and_version(path.name)
        except InvalidWheelFilename:
            continue
        rank = tags.rank(path.stem.split("-", 2)[2])
        if name == place.project and version in fitting and rank is not None:
            files.append((version, path))
    if not files:
        return None
    version, path = max(files)
    published = _published(place.project, str(version), path.name, matrix)
    digest = digest_of(path)
    if published not in (None, digest):
        raise HashMismatch(path.name, str(folder), str(published), digest)
    return path


def _published(project: str, version: str, file: str, matrix: Matrix) -> str | None:
    rows = matrix.project(project)
    if rows is None or version not in rows:
        return None
    for build in rows.release(version).builds:
        for wheel in build.wheels:
            if wheel.file(version, build.local) == file:
                return wheel.sha256
    return None


def missing(wheel: WheelFile, prefix: str) -> SourceMissing:
    """Return the error for a wheel that may not be queried: it names the wheel and how to get it,
    for the environment at `prefix`."""
    platform = wheel.file.removesuffix(".whl").rpartition("-")[2]
    return SourceMissing(
        f"the files are in `{wheel.file}`, which is not at hand",
        hints=[
            f"`python -m pip download --no-deps --only-binary :all: --platform {platform}"
            f" -d wheels {wheel.project}=={wheel.version}`, then"
            f" `cudalock activate --install --wheels wheels --python {shell_word(prefix)}`"
        ],
    )


def bring(wheel: WheelFile, folder: Path) -> Path:
    """The wheel from the package index, in `folder` and checked against its digest.

    Raises NetworkError or HashMismatch.
    """
    from cudalock.indexes.client import Web
    from cudalock.indexes.downloads import download
    from cudalock.indexes.package_index import PackageIndexes

    target = folder / distribution_name(wheel.file, "the matrix")
    with PackageIndexes() as indexes, Web() as web:
        address = indexes.find(wheel.project, wheel.file, wheel.sha256)
        download(web, address.url, target, wheel.sha256 or address.sha256)
    return target
