"""Several lines of one project as one JSON document, for programs.

The document is `"schema": "cudalock.lines/1"`, described by `schemas/lines-1.schema.json`: what is
common to all lines, and for each its name, the index that has its builds, and its lock as a
`cudalock.solve/1` of its own, so that a reader of locks reads a line without knowing of lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cudalock.formats import LinedFormat
from cudalock.formats.json_lock import as_document as lock_document
from cudalock.lock import require_hashes
from cudalock.text import json_text

if TYPE_CHECKING:
    from cudalock.formats import InstallCommand, WriteOptions
    from cudalock.lock.lines import LinedLock

SCHEMA: Final = "cudalock.lines/1"


def render(lined: LinedLock, options: WriteOptions) -> str:
    """Return the document's text. Raises HashesMissing for `--hashes require` without them all."""
    if options.hashes == "require":
        for lock in lined.locks:
            require_hashes(lock)
    return json_text(as_document(lined))


def as_document(lined: LinedLock) -> dict[str, Any]:
    """Return the document as JSON values."""
    return {
        "schema": SCHEMA,
        "matrix": lined.lines[0].lock.matrix_version,
        "command": lined.command,
        "notes": list(map(str, lined.notes)),
        "lines": [
            {"name": line.name, "index": line.index, "lock": lock_document(line.lock)}
            for line in lined.lines
        ],
    }


def install_commands(_lined: LinedLock, _options: WriteOptions) -> tuple[InstallCommand, ...]:
    """Return no command: no installer reads the document."""
    return ()


LINES: Final = LinedFormat(render, install_commands, parts=())
