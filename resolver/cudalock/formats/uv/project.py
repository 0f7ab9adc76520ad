"""A lock as a uv project: the pyproject.toml from which uv makes the same lock.

What uv does with such a file was tried, and shapes it:

- An index marked `explicit` serves only the projects that `[tool.uv.sources]` sends there, and
  sources count for direct dependencies alone. So whatever comes from such an index, or from a
  builder, is a dependency of the project, asked for or not.
- What the markers of a source leave out comes from the default index without a word. So a source's
  markers are those of the pins, and `environments` keeps uv to the lock's own targets: their
  platforms and Pythons, since pins for 3.11 under a wider `requires-python` have no solution.
- The other pins are `constraint-dependencies`: they hold what is required and require nothing.
- A requirement that a fact replaced is overridden by the lock's own pin of that name, or by one
  that holds nowhere.

**In a file that exists** only these keys are touched, and what stands around them stays, byte for
byte. A comment block, each line beginning `# cudalock:`, names the pins and, with a digest, the
keys that were written, so that the next run knows its own words from its user's. For these:

- a dependency on a pinned project is replaced, its extras kept, if its range admits the pin;
- `constraint-dependencies` and `override-dependencies` stay beside what is added;
- anything that says something else is an error naming file and key: a dependency, constraint,
  extra, or group whose range excludes the pin on one of the targets, or which is an address; a
  source of a locked project; `environments`; a `requires-python` without one of the targets;
  an index under the needed name, or at the needed address without `explicit`.

An entry for a platform or Python that is none of the targets' says nothing about them and stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import tomlkit
from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from tomlkit.exceptions import TOMLKitError

from cudalock import toml
from cudalock.errors import BadFile, Contradiction
from cudalock.formats import Format, InstallCommand, WriteOptions
from cudalock.formats.python_ranges import requires_python
from cudalock.formats.uv import plan as uv_plan
from cudalock.formats.uv.record import BLOCK, SIGN, Record
from cudalock.formats.uv.toml_lists import edited, list_text, quoted
from cudalock.lock import Lock, Pin, require_hashes
from cudalock.lock.wheels import with_urls
from cudalock.versions import parse_marker, parse_requirement

if TYPE_CHECKING:
    from cudalock.targets import Target

FILE: Final = "pyproject.toml"
SETTINGS: Final = "uv.toml"
_INDEX_HEADER: Final = "[[tool.uv.index]]"
_INDEX: Final = re.compile(r"^\[\[tool\.uv\.index\]\][^\n]*(?:\n[ \t]*[\w-]+[ \t]*=[^\n]*)*", re.M)
"""An index with its keys, each on a line of its own."""
_EMPTY: Final = f"""\
{SIGN}
[project]
name = "cudalock-project"
version = "0"

