"""setup.cfg: what setuptools reads from its `[options]`."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.projects.model import Declared, Problem, ProjectFile, Said
from cudalock.projects.syntax.pep508 import entry, is_specifier, parse
from cudalock.versions import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.projects.model import Encoding
    from cudalock.projects.syntax.text import Text

_KEY: Final = re.compile(r"([^\s=:#;][^=:]*?)[ \t]*[=:]")
_OPTIONS: Final = "options"
_EXTRAS: Final = "options.extras_require"


class _Value(NamedTuple):
    """One line of a key's value, with its place; `single` for a value that has but this line."""

    section: str
    key: str
    text: str
    start: int
    single: bool


def read(text: Text, encoding: Encoding) -> ProjectFile:
    """What the file says. Values that setuptools takes from other files are told in `dynamic`."""
    declared: list[Declared] = []
    problems: list[Problem] = []
    python: Said | None = None
    dynamic: list[str] = []
    notes: list[str] = []
    name: str | None = None
    for value in _values(text.text):
        place = text.place(value.start, value.start + len(value.text))
        if (value.section, value.key) == (_OPTIONS, "python_requires"):
            python = Said(value.text, place) if is_specifier(value.text) else python
        elif (value.section, value.key) == ("metadata", "name"):
            name = canonical(value.text)
        elif (group := _group(value)) is None:
            continue
        elif value.text.startswith(("file:", "attr:")):
            dynamic.append("dependencies" if not group else "optional-dependencies")
            notes.append(f"`{value.key}` comes from `{value.text}`")
        else:
            found = _entries(text, value, problems)
            declared += [replace(each, group=group or None) for each in found]
    return ProjectFile(
        text.name,
        "setup-cfg",
        text.text,
        encoding,
        declared=tuple(declared),
        requires_python=python,
        dynamic=tuple(dict.fromkeys(dynamic)),
        notes=tuple(notes),
        problems=tuple(problems),
        project=name,
    )


def _group(value: _Value) -> str | None:
    """The group of a list of requirements, "" for what everyone gets; None for another key."""
    if (value.section, value.key) == (_OPTIONS, "install_requires"):
        return ""
    return f"extra:{canonical(value.key)}" if value.section == _EXTRAS else None


def _entries(text: Text, value: _Value, problems: list[Problem]) -> Iterator[Declared]:
    """The requirements of a line. A value of one line is a list with semicolons, as setuptools has
    it."""
    position = value.start
    for part in value.text.split(";") if value.single else [value.text]:
        said = part.strip()
        start = position + len(part) - len(part.lstrip())
        position += len(part) + 1
        if not said:
            continue
        place = text.place(start, start + len(said))
        parsed = parse(said)
        if parsed.problem is not None:
            problems.append(Problem(place, f"`{said}` is no requirement: {parsed.problem}"))
            continue
        where = text.place(start + parsed.version[0], start + parsed.version[1])
        yield entry(parsed, said, place, where, text.ignored(start, start + len(said)))


def _values(text: str) -> Iterator[_Value]:
    """The lines of every value that are not empty, as configparser reads them."""
    section, key = "", ""
    rows: list[tuple[str, int]] = []
    offset = 0
    for line in text.splitlines(keepends=True):
        bare = line.split(" #", 1)[0].rstrip()
        start, offset = offset, offset + len(line)
        if not bare.strip() or bare.lstrip()[0] in "#;":
            continue
        if bare[0].isspace() and key:
            rows.append((bare, start))
            continue
        yield from _told(section, key, rows)
        rows, key = [], ""
        if bare.startswith("["):
            section = bare.strip("[] \t").lower()
        elif found := _KEY.match(bare):
            key = found[1].lower().replace("-", "_")
            rows = [(" " * found.end() + bare[found.end() :], start)]
    yield from _told(section, key, rows)


def _told(section: str, key: str, rows: list[tuple[str, int]]) -> Iterator[_Value]:
    filled = [
        (row.strip(), start + len(row) - len(row.lstrip())) for row, start in rows if row.strip()
    ]
    for said, start in filled:
        yield _Value(section, key, said, start, len(rows) == 1)
