"""The one function that the page calls: a question as JSON, its answer as JSON.

    {"ask": "solve",    "state": {...}}                 the lock, or that there is none
    {"ask": "why-not",  "state": {...}}                 why there is none, and what to change
    {"ask": "explain",  "state": {...}}                 why each pin is what it is
    {"ask": "file",     "state": {...}, "format": ...}  the lock as a file
    {"ask": "mark",     "state": {...}, "options": {...}}  what each other choice would do
    {"ask": "read",     "text": ...}                    the state that words mean
    {"ask": "check",    "text": ..., "name": ..., "state": {...}}
    {"ask": "diagnose", "text": ..., "state": {...}}

Every answer has `answer`: `yes`, `no`, `unknown` (nobody knows, or the search gave up) or `wrong`
(the question cannot be answered), and with the last three mostly `error`, a `cudalock.error/1`. The
same question gives the same bytes on every machine: nothing of the machine it runs on is looked at.
"""

from __future__ import annotations

import gc
import json
import os
import shlex
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cudalock.errors import BadFile, CudalockError, GaveUp, NoSolution, NotKnown, UsageError
from cudalock.formats import DEFAULTS, FORMATS, load_format
from cudalock.goals import command_line, read_request
from cudalock.goals.targets import nowhere
from cudalock.matrix.universe import ClosedUniverse
from web.engine.state import (
    ACCELERATOR,
    GOAL,
    TARGET,
    State,
    relaxed,
    request_of,
    state_of,
    state_of_words,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cudalock.goals import Goal, Query
    from cudalock.lock import Lock
    from cudalock.matrix.matrix import Matrix
    from cudalock.resolution.model import Resolution
    from cudalock.targets import Target

Answer = dict[str, Any]

LARGEST: Final = 2 << 20
"""Characters of a pasted text: a lockfile of a large project has one million."""
CACHED: Final = 8
"""Solutions that are remembered: the formats and reasons of one are asked for after another."""
FOLLOWING: Final = ("explain", "file", "mark")
"""The questions about a state that was solved just before: what that found out is used again."""
MOST_BYTES: Final = 30_000_000
"""Bytes in use from which on the next question starts afresh."""
FORMAT: Final = "requirements"
EXAMINED: Final = 400
"""Characters of a pasted text's line that are shown."""


class Room(NamedTuple):
    """What a page needs to drop what it found out, the rows that it read included: a browser's
    memory grows and never shrinks."""

    in_use: Callable[[], int]
    """how many bytes are in use"""
    open: Callable[[], Matrix]
    """opens the same matrix once more"""


class Page:
    """What the page knows: one matrix, and the last few solutions over it."""

    def __init__(self, matrix: Matrix, room: Room | None = None) -> None:
        self.universe = ClosedUniverse(matrix)
        self._room = room
        self._solved = lru_cache(CACHED)(self._solve)
        self._questions: dict[str, Callable[..., Answer]] = {
            "solve": self.solve,
            "why-not": self.why_not,
            "explain": self.explain,
            "file": self.file,
            "mark": self.mark,
            "read": self.read,
            "check": self.check,
            "diagnose": self.diagnose,
        }

    @property
    def matrix(self) -> Matrix:
        return self.universe.matrix

    def answer(self, text: str) -> str:
        """Return the answer to a question. A question that cannot be read has one as well."""
        name = None
        try:
            question = json.loads(text)
            name = question.pop("ask")
            if name not in FOLLOWING:
                self._make_room()
            reply = self._questions[name](**question)
        except CudalockError as error:
            reply = self._refused(error)
        except (ValueError, LookupError, TypeError, RecursionError, ImportError) as error:
            reply = self._refused(UsageError(f"cannot answer that: {type(error).__name__} {error}"))
        if name != "mark":
            # What is garbage now would make the browser's memory grow, which never shrinks.
            gc.collect()
        return json.dumps(reply, ensure_ascii=False, separators=(",", ":"), sort_keys=True)

    def _make_room(self) -> None:
        """Drop what was found out, if it has become much: the next answer takes as long as a first
        one."""
        if self._room is not None and self._room.in_use() > MOST_BYTES:
            self._solved.cache_clear()
            # What problems share hangs on their matrix, and goes with it.
            self.universe = ClosedUniverse(self._room.open())
            gc.collect()

    # -- solve --------------------------------------------------------------------------------

    def solve(self, state: State) -> Answer:
        """The lock for a state, as a document and as a requirements file; quick about a no."""
        from cudalock.formats.json_lock import as_document
        from cudalock.lock.summary import headline, warnings_of

        goal, target = self._query(state)
        solved = self._solved(goal, target)
        if solved is None:
            return {"answer": "none", "command": command_line(goal, target)}
        _, lock = solved
        return {
            "answer": "yes",
            "command": lock.command,
            "headline": headline(lock),
            "target": lock.target.label,
            "warnings": warnings_of(lock),
            "origins": self._origins(lock),
            "lock": as_document(lock),
            "file": self._file(lock, FORMAT),
        }

    def why_not(self, state: State) -> Answer:
        """Why a state has no solution, with the state that each hint leads to."""
        from cudalock.solving import solve

        goal, target = self._query(state)
        solve(goal, target, self.universe)
        raise UsageError("there is a solution")

    def explain(self, state: State) -> Answer:
        """Why each pin of the lock is what it is, with the facts that this rests on."""
        from cudalock.conflicts.pin_reasons import as_document, explain_pins

        goal, target = self._query(state)
        solved = self._solved(goal, target)
        if solved is None:
            return self.why_not(state)
        document = as_document(solved[0], explain_pins(solved[0]))
        passed_over = [passed for pin in document["pins"] for passed in pin["passed_over"]]
        ids = [passed["fact"] for passed in passed_over]
        ids += [warning["fact"] for warning in document["warnings"]]
        return {"answer": "yes", "explanation": document, "facts": self._facts(ids)}

    def file(self, state: State, format: str = FORMAT) -> Answer:
        """The lock in one format."""
        goal, target = self._query(state)
        solved = self._solved(goal, target)
        if solved is None or format not in offline_formats():
            raise UsageError(f"no file of the format `{format}`")
        return {"answer": "yes", "file": self._file(solved[1], format)}

    def _query(self, state: State) -> Query:
        return read_request(request_of(state), self.universe, here=nowhere())

    def _solve(self, goal: Goal, target: Target) -> tuple[Resolution, Lock] | None:
        """The resolution and its lock; None if there is none, or nobody knows of one."""
        from cudalock.resolution.find import find
        from cudalock.solving import lock_of

        resolution = find(goal, target, self.universe)
        if resolution is None:
            return None
        return resolution, lock_of(resolution, command_line(goal, target))

    def _file(self, lock: Lock, name: str) -> Answer:
        kind = load_format(name)
        options = DEFAULTS._replace(matrix=self.matrix) if kind.needs_matrix else DEFAULTS
        beside = kind.companions(lock, options)
        return {
            "format": name,
            "filename": kind.filename,
            "text": kind.render(lock, options),
            "install": [command._asdict() for command in kind.install_commands(lock, options)],
            "beside": [{"filename": name, "text": beside[name]} for name in sorted(beside)],
        }

    def _origins(self, lock: Lock) -> Answer:
        """Where each wheel comes from, for people, by its file name."""
        from cudalock.lock import origin

        return {pin.wheel.file: origin(pin.wheel) for pin in lock.pins}

    # -- what every other choice would do -----------------------------------------------------

    def mark(self, state: State, options: Mapping[str, list[str]]) -> Answer:
        """How each option of each key would do in the place of what the state has.

        `yes`: the rest of the selection stays; `other`: only if other versions are chosen; `no`;
        `unknown`. An empty option leaves the key out. A key with `+` before it is added to or taken
        from what the state has.
        """
        marks = {
            key: {one: self._mark(state, key, one) for one in ones} for key, ones in options.items()
        }
        return {"answer": "yes", "marks": marks}

    def _mark(self, state: State, key: str, option: str) -> str:
        try:
            goal, target = self._query(with_option(state, key, option))
        except CudalockError:
            # A GPU that no such machine has, a release that there is not.
            return "no"
        mark = self._outcome(goal, target)
        if mark == "yes":
            return mark
        other = relaxed(goal, key)
        return "other" if other != goal and self._outcome(other, target) == "yes" else mark

    def _outcome(self, goal: Goal, target: Target) -> str:
        from cudalock.solving import is_solvable

        outcome = is_solvable(goal, target, self.universe)
        return "unknown" if outcome is None else "yes" if outcome else "no"

    # -- words --------------------------------------------------------------------------------

    def read(self, text: str) -> Answer:
        """The state that a sentence means, `torch 2.8 + FA2 on Windows py3.12`."""
        words = shlex.split(text) if text.lstrip().startswith("cudalock ") else [text]
        if words[:2] == ["cudalock", "solve"]:
            state = state_of_words(words[2:])
        else:
            query = read_request(request_of({GOAL: words}), self.universe, here=nowhere())
            state = state_of(*query)
        if state is None:
            raise UsageError("the page has no place for that", hints=["run the command itself"])
        self._query(state)
        return {"answer": "yes", "state": state}

    # -- pasted texts -------------------------------------------------------------------------

    def check(
        self, text: str, name: str = "", state: State | None = None, fix: bool = True
    ) -> Answer:
        """The findings of a pasted file, and the file with what can be fixed in it."""
        from web.engine.pasted import NAMES, name_of

        _check_size(text)
        name = name or name_of(text)
        if name not in NAMES:
            raise BadFile(f"`{name}` is not a file that is checked")
        # In a folder of its own: `-r other.txt` names no file of the machine.
        with tempfile.TemporaryDirectory() as folder:
            back = Path.cwd()
            os.chdir(folder)
            try:
                Path(name).write_bytes(text.encode("utf-8", "replace"))
                return self._checked(name, text, state or {}, fix=fix)
            finally:
                os.chdir(back)

    def _checked(self, name: str, text: str, state: State, *, fix: bool) -> Answer:
        from cudalock.check import check_file
        from cudalock.check.fix_text import fix_file, rewrite
        from cudalock.check.reports import REPORTS, CheckReport
        from cudalock.goals.targets import targets_of, targets_stated
        from cudalock.projects.read import read_file

        file = read_file(name)
        stated = {key: texts for key, texts in state.items() if key in TARGET}
        targets = targets_stated(request_of(stated), self.universe) or targets_of(
            [phrase.value for phrase in file.targets], self.universe
        )
        checked = check_file(file, self.matrix, targets)
        fixable = {
            (finding.code, finding.members)
            for rewritten in rewrite(checked, self.matrix)
            for finding in rewritten.mended
        }
        report = CheckReport(
            checked.findings,
            self.matrix.version,
            {part.name: part.text for part in checked.file.files()},
            fixable,
        )
        document = json.loads(REPORTS["json"](report))
        reply: Answer = {
            "answer": "no" if document["summary"]["error"] else "yes",
            "name": name,
            "targets": [target.label for target in targets],
            "report": document,
            "fixable": [(found.code, found.members) in fixable for found in checked.findings],
            "lines": [_line(text, found.place) for found in checked.findings],
            "facts": self._facts([id for found in checked.findings for id in found.facts]),
        }
        if fix and fixable:
            changes: list[str] = []
            fix_file(checked, self.matrix, targets, _write, changes)
            fixed = Path(name).read_bytes().decode("utf-8", "replace")
            reply["fixed"] = {"text": fixed, "diff": _diff(text, fixed, name), "changes": changes}
        return reply

    def diagnose(self, text: str, state: State | None = None) -> Answer:
        """What a pasted error message means, and the state that fixes it."""
        from cudalock.diagnose import diagnose
        from cudalock.diagnose.machine import clues_of_flags
        from cudalock.diagnose.report import (
            as_document,
            lines_of_list,
            nothing_found,
            read_from,
            why_no_command,
        )

        _check_size(text)
        stated = {key: texts[0] for key, texts in (state or {}).items() if key in CLUES and texts}
        clues = clues_of_flags(self.matrix, **stated)
        diagnosis = diagnose(text, self.matrix, clues, nowhere())
        document = as_document(diagnosis, self.matrix)
        reply: Answer = {
            "answer": "yes" if diagnosis.is_known or diagnosis.is_list else "unknown",
            "diagnosis": document,
            "read": list(read_from(diagnosis)),
            "state": None,
            "elsewhere": diagnosis.is_elsewhere,
        }
        if diagnosis.is_list:
            reply["lines"] = list(lines_of_list(diagnosis, self.matrix))
        elif not diagnosis.is_known:
            reply["error"] = self._document(nothing_found(diagnosis, self.matrix))
        elif diagnosis.remedy is None:
            reply["why"] = why_no_command(diagnosis)
        else:
            reply["state"] = state_of_words(shlex.split(diagnosis.remedy.command)[2:])
        return reply

    # -- facts and errors ---------------------------------------------------------------------

    def _facts(self, ids: list[str | None]) -> dict[str, Answer]:
        """What the facts of these ids say, with their sources."""
        facts = {}
        for id in dict.fromkeys(id for id in ids if id):
            try:
                fact = self.matrix.fact(id)
            except KeyError:
                continue
            facts[id] = {"says": f"{fact.component} {fact.says}", "source": list(fact.source)}
        return facts

    def _refused(self, error: CudalockError) -> Answer:
        """The answer that an error is."""
        from cudalock.conflicts.explanation import Explanation

        known = "unknown" if isinstance(error, NotKnown | GaveUp) else "no"
        kind = "wrong" if isinstance(error, UsageError) else known
        explanation = error.explanation if isinstance(error, NoSolution) else None
        suggestions = explanation.suggestions if isinstance(explanation, Explanation) else ()
        states = {
            str(suggestion): {
                "change": suggestion.change,
                "state": state_of(suggestion.goal, suggestion.target),
            }
            for suggestion in suggestions
        }
        document = self._document(error)
        hints = [
            {**hint, **(states.get(hint["text"]) or _typed(hint["text"]))}
            for hint in document["hints"]
        ]
        steps = [step["fact"] for steps in document["conflicts"] for step in steps]
        return {
            "answer": kind,
            "error": {**document, "hints": hints},
            "facts": self._facts(steps),
        }

    def _document(self, error: CudalockError) -> Answer:
        from cudalock.conflicts.document import error_document

        return error_document(error, error.exit_status)


CLUES: Final = ("python", "platform", "gpu", "driver")
"""The keys of a state that `diagnose` takes."""


def offline_formats() -> list[str]:
    """Return the names of the formats that need no network and no other program."""
    kinds = {name: load_format(name) for name in FORMATS}
    return [name for name, kind in kinds.items() if not kind.needs_urls and kind.made_from is None]


def with_option(state: State, key: str, option: str) -> State:
    """Return a state with one option chosen; see `Page.mark`."""
    changed = {name: list(texts) for name, texts in state.items()}
    if key.startswith("+"):
        name = key[1:]
        texts = changed.get(name, [])
        changed[name] = (
            [one for one in texts if one != option] if option in texts else [*texts, option]
        )
        key = name
    else:
        changed[key] = [option] if option else []
    if not changed[key]:
        del changed[key]
    # One wish for an accelerator: another kind of it takes its place.
    for other in ACCELERATOR if key in ACCELERATOR else ():
        if other != key:
            changed.pop(other, None)
    return changed


def _typed(hint: str) -> Answer:
    """What a hint that is nothing but options changes, `--platform linux`."""
    if not hint.startswith("--"):
        return {}
    patch = state_of_words(shlex.split(hint))
    return {"change": hint, "patch": patch} if patch else {}


def _check_size(text: str) -> None:
    if len(text) > LARGEST:
        raise BadFile(
            f"the text has {len(text):,} characters, and {LARGEST:,} are read here at most",
            hints=["`cudalock check FILE` and `cudalock diagnose FILE` read larger ones"],
        )


def _write(name: str, content: bytes) -> None:
    # A fix changes the pasted file alone: there is no other one beside it.
    Path(name).write_bytes(content)


def _line(text: str, place: Any) -> Answer | None:
    """The line that a finding is about, and where in it."""
    if place is None:
        return None
    begin = text.rfind("\n", 0, place.start) + 1
    line = text[begin:].partition("\n")[0].rstrip("\r")
    column = place.start - begin
    if not line.strip() or column >= min(len(line), EXAMINED):
        return None
    end = min(place.end - begin, len(line), EXAMINED)
    return {"text": line[:EXAMINED], "start": column, "end": max(end, column + 1)}


def _diff(before: str, after: str, name: str) -> list[str]:
    """The lines of a unified diff, without its head."""
    from difflib import unified_diff

    old, new = before.splitlines(), after.splitlines()
    return list(unified_diff(old, new, name, name, lineterm="", n=2))[2:]
