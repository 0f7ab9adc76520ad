"""Hashes that the matrix lacks: those that an index lists by now, or that GitHub publishes for a
release's files, else that of the file itself.

A file is downloaded once: its digest is kept in the user's cache, under the URL.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from cudalock.errors import BadFile, NetworkError
from cudalock.files import distribution_name, read_small
from cudalock.indexes.cache import cache_folder, remember
from cudalock.indexes.client import Web
from cudalock.indexes.downloads import digest_of, download
from cudalock.indexes.github_releases import release_assets
from cudalock.indexes.hugging_face import published_digest
from cudalock.indexes.package_index import PackageIndexes
from cudalock.lock.wheels import all_wheels, wheels_of_targets
from cudalock.mirrors import NO_MIRRORS, Mirrors
from cudalock.urls import local_path
from cudalock.versions import canonical

if TYPE_CHECKING:
    from cudalock.indexes.downloads import Progress
    from cudalock.lock import Lock, LockedWheel, Pin

_RELEASE_FILE: Final = r"https://github\.com/([^/]+/[^/]+)/releases/download/([^/]+)/([^/]+)"


def with_hashes(
    lock: Lock,
    *,
    keep: Path | None = None,
    progress: Progress = lambda file, done, total: None,
    mirrors: Mirrors = NO_MIRRORS,
) -> Lock:
    """Return the lock with a digest for each wheel that some target takes and that has a URL.

    Files go into the folder `keep` and stay there, else into the cache and are removed. A note
    names the files whose digest nobody publishes. Raises NetworkError or OutputError.
    """
    bare = {
        wheel.file: wheel
        for pin in lock.pins
        for wheel in wheels_of_targets(pin, lock)
        if wheel.sha256 is None and wheel.url is not None
    }
    digests = _listed(lock, bare, mirrors)
    with Web(mirrors=mirrors) as web:
        digests |= _published(web, {file: bare[file] for file in set(bare) - set(digests)})
        computed = sorted(set(bare) - set(digests))
        for file in computed:
            digests[file] = _digest(web, bare[file], keep, progress)
    notes = [f"nobody publishes a hash of {file}: this one is of its file" for file in computed]
    return replace(
        lock,
        pins=tuple(_filled(pin, digests) for pin in lock.pins),
        notes=(*lock.notes, *notes),
    )


def with_local_hashes(lock: Lock) -> Lock:
    """The lock with the digest of each wheel that lies in a folder here. Raises BadFile."""
    local = {
        wheel.file: wheel.url
        for pin in lock.pins
        for wheel in all_wheels(pin)
        if wheel.sha256 is None and wheel.url is not None and wheel.url.startswith("file:")
    }
    if not local:
        return lock
    digests = {file: _digest_of(url) for file, url in local.items()}
    return replace(lock, pins=tuple(_filled(pin, digests) for pin in lock.pins))


def _digest_of(url: str) -> str:
    path = Path(local_path(url) or "")
    try:
        return digest_of(path)
    except OSError as error:
        raise BadFile(f"`{path}` cannot be read: {error.strerror or error}") from None


def _filled(pin: Pin, digests: dict[str, str]) -> Pin:
    wheels = tuple(
        replace(wheel, sha256=wheel.sha256 or digests.get(wheel.file)) for wheel in all_wheels(pin)
    )
    known = {wheel.sha256 for wheel in wheels if wheel.sha256}
    return replace(
        pin,
        wheel=wheels[0],
        wheels=wheels,
        hashes=tuple(sorted({*pin.hashes, *known})),
        hashes_complete=all(wheel.sha256 for wheel in wheels),
    )


def _listed(lock: Lock, wheels: dict[str, LockedWheel], mirrors: Mirrors) -> dict[str, str]:
    """What the lock's indexes list. An index that cannot be asked is no failure: its file can."""
    urls = {index.id: index.url for index in lock.indexes if index.url}
    digests: dict[str, str] = {}
    with PackageIndexes(mirrors=mirrors) as indexes:
        for file, wheel in wheels.items():
            if wheel.index in urls:
                project = canonical(file.partition("-")[0])
                with suppress(NetworkError):
                    if sha256 := indexes.published(urls[wheel.index], project, file):
                        digests[file] = sha256
    return digests


def _published(web: Web, wheels: dict[str, LockedWheel]) -> dict[str, str]:
    """Return the digests that GitHub has of the files of a release, and Hugging Face of its files.
    A failing API is no failure: the file remains."""
    # One request a release, since the API without a token allows 60 an hour.
    releases: dict[tuple[str, str], set[str]] = {}
    for wheel in wheels.values():
        if match := re.fullmatch(_RELEASE_FILE, wheel.url or ""):
            releases.setdefault((match[1], match[2]), set()).add(wheel.file)
    digests: dict[str, str] = {}
    for (repository, tag), files in releases.items():
        with suppress(NetworkError):
            for asset in release_assets(web, repository, tag):
                # Other releases may have another file of this name.
                if asset.sha256 and asset.name in files:
                    digests[asset.name] = asset.sha256
    for file in set(wheels) - set(digests):
        with suppress(NetworkError):
            if sha256 := published_digest(web, wheels[file].url or ""):
                digests[file] = sha256
    return digests


def _digest(web: Web, wheel: LockedWheel, keep: Path | None, progress: Progress) -> str:
    # By the URL: a file's name says nothing about who built it.
    url = wheel.url or ""
    key = hashlib.sha256(url.encode()).hexdigest()
    note = cache_folder() / "digests" / key
    if keep is None and (known := _noted(note)) is not None:
        return known
    folder = keep if keep is not None else cache_folder() / "files" / key
    target = folder / distribution_name(unquote(wheel.file), "the lock")
    digest = download(web, url, target, progress=progress)
    if keep is None:
        target.unlink()
        with suppress(OSError):
            folder.rmdir()
    remember(note, digest)
    return digest


def _noted(note: Path) -> str | None:
    """Return a digest of the cache; None without one. It goes into a lock: nothing else may."""
    try:
        text = read_small(note, 64).decode("ascii")
    except (OSError, UnicodeDecodeError):
        return None
    return text if re.fullmatch("[0-9a-f]{64}", text) else None


__all__ = ["with_hashes", "with_local_hashes"]
