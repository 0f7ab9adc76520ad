"""An error as a document: what a program gets on standard output where it asked for JSON."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

from cudalock.errors import NoSolution
from cudalock.text import json_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cudalock.errors import CudalockError

SCHEMA: Final = "cudalock.error/1"


def is_wanted(words: Sequence[str]) -> bool:
    """Return whether a command line asks for JSON, be it one that cannot be read further."""
    # After `--` there are no options: `--json` would be a part of the goal.
    options = list(words[: words.index("--")]) if "--" in words else list(words)
    named = {f"{before} {after}" for before, after in itertools.pairwise(options)}
    spelled = {f"{flag}{sep}json" for flag in ("--format", "--output-format") for sep in " ="}
    return "--json" in options or not spelled.isdisjoint({*named, *options})


def error_document(error: CudalockError, exit_status: int) -> dict[str, Any]:
    """Return `schema`, `code`, `exit_status`, `message`, `conflicts` and `hints`.

    `conflicts` are the reasons of a no, each a list of steps with `says` and `fact` (its id, or
    null). A hint has `text`, and `command` if it is one that was solved, else null.
    """
    from cudalock.conflicts.explanation import Explanation

    explanation = error.explanation if isinstance(error, NoSolution) else None
    suggestions = explanation.suggestions if isinstance(explanation, Explanation) else ()
    commands = {str(suggestion): suggestion.command for suggestion in suggestions}
    headline = explanation.headline if isinstance(explanation, Explanation) else error.message
    return {
        "schema": SCHEMA,
        "code": error.code,
        "exit_status": exit_status,
        "message": headline,
        "conflicts": conflicts_of(error),
        "hints": [{"text": hint, "command": commands.get(hint)} for hint in error.hints],
    }


def conflicts_of(error: CudalockError) -> list[list[dict[str, str | None]]]:
    """Return the reasons of a no, each a list of steps; empty for another error."""
    from cudalock.conflicts.explanation import Explanation
    from cudalock.conflicts.step import describe, fact_of

    explanation = error.explanation if isinstance(error, NoSolution) else None
    conflicts = explanation.conflicts if isinstance(explanation, Explanation) else ()
    return [
        [{"says": describe(step), "fact": fact_of(step)} for step in steps] for steps in conflicts
    ]


def error_json(error: CudalockError, exit_status: int) -> str:
    """Return the document as text, the same bytes for the same error."""
    return json_text(error_document(error, exit_status))
