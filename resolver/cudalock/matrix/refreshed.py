"""A user's refreshed rows: what `matrix update` brought, laid over the generated half.

    DATA/matrix/current          the name of the folder in use: one small file, replaced at once
    DATA/matrix/VERSION/         manifest.json, and those files of index/ and cuda/ that differ

The curated half is always that of the installed cudalock. Each file is checked against the manifest
when it is read; one that is damaged or missing is passed over, with a warning, and the embedded one
stands in.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cudalock.files import data_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FOLDER: Final = "matrix"
CURRENT: Final = "current"
MANIFEST: Final = "manifest.json"
SCHEMA: Final = "cudalock.refreshed/1"


class Refreshed:
    """Files of index/ and cuda/ that are newer than the embedded ones.

    `warn` is told of damage, once for each file.
    """

    def __init__(
        self, directory: Path, manifest: Mapping[str, Any], warn: Callable[[str], None]
    ) -> None:
        self.directory = directory
        self.version: str = manifest["version"]
        self.base: str = manifest["base"]
        self.files: dict[str, str] = dict(manifest["files"])
        self.damaged = False
        """whether some file was found damaged so far"""
        self._warn = warn

    def path(self, name: str) -> Path | None:
        """Where a file is, `index/torch.json`, if it is held here and whole."""
        digest = self.files.get(name)
        if digest is None:
            return None
        path = self.directory / name
        try:
            content = path.read_bytes()
        except OSError:
            content = b""
        if digest_of(content) == digest:
            return path
        del self.files[name]
        self.damaged = True
        self._warn(damage(path))
        return None


def find_refreshed(
    embedded: str, warn: Callable[[str], None], folder: Path | None = None
) -> Refreshed | None:
    """What the user refreshed, if it is newer than the embedded matrix; None where there is none.

    Without one this costs a single look for a file.
    """
    root = (folder or data_folder()) / FOLDER
    try:
        current = (root / CURRENT).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    try:
        manifest = json.loads((root / current / MANIFEST).read_bytes())
        if manifest["schema"] != SCHEMA or not isinstance(manifest["files"], dict):
            raise ValueError
        found = Refreshed(root / current, manifest, warn)
        newer = order(found.version) > order(embedded)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        warn(damage(root / (current[:80] or CURRENT)))
        return None
    return found if newer else None


def order(version: str) -> tuple[int, ...]:
    """Sorts versions that are dates, `2026.11.21` or `2026.11.21.2`. Raises ValueError."""
    return tuple(int(part) for part in version.split("."))


def digest_of(content: bytes) -> str:
    """Tells a whole file from a damaged one; it guards against accidents, not against attacks."""
    return f"{len(content)}-{zlib.crc32(content):08x}"


def damage(path: Path) -> str:
    """The warning about a damaged file."""
    return f"`{path}` is damaged, the embedded matrix stands in; `cudalock matrix update` mends it"


__all__ = ["CURRENT", "FOLDER", "MANIFEST", "SCHEMA", "Refreshed", "digest_of", "find_refreshed"]
