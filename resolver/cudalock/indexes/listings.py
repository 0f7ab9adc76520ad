"""What an index lists of a project: its files, as either kind of listing (HTML, JSON) says it.

unearth fetches both. A page that is no listing, as the login page of a proxy, is told from an empty
one.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast
from urllib.parse import urljoin, urlsplit, urlunsplit

import httpx
from unearth.collector import (
    IndexHTMLParser,
    IndexPage,
    LinkCollectError,
    fetch_page,
)
from unearth.link import Link

from cudalock.indexes.client import DOWNLOAD, unreachable
from cudalock.urls import file_of, without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from unearth.fetchers import Fetcher

    from cudalock.indexes.client import Web

_JSON: Final = "application/vnd.pypi.simple.v1+json"
_DIGEST: Final = re.compile(r"(?:^|&)sha256=([0-9a-fA-F]+)")
_ARCHIVES: Final = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz", ".egg", ".exe")


class File(NamedTuple):
    """One file of a listing. What a listing does not say is None, and `url` has no credentials.

    `yanked` is the reason, "" for none given. `metadata` is the sha256 under which METADATA is
    offered beside the file, "" for an offer without a digest. `uploaded` is a day, `uploaded_at`
    the moment as the index writes it.
    """

    name: str
    url: str
    sha256: str | None = None
    size: int | None = None
    python: str | None = None
    yanked: str | None = None
    uploaded: str | None = None
    metadata: str | None = None
    uploaded_at: str | None = None

    @property
    def is_wheel(self) -> bool:
        return self.name.endswith(".whl")


class Listing(NamedTuple):
    """An index's files of a project, in the index's order."""

    project: str
    address: str
    """the index's, without credentials"""
    files: tuple[File, ...]


def read_listing(web: Web, index: str, project: str) -> Listing | None:
    """An index's files of a project; None where it does not have the project.

    Raises NetworkError if the index cannot be asked, or answers with something else.
    """
    url = f"{index.rstrip('/')}/{project}/"
    page = _page(web, url)
    if page is None:
        return None
    try:
        files = tuple(_files(page))
    except (ValueError, LookupError, TypeError, AttributeError):
        # What the cache keeps may have been damaged: once more, past it.
        page = _page(web, url, anew=True)
        try:
            files = tuple(_files(page)) if page is not None else ()
        except (ValueError, LookupError, TypeError, AttributeError):
            raise unreachable(url, "the answer is no listing of a package index") from None
    return Listing(project, without_credentials(index), files)


def read_links(web: Web, url: str) -> tuple[File, ...] | None:
    """The files that a page of links leads to, whatever their projects; None where there is none.

    Raises NetworkError if it cannot be read, or is something else.
    """
    page = _page(web, url)
    try:
        return None if page is None else tuple(_files(page))
    except (ValueError, LookupError, TypeError, AttributeError):
        raise unreachable(url, "the answer has no links to files") from None


def file_at(url: str) -> File:
    """The file at an address, whose fragment may say its digest."""
    return _file(url, uploaded=None)


def _page(web: Web, url: str, *, anew: bool = False) -> IndexPage | None:
    fetcher = _Anew(web) if anew else web
    try:
        # It calls `get`, and nothing else that it would have of a fetcher.
        return fetch_page(cast("Fetcher", fetcher), Link(url))
    except LinkCollectError as error:
        status = re.search(r"\((\d{3})\)", str(error))
        # A mirror of a file store passes its answers on.
        host = urlsplit(web.mirrors.original(url)).hostname
        if status and int(status[1]) in (404, absent_statuses().get(host)):
            return None
        raise unreachable(url, error) from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise unreachable(url, error) from None


@cache
def absent_statuses() -> Mapping[str | None, int]:
    """Return what hosts answer, beside 404, for a project that they lack.

    It is a column of the shipped matrix, which is read only once an index has refused to answer.
    """
    from cudalock.matrix.matrix import EMBEDDED, Matrix

    return {
        urlsplit(index.url).hostname: index.absent_status
        for index in Matrix.load(EMBEDDED).indexes.values()
        if index.url is not None and index.absent_status is not None
    }


class _Anew:
    """What asks past the cache."""

    def __init__(self, web: Web) -> None:
        self._web = web

    def get(self, url: str, *, headers: dict[str, str]) -> httpx.Response:
        return self._web.get(url, headers=headers, extensions=DOWNLOAD)


def _files(page: IndexPage) -> Iterator[File]:
    """Raises ValueError for a page that is no listing.

    unearth's own reading of a page drops the sizes of one kind and the days of the other, and takes
    each address apart several times, which counts where a page has thousands.
    """
    if page.content_type.lower().startswith(_JSON):
        base = page.link.url_without_fragment
        yield from (_of_row(row, base) for row in json.loads(page.content)["files"] if row["url"])
        return
    parser = IndexHTMLParser()
    parser.feed(page.content.decode(page.encoding or "utf-8"))
    base = parser.base_url or page.link.url_without_fragment
    files = [_of_anchor(anchor, base) for anchor in parser.anchors if anchor.get("href")]
    if files and not any(file.name.endswith(_ARCHIVES) for file in files):
        raise ValueError("no link leads to a file")
    yield from files


def _of_row(row: dict[str, Any], base: str) -> File:
    """A file as the JSON of an index has it (PEP 691, PEP 700)."""
    offer = row.get("core-metadata", row.get("data-dist-info-metadata"))
    size, yanked = row.get("size"), row.get("yanked")
    return _file(
        urljoin(base, row["url"]),
        sha256=(row.get("hashes") or {}).get("sha256"),
        size=size if isinstance(size, int) else None,
        python=row.get("requires-python") or None,
        yanked=(yanked if isinstance(yanked, str) else "") if yanked else None,
        uploaded=row.get("upload-time"),
        metadata=(offer.get("sha256", "") if isinstance(offer, dict) else "") if offer else None,
    )


def _of_anchor(anchor: dict[str, str | None], base: str) -> File:
    """The same for a link in the HTML of one (PEP 503, PEP 592, PEP 714)."""
    offer = anchor.get("data-core-metadata", anchor.get("data-dist-info-metadata"))
    kind, _, digest = (offer or "").partition("=")
    return _file(
        urljoin(base, anchor["href"] or ""),
        python=anchor.get("data-requires-python") or None,
        yanked=anchor.get("data-yanked"),
        uploaded=anchor.get("data-upload-time"),
        metadata=(digest if kind == "sha256" else "") if offer else None,
    )


def _file(url: str, **said: Any) -> File:
    """A file by its address and what is said of it; the address may say the digest."""
    plain, _, fragment = url.partition("#")
    if not said.get("sha256") and (digest := _DIGEST.search(fragment)):
        said["sha256"] = digest[1]
    for key in ("sha256", "metadata"):
        said[key] = said.get(key) and said[key].lower()
    said["uploaded_at"] = said["uploaded"]
    said["uploaded"] = said["uploaded"] and said["uploaded"][:10]
    address = without_credentials(plain) if "@" in plain else plain
    return File(file_of(address), address, **said)


def with_credentials_of(index: str, url: str) -> str:
    """The address of a file with the credentials of its index, if it is at the same place."""
    whole, parts = urlsplit(index), urlsplit(url)
    user, at, host = whole.netloc.rpartition("@")
    if not at or (whole.scheme, host) != (parts.scheme, parts.netloc):
        return url
    return urlunsplit(parts._replace(netloc=f"{user}@{host}"))


__all__ = ["File", "Listing", "file_at", "read_links", "read_listing", "with_credentials_of"]