[tool.uv]
package = false
"""

_UV: Final = ("tool", "uv")
_SOURCES: Final = (*_UV, "sources")


def write(lock: Lock, options: WriteOptions) -> str:
    """The text of the pyproject.toml with the lock in it: of the file that is there, or a new one.

    Raises as `edit` and `read_existing` do.
    """
    existing = None
    if options.folder is not None and options.filename is not None:
        existing = read_existing(options.folder / options.filename)
    return render(lock, options) if existing is None else edit(existing, lock, options)


def render(lock: Lock, options: WriteOptions) -> str:
    """A new pyproject.toml, of a project that is nothing but this lock."""
    return edit(_EMPTY, lock, options)


def edit(existing: str, lock: Lock, options: WriteOptions) -> str:
    """The text of a pyproject.toml with the lock in it; the same text where that changes nothing.

    Raises BadFile, naming file and key, for a file that is not TOML or says something else, and
    HashesMissing if hashes are required that nobody has published.
    """
    if options.wheels is not None:
        raise Contradiction("`--wheels` is for requirements and pylock: a uv project has no paths")
    if options.hashes == "require":
        require_hashes(lock)
    if options.urls:
        lock = with_urls(lock)
    file = str((options.folder or Path()) / (options.filename or FILE))
    # uv takes a mark at the start and either line end; tomlkit writes neither for what is new.
    bom, body = ("\ufeff", existing[1:]) if existing.startswith("\ufeff") else ("", existing)
    windows = "\r\n" in body and not re.search(r"(?<!\r)\n", body)
    text = _Edit(body.replace("\r\n", "\n") if windows else body, file, lock, options).text()
    return bom + (text.replace("\n", "\r\n") if windows else text)


def settings_beside(options: WriteOptions) -> Path | None:
    """uv's own settings file in the same folder, if there is one. Next to it uv reads no indexes
    from [tool.uv] but those that sources name."""
    path = options.folder / SETTINGS if options.folder is not None else None
    return path if path is not None and path.is_file() else None


def remarks(options: WriteOptions) -> Iterator[str]:
    """What is to be said of uv's own settings beside the file."""
    settings = settings_beside(options)
    if settings is not None:
        yield (
            f"`{settings}` makes uv warn that it ignores constraints and indexes of {FILE}: "
            "those that hold this lock count all the same (tried with uv 0.13)"
        )


def read_existing(path: Path) -> str | None:
    """The text of a project file, its line ends as they are; None where there is none."""
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(f"`{path}` cannot be read: {error}") from None


