"""`[tool.pdm]` of a pyproject.toml: dev dependencies, sources and overrides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cudalock.projects.model import Declared, DeclaredIndex, Source
from cudalock.projects.syntax.toml_file import as_list
from cudalock.versions import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.projects.syntax.toml_file import TomlFile

_PDM: Final = ("tool", "pdm")
_EDITABLE: Final = ("-e ", "--editable ")


def declared(file: TomlFile) -> list[Declared]:
    """The dev dependencies of every group. Editable ones name a path, which is left out."""
    found = []
    for group in file.table(*_PDM, "dev-dependencies"):
        for key, item in file.items(*_PDM, "dev-dependencies", group):
            if isinstance(item, str) and item.startswith(_EDITABLE):
                continue
            entry = file.requirement(key, group=f"group:{canonical(group)}")
            found += [entry] if entry is not None else []
    return found


def indexes(file: TomlFile) -> Iterator[DeclaredIndex]:
    """The entries of `[[tool.pdm.source]]`. One called `pypi` stands in the package index's place.

    A source with `include_packages` serves those alone.
    """
    for key, item in file.items(*_PDM, "source"):
        if not isinstance(item, dict) or not isinstance(item.get("url"), str):
            continue
        name = item.get("name")
        yield DeclaredIndex(
            item["url"],
            "find-links" if item.get("type") == "find_links" else "named",
            file.place((*key, "url")),
            name=name if isinstance(name, str) else None,
            explicit="include_packages" in item,
            default=name == "pypi",
        )


def sources(file: TomlFile) -> Iterator[Source]:
    """The projects that a source says it is for. Patterns (`torch*`) are left out."""
    for key, item in file.items(*_PDM, "source"):
        packages = item.get("include_packages") if isinstance(item, dict) else None
        for position, name in enumerate(as_list(packages)):
            if isinstance(name, str) and "*" not in name:
                place = file.place((*key, "include_packages", position))
                yield Source(canonical(name), place, place, index=str(item.get("name")))
