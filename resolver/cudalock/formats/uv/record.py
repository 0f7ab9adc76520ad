"""The comment block that records what cudalock wrote into a project file."""

from __future__ import annotations

import hashlib
import json
import re
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cudalock.lock.sources import source_lines
from cudalock.text import ascii_line, listed, one_line
from cudalock.versions import canonical

if TYPE_CHECKING:
    from cudalock.lock import Lock

SIGN: Final = "# cudalock:"
BLOCK: Final = re.compile(r"^# cudalock:[^\n]*(?:\n# cudalock:[^\n]*)*", re.MULTILINE)


_SHORT: Final = 4
"""Digits of the digest of a requirement: enough to tell a list's own entries from its user's."""


def key_of(role: str, group: str | None) -> str:
    """Return the dotted key of the list that an entry of a project file stands in."""
    if role != "requirement":
        return f"tool.uv.{role}-dependencies"
    kind, _, name = (group or "").partition(":")
    table = {"extra": "project.optional-dependencies", "group": "dependency-groups"}.get(kind)
    return f"{table}.{name}" if table else "project.dependencies"


@dataclass
class Record:
    """What a run wrote: requirements, and keys with a digest of their values."""

    entries: set[str] = field(default_factory=set)
    """digests of the requirements, as they are written"""
    keys: dict[str, str] = field(default_factory=dict)
    pins: set[tuple[str, str]] = field(default_factory=set)
    """what older blocks name: every pin of the lock"""

    @classmethod
    def read(cls, text: str) -> Record:
        """Return the record in a file's text; an empty one where there is none."""
        words: dict[str, list[str]] = {"pins": [], "keys": [], "entries": []}
        block = BLOCK.search(text)
        for line in block[0].splitlines() if block else ():
            key, colon, content = line.removeprefix(SIGN).strip().partition(": ")
            if colon and key in words:
                words[key] += content.split()
        pairs = (word.partition("==") for word in words["pins"])
        keys = (word.rpartition("#") for word in words["keys"])
        return cls(
            set(words["entries"]),
            {k: d for k, _, d in keys},
            {(name, version) for name, _, version in pairs},
        )

    def wrote_entry(self, key: str, text: str) -> bool:
        """Return whether cudalock wrote a requirement of the list with this dotted key."""
        if _digest([key, text])[:_SHORT] in self.entries:
            return True
        # Older blocks name pins, and overrides among the keys.
        name, _, rest = text.partition(";")
        project, equals, version = name.partition("==")
        project = canonical(re.sub(r"\[.*?\]", "", project))
        if not equals:
            return bool(rest) and self.wrote(f"override.{project}", f"{project}; {rest.strip()}")
        return (project, version.strip()) in self.pins

    def note_entry(self, key: str, text: str) -> None:
        """Record that a requirement is written into the list with this dotted key."""
        self.entries.add(_digest([key, text])[:_SHORT])

    def wrote(self, key: str, content: object) -> bool:
        """Return whether cudalock wrote this content under a key."""
        return self.keys.get(key) == _digest(content)

    def note(self, key: str, content: object) -> None:
        """Record that content is written under a key."""
        self.keys[key] = _digest(content)

    def block(self, lock: Lock) -> str:
        """Return the comment block."""
        remarks = [
            ("matrix", lock.matrix_version),
            ("needs", listed(lock.needs)),
            *(("warning", str(warning)) for warning in lock.warnings),
            *(("source", sentence) for sentence in source_lines(lock)),
            *(("replaced", sentence) for sentence in lock.replaced),
        ]
        lines = [f"{SIGN} command: {one_line(lock.command)}"]
        lines += [f"{SIGN} {key}: {ascii_line(text)}" for key, text in dict.fromkeys(remarks)]
        keys = [f"{key}#{digest}" for key, digest in sorted(self.keys.items())]
        for key, words in (("entries", sorted(self.entries)), ("keys", keys)):
            width = 98 - len(f"{SIGN} {key}: ")
            wrapped = textwrap.wrap(
                " ".join(words), width, break_long_words=False, break_on_hyphens=False
            )
            lines += [f"{SIGN} {key}: {line}" for line in wrapped]
        return "\n".join(lines)


def _digest(content: object) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
