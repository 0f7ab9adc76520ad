"""The tokens of a goal phrase: words, versions, ranges, requirements and joiners."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from cudalock.records import NamedTuple
from cudalock.targets.accelerators import ACCELERATORS, LIBRARIES
from cudalock.targets.facets import FACETS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cudalock.goals.vocabulary import Vocabulary

RANGED: Final = (
    *(name for name, row in ACCELERATORS.items() if row.version_word),
    *LIBRARIES,
)
"""What a range may follow: `cuda >=12.1`."""
STATED: Final = tuple(name for name, facet in FACETS.items() if facet.is_component)
KEYWORDS: Final = (*RANGED, *STATED, "py")
"""Words that need a version after them."""

_SIGNS: Final = frozenset("+,&;|/-")
"""Signs that join two parts."""
_AROUND: Final = "()[]{}<>\"'`*|\u201c\u201d\u2018\u2019"
"""What may stand around a word and is no part of it."""

# The name of a project by PEP 508.
PROJECT = r"(?i:[a-z0-9]|[a-z0-9][a-z0-9._-]*[a-z0-9])"
# `2.5.1`, `v2.5`, `2.5.*`, `2.8.0.post2`, `2.6.0rc1`; a local version is read beside it.
VERSION = r"v?[0-9]+(?:\.[0-9]+)*(?:\.\*|(?:[._-]?(?:post|rc|dev|a|b)[0-9]+)+)?"
# `>=2.4`; the local version comes last because `+` alone joins two parts: "torch==2.5.1+fa2".
_RANGE = r"(?:===|~=|==|!=|<=|>=|<|>)\s*[^\s,;+&<>=!~]+(?:\+[a-z0-9.]+)?"
_RANGES = rf"{_RANGE}(?:\s*,\s*{_RANGE})*"
# `py3.11`, `cp311`, `python3.12.4`, `3.13t`, and `3.11.x` as CI matrices write it.
PYTHON_WORD = (
    r"(?:(?:python|py|cp)-?3\.?[0-9]{1,2}(?:\.(?:[0-9]{1,3}|[x*]))?t?"
    r"|3\.[0-9]{1,2}(?:(?:\.[0-9]{1,3})?t|\.[x*]))"
)
PYTHON_ALONE = r"3\.(?:[89]|1[0-9])(?:\.[0-9]{1,3})?"
"""A version that stands alone and is nothing's but Python's."""
# An argument with one of these may be a requirement: `a[b]`, `a>=1`, `a @ URL`, `a; marker`.
PIP = r"[\[<>=!~@;]"


@lru_cache(maxsize=1)
def _token() -> re.Pattern[str]:
    """Compile the pattern when there is a phrase: it takes longer than reading one."""
    return re.compile(
        rf"""\s*(?:
            (?P<requirement>[a-z][\w.-]*(?:\s*{_RANGES}|\[[^\]]*\](?:\s*{_RANGES})?))
          | (?P<range>{_RANGES})
          | (?P<version>{VERSION})(?:\+(?P<local>[a-z0-9.]+))?(?=[\s,;&+)]|$)
          | (?P<joiner>[+,&;])
          | (?P<word>[^\s,;&+]+)
        )""",
        re.IGNORECASE | re.VERBOSE,
    )


class Token(NamedTuple):
    """A part of a phrase that is read at once."""

    kind: str
    """`word`, `version`, `range`, `requirement` or `joiner`"""
    text: str
    local: str | None = None
    """a local version label, of a version"""

    @property
    def lower(self) -> str:
        """The text in lower case."""
        return self.text.lower()


def tokens_of(words: Sequence[str], vocabulary: Vocabulary) -> list[Token]:
    """Split words into tokens, as if they were one text."""
    if not words:
        return []
    # Quotation marks of a text processor are those of a keyboard here.
    text = " ".join(words).replace("\u2019", "'")
    tokens: list[Token] = []
    position = 0
    while match := _token().match(text, position):
        position = match.end()
        tokens += _split(match, vocabulary)
    return tokens


def _split(match: re.Match[str], vocabulary: Vocabulary) -> list[Token]:
    kind = str(match.lastgroup if match["local"] is None else "version")
    text = match[kind]
    local = match["local"]
    if kind == "word":
        return _of_word(text, vocabulary)
    if local and vocabulary.names.find(local):
        # "torch 2.5.1+fa2" joins two components; "torch 2.5.1+cu124" is one local version.
        return [Token(kind, text), Token("joiner", "+"), Token("word", local)]
    return [Token(kind, text, local)]


def _of_word(text: str, vocabulary: Vocabulary) -> list[Token]:
    # A phrase may end as a sentence does, and have a part in brackets.
    bare = text.strip(_AROUND).rstrip(".!?:").strip(_AROUND)
    if not bare or bare in _SIGNS:
        return [Token("joiner", bare or "|")]
    if bare.lower() in vocabulary.phrases.joiners:
        return [Token("joiner", bare)]
    if bare != text and re.fullmatch(VERSION, bare, re.IGNORECASE):
        return [Token("version", bare)]
    return _with_version(bare, vocabulary) or [Token("word", bare)]


def _with_version(text: str, vocabulary: Vocabulary) -> list[Token] | None:
    """Split `torch2.6` and `CUDA:12.4` into the name and its version; None for another word."""
    glued = re.fullmatch(r"([A-Za-z][A-Za-z_-]*?)(?:[-_]?v?|:)([0-9]+\.[0-9].*)", text)
    if glued is None or vocabulary.names.find(text) or re.fullmatch(PYTHON_WORD, text.lower()):
        return None
    name, version = glued.groups()
    is_keyword = name.lower() in KEYWORDS and ":" in text
    if not re.fullmatch(VERSION, version) or not (is_keyword or vocabulary.names.find(name)):
        return None
    return [Token("word", name), Token("version", version)]
