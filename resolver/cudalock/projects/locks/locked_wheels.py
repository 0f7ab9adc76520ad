"""Which wheels a lock names, read from a requirements.txt or pylock.toml that cudalock wrote."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cudalock.errors import BadFile
from cudalock.projects.read import read_file
from cudalock.urls import file_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.pylock import PackageArchive, PackageSdist, PackageWheel

    from cudalock.projects.model import Declared, ProjectFile

ARCHIVES = (".tar.gz", ".zip", ".tgz", ".tar.bz2", ".tar.xz")
"""Endings of source distributions."""

# Comments that cudalock writes below a pin where the format has no field for a URL or digest.
_FROM = re.compile(r"^[ \t]+# from (\S+)[ \t\r]*$", re.MULTILINE)
_DIGEST = re.compile(r"^[ \t]+# sha256 ([0-9a-f]{64})[ \t\r]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class WheelToFetch:
    """A wheel of a lock: its file, or, where the lock has only a version, its digests.

    `url` is None for one that has to be looked up at an index.
    """

    project: str
    file: str | None
    url: str | None
    digests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LockedWheels:
    """Every wheel of a lock, and the indexes that the lock names."""

    wheels: tuple[WheelToFetch, ...]
    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()


def read(path: Path) -> LockedWheels:
    """Read the wheels of a lock. Raises BadFile for a file that is no such lock."""
    is_toml = path.suffix.lower() == ".toml"
    file = read_file(path, kind="pylock" if is_toml else "requirements")
    if is_toml:
        return LockedWheels(tuple(_of_pylock(path, file.text)))
    return _of_requirements(file)


def _of_requirements(file: ProjectFile) -> LockedWheels:
    for problem in file.problems:
        raise BadFile(f"{problem.place}: {problem.message}: not a line of a lockfile")
    # Comments belong to the entry above them, up to the next one.
    pins = list(file.declared)
    ends = [*(pin.place.start for pin in pins), len(file.text)][1:]
    wheels = tuple(
        _locked_wheel(pin, file.text[pin.place.end : end])
        for pin, end in zip(pins, ends, strict=True)
    )
    return LockedWheels(wheels, file.index_url, file.extra_index_urls)


def _locked_wheel(pin: Declared, below: str) -> WheelToFetch:
    """Return the wheel of an entry, with the URL and digest of the comments below it."""
    digests = tuple(digest[7:] for digest in pin.hashes if digest.startswith("sha256:"))
    digests = digests or _first(_DIGEST, below)
    if pin.url is not None and "://" in pin.url:
        return WheelToFetch(pin.name, file_of(pin.url), pin.url, digests)
    # A file in a folder (`--wheels`): the comment has the URL that it was downloaded from.
    if pin.url is not None and pin.url.endswith((".whl", *ARCHIVES)):
        url = next(iter(_first(_FROM, below)), None)
        return WheelToFetch(pin.name, file_of(pin.url), url, digests)
    if pin.version is not None and digests:
        return WheelToFetch(pin.name, None, None, digests)
    # A version without a digest may be any of a dozen builds.
    if pin.version is not None:
        raise BadFile(
            f"{pin.place.file}:{pin.place.line}: `{pin.text}` does not say which wheel it "
            "is, without a hash",
            hints=["`cudalock solve` with `--wheels DIR`, which names each file"],
        )
    raise BadFile(f"{pin.place.file}:{pin.place.line}: `{pin.text}` is not a line of a lockfile")


def _first(pattern: re.Pattern[str], text: str) -> tuple[str, ...]:
    return tuple(match[1] for match in pattern.finditer(text))[:1]


def _of_pylock(path: Path, text: str) -> Iterator[WheelToFetch]:
    from packaging.pylock import Pylock, PylockValidationError

    from cudalock import toml

    try:
        document = Pylock.from_dict(toml.loads(text))
    except (toml.TOMLDecodeError, PylockValidationError) as error:
        raise BadFile(f"`{path}` is not a valid pylock.toml: {error}") from None
    for package in document.packages:
        tool: dict[str, Any] = dict((package.tool or {}).get("cudalock", {}))
        # A renamed wheel, such as flash-attn's release files, is an `archive` of the lock: pip
        # refuses it among `wheels`, where file name and metadata have to agree.
        places: list[PackageWheel | PackageArchive | PackageSdist] = list(package.wheels or ())
        places += [place for place in (package.archive, package.sdist) if place is not None]
        if not places:
            raise BadFile(f"`{path}`: {package.name} has no file")
        for place in places:
            url = place.url or (tool.get("urls", {})).get(file_of(place.path or ""))
            if url is None and place.path and Path(place.path).is_absolute():
                # A wheel of a folder here, which no index has.
                url = Path(place.path).as_uri()
            file = file_of(place.url or place.path or "")
            digests = tuple(digest for digest in (place.hashes.get("sha256"),) if digest)
            yield WheelToFetch(package.name, file, url, digests)


__all__ = ["LockedWheels", "WheelToFetch", "read"]
