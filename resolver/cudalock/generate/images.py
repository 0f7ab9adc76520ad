"""Base images: what the name of one shows about the machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.targets.accelerators import CUDA

if TYPE_CHECKING:
    from cudalock.generate.rules import Image, Rules

# A host has a dot or a port, as Docker tells `ghcr.io/x` from the user `x` of its own hub.
_HOST: Final = re.compile(r"[^/]*[.:][^/]*/|localhost/")
_LIBRARY: Final = "library/"


class Base(NamedTuple):
    """What an image's name shows; None where it shows nothing."""

    platform: str
    python: str | None = None
    glibc: str | None = None
    cuda: str | None = None
    framework: str | None = None
    own: str | None = None
    """a project that it brings in a build that no index has"""
    musl: bool = False


def read_image(text: str, rules: Rules) -> Base | None:
    """Return what the rules have on `nvidia/cuda:12.4.1-cudnn-devel-ubuntu22.04`; None if nothing.

    A registry's host before the name and a digest after it do not count. A tag that no pattern
    matches shows only the platform.
    """
    name, tag = _parts(text)
    image = rules.images.get(name)
    if image is None:
        return None
    if image.musl is not None and image.musl.search(tag):
        return _with_tag(image, tag, rules)._replace(musl=True, glibc=None)
    return _with_tag(image, tag, rules)


def _parts(text: str) -> tuple[str, str]:
    """An image's name, without a host, and its tag."""
    plain = text.strip().partition("@")[0]
    plain = _HOST.sub("", plain, count=1) if _HOST.match(plain) else plain
    name, _, tag = plain.partition(":")
    # `library/python` is the official image `python`.
    return name.removeprefix(_LIBRARY), tag


def _with_tag(image: Image, tag: str, rules: Rules) -> Base:
    match = next(filter(None, (pattern.fullmatch(tag) for pattern in image.tags)), None)
    parts = match.groupdict() if match else {}
    return Base(
        image.platform,
        python=parts.get("python"),
        glibc=_glibc(image, parts.get("distribution"), rules),
        cuda=_minor(parts.get(CUDA.name)),
        framework=parts.get("framework"),
        own=image.own,
    )


def _glibc(image: Image, release: str | None, rules: Rules) -> str | None:
    """The glibc of the release that a tag names: `22.04` of ubuntu, `ubuntu22.04`, `bookworm`."""
    if release is None:
        return None
    return rules.glibc.get(f"{image.distribution}{release}") or rules.glibc.get(release)


def _minor(version: str | None) -> str | None:
    """Return `12.4` of `12.4.1`: builds are for a minor release, and the image has its own
    patch."""
    return ".".join(version.split(".")[:2]) if version else None


__all__ = ["Base", "read_image"]
