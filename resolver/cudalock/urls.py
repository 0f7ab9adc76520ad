"""Write URLs into files and show them to people: encoded, and without credentials."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit


def split(url: str) -> SplitResult:
    """Return the parts of a URL; a text that is none, such as `https://[x`, is all path."""
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", url, "", "")


def encoded(url: str) -> str:
    """Encode the spaces of a URL, and each `+`, which some file stores would read as a space."""
    parts = split(url)
    return urlunsplit(parts._replace(path=parts.path.replace("+", "%2B").replace(" ", "%20")))


def file_of(url: str) -> str:
    """Return the decoded file name at the end of a URL or path; "" if it has none."""
    path = urlsplit(url).path if is_splittable(url) else url.partition("?")[0].partition("#")[0]
    return unquote(path).replace("\\", "/").rpartition("/")[2]


def local_path(url: str | None) -> str | None:
    """Return the path, with `/`, of a `file:` URL; None for any other."""
    if url is None or not url.startswith("file:"):
        return None
    from urllib.request import url2pathname

    return url2pathname(split(url).path).replace("\\", "/")


def is_splittable(url: str) -> bool:
    """Return whether `urlsplit` accepts a text: it raises ValueError for `https://[::1/x`."""
    try:
        urlsplit(url)
    except ValueError:
        return False
    return True


def hide_credentials(text: str) -> str:
    """Remove user and password from every URL in a text, be it well-formed or not."""
    return re.sub(r"(?<=//)[^/\s]*@", "", text)


def without_credentials(url: str, *, keep_variables: bool = False) -> str:
    """Remove user and password from a URL; a user without a password may itself be a token.

    With `keep_variables` a secret that is a variable stays: pip and uv expand `${TOKEN}` in files.
    """
    if not is_splittable(url):
        return hide_credentials(url)
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    variable = re.fullmatch(r"\$\{[A-Z0-9_]+\}", user.rpartition(":")[2])
    if not at or (keep_variables and variable):
        return url
    return urlunsplit(parts._replace(netloc=host))
