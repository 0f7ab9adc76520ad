"""The files of a repository on Hugging Face, by its API: every page, with digests of large files.

HF_ENDPOINT replaces the URL, as in Hugging Face's own programs.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import httpx

from cudalock.errors import NetworkError
from cudalock.indexes.client import status_of, unreachable
from cudalock.indexes.github_releases import MOST_PAGES, Asset
from cudalock.text import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator

_SITE: Final = "https://huggingface.co"
_TEMPLATE: Final = re.compile(
    r"https://huggingface\.co/((?:datasets/)?[^/{}]+/[^/{}]+)/resolve/\{tag\}/"
)
_FILE: Final = re.compile(
    r"https://huggingface\.co/((?:datasets/)?[^/]+/[^/]+)/resolve/([^/]+)/([^?#]+)"
)
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_BRANCH: Final = "main"


def hugging_face_of(template: str) -> str | None:
    """Return the repository of a builder whose URLs are those of Hugging Face, else None."""
    match = _TEMPLATE.match(template)
    return match[1] if match else None


def list_files(web: httpx.Client, repository: str) -> list[Asset]:
    """Return every file of the main branch; the tag of each is the branch.

    Raises NetworkError if a page cannot be read, or is no response of the API: a list that lacks
    pages would make files look deleted.
    """
    base = _base()
    kind = "" if repository.startswith("datasets/") else "models/"
    url: str | None = f"{base}/api/{kind}{repository}/tree/{_BRANCH}?recursive=true"
    files: list[Asset] = []
    for _ in range(MOST_PAGES):
        if url is None:
            return files
        response = _ask(web, url)
        try:
            files += _files(read_json(response.content), repository)
        except (ValueError, LookupError, TypeError, AttributeError):
            raise unreachable(url, "the answer is none of Hugging Face's") from None
        url = response.links.get("next", {}).get("url")
        # The response says where the next page is: it must not send us to another host.
        if url is not None and httpx.URL(url).host != httpx.URL(base).host:
            raise unreachable(url, f"the next page is not at {base}")
    raise unreachable(f"{base}/{repository}", "its pages have no end")


def published_digest(web: httpx.Client, url: str) -> str | None:
    """Return the sha256 that Hugging Face publishes of the file at a URL; None if that is none of
    its URLs, or if it publishes none. It takes one request, without the file."""
    match = _FILE.fullmatch(url)
    if match is None:
        return None
    # Not followed: the header is of the redirect, and the file would be gigabytes.
    asked = url.replace(_SITE, _base(), 1)
    try:
        response = web.head(asked, follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise unreachable(asked, error) from None
    # A large file's etag is its sha256, a small one's another kind of digest.
    etag = response.headers.get("x-linked-etag", "").strip('"').lower()
    return etag if response.status_code < 400 and _SHA256.fullmatch(etag) else None


def _base() -> str:
    return os.environ.get("HF_ENDPOINT", _SITE).rstrip("/")


def _ask(web: httpx.Client, url: str) -> httpx.Response:
    try:
        response = web.get(url)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise unreachable(url, error) from None
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        raise NetworkError("Hugging Face allows no more requests for now")
    if response.status_code != httpx.codes.OK:
        raise unreachable(url, status_of(response))
    return response


def _files(page: Any, repository: str) -> Iterator[Asset]:
    if not isinstance(page, list):
        raise TypeError("not a list of files")
    for row in page:
        if row["type"] != "file":
            continue
        path = str(row["path"])
        stored = row.get("lfs") or {}
        digest = str(stored.get("oid", "")).lower()
        size = stored.get("size", row.get("size"))
        yield Asset(
            tag=_BRANCH,
            name=path.rpartition("/")[2],
            url=f"{_SITE}/{repository}/resolve/{_BRANCH}/{quote(path)}",
            sha256=digest if _SHA256.fullmatch(digest) else None,
            size=size if isinstance(size, int) else None,
            uploaded=None,
        )


__all__ = ["hugging_face_of", "list_files", "published_digest"]
