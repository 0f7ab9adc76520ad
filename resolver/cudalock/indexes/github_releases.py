"""The release files of a repository, by GitHub's API: every page, with digests.

The API allows 60 requests an hour without a token, so GITHUB_TOKEN or GH_TOKEN is sent along if the
environment has one. GITHUB_API_URL replaces the API's URL, as in GitHub's own Actions.
"""

from __future__ import annotations

import os
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import httpx

from cudalock.errors import NetworkError
from cudalock.indexes.client import status_of, unreachable
from cudalock.text import read_json, read_number

if TYPE_CHECKING:
    from collections.abc import Iterator

PER_PAGE: Final = 30
"""Releases a page: some have hundreds of files, and a page has megabytes as it is."""
# A server that links its pages in a circle would be queried for ever.
MOST_PAGES: Final = 1000
TOKEN_VARIABLES: Final = ("GITHUB_TOKEN", "GH_TOKEN")

_API: Final = "https://api.github.com"
_LIMITED: Final = (403, 429)
_TEMPLATE: Final = re.compile(r"https://github\.com/([^/{}]+/[^/{}]+)/releases/download/\{tag\}/")


class Asset(NamedTuple):
    """One file of a release. GitHub has digests of files uploaded since the middle of 2025."""

    tag: str
    name: str
    url: str
    sha256: str | None
    size: int | None
    uploaded: str | None


def repository_of(template: str) -> str | None:
    """Return `owner/name` of a builder whose URLs are those of GitHub releases, else None."""
    match = _TEMPLATE.match(template)
    return match[1] if match else None


def list_assets(web: httpx.Client, repository: str) -> list[Asset]:
    """Return every file of every published release, newest release first.

    Raises NetworkError if a page cannot be read, is no response of the API, or no more requests are
    allowed: a list that lacks pages would make files look deleted.
    """
    base = _base()
    url: str | None = f"{base}/repos/{repository}/releases?per_page={PER_PAGE}"
    assets: list[Asset] = []
    for _ in range(MOST_PAGES):
        if url is None:
            return assets
        response = _ask(web, url)
        assets += _read(response, url)
        url = _next(response, base)
    raise unreachable(f"{base}/repos/{repository}/releases", "its pages have no end")


def release_assets(web: httpx.Client, repository: str, tag: str) -> list[Asset]:
    """Return every file of one release; `tag` is as in a URL, encoded. Raises NetworkError."""
    url = f"{_base()}/repos/{repository}/releases/tags/{tag}"
    return _read(_ask(web, url), url, is_one=True)


def _base() -> str:
    return os.environ.get("GITHUB_API_URL", _API).rstrip("/")


def _read(response: httpx.Response, url: str, *, is_one: bool = False) -> list[Asset]:
    """Return the files of a response: a page of releases, or one release."""
    try:
        document = read_json(response.content)
        return list(_assets([document] if is_one else document))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise unreachable(url, f"the answer is none of GitHub's: {_plain(error)}") from None


def _ask(web: httpx.Client, url: str) -> httpx.Response:
    headers = {"Accept": "application/vnd.github+json"}
    token = next(filter(None, map(os.environ.get, TOKEN_VARIABLES)), None)
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        response = web.get(url, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise unreachable(url, error) from None
    if response.status_code in _LIMITED and _is_limit(response):
        raise _limited(response, bool(token))
    if response.status_code != httpx.codes.OK:
        raise unreachable(url, status_of(response))
    return response


def _is_limit(response: httpx.Response) -> bool:
    """Whether the limit was reached: GitHub uses 403 for that and for what is forbidden."""
    return (
        response.status_code == httpx.codes.TOO_MANY_REQUESTS
        or response.headers.get("x-ratelimit-remaining") == "0"
        or "retry-after" in response.headers
    )


def _limited(response: httpx.Response, has_token: bool) -> NetworkError:
    # 11 digits are the year 5138.
    reset = read_number(response.headers.get("x-ratelimit-reset", ""), 11)
    seconds = read_number(response.headers.get("retry-after", ""))
    until = ""
    # fromtimestamp raises for years beyond 9999.
    if reset is not None:
        until = f" until {datetime.fromtimestamp(reset, timezone.utc):%Y-%m-%d %H:%M} UTC"
    elif seconds is not None:
        until = f" for {seconds} s"
    hints = () if has_token else ("a token in GITHUB_TOKEN is allowed more requests",)
    return NetworkError(f"GitHub's API allows no more requests{until}", hints=hints)


def _next(response: httpx.Response, base: str) -> str | None:
    """Return the URL of the next page, on the same host only: the request carries a token."""
    url = response.links.get("next", {}).get("url")
    if url is None:
        return None
    if httpx.URL(url).host != httpx.URL(base).host:
        raise unreachable(url, f"the next page is not at {base}")
    return url


def _assets(page: Any) -> Iterator[Asset]:
    if not isinstance(page, list):
        raise TypeError("not a list of releases")
    for release in page:
        # Drafts are visible to the token's owner alone.
        if release.get("draft"):
            continue
        for asset in release["assets"]:
            # `starter` is an upload that broke off.
            if asset.get("state", "uploaded") != "uploaded":
                continue
            yield Asset(
                tag=str(release["tag_name"]),
                name=str(asset["name"]),
                url=str(asset["browser_download_url"]),
                sha256=_sha256(asset.get("digest")),
                size=asset["size"] if isinstance(asset.get("size"), int) else None,
                uploaded=str(asset.get("created_at") or "")[:10] or None,
            )


def _sha256(digest: str | None) -> str | None:
    match = re.fullmatch(r"sha256:([0-9a-f]{64})", (digest or "").lower())
    return match[1] if match else None


def _plain(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


__all__ = ["Asset", "list_assets", "release_assets", "repository_of"]
