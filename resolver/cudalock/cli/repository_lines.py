"""The lines of a repository: those that flags state, else those that its project declares."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cudalock.cli.line_options import split_lines
from cudalock.cli.repository import (
    command_of,
    folder_of,
    machine_of_lock,
    prepare,
    read,
    with_pins,
)
from cudalock.errors import BadFile, BadSpecifier, Contradiction
from cudalock.formats import load_format, load_lines
from cudalock.formats.header import find_command
from cudalock.goals import parse_accelerator
from cudalock.lock.lines import Named, for_the_line
from cudalock.targets.accelerators import ACCELERATOR_FLAGS, OPTION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cudalock.cli.repository import GenerateOptions, Prepared
    from cudalock.generate.lines import DeclaredLine
    from cudalock.generate.update_lock import Held
    from cudalock.goals import Query
    from cudalock.lock import Lock
    from cudalock.lock.lines import LinedLock
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.universe import Universe
    from cudalock.targets.accelerators import Wish

_AS = {"extra": "extras", "group": "groups"}


class RepositoryLine(NamedTuple):
    """The options of one line, and what the project has of it."""

    options: GenerateOptions
    named: Named | None = None
    is_stated: bool = True
    """whether flags state it; else the project does"""


def repository_lines(options: GenerateOptions, matrix: Matrix) -> tuple[RepositoryLine, ...]:
    """Return the options of each line; one where there are no lines.

    With `--update`, those that the command of the lock states where no flag does. Raises
    Contradiction for extras or groups that the project declares to conflict.
    """
    from cudalock.cli.lines import of_its_tool

    options = replace(options, output=of_its_tool(options.output))
    if options.update:
        options = _of_its_lock(options)
    split = split_lines(options.goal)
    declared = _declared(options, matrix)
    _check_conflicts(options, matrix)
    if len(split) > 1:
        usual = _usual_lines(declared, matrix)
        stated = []
        for goal in split:
            texts = [
                (text, flag) for flag in ACCELERATOR_FLAGS for text in getattr(goal.request, flag)
            ]
            line = usual.get(parse_accelerator(*texts[0])) if texts else None
            stated.append(_of_declared(replace(options, goal=goal), line))
        return tuple(stated)
    if not declared or not _are_wanted(options):
        return (RepositoryLine(options),)
    lines = []
    for line in declared:
        request = options.goal.request
        if line.index_id is not None:
            wish: dict[str, Any] = {OPTION: (line.index_id,)}
            request = request._replace(**wish)
        # What this machine has would be asked of the CPU's line too.
        goal = replace(options.goal, request=request, detect=False)
        own = _of_declared(replace(options, goal=goal), line)
        lines.append(own._replace(is_stated=False))
    return tuple(lines)


def _usual_lines(
    declared: Sequence[DeclaredLine], matrix: Matrix
) -> dict[Wish | None, DeclaredLine]:
    """Return the project's lines by what they are built for: by their index, and a line without one
    by a name that is usual for an index, `cu118`."""
    lines: dict[Wish | None, DeclaredLine] = {}
    for index in matrix.indexes.values():
        for line in declared:
            is_usual = line.index_id is None and line.name == index.id.replace(".", "")
            if index.url and (line.index_id == index.id or is_usual):
                with suppress(BadSpecifier):
                    wish = parse_accelerator(index.id, OPTION)
                    lines.setdefault(wish, line._replace(index_id=index.id))
    return lines


def _are_wanted(options: GenerateOptions) -> bool:
    """Return whether the lines of the project are wanted: all of them, in its own file or by
    `--as`."""
    request, output = options.goal.request, options.output
    if any(getattr(request, flag) for flag in ACCELERATOR_FLAGS):
        return False
    if options.extras or options.groups:
        return False
    return output.lines_as is not None or load_format(output.format).edits_file


def _of_declared(options: GenerateOptions, line: DeclaredLine | None) -> RepositoryLine:
    if line is None:
        return RepositoryLine(options)
    names = (line.name,)
    extras = (*options.extras, *names) if line.kind == "extra" else options.extras
    groups = (*options.groups, *names) if line.kind == "group" else options.groups
    output = options.output
    format_lines = load_lines(load_format(output.format))
    if output.lines_as is None and format_lines is not None and format_lines.parts:
        output = replace(output, lines_as=_AS[line.kind])
    own = replace(options, extras=extras, groups=groups, output=output)
    return RepositoryLine(own, Named(line.name, line.index_id))


def _declared(options: GenerateOptions, matrix: Matrix) -> tuple[DeclaredLine, ...]:
    from cudalock.generate.lines import declared_lines
    from cudalock.projects.read import read_file

    path = folder_of(options.path) / "pyproject.toml"
    return declared_lines(read_file(path.as_posix()), matrix) if path.is_file() else ()


def _check_conflicts(options: GenerateOptions, matrix: Matrix) -> None:
    from cudalock.projects.read import read_file
    from cudalock.versions import canonical

    path = folder_of(options.path) / "pyproject.toml"
    chosen = {f"extra:{canonical(name)}" for name in options.extras}
    chosen |= {f"group:{canonical(name)}" for name in options.groups}
    if len(chosen) < 2 or not path.is_file():
        return
    for members in read_file(path.as_posix()).conflicts:
        both = sorted(members & chosen)
        if len(both) > 1:
            flags = [f"--{member.replace(':', ' ')}" for member in both]
            named = " and ".join(both).replace(":", " ")
            raise Contradiction(
                f"`{path.as_posix()}`: {named} are declared to conflict",
                hints=[*flags, "-o pyproject.toml: all lines of the project"],
            )


def _of_its_lock(options: GenerateOptions) -> GenerateOptions:
    """Return the options with the machine, and the accelerators, of the lock that is updated."""
    from cudalock.projects.read import read_file

    path = Path(options.output.output or "")
    # The file of any line has the command that makes all of them.
    of_line = load_format(options.output.format).of_line
    further = path.parent.glob(of_line(path.name, "*")) if of_line is not None else ()
    files = [path, *sorted(further)]
    for file in files:
        with suppress(BadFile):
            recorded = find_command(read_file(file).text)
            request = machine_of_lock(options.goal.request, recorded[0] if recorded else None)
            return replace(options, goal=replace(options.goal, request=request))
    return options


def _held(line: RepositoryLine, queries: Sequence[Query], universe: Universe) -> Held | None:
    """Return the pins that an updated lock has of a line; None where it has no such line."""
    from cudalock.cli.lines import FILES, lines_as, of_line
    from cudalock.generate.update_lock import read_held, read_held_line

    output = line.options.output
    name = line.named.name if line.named else _usual_name(queries[0][0].accelerator, universe)
    if name is None or output.output is None:
        return None
    path = Path(output.output)
    if lines_as(output) != FILES:
        held = read_held_line(path, name, (target for _, target in queries), universe.matrix)
        return held if held.pins else None
    # `check` names the file of one line, and every other command that of the project.
    for base in (path, _without_line(path, name)):
        file = base.with_name(of_line(load_format(output.format), base.name, name))
        if file.is_file():
            return read_held(file, universe.matrix)
    return None


def _without_line(path: Path, name: str) -> Path:
    """Return `requirements.txt` for `requirements-cu126.txt`."""
    stem = path.stem
    return path.with_name(
        f"{stem[: -len(name) - 1]}{path.suffix}" if stem.endswith(name) else path.name
    )


def _usual_name(wish: Wish | None, universe: Universe) -> str | None:
    """Return the name of a line that is called as its index."""
    for index in universe.matrix.indexes.values():
        with suppress(BadSpecifier):
            if wish is not None and index.url and parse_accelerator(index.id, OPTION) == wish:
                return index.id.replace(".", "")
    return None


def build_lines(
    lines: Sequence[RepositoryLine],
    options: GenerateOptions,
    universe: Universe,
    tell_about: Callable[[Prepared, Matrix], None] | None = None,
    tell_changes: Callable[[Held, Lock, str], None] | None = None,
) -> LinedLock:
    """Return the lock of each line; `options` are those of the command.

    With `--update` each line keeps the pins that its lock has. `tell_changes` gets these, the new
    lock and the line's name. Raises as `prepare` and `build` do, and, where changes are told,
    BadFile for a lock that has none of the lines.
    """
    from cudalock.cli.lines import lines_as, locks_of
    from cudalock.generate.report import lock_notes

    first = lines[0].options
    lines_as(first.output)
    notes: list[list[str]] = []

    def reduced(queries: Sequence[Query]) -> Sequence[Query]:
        kept, said = for_the_line(queries, universe)
        notes[-1] = [*said]
        return kept

    prepared = []
    for line in lines:
        notes.append([])
        repository = read(line.options, universe)
        prepared.append(prepare(repository, _without_update(line.options), universe, reduced))
    asked = [each.solvable.questions for each in prepared]
    held = [
        _held(line, of_line, universe) if first.update else None
        for line, of_line in zip(lines, asked, strict=True)
    ]
    if first.update and tell_changes is not None and not any(held):
        raise BadFile(f"cannot update `{first.output.output}`: it pins nothing of these lines")
    if tell_about is not None and not first.output.quiet:
        tell_about(prepared[0], universe.matrix)
    queries = [
        with_pins(of_line, pins, first, universe) for of_line, pins in zip(asked, held, strict=True)
    ]
    wishes = [of_line[0][0].accelerator for of_line in queries] if lines[0].is_stated else [None]
    widest = max(queries, key=len)
    command = command_of(widest, prepared[queries.index(widest)], options, wishes)
    lined = locks_of(queries, universe, command, first.output, [line.named for line in lines])
    noted = [
        replace(
            line,
            lock=replace(
                line.lock,
                notes=(
                    *line.lock.notes,
                    *said,
                    *lock_notes(each.repository, each.solvable, line.lock),
                ),
            ),
        )
        for line, each, said in zip(lined.lines, prepared, notes, strict=True)
    ]
    for done, pins in zip(noted, held, strict=True):
        if pins is not None and tell_changes is not None and not first.output.quiet:
            tell_changes(pins, done.lock, done.name)
    return replace(lined, lines=tuple(noted))


def _without_update(options: GenerateOptions) -> GenerateOptions:
    """Return the options without the lock that is updated: its pins are those of several lines."""
    return replace(options, update=False)
