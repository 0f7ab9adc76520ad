"""uv.lock. Which of its entries a machine needs is said by the requirements between them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from cudalock.names import canonical
from cudalock.projects.declared import Declared, Edge, ProjectFile
from cudalock.projects.lock_entries import files_of, hashes_of, locked, string, tables
from cudalock.projects.pep508 import is_marker
from cudalock.projects.toml_file import TomlFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.projects.declared import Encoding
    from cudalock.projects.text import Text
    from cudalock.projects.toml_places import Key

_OWN: Final = ("virtual", "editable")
"""Sources of the projects that the lock was made for."""


def read(text: Text, encoding: Encoding) -> ProjectFile:
    """What the file says. The projects that it was made for are no entries, but its roots."""
    file = TomlFile(text)
    packages = list(tables(file, "package"))
    own = [(key, package) for key, package in packages if _is_own(package)]
    names = [canonical(package["name"]) for _, package in own if _is_here(package)]
    return ProjectFile(
        text.name,
        "uv-lock",
        text.text,
        encoding,
        declared=tuple(_entry(file, *each) for each in packages if not _is_own(each[1])),
        requires_python=file.range("requires-python"),
        environments=file.markers("supported-markers"),
        problems=tuple(dict.fromkeys(file.problems)),
        roots=tuple(edge._replace(extra=None) for _, each in own for edge in _edges(each)),
        project=names[0] if names else None,
    )


def _source(package: dict[str, Any]) -> dict[str, Any]:
    found = package.get("source")
    return found if isinstance(found, dict) else {}


def _is_own(package: dict[str, Any]) -> bool:
    return any(kind in _source(package) for kind in _OWN)


def _is_here(package: dict[str, Any]) -> bool:
    return any(_source(package).get(kind) == "." for kind in _OWN)


def _entry(file: TomlFile, key: Key, package: dict[str, Any]) -> Declared:
    source = _source(package)
    files = (*files_of(package.get("wheels", [])), *files_of(package.get("sdist", [])))
    found = package.get("resolution-markers")
    said = found if isinstance(found, list) else []
    markers = [each for each in said if isinstance(each, str) and is_marker(each)]
    joined = " or ".join(f"({each})" for each in markers) if len(markers) > 1 else None
    address = string(source, "url") or string(source, "path") or string(source, "directory")
    if address is None and (git := string(source, "git")):
        address = f"git+{git}"
    return replace(
        locked(file, key, package),
        marker=joined or next(iter(markers), None),
        url=address,
        index=string(source, "registry"),
        files=files,
        hashes=hashes_of(files),
        requires=tuple(_edges(package)),
    )


def _edges(package: dict[str, Any]) -> Iterator[Edge]:
    """The requirements of an entry: its own, those of its extras, and of its groups."""
    for item in _listed(package.get("dependencies")):
        yield from _edge(item, None)
    for kind in ("optional-dependencies", "dev-dependencies"):
        found = package.get(kind)
        for name, items in found.items() if isinstance(found, dict) else ():
            for item in _listed(items):
                yield from _edge(item, canonical(name))


def _edge(item: object, extra: str | None) -> Iterator[Edge]:
    if not isinstance(item, dict) or not isinstance(item.get("name"), str):
        return
    yield Edge(
        canonical(item["name"]),
        string(item, "marker"),
        string(item, "version"),
        string(_source(item), "url"),
        tuple(canonical(each) for each in _listed(item.get("extra")) if isinstance(each, str)),
        extra,
    )


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []
