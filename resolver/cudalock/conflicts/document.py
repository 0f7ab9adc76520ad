"""An error as values of JSON: `cudalock.error/1`, with the steps of a no."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cudalock.conflicts.explanation import Explanation
from cudalock.conflicts.step import describe, fact_of
from cudalock.errors import NoSolution

if TYPE_CHECKING:
    from cudalock.errors import CudalockError

SCHEMA: Final = "cudalock.error/1"


def error_document(error: CudalockError, exit_status: int) -> dict[str, Any]:
    """Return `schema`, `code`, `exit_status`, `message`, `conflicts` and `hints`.

    `conflicts` are the reasons of a no, each a list of steps with `says` and `fact` (its id, or
    null). A hint has `text`, and `command` if it is one that was solved, else null.
    """
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
    explanation = error.explanation if isinstance(error, NoSolution) else None
    conflicts = explanation.conflicts if isinstance(explanation, Explanation) else ()
    return [
        [{"says": describe(step), "fact": fact_of(step)} for step in steps] for steps in conflicts
    ]
