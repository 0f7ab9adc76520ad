"""The files that an index lists of a project, from either kind of listing (HTML, JSON).

unearth fetches both. A page that is no listing, such as the login page of a proxy, is distinguished
from an empty one.
"""

from __future__ import annotations

import re
import threading
from functools import cache
from sys import intern
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote, urljoin, urlunsplit

import httpx
from unearth.collector import (
    IndexHTMLParser,
    IndexPage,
    LinkCollectError,
    fetch_page,
)
from unearth.link import Link

from cudalock.files import is_safe_name
from cudalock.indexes.client import ANEW, unreachable
from cudalock.records import NamedTuple
from cudalock.text import read_json
from cudalock.urls import file_of, split, without_credentials
from cudalock.versions import readable_specifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from unearth.fetchers import Fetcher

    from cudalock.indexes.client import Web

_JSON: Final = "application/vnd.pypi.simple.v1+json"
_DIGEST: Final = re.compile(r"(?:^|&)sha256=([0-9a-fA-F]+)")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_UNPRINTABLE: Final = re.compile(r"[^!-~]")
_PLAIN_URL: Final = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]+)?(?:/[A-Za-z0-9._~+=!-]+)+")
"""A URL with nothing to decode or to leave out, as all of the package index are: `urlsplit` finds
the same in it at twenty times the price."""
_ARCHIVES: Final = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz", ".egg", ".exe")


class File(NamedTuple):
    """One file of a listing. What a listing does not have is None, and `url` has no credentials.

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


UNREADABLE: Final = (ValueError, LookupError, TypeError, AttributeError, AssertionError)
"""What reading a page that is none raises; the parser of HTML asserts of `<![x`."""


class Listing(NamedTuple):
    """An index's files of a project, in the index's order."""

    project: str
    address: str
    """the index's, without credentials"""
    files: tuple[File, ...]


def anything(name: str) -> bool:
    """Return True for each file name."""
    return bool(name)


def read_listing(
    web: Web, index: str, project: str, takes: Callable[[str], bool] = anything
) -> Listing | None:
    """Return an index's files of a project; None if it does not have the project.

    Only those whose name `takes` returns true for are kept. Raises NetworkError if the index cannot
    be queried, or responds with something else.
    """
    url = f"{index.rstrip('/')}/{project}/"
    page = _page(web, url)
    if page is None:
        return None
    try:
        files = _read_files(page, takes)
    except UNREADABLE:
        # What the cache keeps may have been damaged: once more, past it.
        page = _page(web, url, anew=True)
        try:
            files = _read_files(page, takes) if page is not None else ()
        except UNREADABLE:
            raise unreachable(url, "the answer is no listing of a package index") from None
    return Listing(project, without_credentials(index), files)


def read_links(web: Web, url: str) -> tuple[File, ...] | None:
    """The files that a page of links leads to, whatever their projects; None where there is none.

    Raises NetworkError if it cannot be read, or is something else.
    """
    page = _page(web, url)
    try:
        return None if page is None else tuple(_files(page))
    except UNREADABLE:
        raise unreachable(url, "the answer has no links to files") from None


def read_addresses(web: Web, url: str) -> tuple[str, ...]:
    """Return where the links of an HTML page lead to, as URLs. Raises NetworkError."""
    page = _page(web, url)
    parser = IndexHTMLParser()
    try:
        if page is None:
            raise ValueError
        _check_length(page.content, b"<")
        parser.feed(page.content.decode(page.encoding or "utf-8"))
    except UNREADABLE:
        raise unreachable(url, "the page of links is missing or cannot be read") from None
    base = parser.base_url or page.link.url_without_fragment
    links = (anchor.get("href") for anchor in parser.anchors)
    return tuple(urljoin(base, link) for link in links if link)


def file_at(url: str) -> File:
    """The file at an address, whose fragment may say its digest."""
    return _file(url, uploaded=None)


def _page(web: Web, url: str, *, anew: bool = False) -> IndexPage | None:
    fetcher = _Anew(web) if anew else web
    try:
        # It calls `get`, and nothing else that it would have of a fetcher.
        return fetch_page(cast("Fetcher", fetcher), Link(url))
    except LinkCollectError as error:
        # unearth has the status in its message only.
        status = re.search(r"\(([0-9]{3})\)", str(error))
        # A mirror of a file store passes its answers on.
        host = split(web.mirrors.original(url)).hostname
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
        split(index.url).hostname: index.absent_status
        for index in Matrix.load(EMBEDDED).indexes.values()
        if index.url is not None and index.absent_status is not None
    }


class _Anew:
    """A fetcher that bypasses the cache."""

    def __init__(self, web: Web) -> None:
        self._web = web

    def get(self, url: str, *, headers: dict[str, str]) -> httpx.Response:
        return self._web.get(url, headers=headers, extensions=ANEW)


_READING: Final = threading.Lock()


def _read_files(page: IndexPage, takes: Callable[[str], bool]) -> tuple[File, ...]:
    """Return the files of a page, one page at a time: a page in JSON takes ten times its length
    while it is read, and sixteen threads at once would gain no time by it."""
    with _READING:
        return tuple(_files(page, takes))


