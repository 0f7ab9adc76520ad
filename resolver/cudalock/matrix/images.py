"""Base images: what is known of one by its name and tag, and by the rows of `matrix/images/`.

A tag may state something itself (`12.4.1-cudnn-devel-ubuntu22.04`), and a row what a public record
has of it. What neither says is not known, and nothing is taken from the tag next to it; only of
images that are listed by day (Colab, Kaggle) a day has what the list before it has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cudalock.errors import MatrixError
from cudalock.files import files_in, read_text
from cudalock.matrix.vendor import Distributions
from cudalock.targets.accelerators import CUDA, DEFAULT, LIBRARIES
from cudalock.versions import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

RULES: Final = "repositories.toml"
"""The file with the images whose tags state all that is known of them."""
FOLDER: Final = "images"
"""The folder of the files with a row for each tag."""
VERSION: Final = "version"
DAY: Final = "day"
PART: Final = "part"
DEVEL: Final = "devel"
"""The part of a CUDA image that has a compiler."""
PARTS: Final = (DEFAULT.name, *LIBRARIES, "framework", "python", "distribution", VERSION, DAY, PART)
"""The groups that an image's pattern may have; `version` is that of its `project`."""

# A host has a dot or a port, as Docker tells `ghcr.io/x` from the user `x` of its own hub.
_HOST: Final = re.compile(r"[^/]*[.:][^/]*/|localhost/")
_LIBRARY: Final = "library/"


class ImageRelease(NamedTuple):
    """What a public record has of one tag."""

    tag: str
    parts: Mapping[str, str]
    """by the names of :data:`PARTS`, and `glibc`"""
    installed: Mapping[str, str]
    """projects and their versions, as METADATA has them"""
    constraints: str | None
    """the file that `PIP_CONSTRAINT` names there"""
    source: tuple[str, ...]
    checked: str


class ImageListing(NamedTuple):
    """Where it is listed which tags there are, or what the newest image has."""

    kind: str
    """`tags`, as Docker Hub's API lists them, or `freeze`: what pip freeze prints there"""
    url: str
    system: str | None = None
    """of a text with the names of the Linux and of Python"""
    projects: tuple[str, ...] = ()
    """those of a freeze that are taken"""


@dataclass(frozen=True, slots=True)
class Image:
    """Base images of one name: the patterns of their tags, and what all of them are."""

    name: str
    platform: str
    tags: tuple[re.Pattern[str], ...]
    aliases: tuple[str, ...] = ()
    own: str | None = None
    """a project that the image brings in a build that no index has"""
    fact: str | None = None
    """the id of the fact about that build"""
    project: str | None = None
    """the project that it is made to run, whose version a tag has"""
    labels: Mapping[str, str] = field(default_factory=dict)
    """of the build that it brings, as a row of `matrix/index/` has them"""
    musl: re.Pattern[str] | None = None
    distribution: str = ""
    """the Linux distribution whose releases the tags name"""
    needs_driver: bool = False
    """whether its containers start only under a driver that runs its CUDA"""
    by_day: bool = False
    """whether a day has what the newest row up to it has"""
    is_notebook: bool = False
    """whether it is a hosted notebook, and not an image that a Dockerfile names"""
    releases: Mapping[str, ImageRelease] = field(default_factory=dict)
    listing: ImageListing | None = None
    listed: frozenset[str] = frozenset()
    """every tag that a registry lists, where an update asked it"""
    listed_on: str | None = None
    """the day of that"""
    source: tuple[str, ...] = ()
    checked: str = ""

    def release(self, tag: str, day: str | None) -> ImageRelease | None:
        """Return the row of a tag, of a day the newest row up to it; None if there is none.

        After the newest row nothing is known: the next list may have anything. Without a day it is
        the newest, which whoever shows it has to say.
        """
        if self.by_day and not tag and self.releases:
            return self.releases[max(self.releases)]
        if not self.by_day or day is None:
            return self.releases.get(tag)
        until = [known for known in self.releases if known <= day]
        is_followed = any(known >= day for known in self.releases)
        return self.releases[max(until)] if until and is_followed else None


