"""What a repository shows about its machine: Python, platform, glibc, CUDA, the framework.

A flag and a pin override a hint; of several about one thing the first kind of ORDER counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from packaging.specifiers import SpecifierSet

from cudalock.files import read_small
from cudalock.projects.read import read_file
from cudalock.targets import LIKELY_PYTHONS, SYSTEMS, platforms_of_markers
from cudalock.targets.accelerators import DEFAULT
from cudalock.targets.platforms import likeliest
from cudalock.versions import holds, specifier_set

if TYPE_CHECKING:
    from collections.abc import Iterator

PARTS: Final = ("python", "platform", "glibc", DEFAULT.name, "framework")
ORDER: Final = ("version file", "index", "wheel", "environment", "image", "limit")
"""Where hints come from, the nearest to an install first."""

_RUNTIME: Final = re.compile(r"^python-(3\.[0-9]{1,2}(?:\.[0-9]{1,3})?)[ \t]*$", re.M)


class Hint(NamedTuple):
    """One hint about the machine. `part` is one of PARTS, `kind` one of ORDER."""

    part: str
    value: str
    origin: str
    """where, for people: `Dockerfile:1`"""
    kind: str
    marker: str | None = None
    """where it holds, as PEP 508"""


def version_files(root: Path) -> Iterator[Hint]:
    """Yield the hints of `.python-version` and `runtime.txt` (Heroku's)."""
    name = ".python-version"
    if (root / name).is_file():
        python = read_file(root / name).python
        if python is not None:
            yield Hint("python", python.value, f"{name}:{python.place.line}", "version file")
    try:
        text = read_small(root / "runtime.txt").decode("utf-8")[:1000]
    except (OSError, UnicodeDecodeError):
        return
    if match := _RUNTIME.search(text):
        line = text.count("\n", 0, match.start()) + 1
        yield Hint("python", match[1], f"runtime.txt:{line}", "version file")


def platforms_of(markers: Sequence[str]) -> list[str]:
    """The platforms, as `--platform` takes them, on which one of the markers holds."""
    # A marker seldom names the processor: of the platforms of one system the likeliest is meant.
    likely = {likeliest(system).name for system in SYSTEMS}
    return [row.flag for row in platforms_of_markers(markers) if row.name in likely]


def chosen_hints(
    hints: Sequence[Hint], environment: Mapping[str, str] | None = None
) -> dict[str, list[Hint]]:
    """For each part the hints that count: those of the first place in ORDER that speaks of it.

    With an `environment` (values for markers) those that do not hold there are left out.
    """
    chosen: dict[str, list[Hint]] = {}
    for part in PARTS:
        of_part = [hint for hint in hints if hint.part == part and _holds(hint, environment)]
        kind = next((kind for kind in ORDER if any(hint.kind == kind for hint in of_part)), None)
        first = [hint for hint in of_part if hint.kind == kind]
        if first:
            chosen[part] = first
    return chosen


def _holds(hint: Hint, environment: Mapping[str, str] | None) -> bool:
    return environment is None or holds(hint.marker, environment)


def python_within(limits: Sequence[str], here: str) -> str | None:
    """Return the Python if only ranges are stated: the given one if they allow it, else the nearest
    that they allow, the newer of two; None if they allow none."""
    specifier = specifier_set(",".join(limits))
    if specifier.contains(here, prereleases=True):
        return here
    allowed = [minor for minor in LIKELY_PYTHONS if _allows(specifier, minor)]
    own = int(here.split(".")[1])
    order = sorted(allowed, key=lambda minor: (abs(int(minor[2:]) - own), -int(minor[2:])))
    return order[0] if order else None


def _allows(specifier: SpecifierSet, python: str) -> bool:
    """Whether some patch release of a Python is allowed."""
    # `>=3.10.4` and `!=3.11.0` leave most of a minor version: a few patch releases are enough to
    # see.
    return any(specifier.contains(f"{python}.{patch}") for patch in (0, 5, 10, 15, 20))


__all__ = [
    "ORDER",
    "PARTS",
    "Hint",
    "chosen_hints",
    "platforms_of",
    "python_within",
    "version_files",
]
