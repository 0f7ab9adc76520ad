"""Which files cudalock wrote: a lock may be made again over its own file, and over no other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cudalock.formats.header import find_command
from cudalock.projects.syntax.text import decode_start

if TYPE_CHECKING:
    from pathlib import Path

LARGEST: Final = 32 * 1024 * 1024
"""Bytes. A lock of 1,000 pins with 50 wheels each has 10 MB."""

_HEAD: Final = re.compile(r"\s*(?:#[^\r\n]*(?:\r\n|\r|\n|\Z))+")
"""The comments that a file begins with."""
_TARGET: Final = re.compile(r"^# cudalock: (?!ignore\b)", re.MULTILINE)
"""The line of a header that names a target; `# cudalock: ignore` is a user's own comment."""
_JSON: Final = re.compile(r'\A\s*\{.*^\s*"schema": "cudalock\.', re.MULTILINE | re.DOTALL)
_BOM: Final = re.compile(r'\A(?=.*"bomFormat": "CycloneDX").*"name": "cudalock:command"', re.DOTALL)
"""A bill of materials, of a form that has no place for a schema of ours."""
_CREATED: Final = re.compile(r"^created-by = ([\"'])cudalock\1", re.MULTILINE)
"""A pylock.toml whose comments another program dropped."""
_UV_ROOT: Final = re.compile(r'^name = "cudalock-project"\r?$', re.MULTILINE)
"""uv writes uv.lock, with the name of the project that cudalock made for it."""


def is_own_lock(content: bytes) -> bool:
    """Return whether cudalock wrote a file of this content, whatever encoding it has been given.

    A byte order mark, UTF-16 (what PowerShell's `>` writes) and a `coding:` comment are respected.
    A prefix of the file is enough, but for JSON.
    """
    text = decode_start(content)
    head = _HEAD.match(text)
    if head is not None and _TARGET.search(head[0]) and find_command(head[0]):
        return True
    return any(sign.search(text) for sign in (_JSON, _BOM, _CREATED, _UV_ROOT))


def may_be_replaced(path: Path) -> bool:
    """Return whether nothing is lost when a lock is written to a path.

    That is so where no regular file is, or an empty one, or one that cudalock wrote. Raises OSError
    for a file that cannot be read.
    """
    if not path.is_file():
        return True
    with path.open("rb") as file:
        content = file.read(LARGEST)
    return not decode_start(content).strip() or is_own_lock(content)


__all__ = ["is_own_lock", "may_be_replaced"]