@dataclass(frozen=True, slots=True)
class Base:
    """What is known of one image; None and empty for what is not."""

    name: str
    """without a registry's host"""
    tag: str
    platform: str
    python: str | None = None
    glibc: str | None = None
    cuda: str | None = None
    """`12.4`"""
    framework: str | None = None
    """the public version of the framework that its tag states"""
    own: str | None = None
    """a project that it brings in a build that no index has"""
    part: str | None = None
    """what of a CUDA toolkit it has: base, runtime or devel"""
    needs_driver: bool = False
    """whether its containers start only under a driver that runs its CUDA"""
    musl: bool = False
    installed: Mapping[str, str] = field(default_factory=dict)
    """the versions of projects that it brings"""
    labels: Mapping[str, str] = field(default_factory=dict)
    """of the framework's build"""
    constraints: str | None = None
    """the file that `PIP_CONSTRAINT` names there"""
    fact: str | None = None
    """the id of the fact about the build that it brings"""
    as_of: str | None = None
    """the day of the list that it rests on, where that is an earlier one than the tag's"""
    is_known: bool = True
    """whether a row or a pattern is about the tag"""
    is_notebook: bool = False
    unlisted_on: str | None = None
    """the day on which a registry did not list the tag, None where it did or was not asked"""
    source: tuple[str, ...] = ()


class Images:
    """Every base image that the matrix knows, by name."""

    def __init__(self, images: Mapping[str, Image], distributions: Distributions) -> None:
        self.images = images
        self._glibc = distributions.by_release

    def read(self, text: str) -> Base | None:
        """Return what is known of `nvidia/cuda:12.4.1-cudnn-devel-ubuntu22.04`; None for a name
        that the matrix does not know.

        A registry's host before the name and a digest after it do not count. Of a tag that neither
        a pattern nor a row is about only what all images of the name are is known.
        """
        name, tag = split_reference(text)
        image = self._by_name.get(name)
        if image is None:
            return None
        base = self._with_tag(image, tag)
        if image.musl is not None and image.musl.search(tag):
            # A distribution of musl has no glibc, whatever release the tag names.
            return replace(base, glibc=None, musl=True)
        return base

    @cached_property
    def _by_name(self) -> dict[str, Image]:
        return {
            name: image for image in self.images.values() for name in (image.name, *image.aliases)
        }

    def _with_tag(self, image: Image, tag: str) -> Base:
        match = next(filter(None, (pattern.fullmatch(tag) for pattern in image.tags)), None)
        groups = match.groupdict() if match else {}
        parts = {part: text for part, text in groups.items() if text}
        day = _with_dashes(parts.pop(DAY)) if DAY in parts else None
        row = image.release(tag, day)
        if row is not None:
            parts |= row.parts
        installed = dict(row.installed) if row is not None else {}
        if image.project and VERSION in parts:
            installed.setdefault(image.project, parts[VERSION])
        release = parts.get("distribution")
        return Base(
            image.name,
            tag,
            image.platform,
            python=_dotted(parts.get("python"), 1),
            glibc=parts.get("glibc") or self.glibc(f"{image.distribution}{release or ''}", release),
            cuda=_minor(_dotted(parts.get(CUDA.name), -1)),
            framework=parts.get("framework"),
            own=image.own,
            part=parts.get(PART),
            needs_driver=image.needs_driver,
            installed=installed,
            labels=image.labels,
            constraints=row.constraints if row is not None else None,
            fact=image.fact,
            as_of=row.tag if row is not None and row.tag not in (tag, day) else None,
            is_known=row is not None or bool(parts),
            is_notebook=image.is_notebook,
            unlisted_on=image.listed_on if image.listed and tag not in image.listed else None,
            source=row.source if row is not None else image.source,
        )

    def glibc(self, named: str, release: str | None) -> str | None:
        """Return the glibc of a release: `ubuntu22.04`, `bookworm`, `22.04` of `ubuntu`."""
        if release is None:
            return None
        return self._glibc.get(named) or self._glibc.get(release)


def split_reference(text: str) -> tuple[str, str]:
    """Return an image's name, without a host, and its tag, without a digest; `latest` is no tag
    that says anything, and stays as it is written."""
    plain = text.strip().partition("@")[0]
    plain = _HOST.sub("", plain, count=1) if _HOST.match(plain) else plain
    name, _, tag = plain.partition(":")
    # `library/python` is the official image `python`.
    return name.removeprefix(_LIBRARY), tag


def _with_dashes(day: str) -> str:
    """Return `2026-05-14` of `20260514`."""
    return day if "-" in day else f"{day[:4]}-{day[4:6]}-{day[6:]}"


