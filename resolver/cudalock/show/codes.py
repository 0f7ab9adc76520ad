"""A page about a code of `check` and `doctor`: what it means, why it matters, and how to fix it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cudalock import toml
from cudalock.errors import UnknownName
from cudalock.findings import RULES
from cudalock.names import nearest
from cudalock.show.rules import FactTable
from cudalock.text import shell_command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.findings import Rule
    from cudalock.matrix.matrix import Matrix

SCHEMA: Final = "cudalock.code/1"
LIST_SCHEMA: Final = "cudalock.codes/1"
TEXTS: Final = Path(__file__).parents[1] / "findings.toml"


@dataclass(frozen=True, slots=True)
class Example:
    """A file that has the defect; `arguments` are those of `check` beside its name."""

    name: str
    content: str
    arguments: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """The command that finds it."""
        return shell_command(["cudalock", "check", self.name, *self.arguments])


@dataclass(frozen=True, slots=True)
class CodePage:
    """A code, in full sentences."""

    rule: Rule
    means: str
    why: str
    fix: str
    example: Example | None = None
    seen: str | None = None
    """how an environment comes to have it, for a code of `doctor`"""

    def text(self) -> str:
        """A paragraph for each part, the example as it is typed."""
        return "\n".join(self._lines()) + "\n"

    def document(self) -> dict[str, Any]:
        """The keys of findings.toml, and `code`, `name`, `severity`, `summary` and `silence`.

        `example` has `file`, `content` and `command`; a part that the code lacks is null.
        """
        example = self.example
        return {
            "schema": SCHEMA,
            "code": self.rule.code,
            "name": self.rule.name,
            "severity": self.rule.severity,
            "summary": self.rule.summary,
            "means": self.means,
            "why": self.why,
            "fix": self.fix,
            "seen": self.seen,
            "example": example
            and {"file": example.name, "content": example.content, "command": example.command},
            "silence": list(self.silence),
        }

    @property
    def silence(self) -> tuple[str, ...]:
        """How to silence it; empty for a code of environments, which have no lines."""
        if self.example is None:
            return ()
        code = self.rule.code
        return (
            f"`# cudalock: ignore[{code}]` at the end of the line",
            f'`--ignore {code}`, or `ignore = ["{code}"]` in [tool.cudalock], for all files',
        )

    def _lines(self) -> Iterator[str]:
        rule = self.rule
        yield f"{rule.code} {rule.name} ({rule.severity}): {rule.summary}"
        yield from ("", self.means, "", f"Why: {self.why}", "", f"Fix: {self.fix}")
        if self.seen:
            yield from ("", f"Seen with: {self.seen}")
        if self.example:
            yield from ("", f"Example, {self.example.name}:")
            yield from (f"  {line}".rstrip() for line in self.example.content.strip().splitlines())
            yield f"  $ {self.example.command}"
        if self.silence:
            yield from ("", "Silence it:", *(f"  {way}" for way in self.silence))


@dataclass(frozen=True, slots=True)
class CodeList:
    """The codes that begin alike, or all of them."""

    rules: tuple[Rule, ...]

    def text(self) -> str:
        """A line for each."""
        width = max(len(rule.severity) for rule in self.rules)
        lines = [f"{rule.code}  {rule.severity:{width}}  {rule.summary}" for rule in self.rules]
        return "\n".join([*lines, "", "`cudalock explain CODE` describes one"]) + "\n"

    def document(self) -> dict[str, Any]:
        """`codes`, each with `code`, `name`, `severity`, `summary` and `fixable`."""
        return {
            "schema": LIST_SCHEMA,
            "codes": [
                {
                    "code": rule.code,
                    "name": rule.name,
                    "severity": rule.severity,
                    "summary": rule.summary,
                    "fixable": rule.fixable,
                }
                for rule in self.rules
            ],
        }


def find_code(word: str) -> str | None:
    """Return the code that a word is, in either case, or that it is the name of; else None."""
    if word.upper() in RULES:
        return word.upper()
    return next((code for code, rule in RULES.items() if rule.name == word.lower()), None)


def code_page(code: str) -> CodePage:
    """Return the page of one of `RULES`."""
    # Read where a page is shown: `check` and `doctor` need none of the prose.
    row = toml.loads(TEXTS.read_text("utf-8"))[code]
    example = row.get("example")
    return CodePage(
        RULES[code],
        row["means"],
        row["why"],
        row["fix"],
        Example(example[0], example[1].lstrip("\n"), tuple(row.get("arguments", ())))
        if example
        else None,
        row.get("seen"),
    )


def page_of_word(matrix: Matrix, word: str) -> CodePage | CodeList | FactTable | None:
    """Return the page of a code, the list of those that begin with the word (`CL`, `CL2`), or the
    page of a fact by its id; None for any other word.

    Raises UnknownName for what is written like a code and is none.
    """
    code = find_code(word)
    if code is not None:
        return code_page(code)
    if re.fullmatch("CL[0-9]*", word, re.IGNORECASE):
        return _beginning_with(word.upper())
    fact = matrix.facts.get(word)
    if fact is None:
        return None
    return FactTable(matrix.version, {fact.component: matrix.component(fact.component)}, (fact,))


def _beginning_with(word: str) -> CodeList:
    listed = tuple(rule for code, rule in RULES.items() if code.startswith(word))
    if not listed:
        near = nearest(word, RULES)
        raise UnknownName(
            f"unknown code `{word}`",
            hints=[*(f"`cudalock explain {code}`" for code in near), "`cudalock explain CL`"],
        )
    return CodeList(listed)
