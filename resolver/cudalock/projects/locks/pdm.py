"""pdm.lock."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cudalock.projects.locks.entries import files_of, hashes_of, locked, string, tables
from cudalock.projects.model import Declared, Edge, ProjectFile, StatedValue
from cudalock.projects.syntax.pep508 import is_marker, is_name, is_specifier, parse
from cudalock.projects.syntax.toml_file import TomlFile, as_list
from cudalock.versions import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.projects.model import Encoding
    from cudalock.projects.syntax.text import Text
    from cudalock.projects.syntax.toml import Key


def read(text: Text, encoding: Encoding) -> ProjectFile:
    """Read the file."""
    file = TomlFile(text)
    packages = [_package(file, *each) for each in tables(file, "package")]
    # An extra of a project is an entry of its own, beside the project's.
    return ProjectFile(
        text.name,
        "pdm-lock",
        text.text,
        encoding,
        declared=tuple(each for each in packages if each.files or each.url or not each.extras),
        requires_python=_requires_python(file),
        problems=tuple(dict.fromkeys(file.problems)),
    )


def _requires_python(file: TomlFile) -> StatedValue | None:
    """Return the range of the only target, if there is only one."""
    texts = [
        StatedValue(text["requires_python"], file.place((*key, "requires_python")))
        for key, text in file.items("metadata", "targets")
        if isinstance(text, dict) and isinstance(text.get("requires_python"), str)
    ]
    # Each target has a range of its own, and an entry does not name its target.
    return texts[0] if len(texts) == 1 and is_specifier(texts[0].value) else None


def _package(file: TomlFile, key: Key, package: dict[str, Any]) -> Declared:
    files = files_of(package.get("files", []))
    marker = string(package, "marker")
    address = string(package, "url") or string(package, "path")
    if address is None and (git := string(package, "git")):
        address = f"git+{git}"
    extras = package.get("extras")
    return replace(
        locked(file, key, package),
        marker=marker if marker and is_marker(marker) else None,
        group=_group(package),
        extras=tuple(
            sorted(
                canonical(extra) for extra in extras if isinstance(extra, str) and is_name(extra)
            )
        )
        if isinstance(extras, list)
        else (),
        url=address,
        files=files,
        hashes=hashes_of(files),
        editable=package.get("editable") is True,
        requires=tuple(_edges(package)),
    )


def _group(package: dict[str, Any]) -> str | None:
    groups = package.get("groups")
    # `default` is PDM's name for the project's own requirements.
    if not isinstance(groups, list) or not groups or "default" in groups:
        return None
    return f"group:{canonical(str(groups[0]))}"


def _edges(package: dict[str, Any]) -> Iterator[Edge]:
    for requirement in as_list(package.get("dependencies")):
        if isinstance(requirement, str) and not (parsed := parse(requirement)).problem:
            yield Edge(canonical(parsed.name), parsed.marker, None, parsed.url, parsed.extras)
