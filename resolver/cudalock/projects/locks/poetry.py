"""poetry.lock, of every version of Poetry that is in use."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from cudalock.projects.locks.entries import files_of, hashes_of, locked, string, tables
from cudalock.projects.model import Declared, Edge, LockedFile, ProjectFile, StatedValue
from cudalock.projects.syntax.markers import extras_of
from cudalock.projects.syntax.pep508 import is_marker
from cudalock.projects.syntax.poetry import translate
from cudalock.projects.syntax.toml_file import TomlFile
from cudalock.versions import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cudalock.projects.model import Encoding
    from cudalock.projects.syntax.text import Text
    from cudalock.projects.syntax.toml import Key

_MAIN: Final = "main"
_EXCLUDED: Final = re.compile(r"extra\s*!=\s*[\"']([^\"']*)")


def read(text: Text, encoding: Encoding) -> ProjectFile:
    """Read the file. A lock from before Poetry 2 has neither markers nor roots: its entries count
    by following requirements, and everything that nothing else requires is a root."""
    file = TomlFile(text)
    older = _older_files(file)
    packages = list(tables(file, "package"))
    declared = tuple(_package(file, key, package, older) for key, package in packages)
    tells = any("markers" in package or "groups" in package for _, package in packages)
    required = {edge.name for package in declared for edge in package.requires}
    roots = tuple(Edge(package.name) for package in declared if package.name not in required)
    return ProjectFile(
        text.name,
        "poetry-lock",
        text.text,
        encoding,
        declared=declared,
        requires_python=_requires_python(file),
        problems=tuple(dict.fromkeys(file.problems)),
        roots=None if tells else roots,
        forks=_forks(declared),
    )


def _forks(entries: Iterable[Declared]) -> tuple[str, ...]:
    """Return the extras that exclude one another, by markers such as `extra != "cuda"`."""
    markers = [entry.marker for entry in entries if entry.marker is not None]
    excluded = {canonical(name) for marker in markers for name in _EXCLUDED.findall(marker)}
    named = set().union(*(extras_of(marker) for marker in markers if _EXCLUDED.search(marker)))
    return tuple(sorted(excluded | named)) if excluded else ()


def _requires_python(file: TomlFile) -> StatedValue | None:
    stated = file.said("metadata", "python-versions")
    specifier = translate(stated.value) if stated else None
    return StatedValue(specifier, stated.place) if stated and specifier is not None else None


def _older_files(file: TomlFile) -> dict[str, tuple[LockedFile, ...]]:
    """Return the files by project, which locks up to version 1.1 list at their end."""
    by_name = file.table("metadata").get("files")
    if not isinstance(by_name, dict):
        return {}
    return {canonical(name): files_of(files) for name, files in by_name.items()}


def _package(
    file: TomlFile, key: Key, package: dict[str, Any], older: dict[str, tuple[LockedFile, ...]]
) -> Declared:
    package_entry = locked(file, key, package)
    files = files_of(package.get("files", [])) or older.get(package_entry.name, ())
    source = package.get("source")
    source = source if isinstance(source, dict) else {}
    kind, address = string(source, "type"), string(source, "url")
    # `legacy` is Poetry's word for an index that is not the package index.
    index = address if kind in (None, "legacy") else None
    if address is not None and index is None:
        address = f"{kind}+{address}" if kind in ("git", "hg", "svn") else address
    return replace(
        package_entry,
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
        # `category` (main, dev) is what locks had before Poetry 1.5.
        category = string(package, "category")
        groups = [category] if category else []
    if _MAIN in groups or not groups or not isinstance(groups[0], str):
        return None
    return f"group:{canonical(groups[0])}"


def _marker(package: dict[str, Any]) -> str | None:
    """Return where an entry counts: its marker, or the markers of its groups."""
    markers = package.get("markers")
    if isinstance(markers, dict):
        # Poetry leaves out groups whose requirement has no marker, and there the entry always
        # counts.
        groups = package.get("groups")
        everywhere = isinstance(groups, list) and not set(map(str, groups)) <= set(markers)
        markers = None if everywhere else " or ".join(f"({marker})" for marker in markers.values())
    return markers if isinstance(markers, str) and is_marker(markers) else None


def _edges(package: dict[str, Any]) -> Iterator[Edge]:
    dependencies = package.get("dependencies")
    for name, constraints in dependencies.items() if isinstance(dependencies, dict) else ():
        for constraint in constraints if isinstance(constraints, list) else [constraints]:
            table = constraint if isinstance(constraint, dict) else {}
            # Requirements of an extra: Poetry lists them as optional, whether the extra is
            # requested or not.
            if table.get("optional") is not True:
                yield Edge(canonical(name), string(table, "markers"))
