"""`cudalock fetch`: download the wheels of a lock and check them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from cudalock.cli import CONTEXT, index_map_option
from cudalock.cli.completing import completed
from cudalock.cli.help import SectionedCommand
from cudalock.cli.options import read_index_map
from cudalock.cli.settings import ProjectSettings
from cudalock.files import distribution_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.indexes.package_index import PackageIndexes
    from cudalock.projects.locks.locked_wheels import LockedWheels, WheelToFetch

SCHEMA: Final = "cudalock.fetch/1"


@click.command(
    cls=SectionedCommand,
    short_help="Download the wheels of a lock.",
    context_settings=CONTEXT,
    examples=(("cudalock fetch requirements.txt -d wheels", "download what a lock names"),),
)
@click.argument("lock", metavar="LOCK", shell_complete=completed("file"))
@click.option("-d", "--dir", "folder", metavar="DIR", required=True, help="Folder for the wheels.")
@click.option("--index-url", metavar="URL", help="Package index to use.")
@click.option("--extra-index-url", metavar="URL", multiple=True, help="Another index. Repeatable.")
@index_map_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Print no progress and no summary.")
def fetch(
    lock: str,
    folder: str,
    index_url: str | None,
    extra_index_url: tuple[str, ...],
    index_map: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> None:
    """Download every wheel of LOCK into DIR, for machines without a network.

    LOCK is a requirements.txt or pylock.toml written by `cudalock solve`, with or without
    `--wheels DIR`. Complete files are kept, interrupted downloads are resumed, and each file is
    checked against its hash. Prints `SHA256  FILE` for each; a hash that LOCK lacks is computed.

    Exit status: 0 all wheels are in DIR; 1 a file does not match its hash; 2 invalid LOCK;
    3 network error.
    """
    from cudalock.cli.console import emit, progress, tell
    from cudalock.indexes.client import Web
    from cudalock.indexes.downloads import download
    from cudalock.indexes.package_index import PackageIndexes
    from cudalock.projects.locks.locked_wheels import read
    from cudalock.text import counted, json_text, shell_command

    locked = read(Path(lock))
    mirrors = read_index_map(index_map or ProjectSettings.find().index_map, None)
    indexes = PackageIndexes(
        index_url or locked.index_url,
        (*extra_index_url, *locked.extra_index_urls),
        mirrors=mirrors,
    )
    wheels = []
    with indexes, Web(mirrors=mirrors) as web, progress(quiet=quiet) as advance:
        for file, url, sha256 in _all_locations(locked, indexes, Path(folder)):
            target = Path(folder) / file
            digest = (
                download(web, mirrors.url(url), target, sha256, progress=advance) if url else sha256
            )
            wheels.append({"file": file, "path": target.as_posix(), "sha256": digest})
    if as_json:
        emit(json_text({"schema": SCHEMA, "wheels": wheels}))
    else:
        emit("".join(f"{wheel['sha256']}  {wheel['path']}\n" for wheel in wheels))
    if not quiet:
        tell(f"{counted(len(wheels), 'wheel')} {'is' if len(wheels) == 1 else 'are'} in {folder}")
        if all(wheel.file is None for wheel in locked.wheels):
            # A lock that names files or URLs is installed as it says itself.
            words = ["pip", "install", "--no-index", "--find-links", folder, "-r", lock]
            tell(f"install without a network: {shell_command(words)}")


class _Location(NamedTuple):
    """A wheel's file, URL and digest; without a URL it is in the folder and has the digest."""

    file: str
    url: str | None
    sha256: str | None


def _all_locations(
    locked: LockedWheels, indexes: PackageIndexes, folder: Path
) -> Iterator[_Location]:
    """Yield where each wheel is, looked up if the lock has no URL."""
    # Before anything is downloaded: one such name and the lock is not what it seems.
    for wheel in locked.wheels:
        if wheel.file is not None:
            distribution_name(wheel.file, "the lock")
    indexes.prepare(wheel.project for wheel in locked.wheels if wheel.file is None)
    files = set()
    for wheel in locked.wheels:
        for file, url, sha256 in _locations(wheel, indexes, folder):
            # Two targets of a lock may take the same wheel.
            if file not in files:
                files.add(file)
                yield _Location(file, url, sha256)


def _locations(wheel: WheelToFetch, indexes: PackageIndexes, folder: Path) -> Iterator[_Location]:
    if wheel.file is None:
        for file, address in indexes.by_digest(wheel.project, wheel.digests):
            name = distribution_name(file, "the index")
            yield _Location(name, address.url, address.sha256)
        return
    sha256 = next(iter(wheel.digests), None)
    if wheel.url is not None or _is_there(folder / wheel.file, sha256):
        yield _Location(wheel.file, wheel.url, sha256)
    else:
        address = indexes.find(wheel.project, wheel.file, sha256)
        yield _Location(wheel.file, address.url, address.sha256)


def _is_there(file: Path, sha256: str | None) -> bool:
    from cudalock.indexes.downloads import digest_of

    return sha256 is not None and file.is_file() and digest_of(file) == sha256
