"""Take a whole matrix from a site that publishes it: its files, checked by a list of their digests.

    SITE/api/v1/matrix/digests.json     the version, and sha256 and size of each file
    SITE/api/v1/matrix/files/NAME       the files, by their paths in the matrix

Only files that differ from those in use are requested. The list has a digest of itself, so that one
that was cut off is noticed; nothing is put in place before every file was checked and the matrix
was read. The list is not signed: whoever can write to the site can publish any matrix.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx

from cudalock.errors import BadFile, MatrixError, MatrixRefused, OutputError
from cudalock.files import HEADER, is_safe_name, read_limited, stays_inside
from cudalock.indexes.client import Web, status_of, unreachable
from cudalock.indexes.parallel import as_completed
from cudalock.lint import new_defects
from cudalock.matrix.matrix import Matrix
from cudalock.matrix.store import COMPILED, compile_tables, version_key
from cudalock.mirrors import NO_MIRRORS, Mirrors
from cudalock.text import read_json
from cudalock.update.files import GENERATED, curated_files, publish, stage_beside
from cudalock.update.report import Report
from cudalock.urls import without_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Progress = Callable[[str, int, int], None]

SCHEMA: Final = "cudalock.matrix-files/1"
PLACE: Final = "api/v1/matrix"
LIST: Final = "digests.json"
FILES: Final = "files"

# Ten times what a matrix of today has: 560 files of 15 MB, of which the largest has 2 MB.
MOST_FILES: Final = 5_000
LARGEST_LIST: Final = 4 << 20
LARGEST_FILE: Final = 32 << 20
LARGEST_MATRIX: Final = 160 << 20

AT_ONCE: Final = 8
SUFFIXES: Final = (".json", ".toml", ".md")
_VERSION: Final = re.compile(r"[0-9]{4}(?:\.[0-9]{1,9}){2,3}")


@dataclass(frozen=True, slots=True)
class SiteFile:
    """A file as the list has it."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class SiteListing:
    """What a site publishes."""

    version: str
    files: Mapping[str, SiteFile]


# -- what is published ----------------------------------------------------------------------------


def files_of(matrix: Matrix) -> dict[str, bytes]:
    """Return every file of a matrix by its path, with the line ends that digests are about."""
    paths = curated_files(matrix)
    for folder in GENERATED:
        names = {path.name for path in (matrix.directory / folder).glob("*.json")}
        if matrix.user_matrix is not None:
            names |= {
                name.rpartition("/")[2]
                for name in matrix.user_matrix.files
                if name.startswith(f"{folder}/")
            }
        paths |= {f"{folder}/{name}": matrix.file(f"{folder}/{name}") for name in names}
    return {name: _content(paths[name]) for name in sorted(paths) if name.endswith(SUFFIXES)}


def digest_list(version: str, contents: Mapping[str, bytes]) -> bytes:
    """Return the list of the files' digests."""
    files = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        for name, content in sorted(contents.items())
    }
    document = {
        "schema": SCHEMA,
        "matrix": version,
        "generated_at": f"{'-'.join(version.split('.')[:3])}T00:00:00Z",
        "sha256": _digest_of_list(version, files),
        "files": files,
    }
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode("ascii")


