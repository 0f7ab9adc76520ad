"""The comment block by which a run of cudalock knows what an earlier one wrote in a file."""

from __future__ import annotations

import hashlib
import json
import re
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cudalock.text import ascii_line, listed, one_line

if TYPE_CHECKING:
    from cudalock.lock import Lock

SIGN: Final = "# cudalock:"
BLOCK: Final = re.compile(r"^# cudalock:[^\n]*(?:\n# cudalock:[^\n]*)*", re.MULTILINE)


@dataclass
class Record:
    """What a run says it wrote: pins, and keys with a digest of their values."""

    pins: set[tuple[str, str]] = field(default_factory=set)
    keys: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> Record:
        """The record in a file's text; an empty one where there is none."""
        words: dict[str, list[str]] = {"pins": [], "keys": []}
        block = BLOCK.search(text)
        for line in block[0].splitlines() if block else ():
            key, colon, rest = line.removeprefix(SIGN).strip().partition(": ")
            if colon and key in words:
                words[key] += rest.split()
        pairs = (word.partition("==") for word in words["pins"])
        keys = (word.rpartition("#") for word in words["keys"])
        return cls({(name, version) for name, _, version in pairs}, {k: d for k, _, d in keys})

    def wrote(self, key: str, value: object) -> bool:
        """Whether this very value was written under a key."""
        return self.keys.get(key) == _digest(value)

    def note(self, key: str, value: object) -> None:
        """Remember that a value is written under a key."""
        self.keys[key] = _digest(value)

    def block(self, lock: Lock) -> str:
        """The comment, for people first."""
        said = [
            ("matrix", lock.matrix_version),
            ("needs", listed(lock.needs)),
            *(("warning", str(warning)) for warning in lock.warnings),
            *(("replaced", sentence) for sentence in lock.replaced),
        ]
        lines = [f"{SIGN} command: {one_line(lock.command)}"]
        lines += [f"{SIGN} {key}: {ascii_line(text)}" for key, text in dict.fromkeys(said)]
        pins = sorted(f"{name}=={version}" for name, version in self.pins)
        keys = [f"{key}#{digest}" for key, digest in sorted(self.keys.items())]
        for key, words in (("pins", pins), ("keys", keys)):
            width = 98 - len(f"{SIGN} {key}: ")
            wrapped = textwrap.wrap(
                " ".join(words), width, break_long_words=False, break_on_hyphens=False
            )
            lines += [f"{SIGN} {key}: {line}" for line in wrapped]
        return "\n".join(lines)


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
