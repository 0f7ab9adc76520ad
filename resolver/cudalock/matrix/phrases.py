"""The words of sentences, beside the names of components and machines: `phrases.toml`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from cudalock.errors import MatrixError
from cudalock.matrix.store import PHRASES
from cudalock.records import NamedTuple, dataclass, field

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_RUN: Final = 6
"""How many words a row's name may have."""
DRIVER: Final = "driver"
SYSTEM: Final = "system"
_OPERATORS: Final = ("<", "<=", ">", ">=")


class MachinePlace(NamedTuple):
    """Where machines stand; `platform` is what runs there, unless another one is stated."""

    platform: str
    image: str | None = None
    """what it brings, a name of `images/`"""


class Application(NamedTuple):
    """A program that no index has, and the projects that it needs."""

    title: str
    projects: tuple[str, ...]


class Refused(NamedTuple):
    """What no goal can be for, with the reason."""

    says: str


class CudaOf(NamedTuple):
    """What reports a CUDA version: the `driver`, or the toolkit of the `system`."""

    of: str


class Output(NamedTuple):
    """A file that an option writes."""

    option: str


Meaning = MachinePlace | Application | Refused | CudaOf | Output


@dataclass(frozen=True, slots=True)
class Phrases:
    """All words, in lower case; each run of words is one string with single spaces."""

    joiners: frozenset[str] = frozenset()
    wanted: frozenset[str] = frozenset()
    """joiners before something that is asked for"""
    on: frozenset[str] = frozenset()
    """joiners before a machine"""
    listing: frozenset[str] = frozenset()
    """joiners that a mere list of components may have too"""
    also: frozenset[str] = frozenset()
    """joiners after which a list goes on"""
    silent: frozenset[str] = frozenset()
    """what states nothing, and makes a text a sentence"""
    things: frozenset[str] = frozenset()
    """nouns that state nothing"""
    ordinary: frozenset[str] = frozenset()
    """projects that are ordinary words in a sentence"""
    newest: frozenset[str] = frozenset()
    between: frozenset[str] = frozenset()
    """what may stand between a component and its version"""
    alternatives: frozenset[str] = frozenset()
    negations: frozenset[str] = frozenset()
    complaints: frozenset[str] = frozenset()
    """verbs after a negation that excludes nothing: "does not work" """
    processor: frozenset[str] = frozenset()
    """what a build for the processor is without"""
    after: Mapping[str, str] = field(default_factory=dict)
    """the operator that a run of words after a version means"""
    before: Mapping[str, str] = field(default_factory=dict)
    meanings: Mapping[str, Meaning] = field(default_factory=dict)
    translations: Mapping[str, str] = field(default_factory=dict)
    """what Windows says in another language, as it writes it, and the English of it"""

    def makes_sentence(self, word: str) -> bool:
        """Return whether a text with this word is a sentence, and no mere list of components."""
        if word in self.newest or word in self.listing:
            return False
        return word in self.silent or word in self.joiners

    def is_silent(self, word: str) -> bool:
        """Return whether a word states nothing wherever it stands in a sentence."""
        return word in self.silent or word in self.things


def longest(words: Sequence[str], known: Mapping[str, Any] | frozenset[str]) -> tuple[str, int]:
    """Return the longest run at the front of `words` that is known, and how many words it has.

    Without one it is an empty text and 0.
    """
    for length in range(min(LONGEST_RUN, len(words)), 0, -1):
        run = " ".join(words[:length])
        if run in known:
            return run, length
    return "", 0


def read_phrases(tables: Mapping[str, Any]) -> Phrases:
    """Return the words of `phrases.toml`. Raises MatrixError naming the key that is wrong."""
    try:
        return _phrases(tables)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise MatrixError(PHRASES, str(error).strip("'"), "is missing or damaged") from None


def _phrases(tables: Mapping[str, Any]) -> Phrases:
    negation = tables["negation"]
    lists = (
        "joiners",
        "listing",
        "also",
        "wanted",
        "on",
        "silent",
        "things",
        "ordinary",
        "newest",
        "between",
    )
    return Phrases(
        **{name: frozenset(tables[name]) for name in (*lists, "alternatives")},
        negations=frozenset(negation["words"]),
        complaints=frozenset(negation["complaints"]),
        processor=frozenset(negation["gpu"]),
        after=_operators(tables, "after"),
        before=_operators(tables, "before"),
        meanings=_meanings(tables),
        translations={
            other: row["means"]
            for row in tables.get("system_message", ())
            for other in row["others"]
        },
    )


def _operators(tables: Mapping[str, Any], side: str) -> dict[str, str]:
    operators: dict[str, str] = {}
    for row in tables.get("comparison", ()):
        if row["means"] not in _OPERATORS:
            raise KeyError(f"comparison.means: {row['means']}")
        operators.update(dict.fromkeys(row.get(side, ()), row["means"]))
    return operators


def _meanings(tables: Mapping[str, Any]) -> dict[str, Meaning]:
    meanings: dict[str, Meaning] = {}
    for kind, read in _KINDS.items():
        for row in tables.get(kind, ()):
            for name in row["names"]:
                if name in meanings:
                    raise KeyError(f"{kind}.names: {name}")
                meanings[name] = read(row)
    return meanings


def _cuda_of(row: Mapping[str, Any]) -> CudaOf:
    if row["of"] not in (DRIVER, SYSTEM):
        raise KeyError(f"cuda_of.of: {row['of']}")
    return CudaOf(row["of"])


_KINDS: Final[Mapping[str, Callable[[Mapping[str, Any]], Meaning]]] = {
    "place": lambda row: MachinePlace(row["platform"], row.get("image")),
    "application": lambda row: Application(row["title"], tuple(row["projects"])),
    "refused": lambda row: Refused(row["says"]),
    "cuda_of": _cuda_of,
    "output": lambda row: Output(row["option"]),
}
