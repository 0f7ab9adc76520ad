"""What machines read of the pages: sitemap, feed and robots.txt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape, quoteattr

from cudalock.show.wheels import python_ranges, pythons_on
from cudalock.text import listed
from cudalock.versions import parse_version

if TYPE_CHECKING:
    from cudalock.matrix.matrix import Matrix

ENTRIES: Final = 60
"""Of the feed, the newest ones."""

XML: Final = '<?xml version="1.0" encoding="utf-8"?>\n'


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """Something that changed in the matrix."""

    day: str
    id: str
    title: str
    summary: str
    path: str


def sitemap(pages: Iterable[tuple[str, str | None]], address: str) -> str:
    """Return the sitemap of pages, each a path and the day of its last change if that is known."""
    lines = [
        f"<url><loc>{escape(f'{address}/{path}')}</loc>"
        + (f"<lastmod>{day}</lastmod>" if day else "")
        + "</url>"
        for path, day in sorted(pages)
    ]
    head = '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
    return f"{XML}{head}\n" + "\n".join(lines) + "\n</urlset>\n"


def robots(address: str) -> str:
    """Return robots.txt: everything may be read."""
    return f"User-agent: *\nAllow: /\nSitemap: {address}/sitemap.xml\n"


def day_of(matrix: Matrix) -> str:
    """Return the day of a matrix: `2026-11-21`."""
    return "-".join(matrix.version.split(".")[:3])


def changes(matrix: Matrix, names: Iterable[str]) -> list[Entry]:
    """Return the newest releases of projects and the facts checked last, the newest first."""
    entries = []
    for name in names:
        project = matrix.project(name)
        for release in project or ():
            if release.uploaded and not parse_version(release.version).is_prerelease:
                pythons = listed(python_ranges(pythons_on(release.builds, None)))
                path = f"torch/{release.version}/" if name == matrix.framework else f"{name}/"
                entries.append(
                    Entry(
                        release.uploaded,
                        f"{name}-{release.version}",
                        f"{name} {release.version}",
                        f"Published {release.uploaded}, wheels for Python {pythons}.",
                        path,
                    )
                )
    for fact in matrix.facts.values():
        sentence = f"{fact.component} {fact.versions} {fact.says}".replace("  ", " ")
        entries.append(
            Entry(fact.checked, f"fact-{fact.id}", f"Fact {fact.id}", sentence, f"facts/{fact.id}/")
        )
    releases = [entry for entry in entries if not entry.id.startswith("fact-")]
    facts = [entry for entry in entries if entry.id.startswith("fact-")]
    # Half of each: a day on which many facts were checked would leave no room for releases.
    newest = [*sorted(releases)[-ENTRIES // 2 :], *sorted(facts)[-ENTRIES // 2 :]]
    return sorted(newest, reverse=True)


def feed(matrix: Matrix, names: Iterable[str], address: str) -> str:
    """Return the Atom feed of what changed in the matrix."""
    entries = [
        "<entry>"
        f"<title>{escape(entry.title)}</title>"
        f"<id>{escape(f'{address}/feed.xml#{entry.id}')}</id>"
        f"<updated>{entry.day}T00:00:00Z</updated>"
        f"<link href={quoteattr(f'{address}/{entry.path}')}/>"
        f"<summary>{escape(entry.summary)}</summary>"
        "</entry>"
        for entry in changes(matrix, names)
    ]
    return (
        f'{XML}<feed xmlns="http://www.w3.org/2005/Atom">\n'
        f"<title>What changed in the matrix of cudalock</title>\n"
        f"<id>{escape(f'{address}/feed.xml')}</id>\n"
        f"<updated>{day_of(matrix)}T00:00:00Z</updated>\n"
        "<author><name>cudalock</name></author>\n"
        f'<link rel="self" href={quoteattr(f"{address}/feed.xml")}/>\n'
        f"<link href={quoteattr(f'{address}/')}/>\n" + "\n".join(entries) + "\n</feed>\n"
    )
