"""`[tool.pdm]` of a pyproject.toml: dev dependencies, sources and overrides."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from cudalock.projects.model import Declared, DeclaredIndex, Source
from cudalock.projects.syntax.toml_file import as_list
from cudalock.versions import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.projects.syntax.toml_file import TomlFile

_PDM: Final = ("tool", "pdm")
# PDM writes editable dependencies as pip's option, which is no requirement of PEP 508.
_EDITABLE: Final = ("-e ", "--editable ")


def declared(file: TomlFile) -> list[Declared]:
    """The dev dependencies of every group. Editable ones name a path, which is left out."""
    requirements = []
    for group in file.table(*_PDM, "dev-dependencies"):
        for key, text in file.items(*_PDM, "dev-dependencies", group):
            if isinstance(text, str) and text.startswith(_EDITABLE):
                continue
            requirement = file.requirement(key, group=f"group:{canonical(group)}")
            requirements += [requirement] if requirement is not None else []
    return requirements


def indexes(file: TomlFile) -> Iterator[DeclaredIndex]:
    """The entries of `[[tool.pdm.source]]`. One called `pypi` replaces the package index.

    A source with `include_packages` serves those alone.
    """
    for key, source in file.items(*_PDM, "source"):
        if not isinstance(source, dict) or not isinstance(source.get("url"), str):
            continue
        name = source.get("name")
        yield DeclaredIndex(
            source["url"],
            "find-links" if source.get("type") == "find_links" else "named",
            file.place((*key, "url")),
            name=name if isinstance(name, str) else None,
            explicit="include_packages" in source,
            default=name == "pypi",
        )


def sources(file: TomlFile) -> Iterator[Source]:
    """The projects that sources are for. Patterns (`torch*`) are left out.

    A project of several sources is looked for in all of them: its local version tells which.
    """
    found = list(_sources(file))
    names = [each.name for each in found]
    yield from (replace(each, is_one_of=names.count(each.name) > 1) for each in found)


def _sources(file: TomlFile) -> Iterator[Source]:
    for key, source in file.items(*_PDM, "source"):
        packages = source.get("include_packages") if isinstance(source, dict) else None
        for position, name in enumerate(as_list(packages)):
            if isinstance(name, str) and "*" not in name:
                place = file.place((*key, "include_packages", position))
                yield Source(canonical(name), place, place, index=str(source.get("name")))
