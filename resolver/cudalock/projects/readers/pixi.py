"""pixi.toml, and `[tool.pixi]` of a pyproject.toml: packages of conda and of the package index.

A feature is a group, and what stands below `target.PLATFORM` has the platform's marker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cudalock.projects.model import Declared, DeclaredIndex, ProjectFile, StatedValue
from cudalock.projects.syntax import conda as conda_versions
from cudalock.projects.syntax.pep508 import is_name, is_specifier
from cudalock.projects.syntax.toml_file import TomlFile, as_list
from cudalock.targets.platforms import SYSTEMS, of_conda_subdir
from cudalock.versions import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cudalock.projects.model import Encoding
    from cudalock.projects.syntax.text import Text
    from cudalock.projects.syntax.toml import Key

_PYTHON: Final = "python"
_FAMILIES: Final = {"linux": "linux", "win": "windows", "osx": "macos"}
"""pixi's names for all platforms of a system, and ours."""
_WORKSPACES: Final = ("workspace", "project")
"""The table of the workspace, under its name and the one that it had before."""


def read(text: Text, encoding: Encoding) -> ProjectFile:
    """Read a pixi.toml."""
    file = TomlFile(text)
    found = tuple(declared(file, ()))
    python = pythons(file, ())
    return ProjectFile(
        text.name,
        "pixi",
        text.text,
        encoding,
        declared=found,
        indexes=tuple(indexes(file, ())),
        requires_python=python[0],
        python=python[1],
        channels=tuple(channels(file, ())),
        platforms=tuple(platforms(file, ())),
        problems=tuple(dict.fromkeys(file.problems)),
    )


def declared(file: TomlFile, root: tuple[str, ...]) -> Iterator[Declared]:
    """Yield every requirement below a table: of everything, of targets and of features."""
    for table, group, marker in _tables(file, root):
        for name, spec in file.table(*table, "dependencies").items():
            yield from _conda(file, (*table, "dependencies", name), name, spec, group, marker)
        for name, spec in file.table(*table, "pypi-dependencies").items():
            yield from _pypi(file, (*table, "pypi-dependencies", name), name, spec, group, marker)


def _tables(
    file: TomlFile, root: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], str | None, str | None]]:
    """Yield the path of each table that has dependencies, its group and its marker."""
    # A feature has the same tables as the workspace, targets of its own among them.
    parts: list[tuple[tuple[str, ...], str | None]] = [(root, None)]
    parts += [
        ((*root, "feature", name), f"group:{canonical(name)}")
        for name in file.table(*root, "feature")
    ]
    for path, group in parts:
        yield path, group, None
        for name in file.table(*path, "target"):
            yield (*path, "target", name), group, _marker(name)


def _marker(name: str) -> str | None:
    """Return the marker of a platform of conda, or of a family of them; None for an unknown one."""
    # conda's subdirs name one platform, and pixi's families all of a system.
    row = of_conda_subdir(name)
    if row is not None:
        return (
            f'sys_platform == "{row.system.sys_platform}" and platform_machine == "{row.machine}"'
        )
    if name == "unix":
        return 'sys_platform != "win32"'
    system = next((row for row in SYSTEMS if row.name == _FAMILIES.get(name)), None)
    return system and f'sys_platform == "{system.sys_platform}"'


def _conda(
    file: TomlFile, key: Key, name: str, spec: Any, group: str | None, marker: str | None
) -> Iterator[Declared]:
    version_key: Key = key if isinstance(spec, str) else (*key, "version")
    table: Mapping[str, Any] = spec if isinstance(spec, dict) else {"version": spec}
    version = table.get("version", "*")
    if not isinstance(spec, str | dict) or not isinstance(version, str):
        file.problem(key, "it is neither a version nor a table")
        return
    # A range of Python, and no package: `pythons` has it.
    if name == _PYTHON:
        return
    parsed = conda_versions.parse(f"{name} {version}" if version != "*" else name)
    if parsed is None or parsed.name != name:
        file.problem(key, f"invalid conda package spec `{name} {version}`")
        return
    # `build` may be a pattern: `*cuda126*`.
    build, channel = table.get("build"), table.get("channel")
    place = file.pair_place(key)
    node = file.node(key)
    yield Declared(
        name=canonical(name),
        text=file.text.text[place.start : place.end],
        place=place,
        specifier=parsed.specifier or "",
        group=group,
        marker=marker,
        syntax="toml",
        ignored=file.text.ignored(node.key_start, node.end),
        version_place=file.place(version_key) if "version" in table else None,
        manager="conda",
        channel=channel if isinstance(channel, str) else None,
        build=build if isinstance(build, str) else parsed.build,
        problem=None if parsed.specifier is not None else "only conda knows such versions",
    )


