"""What a marker says whatever the machine: whether it can hold at all, and what is left of it once
the extras are known."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Final

from cudalock.projects.syntax.pep508 import may_hold
from cudalock.records import NamedTuple
from cudalock.targets import LIKELY_PYTHONS, PLATFORMS, Target
from cudalock.targets.marker_values import (
    MARKER_IMPLEMENTATIONS,
    MARKER_MACHINES,
    MARKER_MINORS,
    MARKER_SYSTEMS,
)
from cudalock.versions import canonical

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

_OPEN: Final = ("platform_release", "platform_version", "extra", "implementation_version")
"""Variables whose values nobody can list."""
_TOKEN: Final = re.compile(r"""\(|\)|(?:"[^"]*"|'[^']*'|[^()"'\s])+|\s+""")
_EXTRA: Final = re.compile(
    r"""extra\s*(?P<op>[=!]=)\s*(?P<q>["'])(?P<name>[^"']*)(?P=q)"""
    r"""|(?P<q2>["'])(?P<name2>[^"']*)(?P=q2)\s*(?P<op2>[=!]=)\s*extra"""
)


@lru_cache(maxsize=256)
def can_hold(marker: str) -> bool:
    """Whether a marker holds on some machine; so it does where it asks what nobody can list."""
    if any(name in marker for name in _OPEN):
        return True
    systems = _matching_environments(marker, MARKER_SYSTEMS)
    machines = _matching_environments(
        marker, [{"platform_machine": machine} for machine in MARKER_MACHINES]
    )
    kinds = _matching_environments(marker, MARKER_IMPLEMENTATIONS)
    minors = MARKER_MINORS if "python_version" in marker or "python_full" in marker else [None]
    base = Target(LIKELY_PYTHONS[0], next(iter(PLATFORMS))).marker_environment()
    for system, machine, minor, kind in product(systems, machines, minors, kinds):
        environment = {**base, **system, **machine, **kind}
        patches = (0, 30) if minor and "python_full_version" in marker else (0,)
        for patch in patches:
            if minor:
                environment.update(python_version=minor, python_full_version=f"{minor}.{patch}")
            if may_hold(marker, environment):
                return True
    return False


def _matching_environments(
    marker: str, environments: Sequence[Mapping[str, str]]
) -> Sequence[Mapping[str, str]]:
    """The values to try of some variables; nothing to try where a marker names none of them."""
    return environments if any(name in marker for name in environments[0]) else [{}]


def both(one: str | None, other: str | None) -> str | None:
    """Return the marker that holds where both do; None is one that always holds."""
    if one is None or other is None or one == other:
        return one or other
    # `and` binds tighter than `or`.
    return " and ".join(f"({text})" if " or " in text else text for text in (one, other))


# -- extras -------------------------------------------------------------------------------------


class _Part(NamedTuple):
    """A part of a marker: `text` is empty where it is true or false without a machine."""

    text: str
    is_true: bool = True
    is_joined: bool = False
    """whether it needs parentheses within an `and`"""


def extras_of(marker: str) -> frozenset[str]:
    """Return the extras that a marker names."""
    return frozenset(canonical(_name(match)) for match in _EXTRA.finditer(marker))


@lru_cache(maxsize=1024)
def with_extras(marker: str, extras: frozenset[str]) -> str | None:
    """Return what is left of a valid marker where these extras are requested and no others: empty
    for one that holds on every machine, None for one that holds on none.

    `extra == 'cpu' and extra != 'cuda' and sys_platform == 'linux'` with `cpu` is the last part.
    """
    # packaging evaluates a marker as a whole, and gives away no tree of it.
    tokens = [token for token in _TOKEN.findall(marker) if token.strip()]
    try:
        part = _either(tokens, extras)
    except RecursionError:  # a thousand parentheses; whoever evaluates it says so
        return marker
    if part.text:
        return part.text
    return "" if part.is_true else None


def _either(tokens: list[str], extras: Collection[str]) -> _Part:
    parts = [_both(tokens, extras)]
    while tokens and tokens[0] == "or":
        tokens.pop(0)
        parts.append(_both(tokens, extras))
    # What is always true is the whole of an `or`, and no part of an `and`.
    if any(not part.text and part.is_true for part in parts):
        return _Part("")
    texts = [part.text for part in parts if part.text]
    if len(texts) == 1:
        return next(part for part in parts if part.text)
    return _Part(" or ".join(texts), is_true=bool(texts), is_joined=True)


def _both(tokens: list[str], extras: Collection[str]) -> _Part:
    parts = [_one(tokens, extras)]
    while tokens and tokens[0] == "and":
        tokens.pop(0)
        parts.append(_one(tokens, extras))
    if any(not part.text and not part.is_true for part in parts):
        return _Part("", is_true=False)
    left = [part for part in parts if part.text]
    if len(left) < 2:
        return left[0] if left else _Part("")
    return _Part(" and ".join(f"({p.text})" if p.is_joined else p.text for p in left))


def _one(tokens: list[str], extras: Collection[str]) -> _Part:
    if tokens and tokens[0] == "(":
        tokens.pop(0)
        part = _either(tokens, extras)
        if tokens:
            tokens.pop(0)
        return part
    words = []
    while tokens and tokens[0] not in ("and", "or", ")"):
        words.append(tokens.pop(0))
    text = " ".join(words)
    match = _EXTRA.fullmatch(text)
    if match is None:
        return _Part(text)
    is_equal = (match["op"] or match["op2"]) == "=="
    return _Part("", is_true=is_equal is (canonical(_name(match)) in extras))


def _name(match: re.Match[str]) -> str:
    return str(match["name"] if match["name"] is not None else match["name2"])


__all__ = ["both", "can_hold", "extras_of", "with_extras"]
