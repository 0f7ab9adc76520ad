"""Addresses as they may be written into a file or shown to people."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit, urlunsplit


def encoded(url: str) -> str:
    """The address with spaces encoded, and each `+`, which some file stores would read as one."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path.replace("+", "%2B").replace(" ", "%20")))


def file_of(url: str) -> str:
    """The name of the file that an address or a path leads to, decoded. Any text has one, or ""."""
    path = urlsplit(url).path if can_be_split(url) else url.partition("?")[0].partition("#")[0]
    return unquote(path).replace("\\", "/").rpartition("/")[2]


def can_be_split(url: str) -> bool:
    """Whether an address can be taken apart at all: `https://[::1/x` cannot be."""
    try:
        urlsplit(url)
    except ValueError:
        return False
    return True


def without_credentials(url: str, *, keep_variables: bool = False) -> str:
    """The address less user and password. A user without a password may itself be a token.

    With `keep_variables` a secret that is a variable stays: some files' readers expand `${TOKEN}`.
    """
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    variable = re.fullmatch(r"\$\{[A-Z0-9_]+\}", user.rpartition(":")[2])
    if not at or (keep_variables and variable):
        return url
    return urlunsplit(parts._replace(netloc=host))


__all__ = ["can_be_split", "encoded", "file_of", "without_credentials"]
