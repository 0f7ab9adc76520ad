"""A lock as pixi.toml: Python of conda-forge, every pin as a PyPI dependency.

pixi has no markers for PyPI dependencies, so what only some platforms take is in their `target`
tables. It asks for an index per project (`index`), and hands the rest to uv. Hashes are not in a
manifest: `pixi lock` writes them into pixi.lock.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

import tomlkit

from cudalock.errors import Contradiction
from cudalock.formats import Format, InstallCommand, WriteOptions
from cudalock.formats.conda import one_python, python_package
from cudalock.formats.header import header_lines
from cudalock.lock import require_hashes
from cudalock.lock.sources import needs_own_build
from cudalock.lock.wheels import split_by_wheel, targets_of
from cudalock.targets.platforms import MACOS, PLATFORMS
from cudalock.text import listed, shell_command
from cudalock.urls import encoded, local_path, without_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cudalock.lock import Lock, Pin
    from cudalock.targets import Target

FILE: Final = "pixi.toml"
NAME: Final = "cudalock-project"


def render(lock: Lock, options: WriteOptions) -> str:
    """Return the file's text.

    Raises Contradiction for what a manifest cannot say: several Pythons, paths of wheels, a build
    step by step, and a requirement that a fact drops.
    """
    _check(lock, options)
    lock = split_by_wheel(lock, lambda pin: _by_url(pin, options))
    text = tomlkit.document()
    for line in header_lines(lock, user_index_urls=(options.index_url, *options.extra_index_urls)):
        text.add(tomlkit.comment(line.removeprefix("# ")))
    for _, command in install_commands(lock, options):
        text.add(tomlkit.comment(f"install: {command}"))
    text.add(tomlkit.nl())
    for key, table in _tables(lock, options).items():
        text.add(key, tomlkit.item(table))
    return tomlkit.dumps(text)


def _check(lock: Lock, options: WriteOptions) -> None:
    one_python(lock, "a pixi.toml")
    if options.wheels is not None:
        raise Contradiction("`--wheels` needs the format requirements or pylock: pixi has no paths")
    if options.hashes == "require":
        require_hashes(lock)
    if needs_own_build(lock):
        names = listed(dict.fromkeys(pin.name for pin in lock.built))
        raise Contradiction(
            f"pixi builds in isolation, and {names} is compiled against what is installed",
            hints=["--format requirements", "--format dockerfile"],
        )
    names_ = {pin.name for pin in lock.pins}
    dropped = [row.requirement for row in lock.replacements if row.requirement not in names_]
    if dropped:
        raise Contradiction(
            f"a pixi.toml cannot drop a requirement, and the lock does without {listed(dropped)}",
            hints=["--format requirements", "--format uv"],
        )


def _by_url(pin: Pin, options: WriteOptions) -> bool:
    return pin.wheel.url is not None and (pin.wheel.builder is not None or options.urls)


def _tables(lock: Lock, options: WriteOptions) -> dict[str, Any]:
    tables: dict[str, Any] = {
        "workspace": {
            "name": NAME,
            "channels": ["conda-forge"],
            "platforms": list(dict.fromkeys(map(_subdir, lock.targets))),
        },
        "dependencies": {name: f"{version}.*" for name, version in python_package(lock)},
    }
    # Without it pixi takes wheels for its own default, glibc 2.28, and no newer ones.
    if requirements := _system_requirements(lock):
        tables["system-requirements"] = requirements
    tables["pypi-options"] = _options(lock, options)
    # A name in both tables has the target's: what all platforms take alike stands once.
    everywhere: dict[str, Any] = {}
    by_platform: dict[str, dict[str, Any]] = {}
    subdirs = tables["workspace"]["platforms"]
    for pin in lock.pins:
        dependency = _dependency(pin, lock, options)
        where = list(dict.fromkeys(map(_subdir, targets_of(pin, lock))))
        if where == subdirs:
            everywhere[pin.name] = dependency
        else:
            for subdir in where:
                by_platform.setdefault(subdir, {})[pin.name] = dependency
    tables["pypi-dependencies"] = everywhere
    if by_platform:
        tables["target"] = {
            subdir: {"pypi-dependencies": by_platform[subdir]}
            for subdir in subdirs
            if subdir in by_platform
        }
    return tables


def _subdir(target: Target) -> str:
    return PLATFORMS[target.platform].conda


def _system_requirements(lock: Lock) -> Mapping[str, Any]:
    """What pixi refuses to install without, and takes wheels for: a glibc, a release of macOS."""
    glibcs = [target.glibc for target in lock.targets if target.glibc]
    versions = [target.macos for target in lock.targets if target.macos]
    table: dict[str, Any] = {}
    if glibcs:
        table["libc"] = {"family": "glibc", "version": max(glibcs, key=_numbers)}
    if versions:
        table[MACOS.name] = max(versions, key=_numbers)
    return table


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdecimal()]


def _options(lock: Lock, options: WriteOptions) -> dict[str, Any]:
    table: dict[str, Any] = {}
    # pixi hands these to uv, and asks for credentials in its own way.
    if options.index_url:
        table["index-url"] = without_credentials(options.index_url)
    if options.extra_index_urls:
        table["extra-index-urls"] = list(map(without_credentials, options.extra_index_urls))
    built = {pin.name for pin in lock.built}
    # A wheel that is missing would be compiled for an hour.
    table["no-build"] = (
        [name for name in dict.fromkeys(pin.name for pin in lock.pins) if name not in built]
        if built
        else True
    )
    pins = {pin.name: pin for pin in lock.pins}
    overrides = {row.requirement: f"=={pins[row.requirement].version}" for row in lock.replacements}
    if overrides:
        table["dependency-overrides"] = dict(sorted(overrides.items()))
    return table


def _dependency(pin: Pin, lock: Lock, options: WriteOptions) -> Any:
    if path := local_path(pin.wheel.url):
        return _inline({"path": path})
    if _by_url(pin, options):
        return _inline({"url": without_credentials(encoded(pin.wheel.url or ""))})
    version = f"=={pin.version}"
    # An index that one project names serves no other: nothing else can come from there.
    urls = {index.id: index.url for index in lock.indexes}
    index = urls.get(pin.wheel.index or "")
    if index:
        return _inline({"version": version, "index": without_credentials(index)})
    return version


def _inline(table: Mapping[str, str]) -> Any:
    inline = tomlkit.inline_table()
    inline.update(table)
    return inline


def install_commands(_lock: Lock, options: WriteOptions) -> tuple[InstallCommand, ...]:
    """Return the command that makes the environment."""
    path = PurePath(options.filename or FILE)
    here = path.parent.as_posix() == "." and path.name == FILE
    words = [] if here else ["--manifest-path", path.as_posix()]
    return (InstallCommand("pixi", shell_command(["pixi", "install", *words])),)


FORMAT: Final = Format(
    render,
    FILE,
    install_commands,
    beside=lambda filename: f"cudalock/{filename}",
    of_line=None,
)
