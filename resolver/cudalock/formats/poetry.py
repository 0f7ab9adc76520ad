"""Several lines of one project as a Poetry project: an extra for each.

What Poetry 2 does with such a file was tried, and shapes it:

- All extras are locked together. Two lines can differ in a project only if the markers of its
  entries exclude one another: `extra == 'cpu' and extra != 'cu126'`. So each project that lines
  have in different versions, or from an index, has an entry for each line that has it.
- An entry of `[tool.poetry.dependencies]` adds to the requirement of `[project]` where both hold;
  where a project has entries and none holds, nothing is installed. So a platform that takes the
  package index's build has an entry too.
- With two lines at once no entry holds: Poetry installs neither and says nothing.
- There are no constraints: what metadata does not hold to the lock's version is listed in the line.
- Nothing overrides what metadata requires, so a lock that replaces a requirement is refused.

Records, names and lists are those of the uv project, as far as they are the same file's.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from packaging.utils import canonicalize_name

from cudalock.errors import Contradiction, OutputError
from cudalock.formats import DEFAULTS, Format, InstallCommand, LinedFormat, WriteOptions
from cudalock.formats.uv import lined as uv_lined
from cudalock.formats.uv import plan as uv_plan
from cudalock.formats.uv import project as uv_project
from cudalock.formats.uv.record import SIGN
from cudalock.formats.uv.toml_lists import quoted
from cudalock.lock.markers import disjoint_markers
from cudalock.lock.wheels import targets_of
from cudalock.projects.syntax.markers import both
from cudalock.text import shell_file
from cudalock.urls import encoded, local_path, without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cudalock.lock import Lock, Pin
    from cudalock.lock.lines import Line, LinedLock
    from cudalock.targets import Target

POETRY: Final = ("tool", "poetry")
DEPENDENCIES: Final = (*POETRY, "dependencies")
_SOURCE_HEADER: Final = "[[tool.poetry.source]]"
EMPTY: Final = f"""\
{SIGN}
[project]
name = "cudalock-project"
version = "0"

