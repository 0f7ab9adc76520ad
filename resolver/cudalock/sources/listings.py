"""What an index lists of a project: its files, as either kind of listing (HTML, JSON) says it.

unearth reads both. A page that is no listing, as the login page of a proxy, is told from an empty
one.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast
from urllib.parse import urljoin, urlsplit, urlunsplit

import httpx
from unearth.collector import (
    IndexHTMLParser,
    IndexPage,
    LinkCollectError,
    fetch_page,
    parse_html_page,
    parse_json_response,
)
from unearth.link import Link

from cudalock.addresses import file_of, without_credentials
from cudalock.sources.web import DOWNLOAD, unreachable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from unearth.fetchers import Fetcher

    from cudalock.sources.web import Web

_JSON: Final = "application/vnd.pypi.simple.v1+json"
_ARCHIVES: Final = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz", ".egg", ".exe")


_FORBIDS_WHAT_IT_LACKS: Final = ("download.pytorch.org",)
"""Hosts that answer 403 for a project that is not there. Elsewhere it is a token that has expired,
say, and to ask the next index then would let anyone have the name there."""


class File(NamedTuple):
    """One file of a listing. What a listing does not say is None, and `url` has no credentials.

    `yanked` is the reason, "" for none given. `metadata` is the sha256 under which METADATA is
    offered beside the file, "" for an offer without a digest. `uploaded` is a day.
    """

    name: str
    url: str
    sha256: str | None = None
    size: int | None = None
    python: str | None = None
    yanked: str | None = None
    uploaded: str | None = None
    metadata: str | None = None

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


def _page(web: Web, url: str, *, anew: bool = False) -> IndexPage | None:
    fetcher = _Anew(web) if anew else web
    try:
        return fetch_page(cast("Fetcher", fetcher), Link(url))
    except LinkCollectError as error:
        absent = (404, 403) if urlsplit(url).hostname in _FORBIDS_WHAT_IT_LACKS else (404,)
        if any(f"({status})" in str(error) for status in absent):
            return None
        raise unreachable(url, error) from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise unreachable(url, error) from None


class _Anew:
    """What unearth calls a fetcher, past the cache."""

    def __init__(self, web: Web) -> None:
        self._web = web

    def get(self, url: str, *, headers: dict[str, str]) -> httpx.Response:
        return self._web.get(url, headers=headers, extensions=DOWNLOAD)


def _files(page: IndexPage) -> Iterator[File]:
    """Raises ValueError for a page that is no listing."""
    if not page.content_type.lower().startswith(_JSON):
        files = [_file(link) for link in parse_html_page(page)]
        if files and not any(file.name.endswith(_ARCHIVES) for file in files):
            raise ValueError("no link leads to a file")
        yield from _dated(files, page)
        return
    # unearth drops the sizes.
    sizes: dict[str, Any] = {}
    for file in json.loads(page.content)["files"]:
        with suppress(KeyError):
            sizes[urljoin(page.link.url_without_fragment, file["url"])] = file["size"]
    for link in parse_json_response(page):
        yield _file(link, sizes.get(link.url))


def _dated(files: list[File], page: IndexPage) -> Iterable[File]:
    """With the days that some indexes' HTML has; PEP 700 has them in JSON, and unearth there."""
    if b"data-upload-time" not in page.content:
        return files
    parser = IndexHTMLParser()
    parser.feed(page.content.decode(page.encoding or "utf-8"))
    times = [
        each.get("data-upload-time") for each in parser.anchors if each.get("href") is not None
    ]
    return [
        file._replace(uploaded=time[:10] if time else None)
        for file, time in zip(files, times, strict=True)
    ]


def _file(link: Link, size: int | None = None) -> File:
    digests = link.hash_option or {}
    (sha256,) = digests.get("sha256") or (None,)
    offer = link.dist_info_metadata
    metadata = str(offer.get("sha256", "")).lower() if isinstance(offer, dict) else ""
    url = without_credentials(link.url_without_fragment)
    yanked = link.yank_reason
    return File(
        name=file_of(url),
        url=url,
        sha256=sha256 and sha256.lower(),
        size=size if isinstance(size, int) else None,
        python=link.requires_python or None,
        yanked=None if yanked is None else yanked if isinstance(yanked, str) else "",
        uploaded=link.upload_time.date().isoformat() if link.upload_time else None,
        metadata=metadata if offer else None,
    )


def with_credentials_of(index: str, url: str) -> str:
    """The address of a file with the credentials of its index, if it is at the same place."""
    whole, parts = urlsplit(index), urlsplit(url)
    user, at, host = whole.netloc.rpartition("@")
    if not at or (whole.scheme, host) != (parts.scheme, parts.netloc):
        return url
    return urlunsplit(parts._replace(netloc=f"{user}@{host}"))


__all__ = ["File", "Listing", "read_listing", "with_credentials_of"]