class _Edit:
    """One file on its way from what it says to what it shall say.

    `data` is what it said, `wanted` what it shall say, and `document` the tomlkit document on the
    way. Tables that are not there are written at the end of the file, in `appended`.
    """

    def __init__(self, text: str, file: str, lock: Lock, options: WriteOptions) -> None:
        self.file = file
        self.lock = lock
        self.options = options
        self.data = self._parse(text)
        self.wanted = deepcopy(self.data)
        self.document = tomlkit.parse(text)
        if tomlkit.dumps(self.document) != text:
            raise self._bad(
                "tool.uv",
                "its tables cannot be edited where they are",
                "write the tables of one list, as [[tool.uv.index]], below one another",
            )
        self.appended: list[tuple[str, list[str]]] = []
        self.old = Record.read(text)
        self.new = Record(pins={(pin.name, pin.version) for pin in lock.pins})
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
        transitive = {
            name: uv_plan.stated(name, pins, self.lock)
            for name, pins in self.pins.items()
            if name not in direct
        }
        self._set_list(_UV, "constraint-dependencies", transitive, own=False)
        overrides = uv_plan.overrides(self.lock, self.pins)
        self._set_list(_UV, "override-dependencies", overrides, own=False)
        for name, texts in overrides.items():
            if name not in self.pins:
                self.new.note(f"override.{name}", texts[0])
        self._set_sources(direct, self._set_indexes(direct))
        return self._written()

    # Reading.

    def _parse(self, text: str) -> dict[str, Any]:
        try:
            # tomlkit reads a few files that are not TOML.
            data = toml.loads(text)
            tomlkit.parse(text)
        except (toml.TOMLDecodeError, TOMLKitError) as error:
            raise BadFile(f"`{self.file}` is not TOML: {error}") from None
        return data

    def _table(self, *path: str) -> dict[str, Any]:
        """The table at a path, empty where there is none."""
        found: Any = self.data
        for position, key in enumerate(path):
            found = found.get(key, {})
            if not isinstance(found, dict):
                raise self._bad(".".join(path[: position + 1]), "it is not a table")
        table: dict[str, Any] = found
        return table

    def _strings(self, *path: str) -> list[str]:
        found = self._table(*path[:-1]).get(path[-1], [])
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            raise self._bad(".".join(path), "it is not a list of strings")
        return found

    def _bad(self, key: str, message: str, hint: str | None = None) -> BadFile:
        return BadFile(f"`{self.file}`: {key}: {message}", hints=[hint] if hint else ())

    # What people wrote.

    def _check_project(self) -> None:
        if "dependencies" in self._table("project").get("dynamic", ()):
            raise self._bad(
                "project.dynamic", "its dependencies are made by a build, not listed in the file"
            )
        if "project" not in self.data and "poetry" in self._table("tool"):
            raise self._bad("tool.poetry", "uv reads a [project] table, and there is none")

    def _check_elsewhere(self) -> None:
        """Extras and groups stay as they are, so they may not exclude a pin."""
        for *table, keys in (("project", "optional-dependencies"), ("dependency-groups",)):
            for key, entries in self._table(*table, keys).items():
                for entry in entries if isinstance(entries, list) else ():
                    if isinstance(entry, str):
                        self._check(".".join((*table, keys, key)), entry)

    def _check(self, key: str, entry: str) -> Requirement | None:
        """The requirement, if it is of a locked project on some target.

        Raises BadFile if it excludes the pin there.
        """
        requirement = _requirement(entry)
        pins = self._pins_for(requirement) if requirement else []
        if requirement is None or not pins:
            return None
        if self._is_ours(requirement):
            return requirement
        for pin in pins:
            by_address = requirement.url and requirement.url != pin.wheel.url
            if by_address or not requirement.specifier.contains(pin.version, prereleases=True):
                raise self._bad(
                    key,
                    f"`{entry}` excludes the lock's {pin}",
                    f'remove `{entry}` from {key}, or ask for it: cudalock solve "{entry}"',
                )
        return requirement

    def _pins_for(self, requirement: Requirement) -> list[Pin]:
        """The pins of its project on the targets on which it holds."""
        return [
            pin
            for pin in self.pins.get(canonicalize_name(requirement.name), ())
            if any(
                _holds(requirement.marker, target) and _holds(_marker(pin), target)
                for target in self.lock.targets
            )
        ]

    def _is_ours(self, requirement: Requirement) -> bool:
        """Whether an earlier run wrote it."""
        name = canonicalize_name(requirement.name)
        text = str(requirement.specifier)
        if not text:
            return self.old.wrote(f"override.{name}", f"{name}; {uv_plan.NOWHERE}")
        return text.startswith("==") and (name, text[2:]) in self.old.pins

    # The [project] table.

    def _set_requires_python(self) -> None:
        key, path = "requires-python", ("project",)
        wanted = requires_python(self.lock.targets)
        said = self._table("project").get(key)
        if said is None or said == wanted or self.old.wrote(key, said):
            self._put(path, key, wanted, quoted(wanted))
            if said is None or self.old.wrote(key, said):
                self.new.note(key, wanted)
            return
        try:
            range = SpecifierSet(said)
        except (InvalidSpecifier, TypeError):
            raise self._bad(f"project.{key}", f"`{said}` is no version range") from None
        for target in self.lock.targets:
            if not range.contains(target.marker_environment()["python_full_version"]):
                raise self._bad(
                    f"project.{key}",
                    f"`{said}` excludes Python {target.python}, which the lock is for",
                    f'requires-python = "{wanted}"',
                )

    def _set_dependencies(self, direct: frozenset[str]) -> None:
        extras = uv_plan.goal_extras(self.lock)
        for entry in self._strings("project", "dependencies"):
            requirement = self._check("project.dependencies", entry)
            if requirement:
                name = canonicalize_name(requirement.name)
                extras.setdefault(name, set()).update(requirement.extras)
        wanted = {
            name: uv_plan.stated(name, self.pins[name], self.lock, extras.get(name, ()))
            for name in sorted(direct)
        }
        if "project" not in self.data:
            self._put(("project",), "name", "cudalock-project", '"cudalock-project"')
            self._put(("project",), "version", "0", '"0"')
        self._set_list(("project",), "dependencies", wanted, own=True)

    # The [tool.uv] table.

    def _set_environments(self) -> None:
        key, wanted = "environments", uv_plan.environments(self.lock.targets)
        said = self._table(*_UV).get(key)
        if said not in (None, wanted) and not self.old.wrote(key, said):
            raise self._bad(
                f"tool.uv.{key}",
                "it names other environments than the lock's targets",
                f"remove {key}: it is then written as {', '.join(map(quoted, wanted))}",
            )
        if said is None or self.old.wrote(key, said):
            self.new.note(key, wanted)
        self._put(_UV, key, wanted, list_text(wanted))

    def _set_list(
        self, table: tuple[str, ...], key: str, wanted: Mapping[str, Sequence[str]], *, own: bool
    ) -> None:
        """The requirements, by project, into a list of them.

        The entries of an earlier run, and with `own` any other of the same projects, make room.
        """
        said = self._strings(*table, key)
        texts = {text: name for name, found in wanted.items() for text in found}
        missing = {name: [t for t in found if t not in said] for name, found in wanted.items()}
        changes: list[list[str] | None] = []
        for entry in said:
            changes.append(None)
            requirement = None if entry in texts else self._check(".".join((*table, key)), entry)
            known = requirement or _requirement(entry)
            if entry in texts or known is None:
                continue
            name = canonicalize_name(known.name)
            if self._is_ours(known) or (own and requirement and name in wanted):
                changes[-1] = missing.pop(name, [])
        more = [text for found in missing.values() for text in found]
        if not more and all(change is None for change in changes):
            return
        kept = [[entry] if c is None else c for entry, c in zip(said, changes, strict=True)]
        result = [text for found in (*kept, more) for text in found]
        written = self._list_item(table, key)
        text = list_text(result) if written is None else edited(written, changes, more)
        self._put(table, key, result, text)

    def _list_item(self, table: tuple[str, ...], key: str) -> str | None:
        """A list as it is written in the file."""
        if key not in self._table(*table):
            return None
        found: Any = self.document
        for part in (*table, key):
            found = found[part]
        return str(found.as_string())

    def _set_indexes(self, direct: frozenset[str]) -> dict[str, str]:
        """The indexes that pins come from; their names in the file, by id."""
        used = {
            pin.wheel.index
            for name in direct
            for pin in self.pins[name]
            if not uv_plan.by_address(pin, self.options)
        }
        said = self._table(*_UV).get("index", [])
        if not isinstance(said, list) or not all(isinstance(each, dict) for each in said):
            raise self._bad("tool.uv.index", "it is not a list of tables")
        names = {}
        for index in self.lock.indexes:
            if index.id in used and index.url:
                entry = {"name": index.uv_name or index.id, "url": index.url}
                names[index.id] = self._set_index(said, {**entry, "explicit": True})
        given = list(uv_plan.given_indexes(self.options))
        if given and (settings := settings_beside(self.options)):
            raise BadFile(
                f"`{settings}`: uv has its indexes from this file, and passes over those in {FILE}",
                hints=[f'index-url = "..." in {settings}, and no `--index-url` here'],
            )
        for entry in given:
            self._set_index(said, entry)
        return names

    def _set_index(self, said: list[dict[str, Any]], wanted: dict[str, Any]) -> str:
        for position, entry in enumerate(said):
            key = f"tool.uv.index[{position}]"
            same_name = entry.get("name") == wanted["name"]
            if str(entry.get("url", "")).rstrip("/") == wanted["url"].rstrip("/"):
                for flag in ("explicit", "default"):
                    if entry.get(flag, False) != wanted.get(flag, False):
                        should = str(wanted.get(flag, False)).lower()
                        raise self._bad(key, f"the lock needs this index with `{flag} = {should}`")
                if entry.get("name"):
                    return str(entry["name"])
                raise self._bad(key, "an index that sources refer to needs a name")
            if same_name or (entry.get("default") and wanted.get("default")):
                raise self._bad(key, f"it stands in the place of {wanted['url']}")
        lines = [f"{k} = {'true' if v is True else quoted(v)}" for k, v in wanted.items()]
        self.appended.append((_INDEX_HEADER, lines))
        uv = self.wanted.setdefault("tool", {}).setdefault("uv", {})
        uv.setdefault("index", []).append(wanted)
        return str(wanted["name"])

    def _set_sources(self, direct: frozenset[str], indexes: Mapping[str, str]) -> None:
        wanted = {
            name: list(uv_plan.sources(self.pins[name], indexes, self.lock, self.options))
            for name in sorted(direct)
        }
        said = self._table(*_SOURCES)
        keys: dict[str, str] = {canonicalize_name(key): key for key in said}
        for name, key in keys.items():
            ours = self.old.wrote(f"sources.{name}", said[key])
            if ours and not wanted.get(name):
                self._remove(_SOURCES, key)
            elif name in self.pins and not ours and not _same(said[key], wanted.get(name, [])):
                raise self._bad(
                    f"tool.uv.sources.{key}",
                    f"it takes {name} from another place than the lock does",
                    f"remove {key} from [tool.uv.sources]",
                )
        for name, tables in wanted.items():
            key = keys.get(name, name)
            if tables and not (key in said and _same(said[key], tables)):
                value: object = tables[0] if len(tables) == 1 else tables
                self._put(_SOURCES, key, value, _source_text(tables))
            if tables and (key not in said or self.old.wrote(f"sources.{name}", said[key])):
                self.new.note(f"sources.{name}", tables[0] if len(tables) == 1 else tables)

    # Writing.

    def _put(self, table: tuple[str, ...], key: str, value: object, text: str) -> None:
        found: Any = self.wanted
        for part in table:
            found = found.setdefault(part, {})
        if found.get(key) == value:
            return
        found[key] = value
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
        found: Any = self.wanted
        there: Any = self.document
        for part in table:
            found, there = found[part], there[part]
        del found[key], there[key]

    def _with_indexes(self, text: str) -> str:
        """New indexes go below those that are there: tomlkit would move tables that stand apart."""
        there = list(_INDEX.finditer(text))
        if not there:
            return text
        end = there[-1].end()
        mine = [lines for header, lines in self.appended if header == _INDEX_HEADER]
        self.appended = [each for each in self.appended if each[0] != _INDEX_HEADER]
        added = "".join("\n\n" + "\n".join([_INDEX_HEADER, *lines]) for lines in mine)
        return text[:end] + added + text[end:]

    def _written(self) -> str:
        """The text, read once more: what cannot be edited must not be damaged."""
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
            sound = toml.loads(text) == self.wanted
        except toml.TOMLDecodeError:
            sound = False
        if not sound:
            raise self._bad(
                "tool.uv",
                "it is written in a way that cannot be edited",
                "write [project], [tool.uv] and [tool.uv.sources] as tables of their own",
            )
        return text


def _source_text(tables: Sequence[Mapping[str, str]]) -> str:
    lines = [
        "{ " + ", ".join(f"{key} = {quoted(value)}" for key, value in table.items()) + " }"
        for table in tables
    ]
    return lines[0] if len(lines) == 1 else "\n".join(["[", *(f"    {x}," for x in lines), "]"])


def _same(said: object, wanted: Sequence[Mapping[str, str]]) -> bool:
    return (said if isinstance(said, list) else [said]) == list(wanted)


def _requirement(text: str) -> Requirement | None:
    try:
        return parse_requirement(text)
    except InvalidRequirement:
        return None


def _marker(pin: Pin) -> Marker | None:
    return parse_marker(pin.marker) if pin.marker else None


def _holds(marker: Marker | None, target: Target) -> bool:
    return marker is None or marker.evaluate({**target.marker_environment(), "extra": ""})


def install_commands(_lock: Lock, _options: WriteOptions) -> tuple[InstallCommand, ...]:
    """The command that installs the project's environment."""
    return (InstallCommand("uv", "uv sync"),)


FORMAT: Final = Format(write, install_commands, edits_file=True, remarks=remarks)
