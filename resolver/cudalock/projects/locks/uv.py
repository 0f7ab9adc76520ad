"""uv.lock. Which of its entries a machine needs follows from the requirements between them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from cudalock.projects.locks.entries import files_of, hashes_of, locked, string, tables
from cudalock.projects.model import Declared, Edge, ProjectFile
from cudalock.projects.syntax.pep508 import is_marker
from cudalock.projects.syntax.toml_file import TomlFile, as_list
from cudalock.versions import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.projects.model import Encoding
    from cudalock.projects.syntax.text import Text
    from cudalock.projects.syntax.toml import Key

_OWN: Final = ("virtual", "editable")
"""Sources of the projects that are locked."""


def read(text: Text, encoding: Encoding) -> ProjectFile:
    """Read the file. The projects that are locked are not entries, but roots."""
    file = TomlFile(text)
    packages = list(tables(file, "package"))
    own = [(key, package) for key, package in packages if _is_own(package)]
    names = [canonical(package["name"]) for _, package in own if _is_here(package)]
    forks = tuple(dict.fromkeys(_forks(file)))
    return ProjectFile(
        text.name,
        "uv-lock",
        text.text,
        encoding,
        declared=tuple(_package(file, *package) for package in packages if not _is_own(package[1])),
        requires_python=file.range("requires-python"),
        environments=file.markers("supported-markers"),
        problems=tuple(dict.fromkeys(file.problems)),
        roots=tuple(root for _, package in own for root in _roots(package)),
        forks=forks,
        overridden=frozenset(_overridden(file)),
        project=names[0] if names else None,
    )


def _source(package: dict[str, Any]) -> dict[str, Any]:
    source = package.get("source")
    return source if isinstance(source, dict) else {}


def _is_own(package: dict[str, Any]) -> bool:
    return any(kind in _source(package) for kind in _OWN)


def _is_here(package: dict[str, Any]) -> bool:
    # Other members of a workspace have their folder there.
    return any(_source(package).get(kind) == "." for kind in _OWN)


def _package(file: TomlFile, key: Key, package: dict[str, Any]) -> Declared:
    source = _source(package)
    files = (*files_of(package.get("wheels", [])), *files_of(package.get("sdist", [])))
    resolution_markers = as_list(package.get("resolution-markers"))
    markers = [
        marker for marker in resolution_markers if isinstance(marker, str) and is_marker(marker)
    ]
    # A package that is locked in several versions has the markers of each in `resolution-markers`.
    joined = " or ".join(f"({marker})" for marker in markers) if len(markers) > 1 else None
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


def _forks(file: TomlFile) -> Iterator[str]:
    """Yield the extras and groups that conflict, as markers name them."""
    for rivals in as_list(file.data.get("conflicts")):
        for rival in as_list(rivals):
            if isinstance(rival, dict) and isinstance(rival.get("package"), str):
                for kind in ("extra", "group"):
                    if isinstance(rival.get(kind), str):
                        yield _fork(kind, canonical(rival["package"]), canonical(rival[kind]))


def _overridden(file: TomlFile) -> Iterator[str]:
    manifest = file.data.get("manifest")
    # An override replaces what metadata requires, so a pin that breaks a requirement is meant.
    for override in as_list(manifest.get("overrides")) if isinstance(manifest, dict) else ():
        if isinstance(override, dict) and isinstance(override.get("name"), str):
            yield canonical(override["name"])


def _fork(kind: str, package: str, name: str) -> str:
    # The length of the package's name tells where it ends: names have dashes too.
    return f"{kind}-{len(package)}-{package}-{name}"


def _roots(package: dict[str, Any]) -> Iterator[Edge]:
    """Yield the requirements of a locked project, those of extras and groups with their name."""
    kinds = (("optional-dependencies", "extra"), ("dev-dependencies", "group"))
    for dependency in as_list(package.get("dependencies")):
        yield from _edge(dependency, None)
    for table, kind in kinds:
        groups = package.get(table)
        for name, dependencies in groups.items() if isinstance(groups, dict) else ():
            fork = _fork(kind, canonical(package["name"]), canonical(name))
            for dependency in as_list(dependencies):
                yield from _edge(dependency, fork)


def _edges(package: dict[str, Any]) -> Iterator[Edge]:
    """Yield the requirements of an entry: its own, those of its extras, and of its groups."""
    for dependency in as_list(package.get("dependencies")):
        yield from _edge(dependency, None)
    for kind in ("optional-dependencies", "dev-dependencies"):
        groups = package.get(kind)
        for name, dependencies in groups.items() if isinstance(groups, dict) else ():
            for dependency in as_list(dependencies):
                yield from _edge(dependency, canonical(name))


def _edge(dependency: object, extra: str | None) -> Iterator[Edge]:
    if not isinstance(dependency, dict) or not isinstance(dependency.get("name"), str):
        return
    yield Edge(
        canonical(dependency["name"]),
        string(dependency, "marker"),
        string(dependency, "version"),
        string(_source(dependency), "url"),
        tuple(
            canonical(extra_name)
            for extra_name in as_list(dependency.get("extra"))
            if isinstance(extra_name, str)
        ),
        extra,
        string(_source(dependency), "registry"),
    )
