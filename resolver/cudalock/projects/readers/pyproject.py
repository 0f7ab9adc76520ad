"""pyproject.toml: what a project requires, for pip, uv, Poetry, PDM and cudalock."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cudalock.projects.model import Declared, ProjectFile, StatedValue
from cudalock.projects.readers import pdm as pdm_tables
from cudalock.projects.readers import pixi as pixi_tables
from cudalock.projects.readers import poetry as poetry_tables
from cudalock.projects.readers import uv as uv_tables
from cudalock.projects.syntax.toml_file import TomlFile, as_list
from cudalock.versions import canonical

_MANY: Final = 500
"""Groups of a file that nobody wrote by hand; their includes are ignored."""
_PIXI: Final = ("tool", "pixi")
_KERNELS: Final = ("tool", "kernels", "dependencies")
_KERNELS_LOCK: Final = "kernels.lock"

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.projects.model import Encoding
    from cudalock.projects.readers.requirements import Nested
    from cudalock.projects.syntax.text import Text


def read(text: Text, encoding: Encoding, *, nested: Nested | None = None) -> ProjectFile:
    """Read the file, and the kernels.lock beside it that locks what it has for kernels."""
    file = TomlFile(text)
    declared = poetry_tables.declared(file, [*_project(file), *_groups(file)])
    declared += [*pdm_tables.declared(file), *uv_tables.declared(file)]
    declared += pixi_tables.declared(file, _PIXI)
    # Poetry 2 takes the name and the Python range from [project] first, and so do we.
    name = file.string("project", "name") or file.string("tool", "poetry", "name")
    project = canonical(name) if name else None
    read = ProjectFile(
        text.name,
        "pyproject",
        text.text,
        encoding,
        indexes=(
            *uv_tables.indexes(file),
            *poetry_tables.indexes(file),
            *pdm_tables.indexes(file),
            *pixi_tables.indexes(file, _PIXI),
        ),
        python=pixi_tables.pythons(file, _PIXI)[1],
        channels=tuple(pixi_tables.channels(file, _PIXI)),
        platforms=tuple(pixi_tables.platforms(file, _PIXI)),
        no_index=uv_tables.no_index(file),
        options=tuple(uv_tables.options(file)),
        requires_python=file.range("project", "requires-python")
        or poetry_tables.requires_python(file),
        environments=file.markers("tool", "uv", "environments"),
        targets=_targets(file),
        settings=dict(file.table("tool", "cudalock")),
        sources=(
            *uv_tables.sources(file),
            *poetry_tables.sources(file),
            *pdm_tables.sources(file),
        ),
        dynamic=tuple(str(field) for _, field in file.items("project", "dynamic")),
        notes=tuple(_notes(file)),
        project=project,
        members=uv_tables.members(file),
        no_members=uv_tables.no_members(file),
        conflicts=(*uv_tables.conflicts(file), *poetry_tables.conflicts(file)),
        together=_together(file, declared, project),
    )
    locked = _kernels(file, nested)
    # Last, since a source names an index and a group, which have to be read by then.
    requirements = tuple(uv_tables.sent(declared, read))
    return replace(
        read,
        declared=requirements,
        nested=locked,
        problems=tuple(dict.fromkeys(file.problems)),
    )


def _project(file: TomlFile) -> list[Declared]:
    requirements = file.requirements("project", "dependencies")
    for extra in file.table("project", "optional-dependencies"):
        group = f"extra:{canonical(extra)}"
        requirements += file.requirements("project", "optional-dependencies", extra, group=group)
    return requirements


def _kernels(file: TomlFile, nested: Nested | None) -> tuple[ProjectFile, ...]:
    """Return the kernels.lock of the kernels that the file requires, if it is there."""
    if nested is None or not file.table(*_KERNELS):
        return ()
    if not Path(file.text.name).with_name(_KERNELS_LOCK).is_file():
        return ()
    place = file.place(_KERNELS)
    found = nested(_KERNELS_LOCK, True, place.start, place.end)
    return (found,) if found is not None else ()


def _notes(file: TomlFile) -> Iterator[str]:
    """Sentences on where requirements are that the file leaves to its build backend."""
    for _, field in file.items("project", "dynamic"):
        if field not in ("dependencies", "optional-dependencies"):
            continue
        # setuptools: `dependencies = {file = "requirements.txt"}`, or a list of files.
        files = file.table("tool", "setuptools", "dynamic").get(field)
        files = files.get("file") if isinstance(files, dict) else None
        if isinstance(files, str):
            files = [files]
        if isinstance(files, list) and files:
            yield f"`{field}` comes from {' and '.join(map(str, files))}"
        else:
            yield f"`{field}` is computed by the build backend, and nothing of a repository is run"


def _groups(file: TomlFile) -> list[Declared]:
    """Every group's own entries. One that another group includes is not repeated for it."""
    requirements = []
    names = {canonical(name) for name in file.table("dependency-groups")}
    for name in file.table("dependency-groups"):
        for key, text in file.items("dependency-groups", name):
            if isinstance(text, str):
                requirement = file.requirement(key, group=f"group:{canonical(name)}")
                requirements += [requirement] if requirement is not None else []
            # PEP 735 has nothing else in a group, and tools refuse the whole file for it.
            elif not isinstance(text, dict) or not isinstance(text.get("include-group"), str):
                file.problem(key, "it is neither a requirement nor `include-group`")
            elif canonical(text["include-group"]) not in names:
                file.problem(key, f"unknown group `{text['include-group']}`")
    return requirements


def _together(
    file: TomlFile, declared: list[Declared], project: str | None
) -> tuple[frozenset[str | None], ...]:
    """Return a set for each group that includes others or is included, with all that it
    includes."""
    includes: dict[str, set[str]] = {}
    for name, members in file.table("dependency-groups").items():
        for member in as_list(members):
            if isinstance(member, dict) and isinstance(member.get("include-group"), str):
                included = includes.setdefault(f"group:{canonical(name)}", set())
                included.add(f"group:{canonical(member['include-group'])}")
    for requirement in declared:
        # `app[cu124]` among the extras of app
        if requirement.group is not None and requirement.name == project and requirement.extras:
            included = includes.setdefault(requirement.group, set())
            included |= {f"extra:{extra}" for extra in requirement.extras}
    # Each group has a set of all that it includes: the square of their number.
    if len(includes) > _MANY:
        return ()
    groups = set(includes).union(*includes.values())
    return tuple(frozenset([None, *_included(group, includes)]) for group in sorted(groups))


def _included(group: str, includes: dict[str, set[str]]) -> set[str]:
    """A group and all that it includes."""
    reached: set[str] = set()
    waiting = [group]
    while waiting:
        group = waiting.pop()
        if group not in reached:
            reached.add(group)
            waiting += includes.get(group, ())
    return reached


def _targets(file: TomlFile) -> tuple[StatedValue, ...]:
    key = ("tool", "cudalock", "targets")
    # One target may be written without a list.
    if isinstance(file.table(*key[:-1]).get("targets"), str):
        single = file.said(*key)
        return (single,) if single else ()
    return tuple(
        StatedValue(text, file.place(place))
        for place, text in file.items(*key)
        if isinstance(text, str)
    )
