"""A lock as a uv project: the pyproject.toml from which uv makes the same lock.

What uv does with such a file was tried, and shapes it:

- An index marked `explicit` serves only the projects that `[tool.uv.sources]` sends there, and
  sources count for direct dependencies alone. So whatever comes from such an index, or from a
  builder, is a dependency of the project, asked for or not.
- What the markers of a source leave out comes from the default index without a word. So a source's
  markers are those of the pins, and `environments` keeps uv to the lock's own targets: their
  platforms and Pythons, since pins for 3.11 under a wider `requires-python` have no solution.
- The other pins are `constraint-dependencies`: they hold what is required and require nothing. What
  the metadata of another pin holds to its version, as torch does NVIDIA's libraries, needs none.
- uv builds a source distribution to learn what it requires, unless `dependency-metadata` states it.
- A requirement that a fact replaced is overridden by the lock's own pin of that name, or by one
  that holds nowhere.

**In a file that exists** only these keys are touched, and what stands around them stays, byte for
byte. A comment block, each line beginning `# cudalock:`, has a digest of each requirement and key
that was written, so that the next run knows its own words from its user's. For these:

- a dependency on a pinned project stays as it is, if its range admits the pin, and the pin is a
  constraint;
- `constraint-dependencies` and `override-dependencies` stay beside what is added;
- anything that says something else is an error naming file and key: a dependency, constraint,
  extra, or group whose range excludes the pin on one of the targets, or which is an address; a
  source of a locked project; `environments`; a `requires-python` without one of the targets;
  an index under the needed name, or at the needed address without `explicit`.

An entry for a platform or Python that is none of the targets' says nothing about them and stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final

import tomlkit
from packaging.markers import Marker
from packaging.requirements import InvalidRequirement
from packaging.specifiers import InvalidSpecifier
from packaging.utils import canonicalize_name
from tomlkit.exceptions import TOMLKitError

from cudalock import toml
from cudalock.errors import BadFile, Contradiction
from cudalock.files import read_small
from cudalock.formats import Format, InstallCommand, WriteOptions
from cudalock.formats.python_ranges import requires_python
from cudalock.formats.uv import plan as uv_plan
from cudalock.formats.uv.record import BLOCK, SIGN, Record
from cudalock.formats.uv.toml_lists import edited, list_text, quoted
from cudalock.lock import Lock, Pin, require_hashes
from cudalock.lock.wheels import with_urls
from cudalock.text import shell_file, shell_word
from cudalock.urls import without_credentials
from cudalock.versions import (
    ParsedMarker,
    ParsedRequirement,
    parse_marker,
    parse_requirement,
    specifier_set,
)

if TYPE_CHECKING:
    from cudalock.targets import Target

FILE: Final = "pyproject.toml"
SETTINGS: Final = "uv.toml"
_INDEX_HEADER: Final = "[[tool.uv.index]]"
_INDEX: Final = re.compile(r"^\[\[tool\.uv\.index\]\][^\n]*(?:\n[ \t]*[\w-]+[ \t]*=[^\n]*)*", re.M)
"""An index with its keys, each on a line of its own."""
EMPTY: Final = f"""\
{SIGN}
[project]
name = "cudalock-project"
version = "0"

[tool.uv]
package = false
"""

UV: Final = ("tool", "uv")
SOURCES: Final = (*UV, "sources")


def write(lock: Lock, options: WriteOptions) -> str:
    """Return the text of a pyproject.toml with the lock: the existing file, edited, or a new one.

    Raises as `edit` and `read_existing` do.
    """
    existing = None
    if options.folder is not None and options.filename is not None:
        existing = read_existing(options.folder / options.filename)
    return render(lock, options) if existing is None else edit(existing, lock, options)


def render(lock: Lock, options: WriteOptions) -> str:
    """Return a new pyproject.toml of a project that has only this lock."""
    return edit(EMPTY, lock, options)


def edit(existing: str, lock: Lock, options: WriteOptions) -> str:
    """Return the text of a pyproject.toml with the lock in it; unchanged if it has it already.

    Raises BadFile, naming file and key, for a file that is not TOML or contradicts the lock, and
    HashesMissing if hashes are required and one is not published.
    """
    lock = prepared(lock, options)
    return edited_body(existing, lambda body: ProjectEdit(body, lock, options).text())


def prepared(lock: Lock, options: WriteOptions) -> Lock:
    """Return the lock as a project has it. Raises Contradiction and HashesMissing for options."""
    if options.wheels is not None:
        raise Contradiction(
            "`--wheels` needs the format requirements or pylock: a uv project has no paths"
        )
    if options.hashes == "require":
        require_hashes(lock)
    return with_urls(lock) if options.urls else lock


def edited_body(existing: str, change: Callable[[str], str]) -> str:
    """Return a file's text with its body changed, and its mark and line ends as they were."""
    # uv accepts a byte order mark and CRLF; tomlkit writes neither in new text.
    bom, body = ("\ufeff", existing[1:]) if existing.startswith("\ufeff") else ("", existing)
    windows = "\r\n" in body and not re.search(r"(?<!\r)\n", body)
    text = change(body.replace("\r\n", "\n") if windows else body)
    return bom + (text.replace("\n", "\r\n") if windows else text)


