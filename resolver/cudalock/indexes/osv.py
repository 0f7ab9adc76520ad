"""Known vulnerabilities, from OSV's service or from a dump of its database.

The service is asked as its documentation says: which advisories there are for a name and version
(`POST querybatch`, for all pins at once), then each advisory (`GET vulns/ID`). A dump is a folder
of such advisories, or the `all.zip` of an ecosystem that OSV offers, and needs no network.

An advisory that was withdrawn is none. OSV knows public versions only: `2.6.0+cu124` is 2.6.0.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import httpx
from packaging.version import InvalidVersion, Version

from cudalock.errors import BadFile, NetworkError
from cudalock.files import files_in, read_limited
from cudalock.indexes.client import unreachable
from cudalock.text import read_json
from cudalock.versions import canonical, parse_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cudalock.indexes.client import Web

SERVICE: Final = "https://api.osv.dev/v1"
ECOSYSTEM: Final = "PyPI"
PAGE: Final = "https://osv.dev/vulnerability/"
BATCH: Final = 1000
"""Queries of one request: the service takes no more."""
_MOST_PAGES: Final = 50
LARGEST: Final = 4 << 20
"""Bytes of one advisory."""
MOST: Final = 500_000
"""Advisories of a dump; that of PyPI has thirty thousand."""
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")


class Advisory(NamedTuple):
    """One vulnerability of one project."""

    id: str
    project: str
    """canonical"""
    aliases: tuple[str, ...]
    """its other ids: of CVE, of GitHub"""
    summary: str
    versions: frozenset[str]
    """affected versions, public, that are listed one by one"""
    ranges: tuple[tuple[tuple[str, str], ...], ...]
    """ranges of affected versions, each as events in order: `introduced`, `fixed`,
    `last_affected` or `limit`, and a version"""

    @property
    def url(self) -> str:
        return PAGE + self.id

    @property
    def fixed(self) -> tuple[str, ...]:
        """The versions that fix it, oldest first."""
        found = {version for events in self.ranges for kind, version in events if kind == "fixed"}
        return tuple(sorted(found, key=_key))

    @property
    def label(self) -> str:
        """Its id, with that of CVE if it has one: `GHSA-... (CVE-...)`."""
        cve = next((alias for alias in self.aliases if alias.startswith("CVE-")), None)
        return f"{self.id} ({cve})" if cve and cve != self.id else self.id

    def affects(self, version: str) -> bool:
        """Return whether a version is affected, by the rules of OSV's schema."""
        # PyPI's projects have no local versions, so no advisory names one.
        public = version.partition("+")[0]
        if public in self.versions or _plain(public) in self.versions:
            return True
        try:
            return any(_is_in(parse_version(public), events) for events in self.ranges)
        # pip refuses such a version as well: nobody has it installed.
        except InvalidVersion:
            return False


def _is_in(version: Version, events: Sequence[tuple[str, str]]) -> bool:
    affected = False
    # Events come in any order, and ranges of one advisory may follow each other in one list.
    for kind, text in sorted(events, key=lambda event: _key(event[1])):
        bound = _bound(text)
        if kind == "introduced" and version >= bound:
            affected = True
        elif (kind in ("fixed", "limit") and version >= bound) or (
            kind == "last_affected" and version > bound
        ):
            affected = False
    return affected


def _bound(text: str) -> Version:
    # `0` is before every version, pre-releases of 0 among them.
    return parse_version("0.dev0") if text == "0" else parse_version(text)


def _key(text: str) -> Version:
    try:
        return _bound(text)
    except InvalidVersion:
        return Version("0")


def _plain(version: str) -> str:
    try:
        return str(parse_version(version))
    except InvalidVersion:
        return version


