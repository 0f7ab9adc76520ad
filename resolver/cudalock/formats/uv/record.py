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

if TYPE_CHECKING:
    from cudalock.lock import Lock

SIGN: Final = "# cudalock:"
BLOCK: Final = re.compile(r"^# cudalock:[^\n]*(?:\n# cudalock:[^\n]*)*", re.MULTILINE)


@dataclass
class Record:
    """What a run wrote: pins, and keys with a digest of their values."""

    pins: set[tuple[str, str]] = field(default_factory=set)
    keys: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> Record:
        """Return the record in a file's text; an empty one where there is none."""
        words: dict[str, list[str]] = {"pins": [], "keys": []}
        block = BLOCK.search(text)
        for line in block[0].splitlines() if block else ():
            key, colon, content = line.removeprefix(SIGN).strip().partition(": ")
            if colon and key in words:
                words[key] += content.split()
        pairs = (word.partition("==") for word in words["pins"])
        keys = (word.rpartition("#") for word in words["keys"])
        return cls({(name, version) for name, _, version in pairs}, {k: d for k, _, d in keys})

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
        pins = sorted(f"{name}=={version}" for name, version in self.pins)
        keys = [f"{key}#{digest}" for key, digest in sorted(self.keys.items())]
        for key, words in (("pins", pins), ("keys", keys)):
            width = 98 - len(f"{SIGN} {key}: ")
            wrapped = textwrap.wrap(
                " ".join(words), width, break_long_words=False, break_on_hyphens=False
            )
            lines += [f"{SIGN} {key}: {line}" for line in wrapped]
        return "\n".join(lines)


def _digest(content: object) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
