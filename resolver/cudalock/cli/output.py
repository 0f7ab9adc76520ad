"""From queries to a lock that is written: what the commands that make a lock share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cudalock.errors import Contradiction, CudalockError, NetworkError, OutputError
from cudalock.files import relative
from cudalock.formats import Format, WriteOptions, load_format
from cudalock.text import NamesNote, counted, shell_word

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cudalock.cli.options import OutputOptions
    from cudalock.lock import FileUrl, Lock
    from cudalock.matrix.matrix import Matrix
    from cudalock.mirrors import Mirrors


def check_destination(options: OutputOptions) -> None:
    """Raise OutputError if the lock would replace a file that cudalock did not write.

    Asked before the search, which may take a while.
    """
    if options.output is None or options.force:
        return
    path, kind = Path(options.output), load_format(options.format)
    _check_companions(path, kind)
    if kind.edits_file or (kind.made_from and path.with_name(kind.made_from).is_file()):
        return
    from cudalock.projects.locks.own import may_be_replaced

    try:
        replaceable = may_be_replaced(path)
    except (OSError, ValueError) as error:
        raise OutputError(f"cannot read `{options.output}`: {error}") from None
    if not replaceable:
        other = path.with_name(kind.beside(path.name)) if kind.beside else None
        raise OutputError(
            f"`{options.output}` exists, and cudalock did not write it",
            hints=[
                "`--force` overwrites it",
                *([f"-o {shell_word(other.as_posix())}"] if other else []),
            ],
        )


def _check_companions(path: Path, kind: Format) -> None:
    """Raise OutputError if a file beside the lock would be replaced that cudalock did not write."""
    from cudalock.projects.locks.own import may_be_replaced

    for name in kind.companion_names(path.name):
        beside = path.with_name(name)
        try:
            replaceable = may_be_replaced(beside)
        except (OSError, ValueError) as error:
            raise OutputError(f"cannot read `{beside}`: {error}") from None
        if not replaceable:
            raise OutputError(
                f"`{beside}` belongs to `{path}`, and cudalock did not write it",
                hints=["`--force` overwrites it"],
            )


def write_lock(lock: Lock, options: OutputOptions) -> None:
    """Write the lock where the options say, and a summary to standard error.

    Raises HashesMissing, NetworkError and OutputError; then nothing was written.
    """
    if options.find_links or options.overlays:
        from cudalock.indexes.digests import with_local_hashes

        lock = with_local_hashes(lock)
    if options.fetch_hashes:
        lock = with_fetched_hashes(lock, options)
    kind = load_format(options.format)
    write = prepared_options(options, lock, kind)
    text = kind.render(lock, write)
    # First what the file names: it never stands there without it.
    for name, content in kind.companions(lock, write).items() if options.output else ():
        deliver(content, str(Path(options.output or "").with_name(name)))
    deliver(text, options.output)
    if not options.quiet:
        _report(lock, write, kind, options)


def with_fetched_hashes(lock: Lock, options: OutputOptions) -> Lock:
    """Return the lock with hashes that are looked up or computed. Raises NetworkError."""
    if options.offline:
        raise Contradiction("`--fetch-hashes` cannot be combined with `--offline`")
    from cudalock.cli.console import progress
    from cudalock.indexes.digests import with_hashes

    folder = Path(options.wheels) if options.wheels else None
    with progress(quiet=options.quiet) as advance:
        return with_hashes(lock, keep=folder, progress=advance, mirrors=options.mirrors)


def write_options(options: OutputOptions) -> WriteOptions:
    """Return what the command line says about writing a lock."""
    output = Path(options.output) if options.output else None
    return WriteOptions(
        hashes=options.hashes,
        index_url=options.index_url,
        extra_index_urls=options.extra_index_urls,
        filename=output.name if output else None,
        urls=options.urls,
        folder=output.parent if output else None,
        offline=options.offline,
        installer=options.installer,
    )


def prepared_options(options: OutputOptions, lock: Lock, kind: Format) -> WriteOptions:
    """Return the same for one lock, with the URLs that its format needs. Raises NetworkError."""
    write = write_options(options)
    if kind.needs_matrix:
        write = write._replace(matrix=_matrix(options))
    # Before URLs are looked up, which takes the network.
    if write.filename:
        kind.check_name(write.filename)
    if options.wheels:
        return write._replace(wheels=folder_of_wheels(options, kind))
    if kind.needs_urls:
        return write._replace(addresses=addresses_of(lock, write, options.mirrors))
    return write


def _matrix(options: OutputOptions) -> Matrix:
    from cudalock.cli.universe import load_matrix, with_overlays

    return with_overlays(load_matrix(options.matrix, options.mirrors), options)


def folder_of_wheels(options: OutputOptions, kind: Format) -> str:
    """Return the folder of wheels as installers see it: from where they run, or from the file."""
    path = Path(options.wheels or "")
    output = Path(options.output) if options.output else None
    if kind.paths_from_file and output and not path.is_absolute():
        path = Path(relative(path, output.parent))
    return path.as_posix()


def addresses_of(lock: Lock, write: WriteOptions, mirrors: Mirrors) -> Mapping[str, FileUrl]:
    """Return the URLs of the wheels that the matrix has none for, by file. Raises NetworkError."""
    from cudalock.lock.wheels import wheels_without_url

    missing = len(wheels_without_url(lock))
    if not missing:
        return {}
    from cudalock.indexes.package_index import find_addresses

    try:
        return find_addresses(
            lock,
            write.index_url,
            write.extra_index_urls,
            offline=write.offline,
            mirrors=mirrors,
        )
    except NetworkError:
        if not write.offline:
            raise
    raise NetworkError(
        f"{missing} wheels have no URL in the matrix, and `--offline` forbids a lookup",
        hints=[
            "`--format requirements` or `--wheels DIR`, which need no URLs",
            "run it once without `--offline`: index pages are cached",
        ],
    )


def deliver(text: str, output: str | None) -> None:
    """Write a file, or standard output."""
    from cudalock.cli.console import emit, write_text

    if output:
        write_text(output, text)
    else:
        emit(text)


def _install_line(commands: Mapping[str, str], needed: str, pip: str | None) -> str:
    """Return how to install a file that older pips cannot read; `pip` is the one that is there."""
    from cudalock.versions import parse_version

    if pip is None:
        return f"{commands['pip']} (pip {needed} or newer), or {commands['uv']}"
    if parse_version(pip) < parse_version(needed):
        return f"{commands['uv']} (this environment's pip {pip} cannot: it takes pip {needed})"
    return commands["pip"]


def _pip_there(lock: Lock, options: OutputOptions) -> str | None:
    """Return the version of pip where the lock will be installed; None if that is not known."""
    if options.environment is None:
        return None
    from cudalock.environment import find_layout
    from cudalock.environment.installer import pip_version
    from cudalock.targets.pythons import minor_pair

    try:
        layout = find_layout(Path(options.environment))
    except CudalockError:
        return None
    there = layout.target
    is_meant = any(
        target.platform == there.platform and minor_pair(target.python) == minor_pair(there.python)
        for target in lock.targets
    )
    return pip_version(layout) if is_meant else None


def _download_text(lock: Lock, write: WriteOptions, *, verbose: bool) -> str | None:
    """Return how much there is to download for one target; None where that is not known.

    Of some files the size is in the matrix, and an index page has it for all. A part of it says
    little, and is told with `verbose` only.
    """
    from cudalock.lock.wheels import targets_of, wheel_for
    from cudalock.text import bytes_text

    wheels = [
        wheel_for(pin, lock.target) for pin in lock.pins if lock.target in targets_of(pin, lock)
    ]
    sizes = [
        address.size if (address := write.addresses.get(wheel.file)) is not None else wheel.size
        for wheel in wheels
    ]
    # Nothing is added for a file of unknown size: a guess would pass for the whole.
    known = [size for size in sizes if size is not None]
    if not known or (len(known) < len(sizes) and not verbose):
        return None
    where = f" on {lock.target.platform_label}" if lock.others else ""
    if len(known) < len(sizes):
        files = counted(len(sizes), "file")
        return (
            f"at least {bytes_text(sum(known))}{where}: {len(known)} of {files} have a known size"
        )
    return f"{bytes_text(sum(known))} in {counted(len(sizes), 'file')}{where}"


def _mirror_remarks(lock: Lock, options: OutputOptions) -> Iterator[str]:
    """What a closed network has to know: a mirror that the lock does not use, and what is left."""
    from cudalock.lock.wheels import targets_of, wheel_for
    from cudalock.matrix.releases import PACKAGE_INDEX
    from cudalock.mirrors import FLAG

    if not options.mirrors:
        return
    wheels = [wheel_for(pin, target) for pin in lock.pins for target in targets_of(pin, lock)]
    urls = [wheel.url for wheel in wheels if wheel.url]
    urls += [index.url for index in lock.indexes if index.url]
    urls += [options.index_url] if options.index_url else []
    for mirror in options.mirrors.mirrors:
        # An index is named without the slash that every original and mirror ends with.
        if not any(f"{url}/".startswith(mirror.replacement) for url in urls):
            yield f"nothing in this lock is from {mirror.name}, whose mirror is stated"
    left = len({wheel.file for wheel in wheels if wheel.index == PACKAGE_INDEX})
    if left and options.index_url is None:
        yield (
            f"the package index has no mirror, and this lock takes {counted(left, 'file')} from"
            f" it: `{FLAG} {PACKAGE_INDEX}=URL` names one"
        )


def _report(lock: Lock, write: WriteOptions, kind: Format, options: OutputOptions) -> None:
    from cudalock.cli.activity import elapsed
    from cudalock.cli.console import is_interactive, tell
    from cudalock.lock.summary import summary

    # The file's own header names it without a folder; here the command has to work as it is.
    path = Path(options.output).as_posix() if options.output else None
    shown = kind.install_commands(lock, write._replace(filename=path))
    commands = {known.tool: known.command for known in shown}
    install = commands.get("pip", next(iter(commands.values()), None))
    if kind.pip_needed and len(commands) > 1:
        install = _install_line(commands, kind.pip_needed, _pip_there(lock, options))
    if install is not None and path is None:
        install = f"save the lock with `-o {kind.filename}`, then {install}"
    left_out = kind.all_hashes and options.hashes == "auto"
    text = summary(
        lock,
        install=install,
        download=_download_text(lock, write, verbose=options.verbose),
        without_hashes=left_out,
        verbose=options.verbose,
    )
    tell(text)
    for remark in (*kind.remarks(write), *_mirror_remarks(lock, options)):
        tell(f"note: {remark}")
    if is_interactive():
        looked_up = sum(
            len(note.names)
            for note in lock.notes
            if isinstance(note, NamesNote) and not note.is_warning
        )
        where = f" ({looked_up} from the index)" if looked_up else ""
        tell(f"resolved {counted(len(lock.pins), 'package')} in {elapsed():.1f} s{where}")
    if options.verbose:
        tell(f"matrix: {lock.matrix_version}\ncommand: {lock.command}")
