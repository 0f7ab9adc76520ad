"""Lints of the base images: sources, days, versions, and names that other tables know."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from packaging.version import InvalidVersion

from cudalock.lint.defects import Defect
from cudalock.matrix.images import RULES, image_rows
from cudalock.targets import PYTHONS
from cudalock.targets.accelerators import CUDA
from cudalock.versions import parse_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.matrix.images import Image, ImageRelease
    from cudalock.matrix.matrix import Matrix

_DAY: Final = re.compile(r"20[0-9][0-9]-[0-9][0-9]-[0-9][0-9]")


def images(matrix: Matrix) -> Iterator[Defect]:
    """A base image, and each of its tags, has a source and a day, and names what exists."""
    files = {row["name"]: file for file, row in image_rows(matrix.curated_directory)}
    names: dict[str, str] = {}
    for image in matrix.images.images.values():
        file = files.get(image.name, RULES)
        for name in (image.name, *image.aliases):
            if names.setdefault(name, image.name) != image.name:
                yield Defect(file, image.name, f"`{name}` is a name of {names[name]} too")
        for says in _of_image(image, matrix):
            yield Defect(file, f"image {image.name}", says)
        for release in image.releases.values():
            for says in _of_release(image, release, matrix):
                yield Defect(file, f"image {image.name}:{release.tag}", says)


def _of_image(image: Image, matrix: Matrix) -> Iterator[str]:
    if not all(image.source) or not _DAY.fullmatch(image.checked):
        yield "needs a source and the day on which it was checked"
    if image.fact is not None and image.fact not in matrix.facts:
        yield f"the fact {image.fact} is not in the matrix"
    for name in filter(None, (image.own, image.project)):
        if matrix.project(name) is None:
            yield f"{name} is not in the matrix"
    if image.by_day and not all(map(_DAY.fullmatch, image.releases)):
        yield "is listed by day, and a tag is none"


def _of_release(image: Image, release: ImageRelease, matrix: Matrix) -> Iterator[str]:
    if not all(release.source) or not _DAY.fullmatch(release.checked):
        yield "needs a source and the day on which it was checked"
    if not re.fullmatch(r"\w[\w.-]{0,127}", release.tag):
        yield f"invalid tag: `{release.tag}`"
    for name, version in release.installed.items():
        try:
            normal = str(parse_version(version))
        except InvalidVersion:
            yield f"invalid version of {name}: `{version}`"
            continue
        if normal != version:
            yield f"{name} {version} is written {normal}"
    python = release.parts.get("python")
    if python is not None and ".".join(python.split(".")[:2]) not in PYTHONS:
        yield f"Python {python} is not known"
    cuda = release.parts.get(CUDA.name)
    if cuda is not None and not re.fullmatch(r"[0-9]+\.[0-9]+(\.[0-9]+)?", cuda):
        yield f"invalid CUDA release: `{cuda}`"
    distribution = release.parts.get("distribution")
    if distribution is not None and matrix.images.glibc(distribution, distribution) is None:
        yield f"the glibc of {distribution} is not known"


LINTS: Final = (images,)

__all__ = ["LINTS", "images"]
