"""Which findings are wanted: codes that are selected, and those that are ignored, also by file."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from cudalock.errors import UnknownName
from cudalock.findings import RULES
from cudalock.names import likely_names
from cudalock.records import NamedTuple, dataclass
from cudalock.text import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cudalock.findings import Finding

ALL = "ALL"
"""Stands for every code."""


class IgnoredHere(NamedTuple):
    """Codes that are ignored in files of a name: a pattern such as `tests/*` or `old.txt`."""

    pattern: str
    codes: frozenset[str]

    def covers(self, file: str) -> bool:
        """Return whether the pattern is that of a file, by its path or by its name alone."""
        # One file has several spellings: `./a`, `a`, and on Windows those with backslashes.
        path = file.replace("\\", "/").removeprefix("./")
        return fnmatchcase(path, self.pattern) or fnmatchcase(path.rpartition("/")[2], self.pattern)


@dataclass(frozen=True, slots=True)
class Selection:
    """What `--select`, `--ignore` and `per-file-ignores` state; empty, every finding is wanted."""

    select: frozenset[str] = frozenset(RULES)
    ignore: frozenset[str] = frozenset()
    per_file: tuple[IgnoredHere, ...] = ()

    @classmethod
    def of(
        cls, select: Iterable[str], ignore: Iterable[str], per_file: Mapping[str, Iterable[str]]
    ) -> Selection:
        """Read codes, beginnings of codes (`CL7`), names of rules, and `ALL`, commas between them.

        Raises UnknownName, naming the nearest, for what is none of these.
        """
        # Nothing selected is no wish: to report nothing would look like a healthy file.
        selected = codes_of(select)
        return cls(
            selected or frozenset(RULES),
            codes_of(ignore),
            tuple(IgnoredHere(pattern, codes_of(texts)) for pattern, texts in per_file.items()),
        )

    def includes(self, code: str, file: str | None) -> bool:
        """Return whether findings of a code in a file are wanted; None is no file."""
        if code not in self.select or code in self.ignore:
            return False
        return file is None or not any(
            code in here.codes and here.covers(file) for here in self.per_file
        )

    def of_findings(self, findings: Iterable[Finding]) -> list[Finding]:
        """Return the findings that are wanted."""
        return [
            finding
            for finding in findings
            if self.includes(finding.code, finding.place.file if finding.place else None)
        ]


EVERYTHING = Selection()


def codes_of(texts: Iterable[str]) -> frozenset[str]:
    """Return the codes that texts stand for. Raises UnknownName as `Selection.of` does."""
    words = [word for text in texts for word in text.replace(",", " ").split()]
    return frozenset(code for word in words for code in _codes_of_word(word))


def _codes_of_word(word: str) -> list[str]:
    if word.upper() == ALL:
        return list(RULES)
    codes = [
        code
        for code, rule in RULES.items()
        if code.startswith(word.upper()) or rule.name == word.lower()
    ]
    if codes:
        return codes
    near = likely_names(word, [*RULES, *(rule.name for rule in RULES.values())])
    hints = [*did_you_mean(near[:1]), "`cudalock help check`, and docs/check.md for every code"]
    raise UnknownName(f"unknown code `{word}`", hints=hints)
