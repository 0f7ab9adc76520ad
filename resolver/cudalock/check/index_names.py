"""From which indexes of the matrix an installer takes what a file asks for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cudalock.compat.wheels import has_file, kind_and_number, page_id
from cudalock.matrix.releases import PACKAGE_INDEX
from cudalock.urls import file_of, split

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cudalock.matrix.matrix import Builder, Matrix
    from cudalock.projects.model import ProjectFile

ANYWHERE = None
"""Instead of a set: some index is one that the matrix knows nothing of, so all may be there."""

NOTHING: Final[frozenset[str]] = frozenset()
"""An index that is known to have no build that the matrix has."""

_LOCAL_LABEL = r"/whl(?:/[a-z-]+)?/([a-z]+[0-9]*(?:\.[0-9]+)*)/?$"


class IndexNames:
    """Index addresses, as the matrix calls the indexes."""

    def __init__(self, matrix: Matrix) -> None:
        self._matrix = matrix
        self._by_url = {
            _plain(index.url): frozenset({index.id})
            for index in matrix.indexes.values()
            if index.url
        }
        self._hosts = {split(index.url).hostname for index in matrix.indexes.values() if index.url}
        self._all = frozenset(matrix.indexes) - {PACKAGE_INDEX}
        self._pages = [
            (builder.id, _page_pattern(page))
            for builder in matrix.builders.values()
            for page in (builder.page, _assets_page(builder.url))
            if page
        ]
        self._lists = {
            _plain(url): builder for builder in matrix.builders.values() for url in builder.lists
        }

    def of(self, url: str) -> frozenset[str] | None:
        """The indexes that an address means; ANYWHERE for one that is not known."""
        # Of a mirrored index either address is it: a file may name the original.
        url = self._matrix.mirrors.url(url)
        known = self._by_url.get(_plain(url))
        if known is not None:
            return known
        page = self._page(url)
        if page is not None:
            return frozenset({page_id(*page)})
        if (builder := self._lists.get(_plain(url))) is not None:
            return self._all_pages(builder)
        host = split(url).hostname or ""
        if host in self._hosts:
            path = split(url).path
            # Nightly builds alone are there, and the matrix has none of them.
            if "/nightly" in path:
                return NOTHING
            # The whole of it: the page of all builds, or the index above them.
            label = re.search(_LOCAL_LABEL, path)
            if label is None:
                return self._all
            return frozenset({label[1]}) if self._is_passed(label[1]) else ANYWHERE
        # A mirror of the package index names it as a rule.
        is_mirror = "pypi" in host or split(url).path.startswith("/pypi/")
        return frozenset({PACKAGE_INDEX}) if is_mirror else ANYWHERE

    def _is_passed(self, label: str) -> bool:
        """Whether an index of some builds would be known, if it had any of a known release: the
        matrix has a later one of its kind, as cu132 is of cu131."""
        kind, number = kind_and_number(label)
        known = (kind_and_number(index_id) for index_id in self._matrix.indexes)
        return bool(number) and any(kind == other and number < later for other, later in known)

    def _all_pages(self, builder: Builder) -> frozenset[str]:
        """The pages of everything that a builder has."""
        names = builder.projects or (builder.project,)
        projects = [project for name in names if (project := self._matrix.project(name))]
        return frozenset(
            page_id(build.builder, build.tag)
            for project in projects
            for version in project.versions
            for build in project.release(version).builds
            if build.builder == builder.id
        )

    def _page(self, url: str) -> tuple[str, str] | None:
        """The builder and the tag whose page an address is."""
        for builder, pattern in self._pages:
            match = pattern.fullmatch(_plain(url))
            if match is not None:
                return builder, match["tag"]
        return None

    def may_have(self, file: ProjectFile, name: str) -> bool:
        """Return whether a file names a builder's page that the matrix does not hold, and which may
        have a project."""
        pages = [page for url in file.find_links if (page := self._page(url)) is not None]
        project = self._matrix.project(name) if pages else None
        if project is None:
            return False
        held = {
            page_id(build.builder, build.tag)
            for version in project.versions
            for build in project.release(version).builds
            if build.builder is not None
        }
        return any(
            self._matrix.builders[builder].has(name) and page_id(builder, tag) not in held
            for builder, tag in pages
        )

    def of_wheel(self, url: str, name: str, version: str) -> frozenset[str] | None:
        """The index that a wheel's URL leads to, if the matrix has that wheel there."""
        folder, _, _ = url.partition("#")[0].rpartition("/")
        ids = self._by_url.get(_plain(folder))
        project, public = self._matrix.project(name), version.partition("+")[0]
        if ids is None or project is None or public not in project:
            return ANYWHERE
        builds = project.release(public).builds
        file = file_of(url)
        is_there = any(build.index in ids and has_file(build, public, file) for build in builds)
        return ids if is_there else ANYWHERE

    def of_one(self, url: str, name: str) -> frozenset[str] | None:
        """The same for the index that one project is sent to; ANYWHERE as well for an index on
        which the matrix has nothing of it: PyTorch's hold more than is known here."""
        ids = self.of(url)
        if not ids or PACKAGE_INDEX in ids:
            return ids
        project = self._matrix.project(name)
        releases = map(project.release, project.versions) if project else ()
        is_known = any(build.index in ids for release in releases for build in release.builds)
        return ids if is_known else ANYWHERE

    def of_all(self, urls: Iterable[str]) -> frozenset[str] | None:
        """The indexes that some addresses mean together."""
        ids: frozenset[str] = frozenset()
        for url in urls:
            one = self.of(url)
            if one is None:
                return ANYWHERE
            ids |= one
        return ids

    def in_uv_order(self, file: ProjectFile) -> list[frozenset[str] | None]:
        """The indexes of a file one by one, in the order in which uv looks for a project; the
        first that has it is the only one that uv takes it from."""
        main = file.index_url
        last = self.of(main) if main else frozenset({PACKAGE_INDEX})
        return [*map(self.of, file.extra_index_urls), last]

    def has(self, index_ids: frozenset[str], name: str) -> bool | None:
        """Return whether some of these indexes have a project; None where that is not known."""
        project = self._matrix.project(name)
        if PACKAGE_INDEX in index_ids:
            return True
        releases = map(project.release, project.versions) if project else ()
        if any(build.index in index_ids for release in releases for build in release.builds):
            return True
        indexes = self._matrix.indexes
        # An id that the matrix does not have is of an index that does not exist.
        known = [indexes[index_id] for index_id in index_ids if index_id in indexes]
        is_listed = all(name in index.projects for index in known)
        return False if is_listed else None

    def of_file(self, file: ProjectFile) -> frozenset[str] | None:
        """The indexes that everything in a file may come from."""
        urls = [*file.extra_index_urls, *file.find_links]
        if file.no_index:
            return self.of_all(file.find_links)
        main = file.index_url
        other_ids = self.of_all([*urls, *([main] if main else [])])
        if other_ids is None:
            return ANYWHERE
        return other_ids if main else other_ids | {PACKAGE_INDEX}


def _assets_page(url: str) -> str | None:
    """The page of the files of one release on GitHub, which people name with `--find-links`."""
    before, found, _ = url.partition("/releases/download/{tag}/")
    return f"{before}/releases/expanded_assets/{{tag}}" if found else None


def _page_pattern(page: str) -> re.Pattern[str]:
    """The pattern of the addresses of a builder's pages."""
    before, _, after = _plain(page).partition("{tag}")
    return re.compile(f"{re.escape(before)}(?P<tag>.+){re.escape(after)}")


def has_nightlies(file: ProjectFile) -> bool:
    """Whether a file names an index of nightly builds, of which the matrix holds none."""
    urls = [file.index_url or "", *file.extra_index_urls, *file.find_links]
    return any("/nightly" in split(url).path for url in urls)


def _plain(url: str) -> str:
    """Without what does not tell two addresses apart."""
    parts = split(url)
    return f"{parts.hostname}{parts.path.rstrip('/')}"


__all__ = ["ANYWHERE", "IndexNames", "has_nightlies"]
