"""The folders of a Windows environment that is seen from Linux, as Windows has them."""

from __future__ import annotations

import configparser
import re
from pathlib import Path, PurePath, PureWindowsPath
from typing import TYPE_CHECKING, Final

from cudalock.files import read_small

if TYPE_CHECKING:
    from collections.abc import Mapping

_SETTINGS: Final = Path("/etc/wsl.conf")
_DISTRIBUTION: Final = "WSL_DISTRO_NAME"
"""What WSL calls the Linux that runs in it."""


def windows_folder(
    folder: PurePath, environ: Mapping[str, str], settings: Path = _SETTINGS
) -> PureWindowsPath | None:
    r"""Return the name that Windows has for a folder: `C:\Users\u` for `/mnt/c/Users/u`, and
    `\\wsl.localhost\Ubuntu\home\u` for one of the Linux itself. None where there is no Windows.
    """
    root = re.escape(_mount_root(settings))
    if match := re.fullmatch(rf"{root}([a-zA-Z])(/.*)?", folder.as_posix()):
        return PureWindowsPath(f"{match[1].upper()}:{match[2] or '/'}")
    distribution = environ.get(_DISTRIBUTION)
    # A variable may have anything in it, and this becomes a part of a path.
    if distribution and re.fullmatch(r"[\w.-]+", distribution):
        return PureWindowsPath(f"//wsl.localhost/{distribution}{folder.as_posix()}")
    return None


def _mount_root(settings: Path) -> str:
    """Return where WSL mounts the drives of Windows: `/mnt/` unless its settings have another."""
    # A key that is there twice, or a percent sign, is no reason to fail: the file is WSL's.
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    try:
        parser.read_string(read_small(settings).decode("utf-8", "replace"))
        root = parser.get("automount", "root", fallback="/mnt/").strip().strip('"')
    except (OSError, configparser.Error):
        root = "/mnt/"
    return f"{root.rstrip('/')}/"


__all__ = ["windows_folder"]