[tool.poetry]
package-mode = false
requires-poetry = ">=2.0"
"""


def write(lined: LinedLock, options: WriteOptions) -> str:
    """Return the text of a pyproject.toml with the lines: the existing file, edited, or a new one.

    Raises as `edit` does.
    """
    existing = None
    if options.folder is not None and options.filename is not None:
        existing = uv_project.read_existing(options.folder / options.filename)
    return edit(EMPTY if existing is None else existing, lined, options)


def edit(existing: str, lined: LinedLock, options: WriteOptions = DEFAULTS) -> str:
    """Return the text of a pyproject.toml with the lines in it; unchanged if it has them already.

    Raises as `cudalock.formats.uv.project.edit` does, and OutputError for what Poetry cannot
    express.
    """
    lines = tuple(
        replace(line, lock=uv_project.prepared(line.lock, options)) for line in lined.lines
    )
    replaced = next((row for line in lines for row in line.lock.replacements), None)
    if replaced is not None:
        raise OutputError(
            f"Poetry cannot replace what {replaced.of} requires, {replaced.requirement}",
            hints=["a lock of each line: `-o requirements.txt --as files`, or pylock.toml"],
        )
    lined = replace(lined, lines=lines)
    return uv_project.edited_body(existing, lambda body: _PoetryEdit(body, lined, options).text())


class _PoetryEdit(uv_lined.LinedEdit):
    """The edits of one file of Poetry that has several lines."""

    def text(self) -> str:
        self._check_project()
        self._check_tool()
        self._check_elsewhere()
        self._check_main()
        self._set_requires_python()
        self._set_project()
        self._set_lines({}, set())
        self._set_entries(self._set_poetry_sources())
        return self._written()

    def _check_project(self) -> None:
        advice = (
            "move name, version, dependencies and extras to [project] (`poetry check` says what)"
        )
        if "project" not in self.original and "poetry" in self._table("tool"):
            raise self._bad(
                "tool.poetry", "lines need the [project] table that Poetry 2 reads", advice
            )
        if "extras" in self._table(*POETRY):
            raise self._bad(
                "tool.poetry.extras",
                "the lines are extras of [project], beside which it is ignored",
                advice,
            )
        # Once [project] requires anything, Poetry's own table only adds to it.
        if "dependencies" not in self._table("project"):
            for key, constraint in self._table(*DEPENDENCIES).items():
                tables = constraint if isinstance(constraint, list) else [constraint]
                is_whole = any(not isinstance(t, dict) or "version" in t for t in tables)
                if canonicalize_name(key) != "python" and is_whole:
                    raise self._bad(
                        f"tool.poetry.dependencies.{key}",
                        "beside extras of [project] it is ignored",
                        advice,
                    )
        super()._check_project()

    def _check_tool(self) -> None:
        """Raise BadFile for a project of uv."""
        if "uv" in self._table("tool"):
            raise self._bad("tool.uv", "this project is resolved by uv", "--format uv")

    def _check_main(self) -> None:
        """Raise BadFile for a requirement that is for everyone, of a project that lines send to an
        index: its entries would leave it out without an extra."""
        for text in self._strings("project", "dependencies"):
            requirement = uv_project.requirement_of(text)
            name = str(canonicalize_name(requirement.name)) if requirement else ""
            if name in self._parted:
                raise self._bad(
                    "project.dependencies",
                    f"Poetry would install `{text}` with one of the lines only",
                    f"move `{text}` into the extra of each line",
                )

    def _adopted(self, lines: Sequence[Line]) -> dict[str, str]:
        """Return by line the extra that takes its packages from the line's index already."""
        from cudalock.projects.read import read_file

        file = read_file("pyproject.toml", self.document.as_string().encode(), is_content=True)
        # The reader knows which extra an entry is for, by markers of any form.
        urls = {index.id: str(index.url).rstrip("/") for index in self.lock.indexes if index.url}
        names: dict[str, str] = {}
        there = {canonicalize_name(key) for key in self._table("project", "optional-dependencies")}
        for source in file.sources:
            index = file.index_named(source.index) if source.index else None
            for line in lines:
                is_its = index is not None and index.url.rstrip("/") == urls.get(line.index or "")
                is_open = canonicalize_name(line.name) not in there
                if is_its and is_open and source.extra and source.extra not in names.values():
                    names.setdefault(line.name, source.extra)
        return names

    # Entries and sources.

    @cached_property
    def _parted(self) -> dict[str, dict[str, list[tuple[str | None, str, list[Target]]]]]:
        """Return by project, and by line, where it comes from on which targets, for the projects of
        which lines have different versions, or one that an index has."""
        parted = {}
        # Also of what is the same in both: an entry is for a project as a whole, and what has one
        # needs one wherever it counts.
        for name in self.pins:
            of_lines = {
                line: self._placed(pins[name])
                for line, pins in self.of_line.items()
                if name in pins
            }
            listed = {line for line in of_lines if self._is_in(name, line)}
            versions = {
                tuple(uv_plan.stated(name, self.of_line[line][name], self.lock)) for line in listed
            }
            placed = any(kind for rows in of_lines.values() for kind, _, _ in rows)
            if listed and (placed or len(versions) > 1):
                parted[name] = {line: of_lines[line] for line in of_lines if line in listed}
        return parted

    def _is_in(self, name: str, line: str) -> bool:
        pins = self.of_line[line].get(name, ())
        return name in self.direct[line] or (bool(pins) and not uv_plan.is_held(pins))

    def _placed(self, pins: Sequence[Pin]) -> list[tuple[str | None, str, list[Target]]]:
        """Return the kinds of places that pins come from, a key of Poetry's each, with the targets;
        no kind for the package index."""
        ids = {index.id for index in self.lock.indexes if index.url}
        groups: dict[tuple[str | None, str], list[Target]] = {}
        for pin in pins:
            place: tuple[str | None, str] = (None, "")
            if path := local_path(pin.wheel.url):
                place = "path", path
            elif uv_plan.by_address(pin, self.options):
                place = "url", without_credentials(encoded(pin.wheel.url or ""))
            elif pin.wheel.index in ids:
                place = "source", pin.wheel.index or ""
            groups.setdefault(place, []).extend(targets_of(pin, self.lock))
        return [(kind, where, targets) for (kind, where), targets in groups.items()]

    def _set_poetry_sources(self) -> dict[str, str]:
        """Write the indexes of the lines, and return their names in the file, by id."""
        present = self._table(*POETRY).get("source", [])
        if not isinstance(present, list):
            raise self._bad("tool.poetry.source", "it is not a list of tables")
        used = {
            where
            for lines in self._parted.values()
            for rows in lines.values()
            for kind, where, _ in rows
            if kind == "source"
        }
        names = {}
        for index in self.lock.indexes:
            if index.id in used and index.url:
                name, url = index.uv_name or index.id, without_credentials(index.url)
                names[index.id] = self._set_source(present, name, url, "explicit")
        for table in uv_plan.given_indexes(self.options):
            priority = "primary" if table.get("default") else "supplemental"
            self._set_source(present, str(table["name"]), str(table["url"]), priority)
        return names

    def _set_source(self, present: Sequence[Any], name: str, url: str, priority: str) -> str:
        for position, table in enumerate(present):
            key = f"tool.poetry.source[{position}]"
            if not isinstance(table, dict):
                raise self._bad(key, "it is not a table")
            if str(table.get("url", "")).rstrip("/") == url.rstrip("/"):
                if table.get("priority", "primary") != priority or not table.get("name"):
                    raise self._bad(
                        key, f'the lines need this source with `priority = "{priority}"`'
                    )
                return str(table["name"])
            if table.get("name") == name:
                raise self._bad(key, f"the lines need {url} here")
        needed = {"name": name, "url": url, "priority": priority}
        self.appended.append((_SOURCE_HEADER, [f"{k} = {quoted(v)}" for k, v in needed.items()]))
        poetry = self.result.setdefault("tool", {}).setdefault("poetry", {})
        poetry.setdefault("source", []).append(needed)
        return name

    def _set_entries(self, names: Mapping[str, str]) -> None:
        needed = {
            name: list(self._entries(lines, names)) for name, lines in sorted(self._parted.items())
        }
        present = self._table(*DEPENDENCIES)
        keys = {str(canonicalize_name(key)): key for key in present}
        for name, key in keys.items():
            ours = self.old.wrote(f"poetry.{name}", present[key])
            if ours and name not in needed:
                self._remove(DEPENDENCIES, key)
            elif (
                name in needed
                and not ours
                and not self._may_be_replaced(present[key], needed[name])
            ):
                raise self._bad(
                    f"tool.poetry.dependencies.{key}",
                    f"its entry for {name} is not the lines'",
                    f"remove {key} from [tool.poetry.dependencies]",
                )
        for name, tables in needed.items():
            key = keys.get(name, name)
            is_there = present.get(key) == tables
            if not is_there:
                self._put(DEPENDENCIES, key, tables, _entries_text(tables))
            if not is_there or self.old.wrote(f"poetry.{name}", tables):
                self.new.note(f"poetry.{name}", tables)

    def _entries(
        self,
        lines: Mapping[str, Sequence[tuple[str | None, str, Sequence[Target]]]],
        names: Mapping[str, str],
    ) -> Iterator[dict[str, str]]:
        """Yield the entries of a project; no two hold at once."""
        all_lines = [line.name for line in self.lines]
        for line, rows in lines.items():
            chosen = " and ".join(
                [f"extra == '{line}'", *(f"extra != '{o}'" for o in all_lines if o != line)]
            )
            # Within a line too, where an index has no build for one of its platforms.
            groups = [list(targets) for _, _, targets in rows]
            markers = disjoint_markers(groups, self.lock.targets)
            for (kind, where, _), marker in zip(rows, markers, strict=True):
                table = {"markers": both(chosen, marker or None) or ""}
                if kind is not None:
                    table = {kind: names.get(where, where), **table}
                yield table

    def _may_be_replaced(self, present: object, needed: Sequence[Mapping[str, str]] | None) -> bool:
        """Return whether a user's entries are for lines, and send them to the same sources; what no
        line has an entry for is the user's."""
        if needed is None:
            return True
        tables = present if isinstance(present, list) else [present]
        sources = {table.get("source") for table in needed}
        return all(
            isinstance(table, dict)
            and table.keys() <= {"source", "markers"}
            and "extra" in str(table.get("markers", ""))
            and table.get("source") in {*sources, None}
            for table in tables
        )


