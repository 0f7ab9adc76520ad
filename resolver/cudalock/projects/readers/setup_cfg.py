"""setup.cfg: what setuptools reads from its `[options]`."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.projects.model import Declared, FileProblem, ProjectFile, StatedValue
from cudalock.projects.syntax.pep508 import entry, is_specifier, parse
from cudalock.versions import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.projects.model import Encoding
    from cudalock.projects.syntax.text import Text

# configparser takes `:` as well as `=` between key and value.
_KEY: Final = re.compile(r"([^\s=:#;][^=:]*?)[ \t]*[=:]")
_OPTIONS: Final = "options"
_EXTRAS: Final = "options.extras_require"


class _Field(NamedTuple):
    """One line of a key's value, with its offset; `single` for a value of one line."""

    section: str
    key: str
    text: str
    start: int
    single: bool


def read(text: Text, encoding: Encoding) -> ProjectFile:
    """Read the file. What setuptools takes from other files is in `dynamic`."""
    declared: list[Declared] = []
    problems: list[FileProblem] = []
    python: StatedValue | None = None
    dynamic: list[str] = []
    notes: list[str] = []
    name: str | None = None
    for field in _fields(text.text):
        place = text.place(field.start, field.start + len(field.text))
        if (field.section, field.key) == (_OPTIONS, "python_requires"):
            python = StatedValue(field.text, place) if is_specifier(field.text) else python
        elif (field.section, field.key) == ("metadata", "name"):
            name = canonical(field.text)
        elif (group := _group(field)) is None:
            continue
        # `install_requires = file: requirements.txt`, which setuptools reads; `attr:` runs code.
        elif field.text.startswith(("file:", "attr:")):
            dynamic.append("dependencies" if not group else "optional-dependencies")
            notes.append(f"`{field.key}` comes from `{field.text}`")
        else:
            requirements = _requirements(text, field, problems)
            declared += [replace(requirement, group=group or None) for requirement in requirements]
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


def _group(field: _Field) -> str | None:
    """The group of a list of requirements, "" for what everyone gets; None for another key."""
    if (field.section, field.key) == (_OPTIONS, "install_requires"):
        return ""
    return f"extra:{canonical(field.key)}" if field.section == _EXTRAS else None


def _requirements(text: Text, field: _Field, problems: list[FileProblem]) -> Iterator[Declared]:
    """Yield the requirements of a line. setuptools reads a value of one line as a list with
    semicolons."""
    position = field.start
    # A marker has a semicolon too, so it needs a value of several lines, in setuptools as well.
    for part in field.text.split(";") if field.single else [field.text]:
        text_part = part.strip()
        start = position + len(part) - len(part.lstrip())
        position += len(part) + 1
        if not text_part:
            continue
        place = text.place(start, start + len(text_part))
        parsed = parse(text_part)
        if parsed.problem is not None:
            problems.append(
                FileProblem(place, f"invalid requirement `{text_part}`: {parsed.problem}")
            )
            continue
        where = text.place(start + parsed.version[0], start + parsed.version[1])
        yield entry(parsed, text_part, place, where, text.ignored(start, start + len(text_part)))


def _fields(text: str) -> Iterator[_Field]:
    """The lines of every value that are not empty, as configparser reads them."""
    section, key = "", ""
    rows: list[tuple[str, int]] = []
    offset = 0
    for line in text.splitlines(keepends=True):
        # configparser leaves ` # why` in a value; setuptools drops it when it parses the
        # requirement.
        bare = line.split(" #", 1)[0].rstrip()
        start, offset = offset, offset + len(line)
        if not bare.strip() or bare.lstrip()[0] in "#;":
            continue
        # An indented line continues the value above it.
        if bare[0].isspace() and key:
            rows.append((bare, start))
            continue
        yield from _field_of_rows(section, key, rows)
        rows, key = [], ""
        if bare.startswith("["):
            section = bare.strip("[] \t").lower()
        elif match := _KEY.match(bare):
            # setuptools accepts keys with a dash for those with an underscore.
            key = match[1].lower().replace("-", "_")
            # The key is replaced by blanks, so that offsets in the row are offsets in the line.
            rows = [(" " * match.end() + bare[match.end() :], start)]
    yield from _field_of_rows(section, key, rows)


def _field_of_rows(section: str, key: str, rows: list[tuple[str, int]]) -> Iterator[_Field]:
    filled = [
        (row.strip(), start + len(row) - len(row.lstrip())) for row, start in rows if row.strip()
    ]
    for text, start in filled:
        yield _Field(section, key, text, start, len(rows) == 1)