def settings_beside(options: WriteOptions) -> Path | None:
    """Return uv's own settings file in the same folder, if there is one.

    With it, uv reads no indexes from [tool.uv] except those that sources name.
    """
    path = options.folder / SETTINGS if options.folder is not None else None
    return path if path is not None and path.is_file() else None


def remarks(options: WriteOptions) -> Iterator[str]:
    """Yield a note if uv's own settings file is beside the project file."""
    settings = settings_beside(options)
    if settings is not None:
        yield (
            f"`{settings}` makes uv warn that it ignores constraints and indexes of {FILE}; "
            "it still uses those of this lock (tested with uv 0.13)"
        )


def read_existing(path: Path) -> str | None:
    """Return the text of a project file with its line ends, None if there is no file."""
    try:
        return read_small(path).decode("utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadFile(f"`{path}` cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise BadFile(f"`{path}` cannot be read: {error}") from None


class ProjectEdit:
    """The edits of one file.

    `original` is the document before, `result` after, and `document` the tomlkit document on the
    way. Tables that are not there are written at the end of the file, in `appended`.
    """

    def __init__(self, text: str, lock: Lock, options: WriteOptions) -> None:
        self.file = str((options.folder or Path()) / (options.filename or FILE))
        self.lock = lock
        self.options = options
        self.original = self._parse(text)
        self.result = deepcopy(self.original)
        self.document = tomlkit.parse(text)
        # tomlkit writes the tables of one list together, even if they are apart in the file.
        if tomlkit.dumps(self.document) != text:
            raise self._bad(
                "tool.uv",
                "its tables cannot be edited in place",
                "write the tables of one list, such as [[tool.uv.index]], one below the other",
            )
        self.appended: list[tuple[str, list[str]]] = []
        self.old = Record.read(text)
        self.new = Record()
        self.kept: set[str] = set()
        """the locked projects whose requirement in the file is its user's, and stays"""
        self.pins: dict[str, list[Pin]] = {}
        for pin in lock.pins:
            self.pins.setdefault(pin.name, []).append(pin)

    def text(self) -> str:
        direct = uv_plan.direct_names(self.lock)
        self._check_project()
        self._check_elsewhere()
        self._set_requires_python()
        self._set_dependencies(direct)
        self._set_environments()
        constraints = {
            name: uv_plan.stated(name, pins, self.lock)
            for name, pins in self.pins.items()
            if name in self.kept or not (name in direct or uv_plan.is_held(pins))
        }
        self._set_list(UV, "constraint-dependencies", constraints)
        self._set_list(UV, "override-dependencies", uv_plan.overrides(self.lock, self.pins))
        self._set_sources(direct, self._set_indexes(direct))
        self._set_metadata()
        return self._written()

    # Reading.

    def _parse(self, text: str) -> dict[str, Any]:
        try:
            # tomlkit accepts a few files that are not valid TOML.
            document = toml.loads(text)
            tomlkit.parse(text)
        except (toml.TOMLDecodeError, TOMLKitError) as error:
            raise BadFile(f"`{self.file}` is not valid TOML: {error}") from None
        return document

    def _table(self, *path: str) -> dict[str, Any]:
        """Return the table at a path, empty if there is none."""
        table: dict[str, Any] = self.original
        for position, key in enumerate(path):
            inner = table.get(key, {})
            if not isinstance(inner, dict):
                raise self._bad(".".join(path[: position + 1]), "it is not a table")
            table = inner
        return table

    def _strings(self, *path: str) -> list[str]:
        strings = self._table(*path[:-1]).get(path[-1], [])
        if not isinstance(strings, list) or not all(isinstance(string, str) for string in strings):
            raise self._bad(".".join(path), "it is not a list of strings")
        return strings

    def _bad(self, key: str, message: str, hint: str | None = None) -> BadFile:
        return BadFile(f"`{self.file}`: {key}: {message}", hints=[hint] if hint else ())

    # What people wrote.

    def _check_project(self) -> None:
        if "dependencies" in self._table("project").get("dynamic", ()):
            raise self._bad(
                "project.dynamic", "a build makes the dependencies; the file does not list them"
            )
        if "project" not in self.original and "poetry" in self._table("tool"):
            raise self._bad("tool.poetry", "uv reads a [project] table, and there is none")

    def _check_elsewhere(self) -> None:
        """Raise BadFile if an extra or a group, which are not edited, excludes a pin."""
        for *table, keys in (("project", "optional-dependencies"), ("dependency-groups",)):
            for key, requirements in self._table(*table, keys).items():
                for text in requirements if isinstance(requirements, list) else ():
                    if isinstance(text, str):
                        self._check(".".join((*table, keys, key)), text)

    def _check(self, key: str, text: str) -> ParsedRequirement | None:
        """Return the requirement, if it is of a locked project on some target.

        Raises BadFile if it excludes the pin there.
        """
        requirement = requirement_of(text)
        pins = self._pins_for(requirement) if requirement else []
        if requirement is None or not pins:
            return None
        if self.old.wrote_entry(key, text):
            return requirement
        for pin in pins:
            by_address = requirement.url and requirement.url != pin.wheel.url
            if by_address or not requirement.specifier.contains(pin.version, prereleases=True):
                raise self._bad(
                    key,
                    f"`{text}` excludes the lock's {pin}",
                    f"remove `{text}` from {key}, or request it: cudalock solve {shell_word(text)}",
                )
        return requirement

    def _pins_for(self, requirement: ParsedRequirement) -> list[Pin]:
        """Return the pins of its project on the targets where its marker holds."""
        return [
            pin
            for pin in self.pins.get(canonicalize_name(requirement.name), ())
            if any(
                _holds(requirement.marker, target) and _holds(_marker(pin), target)
                for target in self.lock.targets
            )
        ]

    # The [project] table.

    def _set_requires_python(self) -> None:
        key, path = "requires-python", ("project",)
        needed = requires_python(self.lock.targets)
        present = self._table("project").get(key)
        if present is None or present == needed or self.old.wrote(key, present):
            self._put(path, key, needed, quoted(needed))
            if present is None or self.old.wrote(key, present):
                self.new.note(key, needed)
            return
        try:
            range = specifier_set(present)
        except (InvalidSpecifier, TypeError):
            raise self._bad(f"project.{key}", f"invalid version range `{present}`") from None
        for target in self.lock.targets:
            if not range.contains(target.marker_environment()["python_full_version"]):
                raise self._bad(
                    f"project.{key}",
                    f"`{present}` excludes Python {target.python}, a target of the lock",
                    f'requires-python = "{needed}"',
                )

    def _set_dependencies(self, direct: frozenset[str]) -> None:
        """Write the direct pins as dependencies, but for those that the user's own require: these
        stay, and the pins are constraints."""
        users = self._users("project.dependencies", self._strings("project", "dependencies"))
        extras = uv_plan.goal_extras(self.lock)
        self.kept = {
            name
            for name in direct & users.keys()
            if self._is_covered(users[name], self.pins[name], extras.get(name, set()))
        }
        needed = {
            name: uv_plan.stated(name, self.pins[name], self.lock, extras.get(name, ()))
            for name in sorted(direct - self.kept)
        }
        if "project" not in self.original:
            self._put(("project",), "name", "cudalock-project", '"cudalock-project"')
            self._put(("project",), "version", "0", '"0"')
        self._set_list(("project",), "dependencies", needed)

    def _users(self, key: str, texts: Sequence[str]) -> dict[str, list[ParsedRequirement]]:
        """Return the user's requirements of locked projects in a list, by project. Raises BadFile
        for one that excludes a pin."""
        users: dict[str, list[ParsedRequirement]] = {}
        for text in texts:
            requirement = self._check(key, text)
            if requirement is not None and not self.old.wrote_entry(key, text):
                users.setdefault(canonicalize_name(requirement.name), []).append(requirement)
        return users

    def _is_covered(
        self, requirements: Sequence[ParsedRequirement], pins: Sequence[Pin], extras: set[str]
    ) -> bool:
        """Return whether requirements are there wherever the pins are, with these extras."""
        has_extras = all(extras <= requirement.extras for requirement in requirements)
        return has_extras and all(
            any(_holds(requirement.marker, target) for requirement in requirements)
            for target in self.lock.targets
            if any(_holds(_marker(pin), target) for pin in pins)
        )

    # The [tool.uv] table.

    def _set_environments(self) -> None:
        key, needed = "environments", uv_plan.environments(self.lock.targets)
        present = self._table(*UV).get(key)
        if present not in (None, needed) and not self.old.wrote(key, present):
            raise self._bad(
                f"tool.uv.{key}",
                "its environments are not the lock's targets",
                f"remove {key}: it will be written as {', '.join(map(quoted, needed))}",
            )
        if present is None or self.old.wrote(key, present):
            self.new.note(key, needed)
        self._put(UV, key, needed, list_text(needed))

    def _set_list(
        self, table: tuple[str, ...], key: str, needed: Mapping[str, Sequence[str]]
    ) -> None:
        """Write requirements, by project, into a list, in the place of those of an earlier run."""
        present = self._strings(*table, key)
        dotted = ".".join((*table, key))
        texts = {text for of_project in needed.values() for text in of_project}
        missing = {
            name: [text for text in of_project if text not in present]
            for name, of_project in needed.items()
        }
        for text in texts:
            # What the user wrote in the same words stays the user's.
            if text not in present or self.old.wrote_entry(dotted, text):
                self.new.note_entry(dotted, text)
        changes: list[list[str] | None] = []
        for requirement_text in present:
            changes.append(None)
            if requirement_text in texts:
                continue
            requirement = self._check(dotted, requirement_text)
            known = requirement or requirement_of(requirement_text)
            if known is not None and self.old.wrote_entry(dotted, requirement_text):
                changes[-1] = missing.pop(canonicalize_name(known.name), [])
        added = [text for of_project in missing.values() for text in of_project]
        if not added and all(change is None for change in changes):
            return
        changed = [
            [requirement_text] if c is None else c
            for requirement_text, c in zip(present, changes, strict=True)
        ]
        result = [text for of_project in (*changed, added) for text in of_project]
        written = self._list_item(table, key)
        text = list_text(result) if written is None else edited(written, changes, added)
        self._put(table, key, result, text)

    def _list_item(self, table: tuple[str, ...], key: str) -> str | None:
        """Return the text of a list in the file."""
        if key not in self._table(*table):
            return None
        node: Any = self.document
        for part in (*table, key):
            node = node[part]
        return str(node.as_string())

    def _set_indexes(self, direct: frozenset[str]) -> dict[str, str]:
        """Write the indexes of the pins, and return their names in the file, by id."""
        used = {
            pin.wheel.index
            for name in direct
            for pin in self.pins[name]
            if not uv_plan.by_address(pin, self.options)
        }
        present = self._table(*UV).get("index", [])
        if not isinstance(present, list) or not all(
            isinstance(index_table, dict) for index_table in present
        ):
            raise self._bad("tool.uv.index", "it is not a list of tables")
        names = {}
        for index in self.lock.indexes:
            if index.id in used and index.url:
                index_table = {
                    "name": index.uv_name or index.id,
                    "url": without_credentials(index.url),
                }
                # Explicit: only the projects that sources send there come from this index.
                names[index.id] = self._set_index(present, {**index_table, "explicit": True})
        user_indexes = list(uv_plan.given_indexes(self.options))
        if user_indexes and (settings := settings_beside(self.options)):
            raise BadFile(
                f"`{settings}`: uv reads its indexes from this file, and ignores those in {FILE}",
                hints=[f'write index-url = "..." in {settings}, and leave out `--index-url`'],
            )
        for index_table in user_indexes:
            self._set_index(present, index_table)
        return names

    def _set_index(self, present: list[dict[str, Any]], needed: dict[str, Any]) -> str:
        for position, index_table in enumerate(present):
            key = f"tool.uv.index[{position}]"
            same_name = index_table.get("name") == needed["name"]
            if str(index_table.get("url", "")).rstrip("/") == needed["url"].rstrip("/"):
                for flag in ("explicit", "default"):
                    if index_table.get(flag, False) != needed.get(flag, False):
                        should = str(needed.get(flag, False)).lower()
                        raise self._bad(key, f"the lock needs this index with `{flag} = {should}`")
                if index_table.get("name"):
                    return str(index_table["name"])
                raise self._bad(key, "an index that sources refer to needs a name")
            if same_name or (index_table.get("default") and needed.get("default")):
                raise self._bad(key, f"the lock needs {needed['url']} here")
        lines = [f"{k} = {'true' if v is True else quoted(v)}" for k, v in needed.items()]
        self.appended.append((_INDEX_HEADER, lines))
        uv = self.result.setdefault("tool", {}).setdefault("uv", {})
        uv.setdefault("index", []).append(needed)
        return str(needed["name"])

    def _set_sources(self, direct: frozenset[str], indexes: Mapping[str, str]) -> None:
        needed = {
            name: list(uv_plan.sources(self.pins[name], indexes, self.lock, self.options))
            for name in sorted(direct)
        }
        self._write_sources(needed)

    def _write_sources(self, needed: Mapping[str, Sequence[Mapping[str, str]]]) -> None:
        present = self._table(*SOURCES)
        keys: dict[str, str] = {canonicalize_name(key): key for key in present}
        for name, key in keys.items():
            ours = self.old.wrote(f"sources.{name}", present[key])
            if ours and not needed.get(name):
                self._remove(SOURCES, key)
            elif (
                name in self.pins
                and not ours
                and not _same(present[key], needed.get(name, []))
                and not self._may_differ(name, present[key], needed)
            ):
                raise self._bad(
                    f"tool.uv.sources.{key}",
                    f"its source for {name} is not the lock's",
                    f"remove {key} from [tool.uv.sources]",
                )
        for name, tables in needed.items():
            if not tables:
                continue
            key = keys.get(name, name)
            source: object = tables[0] if len(tables) == 1 else tables
            is_there = key in present and _same(present[key], tables)
            if not is_there and not self._set_markers(key, tables):
                self._put(SOURCES, key, source, _source_text(tables))
            if not is_there or self.old.wrote(f"sources.{name}", present[key]):
                self.new.note(f"sources.{name}", source)

    def _set_markers(self, key: str, tables: Sequence[Mapping[str, str]]) -> bool:
        """Change only the markers of a project's sources, and return whether that was enough: what
        is written between them stays."""
        node: Any = self.document.get("tool", {}).get("uv", {}).get("sources", {}).get(key)
        present = node if isinstance(node, list) else [node]
        if len(present) != len(tables) or not all(
            isinstance(table, dict) and {**table, "marker": ""} == {**needed, "marker": ""}
            for table, needed in zip(present, tables, strict=True)
        ):
            return False
        for table, needed in zip(present, tables, strict=True):
            if "marker" in needed:
                table["marker"] = needed["marker"]
            elif "marker" in table:
                del table["marker"]
        self.result["tool"]["uv"]["sources"][key] = (
            [*map(dict, tables)] if isinstance(node, list) else dict(tables[0])
        )
        return True

    def _may_differ(
        self, _name: str, _present: object, _needed: Mapping[str, Sequence[Mapping[str, str]]]
    ) -> bool:
        """Return whether a user's source of a pinned project may be another than the lock's."""
        return False

    def _set_metadata(self) -> None:
        """State what source distributions require, unless the file has such a list of its own."""
        key = "dependency-metadata"
        needed = uv_plan.static_metadata(self.lock)
        present = self._table(*UV).get(key)
        if present is not None and not self.old.wrote(key, present):
            return
        if needed:
            self._put(UV, key, needed, _metadata_text(needed))
            self.new.note(key, needed)
        elif present is not None:
            self._remove(UV, key)

    # Writing.

    def _put(self, table: tuple[str, ...], key: str, content: object, text: str) -> None:
        table_after: Any = self.result
        for part in table:
            table_after = table_after.setdefault(part, {})
        if table_after.get(key) == content:
            return
        table_after[key] = content
        try:
            there: Any = self.document
            for part in table:
                there = there[part]
        except KeyError:
            self._append(f"[{'.'.join(table)}]", f"{key} = {text}")
            return
        there[key] = tomlkit.parse(f"key = {text}\n")["key"]

    def _append(self, header: str, line: str) -> None:
        lines = next((lines for known, lines in self.appended if known == header), None)
        if lines is None:
            self.appended.append((header, [line]))
        else:
            lines.append(line)

    def _remove(self, table: tuple[str, ...], key: str) -> None:
        table_after: Any = self.result
        there: Any = self.document
        for part in table:
            table_after, there = table_after[part], there[part]
        del table_after[key], there[key]

    def _with_indexes(self, text: str) -> str:
        """Insert new indexes below the existing ones: tomlkit would move tables that are apart."""
        there = list(_INDEX.finditer(text))
        if not there:
            return text
        end = there[-1].end()
        mine = [lines for header, lines in self.appended if header == _INDEX_HEADER]
        self.appended = [block for block in self.appended if block[0] != _INDEX_HEADER]
        added = "".join("\n\n" + "\n".join([_INDEX_HEADER, *lines]) for lines in mine)
        return text[:end] + added + text[end:]

    def _written(self) -> str:
        """Return the text, after checking that it parses to the intended document."""
        text = self._with_indexes(tomlkit.dumps(self.document))
        block = self.new.block(self.lock)
        tables = ["\n".join([header, *lines]) for header, lines in self.appended]
        if BLOCK.search(text):
            text = BLOCK.sub(lambda _: block, text, count=1)
        elif tables:
            tables[0] = f"{block}\n{tables[0]}"
        else:
            tables = [block]
        if tables:
            text = "\n\n".join([text.rstrip("\n"), *tables]) + "\n"
        try:
            sound = toml.loads(text) == self.result
        except toml.TOMLDecodeError:
            sound = False
        if not sound:
            raise self._bad(
                "tool.uv",
                "its layout cannot be edited",
                "write [project], [tool.uv] and [tool.uv.sources] as separate tables",
            )
        return text


def _source_text(tables: Sequence[Mapping[str, str]]) -> str:
    lines = [
        "{ " + ", ".join(f"{key} = {quoted(text)}" for key, text in table.items()) + " }"
        for table in tables
    ]
    return lines[0] if len(lines) == 1 else "\n".join(["[", *(f"    {x}," for x in lines), "]"])


def _metadata_text(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = ["["]
    for row in rows:
        required = ", ".join(map(quoted, row["requires-dist"]))
        stated = f"name = {quoted(row['name'])}, version = {quoted(row['version'])}"
        lines.append(f"    {{ {stated}, requires-dist = [{required}] }},")
    return "\n".join([*lines, "]"])


def _same(present: object, needed: Sequence[Mapping[str, str]]) -> bool:
    return (present if isinstance(present, list) else [present]) == list(needed)


def requirement_of(text: str) -> ParsedRequirement | None:
    """Return the requirement of a text, None for a text that is none."""
    try:
        return parse_requirement(text)
    except InvalidRequirement:
        return None


def _marker(pin: Pin) -> Marker | None:
    return parse_marker(pin.marker) if pin.marker else None


def _holds(marker: Marker | ParsedMarker | None, target: Target) -> bool:
    return marker is None or marker.evaluate({**target.marker_environment(), "extra": ""})


def install_commands(_lock: Lock, options: WriteOptions) -> tuple[InstallCommand, ...]:
    """Return the command that installs the project's environment."""
    return (InstallCommand("uv", f"uv sync{elsewhere(options)}"),)


def elsewhere(options: WriteOptions) -> str:
    """Return the option with which uv finds a project in another folder, empty for this one."""
    folder = PurePath(options.filename or FILE).parent.as_posix()
    return "" if folder == "." else f" --project {shell_file(folder)}"


FORMAT: Final = Format(
    write,
    FILE,
    install_commands,
    edits_file=True,
    remarks=remarks,
    lines="uv.lined",
)