def _entries_text(tables: Sequence[Mapping[str, str]]) -> str:
    lines = [
        "{ " + ", ".join(f"{key} = {quoted(text)}" for key, text in table.items()) + " }"
        for table in tables
    ]
    return "\n".join(["[", *(f"    {line}," for line in lines), "]"])


def install_commands(lined: LinedLock, options: WriteOptions) -> tuple[InstallCommand, ...]:
    """Return the commands that install each line's environment, once `poetry lock` has run."""
    place = _elsewhere(options)
    return tuple(
        InstallCommand("poetry", f"poetry install{place} --extras {line.name}")
        for line in lined.lines
    )


def _elsewhere(options: WriteOptions) -> str:
    folder = PurePath(options.filename or uv_project.FILE).parent.as_posix()
    return "" if folder == "." else f" --directory {shell_file(folder)}"


def remarks(_options: WriteOptions) -> Iterator[str]:
    """Yield a note on the lock that Poetry makes."""
    yield "`poetry lock` locks all lines; of two extras at once Poetry installs neither line"


def render(_lock: Lock, _options: WriteOptions) -> str:
    """Raise Contradiction: one lock of Poetry is made by Poetry."""
    raise Contradiction(
        "the format poetry is for several lines: `--cuda cpu --cuda 12.6`",
        hints=["-o requirements.txt", "-o pylock.toml"],
    )


FORMAT: Final = Format(
    render, uv_project.FILE, edits_file=True, remarks=remarks, beside=None, lines="poetry"
)
LINES: Final = LinedFormat(write, install_commands, by_index=True, parts=("extras",))
