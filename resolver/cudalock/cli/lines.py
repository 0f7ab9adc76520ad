"""Several lines of one project: solved together, and written into one file or a file each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cudalock import toml
from cudalock.cli.machine import read_queries
from cudalock.cli.output import addresses_of, deliver, folder_of_wheels, write_options
from cudalock.errors import BadFile, Contradiction, UsageError
from cudalock.formats import FORMATS, load_format, load_lines
from cudalock.lock.lines import LinedLock, build_lines
from cudalock.text import listed, shell_command

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cudalock.cli.options import GoalOptions, OutputOptions
    from cudalock.formats import Format, InstallCommand
    from cudalock.goals import Query
    from cudalock.lock.lines import Line, Named
    from cudalock.matrix.universe import Universe

FILES = "files"
"""The value of `--as` for a file of each line."""
_UV = "uv"
_POETRY = "poetry"
_POETRY_KEYS = {"dependencies", "source", "group", "package-mode", "requires-poetry"}
"""What a project has that Poetry resolves; others may have no more than its build settings."""
PLAIN = ""
"""In its place: one file, whose format has lines without an installer's name for them."""


def solve_lines(
    lines: Sequence[GoalOptions], universe: Universe, output: OutputOptions
) -> LinedLock:
    """Return the lock of each line. Raises as `solve` does, and Contradiction for `--as`."""
    from cudalock.goals import command_words

    output = of_its_tool(output)
    lines_as(output)
    queries = [read_queries(options, universe) for options in lines]
    goal = queries[0][0][0]
    words = command_words(
        goal, *(target for _, target in queries[0]), wishes=[of[0][0].accelerator for of in queries]
    )
    command = shell_command(["cudalock", "solve", *words, *output.words])
    return locks_of(queries, universe, command, output)


def locks_of(
    queries: Sequence[Sequence[Query]],
    universe: Universe,
    command: str,
    output: OutputOptions,
    named: Sequence[Named | None] = (),
) -> LinedLock:
    """Return the lock of each line's queries, with what the universe has to say of its pins."""
    lines = load_lines(load_format(output.format))
    one_index = lines is not None and lines.by_index
    lined = build_lines(queries, universe, command, named=named, one_index=one_index)
    noted = []
    for line in lined.lines:
        pins = ((pin.name, pin.version) for pin in line.lock.pins)
        lock = replace(line.lock, notes=(*line.lock.notes, *universe.notes(pins)))
        noted.append(replace(line, lock=lock))
    return replace(lined, lines=tuple(noted))


def of_its_tool(output: OutputOptions) -> OutputOptions:
    """Return the options with the format of the tool that resolves the project to be edited."""
    if output.format != _UV or output.output is None:
        return output
    from cudalock.formats.uv.project import read_existing

    try:
        text = read_existing(Path(output.output))
        tools = toml.loads(text or "").get("tool", {})
    # Whoever edits the file says what is wrong with it.
    except (BadFile, ValueError, RecursionError):
        return output
    poetry = tools.get(_POETRY) if isinstance(tools, dict) and _UV not in tools else None
    is_its = isinstance(poetry, dict) and bool(poetry.keys() & _POETRY_KEYS)
    return replace(output, format=_POETRY) if is_its else output


def lines_as(output: OutputOptions) -> str:
    """Return what the lines become: what `--as` says, else what the format can.

    Raises Contradiction for what the format cannot, and UsageError for files without `-o`.
    """
    kind = load_format(output.format)
    lines = load_lines(kind)
    parts = lines.parts if lines is not None else ()
    stated = output.lines_as or next(iter(parts), PLAIN if lines is not None else FILES)
    if stated not in (PLAIN, FILES, *parts):
        able = [name for name in FORMATS if _has_part(name, stated)]
        instead = "one document has them all" if lines is not None else "each line is a file"
        instead = f"a line is one of its {listed(parts)}" if parts else instead
        raise Contradiction(
            f"the format {output.format} has no {stated}: {instead}",
            hints=[f"--as {FILES}", *(f"--format {name}" for name in able)],
        )
    if stated == FILES and (kind.edits_file or kind.made_from):
        raise Contradiction(
            f"{'uv' if kind.made_from else output.format} has all lines of a project in one file",
            hints=[*(f"--as {part}" for part in parts), f"-o requirements.txt --as {FILES}"],
        )
    if stated == FILES:
        example = of_line(kind, kind.filename, "cu126")
        if output.output is None:
            raise UsageError(
                "several lines are several files, and `-o` has to name them",
                hints=[
                    f"-o {kind.filename}: {example} and so on",
                    "-o pyproject.toml: an extra of a project for each",
                ],
            )
    return stated


