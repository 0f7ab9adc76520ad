"""pylock.toml (PEP 751), whoever wrote it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cudalock.projects.locks.entries import files_of, hashes_of, locked, string, tables
from cudalock.projects.model import Declared, Edge, ProjectFile
from cudalock.projects.syntax.pep508 import is_marker
from cudalock.projects.syntax.toml_file import TomlFile, as_list
from cudalock.text import read_number
from cudalock.versions import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.projects.model import Encoding
    from cudalock.projects.syntax.text import Text
    from cudalock.projects.syntax.toml import Key


def read(text: Text, encoding: Encoding) -> ProjectFile:
    """Read the file; what packaging reports about it is a problem."""
    file = TomlFile(text)
    file_read = ProjectFile(
        text.name,
        "pylock",
        text.text,
        encoding,
        declared=tuple(
            _package(file, *place_and_table) for place_and_table in tables(file, "packages")
        ),
        requires_python=file.range("requires-python"),
        environments=file.markers("environments"),
        settings=dict(file.table("tool", "cudalock")),
        forks=_lines(file),
    )
    if file.data:
        _validate(file)
    return replace(file_read, problems=tuple(dict.fromkeys(file.problems)))


def _lines(file: TomlFile) -> tuple[str, ...]:
    """Return the extras or groups that are lines of one project, in a lock of cudalock's: of these
    one is installed."""
    lines = as_list(file.table("tool", "cudalock").get("lines"))
    return tuple(line for line in lines if isinstance(line, str))


def _validate(file: TomlFile) -> None:
    from packaging.pylock import Pylock, PylockValidationError

    try:
        Pylock.from_dict(file.data)
    except PylockValidationError as error:
        key = _key(error.context or "")
        # Our own sentence about this span is more precise.
        if file.place(key) not in {problem.place for problem in file.problems}:
            file.problem(key, error.message.partition("\n")[0])
    except (RecursionError, ValueError, TypeError, AttributeError):
        # a value of a kind that packaging does not expect where it is
        file.problem((), "not a pylock.toml")


def _key(context: str) -> Key:
    """Return the path of what packaging calls `packages[3].wheels[0].url`."""
    parts = context.replace("[", ".").replace("]", "").split(".")
    return tuple(
        part if (number := read_number(part)) is None else number for part in parts if part
    )


def _package(file: TomlFile, key: Key, package: dict[str, Any]) -> Declared:
    archive = package.get("archive")
    files = (
        *files_of(package.get("wheels", [])),
        *files_of(package.get("sdist", [])),
        *files_of(archive if isinstance(archive, dict) else []),
    )
    marker = string(package, "marker")
    if marker is not None and not is_marker(marker):
        file.problem((*key, "marker"), f"invalid marker `{marker}`")
        marker = None
    return replace(
        locked(file, key, package),
        marker=marker,
        url=_address(package),
        index=string(package, "index"),
        files=files,
        hashes=hashes_of(files),
        requires=tuple(_edges(package)),
    )


def _address(package: dict[str, Any]) -> str | None:
    """Return the URL or path of an entry that is no release of an index."""
    for kind in ("archive", "directory", "vcs"):
        # The type is part of a version control URL for pip: `git+https://...`.
        table = package.get(kind)
        if isinstance(table, dict) and (url := string(table, "url") or string(table, "path")):
            return f"{table.get('type')}+{url}" if kind == "vcs" else url
    return None


def _edges(package: dict[str, Any]) -> Iterator[Edge]:
    for dependency in as_list(package.get("dependencies")):
        if isinstance(dependency, dict) and isinstance(dependency.get("name"), str):
            yield Edge(
                canonical(dependency["name"]),
                string(dependency, "marker"),
                string(dependency, "version"),
            )
