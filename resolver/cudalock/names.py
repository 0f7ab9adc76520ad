"""Names: the canonical spelling, the aliases people type, and what was probably meant."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cudalock.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TYPO = 0.85
"""How alike two words are that differ in one letter, by difflib's ratio."""

_SEPARATORS = r"[-_.\s]+"


def nearest(word: str, known: Iterable[str], n: int = 3) -> list[str]:
    """Return at most `n` known words that are most like `word`, best first, as they are spelled."""
    # Imported here: most words are spelled right.
    import difflib

    spellings: dict[str, str] = {}
    for candidate in known:
        spellings.setdefault(_key(candidate), candidate)
    return [spellings[key] for key in difflib.get_close_matches(_key(word), spellings, n)]


def likely_names(word: str, known: Iterable[str]) -> list[str]:
    """Return what `word` was probably meant to be: the one known word that it looks like a typo of,
    else those that are most like it."""
    known = list(known)
    meant = likely_typo(word, known)
    return [meant] if meant else nearest(word, known)


def likely_typo(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that `word` may be a typo of; None if it looks like none."""
    import difflib

    spellings = {_key(candidate): candidate for candidate in known}
    matches = difflib.get_close_matches(_key(word), spellings, 1, _TYPO)
    return spellings[matches[0]] if matches else None


def _key(text: str) -> str:
    """Drop what does not matter in a word: case and separators, also the spaces of an alias."""
    lowered = text.strip().lower()
    # Nearly every name is written so already, and a solve reads five hundred.
    is_plain = "--" not in lowered and lowered.replace("-", "").isalnum()
    return lowered if is_plain else re.sub(_SEPARATORS, "-", lowered)


@dataclass(frozen=True, slots=True)
class Names:
    """Map words to the projects that they name.

    `aliases` maps what people type to a project, `imports` import names to a project.
    `alias_versions` maps an alias to the specifier that it stands for: `sageattention2` is
    SageAttention from version 2 on. `platform_aliases` maps a project to `(marker, project)`
    pairs: where that PEP 508 marker is true the other project is meant. `triton` is
    `triton-windows` on Windows.
    """

    aliases: Mapping[str, str]
    projects: frozenset[str]
    imports: Mapping[str, str]
    platform_aliases: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    alias_versions: Mapping[str, str] = field(default_factory=dict)
    _index: dict[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        index = {_key(alias): project for alias, project in self.aliases.items()}
        # Later, so that no alias takes a project's own name away.
        index.update((_key(project), project) for project in self.projects)
        object.__setattr__(self, "_index", index)

    def find(self, word: str) -> str | None:
        """Return the project that `word` (an alias or a project) names, or None."""
        return self._index.get(_key(word))

    def specifier(self, word: str) -> str:
        """Return the specifier that `word` stands for beside its project; empty for any version."""
        versions = {_key(alias): text for alias, text in self.alias_versions.items()}
        return versions.get(_key(word), "")

    def words(self) -> list[str]:
        """Return every alias and project, sorted: what `nearest` may suggest."""
        return sorted({*self.aliases, *self.projects})

    def platform_alias(self, project: str, environment: Mapping[str, str]) -> str:
        """Return the project that `project` means in an environment (PEP 508 marker values)."""
        from cudalock.versions import holds

        for marker, other in self.platform_aliases.get(project, ()):
            if holds(marker, environment):
                return other
        return project
