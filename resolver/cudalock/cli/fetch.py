"""`cudalock fetch`: the wheels of a lock, brought into a folder and checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from cudalock.cli import CONTEXT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.indexes.package_index import PackageIndexes
    from cudalock.projects.locks.locked_wheels import LockedWheels, Wanted


@click.command(short_help="The wheels of a lock, checked.", context_settings=CONTEXT)
@click.argument("lock", metavar="LOCK")
@click.option("-d", "--dir", "folder", metavar="DIR", required=True, help="Where to put them.")
@click.option("--index-url", metavar="URL", help="The package index to ask.")
@click.option("--extra-index-url", metavar="URL", multiple=True, help="Another index to ask.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, no summary.")
def fetch(
    lock: str, folder: str, index_url: str | None, extra_index_url: tuple[str, ...], quiet: bool
) -> None:
    """Bring every wheel of LOCK into DIR, for machines without a network.

    LOCK is a requirements.txt or pylock.toml written by `cudalock solve`, with `--wheels DIR` or
    without. What is there and right is kept, what was begun is resumed, and each file is checked
    against its hash. Prints `SHA256  FILE` for each, computed where the lock has no hash.

    Exit status: 0 all are there; 1 a file is not the lock's; 2 LOCK cannot be used; 3 the network
    failed.
    """
    from cudalock.cli.console import emit, progress, tell
    from cudalock.indexes.client import Web
    from cudalock.indexes.downloads import download
    from cudalock.indexes.package_index import PackageIndexes
    from cudalock.projects.locks.locked_wheels import read

    locked = read(Path(lock))
    indexes = PackageIndexes(
        index_url or locked.index_url, (*extra_index_url, *locked.extra_index_urls)
    )
    lines = []
    with indexes, Web() as web, progress(quiet=quiet) as advance:
        for file, url, sha256 in _places(locked, indexes, Path(folder)):
            target = Path(folder) / file
            digest = download(web, url, target, sha256, progress=advance) if url else sha256
            lines.append(f"{digest}  {target.as_posix()}\n")
    emit("".join(lines))
    if not quiet:
        tell(f"{len(lines)} wheels are in {folder}")


class _Place(NamedTuple):
    """A wheel's file, address and digest. One without an address is there and has the digest."""

    file: str
    url: str | None
    sha256: str | None


def _places(locked: LockedWheels, indexes: PackageIndexes, folder: Path) -> Iterator[_Place]:
    """Where each wheel is, looked up where the lock has no address."""
    indexes.prepare(wanted.project for wanted in locked.wheels if wanted.file is None)
    seen = set()
    for wanted in locked.wheels:
        for file, url, sha256 in _found(wanted, indexes, folder):
            if file not in seen:
                seen.add(file)
                yield _Place(file, url, sha256)


def _found(wanted: Wanted, indexes: PackageIndexes, folder: Path) -> Iterator[_Place]:
    if wanted.file is None:
        for file, address in indexes.by_digest(wanted.project, wanted.digests):
            yield _Place(file, address.url, address.sha256)
        return
    sha256 = next(iter(wanted.digests), None)
    if wanted.url is not None or _is_there(folder / wanted.file, sha256):
        yield _Place(wanted.file, wanted.url, sha256)
    else:
        address = indexes.find(wanted.project, wanted.file, sha256)
        yield _Place(wanted.file, address.url, address.sha256)


def _is_there(file: Path, sha256: str | None) -> bool:
    from cudalock.indexes.downloads import digest_of

    return sha256 is not None and file.is_file() and digest_of(file) == sha256