def _digest_of_list(version: str, files: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [f"{version}\n"]
    lines += [f"{row['sha256']} {row['size']} {name}\n" for name, row in sorted(files.items())]
    return hashlib.sha256("".join(lines).encode("utf-8")).hexdigest()


def _content(path: Path) -> bytes:
    # Git on Windows checks files out with CRLF.
    return path.read_bytes().replace(b"\r\n", b"\n")


# -- what is taken --------------------------------------------------------------------------------


def update_from(
    matrix: Matrix,
    site: str,
    *,
    output: Path | None = None,
    mirrors: Mirrors = NO_MIRRORS,
    progress: Progress = lambda source, done, total: None,
) -> Report:
    """Take the matrix of a site if it is newer than the one in use, and report that.

    `site` is its URL, or the path of a folder that is a copy of it. The result goes where that of
    `update` goes. Raises MatrixRefused for what is not as the list states, NetworkError, BadFile,
    OutputError.
    """
    is_folder = not site.startswith(("https://", "http://"))
    base = f"{site.rstrip('/')}/{PLACE}"
    base = base if is_folder else mirrors.url(base)
    if output is not None and output.exists() and not (output / HEADER).is_file():
        raise OutputError(f"`{output}` is not a matrix: it has no {HEADER}")
    with Web(offline=is_folder, stale=False, mirrors=mirrors) as web:
        listing = read_listing(
            _read(web, f"{base}/{LIST}", LARGEST_LIST), without_credentials(base)
        )
        is_new = output is not None and not output.exists()
        if not is_new and version_key(listing.version) <= version_key(matrix.version):
            note = f"the site has {listing.version}, which is not newer"
            return _report(matrix, matrix.version, str(output or matrix.directory), web, [note])
        with stage_beside(output) as scratch:
            stage = scratch / "matrix"
            taken = _fetch(web, base, listing, files_of(matrix), stage, progress)
            defects = _check(matrix, stage, listing)
            folder = publish(stage, matrix, output, listing.version, whole=True)
            note = f"{taken} of {len(listing.files)} files differ"
            report = _report(matrix, listing.version, folder, web, [note])
            return report._replace(defects=tuple(defects))


def read_listing(content: bytes, where: str) -> SiteListing:
    """Return a site's list. Raises MatrixRefused for one that cannot be trusted to be whole."""
    try:
        document = read_json(content)
        if document["schema"] != SCHEMA:
            raise MatrixRefused(
                f"{where} publishes a matrix in the form `{document['schema']}`, not {SCHEMA}",
                hints=["a newer cudalock may read it"],
            )
        version, files = document["matrix"], document["files"]
        if not _VERSION.fullmatch(version):
            raise ValueError("matrix")
        found = {
            name: SiteFile(str(row["sha256"]), int(row["size"])) for name, row in files.items()
        }
        digest = _digest_of_list(version, files)
        is_whole = digest == document["sha256"]
    except (ValueError, LookupError, TypeError, AttributeError):
        raise MatrixRefused(f"the list of files at {where} is damaged") from None
    if not is_whole or HEADER not in found:
        raise MatrixRefused(f"the list of files at {where} is not whole")
    if len(found) > MOST_FILES:
        raise MatrixRefused(f"the list at {where} has {len(found)} files, more than {MOST_FILES}")
    for name, row in found.items():
        if not _is_file_of_a_matrix(name):
            raise MatrixRefused(f"the list at {where} names `{name}`, which no matrix has")
        if not 0 <= row.size <= LARGEST_FILE:
            raise MatrixRefused(f"`{name}` at {where} is larger than {LARGEST_FILE >> 20} MiB")
    if sum(row.size for row in found.values()) > LARGEST_MATRIX:
        raise MatrixRefused(f"the matrix at {where} is larger than {LARGEST_MATRIX >> 20} MiB")
    return SiteListing(version, found)


def _is_file_of_a_matrix(name: str) -> bool:
    parts = name.split("/")
    is_plain = len(parts) <= 2 and all(map(is_safe_name, parts)) and stays_inside(name)
    return is_plain and name.endswith(SUFFIXES)


def _fetch(
    web: Web,
    base: str,
    listing: SiteListing,
    present: Mapping[str, bytes],
    stage: Path,
    progress: Progress,
) -> int:
    """Write every file of the list into the stage, and return how many had to be requested."""
    wanted: list[str] = []
    for name, row in listing.files.items():
        content = present.get(name)
        if content is not None and _is_listed(content, row):
            _write(stage / name, content)
        else:
            wanted.append(name)
    failures: list[BaseException] = []

    def read(name: str) -> bytes:
        # What is on its way has to end before the connections are closed; nothing more is begun.
        return b"" if failures else _read_listed(web, base, listing, name)

    for done, (number, outcome) in enumerate(as_completed(read, wanted, AT_ONCE), 1):
        failure = outcome.exception()
        if failure is not None:
            failures.append(failure)
        elif not failures:
            _write(stage / wanted[number], outcome.result())
            progress(wanted[number], done, len(wanted))
    for failure in failures:
        raise failure
    return len(wanted)


def _read_listed(web: Web, base: str, listing: SiteListing, name: str) -> bytes:
    row = listing.files[name]
    content = _read(web, f"{base}/{FILES}/{name}", row.size)
    if not _is_listed(content, row):
        actual = hashlib.sha256(content).hexdigest()
        raise MatrixRefused(
            f"`{name}` at {without_credentials(base)} is not what the list states: its sha256 is "
            f"{actual}, expected {row.sha256}",
            hints=["the site may be in the middle of an update: try again later"],
        )
    return content


def _is_listed(content: bytes, row: SiteFile) -> bool:
    return len(content) == row.size and hashlib.sha256(content).hexdigest() == row.sha256


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _read(web: Web, url: str, limit: int) -> bytes:
    """Return what is at a URL or path, of `limit` bytes at most. Raises MatrixRefused for more."""
    if not url.startswith(("https://", "http://")):
        return _read_file(url, limit)
    try:
        # Past the cache: what is in use already is not requested, and the list has to be fresh.
        with web.stream("GET", url, extensions={"download": True}) as response:
            if response.is_error:
                raise unreachable(url, status_of(response))
            parts, size = [], 0
            for part in response.iter_bytes():
                parts.append(part)
                size += len(part)
                if size > limit:
                    shown = without_credentials(url)
                    raise MatrixRefused(
                        f"{shown} is larger than the {limit} bytes that it may have"
                    )
            return b"".join(parts)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise unreachable(url, error) from None


def _read_file(path: str, limit: int) -> bytes:
    try:
        content = read_limited(path, limit)
    except OSError as error:
        raise BadFile(f"cannot read `{path}`: {error.strerror or error}") from None
    if len(content) > limit:
        raise MatrixRefused(f"`{path}` is larger than the {limit} bytes that it may have")
    return content


def _check(matrix: Matrix, stage: Path, listing: SiteListing) -> list[Any]:
    """Read the staged matrix, and return the defects that the one in use does not have."""
    try:
        # Not the site's copy: it counts for what the TOML files state, and is made from them.
        text = compile_tables(stage)
        (stage / COMPILED).write_text(text, encoding="utf-8", newline="\n")
        staged = Matrix.load(stage)
        if staged.version != listing.version:
            raise MatrixRefused(
                f"the list is of matrix {listing.version}, its files are of {staged.version}"
            )
        _ = staged.facts, staged.gpus, staged.toolkits, staged.names
    except (MatrixError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise MatrixRefused(
            f"this cudalock cannot read the site's matrix {listing.version}: {error}",
            hints=["a newer cudalock may read it"],
        ) from None
    return new_defects(matrix, staged, staged.projects)


def _report(matrix: Matrix, version: str, folder: str, web: Web, notes: list[str]) -> Report:
    return Report(
        was=matrix.version,
        version=version,
        folder=folder,
        asked=1,
        changes=(),
        notes=tuple(notes),
        failures=(),
        unread=(),
        defects=(),
        traffic=str(web.traffic),
    )


__all__ = ["FILES", "LIST", "PLACE", "SCHEMA", "digest_list", "files_of", "update_from"]
