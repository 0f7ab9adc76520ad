"""Names: the canonical spelling, the aliases people type, and what was probably meant."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SLIP = 0.85
"""How alike two words are that one letter tells apart, by difflib's measure."""

_SEPARATORS = r"[-_.\s]+"


def nearest(word: str, known: Iterable[str], n: int = 3) -> list[str]:
    """The at most `n` known words most like `word`, best first, in their own spelling."""
    import difflib

    spellings: dict[str, str] = {}
    for candidate in known:
        spellings.setdefault(_key(candidate), candidate)
    return [spellings[key] for key in difflib.get_close_matches(_key(word), spellings, n)]


def guesses(word: str, known: Iterable[str]) -> list[str]:
    """What `word` was probably meant to be: the one known word that it looks like a slip of, else
    those that are most like it."""
    known = list(known)
    slip = closest(word, known)
    return [slip] if slip else nearest(word, known)


def closest(word: str, known: Iterable[str]) -> str | None:
    """A known word that `word` may be a slip of the finger for; None where it looks like none."""
    import difflib

    keys = {_key(each): each for each in known}
    found = difflib.get_close_matches(_key(word), keys, 1, _SLIP)
    return keys[found[0]] if found else None


def _key(text: str) -> str:
    """Case and separators do not matter, and an alias may have spaces in it."""
    return re.sub(_SEPARATORS, "-", text.strip()).lower()


@dataclass(frozen=True, slots=True)
class Names:
    """Which words name which project.

    `aliases` maps what people type to a project, `imports` import names to a project. `stand_ins`
    maps a project to `(marker, project)` pairs: under that marker the other project is meant.
    """

    aliases: Mapping[str, str]
    projects: frozenset[str]
    imports: Mapping[str, str]
    stand_ins: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    _index: dict[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        index = {_key(alias): project for alias, project in self.aliases.items()}
        index.update((_key(project), project) for project in self.projects)
        object.__setattr__(self, "_index", index)

    def find(self, word: str) -> str | None:
        """The project that `word` names (an alias or a project), or None. Case, `-`, `_` alike."""
        return self._index.get(_key(word))

    def words(self) -> list[str]:
        """Every alias and project, sorted: what `nearest` may suggest."""
        return sorted({*self.aliases, *self.projects})

    def stand_in(self, project: str, environment: Mapping[str, str]) -> str:
        """The project meant by `project` where `environment` (PEP 508 marker values) holds."""
        from cudalock.versions import holds

        for marker, other in self.stand_ins.get(project, ()):
            if holds(marker, environment):
                return other
        return project
