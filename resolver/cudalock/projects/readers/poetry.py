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
    """The entries of every group. An entry of `[project]` (`known`) only gets its source from here,
    as in Poetry."""
    extras = _extras(file)
    urls = {each.name: each.url for each in indexes(file)}
    requirements = list(_table(file, (*_POETRY, "dependencies"), None, extras, urls))
    requirements += _table(file, (*_POETRY, "dev-dependencies"), "group:dev", {}, urls)
    for group in file.table(*_POETRY, "group"):
        key = (*_POETRY, "group", group, "dependencies")
        requirements += _table(file, key, f"group:{canonical(group)}", {}, urls)
    # Since Poetry 2 requirements are in [project], and an entry of the same name in
    # [tool.poetry.dependencies] only adds the source.
    added = {each.name: each for each in requirements if each.group is None or each.group in extras}
    result = [replace(e, index=added[e.name].index) if e.name in added else e for e in known]
    names = {each.name for each in known}
    return result + [each for each in requirements if each.name not in names]


def requires_python(file: TomlFile) -> Said | None:
    """The range of `python`, as a specifier."""
    key: tuple[str, ...] = (*_POETRY, "dependencies", "python")
    python = file.table(*_POETRY, "dependencies").get("python")
    if isinstance(python, dict):
        python, key = python.get("version"), (*key, "version")
    if not isinstance(python, str):
        return None
    specifier = translate(python)
    if specifier is None:
        file.problem(key, f"unsupported version range `{python}`")
        return None
    return Said(specifier, file.place(key))


def indexes(file: TomlFile) -> Iterator[DeclaredIndex]:
    """The entries of `[[tool.poetry.source]]`."""
    for key, source in file.items(*_POETRY, "source"):
        if not isinstance(source, dict) or not isinstance(source.get("url"), str):
            # `name = "PyPI"` is enough for the package index, whose URL Poetry knows.
            continue
        priority = source.get("priority") if isinstance(source.get("priority"), str) else None
        yield DeclaredIndex(
            source["url"],
            "named",
            file.place((*key, "url")),
            name=source["name"] if isinstance(source.get("name"), str) else None,
            # `default = true` is from before Poetry 1.5, `priority = "default"` from before 2.0.
            explicit=priority == "explicit",
            default=priority == "default" or source.get("default") is True,
            priority=priority,
        )


def _extras(file: TomlFile) -> dict[str, str]:
    """The group of each optional dependency: its first extra."""
    extra_of: dict[str, str] = {}
    for extra in file.table(*_POETRY, "extras"):
        for _, name in file.items(*_POETRY, "extras", extra):
            if isinstance(name, str):
                extra_of.setdefault(canonical(name), f"extra:{canonical(extra)}")
    return extra_of


def _table(
    file: TomlFile,
    key: tuple[str, ...],
    group: str | None,
    extras: Mapping[str, str],
    urls: Mapping[str | None, str],
) -> Iterator[Declared]:
    for name, constraint in file.table(*key).items():
        # Poetry writes the Python range among the dependencies.
        if canonical(name) == "python":
            continue
        if not is_name(name):
            file.problem((*key, name), "invalid project name")
            continue
        constraints: list[tuple[Key, Any]] = [((*key, name), constraint)]
        if isinstance(constraint, list):
            # Several constraints for one project, each with its own `python`, `platform` or
            # `markers`.
            constraints = list(file.items(*key, name))
        for place, constraint_at in constraints:
            if isinstance(constraint_at, str):
                yield _requirement(
                    file, name, place, {"version": constraint_at}, place, group, urls
                )
            elif isinstance(constraint_at, dict):
                # Poetry puts optional dependencies into extras, which only the main group has. One
                # that no extra names is never installed: `extra:` is a group that nobody can
                # request.
                optional = constraint_at.get("optional") is True and group is None
                where = extras.get(canonical(name), "extra:") if optional else group
                yield _requirement(
                    file, name, place, constraint_at, (*place, "version"), where, urls
                )
            else:
                file.problem(place, "it is neither a version nor a table")


def _requirement(
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
    strings = {word: text for word, text in table.items() if isinstance(text, str)}
    requirement = Declared(
        name=canonical(name),
        text=file.text.text[place.start : place.end],
        place=place,
        group=group,
        syntax="poetry",
        marker=_marker(file, key, strings),
        extras=tuple(
            sorted(
                canonical(e)
                for e in as_list(table.get("extras"))
                if isinstance(e, str) and is_name(e)
            )
        ),
        index=urls.get(strings.get("source")) if "source" in strings else None,
        editable=table.get("develop") is True,
        ignored=file.text.ignored(node.key_start, node.end),
    )
    if (address := _address(file, key, strings)) is not None:
        return replace(requirement, url=address[0], version_place=address[1], syntax="url")
    if "version" not in strings:
        return requirement
    specifier = translate(strings["version"])
    problem = (
        None if specifier is not None else f"`{strings['version']}` is more than one version range"
    )
    return replace(
        requirement,
        specifier=specifier or "",
        version_place=file.place(version_key),
        problem=problem,
    )


def _address(
    file: TomlFile, key: Key, strings: Mapping[str, str]
) -> tuple[str, Place | None] | None:
    if "url" in strings:
        return strings["url"], file.place((*key, "url"))
    if "path" in strings or "file" in strings:
        word = "path" if "path" in strings else "file"
        return strings[word], file.place((*key, word))
    for kind in _VERSION_CONTROL:
        if kind in strings:
            return f"{kind}+{strings[kind]}", None
    return None


def _marker(file: TomlFile, key: Key, strings: Mapping[str, str]) -> str | None:
    """`markers`, `python` and `platform` of an entry as one marker."""
    markers = []
    if "markers" in strings:
        if is_marker(strings["markers"]):
            markers.append(strings["markers"])
        else:
            file.problem((*key, "markers"), f"invalid marker `{strings['markers']}`")
    if "python" in strings and (python := python_marker(strings["python"])) is not None:
        markers.append(python)
    if "platform" in strings and is_name(strings["platform"]):
        # Values of sys_platform are in lower case; `Windows` and `Darwin` are platform_system's.
        variable = "sys_platform" if system_of(strings["platform"]) else "platform_system"
        markers.append(f'{variable} == "{strings["platform"]}"')
    if len(markers) < 2:
        return next(iter(markers), None)
    # `and` binds tighter than `or`.
    return " and ".join(f"({marker})" if " or " in marker else marker for marker in markers)
