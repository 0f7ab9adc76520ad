"""`[tool.poetry]` of a pyproject.toml: dependencies, groups and sources, in Poetry's own words."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from cudalock.projects.model import Declared, DeclaredIndex, Said
from cudalock.projects.syntax.pep508 import is_marker, is_name
from cudalock.projects.syntax.poetry import python_marker, translate
from cudalock.projects.syntax.toml_file import as_list
from cudalock.targets.platforms import system_of
from cudalock.versions import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cudalock.projects.model import Place
    from cudalock.projects.syntax.toml import Key
    from cudalock.projects.syntax.toml_file import TomlFile

_POETRY: Final = ("tool", "poetry")
_VERSION_CONTROL: Final = ("git", "hg", "svn")


def declared(file: TomlFile, known: list[Declared]) -> list[Declared]:
    """The entries of every group. What is `known` from `[project]` is only given its source here,
    as Poetry has it."""
    extras = _extras(file)
    urls = {each.name: each.url for each in indexes(file)}
    found = list(_table(file, (*_POETRY, "dependencies"), None, extras, urls))
    found += _table(file, (*_POETRY, "dev-dependencies"), "group:dev", {}, urls)
    for group in file.table(*_POETRY, "group"):
        key = (*_POETRY, "group", group, "dependencies")
        found += _table(file, key, f"group:{canonical(group)}", {}, urls)
    added = {each.name: each for each in found if each.group is None or each.group in extras}
    result = [replace(e, index=added[e.name].index) if e.name in added else e for e in known]
    names = {each.name for each in known}
    return result + [each for each in found if each.name not in names]


def requires_python(file: TomlFile) -> Said | None:
    """The range of `python`, as a specifier."""
    key: tuple[str, ...] = (*_POETRY, "dependencies", "python")
    value = file.table(*_POETRY, "dependencies").get("python")
    if isinstance(value, dict):
        value, key = value.get("version"), (*key, "version")
    if not isinstance(value, str):
        return None
    specifier = translate(value)
    if specifier is None:
        file.problem(key, f"`{value}` is no version range that is understood here")
        return None
    return Said(specifier, file.place(key))


def indexes(file: TomlFile) -> Iterator[DeclaredIndex]:
    """The entries of `[[tool.poetry.source]]`."""
    for key, item in file.items(*_POETRY, "source"):
        if not isinstance(item, dict) or not isinstance(item.get("url"), str):
            # Poetry knows the package index by its name, and needs no address for it.
            continue
        priority = item.get("priority") if isinstance(item.get("priority"), str) else None
        yield DeclaredIndex(
            item["url"],
            "named",
            file.place((*key, "url")),
            name=item["name"] if isinstance(item.get("name"), str) else None,
            explicit=priority == "explicit",
            default=priority == "default" or item.get("default") is True,
            priority=priority,
        )


def _extras(file: TomlFile) -> dict[str, str]:
    """The group that an optional dependency is in: its first extra's."""
    found: dict[str, str] = {}
    for extra in file.table(*_POETRY, "extras"):
        for _, name in file.items(*_POETRY, "extras", extra):
            if isinstance(name, str):
                found.setdefault(canonical(name), f"extra:{canonical(extra)}")
    return found


def _table(
    file: TomlFile,
    key: tuple[str, ...],
    group: str | None,
    extras: Mapping[str, str],
    urls: Mapping[str | None, str],
) -> Iterator[Declared]:
    for name, value in file.table(*key).items():
        if canonical(name) == "python":
            continue
        if not is_name(name):
            file.problem((*key, name), "it is no name of a project")
            continue
        items: list[tuple[Key, Any]] = [((*key, name), value)]
        if isinstance(value, list):
            items = list(file.items(*key, name))
        for each, item in items:
            if isinstance(item, str):
                yield _entry(file, name, each, {"version": item}, each, group, urls)
            elif isinstance(item, dict):
                optional = item.get("optional") is True and group is None
                where = extras.get(canonical(name), "extra:") if optional else group
                yield _entry(file, name, each, item, (*each, "version"), where, urls)
            else:
                file.problem(each, "it is neither a version nor a table")


def _entry(
    file: TomlFile,
    name: str,
    key: Key,
    table: Mapping[str, Any],
    version_key: Key,
    group: str | None,
    urls: Mapping[str | None, str],
) -> Declared:
    place = file.pair_place(key)
    node = file.node(key)
    said = {word: value for word, value in table.items() if isinstance(value, str)}
    entry = Declared(
        name=canonical(name),
        text=file.text.text[place.start : place.end],
        place=place,
        group=group,
        syntax="poetry",
        marker=_marker(file, key, said),
        extras=tuple(
            sorted(
                canonical(e)
                for e in as_list(table.get("extras"))
                if isinstance(e, str) and is_name(e)
            )
        ),
        index=urls.get(said.get("source")) if "source" in said else None,
        editable=table.get("develop") is True,
        ignored=file.text.ignored(node.key_start, node.end),
    )
    if (address := _address(file, key, said)) is not None:
        return replace(entry, url=address[0], version_place=address[1], syntax="url")
    if "version" not in said:
        return entry
    specifier = translate(said["version"])
    problem = None if specifier is not None else f"`{said['version']}` is no single range"
    return replace(
        entry, specifier=specifier or "", version_place=file.place(version_key), problem=problem
    )


def _address(file: TomlFile, key: Key, said: Mapping[str, str]) -> tuple[str, Place | None] | None:
    if "url" in said:
        return said["url"], file.place((*key, "url"))
    if "path" in said or "file" in said:
        word = "path" if "path" in said else "file"
        return said[word], file.place((*key, word))
    for kind in _VERSION_CONTROL:
        if kind in said:
            return f"{kind}+{said[kind]}", None
    return None


def _marker(file: TomlFile, key: Key, said: Mapping[str, str]) -> str | None:
    """`markers`, `python` and `platform` of an entry as one marker."""
    found = []
    if "markers" in said:
        if is_marker(said["markers"]):
            found.append(said["markers"])
        else:
            file.problem((*key, "markers"), f"`{said['markers']}` is no marker")
    if "python" in said and (python := python_marker(said["python"])) is not None:
        found.append(python)
    if "platform" in said and is_name(said["platform"]):
        variable = "sys_platform" if system_of(said["platform"]) else "platform_system"
        found.append(f'{variable} == "{said["platform"]}"')
    if len(found) < 2:
        return next(iter(found), None)
    return " and ".join(f"({each})" if " or " in each else each for each in found)
