"""From questions to a lock that is delivered: what the commands that write a lock share."""

from __future__ import annotations

from dataclasses import replace
from os.path import relpath
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cudalock.cli.universe import matrix_option
from cudalock.errors import Contradiction, NetworkError, UsageError
from cudalock.text import shell_word
from cudalock.urls import without_credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    from cudalock.formats import Format, Options
    from cudalock.goals import Query
    from cudalock.lock import FileUrl, Lock
    from cudalock.matrix.universe import Universe

FORMATS = ("requirements", "pylock", "uv", "uv-lock", "constraints", "json")
HASHES = ("auto", "require", "off")

_Command = TypeVar("_Command", bound="Callable[..., Any]")

_OUTPUT_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--format", type=click.Choice(FORMATS), help="requirements unless -o names another; see -o."
    ),
    click.option("--json", is_flag=True, help="The same as --format json."),
    click.option("-o", "--output", metavar="FILE", help="Write there and not to standard output."),
    click.option(
        "--hashes", type=click.Choice(HASHES), help="auto (all or none), unless another is said."
    ),
    click.option(
        "--fetch-hashes", is_flag=True, help="Ask, or stream a wheel, for a missing hash."
    ),
    click.option("--index-url", metavar="URL", help="The package index to name in the lock."),
    click.option("--extra-index-url", metavar="URL", multiple=True, help="Another index to name."),
    click.option("--urls", is_flag=True, help="Other indexes' wheels by address: no extra index."),
    click.option("--wheels", metavar="DIR", help="Paths into DIR, for machines without a network."),
    click.option("--offline", is_flag=True, help="Never use the network; kept listings serve."),
    click.option("--live", is_flag=True, help="Ask the index for releases newer than the matrix."),
    matrix_option,
    click.option("-q", "--quiet", is_flag=True, help="No summary."),
    click.option("-v", "--verbose", is_flag=True, help="Also say what was solved, and for what."),
)


def output_options(command: _Command) -> _Command:
    """Adds every option that says how the lock is written, `--matrix`, `-q` and `-v`."""
    for option in reversed(_OUTPUT_OPTIONS):
        command = option(command)
    return command


def finish(lock: Lock, chosen: Format, options: dict[str, Any]) -> None:
    """Write the lock, in a format, where the options say, and sum it up on standard error.

    Raises HashesMissing, NetworkError and OutputError; then nothing was written.
    """
    if options["fetch_hashes"]:
        lock = _with_hashes(lock, options)
    write = _write_options(options, lock, chosen)
    text = _text(chosen, lock, write)
    _deliver(text, options["output"])
    if not options["quiet"]:
        _report(lock, write, options, chosen)


def choose_format(given: dict[str, Any], defaults: dict[str, Any], output: str | None) -> Format:
    """What a flag says, else the output file's name, else the repository's default."""
    from cudalock.formats import FORMATS as WRITERS
    from cudalock.formats import format_for

    if given["json"] and given["format"] not in (None, "json"):
        raise Contradiction(f"`--json` and `--format {given['format']}` exclude each other")
    said = "json" if given["json"] else given["format"]
    if said is None and output:
        named = format_for(output)
        if named is None and "format" not in defaults:
            raise UsageError(
                f"`{output}` does not say in which format it is meant",
                hints=["`--format requirements`, or a name as requirements.txt or pylock.toml"],
            )
        said = named.name if named else None
    default = "json" if defaults.get("json") else defaults.get("format", "requirements")
    return WRITERS[said or default]


def flags_of(options: dict[str, Any]) -> str:
    """The words, each after a space, that the command which makes a lock again has for these."""
    command = ""
    if options["hashes"] not in (None, "auto"):
        command += f" --hashes {options['hashes']}"
    if options["fetch_hashes"]:
        command += " --fetch-hashes"
    if options["urls"]:
        command += " --urls"
    if options["live"]:
        command += " --live"
    indexes = [("--index-url", url) for url in (options["index_url"],) if url]
    indexes += [("--extra-index-url", url) for url in options["extra_index_url"]]
    for flag, url in indexes:
        command += f" {flag} {shell_word(without_credentials(url))}"
    if options["wheels"]:
        command += f" --wheels {shell_word(Path(options['wheels']).as_posix())}"
    return command


