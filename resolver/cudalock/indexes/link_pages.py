"""Pages of links to wheels, one for each folder: what `pip install --find-links` reads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from cudalock.indexes.client import unreachable
from cudalock.indexes.github_releases import MOST_PAGES, Asset
from cudalock.indexes.listings import read_addresses, read_links
from cudalock.indexes.parallel import map_parallel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cudalock.indexes.client import Web

# Each page is megabytes, and all are of one host.
_AT_ONCE = 4


def list_pages(
    web: Web, template: str, page: str, pages: str | None, known_tags: Iterable[str]
) -> list[Asset]:
    """Return every file of a builder's pages whose URL fits a template with `{tag}` and `{file}`.

    `page` is the URL of one tag's page, and `pages` of the one that links to them; without it the
    pages of the `known_tags` are read. A page that is gone has no files. Raises NetworkError if
    one cannot be read: a list that lacks pages would make files look deleted.
    """
    tags = set(known_tags)
    if pages is not None:
        found = [_fit(page, url) for url in read_addresses(web, pages)]
        tags = {quote(tag["tag"]) for tag in found if tag is not None}
        if not tags:
            raise unreachable(pages, "no link leads to a page of links")
    if len(tags) > MOST_PAGES:
        raise unreachable(pages or page, f"it leads to more than {MOST_PAGES} pages")
    urls = [page.format(tag=tag) for tag in sorted(tags)]
    listed = map_parallel(lambda url: read_links(web, url) or (), urls, _AT_ONCE)
    # The page of torch 2.5.1 links to the files of torch 2.5.0.
    assets = {file.url: (file, _fit(template, file.url)) for files in listed for file in files}
    return [
        Asset(quote(fit["tag"]), file.name, file.url, file.sha256, file.size, file.uploaded)
        for file, fit in assets.values()
        if fit is not None and fit["file"] == file.name
    ]


def _fit(template: str, url: str) -> dict[str, str] | None:
    """Return what stands for `{tag}` and `{file}` in a URL, decoded; None if it does not fit."""
    # Decoded on both sides: a plus sign of a local version is encoded on some pages alone.
    expression = re.escape(unquote(template))
    for name, characters in (("tag", ".+"), ("file", "[^/]+")):
        expression = expression.replace(rf"\{{{name}\}}", f"(?P<{name}>{characters})", 1)
    match = re.fullmatch(expression, unquote(url))
    return match.groupdict() if match else None


__all__ = ["list_pages"]
