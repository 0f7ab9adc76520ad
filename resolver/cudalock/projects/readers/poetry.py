"""`[tool.poetry]` of a pyproject.toml: dependencies, groups and sources, in Poetry's own words."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING, Any, Final

from cudalock.projects.model import Declared, DeclaredIndex, Source, StatedValue
from cudalock.projects.syntax.markers import both, can_hold, extras_of, with_extras
from cudalock.projects.syntax.pep508 import is_marker, is_name
from cudalock.projects.syntax.poetry import python_marker, translate
from cudalock.projects.syntax.toml_file import as_list
from cudalock.targets.platforms import system_of
from cudalock.versions import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cudalock.projects.model import Place
    from cudalock.projects.syntax.toml import Key
    from cudalock.projects.syntax.toml_file import TomlFile

_POETRY: Final = ("tool", "poetry")
_VERSION_CONTROL: Final = ("git", "hg", "svn")
_EXTRA: Final = "extra:"
_MANY: Final = 30
"""Extras of one marker that are compared; no person writes more."""


def declared(file: TomlFile, known: list[Declared]) -> list[Declared]:
    """The entries of every group. An entry of `[project]` (`known`) only gets its sources and
    markers from here, as in Poetry."""
    extras = _extras(file)
    urls = {index.name: index.url for index in indexes(file)}
    requirements = list(_table(file, (*_POETRY, "dependencies"), None, extras, urls))
    added: dict[str, list[Declared]] = {}
    for requirement in requirements:
        added.setdefault(requirement.name, []).append(requirement)
    requirements += _table(file, (*_POETRY, "dev-dependencies"), "group:dev", {}, urls)
    for group in file.table(*_POETRY, "group"):
        key = (*_POETRY, "group", group, "dependencies")
        requirements += _table(file, key, f"group:{canonical(group)}", {}, urls)
    if not file.table(*_POETRY):
        return known
    result = [
        requirement
        for stated in known
        for requirement in _enriched(stated, added.get(stated.name, ()))
    ]
    names = {requirement.name for requirement in known}
    result += [requirement for requirement in requirements if requirement.name not in names]
    return [part for requirement in result for part in _by_extra(requirement, extras)]


def _enriched(known: Declared, entries: Sequence[Declared]) -> list[Declared]:
    """A requirement of `[project]` once for each entry under `[tool.poetry.dependencies]` that may
    count where it does, with the index of the entry and where both hold.

    Since Poetry 2 requirements are in `[project]`, and entries of the same name only add to them.
    """
    # Entries are of Poetry's main group: those of a group stand in its own table.
    if (known.group or "").startswith("group:"):
        return [known]
    enriched = [
        replace(known, index=entry.index or known.index, marker=both(known.marker, entry.marker))
        for entry in entries
    ]
    # With no entry that may count Poetry takes the requirement as it stands.
    return [entry for entry in enriched if _may_count(entry)] or [known]


def _may_count(requirement: Declared) -> bool:
    """Whether it counts on some machine with some extra that may be requested."""
    return any(not part.marker or can_hold(part.marker) for part in _by_extra(requirement, {}))


def _by_extra(requirement: Declared, extras: Mapping[str, Sequence[str]]) -> Iterator[Declared]:
    """Yield a requirement for each extra with which it counts, by what its marker says of extras;
    the rest of the marker stays. One that counts without any extra keeps all of it."""
    marker, group = requirement.marker or "", requirement.group
    listing = extras.get(requirement.name, ())
    own = (group or "").removeprefix(_EXTRA)
    if not extras_of(marker):
        # An optional one that several extras have is the same for each.
        for extra in listing if group is not None and own in listing else [None]:
            yield replace(requirement, group=f"{_EXTRA}{extra}") if extra else requirement
    elif group is None and with_extras(marker, frozenset()) is not None:
        yield requirement
    else:
        is_grouped = group is not None and not group.startswith(_EXTRA)
        named: Sequence[str] = [own]
        if group is None or is_grouped:
            named = sorted(extras_of(marker))
        for extra in listing if own in listing else named:
            left = with_extras(marker, frozenset({extra}))
            if left is not None:
                # A group is requested beside its extra: `--with gpu --extras gpu`.
                place = group if is_grouped else f"{_EXTRA}{extra}"
                yield replace(requirement, marker=left or None, group=place)
                if is_grouped:
                    return


def sources(file: TomlFile) -> Iterator[Source]:
    """Where entries that are for one extra, by their markers, send a project."""
    for name in file.table(*_POETRY, "dependencies"):
        for key, table in _tables(file, (*_POETRY, "dependencies"), name):
            marker = table.get("markers") if isinstance(table, dict) else None
            if not isinstance(marker, str) or not is_marker(marker) or not is_name(name):
                continue
            source = table.get("source")
            # Without one it is the package index's, as everything is that no source is for.
            if not isinstance(source, str):
                continue
            for extra in sorted(extras_of(marker)):
                left = with_extras(marker, frozenset({extra}))
                if left is not None and with_extras(marker, frozenset()) is None:
                    yield Source(
                        canonical(name),
                        file.pair_place(key),
                        value_place=file.place((*key, "source")),
                        index=source,
                        marker=left or None,
                        marker_place=file.place((*key, "markers")),
                        extra=extra,
                    )


def conflicts(file: TomlFile) -> Iterator[frozenset[str]]:
    """The sets of extras of which no two are requested together, by the markers of entries:
    `extra == 'cpu' and extra != 'cuda'`."""
    pairs: set[frozenset[str]] = set()
    for name in file.table(*_POETRY, "dependencies"):
        for _, table in _tables(file, (*_POETRY, "dependencies"), name):
            marker = table.get("markers") if isinstance(table, dict) else None
            named = extras_of(marker) if isinstance(marker, str) and is_marker(marker) else ()
            for one, other in permutations(sorted(named)[:_MANY], 2):
                if marker is not None and _excludes(marker, one, other):
                    pairs.add(frozenset({one, other}))
    found: list[frozenset[str]] = []
    for pair in sorted(pairs, key=sorted):
        if any(pair <= members for members in found):
            continue
        joined = set(pair)
        # As large a set as there is: three lines are one conflict, as uv's table has it.
        for other in sorted({name for each in pairs for name in each}):
            if all(frozenset({other, member}) in pairs for member in joined - {other}):
                joined.add(other)
        found.append(frozenset(joined))
    for members in found:
        yield frozenset(f"{_EXTRA}{name}" for name in members)


def _excludes(marker: str, one: str, other: str) -> bool:
    """Whether a marker holds somewhere with one extra and nowhere with another beside it."""
    alone = with_extras(marker, frozenset({one}))
    both = with_extras(marker, frozenset({one, other}))
    return alone is not None and both is None and with_extras(marker, frozenset()) is None


def requires_python(file: TomlFile) -> StatedValue | None:
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
    return StatedValue(specifier, file.place(key))


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


def _extras(file: TomlFile) -> dict[str, list[str]]:
    """The extras that have each optional dependency."""
    extras_by_name: dict[str, list[str]] = {}
    for extra in file.table(*_POETRY, "extras"):
        for _, name in file.items(*_POETRY, "extras", extra):
            if isinstance(name, str):
                extras_by_name.setdefault(canonical(name), []).append(canonical(extra))
    return extras_by_name


def _tables(file: TomlFile, key: tuple[str, ...], name: str) -> list[tuple[Key, Any]]:
    """The constraints of one project, each with its own `python`, `platform` or `markers`."""
    constraint = file.table(*key)[name]
    return (
        list(file.items(*key, name))
        if isinstance(constraint, list)
        else [((*key, name), constraint)]
    )


def _table(
    file: TomlFile,
    key: tuple[str, ...],
    group: str | None,
    extras: Mapping[str, Sequence[str]],
    urls: Mapping[str | None, str],
) -> Iterator[Declared]:
    for name in file.table(*key):
        # Poetry writes the Python range among the dependencies.
        if canonical(name) == "python":
            continue
        if not is_name(name):
            file.problem((*key, name), "invalid project name")
            continue
        for place, constraint_at in _tables(file, key, name):
            if isinstance(constraint_at, str):
                yield _requirement(
                    file, name, place, {"version": constraint_at}, place, group, urls
                )
            elif isinstance(constraint_at, dict):
                # Poetry puts optional dependencies into extras, which only the main group has. One
                # that no extra names is never installed: `extra:` is a group that nobody can
                # request.
                optional = constraint_at.get("optional") is True and group is None
                first = next(iter(extras.get(canonical(name), ())), "")
                where = f"{_EXTRA}{first}" if optional else group
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
