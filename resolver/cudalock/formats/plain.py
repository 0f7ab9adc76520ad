"""Text that every console, editor and installer reads the same way."""

from __future__ import annotations

from typing import Final

_SPELLED: Final = str.maketrans(
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
"""Signs of sentences that normalisation does not reach: arrows, comparisons, dashes, quotes."""


def ascii_text(text: str) -> str:
    """The text in ASCII: signs spelled out, accents dropped, the rest as `?`; newlines stay."""
    if text.isascii():
        return text
    import unicodedata

    plain = unicodedata.normalize("NFKD", text.translate(_SPELLED))
    bare = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return bare.encode("ascii", "replace").decode("ascii")


def one_line(text: str) -> str:
    """The text on one line as it stands, for paths and commands: what would break the line, or is
    not seen, becomes a space."""
    if text.isascii() and text.isprintable():
        return text.strip()
    from unicodedata import category

    return "".join(c if c.isprintable() or category(c) == "Zs" else " " for c in text).strip()


def with_coding(text: str) -> str:
    """A requirements file's text, which says that it is UTF-8 where that matters (PEP 263): older
    pips read a file as the machine does."""
    return text if text.isascii() else f"# -*- coding: utf-8 -*-\n{text}"


def ascii_line(text: str) -> str:
    """The text in ASCII on one line, whatever line breaks or control characters it held.

    Sentences come from data files, and one that broke its line would become a requirement in a
    requirements file.
    """
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(ascii_text(printable).split())