def make_lock(questions: tuple[Query, ...], universe: Universe, command: str) -> Lock:
    """The lock that answers the questions, one a target; `command` is the one to make it again.

    Raises NoSolution and GaveUp, and NetworkError from a live view of the matrix.
    """
    lock = _lock(questions, universe, command)
    notes = universe.notes((pin.name, pin.version) for pin in lock.pins)
    return replace(lock, notes=(*lock.notes, *notes))


def _lock(questions: tuple[Query, ...], universe: Universe, command: str) -> Lock:
    if len(questions) == 1:
        from cudalock.lock.build import from_resolution
        from cudalock.solving import solve

        return from_resolution(solve(*questions[0], universe), command=command)
    from cudalock.lock.merge import from_resolutions
    from cudalock.solving import solve_all

    joint = solve_all(questions, universe)
    return from_resolutions(joint.resolutions, command, joint.notes)


def _with_hashes(lock: Lock, options: dict[str, Any]) -> Lock:
    if options["offline"]:
        raise Contradiction("`--fetch-hashes` and `--offline` exclude each other")
    from cudalock.cli.console import progress
    from cudalock.indexes.digests import with_hashes

    keep = Path(options["wheels"]) if options["wheels"] else None
    with progress(quiet=options["quiet"]) as advance:
        return with_hashes(lock, keep=keep, progress=advance)


def _write_options(options: dict[str, Any], lock: Lock, chosen: Format) -> Options:
    from cudalock.formats import Options

    output = options["output"] if options["output"] != "-" else None
    write = Options(
        hashes=options["hashes"] or "auto",
        index_url=options["index_url"],
        extra_index_urls=tuple(options["extra_index_url"]),
        filename=Path(output).name if output else None,
        urls=bool(options["urls"]),
        folder=Path(output).parent if output else None,
        offline=bool(options["offline"]),
    )
    if chosen.check_name is not None and write.filename:
        chosen.check_name(write.filename)
    if options["wheels"]:
        return write._replace(wheels=_folder(options["wheels"], output, chosen))
    if chosen.needs_addresses:
        addresses = _addresses(lock, write, offline=options["offline"])
        return write._replace(addresses=addresses)
    return write


def _folder(wheels: str, output: str | None, chosen: Format) -> str:
    """The folder of wheels as installers see it: from where they run, or from the file."""
    path = Path(wheels)
    if chosen.seen_from_itself and output and not path.is_absolute():
        path = Path(relpath(path, Path(output).parent))
    return path.as_posix()


def _addresses(lock: Lock, write: Options, *, offline: bool) -> dict[str, FileUrl]:
    from cudalock.lock.wheels import wheels_without_url

    missing = len(wheels_without_url(lock))
    if not missing:
        return {}
    from cudalock.indexes.package_index import find_addresses

    try:
        return find_addresses(lock, write.index_url, write.extra_index_urls, offline=offline)
    except NetworkError:
        if not offline:
            raise
    raise NetworkError(
        f"{missing} wheels are on the package index, whose addresses have to be looked up, "
        "and `--offline` forbids it",
        hints=[
            "`--format requirements`, or `--wheels DIR`, which need no addresses",
            "once without `--offline`: the listings are kept",
        ],
    )


def _text(chosen: Format, lock: Lock, write: Options) -> str:
    """The file's text; one that exists is edited where the format can."""
    if chosen.edit is not None and write.folder is not None and write.filename is not None:
        from cudalock.formats.uv.project import read_existing

        existing = read_existing(write.folder / write.filename)
        if existing is not None:
            return chosen.edit(existing, lock, write)
    return chosen.render(lock, write)


def _deliver(text: str, output: str | None) -> None:
    from cudalock.cli.console import emit, write_text

    if output and output != "-":
        write_text(output, text)
    else:
        emit(text)


def _report(lock: Lock, write: Options, options: dict[str, Any], chosen: Format) -> None:
    from cudalock.cli.console import summary, tell

    commands = dict(chosen.commands(lock, write))
    install = commands.get("pip", commands.get("uv"))
    tell(summary(lock, install=install))
    for remark in chosen.remarks(write):
        tell(f"note: {remark}")
    if options["verbose"]:
        tell(f"matrix: {lock.matrix_version}\ncommand: {lock.command}")
