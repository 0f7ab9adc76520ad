"""HTML as values: text is escaped unless it is marked as HTML already."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final

_VOID: Final = frozenset({"br", "hr", "img", "input", "link", "meta"})
"""Elements without content, which have no closing tag."""


class Html(str):
    """Text that is HTML, and is written as it is."""

    __slots__ = ()


EMPTY: Final = Html()


def join(*children: object) -> Html:
    """Return children as HTML: text escaped, iterables in their order, None left out."""
    return Html("".join(_parts(children)))


def _parts(children: Iterable[object]) -> Iterable[str]:
    for child in children:
        if child is None:
            continue
        if isinstance(child, Html):
            yield child
        elif isinstance(child, str):
            yield escape(child)
        elif isinstance(child, Iterable):
            yield from _parts(child)
        else:
            yield escape(str(child))


def element(tag: str, /, *children: object, **attributes: str | bool | None) -> Html:
    """Return an element: `element("a", "torch", href="../")`.

    An attribute ends with `_` where its name is a word of Python (`class_`), and has `_` for `-`.
    True is an attribute without a value; None and False leave it out.
    """
    written = "".join(
        f" {name.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(value)}"')
        for name, value in attributes.items()
        if value is not None and value is not False and isinstance(value, str | bool)
    )
    if tag in _VOID:
        return Html(f"<{tag}{written}>")
    return Html(f"<{tag}{written}>{join(*children)}</{tag}>")


def link(text: object, href: str, **attributes: str | bool | None) -> Html:
    """Return a link."""
    return element("a", text, href=href, **attributes)


def outside(url: str) -> Html:
    """Return a link to another site by its URL; text that is no URL of the web as it is."""
    if url.startswith(("https://", "http://")) and not set(url) & set(" <>\"'"):
        return link(url, url, rel="noopener")
    return join(url)


def bullets(items: Iterable[object]) -> Html:
    """Return a list; nothing where there are no items."""
    listed = [element("li", item) for item in items]
    return element("ul", listed) if listed else EMPTY


def grid(head: Iterable[object], rows: Iterable[Iterable[object]], label: str = "Table") -> Html:
    """Return a table that may be wider than the page; the first cell of each row names it.

    `label` is what a screen reader calls it.
    """
    body = [_row(list(row)) for row in rows]
    table = element(
        "table",
        element("thead", element("tr", [element("th", each, scope="col") for each in head])),
        element("tbody", body),
    )
    # Reachable by keyboard, so that whoever has no mouse can scroll it.
    return element("div", table, class_="wide", role="region", tabindex="0", aria_label=label)


def _row(cells: list[object]) -> Html:
    first = element("th", cells[0], scope="row") if cells else None
    return element("tr", first, [element("td", cell) for cell in cells[1:]])
