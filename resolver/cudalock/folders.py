"""Where cudalock keeps what is the user's: the folder for data that took work to get."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

DATA_VARIABLE: Final = "CUDALOCK_DATA_DIR"


def data_folder() -> Path:
    """The user's data folder, which need not exist: CUDALOCK_DATA_DIR, else the system's.

    Every command asks for it, and importing platformdirs takes a tenth of a solve; a test holds
    this to what platformdirs says.
    """
    named = os.environ.get(DATA_VARIABLE)
    if named:
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "cudalock"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "cudalock"
    said = os.environ.get("XDG_DATA_HOME", "").strip()
    return (Path(said) if said else Path.home() / ".local" / "share") / "cudalock"


__all__ = ["DATA_VARIABLE", "data_folder"]
