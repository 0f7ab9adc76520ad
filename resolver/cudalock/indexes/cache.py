"""The folder of the cache: the user's, or the one that a variable names."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from cudalock.files import home, write_atomically
from cudalock.targets import LINUX

CACHE_VARIABLE: Final = "CUDALOCK_CACHE_DIR"


def cache_folder() -> Path:
    """Return the folder, which need not exist."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named)
    if sys.platform == LINUX.sys_platform:
        # As platformdirs has it, whose import takes a twentieth of a conflict's explanation.
        xdg = os.environ.get("XDG_CACHE_HOME", "").strip()
        folder = (Path(xdg) if xdg else home() / ".cache") / "cudalock"
    else:
        from platformdirs import user_cache_path

        folder = user_cache_path("cudalock", appauthor=False)
    # For a user without a home platformdirs leaves the `~`, and the folder would be made right
    # here.
    return folder if folder.is_absolute() else home() / "cudalock"


def responses_path() -> Path:
    """Return where responses of servers are kept, which need not exist."""
    return cache_folder() / "http.db"


CONTENT: Final = ("http.db", "http.db-shm", "http.db-wal", "http.db-journal")
"""The files of the cache that are not in one of `FOLDERS`."""
FOLDERS: Final = ("metadata", "sdists", "digests", "files")


def cached_files() -> list[Path]:
    """Return the files of the cache. Whatever else is in its folder is somebody else's."""
    folder = cache_folder()
    files = [folder / name for name in CONTENT]
    for name in FOLDERS:
        # A link leads out of the cache.
        if not (folder / name).is_symlink():
            files += (folder / name).rglob("*")
    return [path for path in files if path.is_file() and not path.is_symlink()]


def clear_cache() -> tuple[int, int]:
    """Remove the files of the cache; return how many there were, and their size in bytes.

    Raises OSError for one that cannot be removed.
    """
    count, size = 0, 0
    for path in cached_files():
        length = path.stat().st_size
        # Another process may clear it too.
        path.unlink(missing_ok=True)
        count, size = count + 1, size + length
    return count, size


def remember(note: Path, text: str) -> None:
    """Write a text into the cache, whole or not at all. A disk that refuses is no failure: the
    cache is a convenience."""
    with suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(note, text.encode("utf-8"))


__all__ = [
    "CACHE_VARIABLE",
    "cache_folder",
    "cached_files",
    "clear_cache",
    "remember",
    "responses_path",
]
