"""Mirrors of known indexes and file stores: one beginning of a URL for another.

With `--index-map https://download.pytorch.org/whl/=https://mirror.corp/whl/` the matrix is read as
if the mirror had been its source all along (`Matrix.mirrors`). So nothing that is written, printed
or queried afterwards names the original, and a lock that names the mirror is judged as the original
would be.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlunsplit

from cudalock.errors import Contradiction, UsageError
from cudalock.names import nearest
from cudalock.records import NamedTuple, dataclass, field
from cudalock.text import did_you_mean
from cudalock.urls import hide_credentials, is_splittable, split, without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FLAG: Final = "--index-map"

_PLAIN: Final = r"https?://[^\s\"'\\<>^`|]+"
"""A URL that can stand in JSON, TOML, a requirements file and a shell word without escapes."""


class Mirror(NamedTuple):
    """URLs that begin with `original` are at `replacement`; both end with a slash."""

    original: str
    replacement: str
    """without a password or token, unless that is a variable"""
    name: str
    """what the command line calls the original: its name in the matrix, else its URL"""


@dataclass(frozen=True)
class Mirrors:
    """Every mirror, the longest original first, and the secrets to query them with."""

    mirrors: tuple[Mirror, ...] = ()
    secrets: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """the beginning of a URL, and `user:password`; they are never written"""

    def __bool__(self) -> bool:
        return bool(self.mirrors)

    @property
    def words(self) -> list[str]:
        """The options that state the mirrors, unquoted and without secrets.

        The recorded command of a lock has them, and names an original by its name in the matrix.
        """
        stated = sorted((mirror.name, mirror.replacement) for mirror in self.mirrors)
        return [word for name, url in stated for word in (FLAG, f"{name}={url}")]

    def url(self, url: str) -> str:
        """Return where a URL is mirrored; itself where it is not."""
        if not self.mirrors or "://" not in url:
            return url
        return self._pattern.sub(self._replaced, url, count=1) if self._pattern.match(url) else url

    def original(self, url: str) -> str:
        """Return what a URL of a mirror without credentials stands for; itself for another."""
        for mirror in self.mirrors:
            if "@" not in mirror.replacement and url.startswith(mirror.replacement):
                has_secret = any(start == mirror.replacement for start, _ in self.secrets)
                return url if has_secret else mirror.original + url[len(mirror.replacement) :]
        return url

    def text(self, text: str) -> str:
        """Return a text, JSON for one, with every URL in it mirrored."""
        return self._pattern.sub(self._replaced, text) if self.mirrors else text

    def table(self, value: Any) -> Any:
        """Return a table, list or value of a TOML file with every URL in its texts mirrored."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self.table(inner) for key, inner in value.items()}
        return [self.table(inner) for inner in value] if isinstance(value, list) else value

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        originals = "|".join(re.escape(mirror.original[:-1]) for mirror in self.mirrors)
        # At the end of a path segment: `/whl/cu12` is no beginning of `/whl/cu124`.
        return re.compile(rf"(?:{originals})(?=[/\s\"'`)\],;?#]|$)", re.IGNORECASE)

    def _replaced(self, match: re.Match[str]) -> str:
        lowered = match[0].lower()
        return next(
            mirror.replacement[:-1]
            for mirror in self.mirrors
            if mirror.original[:-1].lower() == lowered
        )


NO_MIRRORS: Final = Mirrors()


def read_mirrors(texts: Iterable[str], names: Mapping[str, str]) -> Mirrors:
    """Read `ORIGINAL=MIRROR` texts; ORIGINAL is a URL, or one of `names`, which map to URLs.

    Raises UsageError for a text that is none, Contradiction for two mirrors of one original.
    """
    mirrors: dict[str, Mirror] = {}
    secrets: dict[str, str] = {}
    for text in texts:
        mirror, secret = _read(text, names)
        before = mirrors.setdefault(mirror.original, mirror)
        if before.replacement != mirror.replacement:
            raise Contradiction(
                f"`{mirror.name}` cannot be mirrored at both {before.replacement} and"
                f" {mirror.replacement}"
            )
        if secret:
            secrets[mirror.replacement] = secret
    ordered = sorted(mirrors.values(), key=lambda mirror: (-len(mirror.original), mirror.original))
    return Mirrors(tuple(ordered), tuple(secrets.items()))


def _read(text: str, names: Mapping[str, str]) -> tuple[Mirror, str | None]:
    stated, equals, replacement = text.partition("=")
    if not equals or not stated or not replacement:
        raise UsageError(
            f"`{FLAG}` needs ORIGINAL=MIRROR, not `{hide_credentials(text)}`",
            hints=[f"{FLAG} pytorch=https://mirror.example/whl/"],
        )
    original = names.get(stated, stated)
    if "://" not in original:
        raise UsageError(
            f"`{FLAG}`: no index or file store is called `{stated}`",
            hints=did_you_mean(nearest(stated, names)) or ["a URL in its place"],
        )
    original = _folder(original)
    name = next(
        (known for known, url in names.items() if _folder(url).lower() == original.lower()),
        original,
    )
    place = _folder(replacement)
    written = without_credentials(place, keep_variables=True)
    bare = without_credentials(place)
    secret = split(place).netloc.rpartition("@")[0] if written != place else None
    if bare.lower().startswith(original.lower()):
        raise UsageError(f"`{FLAG}`: {bare} is a part of {original} itself")
    return Mirror(original, written, name), secret


def _folder(url: str) -> str:
    """Return a URL with a slash at its end. Raises UsageError for one that names no folder."""
    shown = hide_credentials(url)
    parts = split(url) if is_splittable(url) and re.fullmatch(_PLAIN, url) else None
    if parts is None or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(
            f"`{FLAG}`: `{shown}` is not the http or https URL of a folder",
            hints=[f"{FLAG} https://download.pytorch.org/whl/=https://mirror.example/whl/"],
        )
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + "/"))


__all__ = ["FLAG", "NO_MIRRORS", "Mirror", "Mirrors", "read_mirrors"]
