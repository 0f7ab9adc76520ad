"""The differences between an environment and a lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import InvalidVersion

from cudalock.errors import BadFile
from cudalock.findings import Finding
from cudalock.urls import file_of
from cudalock.versions import accepts, holds, parse_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cudalock.compat.installed import ExaminedEnvironment
    from cudalock.environment import Installed
    from cudalock.projects.model import Declared, ProjectFile

ROLES = ("requirement", "locked", "installed")
"""What a file wants installed; constraints and overrides only limit it."""


def examine(subject: ExaminedEnvironment, file: ProjectFile) -> Iterator[Finding]:
    """A finding for each pin of the lock, for this target, that is not what is installed.

    Packages that the lock does not have are no finding. Raises BadFile for a file without a pin.
    """
    pins = [each for each in file.declared if each.role in ROLES and each.name]
    if not any(each.version or each.url for each in pins):
        raise BadFile(
            f"`{file.name}` is not a lockfile: it pins nothing",
            hints=["a file that `cudalock solve -o` wrote, pylock.toml, uv.lock"],
        )
    pins_by_name: dict[str, list[Declared]] = {}
    for pin in pins:
        if pin.group is None and _holds(pin, subject):
            pins_by_name.setdefault(pin.name, []).append(pin)
    for name, several in sorted(pins_by_name.items()):
        installed = subject.inventory.find(name)
        # Of pins for several targets two may hold here, where a marker cannot be evaluated.
        if not any(_is_met(pin, installed) for pin in several):
            yield _finding(several, installed, file)


def _holds(pin: Declared, subject: ExaminedEnvironment) -> bool:
    try:
        return holds(pin.marker, subject.markers)
    except ValueError:
        return True


def _is_met(pin: Declared, installed: Installed | None) -> bool:
    if installed is None:
        return False
    if pin.specifier:
        try:
            version = parse_version(installed.version)
        except InvalidVersion:
            return pin.version == installed.version
        if not accepts(pin.specifier, str(version)):
            return False
    return _same_file(pin, installed)


def _same_file(pin: Declared, installed: Installed) -> bool:
    """Whether the installed file is the pin's, if both are known."""
    locked_file = file_of(pin.url or "")
    if not locked_file.endswith(".whl"):
        return True
    if installed.wheel_file is not None:
        return installed.wheel_file == locked_file
    return _version_in(locked_file) in (installed.version, installed.public)


def _version_in(file: str) -> str:
    """The public version in a wheel's name: METADATA may lack the label that the name has."""
    return file.split("-")[1].partition("+")[0]


def _finding(pins: Iterable[Declared], installed: Installed | None, file: ProjectFile) -> Finding:
    texts = " or ".join(dict.fromkeys(_text(pin) for pin in pins))
    name = next(iter(pins)).name
    actual = f"{installed.wheel_file or installed} is installed" if installed else "it is missing"
    return Finding("CL711", "error", f"`{file.name}` has {texts}, and {actual}", members=(name,))


def _text(pin: Declared) -> str:
    return (
        f"{pin.name}{pin.specifier}" if pin.specifier or not pin.url else f"{pin.name} @ {pin.url}"
    )