def read_advisories(document: Mapping[str, Any]) -> Iterator[Advisory]:
    """Yield an advisory for each project of PyPI that a document of OSV is about; none of a
    withdrawn one. Raises ValueError for what is no such document."""
    try:
        if document.get("withdrawn"):
            return
        identifier = document["id"]
        if not isinstance(identifier, str) or not _ID.fullmatch(identifier):
            raise ValueError(f"invalid id {identifier!r}")
        summary = document.get("summary") or document.get("details") or ""
        by_project: dict[str, list[Mapping[str, Any]]] = {}
        for affected in document.get("affected", ()):
            package = affected.get("package", {})
            if package.get("ecosystem", "").partition(":")[0] == ECOSYSTEM:
                by_project.setdefault(canonical(package["name"]), []).append(affected)
        for project, rows in by_project.items():
            yield Advisory(
                identifier,
                project,
                tuple(alias for alias in document.get("aliases", ()) if _ID.fullmatch(alias)),
                " ".join(str(summary).split()),
                frozenset(_plain(text) for row in rows for text in row.get("versions", ())),
                tuple(
                    tuple((kind, text) for event in span["events"] for kind, text in event.items())
                    for row in rows
                    for span in row.get("ranges", ())
                    # Ranges of commits say nothing about versions.
                    if span.get("type") in ("ECOSYSTEM", "SEMVER")
                ),
            )
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"it is not in the format of OSV: {error}") from None


