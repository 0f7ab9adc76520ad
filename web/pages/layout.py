"""A page of the site: what a search engine and a reader see around its content."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cudalock.files import write_atomically
from web.html import Html, element, join, link

POLICY: Final = "default-src 'none'; style-src 'self'; img-src 'self'"
"""What a page may load: its own style sheet and pictures, and no script."""

_CODE: Final = re.compile(r"`([^`\n]+)`")

SECTIONS: Final = {
    "torch": "torch",
    "add-ons": "Add-ons",
    "gpu": "GPUs",
    "cuda": "CUDA",
    "tables": "Tables",
    "facts": "Facts",
    "codes": "Codes",
    "docs": "Documentation",
}
"""The folders that the navigation names, by their titles."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page before it is written."""

    path: str
    """below the site, with a slash at its end: `torch/2.8.0/`"""
    title: str
    answer: str
    """one sentence that answers what the title asks; also the description"""
    body: Html
    day: str | None = None
    """the last day on which something on it changed, if that is known"""

    @property
    def root(self) -> str:
        """The way back to the site's first page."""
        return "../" * self.path.count("/")

    def text(self, address: str, matrix: str) -> str:
        """Return the page's HTML; `address` is the site's URL, empty if nobody knows it."""
        head = (
            element("meta", charset="utf-8"),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", http_equiv="Content-Security-Policy", content=POLICY),
            element("title", f"{self.title} | cudalock"),
            element("meta", name="description", content=self.answer.replace("`", "")),
            element("link", rel="canonical", href=f"{address}/{self.path}") if address else None,
            element("link", rel="icon", href=f"{self.root}icon.svg", type="image/svg+xml"),
            element("link", rel="stylesheet", href=f"{self.root}style.css"),
            element(
                "link",
                rel="alternate",
                type="application/atom+xml",
                title="What changed in the matrix",
                href=f"{self.root}feed.xml",
            )
            if address
            else None,
        )
        sections = [
            element("li", link(title, f"{self.root}{folder}/"))
            for folder, title in SECTIONS.items()
        ]
        body = (
            element(
                "header",
                element(
                    "nav",
                    link("cudalock", self.root or "./", class_="home"),
                    element("ul", sections),
                    aria_label="Main",
                ),
            ),
            element(
                "main",
                element("h1", self.title),
                element("p", spoken(self.answer), class_="answer"),
                self.body,
            ),
            element(
                "footer",
                element(
                    "p",
                    f"As of matrix {matrix}. Nothing on this page is a guess: what nobody "
                    "has published or seen is marked as such, or left out.",
                ),
            ),
        )
        page = element(
            "html", element("head", head), element("body", body, class_="page"), lang="en"
        )
        return join(Html("<!doctype html>\n"), page, Html("\n"))

    def write(self, folder: Path, address: str, matrix: str) -> None:
        """Write the page below the site's folder."""
        file = folder / self.path / "index.html"
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, self.text(address, matrix).encode("utf-8"))


def section(title: str, *children: object) -> Html:
    """Return a part of a page with its heading."""
    return element("section", element("h2", title), *children)


def code(text: str) -> Html:
    """Return a command or file name within a line."""
    return element("code", text)


def spoken(text: str) -> Html:
    """Return a text with its `code` as code; a quote without a partner stays as it is."""
    parts = _CODE.split(text)
    return join(code(part) if place % 2 else part for place, part in enumerate(parts))


def command(text: str) -> Html:
    """Return a command in a line of its own."""
    return element("pre", element("code", text))


def slug(text: str) -> str:
    """Return a name as a folder of a URL: `RTX 4090` as `rtx-4090`."""
    kept = "".join(letter if letter.isalnum() or letter == "." else "-" for letter in text.lower())
    return "-".join(part for part in kept.split("-") if part)