def of_line(kind: Format, name: str, line: str) -> str:
    """Return the name of one line's file. Raises Contradiction for a format whose files have one
    name."""
    if kind.of_line is None:
        raise Contradiction(
            f"a {kind.filename} is one project, and a folder has one",
            hints=[
                f"`--cuda cpu -o cpu/{kind.filename}`, and so for each line",
                f"-o requirements.txt --as {FILES}",
            ],
        )
    return kind.of_line(name, line)


def _has_part(name: str, part: str) -> bool:
    lines = load_lines(load_format(name))
    return lines is not None and part in lines.parts


def write_lines(lined: LinedLock, options: OutputOptions) -> None:
    """Write the lines where the options say, and a summary to standard error.

    Raises HashesMissing, NetworkError and OutputError; then nothing was written.
    """
    options = of_its_tool(options)
    if options.find_links or options.overlays:
        from cudalock.indexes.digests import with_local_hashes

        lined = _each(lined, lambda line: replace(line, lock=with_local_hashes(line.lock)))
    if options.fetch_hashes:
        from cudalock.cli.output import with_fetched_hashes

        lined = _each(
            lined, lambda line: replace(line, lock=with_fetched_hashes(line.lock, options))
        )
    kind = load_format(options.format)
    stated = lines_as(options)
    if stated == FILES:
        installs = _write_files(lined, kind, options)
    else:
        installs = _write_one(lined, kind, options, stated)
    if not options.quiet:
        _report(lined, installs, kind, options)


def _each(lined: LinedLock, change: Callable[[Line], Line]) -> LinedLock:
    return replace(lined, lines=tuple(map(change, lined.lines)))


def _write_one(
    lined: LinedLock, kind: Format, options: OutputOptions, stated: str
) -> list[InstallCommand]:
    lines = load_lines(kind)
    if lines is None:
        raise TypeError(f"{options.format} has no lines")
    write = write_options(options)._replace(lines_as=stated)
    if write.filename:
        kind.check_name(write.filename)
    if options.wheels:
        write = write._replace(wheels=folder_of_wheels(options, kind))
    elif kind.needs_urls:
        addresses = [addresses_of(line.lock, write, options.mirrors) for line in lined.lines]
        write = write._replace(addresses={k: v for each in addresses for k, v in each.items()})
    deliver(lines.render(lined, write), options.output)
    path = Path(options.output).as_posix() if options.output else None
    return [*lines.install_commands(lined, write._replace(filename=path))]


def _write_files(lined: LinedLock, kind: Format, options: OutputOptions) -> list[InstallCommand]:
    """Write a file for each line; all texts are made before the first is written."""
    from cudalock.cli.output import check_destination, prepared_options

    output = Path(options.output or kind.filename)
    texts: dict[str, str] = {}
    installs: list[InstallCommand] = []
    for line in lined.lines:
        path = output.with_name(of_line(kind, output.name, line.name))
        own = replace(options, output=path.as_posix())
        check_destination(own)
        write = prepared_options(own, line.lock, kind)
        text = kind.render(line.lock, write)
        # First what the file names: it never stands there without it.
        for name, content in kind.companions(line.lock, write).items():
            texts[path.with_name(name).as_posix()] = content
        texts[path.as_posix()] = text
        commands = kind.install_commands(line.lock, write._replace(filename=path.as_posix()))
        # The first is pip's: both tools for each line would be a page.
        installs += commands[:1]
    for name, text in texts.items():
        deliver(text, name)
    return installs


def _report(
    lined: LinedLock,
    installs: Sequence[InstallCommand],
    kind: Format,
    options: OutputOptions,
) -> None:
    from cudalock.cli.console import tell
    from cudalock.lock.summary import line_summary

    left_out = kind.all_hashes and options.hashes == "auto"
    for line in lined.lines:
        tell(line_summary(line.name, line.lock, without_hashes=left_out))
    for note in lined.notes:
        tell(f"note: {note}")
    for install in installs:
        tell(f"install: {install.command}")
    for remark in kind.remarks(write_options(options)):
        tell(f"note: {remark}")
    if options.verbose:
        tell(f"matrix: {lined.lines[0].lock.matrix_version}\ncommand: {lined.command}")
