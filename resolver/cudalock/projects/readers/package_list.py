"""Lists of installed packages, as pip, conda and others print them, and people pass them on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cudalock.projects.model import Declared, ProjectFile, StatedValue
from cudalock.projects.syntax.package_list import ListedPackage, packages
from cudalock.projects.syntax.pep508 import is_specifier
from cudalock.targets.platforms import of_conda_subdir, of_text
from cudalock.versions import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.projects.model import Encoding
    from cudalock.projects.syntax.text import Text

_PYTHON: Final = re.compile(r"^Python version: (3\.[0-9]{1,2})\b", re.MULTILINE)
_SYSTEM: Final = re.compile(r"^OS: (.{1,200})$", re.MULTILINE)
_SUBDIR: Final = re.compile(r"^# platform: ([\w-]{1,40})\s*$", re.MULTILINE)


def read(text: Text, encoding: Encoding) -> ProjectFile:
    """What the list says: each package once, and the machine, where `collect_env` names it."""
    listed = list(packages(text.text))
    return ProjectFile(
        text.name,
        "package-list",
        text.text,
        encoding,
        declared=tuple(_declared(listed, text)),
        python=_python(listed, text),
        platforms=tuple(_platforms(text.text)),
    )


def _declared(listed: list[ListedPackage], text: Text) -> Iterator[Declared]:
    seen = set()
    for package in listed:
        name, version = canonical(package.name), package.version.removeprefix("v")
        if (name, version) in seen or name == "python":
            continue
        seen.add((name, version))
        is_version = is_specifier(f"=={version}")
        yield Declared(
            name=name,
            text=text.text[package.start : package.end],
            place=text.place(package.start, package.end),
            specifier=f"=={version}" if is_version else "",
            role="installed",
            syntax="locked",
            ignored=text.ignored(package.start, package.end),
            manager="conda" if package.is_of_conda else "pypi",
            channel=package.channel,
            build=package.build,
            problem=None if is_version else f"invalid version `{version}`",
        )


def _python(listed: list[ListedPackage], text: Text) -> StatedValue | None:
    if match := _PYTHON.search(text.text):
        return StatedValue(match[1], text.place(*match.span(1)))
    python = next((package for package in listed if canonical(package.name) == "python"), None)
    if python is None:
        return None
    minor = ".".join(python.version.split(".")[:2])
    return StatedValue(minor, text.place(python.start, python.end))


def _platforms(text: str) -> Iterator[str]:
    system, subdir = _SYSTEM.search(text), _SUBDIR.search(text)
    platform = of_conda_subdir(subdir[1]) if subdir else None
    platform = platform or (of_text(system[1].lower()) if system else None)
    if platform is not None:
        yield platform.flag


__all__ = ["read"]