def _dotted(version: str | None, at: int) -> str | None:
    """Return `3.12` of `312` and `12.8` of `128`, as tags write Pythons and CUDA releases."""
    if version is None or "." in version or not version.isdigit() or len(version) < 2:
        return version
    return f"{version[:at]}.{version[at:]}"


def _minor(version: str | None) -> str | None:
    """Return `12.4` of `12.4.1`: builds are for a minor release, and the image has its own
    patch."""
    return ".".join(version.split(".")[:2]) if version else None


# -- reading ------------------------------------------------------------------------------------


def read_images(
    directory: Path, distributions: Distributions, listed: Mapping[str, Any] | None = None
) -> Images:
    """Read the images of a matrix; none where it has neither the file nor the folder.

    `listed` are the rows of what an update read, by name. Raises MatrixError naming the file and
    the key that is wrong.
    """
    images: dict[str, Image] = {}
    for file, row in image_rows(directory):
        try:
            image = _image(row, (listed or {}).get(row["name"], {}))
        except (KeyError, TypeError, AttributeError, ValueError, re.error) as error:
            key = f"image {row.get('name', '?')}" if isinstance(row, dict) else "image"
            raise MatrixError(file, key, f"is damaged: {str(error).strip(chr(39))}") from None
        if image.name in images:
            raise MatrixError(file, f"image {image.name}", "has another table already")
        images[image.name] = image
    return Images(images, distributions)


def image_rows(directory: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each `[[image]]` with the name of its file. Raises MatrixError for a damaged file."""
    # Imported here: a solve needs no TOML.
    from cudalock import toml

    names = [RULES] if (directory / RULES).is_file() else []
    names += [f"{FOLDER}/{name}" for name in files_in(directory / FOLDER, ".toml")]
    for name in names:
        try:
            tables = toml.loads(read_text(directory / name))
        except (OSError, ValueError) as error:
            raise MatrixError(name, "", f"cannot be read: {error}") from None
        for row in tables.get("image", ()):
            yield name, row


def _image(row: dict[str, Any], listed: Mapping[str, Any]) -> Image:
    tags = tuple(map(re.compile, row["tags"]))
    for tag in tags:
        # A misspelled group would silently give no hint.
        if unknown := set(tag.groupindex) - set(PARTS):
            raise KeyError(f"tags: {', '.join(sorted(unknown))}")
    return Image(
        row["name"],
        row["platform"],
        tags,
        aliases=tuple(row.get("aliases", ())),
        own=row.get("own"),
        fact=row.get("fact"),
        project=row.get("project"),
        labels=dict(row.get("labels", {})),
        musl=re.compile(row["musl"]) if "musl" in row else None,
        distribution=row.get("distribution", ""),
        needs_driver=bool(row.get("needs_driver", False)),
        by_day=bool(row.get("by_day", False)),
        is_notebook=bool(row.get("notebook", False)),
        releases={
            release["tag"]: _release(release)
            for release in (*row.get("release", ()), *listed.get("releases", ()))
        },
        listing=_listing(row["listing"]) if "listing" in row else None,
        listed=frozenset(listed.get("tags", ())),
        listed_on=listed.get("retrieved"),
        source=_strings(row["source"]),
        checked=str(row["checked"]),
    )


def _listing(row: dict[str, Any]) -> ImageListing:
    if row["kind"] not in ("tags", "freeze"):
        raise ValueError(f"listing.kind: {row['kind']}")
    return ImageListing(
        row["kind"], row["url"], row.get("system"), tuple(map(canonical, row.get("projects", ())))
    )


def _release(row: dict[str, Any]) -> ImageRelease:
    stated = (*PARTS, "glibc")
    if unknown := set(row) - {*stated, "tag", "installed", "constraints", "source", "checked"}:
        raise KeyError(f"release {row['tag']}: {', '.join(sorted(unknown))}")
    return ImageRelease(
        row["tag"],
        {part: str(row[part]) for part in stated if part in row},
        {canonical(name): str(version) for name, version in row.get("installed", {}).items()},
        row.get("constraints"),
        _strings(row["source"]),
        str(row["checked"]),
    )


def _strings(text: Any) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(map(str, text))


__all__ = [
    "FOLDER",
    "Base",
    "Image",
    "ImageListing",
    "ImageRelease",
    "Images",
    "read_images",
    "split_reference",
]