class Advisories:
    """The advisories about some projects, from the service or from a dump."""

    def __init__(self, web: Web, place: str | None = None) -> None:
        """`place` is a folder, an `all.zip` or the URL of a service; None for OSV's own."""
        self._web = web
        self._service = SERVICE if place is None else place.rstrip("/")
        self._dump: dict[str, list[Advisory]] | None = None
        self._by_id: dict[str, list[Advisory]] = {}
        if place is not None and "://" not in place:
            self._dump = _read_dump(Path(place))

    def of_pins(self, pins: Iterable[tuple[str, str]]) -> list[tuple[str, str, Advisory]]:
        """Return the advisories that affect pins, each with the pin's name and version.

        Raises NetworkError for a service that does not answer, or not as OSV's does.
        """
        wanted = list(dict.fromkeys((canonical(name), version) for name, version in pins))
        if self._dump is not None:
            known: dict[str, list[Advisory]] = {
                name: self._dump.get(name, []) for name, _ in wanted
            }
        else:
            known = self._asked(wanted)
        return [
            (name, version, advisory)
            for name, version in wanted
            for advisory in _distinct(known.get(name, ()))
            if advisory.affects(version)
        ]

    def of_project(self, name: str) -> list[Advisory]:
        """Return all advisories about a project, whatever its version. Raises as `of_pins`."""
        if self._dump is not None:
            return _distinct(self._dump.get(canonical(name), ()))
        found: list[Advisory] = []
        for answer in self._pages([{"package": _package(name)}]):
            found += self._advisories(name, answer)
        return _distinct(found)

    # -- the service ----------------------------------------------------------------------------

    def _asked(self, pins: Sequence[tuple[str, str]]) -> dict[str, list[Advisory]]:
        # A lock may have more pins than the service takes in one request.
        known: dict[str, list[Advisory]] = {}
        for first in range(0, len(pins), BATCH):
            part = pins[first : first + BATCH]
            queries = [
                {"package": _package(name), "version": version.partition("+")[0]}
                for name, version in part
            ]
            for (name, _), answer in zip(part, self._pages(queries), strict=True):
                known.setdefault(name, []).extend(self._advisories(name, answer))
        return known

    def _pages(self, queries: list[dict[str, Any]]) -> list[list[str]]:
        """Return the ids of the advisories for each query, of all pages."""
        ids: list[list[str]] = [[] for _ in queries]
        waiting = list(enumerate(queries))
        for _ in range(_MOST_PAGES):
            if not waiting:
                return ids
            answer = self._request(
                "POST", "querybatch", {"queries": [query for _, query in waiting]}
            )
            # The answer has ids alone, in the order of the queries; a long list comes in pages.
            results = answer.get("results")
            if not isinstance(results, list) or len(results) != len(waiting):
                raise self._odd("it has no result for each query")
            further = []
            for (position, query), result in zip(waiting, results, strict=True):
                ids[position] += [str(row.get("id")) for row in (result or {}).get("vulns", ())]
                if token := (result or {}).get("next_page_token"):
                    further.append((position, {**query, "page_token": token}))
            waiting = further
        raise self._odd("its pages do not end")

    def _advisories(self, name: str, ids: Iterable[str]) -> Iterator[Advisory]:
        for identifier in ids:
            if not _ID.fullmatch(identifier):
                raise self._odd(f"invalid id {identifier!r}")
            # One advisory may be about several pins.
            if identifier not in self._by_id:
                document = self._request("GET", f"vulns/{identifier}")
                try:
                    self._by_id[identifier] = list(read_advisories(document))
                except ValueError as error:
                    raise self._odd(str(error)) from None
            yield from (
                advisory
                for advisory in self._by_id[identifier]
                if advisory.project == canonical(name)
            )

    def _request(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        url = f"{self._service}/{path}"
        try:
            response = self._web.request(method, url, json=body)
            response.raise_for_status()
            document = read_json(response.content)
        except httpx.HTTPError as error:
            raise unreachable(url, error) from None
        except ValueError:
            raise self._odd("it is not JSON") from None
        if not isinstance(document, dict):
            raise self._odd("it is not an object")
        return document

    def _odd(self, why: str) -> NetworkError:
        return NetworkError(f"`{self._service}` does not answer as OSV does: {why}")


def _package(name: str) -> dict[str, str]:
    return {"name": name, "ecosystem": ECOSYSTEM}


def _distinct(advisories: Iterable[Advisory]) -> list[Advisory]:
    """Return each vulnerability once: PyPI's and GitHub's databases have the same ones.

    Of two that are aliases the one of GitHub stays, whose ranges are kept up more.
    """
    found: list[Advisory] = []
    by_rank = sorted(advisories, key=lambda row: (not row.id.startswith("GHSA-"), row.id))
    for advisory in by_rank:
        names = {advisory.id, *advisory.aliases}
        if not any(names & {other.id, *other.aliases} for other in found):
            found.append(advisory)
    return sorted(found, key=lambda row: row.id)


# -- a dump ---------------------------------------------------------------------------------------


def _read_dump(place: Path) -> dict[str, list[Advisory]]:
    """Return the advisories of a folder or of a zip file by project. Raises BadFile."""
    by_project: dict[str, list[Advisory]] = {}
    count = 0
    for name, content in _documents(place):
        count += 1
        if count > MOST:
            raise BadFile(f"`{place}` has more than {MOST} advisories")
        try:
            for advisory in read_advisories(read_json(content)):
                by_project.setdefault(advisory.project, []).append(advisory)
        except ValueError as error:
            raise BadFile(f"`{name}` cannot be read as an advisory of OSV: {error}") from None
    if not count:
        raise BadFile(
            f"`{place}` has no advisory of OSV",
            hints=["a folder of JSON files, or the all.zip of the ecosystem PyPI"],
        )
    return by_project


def _documents(place: Path) -> Iterator[tuple[str, bytes]]:
    try:
        if place.is_dir():
            for name in files_in(place, ".json"):
                content = read_limited(place / name, LARGEST)
                if len(content) > LARGEST:
                    raise BadFile(f"`{place / name}` is larger than {LARGEST >> 20} MiB")
                yield str(place / name), content
            for name in files_in(place, ".zip"):
                yield from _documents(place / name)
            return
        with zipfile.ZipFile(place) as archive:
            for row in archive.infolist():
                if row.filename.endswith(".json"):
                    if row.file_size > LARGEST:
                        raise BadFile(f"`{row.filename}` is larger than {LARGEST >> 20} MiB")
                    yield f"{place}: {row.filename}", archive.read(row)
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise BadFile(f"`{place}` cannot be read: {reason or error}") from None
