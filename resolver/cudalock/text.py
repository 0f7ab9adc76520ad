"""Parts of sentences for people: how many, lists of words, what was probably meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """`1 wheel`, `2 wheels`; `plural` where that is not the noun with an s."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def listed(words: Iterable[str]) -> str:
    """`a, b, c`; "none" for no words."""
    return ", ".join(words) or "none"


def either(words: Sequence[str]) -> str:
    """`a, b or c`; nothing for no words."""
    return " or ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def did_you_mean(names: Iterable[str]) -> list[str]:
    """The hint that names what may have been meant; no hint for no names."""
    quoted = [f"`{name}`" for name in names]
    return [f"did you mean {' or '.join(quoted)}?"] if quoted else []


__all__ = ["counted", "did_you_mean", "either", "listed"]
