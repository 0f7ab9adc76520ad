"""An error as a document: what a program gets on standard output where it asked for JSON."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from cudalock.text import json_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cudalock.errors import CudalockError


def is_wanted(words: Sequence[str]) -> bool:
    """Return whether a command line asks for JSON, be it one that cannot be read further."""
    # After `--` there are no options: `--json` would be a part of the goal.
    options = list(words[: words.index("--")]) if "--" in words else list(words)
    named = {f"{before} {after}" for before, after in itertools.pairwise(options)}
    spelled = {f"{flag}{sep}json" for flag in ("--format", "--output-format") for sep in " ="}
    return "--json" in options or not spelled.isdisjoint({*named, *options})


def error_json(error: CudalockError, exit_status: int) -> str:
    """Return the document as text, the same bytes for the same error."""
    # Imported here: most errors are printed as text.
    from cudalock.conflicts.document import error_document

    return json_text(error_document(error, exit_status))