def _pypi(
    file: TomlFile, key: Key, name: str, spec: Any, group: str | None, marker: str | None
) -> Iterator[Declared]:
    if not is_name(name):
        file.problem(key, "invalid project name")
        return
    table: Mapping[str, Any] = spec if isinstance(spec, dict) else {"version": spec}
    version_key: Key = key if isinstance(spec, str) else (*key, "version")
    strings = {word: text for word, text in table.items() if isinstance(text, str)}
    version = strings.get("version", "*")
    if not isinstance(spec, str | dict) or not isinstance(table.get("version", ""), str):
        file.problem(key, "it is neither a version nor a table")
        return
    # `*` is any version here, and no specifier of PEP 440.
    specifier = "" if version.strip() == "*" else version
    if not is_specifier(specifier):
        file.problem(version_key, f"invalid version range `{version}`")
        return
    place = file.pair_place(key)
    node = file.node(key)
    address = next((word for word in ("url", "path", "git") if word in strings), None)
    url = strings[address] if address else None
    yield Declared(
        name=canonical(name),
        text=file.text.text[place.start : place.end],
        place=place,
        specifier=specifier,
        group=group,
        marker=marker,
        extras=tuple(
            sorted(
                canonical(extra)
                for extra in as_list(table.get("extras"))
                if isinstance(extra, str) and is_name(extra)
            )
        ),
        url=f"git+{url}" if address == "git" else url,
        index=strings.get("index"),
        editable=table.get("editable") is True,
        syntax="url" if address else "specifier",
        ignored=file.text.ignored(node.key_start, node.end),
        version_place=(
            file.place((*key, address))
            if address in ("url", "path")
            else file.place(version_key)
            if "version" in strings
            else None
        ),
    )


def pythons(file: TomlFile, root: tuple[str, ...]) -> tuple[StatedValue | None, StatedValue | None]:
    """Return the range of Python that the file states, and the version if it is one."""
    spec = file.table(*root, "dependencies").get(_PYTHON)
    key: Key = (*root, "dependencies", _PYTHON)
    if isinstance(spec, dict):
        spec, key = spec.get("version"), (*key, "version")
    # A range leaves open what conda takes, so only one version is a version.
    parsed = conda_versions.parse(f"{_PYTHON} {spec}") if isinstance(spec, str) else None
    if parsed is None or not parsed.specifier:
        return None, None
    place = file.place(key)
    single = parsed.specifier.startswith("==") and "," not in parsed.specifier
    version = parsed.specifier[2:].removesuffix(".*")
    return StatedValue(parsed.specifier, place), StatedValue(version, place) if single else None


def channels(file: TomlFile, root: tuple[str, ...]) -> Iterator[str]:
    """Yield conda's channels, in order."""
    for table in _WORKSPACES:
        for channel in as_list(file.table(*root, table).get("channels")):
            name = channel.get("channel") if isinstance(channel, dict) else channel
            if isinstance(name, str):
                yield name


def platforms(file: TomlFile, root: tuple[str, ...]) -> Iterator[str]:
    """Yield the platforms that the workspace is for, as `--platform` has them."""
    for table in _WORKSPACES:
        for name in as_list(file.table(*root, table).get("platforms")):
            row = of_conda_subdir(name) if isinstance(name, str) else None
            if row is not None:
                yield row.flag


def indexes(file: TomlFile, root: tuple[str, ...]) -> Iterator[DeclaredIndex]:
    """Yield the package indexes of the file, and those that single projects are taken from."""
    for table, _, _ in _tables(file, root):
        options = file.table(*table, "pypi-options")
        url = options.get("index-url")
        if isinstance(url, str):
            yield DeclaredIndex(url, "index-url", file.place((*table, "pypi-options", "index-url")))
        for position, extra in enumerate(as_list(options.get("extra-index-urls"))):
            if isinstance(extra, str):
                key: tuple[str | int, ...] = (*table, "pypi-options", "extra-index-urls", position)
                yield DeclaredIndex(extra, "extra-index-url", file.place(key))
