"""What is installed in an environment: read from its *.dist-info folders, without importing it."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote

from cudalock.text import read_json
from cudalock.urls import split
from cudalock.versions import canonical, parse_version

if TYPE_CHECKING:
    from collections.abc import Iterable
    from email.message import Message
    from importlib import metadata


_NAME: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"


class Origin(NamedTuple):
    """Where a distribution was installed from, when that was no index (PEP 610)."""

    url: str
    sha256: str | None = None
    editable: bool = False

    @property
    def file(self) -> str:
        """The file's name, or the folder's."""
        return unquote(split(self.url).path.rstrip("/").rpartition("/")[2])


@dataclass(frozen=True, slots=True)
class Installed:
    """One installed distribution, by its own files."""

    name: str
    """canonical"""
    version: str
    """as METADATA has it, local label included, in PEP 440's spelling"""
    folder: Path
    """its *.dist-info (or *.egg-info)"""
    tags: tuple[str, ...] = ()
    """the tags in WHEEL, `cp311-cp311-win_amd64`; empty for what was no wheel"""
    build_tag: str | None = None
    requires: tuple[str, ...] = ()
    """Requires-Dist"""
    requires_python: str | None = None
    installer: str | None = None
    """`pip`, `uv`, `conda`, ..."""
    origin: Origin | None = None

    @property
    def public(self) -> str:
        """The version without its local label."""
        return self.version.partition("+")[0]

    @property
    def local(self) -> str | None:
        return self.version.partition("+")[2] or None

    def satisfies(self, version: str) -> bool:
        """Whether an installer leaves it in place if exactly this version is requested: without a
        label in the request, any label will do."""
        return self.version == version or ("+" not in version and self.public == version)

    @property
    def site_packages(self) -> Path:
        """The folder that it is installed in."""
        return self.folder.parent

    @property
    def wheel_file(self) -> str | None:
        """The file it was installed from, when that is known to have been a wheel."""
        return self.origin.file if self.origin and self.origin.file.endswith(".whl") else None

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class Damaged(NamedTuple):
    """A folder named like a distribution that cannot be read as one."""

    folder: Path
    reason: str


class Inventory(NamedTuple):
    """All that is installed in an environment."""

    distributions: tuple[Installed, ...]
    """those that an import finds: one a name, sorted by name"""
    hidden: tuple[Installed, ...] = ()
    """a second distribution of a name, in the same folder or a later one of the path"""
    damaged: tuple[Damaged, ...] = ()

    def find(self, name: str) -> Installed | None:
        """The distribution of a canonical name."""
        return next((installed for installed in self.distributions if installed.name == name), None)


def read_inventory(site_packages: Iterable[Path]) -> Inventory:
    """Read what the folders have, in the order of the path. Never raises for their content: what
    cannot be read is in `damaged`."""
    by_name: dict[str, Installed] = {}
    hidden: list[Installed] = []
    damaged: list[Damaged] = []
    for folder in site_packages:
        for path in _metadata_folders(folder):
            read = _read(path)
            if isinstance(read, Damaged):
                damaged.append(read)
                continue
            there = by_name.get(read.name)
            # The first folder of sys.path wins; in one folder, what was installed last.
            if there is None or _is_later(read, there):
                by_name[read.name] = read
            if there is not None:
                hidden.append(there if by_name[read.name] is read else read)
    return Inventory(
        tuple(by_name[name] for name in sorted(by_name)), tuple(hidden), tuple(damaged)
    )


def _is_later(one: Installed, other: Installed) -> bool:
    """Whether one of two in the same folder was written after the other: its files are there."""
    if one.site_packages != other.site_packages:
        return False
    try:
        return one.folder.stat().st_mtime_ns > other.folder.stat().st_mtime_ns
    except OSError:
        return False


def _metadata_folders(folder: Path) -> list[Path]:
    try:
        return sorted(
            path for path in folder.iterdir() if path.suffix in (".dist-info", ".egg-info")
        )
    except OSError:
        return []


def _read(folder: Path) -> Installed | Damaged:
    if folder.name.startswith(("~", "-")):
        # pip renames what it replaces, and leaves it when Windows holds a file of it open.
        return Damaged(folder, "is what an interrupted pip left behind")
    try:
        return _read_files(folder)
    except (OSError, ValueError, TypeError, LookupError) as error:
        return Damaged(folder, f"cannot be read: {' '.join(str(error).split())}")


_FILES: Final = ("METADATA", "PKG-INFO", "WHEEL", "INSTALLER", "direct_url.json", "RECORD")
_LARGEST: Final = 64 << 20
"""Bytes of one of these; torch's RECORD has two million."""


def _check_files(folder: Path) -> None:
    """Raise ValueError where one of the files is a pipe, which would be waited for, or is huge."""
    for name in _FILES:
        with suppress(FileNotFoundError, NotADirectoryError):
            status = os.stat(f"{folder}/{name}")  # noqa: PTH116 (a thousand of them are asked)
            if not stat.S_ISREG(status.st_mode):
                raise ValueError(f"{name} is not a file")
            if status.st_size > _LARGEST:
                raise ValueError(f"{name} is larger than {_LARGEST >> 20} MiB")


def _read_files(folder: Path) -> Installed | Damaged:
    _check_files(folder)
    distribution = _open(folder)
    message = distribution.metadata
    name, version = _first(message, "Name"), _first(message, "Version")
    # METADATA may have anything, and a name becomes part of commands.
    if not name or not version or not re.fullmatch(_NAME, name.strip()):
        return Damaged(folder, "has no METADATA with a name and a version")
    wheel = _wheel_message(distribution.read_text("WHEEL"))
    return Installed(
        name=canonical(name.strip()),
        version=_normalised(version.strip()),
        folder=folder,
        # An invalid tag tells nothing about the Python that the wheel is for.
        tags=tuple(tag for tag in map(str, wheel.get_all("Tag", ())) if tag.count("-") >= 2),
        build_tag=wheel.get("Build"),
        # None, not empty, for a distribution without Requires-Dist.
        requires=tuple(distribution.requires or ()),
        requires_python=_first(message, "Requires-Python"),
        installer=(distribution.read_text("INSTALLER") or "").strip() or None,
        origin=_origin(distribution.read_text("direct_url.json")),
    )


def _normalised(version: str) -> str:
    """As PEP 440 has it; what it does not cover stays as it is."""
    from packaging.version import InvalidVersion

    try:
        return str(parse_version(version))
    except InvalidVersion:
        return version


def _open(folder: Path) -> metadata.PathDistribution:
    # Imported here: solve passes by this package, and has no time for it.
    from importlib.metadata import PathDistribution

    return PathDistribution(folder)


def _first(message: metadata.PackageMetadata, key: str) -> str | None:
    # Not `message[key]`: what that does for a missing key differs from Python to Python.
    return next(iter(message.get_all(key) or ()), None)


def _wheel_message(text: str | None) -> Message:
    from email.parser import Parser

    return Parser().parsestr(text or "")


def _origin(text: str | None) -> Origin | None:
    if not text:
        return None
    try:
        record = read_json(text)
        archive = record.get("archive_info", {})
        sha256 = archive.get("hashes", {}).get("sha256")
        # PEP 610 deprecated `hash` for `hashes`, and older installers write only the former.
        match = re.fullmatch(r"sha256=([0-9a-f]{64})", archive.get("hash", ""))
        editable = bool(record.get("dir_info", {}).get("editable", False))
        return Origin(str(record["url"]), sha256 or (match[1] if match else None), editable)
    except (ValueError, AttributeError, TypeError, LookupError):
        return None
