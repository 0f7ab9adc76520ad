"""Find the folders of the matrix and of the user's data, and write files atomically."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from cudalock.errors import MatrixError

DATA_VARIABLE: Final = "CUDALOCK_DATA_DIR"

HEADER: Final = "matrix.toml"
"""The file of a matrix that says which edition it is."""

SWITCHES: Final = "switches.json"
"""The file of a matrix that names the switches of the command line."""


def home() -> Path:
    """Return the user's home folder, a path that does not exist if the system knows no user.

    That is so where a container is run under a bare number. Nothing is cached then.
    """
    try:
        return Path.home()
    except RuntimeError:
        return Path("/nonexistent")


def expanded(path: Path) -> Path:
    """Expand a leading `~` or `~name` of a path, unless there is no such user."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def data_directory() -> Path:
    """Return the matrix that is shipped inside the package, else the checkout's `matrix/`.

    Raises MatrixError if neither is there.
    """
    here = Path(__file__).resolve()
    # Not importlib.resources: importing it takes longer than reading what it finds.
    shipped = here.parent / "data"
    checkout = here.parents[2] / "matrix"
    for directory in (shipped, checkout):
        if (directory / HEADER).is_file():
            return directory
    raise MatrixError(HEADER, "", "is missing: the installation is damaged; reinstall it")


def data_folder() -> Path:
    """Return the user's data folder, which need not exist: CUDALOCK_DATA_DIR, else the system's.

    Every command asks for it, and importing platformdirs takes a tenth of a solve; a test holds
    this to what platformdirs says.
    """
    named = os.environ.get(DATA_VARIABLE)
    if named:
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home() / "AppData/Local") / "cudalock"
    if sys.platform == "darwin":
        return home() / "Library" / "Application Support" / "cudalock"
    xdg = os.environ.get("XDG_DATA_HOME", "").strip()
    return (Path(xdg) if xdg else home() / ".local" / "share") / "cudalock"


def files_in(folder: Path, suffix: str) -> list[str]:
    """Return the sorted names of a folder's files that end with `suffix`; none without a folder.

    Every solve lists hundreds, for which pathlib is slow.
    """
    try:
        names = os.listdir(folder)  # noqa: PTH208
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(name for name in names if name.endswith(suffix))


def write_atomically(
    target: Path, content: bytes, mode: int | None = None, *, to_disk: bool = False
) -> None:
    """Write a file completely or not at all: to a new one beside it, which then replaces it.

    `mode` is the mode of the file that is replaced. `to_disk` waits until the disk has it:
    some file systems report only then that it is full. Raises OSError, and leaves nothing then.
    """
    fresh = target.with_name(f".cudalock-{os.urandom(6).hex()}.tmp")
    try:
        with fresh.open("xb") as file:
            file.write(content)
            if to_disk:
                file.flush()
                os.fsync(file.fileno())
        if mode is not None:
            fresh.chmod(mode)
        fresh.replace(target)
    except BaseException:
        with suppress(OSError):
            fresh.unlink()
        raise
