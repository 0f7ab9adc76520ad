"""Names that are another project on the package index than people mean: `namesakes.toml`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from cudalock.errors import MatrixError
from cudalock.matrix.facts import EFFECTS
from cudalock.matrix.store import NAMESAKES
from cudalock.records import dataclass
from cudalock.versions import accepts, is_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SHORTEST: Final = 7
"""Letters that a name of the stack has at least whose slips are looked for: `torch` and `triton`
are a letter away from dozens of projects that are what they say."""


@dataclass(frozen=True, slots=True)
class Namesake:
    """One name, what the package index has under it, and what people mean."""

    name: str
    """canonical"""
    title: str
    """what it is, after "is" """
    meant: str
    """what people mean; empty for a name that nobody has"""
    project: str | None
    """the project that people mean, if the package index has it under another name"""
    instead: str
    """what to install in its place, beside `project` or without one"""
    versions: str
    """PEP 440, the versions that it is about; empty for all"""
    effect: str
    is_absent: bool
    """whether the package index has nothing under this name"""
    source: str

    def __str__(self) -> str:
        if self.is_absent:
            return f"`{self.name}` is not on the package index: it is {self.title}"
        return (
            f"`{self.name}` on the package index is another package: {self.title}, not {self.meant}"
        )

    @property
    def advice(self) -> str:
        """What to install, as a clause after a colon."""
        parts = [f"`{self.project}`"] if self.project else []
        return ", or ".join([*parts, *([self.instead] if self.instead else [])])

    def is_about(self, specifier: str) -> bool:
        """Return whether a requirement with this PEP 440 specifier is for such a version."""
        if not self.versions:
            return True
        pinned = re.fullmatch(r"===?\s*([^,*]+)", specifier.strip())
        version = pinned[1].strip() if pinned is not None else ""
        return is_version(version) and accepts(self.versions, version)


@dataclass(frozen=True, slots=True)
class Namesakes:
    """All of them, by name, and the projects that only look like slips."""

    by_name: Mapping[str, Namesake]
    real: frozenset[str] = frozenset()
    """names a letter away from one of the stack, of projects that are what they say"""

    def find(self, name: str, specifier: str = "") -> Namesake | None:
        """Return what is known of a canonical name with such a PEP 440 specifier, None for
        nothing."""
        namesake = self.by_name.get(name)
        return namesake if namesake is not None and namesake.is_about(specifier) else None

    def find_slips(self, name: str, known: Iterable[str]) -> Iterator[str]:
        """Yield the known projects of which a canonical name is a slip of one letter.

        Separators do not count (`flashattn`), digits are versions (`flash-attn-4`), and a slip in
        the first letter is another word.
        """
        if name in self.real:
            return
        word = _letters(name)
        for project in known:
            letters = _letters(project)
            # The first tests are cheap: a file of 200 lines asks about 30,000 pairs.
            if (
                letters[:1] == word[:1]
                and -1 <= len(letters) - len(word) <= 1
                and len(letters) >= SHORTEST
                and project != name
                and _is_slip(word, letters)
            ):
                yield project


@cache
def _letters(name: str) -> str:
    return re.sub(r"[-_.]", "", name)


def _is_slip(word: str, meant: str) -> bool:
    """Whether two words differ in one letter: another, one more, one less, or two swapped."""
    if word == meant:
        return True
    if word[:1] != meant[:1] or re.findall(r"[0-9]", word) != re.findall(r"[0-9]", meant):
        return False
    if len(word) == len(meant):
        places = [at for at, letter in enumerate(word) if letter != meant[at]]
        is_swapped = len(places) == 2 and word[places[0] : places[1] + 1] == (
            meant[places[1]] + meant[places[0]]
        )
        return len(places) == 1 or is_swapped
    shorter, longer = sorted((word, meant), key=len)
    return len(longer) - len(shorter) == 1 and any(
        longer[:at] + longer[at + 1 :] == shorter for at in range(len(longer))
    )


def read_namesakes(tables: Mapping[str, Any]) -> Namesakes:
    """Return the namesakes of a matrix from the tables of its file; none for no tables.

    Raises MatrixError naming the row and the key that is wrong.
    """
    rows = [_namesake(row) for row in tables.get("namesake", ())]
    real = tables.get("real", {}).get("names", ())
    return Namesakes({row.name: row for row in rows}, frozenset(real))


def _namesake(row: Mapping[str, Any]) -> Namesake:
    key = f"namesake[{row.get('name', '?')}]"
    try:
        namesake = Namesake(
            row["name"],
            row["is"],
            row.get("meant", ""),
            row.get("project"),
            row.get("instead", ""),
            row.get("for", ""),
            row.get("effect", "breaks"),
            row.get("absent", False),
            row["source"][0],
        )
    except (KeyError, IndexError) as error:
        raise MatrixError(NAMESAKES, f"{key}.{str(error).strip(chr(39))}", "is missing") from None
    if namesake.effect not in EFFECTS:
        raise MatrixError(NAMESAKES, f"{key}.effect", f"unknown effect `{namesake.effect}`")
    if not (namesake.is_absent or namesake.meant):
        raise MatrixError(NAMESAKES, f"{key}.meant", "is missing")
    if not namesake.advice:
        raise MatrixError(NAMESAKES, f"{key}.project", "is missing, and so is `instead`")
    return namesake
