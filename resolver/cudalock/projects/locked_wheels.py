"""Which wheels a lock names, read from a requirements.txt or pylock.toml that cudalock wrote."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cudalock.addresses import file_of
from cudalock.errors import BadFile
from cudalock.names import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.pylock import PackageArchive, PackageWheel

_PATH = re.compile(r"^(\S+\.whl)(?:\s+;.*)?$")
_DIRECT = re.compile(r"^([A-Za-z0-9._-]+) @ (\S+)")
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+?)(?:;.*)?$")
_INDEX = re.compile(r"^--(extra-)?index-url[ =](\S+)$")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_FROM = re.compile(r"^\s+# from (\S+)$")
_DIGEST = re.compile(r"^\s+# sha256 ([0-9a-f]{64})$")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A wheel of a lock: its file, or, where the lock has but a version, its digests.

    `url` is None for one whose address has to be looked up at an index.
    """

    project: str
    file: str | None
    url: str | None
    digests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LockedWheels:
    """Every wheel of a lock, and the indexes that the lock names."""

    wheels: tuple[Wanted, ...]
    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()


def read(path: Path) -> LockedWheels:
    """The wheels of a lock. Raises BadFile for a file that is no such lock."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise BadFile(f"`{path}` cannot be read: {reason}") from None
    if path.suffix.lower() == ".toml":
        return LockedWheels(tuple(_of_pylock(path, text)))
    return _of_requirements(path, text)


def _of_requirements(path: Path, text: str) -> LockedWheels:
    wheels: list[Wanted] = []
    indexes: dict[bool, list[str]] = {False: [], True: []}
    for number, line, below in _logical_lines(text):
        requirement = line.partition(" --hash=")[0].rstrip()
        digests = tuple(_HASH.findall(line)) or _first(_DIGEST, below)
        if index := _INDEX.match(requirement):
            indexes[bool(index[1])].append(index[2])
        elif requirement.startswith("-"):
            continue
        elif direct := _DIRECT.match(requirement):
            wheels.append(Wanted(canonical(direct[1]), file_of(direct[2]), direct[2], digests))
        elif found := _PATH.match(requirement):
            file = found[1].replace("\\", "/").rpartition("/")[2]
            url = next(iter(_first(_FROM, below)), None)
            wheels.append(Wanted(canonical(file.partition("-")[0]), file, url, digests))
        elif (pin := _PIN.match(requirement)) and digests:
            wheels.append(Wanted(canonical(pin[1]), None, None, digests))
        elif pin:
            raise BadFile(
                f"{path}:{number}: `{requirement}` does not say which wheel it is, without a hash",
                hints=["`cudalock solve` with `--wheels DIR`, which names each file"],
            )
        else:
            raise BadFile(f"{path}:{number}: `{requirement}` is no line of a lock")
    return LockedWheels(tuple(wheels), next(iter(indexes[False]), None), tuple(indexes[True]))


def _logical_lines(text: str) -> Iterator[tuple[int, str, list[str]]]:
    """Each requirement or option with its line number, continuations joined, and the indented
    comments below it."""
    rows = text.splitlines()
    position = 0
    while position < len(rows):
        number, line = position + 1, rows[position].rstrip()
        position += 1
        if not line or line.startswith("#"):
            continue
        while line.endswith("\\") and position < len(rows):
            line = f"{line[:-1].rstrip()} {rows[position].strip()}"
            position += 1
        below = []
        while position < len(rows) and re.match(r"\s+#", rows[position]):
            below.append(rows[position])
            position += 1
        yield number, line, below


def _first(pattern: re.Pattern[str], lines: list[str]) -> tuple[str, ...]:
    return tuple(found[1] for found in map(pattern.match, lines) if found)[:1]


def _of_pylock(path: Path, text: str) -> Iterator[Wanted]:
    from packaging.pylock import Pylock, PylockValidationError

    from cudalock import toml

    try:
        document = Pylock.from_dict(toml.loads(text))
    except (toml.TOMLDecodeError, PylockValidationError) as error:
        raise BadFile(f"`{path}` is no pylock.toml: {error}") from None
    for package in document.packages:
        tool: dict[str, Any] = dict((package.tool or {}).get("cudalock", {}))
        places: list[PackageWheel | PackageArchive] = list(package.wheels or ())
        if package.archive is not None:
            places.append(package.archive)
        if not places:
            raise BadFile(f"`{path}`: {package.name} has no wheel")
        for place in places:
            url = place.url or (tool.get("urls", {})).get(file_of(place.path or ""))
            file = file_of(place.url or place.path or "")
            digests = tuple(each for each in (place.hashes.get("sha256"),) if each)
            yield Wanted(package.name, file, url, digests)


__all__ = ["LockedWheels", "Wanted", "read"]
