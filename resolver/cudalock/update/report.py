"""The result of an update, as text and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cudalock.text import counted
from cudalock.update.merge import Change

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cudalock.lint import Defect

SCHEMA: Final = "cudalock.update/1"
SHOWN: Final = 12
"""How many of a kind are named; the rest are counted."""


class Failure(NamedTuple):
    """A source that could not be read; its rows stay."""

    source: str
    says: str
    hints: tuple[str, ...] = ()
    host: str = ""
    """the host that could not be read, and why; empty for another failure"""
    reason: str = ""


class Report(NamedTuple):
    """The whole of an update. `was` and `version` are the matrix's before and after."""

    was: str
    version: str
    folder: str
    asked: int
    changes: tuple[Change, ...]
    notes: tuple[str, ...]
    failures: tuple[Failure, ...]
    unread: tuple[str, ...]
    defects: tuple[Defect, ...]
    traffic: str

    @property
    def exit_status(self) -> int:
        """3 if a source failed; else 1 for defects or a changed digest; else 0."""
        if self.failures:
            return 3
        return 1 if self.defects or self.rehashed else 0

    @property
    def rehashed(self) -> list[str]:
        """Wheels whose digest differs from the recorded one."""
        return [
            f"{change.project} {change.version} {tags}"
            for change in self.changes
            for tags in change.rehashed
        ]

    def text(self) -> str:
        """The summary: a line of counts, then what is new, changed, gone, failed."""
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        new = [change for change in self.changes if change.new]
        changed = [change for change in self.changes if not change.new]
        gone = sum(len(change.gone) for change in self.changes)
        moved = f"{self.was} -> {self.version}" if self.version != self.was else self.was
        yield (
            f"matrix {moved}: {counted(len(new), 'new release')}, "
            f"{counted(len(changed), 'changed release')}, {counted(gone, 'vanished wheel')} "
            f"({counted(self.asked, 'source')} asked)"
        )
        yield from _listed("new", [f"{_name(each)} ({_sizes(each)})" for each in new])
        yield from _listed("changed", [f"{_name(each)} ({_sizes(each)})" for each in changed])
        yield from _listed(
            "vanished", [f"{_name(each)} {tags}" for each in self.changes for tags in each.gone]
        )
        yield from _listed("other digest", self.rehashed)
        yield from _listed("note", self.notes)
        yield from _listed("name not understood, left out", self.unread)
        yield from _listed("defect", [str(defect) for defect in self.defects])
        yield from _listed(
            "failed, its rows are kept",
            list(_by_host(self.failures)),
            99,
        )
        yield f"written: {self.folder}" if self.version != self.was else "written: nothing"
        yield f"asked: {self.traffic}"

    def document(self) -> dict[str, Any]:
        """Return the same as JSON; only `traffic` differs from run to run."""
        return {
            "schema": SCHEMA,
            "was": self.was,
            "matrix": self.version,
            "folder": self.folder,
            "changes": [
                {
                    "project": change.project,
                    "version": change.version,
                    "new": change.new,
                    "added": list(change.added),
                    "changed": list(change.changed),
                    "vanished": list(change.gone),
                    "rehashed": list(change.rehashed),
                }
                for change in self.changes
            ],
            "notes": list(self.notes),
            "unread": list(self.unread),
            "failures": [
                {"source": failure.source, "says": failure.says, "hints": list(failure.hints)}
                for failure in self.failures
            ],
            "defects": [defect._asdict() for defect in self.defects],
            "traffic": self.traffic,
        }


def _listed(key: str, lines: Sequence[str], most: int = SHOWN) -> Iterator[str]:
    for line in lines[:most]:
        yield f"{key}: {line}"
    if len(lines) > most:
        yield f"{key}: and {len(lines) - most} more"


def _by_host(failures: Sequence[Failure]) -> Iterator[str]:
    """A line for each failure; one for all that a host does not answer for the same reason."""
    by_host: dict[tuple[str, ...], list[Failure]] = {}
    for failure in failures:
        key = (failure.host, failure.reason) if failure.host else (failure.source, failure.says)
        by_host.setdefault(key, []).append(failure)
    for alike in by_host.values():
        first = alike[0]
        if len(alike) == 1:
            yield f"{first.source}: {first.says}"
        else:
            more = f" and {len(alike) - 1} more: cannot read {first.host}: {first.reason}"
            yield f"{first.source}{more}"


def _name(change: Change) -> str:
    return f"{change.project} {change.version}"


def _sizes(change: Change) -> str:
    sizes = [
        f"{len(counted_rows)} {word}"
        for counted_rows, word in (
            (change.added, "added"),
            (change.changed, "changed"),
            (change.gone, "gone"),
        )
        if counted_rows
    ]
    return ", ".join(sizes) if sizes and change.changed != ("metadata",) else "metadata"


__all__ = ["Failure", "Report"]