def _files(page: IndexPage, takes: Callable[[str], bool] = anything) -> Iterator[File]:
    """Yield the files. Raises ValueError for a page that is no listing.

    unearth's own parsing of a page drops the sizes of one kind and the days of the other, and
    splits each URL several times, which takes long for a page of thousands.
    """
    if page.content_type.lower().startswith(_JSON):
        yield from _files_of_json(page, takes)
        return
    _check_length(page.content, b"<")
    parser = IndexHTMLParser()
    parser.feed(page.content.decode(page.encoding or "utf-8"))
    base = parser.base_url or page.link.url_without_fragment
    files = [_of_anchor(anchor, base) for anchor in parser.anchors if anchor.get("href")]
    # An empty page is a listing; a page of links that lead to no file is a login page or the like.
    if files and not any(file.name.endswith(_ARCHIVES) for file in files):
        raise ValueError("no link leads to a file")
    yield from (file for file in files if _is_usable(file) and takes(file.name))


def _files_of_json(page: IndexPage, takes: Callable[[str], bool]) -> Iterator[File]:
    base = page.link.url_without_fragment
    _check_length(page.content, b",")

    def made(row: dict[str, Any]) -> Any:
        # Each row at once: all rows of a page take several times the memory of its files.
        if "url" not in row or "files" in row:
            return row
        file = _of_row(row, base) if row["url"] else None
        return file if file is not None and _is_usable(file) and takes(file.name) else None

    document = read_json(page.content, made)
    for file in document["files"]:
        if isinstance(file, File):
            yield file
        elif file is not None:
            raise ValueError("a file has no URL")


MOST_PARTS: Final = 1_500_000
"""Commas of a page in JSON, tags of one in HTML: 2,400 files of a project have 17,000 commas on the
package index. What follows each takes a hundred bytes of memory once it is parsed."""


def _check_length(content: bytes, sign: bytes) -> None:
    """Raise ValueError for a page that would take too much memory and time."""
    if content.count(sign) > MOST_PARTS:
        raise ValueError("it is too long")


def _is_usable(file: File) -> bool:
    """Whether a file has a name that packages have: it would go into a lock and become a path."""
    return is_safe_name(file.name) and file.url.startswith(("https://", "http://"))


def _of_row(row: dict[str, Any], base: str) -> File:
    """Return a file of an index's JSON (PEP 691, PEP 700)."""
    # PEP 714: `core-metadata` replaced `data-dist-info-metadata`, which an index's bug had broken.
    offer = row.get("core-metadata", row.get("data-dist-info-metadata"))
    size, yanked, python = row.get("size"), row.get("yanked"), row.get("requires-python")
    url = row["url"]
    return _file(
        url if _PLAIN_URL.fullmatch(url) else urljoin(base, url),
        sha256=(row.get("hashes") or {}).get("sha256"),
        size=size if isinstance(size, int) else None,
        python=python if isinstance(python, str) and python else None,
        yanked=(yanked if isinstance(yanked, str) else "") if yanked else None,
        uploaded=row.get("upload-time"),
        metadata=(offer.get("sha256", "") if isinstance(offer, dict) else "") if offer else None,
    )


def _of_anchor(anchor: dict[str, str | None], base: str) -> File:
    """Return a file of a link in an index's HTML (PEP 503, PEP 592, PEP 714)."""
    offer = anchor.get("data-core-metadata", anchor.get("data-dist-info-metadata"))
    kind, _, digest = (offer or "").partition("=")
    return _file(
        urljoin(base, anchor["href"] or ""),
        python=anchor.get("data-requires-python") or None,
        yanked=anchor.get("data-yanked"),
        uploaded=anchor.get("data-upload-time"),
        metadata=(digest if kind == "sha256" else "") if offer else None,
    )


def _file(
    url: str,
    *,
    uploaded: object,
    sha256: object = None,
    size: int | None = None,
    python: str | None = None,
    yanked: str | None = None,
    metadata: object = None,
) -> File:
    """Return a file by its URL and its other fields; the URL may have the digest."""
    plain, _, fragment = url.partition("#")
    if not sha256 and (digest := _DIGEST.search(fragment)):
        sha256 = digest[1]
    moment = str(uploaded) if uploaded else ""
    day = moment[:10]
    is_day = _DAY.fullmatch(day) is not None
    if _PLAIN_URL.fullmatch(plain):
        address, name = plain, plain.rpartition("/")[2]
    else:
        address = without_credentials(plain) if "@" in plain else plain
        # It is written into locks, where a blank ends it and a line break begins a new requirement.
        address = _UNPRINTABLE.sub(lambda unprintable: quote(unprintable[0]), address)
        name = file_of(address)
    return File(
        name,
        address,
        _digest_of(sha256),
        size,
        # pip takes no notice of a Requires-Python that it cannot read.
        readable_specifier(python) or None if python else None,
        yanked,
        # Many files are of the same day.
        intern(day) if is_day else None,
        None if metadata is None else _digest_of(metadata) or "",
        moment if is_day else None,
    )


def _digest_of(text: object) -> str | None:
    """A sha256, which becomes a line of a lock and the name of a file in the cache; else None."""
    digest = text.lower() if isinstance(text, str) else ""
    return digest if _SHA256.fullmatch(digest) else None


def with_credentials_of(index: str, url: str) -> str:
    """Return the URL of a file with the credentials of its index, if both are on the same host."""
    whole, parts = split(index), split(url)
    user, at, host = whole.netloc.rpartition("@")
    if not at or (whole.scheme, host) != (parts.scheme, parts.netloc):
        return url
    return urlunsplit(parts._replace(netloc=f"{user}@{host}"))


__all__ = [
    "File",
    "Listing",
    "anything",
    "file_at",
    "read_links",
    "read_listing",
    "with_credentials_of",
]
