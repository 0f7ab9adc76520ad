"""Several lines of one project as a uv project: an extra or a group for each.

What uv does with such a file was tried, and shapes it:

- `conflicts` lets every extra have its own versions: uv resolves once for each, and once without
  any. What is in `dependencies` alone comes from the default index there.
- A source with an `extra` or `group` counts only if the project is listed in that very extra, so
  whatever a line takes from its index stands in the line's list.
- An extra cannot be the default. Of groups the first line becomes one of `default-groups`.
- Constraints and overrides hold for all lines. So only what the lines agree on is a constraint, and
  the rest is listed in the line.

In a file that exists, an extra or group that already takes its packages from a line's index is that
line, whatever its name. Its requirements stay; so do those of `dependencies`.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from packaging.utils import canonicalize_name

from cudalock.errors import OutputError
from cudalock.formats import DEFAULTS, InstallCommand, LinedFormat, WriteOptions
from cudalock.formats.header import of_lines
from cudalock.formats.uv import plan as uv_plan
from cudalock.formats.uv import project as uv_project
from cudalock.formats.uv.project import SOURCES, UV, ProjectEdit, elsewhere, read_existing
from cudalock.formats.uv.toml_lists import quoted
from cudalock.lock.lines import Line, LinedLock, restated
from cudalock.lock.markers import marker_for
from cudalock.lock.wheels import targets_of
from cudalock.matrix.releases import PACKAGE_INDEX
from cudalock.versions import holds, parse_requirement

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cudalock.lock import Lock, Pin
    from cudalock.targets import Target

_KINDS: Final = {"extras": "extra", "groups": "group"}
_TABLES: Final = {"extra": ("project", "optional-dependencies"), "group": ("dependency-groups",)}
_OTHER_TOOLS: Final = {
    "poetry": {"dependencies", "source", "group"},
    "pdm": {"source", "resolution"},
}
"""Tools with resolvers of their own, and the keys of their tables that say where packages are."""
_FILES_HINT: Final = "a lock of each line: `-o requirements.txt --as files`, or pylock.toml"
_OTHER_HINTS: Final = {"poetry": "--format poetry"}
_DEFAULT_GROUPS: Final = ("dev",)
"""What uv installs where a file names no default groups."""


def write(lined: LinedLock, options: WriteOptions) -> str:
    """Return the text of a pyproject.toml with the lines: the existing file, edited, or a new one.

    Raises as `cudalock.formats.uv.project.write` does.
    """
    existing = None
    if options.folder is not None and options.filename is not None:
        existing = read_existing(options.folder / options.filename)
    return edit(uv_project.EMPTY if existing is None else existing, lined, options)


def edit(existing: str, lined: LinedLock, options: WriteOptions = DEFAULTS) -> str:
    """Return the text of a pyproject.toml with the lines in it; unchanged if it has them already.

    Raises as `cudalock.formats.uv.project.edit` does.
    """
    lines = tuple(
        replace(line, lock=uv_project.prepared(line.lock, options)) for line in lined.lines
    )
    lined = replace(lined, lines=lines)
    return uv_project.edited_body(existing, lambda body: LinedEdit(body, lined, options).text())


def _whole(lined: LinedLock) -> Lock:
    """Return one lock with the pins of all lines, their markers told for all targets."""
    targets = lined.targets
    locks = [line.lock for line in lined.lines]
    indexes = {index.id: index for lock in locks for index in lock.indexes}
    return replace(
        locks[0],
        target=targets[0],
        others=targets[1:],
        pins=tuple(pin for lock in locks for pin in restated(lock, targets)),
        indexes=tuple(indexes[id] for id in sorted(indexes)),
        needs=tuple(of_lines((line.name, line.lock.needs) for line in lined.lines)),
        warnings=tuple(dict.fromkeys(warning for lock in locks for warning in lock.warnings)),
        replaced=tuple(dict.fromkeys(sentence for lock in locks for sentence in lock.replaced)),
        replacements=tuple(dict.fromkeys(row for lock in locks for row in lock.replacements)),
        command=lined.command,
    )


class LinedEdit(ProjectEdit):
    """The edits of one file that has several lines."""

    def __init__(self, text: str, lined: LinedLock, options: WriteOptions) -> None:
        super().__init__(text, _whole(lined), options)
        self.kind = _KINDS[options.lines_as]
        adopted = self._adopted(lined.lines)
        self.lines = [replace(line, name=adopted.get(line.name, line.name)) for line in lined.lines]
        self.of_line = {
            line.name: self._by_name(restated(line.lock, self.lock.targets)) for line in self.lines
        }
        self.exclusive = self._exclusive()
        """the extras and groups that a constraint would hold, though they never meet a line"""
        self.direct = {line.name: uv_plan.direct_names(line.lock) for line in self.lines}

    def text(self) -> str:
        self._check_project()
        self._check_tool()
        self._check_elsewhere()
        self._set_requires_python()
        self._set_project()
        shared = self._shared()
        based = self._based()
        kept = self._set_lines(shared, based)
        self._set_environments()
        constraints = {
            name: texts
            for name, texts in shared.items()
            if not self.exclusive and (name in kept or name in based or not self._is_listed(name))
        }
        self._set_list(UV, "constraint-dependencies", constraints)
        self._set_list(UV, "override-dependencies", dict(self._overrides()))
        indexes = self._set_indexes(frozenset().union(*self.direct.values()))
        self._write_sources(self._needed_sources(indexes))
        self._set_conflicts()
        if self.kind == "group":
            self._set_default_groups()
        self._set_metadata()
        return self._written()

    @staticmethod
    def _by_name(pins: Iterator[Pin]) -> dict[str, list[Pin]]:
        by_name: dict[str, list[Pin]] = {}
        for pin in pins:
            by_name.setdefault(pin.name, []).append(pin)
        return by_name

    def _check_tool(self) -> None:
        """Raise BadFile for a project whose packages another tool resolves."""
        tools = self._table("tool")
        for name, keys in _OTHER_TOOLS.items():
            own = tools.get(name)
            if "uv" not in tools and isinstance(own, dict) and keys & own.keys():
                raise self._bad(
                    f"tool.{name}",
                    "lines are written for uv, and this project is resolved by another tool",
                    _OTHER_HINTS.get(name, _FILES_HINT),
                )

    # Names.

    def _adopted(self, lines: Sequence[Line]) -> dict[str, str]:
        """Return by line the extra or group that takes its packages from the line's index already.

        Where the file has such groups and no extras, the lines are groups.
        """
        urls = {index.id: str(index.url).rstrip("/") for index in self.lock.indexes if index.url}
        index_urls = {
            str(table.get("name")): str(table.get("url", "")).rstrip("/")
            for table in self._table(*UV).get("index", [])
            if isinstance(table, dict)
        }
        found: dict[str, dict[str, str]] = {"extra": {}, "group": {}}
        there = {canonicalize_name(key) for t in _TABLES.values() for key in self._table(*t)}
        lines = [line for line in lines if canonicalize_name(line.name) not in there]
        for tables in self._table(*SOURCES).values():
            for table in tables if isinstance(tables, list) else [tables]:
                for kind, names in found.items():
                    if isinstance(table, dict) and isinstance(table.get(kind), str):
                        url = index_urls.get(str(table.get("index")))
                        name = canonicalize_name(table[kind])
                        for line in lines:
                            is_its = line.index is not None and url == urls.get(line.index)
                            if is_its and name not in names.values():
                                names.setdefault(line.name, name)
        if found["group"] and not found["extra"]:
            self.kind = "group"
        return found[self.kind]

    # What is in the file.

    @contextmanager
    def _within(self, pins: Mapping[str, Sequence[Pin]]) -> Iterator[None]:
        """Judge requirements by these pins."""
        before = self.pins
        self.pins = {name: list(of_project) for name, of_project in pins.items()}
        try:
            yield
        finally:
            self.pins = before

    def _check_elsewhere(self) -> None:
        """Raise BadFile if an extra or group excludes a pin of a line that it goes with."""
        for kind, table in _TABLES.items():
            for name, requirements in self._table(*table).items():
                if (kind, canonicalize_name(name)) in self.exclusive:
                    continue
                own = self.of_line.get(canonicalize_name(name)) if kind == self.kind else None
                with self._within(own if own is not None else self.pins):
                    for text in requirements if isinstance(requirements, list) else ():
                        if isinstance(text, str):
                            self._check(".".join((*table, name)), text)

    def _exclusive(self) -> set[tuple[str, str]]:
        """Return the extras and groups that are no lines and conflict with every line."""
        lines = {(self.kind, line.name) for line in self.lines}
        return {
            (kind, name)
            for members in self._conflicts()
            if lines <= members
            for kind, name in members - lines
            if not self.old.wrote(f"line.{name}", True)
        }

    def _conflicts(self) -> list[set[tuple[str, str]]]:
        return [
            {
                (kind, canonicalize_name(member[kind]))
                for member in members
                if isinstance(member, dict)
                for kind in _TABLES
                if isinstance(member.get(kind), str)
            }
            for members in self._table(*UV).get("conflicts", [])
            if isinstance(members, list)
        ]

    def _based(self) -> set[str]:
        """Return the locked projects that the file requires outside its lines."""
        texts = list(self._strings("project", "dependencies"))
        names = {line.name for line in self.lines}
        for kind, table in _TABLES.items():
            for key, requirements in self._table(*table).items():
                if kind != self.kind or canonicalize_name(key) not in names:
                    texts += [text for text in requirements if isinstance(text, str)]
        parsed = (uv_project.requirement_of(text) for text in texts)
        found = {str(canonicalize_name(each.name)) for each in parsed if each is not None}
        return found & self.pins.keys()

    # Lists.

    def _set_project(self) -> None:
        if "project" not in self.original:
            self._put(("project",), "name", "cudalock-project", '"cudalock-project"')
            self._put(("project",), "version", "0", '"0"')
        # Raises for one that excludes a pin of a line.
        for text in self._strings("project", "dependencies"):
            self._check("project.dependencies", text)

    def _shared(self) -> dict[str, list[str]]:
        """Return by project the constraints that every line agrees on, as public versions where it
        is one line's build. Projects that lines pin to different versions have none."""
        shared = {}
        for name, pins in self.pins.items():
            versions: dict[Target, set[str]] = {}
            for pin in pins:
                for target in targets_of(pin, self.lock):
                    versions.setdefault(target, set()).add(pin.version.partition("+")[0])
            if any(len(each) > 1 for each in versions.values()):
                continue
            targets_by_version: dict[str, list[Target]] = {}
            for target, (version,) in versions.items():
                targets_by_version.setdefault(version, []).append(target)
            shared[name] = [
                f"{name}=={version}" + (f"; {marker}" if marker else "")
                for version, targets in targets_by_version.items()
                for marker in [marker_for(targets, self.lock.targets)]
            ]
        return shared

    def _is_listed(self, name: str) -> bool:
        """Return whether the lines themselves, or metadata, hold every pin of a project."""
        return all(
            name in self.direct[line] or uv_plan.is_held(pins[name])
            for line, pins in self.of_line.items()
            if name in pins
        )

    def _set_lines(self, shared: Mapping[str, Sequence[str]], based: set[str]) -> set[str]:
        """Write the pins of each line into its list, and return the projects of which the user's
        own requirement stays in their place."""
        table = _TABLES[self.kind]
        kept: set[str] = set()
        names = {line.name for line in self.lines}
        keys = {canonicalize_name(key): key for key in self._table(*table)}
        self._remove_others(table, names)
        for line in self.lines:
            key = keys.get(canonicalize_name(line.name), line.name)
            pins = self.of_line[line.name]
            extras = uv_plan.goal_extras(line.lock)
            with self._within(pins):
                users = self._users(".".join((*table, key)), self._list_of(table, key))
                needed = {}
                for name in sorted(pins):
                    is_direct = name in self.direct[line.name]
                    if not (is_direct or not (name in shared or uv_plan.is_held(pins[name]))):
                        continue
                    if name in based and name in shared and self._is_plain(name):
                        continue
                    wanted = extras.get(name, set())
                    if (
                        name in users
                        and name in shared
                        and not self.exclusive
                        and self._is_covered(users[name], pins[name], wanted)
                    ):
                        kept.add(name)
                    else:
                        needed[name] = uv_plan.stated(name, pins[name], self.lock, wanted)
                is_new = key not in self._table(*table)
                self._set_list(table, key, needed)
                if not needed and is_new:
                    self._put(table, key, [], "[]")
            if is_new or self.old.wrote(f"line.{line.name}", True):
                self.new.note(f"line.{line.name}", True)
        return kept

    def _is_plain(self, name: str) -> bool:
        """Return whether every line takes a project from the package index, and uv sees that."""
        return not self.exclusive and all(
            pin.wheel.index == PACKAGE_INDEX and not pin.overlooked
            for pins in self.of_line.values()
            for pin in pins.get(name, ())
        )

    def _list_of(self, table: tuple[str, ...], key: str) -> list[str]:
        """Return the requirements of a list, without the groups that it includes."""
        present = self._table(*table).get(key, [])
        if not isinstance(present, list):
            raise self._bad(".".join((*table, key)), "it is not a list")
        return [text for text in present if isinstance(text, str)]

    def _remove_others(self, table: tuple[str, ...], names: set[str]) -> None:
        """Remove the lines of an earlier run that have nothing but what it wrote."""
        for key, requirements in list(self._table(*table).items()):
            name = canonicalize_name(key)
            if name in names or not self.old.wrote(f"line.{name}", True):
                continue
            dotted = ".".join((*table, key))
            own = all(
                isinstance(text, str) and self.old.wrote_entry(dotted, text)
                for text in requirements
            )
            if own:
                self._remove(table, key)

    def _overrides(self) -> Iterator[tuple[str, list[str]]]:
        """Yield overrides by project. They hold in all lines, so a project that only some lines
        have cannot be dropped in the others."""
        for name in sorted(
            {
                canonicalize_name(parse_requirement(row.requirement).name)
                for row in self.lock.replacements
            }
        ):
            having = [line for line, pins in self.of_line.items() if name in pins]
            if not having:
                yield name, [f"{name}; {uv_plan.NOWHERE}"]
            elif len(having) < len(self.of_line):
                raise OutputError(
                    f"only {', '.join(having)} may have {name}, and an override of uv is for all"
                    " lines",
                    hints=["-o requirements.txt: a file for each line"],
                )
            else:
                # The lines hold the versions.
                yield name, [name]

    # Sources, and what else uv has to know.

    def _needed_sources(self, indexes: Mapping[str, str]) -> dict[str, list[dict[str, str]]]:
        needed: dict[str, list[dict[str, str]]] = {}
        for name in sorted(frozenset().union(*self.direct.values())):
            tables = []
            for line in self.lines:
                if name not in self.direct[line.name]:
                    continue
                pins = self.of_line[line.name][name]
                for table in uv_plan.sources(pins, indexes, self.lock, self.options):
                    marker = table.pop("marker", None)
                    table[self.kind] = line.name
                    tables.append({**table, **({"marker": marker} if marker else {})})
            present = self._present_sources(name)
            needed[name] = present if self._means_same(name, present, tables) else tables
        return needed

    def _present_sources(self, name: str) -> list[dict[str, Any]]:
        for key, tables in self._table(*SOURCES).items():
            if canonicalize_name(key) == name:
                listed = tables if isinstance(tables, list) else [tables]
                return [table for table in listed if isinstance(table, dict)]
        return []

    def _may_differ(
        self, name: str, present: object, needed: Mapping[str, Sequence[Mapping[str, str]]]
    ) -> bool:
        """What no line lists is the user's to send to an index. A user's source for lines gets what
        it lacks, a marker or a line, if it sends its lines to the same indexes."""
        listed = present if isinstance(present, list) else [present]
        tables = [table for table in listed if isinstance(table, dict) and "index" in table]
        if len(tables) < len(listed):
            return False
        if not needed.get(name):
            return True
        sent = {(table["index"], table[self.kind]) for table in needed[name] if "index" in table}
        return all(
            (table["index"], canonicalize_name(str(table.get(self.kind)))) in sent
            for table in tables
        )

    def _means_same(
        self, name: str, present: Sequence[Mapping[str, Any]], needed: Sequence[Mapping[str, Any]]
    ) -> bool:
        """Return whether the file's sources send the project where it has to come from, on each
        target of each line that has it."""
        groups = {canonicalize_name(key) for key in self._table_after(*_TABLES[self.kind])}
        named = {canonicalize_name(str(table.get(self.kind, ""))) for table in present}
        return (
            bool(present)
            and named - {""} <= groups
            and all(
                self._sent(present, line, target) == self._sent(needed, line, target)
                for line in self.of_line
                for pin in self.of_line[line].get(name, ())
                for target in targets_of(pin, self.lock)
            )
        )

    def _table_after(self, *path: str) -> dict[str, Any]:
        table: dict[str, Any] = self.result
        for key in path:
            table = table.get(key, {})
        return table

    def _sent(
        self, tables: Sequence[Mapping[str, Any]], line: str, target: Target
    ) -> tuple[str, str] | None:
        environment = {**target.marker_environment(), "extra": ""}
        for table in tables:
            of = table.get(self.kind)
            if of is not None and canonicalize_name(of) != line:
                continue
            marker = table.get("marker")
            if marker is None or holds(marker, environment):
                for kind in ("index", "url", "path"):
                    if kind in table:
                        return kind, str(table[kind])
        return None

    def _set_conflicts(self) -> None:
        lines = {(self.kind, line.name) for line in self.lines}
        key, present = "conflicts", self._table(*UV).get("conflicts")
        ours = present is not None and self.old.wrote(key, present)
        if any(
            lines == members or (lines <= members and not ours) for members in self._conflicts()
        ):
            if ours:
                self.new.note(key, present)
            return
        needed = [[{self.kind: line.name} for line in self.lines]]
        others = [] if present is None or ours else [*present]
        # A set of lines that has grown takes the place of the one that it grew from.
        others = [
            members
            for members, parsed in zip(others, self._conflicts(), strict=False)
            if not parsed <= lines
        ]
        content = [*others, *needed]
        self._put(UV, key, content, _conflicts_text(content))
        if present is None or ours:
            self.new.note(key, content)

    def _set_default_groups(self) -> None:
        key, names = "default-groups", [line.name for line in self.lines]
        present = self._table(*UV).get(key)
        groups = {canonicalize_name(name) for name in self._table("dependency-groups")}
        if isinstance(present, list) and not self.old.wrote(key, present):
            if any(canonicalize_name(str(name)) in names for name in present):
                return
            others = [str(name) for name in present]
        elif present == "all":
            raise self._bad(
                f"tool.uv.{key}", "the lines are groups that conflict, and cannot all be default"
            )
        else:
            others = [name for name in _DEFAULT_GROUPS if name in groups]
        content = [*others, names[0]]
        self._put(UV, key, content, f"[{', '.join(map(quoted, content))}]")
        self.new.note(key, content)


def _conflicts_text(content: Sequence[Sequence[Mapping[str, str]]]) -> str:
    rows = []
    for members in content:
        tables = [
            "{ " + ", ".join(f"{key} = {quoted(text)}" for key, text in member.items()) + " }"
            for member in members
        ]
        rows.append(f"[{', '.join(tables)}]")
    if len(rows) == 1 and len(rows[0]) < 80:
        return f"[{rows[0]}]"
    return "\n".join(["[", *(f"    {row}," for row in rows), "]"])


def install_commands(lined: LinedLock, options: WriteOptions) -> tuple[InstallCommand, ...]:
    """Return the commands that install each line's environment."""
    place = elsewhere(options)
    first, *others = (line.name for line in lined.lines)
    if options.lines_as == "extras":
        return tuple(
            InstallCommand("uv", f"uv sync --extra {name}{place}") for name in (first, *others)
        )
    rest = (InstallCommand("uv", f"uv sync --no-group {first} --group {n}{place}") for n in others)
    return (InstallCommand("uv", f"uv sync{place}"), *rest)


LINES: Final = LinedFormat(write, install_commands, by_index=True)
