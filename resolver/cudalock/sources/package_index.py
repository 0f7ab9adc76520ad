"""Where a package index has a wheel: looked up in its live listing, by file name and digest.

The matrix cannot hold these addresses: they contain digests of their own and cannot be derived.
unearth reads both kinds of listing, HTML and JSON. Listings are asked one time each, a few at once.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urljoin

import httpx
from unearth.collector import (
    IndexPage,
    LinkCollectError,
    fetch_page,
    parse_html_page,
    parse_json_response,
)
from unearth.finder import PackageFinder
from unearth.link import Link

from cudalock.addresses import file_of, without_credentials
from cudalock.errors import HashMismatch, NetworkError
from cudalock.lock import Address
from cudalock.placing import unaddressed
from cudalock.sources.pip_settings import read_settings
from cudalock.sources.web import Web, unreachable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import TracebackType

    from typing_extensions import Self
    from unearth.fetchers import Fetcher

    from cudalock.lock import Lock

_AT_ONCE: Final = 8
_JSON: Final = "application/vnd.pypi.simple.v1+json"


class PackageIndexes:
    """The package index and further ones, in order: those given, else those pip is configured for.

    Indexes in folders (`file:`) are passed over: their addresses mean nothing on another machine.
    With `offline` only listings that were asked for before are there.
    """

    def __init__(
        self,
        index_url: str | None = None,
        extra_index_urls: Sequence[str] = (),
        *,
        offline: bool = False,
    ) -> None:
        settings = read_settings()
        main = index_url or settings.index_url or PackageFinder().sources[0]["url"]
        given = [main, *extra_index_urls, *settings.extra_index_urls]
        self.urls = [url for url in dict.fromkeys(given) if url.startswith(("http:", "https:"))]
        self._web = Web(settings, offline=offline)
        self._listings: dict[tuple[str, str], list[tuple[str, Address]] | None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._web.close()

    def find(self, project: str, file: str, sha256: str | None) -> Address:
        """The address of a wheel of which name and digest are known.

        Without a digest the first of that name is taken. Raises HashMismatch if an index has the
        name with another digest only, NetworkError if none has it or cannot be asked.
        """
        others = []
        for address in self._named(project, file):
            if sha256 is None or address.sha256 == sha256:
                return address
            others.append(address)
        if others and sha256 is not None:
            first = others[0]
            raise HashMismatch(file, first.url, sha256, first.sha256 or "not published")
        raise NetworkError(f"`{file}` is not at {self._places}")

    def by_digest(self, project: str, digests: Iterable[str]) -> list[tuple[str, Address]]:
        """Every wheel of a project that has one of the digests, as file name and address.

        Raises NetworkError for a digest that no index lists.
        """
        wanted = set(digests)
        found: dict[str, tuple[str, Address]] = {}
        for url in self.urls:
            for file, address in self._listing(url, project) or ():
                if address.sha256 in wanted and file.endswith(".whl"):
                    found.setdefault(file, (file, address))
        absent = wanted - {address.sha256 for _, address in found.values()}
        if absent:
            raise NetworkError(f"no wheel of {project} at {self._places} has sha256 {min(absent)}")
        return list(found.values())

    def prepare(self, projects: Iterable[str]) -> None:
        """Ask the first index for these projects, several at once."""
        if not self.urls:
            return
        wanted = sorted(set(projects))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda project: self._listing(self.urls[0], project), wanted))

    def published(self, index: str, project: str, file: str) -> str | None:
        """The sha256 that an index, by its address, lists for a file; None where it lists none.

        Raises NetworkError if the index cannot be asked.
        """
        listed = self._listing(index, project) or ()
        return next((each.sha256 for name, each in listed if name == file and each.sha256), None)

    @property
    def _places(self) -> str:
        return ", ".join(without_credentials(url) for url in self.urls) or "any package index"

    def _named(self, project: str, file: str) -> Iterator[Address]:
        for url in self.urls:
            yield from (
                address for name, address in self._listing(url, project) or () if name == file
            )

    def _listing(self, index: str, project: str) -> list[tuple[str, Address]] | None:
        """An index's files of a project; None where it does not have the project."""
        key = (index, project)
        if key not in self._listings:
            self._listings[key] = self._ask(index, project)
        return self._listings[key]

    def _ask(self, index: str, project: str) -> list[tuple[str, Address]] | None:
        url = f"{index.rstrip('/')}/{project}/"
        try:
            page = fetch_page(cast("Fetcher", self._web), Link(url))
        except LinkCollectError as error:
            # An index may refuse to say that it lacks a project; PyTorch's answers 403.
            if any(f"({status})" in str(error) for status in (403, 404)):
                return None
            raise unreachable(url, error) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise unreachable(url, error) from None
        return list(_addresses(page, without_credentials(index)))


def find_addresses(
    lock: Lock,
    index_url: str | None = None,
    extra_index_urls: Sequence[str] = (),
    *,
    offline: bool = False,
) -> dict[str, Address]:
    """For each wheel of the lock whose address the matrix lacks: its address, by file name.

    Raises HashMismatch, naming both digests, or NetworkError. With `offline` that is raised for a
    listing that was not asked for before.
    """
    missing = unaddressed(lock)
    with PackageIndexes(index_url, extra_index_urls, offline=offline) as indexes:
        indexes.prepare(project for project, _ in missing)
        return {
            wheel.file: indexes.find(project, wheel.file, wheel.sha256)
            for project, wheel in missing
        }


def _addresses(page: IndexPage, index: str) -> Iterator[tuple[str, Address]]:
    if not page.content_type.lower().startswith(_JSON):
        for link in parse_html_page(page):
            yield _address(link, None, index)
        return
    # unearth drops the sizes.
    sizes = {}
    for file in json.loads(page.content).get("files", ()):
        with suppress(KeyError):
            sizes[urljoin(page.link.url_without_fragment, file["url"])] = file["size"]
    for link in parse_json_response(page):
        yield _address(link, sizes.get(link.url), index)


def _address(link: Link, size: int | None, index: str) -> tuple[str, Address]:
    digests = link.hash_option or {}
    (sha256,) = digests.get("sha256") or (None,)
    url = without_credentials(link.url_without_fragment)
    return file_of(url), Address(url, sha256 and sha256.lower(), size, index)


__all__ = ["PackageIndexes", "find_addresses"]
