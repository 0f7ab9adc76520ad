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
    """The requirements, constraints and overrides of uv's own lists."""
    return [
        # What uv had before PEP 735's groups; it takes the list as a part of the group `dev`.
        *file.requirements(*_UV, "dev-dependencies", group="group:dev"),
        *file.requirements(*_UV, "constraint-dependencies", role="constraint"),
        *file.requirements(*_UV, "override-dependencies", role="override"),
    ]


def indexes(file: TomlFile) -> Iterator[DeclaredIndex]:
    """The indexes for all of uv, then those that only `uv pip` reads."""
    for key, index in file.items(*_UV, "index"):
        if not isinstance(index, dict) or not isinstance(index.get("url"), str):
            file.problem(key, "an index needs a `url`")
            continue
        name = index.get("name")
        # A `flat` index is a folder or page of links, as for pip's `--find-links`.
        kind = "find-links" if index.get("format") == "flat" else "named"
        yield DeclaredIndex(
            index["url"],
            kind,
            file.place((*key, "url")),
            name=name if isinstance(name, str) else None,
            explicit=index.get("explicit") is True,
            default=index.get("default") is True,
        )
    for table in (_UV, (*_UV, "pip")):
        for word in ("index-url", "extra-index-url", "find-links"):
            yield from _plain(file, (*table, word), word)


def _plain(file: TomlFile, key: tuple[str, ...], kind: str) -> Iterator[DeclaredIndex]:
    setting = file.table(*key[:-1]).get(key[-1])
    if isinstance(setting, str):
        yield DeclaredIndex(setting, kind, file.place(key), is_of_uv_pip="pip" in key)
    elif setting is not None:
        for place, text in file.items(*key):
            if isinstance(text, str):
                yield DeclaredIndex(text, kind, file.place(place), is_of_uv_pip="pip" in key)


def no_index(file: TomlFile) -> bool:
    """Whether uv may query no index."""
    return file.table(*_UV).get("no-index") is True


def options(file: TomlFile) -> Iterator[Option]:
    """Flags of `uv pip` that choose a CUDA build."""
    key = (*_UV, "pip", "torch-backend")
    setting = file.said(*key)
    if setting is not None:
        yield Option("--torch-backend", setting.value, setting.place)


def sources(file: TomlFile) -> Iterator[Source]:
    """The entries of `[tool.uv.sources]`, one for each table."""
    for name, marker in file.table(*_UV, "sources").items():
        key = (*_UV, "sources", name)
        tables: list[tuple[Key, Any]] = [(key, marker)]
        if isinstance(marker, list):
            tables = list(file.items(*key))
        for place, table in tables:
            if not isinstance(table, dict):
                file.problem(place, "expected a table")
            elif isinstance(marker := table.get("marker"), str) and not is_marker(marker):
                # Left out and reported: nobody knows on which machines such a source counts.
                file.problem((*place, "marker"), f"invalid marker `{marker}`")
            else:
                yield _source(file, canonical(name), place, table)


def _source(file: TomlFile, name: str, key: Key, table: dict[str, Any]) -> Source:
    strings: dict[str, Any] = {
        word: text
        for word in (*_KINDS, "marker", "extra", "group")
        if isinstance(text := table.get(word), str)
    }
    kind = next((word for word in _KINDS if word in strings), None)
    for word in ("extra", "group"):
        if word in strings:
            strings[word] = canonical(strings[word])
    return Source(
        name,
        file.pair_place(key),
        value_place=file.place((*key, kind)) if kind else None,
        marker_place=file.place((*key, "marker")) if "marker" in strings else None,
        **strings,
    )


def members(file: TomlFile) -> tuple[str, ...]:
    """The globs of a workspace's members."""
    return _globs(file, "members")


def no_members(file: TomlFile) -> tuple[str, ...]:
    """The globs of folders that `members` matches and that are not members."""
    return _globs(file, "exclude")


def _globs(file: TomlFile, key: str) -> tuple[str, ...]:
    patterns = file.items(*_UV, "workspace", key)
    return tuple(pattern for _, pattern in patterns if isinstance(pattern, str))


def conflicts(file: TomlFile) -> Iterator[frozenset[str]]:
    """The sets of extras and groups of which no two are requested together."""
    for _, members in file.items(*_UV, "conflicts"):
        names = set()
        for member in as_list(members):
            for kind in ("extra", "group"):
                if isinstance(member, dict) and isinstance(member.get(kind), str):
                    names.add(f"{kind}:{canonical(member[kind])}")
        yield frozenset(names)


def sent(requirements: Iterable[Declared], file: ProjectFile) -> Iterator[Declared]:
    """The entries with the index or URL of their source, where it is the same on every machine."""
    for requirement in requirements:
        matching = file.sources_for(requirement)
        # With several sources, or a marker, it depends on the target: `sources_for` decides it
        # later.
        if len(matching) != 1 or matching[0].marker is not None or requirement.url is not None:
            yield requirement
        else:
            yield _sent(requirement, matching[0], file)


def _sent(requirement: Declared, source: Source, file: ProjectFile) -> Declared:
    if source.index is not None:
        # An unknown name is no error: the members of a workspace use indexes of its root's file.
        index = file.index_named(source.index)
        return replace(requirement, index=index.url) if index else requirement
    address = source.url or source.path or (source.git and f"git+{source.git}")
    if not address:
        return requirement
    # Only a URL has a version to rewrite; of a path or a repository nobody knows another.
    where: Place | None = source.value_place if source.url else None
    return replace(requirement, url=address, version_place=where, syntax="url")
