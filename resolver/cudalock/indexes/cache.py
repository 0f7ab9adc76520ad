"""The folder of the cache: the user's, or the one that a variable names."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from cudalock.files import home, write_atomically

CACHE_VARIABLE: Final = "CUDALOCK_CACHE_DIR"


def cache_folder() -> Path:
    """Return the folder, which need not exist."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named)
    from platformdirs import user_cache_path

    # For a user without a home platformdirs leaves the `~`, and the folder would be made right
    # here.
    folder = user_cache_path("cudalock", appauthor=False)
    return folder if folder.is_absolute() else home() / "cudalock"


def responses_path() -> Path:
    """Return where responses of servers are kept, which need not exist."""
    return cache_folder() / "http.db"


def remember(note: Path, text: str) -> None:
    """Write a text into the cache, whole or not at all. A disk that refuses is no failure: the
    cache is a convenience."""
    with suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(note, text.encode("utf-8"))


__all__ = ["CACHE_VARIABLE", "cache_folder", "remember", "responses_path"]
