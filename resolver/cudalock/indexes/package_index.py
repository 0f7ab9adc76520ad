"""Where a package index has a wheel: looked up in its live listing, by file name and digest.

The matrix cannot contain these URLs: they contain digests of their own and cannot be derived.
unearth reads both kinds of listing, HTML and JSON. Each listing is requested once, several in
parallel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from unearth.finder import PackageFinder

from cudalock.errors import HashMismatch, NetworkError
from cudalock.indexes.client import Web
from cudalock.indexes.listings import File, Listing, anything, read_listing
from cudalock.indexes.parallel import map_parallel
from cudalock.indexes.pip_config import read_pip_settings
from cudalock.lock import FileUrl
from cudalock.lock.wheels import wheels_without_url
from cudalock.mirrors import NO_MIRRORS, Mirrors
from cudalock.urls import without_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType

    from typing_extensions import Self

    from cudalock.lock import Lock


class PackageIndexes:
    """The package index and further ones, in order: those given, else those pip is configured for.

    Indexes in folders (`file:`) are ignored: their URLs mean nothing on another machine. With
    `offline` only listings that were requested before are there.
    """

    def __init__(
        self,
        index_url: str | None = None,
        extra_index_urls: Sequence[str] = (),
        *,
        offline: bool = False,
        mirrors: Mirrors = NO_MIRRORS,
        takes: Callable[[str], bool] = anything,
    ) -> None:
        """`takes` returns whether a file of a name is of any interest: an index has a hundred
        thousand files of two hundred projects, half of them for machines that nobody asks for."""
        settings = read_pip_settings()
        main = index_url or settings.index_url or default_index_url()
        urls = map(mirrors.url, [main, *extra_index_urls, *settings.extra_index_urls])
        self.urls = [url for url in dict.fromkeys(urls) if url.startswith(("http:", "https:"))]
        self.web = Web(settings, offline=offline, mirrors=mirrors)
        self._mirrors = mirrors
        self._takes = takes
        self._listings: dict[tuple[str, str], Listing | None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.web.close()

    def find(self, project: str, file: str, sha256: str | None) -> FileUrl:
        """Return the URL of a wheel with a known name and digest.

        Without a digest only the first index counts: nothing would distinguish another index's file
        of the same name. Raises HashMismatch if an index has the name with another digest only,
        NetworkError if none has it or can be queried.
        """
        other_hashes = []
        places = self.urls if sha256 is not None else self.urls[:1]
        for address in self._named(project, file, places):
            if sha256 is None or address.sha256 == sha256:
                return address
            other_hashes.append(address)
        if other_hashes and sha256 is not None:
            first = other_hashes[0]
            raise HashMismatch(file, first.url, sha256, first.sha256 or "not published")
        raise NetworkError(f"`{file}` is not at {self._places}")

    def by_digest(self, project: str, digests: Iterable[str]) -> list[tuple[str, FileUrl]]:
        """Every file of a project that has one of the digests, as file name and address.

        Raises NetworkError for a digest that no index lists.
        """
        missing = set(digests)
        by_digest: dict[str, tuple[str, FileUrl]] = {}
        for url in self.urls:
            for file in self._files(url, project):
                if file.sha256 in missing:
                    by_digest.setdefault(file.name, (file.name, _address(file, url)))
        absent = missing - {address.sha256 for _, address in by_digest.values()}
        if absent:
            raise NetworkError(f"no file of {project} at {self._places} has sha256 {min(absent)}")
        return list(by_digest.values())

    def prepare(self, projects: Iterable[str]) -> None:
        """Query the first index for these projects, in parallel."""
        if not self.urls:
            return
        project_names = sorted(set(projects))
        map_parallel(lambda project: self.listing(self.urls[0], project), project_names)

    def published(self, index: str, project: str, file: str) -> str | None:
        """Return the sha256 that an index (its URL) lists for a file; None if it lists none.

        Raises NetworkError if the index cannot be queried.
        """
        files = self._files(index, project)
        return next(
            (
                listed_file.sha256
                for listed_file in files
                if listed_file.name == file and listed_file.sha256
            ),
            None,
        )

    def listing(self, index: str, project: str) -> Listing | None:
        """Return an index's files of a project; None if it does not have the project.

        Raises NetworkError if the index cannot be queried.
        """
        key = (index, project)
        if key not in self._listings:
            listing = read_listing(self.web, index, project, self._takes)
            self._listings[key] = listing and self._mirrored(listing)
        return self._listings[key]

    def _mirrored(self, listing: Listing) -> Listing:
        """A mirror's page may still lead to the files of the original."""
        if not self._mirrors:
            return listing
        files = (file._replace(url=self._mirrors.url(file.url)) for file in listing.files)
        return listing._replace(files=tuple(files))

    @property
    def _places(self) -> str:
        return ", ".join(without_credentials(url) for url in self.urls) or "any package index"

    def _files(self, index: str, project: str) -> tuple[File, ...]:
        listing = self.listing(index, project)
        return listing.files if listing else ()

    def _named(self, project: str, file: str, places: list[str]) -> Iterator[FileUrl]:
        for url in places:
            for each in self._files(url, project):
                if each.name == file:
                    yield _address(each, url)


def default_index_url() -> str:
    """The address of the package index that installers use unless they are told another."""
    url: str = PackageFinder().sources[0]["url"]
    return url


def find_addresses(
    lock: Lock,
    index_url: str | None = None,
    extra_index_urls: Sequence[str] = (),
    *,
    offline: bool = False,
    mirrors: Mirrors = NO_MIRRORS,
) -> dict[str, FileUrl]:
    """Return the URL of each wheel of the lock that the matrix has none for, by file name.

    Raises HashMismatch, naming both digests, or NetworkError. With `offline` that is raised for a
    listing that was not requested before.
    """
    missing = wheels_without_url(lock)
    with PackageIndexes(index_url, extra_index_urls, offline=offline, mirrors=mirrors) as indexes:
        indexes.prepare(project for project, _ in missing)
        return {
            wheel.file: indexes.find(project, wheel.file, wheel.sha256)
            for project, wheel in missing
        }


def _address(file: File, index: str) -> FileUrl:
    return FileUrl(file.url, file.sha256, file.size, without_credentials(index), file.uploaded_at)


__all__ = ["PackageIndexes", "default_index_url", "find_addresses"]
