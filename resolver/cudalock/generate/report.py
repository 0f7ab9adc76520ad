"""What was read of a repository, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from cudalock.generate.hints import Hint
from cudalock.goals.goal import stated_accelerator
from cudalock.goals.values import names_default
from cudalock.targets.accelerators import DEFAULT
from cudalock.text import counted

if TYPE_CHECKING:
    from cudalock.generate.code import Used
    from cudalock.generate.queries import Ask
    from cudalock.generate.read import FileRead, Repository
    from cudalock.generate.solve import Answerable
    from cudalock.goals import Query, RequestedProject
    from cudalock.lock import Lock

SCHEMA: Final = "cudalock.generate/1"
SHOWN: Final = 8
"""So many of a kind are listed in a summary, and the rest counted."""

_NOUNS: Final = {
    DEFAULT.name: DEFAULT.title,
    "python": "Python",
    "glibc": "glibc",
}


def summary(repository: Repository, ask: Ask) -> Iterator[str]:
    """Yield a line each on what was read, inferred and left out, and on the machine."""
    yield f"read: {_read(repository)}"
    if repository.inferred:
        yield f"inferred: {_shortened([_used(row) for row in repository.inferred])}"
    if repository.optional:
        yield f"optional, not taken: {_shortened([_used(row) for row in repository.optional])}"
    if repository.left_out:
        omissions = [f"{row.origin} `{row.text}` ({row.why})" for row in repository.left_out]
        yield f"left out: {_shortened(omissions)}"
    if ask.heeded:
        yield f"hints: {', '.join(_hint(row) for row in ask.heeded)}"
    yield from (f"note: {note}" for note in (*repository.notes, *ask.notes)[:SHOWN])


def _read(repository: Repository) -> str:
    parts = [
        f"{file.name} ({counted(file.entries, 'entry', 'entries')})"
        for file in repository.files
        if file.why_not is None
    ]
    code = repository.code
    if code.files:
        parts.append(counted(code.files, "Python file"))
    if code.notebooks:
        parts.append(counted(code.notebooks, "notebook"))
    return _shortened(parts) if parts else "no file that says what is wanted"


def _used(used: Used) -> str:
    return f"{used.component} ({used.origin} imports {used.module})"


def _hint(hint: Hint) -> str:
    noun = _NOUNS.get(hint.part)
    if hint.part == DEFAULT.name and not names_default(hint.value):
        noun = None
    return f"{noun + ' ' if noun else ''}{hint.value} ({hint.origin})"


def _shortened(parts: Sequence[str]) -> str:
    remaining = len(parts) - SHOWN
    return ", ".join([*parts[:SHOWN], *([f"{remaining} more"] if remaining > 0 else [])])


def lock_notes(repository: Repository, answer: Answerable, lock: Lock) -> tuple[str, ...]:
    """Return what readers of the lock have to know: dropped limits, ignored hints, and what the
    lock does not have."""
    versions = {pin.name: pin.version for pin in lock.pins}
    notes = [
        str(dropped._replace(version=dropped.version or versions.get(dropped.limit.name)))
        for dropped in answer.loosened
    ]
    notes += [f"ignored {_hint(dropped)}: it contradicts the pins" for dropped in answer.given_up]
    # What the user excluded needs no repeating in each lock.
    notes += [str(dropped) for dropped in repository.left_out if not dropped.of_choice]
    return tuple(dict.fromkeys(notes))


# -- all of it ----------------------------------------------------------------------------------


def reading(repository: Repository) -> Iterator[str]:
    """Yield what was read and from where, for `--dry-run`, with or without a solution."""
    for file in repository.files:
        yield _file_line(file)
    code = repository.code
    yield f"code: {code.files} Python files, {code.notebooks} notebooks"
    yield from _requested_lines("wanted", repository.requirements)
    yield from _requested_lines("limited", repository.constraints)
    for used in repository.inferred:
        yield f"inferred: {_used(used)}"
    for used in repository.optional:
        yield f"optional, not taken: {_used(used)}"
    for omission in repository.left_out:
        yield f"left out: {omission.origin}: `{omission.text}`: {omission.why}"


def asking(repository: Repository, answer: Answerable) -> Iterator[str]:
    """Yield the queries, and the repository's hints that they follow."""
    for hint in repository.hints:
        heeded = "" if hint in answer.ask.heeded else " (not taken)"
        yield f"hint: {hint.part} {hint.value}, {hint.origin}{heeded}"
    for limit in repository.limits:
        yield f"hint: Python {limit.value}, {limit.origin}"
    for note in (*repository.notes, *answer.ask.notes):
        yield f"note: {note}"
    for loosened in answer.loosened:
        yield f"loosened: {loosened}"
    for goal, target in answer.questions:
        yield f"target: {target.label}"
        yield f"goal: {', '.join(map(str, goal.requirements))}"


def _file_line(file: FileRead) -> str:
    if file.why_not is not None:
        return f"not read: {file.name}: {file.why_not}"
    return f"read: {file.name}: {counted(file.entries, 'entry', 'entries')}"


def _requested_lines(key: str, requested_projects: Sequence[RequestedProject]) -> Iterator[str]:
    for requested in requested_projects:
        extras = f"[{','.join(requested.extras)}]" if requested.extras else ""
        marker = f"; {requested.marker}" if requested.marker else ""
        yield f"{key}: {requested.name}{extras}{requested.specifier}{marker}, {requested.origin}"


def as_json(repository: Repository, answer: Answerable, matrix_version: str) -> dict[str, Any]:
    """Return the same as JSON of the schema `cudalock.generate/1`."""
    return {
        "schema": SCHEMA,
        "matrix": matrix_version,
        "files": [
            {"name": row.name, "kind": row.kind, "entries": row.entries, "why_not": row.why_not}
            for row in repository.files
        ],
        "code": {"files": repository.code.files, "notebooks": repository.code.notebooks},
        "requirements": [row._asdict() for row in repository.requirements],
        "constraints": [row._asdict() for row in repository.constraints],
        "inferred": [_used_value(row) for row in repository.inferred],
        "optional": [_used_value(row) for row in repository.optional],
        "left_out": [row._asdict() for row in repository.left_out],
        "hints": [{**row._asdict(), "taken": row in answer.ask.heeded} for row in repository.hints],
        "limits": [row._asdict() for row in repository.limits],
        "loosened": [{**row.limit._asdict(), "version": row.version} for row in answer.loosened],
        "notes": [*repository.notes, *answer.ask.notes],
        "questions": [_question_value(row) for row in answer.questions],
    }


def _used_value(used: Used) -> dict[str, str]:
    return {"component": used.component, "module": used.module, "origin": used.origin}


def _question_value(question: Query) -> dict[str, Any]:
    goal, target = question
    return {
        "target": target.label,
        "requirements": list(map(str, goal.requirements)),
        "constraints": list(map(str, goal.constraints)),
        DEFAULT.name: goal.cuda,
        **stated_accelerator(goal),
        "exclude_newer": goal.exclude_newer,
    }


__all__ = ["SCHEMA", "as_json", "asking", "lock_notes", "reading", "summary"]
