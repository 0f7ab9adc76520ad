"""Base images as registries and their makers list them: `cuda/images.json`.

An image's table in `matrix/images/` says what is listed where: the tags of a repository of a
registry, as Docker Hub's API has them, or what is installed, as `pip freeze` prints it, with a file
of the system's own words. What is read is a list; nothing in it is run or followed but the link to
its next page, on the same host.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urljoin

import httpx
from packaging.version import InvalidVersion

from cudalock.errors import CudalockError, NetworkError
from cudalock.indexes.client import status_of, unreachable
from cudalock.targets.accelerators import CUDA
from cudalock.text import read_json
from cudalock.urls import split
from cudalock.versions import canonical, parse_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cudalock.indexes.client import Web
    from cudalock.matrix.images import Image, ImageListing
    from cudalock.matrix.matrix import Matrix

FILE: Final = "images"
"""The stem of the file in `cuda/`."""
MOST_PAGES: Final = 200
LARGEST: Final = 8 << 20
"""Bytes of one answer."""

_TAG: Final = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_PINNED: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==(\S{1,100})")
_BY_URL: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*) @ \S*/[A-Za-z0-9_.]+-([0-9][^-/\s]*)-")
_UBUNTU: Final = re.compile(r"Ubuntu ([0-9]{2}\.[0-9]{2})")
_PYTHON: Final = re.compile(r"Python (3\.[0-9]+\.[0-9]+)")
_CUDA: Final = re.compile(r"\+cu([0-9]+)([0-9])$")


class ListedImages(NamedTuple):
    """What was read, as the rows of the file, and what failed, by the image's name."""

    rows: dict[str, Any]
    notes: tuple[str, ...]
    failures: tuple[tuple[str, CudalockError], ...]


def read_images(matrix: Matrix, web: Web, today: str) -> ListedImages:
    """Read every list that an image's table names; one that fails leaves the row as it is.

    `today` is the day that rows are marked with.
    """
    held: dict[str, Any] = dict(matrix.listed_images)
    rows, notes, failures = dict(held), [], []
    for image in matrix.images.images.values():
        if image.listing is None:
            continue
        try:
            row = _read(image, image.listing, web, today, held.get(image.name, {}))
        except CudalockError as error:
            failures.append((f"tags of {image.name}", error))
            continue
        if _without_day(row) != _without_day(held.get(image.name, {})):
            rows[image.name] = row
            notes.append(f"{image.name}: its list of images has changed")
    return ListedImages(rows, tuple(notes), tuple(failures))


def _without_day(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "retrieved"}


def listed_text(rows: Mapping[str, Any]) -> str:
    """Return the text of the file, one image in a line of its own."""
    lines = [
        f"{json.dumps(name)}: {json.dumps(rows[name], sort_keys=True)}" for name in sorted(rows)
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _read(
    image: Image, listing: ImageListing, web: Web, today: str, held: Mapping[str, Any]
) -> dict[str, Any]:
    if listing.kind == "tags":
        tags = sorted(set(_tags(web, listing.url)))
        if not tags:
            raise NetworkError(f"no tag is listed for {image.name}")
        return {"retrieved": today, "source": listing.url, "tags": tags}
    releases = [row for row in held.get("releases", ()) if row["tag"] != today]
    release = _frozen(listing, web, today)
    # The rows of the image's table, and those of earlier lists.
    earlier = {tag: row.installed for tag, row in image.releases.items() if tag < today}
    # A list that says what the last one does is no news.
    if not earlier or release["installed"] != earlier[max(earlier)]:
        releases.append(release)
    return {"retrieved": today, "source": listing.url, "releases": releases}


# -- tags ---------------------------------------------------------------------------------------


def _tags(web: Web, url: str) -> Iterator[str]:
    """The names of all tags, page by page. Raises NetworkError."""
    host, following = split(url).netloc, url
    for _ in range(MOST_PAGES):
        page = _json(web, following)
        results = page.get("results") if isinstance(page, dict) else None
        if not isinstance(results, list):
            raise unreachable(following, "it is not a list of tags")
        for row in results:
            name = row.get("name") if isinstance(row, dict) else None
            if isinstance(name, str) and _TAG.fullmatch(name):
                yield name
        link = page.get("next")
        if not isinstance(link, str) or not link:
            return
        following = urljoin(following, link)
        if split(following).netloc != host:
            raise unreachable(following, "the next page is on another host")
    raise unreachable(url, f"it has more than {MOST_PAGES} pages")


def _json(web: Web, url: str) -> Any:
    try:
        return read_json(_text(web, url))
    except ValueError:
        raise unreachable(url, "it is not JSON") from None


# -- what is installed --------------------------------------------------------------------------


def _frozen(listing: ImageListing, web: Web, today: str) -> dict[str, Any]:
    """A row by what `pip freeze` and the system's own words say there. Raises NetworkError."""
    versions = dict(_versions(_text(web, listing.url)))
    installed = {name: versions[name] for name in sorted(listing.projects) if name in versions}
    if not installed:
        raise unreachable(listing.url, "it lists no project that the image's table names")
    system = _text(web, listing.system) if listing.system else ""
    row: dict[str, Any] = {"tag": today, "installed": installed, "source": listing.url}
    row["checked"] = today
    if python := _PYTHON.search(system):
        row["python"] = python[1]
    if ubuntu := _UBUNTU.search(system):
        row["distribution"] = f"ubuntu{ubuntu[1]}"
    labels = {match[0] for text in installed.values() if (match := _CUDA.search(text))}
    if len(labels) == 1 and (match := _CUDA.search(labels.pop())):
        row[CUDA.name] = f"{match[1]}.{match[2]}"
    return row


def _versions(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        match = _PINNED.fullmatch(line.strip()) or _BY_URL.match(line.strip())
        if match is None:
            continue
        try:
            version = str(parse_version(match[2].replace("%2B", "+")))
        except InvalidVersion:
            continue
        yield canonical(match[1]), version


def _text(web: Web, url: str) -> str:
    try:
        response = web.get(url, headers={"Accept": "application/json, text/plain"})
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise unreachable(url, error) from None
    if response.status_code != 200:
        raise unreachable(url, status_of(response))
    if len(response.content) > LARGEST:
        raise unreachable(url, f"it is larger than {LARGEST >> 20} MiB")
    return response.content.decode("utf-8", "replace")


__all__ = ["FILE", "ListedImages", "listed_text", "read_images"]
