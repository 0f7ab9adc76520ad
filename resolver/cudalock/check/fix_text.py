"""A file's text with the pins changed that have to change, and every other byte as it was."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from cudalock.check.check_file import check_file
from cudalock.check.selection import EVERYTHING, Selection
from cudalock.check.source_fix import source_fixes
from cudalock.projects.model import Declared, Place
from cudalock.projects.read import read_file
from cudalock.records import NamedTuple

if TYPE_CHECKING:
    from cudalock.check.check_file import Checked
    from cudalock.compat.pins import PinChange
    from cudalock.findings import Finding
    from cudalock.matrix.matrix import Matrix
    from cudalock.projects.model import ProjectFile
    from cudalock.targets import Target

_HASH = re.compile(r"--hash[= ]\S+")
_SPACES = re.compile(r"([ \t]*)[=<>~!]{1,3}([ \t]*)[^,]*$")
"""Before and within a specifier of one clause."""
_SEPARATOR = " \\\n    "
MAX_ROUNDS: Final = 4
"""How often a file is fixed and checked again: a fix may reveal another conflict."""


class Edit(NamedTuple):
    """Some characters of a text replaced, with what changed, for people."""

    start: int
    end: int
    text: str
    says: str


class Rewritten(NamedTuple):
    """A file with other text: the bytes to write, what was changed, and what that mends."""

    file: ProjectFile
    content: bytes
    changes: tuple[str, ...]
    mended: tuple[Finding, ...] = ()


def rewrite(checked: Checked, matrix: Matrix, selection: Selection = EVERYTHING) -> list[Rewritten]:
    """The files, of one that was checked and those it names, that change so that its errors are
    mended, as far as they can be, and as far as they are wanted."""
    edits: dict[str, list[Edit]] = {}
    mended: dict[str, list[Finding]] = {}
    done: set[int] = set()
    for judged in checked.judged:
        for clash in judged.clashes:
            for fix in source_fixes(clash, checked.file, judged.target):
                name, code = fix.source.place.file, clash.finding.code
                edit = Edit(fix.start, fix.end, fix.text, f"{fix.source.name} is now `{fix}`")
                if selection.includes(code, name) and edit not in edits.get(name, ()):
                    edits.setdefault(name, []).append(edit)
                    mended.setdefault(name, []).append(clash.finding)
            for change in clash.changes:
                declared = change.old.origin
                if not isinstance(declared, Declared) or id(declared) in done:
                    continue
                code = clash.finding.code
                if declared.is_ignored(code) or not selection.includes(code, declared.place.file):
                    continue
                new_edits = _edits(change, declared, checked.file, matrix, judged.target)
                # An entry that two extras of Poetry have is two, at one place.
                taken = {(edit.start, edit.end) for edit in edits.get(declared.place.file, ())}
                if new_edits and not any((edit.start, edit.end) in taken for edit in new_edits):
                    done.add(id(declared))
                    edits.setdefault(declared.place.file, []).extend(new_edits)
                    mended.setdefault(declared.place.file, []).append(clash.finding)
    return [
        _applied(file, edits[file.name], mended[file.name])
        for file in checked.file.files()
        if file.name in edits
    ]


def fix_file(
    checked: Checked,
    matrix: Matrix,
    targets: Sequence[Target],
    write: Callable[[str, bytes], None],
    changes: list[str],
    selection: Selection = EVERYTHING,
    image: str | None = None,
) -> Checked:
    """Fix a file as long as something can be fixed, and return what is left to find in it.

    `write` writes a file by its name. Sentences on what was changed are added to `changes`.
    `image` is as in `check_file`.
    """
    name = checked.file.name
    # Each round reads the file again: spans of the last one are out of date.
    for _ in range(MAX_ROUNDS):
        rewritten = rewrite(checked, matrix, selection)
        if not rewritten:
            break
        for new in rewritten:
            write(new.file.name, new.content)
            changes += [f"{new.file.name}: {change}" for change in new.changes]
        checked = check_file(read_file(name), matrix, targets, image)
    return checked


def _applied(file: ProjectFile, edits: Iterable[Edit], mended: Iterable[Finding]) -> Rewritten:
    text = file.text
    ordered = sorted(edits, reverse=True)
    for edit in ordered:
        text = text[: edit.start] + edit.text + text[edit.end :]
    says = tuple(dict.fromkeys(edit.says for edit in reversed(ordered) if edit.says))
    return Rewritten(file, file.encode(text), says, tuple(mended))


def _edits(
    change: PinChange, declared: Declared, file: ProjectFile, matrix: Matrix, target: Target
) -> list[Edit]:
    """The edits that make one change; none where the place cannot be rewritten."""
    owner = file.at(declared.place)
    version = _version_edit(change, declared, owner.text, target) if owner is not None else None
    if version is None or owner is None:
        return []
    if not declared.hashes:
        return [version]
    hashes = _hashes_edit(change, declared, owner.text, matrix, target)
    return [version, hashes] if hashes is not None else []


def _version_edit(change: PinChange, declared: Declared, text: str, target: Target) -> Edit | None:
    place = declared.version_place
    if place is None or _needs_an_index(change):
        return None
    new = _written(change, declared, place, text)
    if new is None or new == text[place.start : place.end]:
        return None
    # What a line comes to may be narrower than the line: an open requirement.
    was = change.old.text if declared.url else change.old.name + declared.specifier
    says = f"{was} is now {change.text}"
    if change.url is not None:
        says += f", for {target.platform_label} with Python {target.python_text}"
    return Edit(place.start, place.end, new, says)


def _needs_an_index(change: PinChange) -> bool:
    """Whether the file would have to name another index as well."""
    old = change.old.indexes
    return change.url is None and old is not None and change.index_id not in old


def _written(change: PinChange, declared: Declared, place: Place, text: str) -> str | None:
    if change.url is not None:
        if declared.syntax == "url":
            return change.url
        if declared.syntax != "pep508" or declared.place.file != place.file:
            return None
        after = text[place.end : place.end + 1]
        # A marker after an address needs a space before its semicolon.
        return f"{_spaced(text, place)}@ {change.url}{' ' if after == ';' else ''}"
    if declared.syntax == "pep508":
        spaces = _SPACES.match(text[place.start : place.end])
        before, within = spaces.groups() if spaces else ("", "")
        return f"{before}=={within}{change.specifier.removeprefix('==')}"
    if declared.syntax == "specifier":
        return f"=={change.specifier.removeprefix('==')}"
    if declared.syntax == "poetry":
        return change.specifier.removeprefix("==")
    return None


def _spaced(text: str, place: Place) -> str:
    """A space, where there is none before."""
    return "" if text[place.start - 1 : place.start].isspace() else " "


# -- hashes -------------------------------------------------------------------------------------


def _hashes_edit(
    change: PinChange, declared: Declared, text: str, matrix: Matrix, target: Target
) -> Edit | None:
    """The new version's hashes in the place of the old one's; None where one is not known."""
    place = declared.hashes_place
    digests = _digests(change, matrix)
    if place is None or not digests:
        return None
    between = _HASH.split(text[place.start : place.end])[1:-1]
    separator = between[0] if between else _SEPARATOR
    new = separator.join(f"--hash=sha256:{digest}" for digest in digests)
    return Edit(place.start, place.end, new, "")


def _digests(change: PinChange, matrix: Matrix) -> Sequence[str]:
    """The published digests of what is written: of one wheel, or of each that a version has where
    it is looked for."""
    if change.url is not None:
        return [change.sha256] if change.sha256 else []
    project = matrix.project(change.old.name)
    version, _, local = change.specifier.removeprefix("==").partition("+")
    if project is None or version not in project:
        return []
    builds = [
        build
        for build in project.release(version).builds
        if build.builder is None
        and (not local or build.local == local)
        and (change.old.indexes is None or build.index in change.old.indexes)
    ]
    digests = [row[1] for build in builds for row in build.rows]
    return sorted(set(digests)) if all(digests) else []


__all__ = ["Edit", "Rewritten", "fix_file", "rewrite"]
