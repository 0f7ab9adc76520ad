"""What was read from a file as lines of text, for tests to compare whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.projects.model import Declared, Place, ProjectFile


def listing(file: ProjectFile, indent: str = "") -> Iterator[str]:
    """Everything the file says, a line for each thing, with the text at its places."""
    for line in _lines(file):
        yield f"{indent}{line}"
    for nested in file.nested:
        yield from listing(nested, f"{indent}    ")


def _lines(file: ProjectFile) -> Iterator[str]:
    yield f"{file.kind} {file.name}"
    for name in ("project", "members", "dynamic", "platforms", "notes"):
        if value := getattr(file, name):
            yield f"{name} {value}"
    for name in ("requires_python", "python"):
        if said := getattr(file, name):
            yield f"{name} {_at(said.place)} {said.value}"
    for name in ("environments", "base_images", "targets"):
        for said in getattr(file, name):
            yield f"{name} {_at(said.place)} {said.value}"
    if file.settings:
        yield f"settings {file.settings}"
    if file.no_index:
        yield "no_index"
    for index in file.indexes:
        flags = [word for word in ("explicit", "default") if getattr(index, word)]
        words = [_at(index.place), index.kind, index.name or "", index.url, *flags]
        yield " ".join(["index", *words, index.priority or ""]).rstrip()
    for option in file.options:
        yield f"option {_at(option.place)} {option.name} {option.value or ''}".rstrip()
    for source in file.sources:
        kinds = ("index", "url", "path", "git", "extra", "group", "marker")
        said = [f"{kind}={value}" for kind in kinds if (value := getattr(source, kind))]
        yield " ".join(["source", _at(source.place), source.name, *said])
    for groups in file.conflicts:
        yield f"conflict {' '.join(sorted(groups))}"
    for way in file.together:
        yield f"together {' '.join(sorted(str(group) for group in way))}"
    for entry in file.declared:
        yield from _entry(entry, file.text)
    for problem in file.problems:
        yield f"problem {_at(problem.place)} {problem.message}"


def _entry(entry: Declared, text: str) -> Iterator[str]:
    extras = f"[{','.join(entry.extras)}]" if entry.extras else ""
    marker = f" ; {entry.marker}" if entry.marker else ""
    shown = f"{entry.name or '?'}{extras} {entry.specifier}".rstrip()
    yield f"{entry.role} {_at(entry.place)} {shown}{marker}"
    for name in ("group", "url", "index", "channel", "build", "hashes", "problem"):
        if value := getattr(entry, name):
            yield f"  {name}: {value}"
    if entry.manager != "pypi":
        yield f"  manager: {entry.manager}"
    if entry.editable:
        yield "  editable"
    if entry.ignored:
        yield f"  ignored: {' '.join(sorted(entry.ignored))}"
    for file in entry.files:
        yield f"  file: {file.name} {file.url} {' '.join(file.hashes)} {file.size}"
    if entry.version_place is not None:
        yield f"  rewrites ({entry.syntax}): {_characters(entry.version_place, text)!r}"
    if entry.hashes_place is not None:
        yield f"  hashes at: {_characters(entry.hashes_place, text)!r}"
    yield f"  text: {entry.text!r}"


def _at(place: Place) -> str:
    return f"{place.line}:{place.column}"


def _characters(place: Place, text: str) -> str:
    return text[place.start : place.end]


def check_places(file: ProjectFile) -> None:
    """Every place is in the text, and says the line and column that it is at."""
    for each in file.files():
        rows = each.text.replace("\r\n", "\r \n").split("\n")
        for entry in each.declared:
            assert each.text[entry.place.start : entry.place.end] == entry.text
            for place in (entry.place, entry.version_place, entry.hashes_place):
                if place is not None:
                    assert 0 <= place.start <= place.end <= len(each.text)
                    before = each.text[: place.start]
                    normal = before.replace("\r\n", "\n").replace("\r", "\n")
                    assert place.line == normal.count("\n") + 1
                    assert place.column == len(normal) - normal.rfind("\n")
                    assert rows
