"""What pip is configured to use: its index, further indexes, proxy and certificates.

pip reads its environment variables first, then its files: that of the active environment, of the
user, of the machine. `PIP_CONFIG_FILE` names one more, and `os.devnull` there means none at all.
"""

from __future__ import annotations

import configparser
import locale
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cudalock.files import home as home_folder
from cudalock.files import read_small
from cudalock.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SECTIONS = ("global", "install")


class PipSettings(NamedTuple):
    """pip's settings about indexes. `cert` is a file of certificates; those of `trusted_hosts`, by
    name and perhaps port, are not looked at."""

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    cert: str | None = None
    proxy: str | None = None
    trusted_hosts: tuple[str, ...] = ()


def read_pip_settings(environment: Mapping[str, str] | None = None) -> PipSettings:
    """pip's settings as its environment variables and files have them; damaged files are passed
    over, for pip itself complains of them."""
    variables = os.environ if environment is None else environment
    settings: dict[str, str] = {}
    for file in _files(variables):
        settings |= _read(file)
    for name in ("index-url", "extra-index-url", "cert", "proxy", "trusted-host"):
        variable = variables.get(f"PIP_{name.upper().replace('-', '_')}")
        if variable:
            settings[name] = variable
    return PipSettings(
        index_url=settings.get("index-url"),
        extra_index_urls=tuple(settings.get("extra-index-url", "").split()),
        cert=settings.get("cert"),
        proxy=settings.get("proxy"),
        trusted_hosts=tuple(settings.get("trusted-host", "").split()),
    )


def _files(variables: Mapping[str, str]) -> Iterator[Path]:
    """Least important first."""
    named = variables.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return
    # pip has Python look for it, which on Windows has no use for HOME.
    names = ("USERPROFILE",) if sys.platform == "win32" else ("HOME", "USERPROFILE")
    named_home = next(filter(None, map(variables.get, names)), None)
    home = Path(named_home or home_folder())
    if sys.platform == "win32":
        yield Path(variables.get("PROGRAMDATA", "C:/ProgramData")) / "pip" / "pip.ini"
        yield home / "pip" / "pip.ini"
        yield Path(variables.get("APPDATA", home)) / "pip" / "pip.ini"
    else:
        for folder in variables.get("XDG_CONFIG_DIRS", "/etc/xdg").split(os.pathsep):
            yield Path(folder) / "pip" / "pip.conf"
        yield Path("/etc/pip.conf")
        yield home / ".pip" / "pip.conf"
        yield Path(variables.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"
        if sys.platform == "darwin":
            yield home / "Library" / "Application Support" / "pip" / "pip.conf"
    if variables.get("VIRTUAL_ENV"):
        file = "pip.ini" if sys.platform == "win32" else "pip.conf"
        yield Path(variables["VIRTUAL_ENV"]) / file
    if named:
        yield Path(named)


def _read(path: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(_decoded(read_small(path, of_machine=True)))
    except (OSError, configparser.Error):
        return {}
    settings: dict[str, str] = {}
    for section in _SECTIONS:
        if parser.has_section(section):
            settings |= {key.replace("_", "-"): value for key, value in parser.items(section)}
    return settings


def _decoded(content: bytes) -> str:
    """The text of a file that pip wrote, by the machine's locale; UTF-8 where it is not that."""
    for encoding in (locale.getpreferredencoding(False), "utf-8"):
        with suppress(UnicodeDecodeError, LookupError):
            return content.decode(encoding)
    # Whatever a letter means, the index and the proxy beside it are to be honoured.
    return content.decode("utf-8", "replace")


__all__ = ["PipSettings", "read_pip_settings"]
