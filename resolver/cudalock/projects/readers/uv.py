"""`[tool.uv]` of a pyproject.toml: sources, indexes, constraints, overrides, environments."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from cudalock.projects.model import Declared, DeclaredIndex, Option, Source
from cudalock.projects.syntax.pep508 import is_marker
from cudalock.projects.syntax.toml_file import as_list
from cudalock.versions import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cudalock.projects.model import Place, ProjectFile
    from cudalock.projects.syntax.toml import Key
    from cudalock.projects.syntax.toml_file import TomlFile

_UV: Final = ("tool", "uv")
_KINDS: Final = ("index", "url", "path", "git")


def declared(file: TomlFile) -> list[Declared]:
    """What uv's own lists ask for, limit and override."""
    return [
        *file.requirements(*_UV, "dev-dependencies", group="group:dev"),
        *file.requirements(*_UV, "constraint-dependencies", role="constraint"),
        *file.requirements(*_UV, "override-dependencies", role="override"),
    ]


def indexes(file: TomlFile) -> Iterator[DeclaredIndex]:
    """The indexes for all of uv, then those that only `uv pip` heeds."""
    for key, item in file.items(*_UV, "index"):
        if not isinstance(item, dict) or not isinstance(item.get("url"), str):
            file.problem(key, "an index needs a `url`")
            continue
        name = item.get("name")
        kind = "find-links" if item.get("format") == "flat" else "named"
        yield DeclaredIndex(
            item["url"],
            kind,
            file.place((*key, "url")),
            name=name if isinstance(name, str) else None,
            explicit=item.get("explicit") is True,
            default=item.get("default") is True,
        )
    for table in (_UV, (*_UV, "pip")):
        for word in ("index-url", "extra-index-url", "find-links"):
            yield from _plain(file, (*table, word), word)


def _plain(file: TomlFile, key: tuple[str, ...], kind: str) -> Iterator[DeclaredIndex]:
    said = file.table(*key[:-1]).get(key[-1])
    if isinstance(said, str):
        yield DeclaredIndex(said, kind, file.place(key))
    elif said is not None:
        for each, item in file.items(*key):
            if isinstance(item, str):
                yield DeclaredIndex(item, kind, file.place(each))


def no_index(file: TomlFile) -> bool:
    """Whether uv is told to ask no index."""
    return file.table(*_UV).get("no-index") is True


def options(file: TomlFile) -> Iterator[Option]:
    """Flags of `uv pip` that say which CUDA is meant."""
    key = (*_UV, "pip", "torch-backend")
    said = file.said(*key)
    if said is not None:
        yield Option("--torch-backend", said.value, said.place)


def sources(file: TomlFile) -> Iterator[Source]:
    """The entries of `[tool.uv.sources]`, one for each table."""
    for name, said in file.table(*_UV, "sources").items():
        key = (*_UV, "sources", name)
        tables: list[tuple[Key, Any]] = [(key, said)]
        if isinstance(said, list):
            tables = list(file.items(*key))
        for each, table in tables:
            if not isinstance(table, dict):
                file.problem(each, "it is no table")
            elif isinstance(said := table.get("marker"), str) and not is_marker(said):
                # told, and left out: where it holds nobody knows
                file.problem((*each, "marker"), f"`{said}` is no marker")
            else:
                yield _source(file, canonical(name), each, table)


def _source(file: TomlFile, name: str, key: Key, table: dict[str, Any]) -> Source:
    said = {
        word: value
        for word in (*_KINDS, "marker", "extra", "group")
        if isinstance(value := table.get(word), str)
    }
    kind = next((word for word in _KINDS if word in said), None)
    for word in ("extra", "group"):
        if word in said:
            said[word] = canonical(said[word])
    return Source(
        name,
        file.pair_place(key),
        value_place=file.place((*key, kind)) if kind else None,
        marker_place=file.place((*key, "marker")) if "marker" in said else None,
        **said,
    )


def members(file: TomlFile) -> tuple[str, ...]:
    """The globs of a workspace's members."""
    return _globs(file, "members")


def no_members(file: TomlFile) -> tuple[str, ...]:
    """The globs of the folders that are no members though they look like some."""
    return _globs(file, "exclude")


def _globs(file: TomlFile, key: str) -> tuple[str, ...]:
    found = file.items(*_UV, "workspace", key)
    return tuple(item for _, item in found if isinstance(item, str))


def conflicts(file: TomlFile) -> Iterator[frozenset[str]]:
    """The sets of extras and groups that are never wanted together."""
    for _, items in file.items(*_UV, "conflicts"):
        found = set()
        for item in as_list(items):
            for kind in ("extra", "group"):
                if isinstance(item, dict) and isinstance(item.get(kind), str):
                    found.add(f"{kind}:{canonical(item[kind])}")
        yield frozenset(found)


def sent(entries: Iterable[Declared], file: ProjectFile) -> Iterator[Declared]:
    """The entries with the index or address that the sources give them, where it is always one."""
    for entry in entries:
        found = file.sources_for(entry)
        if len(found) != 1 or found[0].marker is not None or entry.url is not None:
            yield entry
        else:
            yield _sent(entry, found[0], file)


def _sent(entry: Declared, source: Source, file: ProjectFile) -> Declared:
    if source.index is not None:
        index = file.index_named(source.index)
        return replace(entry, index=index.url) if index else entry
    address = source.url or source.path or (source.git and f"git+{source.git}")
    if not address:
        return entry
    where: Place | None = source.value_place if source.url else None
    return replace(entry, url=address, version_place=where, syntax="url")
