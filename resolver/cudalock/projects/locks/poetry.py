"""poetry.lock, from the versions of Poetry that are about."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from cudalock.projects.locks.entries import files_of, hashes_of, locked, string, tables
from cudalock.projects.model import Declared, Edge, LockedFile, ProjectFile, Said
from cudalock.projects.syntax.pep508 import is_marker
from cudalock.projects.syntax.poetry import translate
from cudalock.projects.syntax.toml_file import TomlFile
from cudalock.versions import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.projects.model import Encoding
    from cudalock.projects.syntax.text import Text
    from cudalock.projects.syntax.toml import Key

_MAIN: Final = "main"


def read(text: Text, encoding: Encoding) -> ProjectFile:
    """What the file says. An older lock tells what a machine needs by reaching alone, and does not
    say from where: then everything that nothing else requires is a root."""
    file = TomlFile(text)
    older = _older_files(file)
    packages = list(tables(file, "package"))
    declared = tuple(_entry(file, key, package, older) for key, package in packages)
    tells = any("markers" in package or "groups" in package for _, package in packages)
    required = {edge.name for entry in declared for edge in entry.requires}
    roots = tuple(Edge(each.name) for each in declared if each.name not in required)
    return ProjectFile(
        text.name,
        "poetry-lock",
        text.text,
        encoding,
        declared=declared,
        requires_python=_requires_python(file),
        problems=tuple(dict.fromkeys(file.problems)),
        roots=None if tells else roots,
    )


def _requires_python(file: TomlFile) -> Said | None:
    said = file.said("metadata", "python-versions")
    specifier = translate(said.value) if said else None
    return Said(specifier, said.place) if said and specifier is not None else None


def _older_files(file: TomlFile) -> dict[str, tuple[LockedFile, ...]]:
    """The files by project, as locks up to version 1.1 list them."""
    found = file.table("metadata").get("files")
    if not isinstance(found, dict):
        return {}
    return {canonical(name): files_of(items) for name, items in found.items()}


def _entry(
    file: TomlFile, key: Key, package: dict[str, Any], older: dict[str, tuple[LockedFile, ...]]
) -> Declared:
    entry = locked(file, key, package)
    files = files_of(package.get("files", [])) or older.get(entry.name, ())
    source = package.get("source")
    source = source if isinstance(source, dict) else {}
    kind, address = string(source, "type"), string(source, "url")
    index = address if kind in (None, "legacy") else None
    if address is not None and index is None:
        address = f"{kind}+{address}" if kind in ("git", "hg", "svn") else address
    return replace(
        entry,
        marker=_marker(package),
        group=_group(package),
        url=None if index else address,
        index=index,
        files=files,
        hashes=hashes_of(files),
        requires=tuple(_edges(package)),
    )


def _group(package: dict[str, Any]) -> str | None:
    groups = package.get("groups")
    if not isinstance(groups, list):
        category = string(package, "category")
        groups = [category] if category else []
    if _MAIN in groups or not groups or not isinstance(groups[0], str):
        return None
    return f"group:{canonical(groups[0])}"


def _marker(package: dict[str, Any]) -> str | None:
    """Where an entry holds: a marker, or one for each group."""
    said = package.get("markers")
    if isinstance(said, dict):
        groups = package.get("groups")
        everywhere = isinstance(groups, list) and not set(map(str, groups)) <= set(said)
        said = None if everywhere else " or ".join(f"({each})" for each in said.values())
    return said if isinstance(said, str) and is_marker(said) else None


def _edges(package: dict[str, Any]) -> Iterator[Edge]:
    found = package.get("dependencies")
    for name, value in found.items() if isinstance(found, dict) else ():
        for item in value if isinstance(value, list) else [value]:
            table = item if isinstance(item, dict) else {}
            if table.get("optional") is not True:
                yield Edge(canonical(name), string(table, "markers"))
