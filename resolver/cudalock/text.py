"""Parts of sentences and of commands: counts, lists, plain ASCII, words quoted for a shell."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from cudalock.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

# -- sentences ----------------------------------------------------------------------------------


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return `1 wheel` or `2 wheels`; give `plural` where it is not the noun with an s."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def bytes_text(size: int) -> str:
    """Return a size in bytes as `7.2 MB`, in the units that an index's page has."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"


def json_text(document: Mapping[str, Any]) -> str:
    """Return a document as indented JSON: the same bytes for the same document, in ASCII."""
    import json

    # Sorted, so that two documents can be compared line by line.
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=True) + "\n"


def read_json(
    content: str | bytes, object_hook: Callable[[dict[str, Any]], Any] | None = None
) -> Any:
    """Parse JSON that may be anybody's; `object_hook` is json's.

    Raises ValueError, also for what is nested too deeply.
    """
    import json

    try:
        return json.loads(content, object_hook=object_hook)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def listed(words: Iterable[str]) -> str:
    """Return `a, b, c`, and "none" for no words."""
    return ", ".join(words) or "none"


def either(words: Sequence[str]) -> str:
    """Return `a, b or c`, and an empty text for no words."""
    return " or ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def read_number(text: str, digits: int = 18) -> int | None:
    """Return the number that plain digits write; None for other text, and for more digits.

    `str.isdigit` accepts a superscript, which `int` does not, and `int` digits of other scripts.
    """
    if text.isascii() and text.isdigit() and len(text) <= digits:
        return int(text)
    return None


def yanked_clause(reason: str) -> str:
    """Return `was yanked` with the reason, of which the matrix has `yanked` where none is given."""
    return "was yanked" if reason == "yanked" else f"was yanked: {reason}"


def did_you_mean(names: Iterable[str]) -> list[str]:
    """Return the hint that proposes similar names: one sentence, or nothing without names."""
    proposals = [f"`{name}`" for name in names]
    return [f"did you mean {' or '.join(proposals)}?"] if proposals else []


NAMED: Final = 8
"""How many names a summary of a few lines has in one of them."""


@dataclass(frozen=True)
class NamesNote:
    """A sentence that ends in names, of which there may be a hundred."""

    says: str
    names: tuple[str, ...]
    noun: str = "package"
    is_warning: bool = False

    def __str__(self) -> str:
        return f"{self.says}: {', '.join(self.names)}"

    @property
    def brief(self) -> str:
        """The sentence for a screen: a count in place of the names, unless they are few."""
        if len(self.names) <= NAMED:
            return str(self)
        return f"{self.says}: {counted(len(self.names), self.noun)} (`-v` names them)"


# -- characters ---------------------------------------------------------------------------------

_ASCII_SIGNS: Final = str.maketrans(
    {
        "\u2192": "->",
        "\u2264": "<=",
        "\u2265": ">=",
        "\u2260": "!=",
        "\u00d7": "x",
        "\u2013": "-",
        "\u2014": "-",
        "\u2018": "'",
        "\u2019": "'",
        "\u201c": '"',
        "\u201d": '"',
    }
)
"""Signs of sentences that Unicode normalisation leaves: arrows, comparisons, dashes, quotes."""


def ascii_text(text: str) -> str:
    """Return the text in ASCII: signs spelled out, accents dropped, the rest `?`; newlines stay."""
    if text.isascii():
        return text
    import unicodedata

    decomposed = unicodedata.normalize("NFKD", text.translate(_ASCII_SIGNS))
    bare = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return bare.encode("ascii", "replace").decode("ascii")


def ascii_line(text: str) -> str:
    """Return the text in ASCII on one line, without control characters.

    Sentences come from data files, and one that broke its line would become a requirement in a
    requirements file.
    """
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(ascii_text(printable).split())


_INVISIBLE: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters but tabs and line ends, what turns the direction of writing, and what is no
character."""


def visible(text: str) -> str:
    """Return a text without what moves a terminal's cursor or shows letters in another order.

    All that goes to standard output passes through here, so no report has to remember it.
    """
    return _INVISIBLE.sub("?", text)


def one_line(text: str) -> str:
    """Return a path or a command on one line, its own letters kept.

    Line breaks and invisible characters become spaces.
    """
    if text.isascii() and text.isprintable():
        return text.strip()
    from unicodedata import category

    # "Zs": a no-break space is part of a path, and isprintable() rejects it.
    return "".join(c if c.isprintable() or category(c) == "Zs" else " " for c in text).strip()


def with_coding(text: str) -> str:
    """Return the text of a requirements file, declared as UTF-8 (PEP 263) if it is not ASCII.

    Older pips decode a file without the declaration by the machine's locale.
    """
    return text if text.isascii() else f"# -*- coding: utf-8 -*-\n{text}"


# -- words for a shell --------------------------------------------------------------------------

_BARE_WORD: Final = r"[A-Za-z0-9_./:\\+%-][A-Za-z0-9_./:\\+=@%-]*"
"""Words that cmd, PowerShell and sh read alike without quotes.

No comma: PowerShell makes a list of `a,b`. No `@` at the front: there it splats a variable; nor
`=`: zsh takes `==2.9` for the path of a command. A
backslash is bare, though sh would drop it: only Windows paths have one, and PowerShell runs
`C:\\x\\python.exe` but takes `"C:\\x\\python.exe"` for a string.
"""

_EXPANDED: Final = r'["$`]'
"""Characters that end or expand inside double quotes, in sh or in PowerShell."""


def shell_word(word: str) -> str:
    """Return a word as it is typed in cmd, PowerShell and sh alike: bare, or in double quotes.

    No quoting of `"`, `$` or a backtick means the same in all three. A word that has one is quoted
    for sh, in single quotes; nothing in it is then expanded or run, by PowerShell neither.
    """
    if re.fullmatch(_BARE_WORD, word):
        return word
    if not re.search(_EXPANDED, word):
        return f'"{word}"'
    # What shlex.quote does; importing it takes a millisecond of every start.
    return "'" + word.replace("'", "'\"'\"'") + "'"


def shell_command(words: Iterable[str]) -> str:
    """Return a command line, each word quoted where it has to be."""
    return " ".join(map(shell_word, words))


_FILE_NAME: Final = r"(?:[A-Za-z]:)?[A-Za-z0-9_./][A-Za-z0-9 ._+,@()=~/-]*"


def shell_file(name: str) -> str:
    """Return a file's name or path for a command that others run: quoted, or the word `FILE`.

    A lock is read by others than its author, in any shell. So a name that some shell expands, takes
    for an option or shows in another encoding is replaced.
    """
    return shell_word(name) if re.fullmatch(_FILE_NAME, name) else "FILE"
