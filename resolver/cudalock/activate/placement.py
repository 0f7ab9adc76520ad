"""Files put where a package looks for them, with a record by which they are taken away again.

What is put where is data: the places of the matrix. The record lies beside the packages; what it
names and nobody changed since is what :func:`remove` takes away.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, NamedTuple
from zipfile import ZipFile

from cudalock.errors import BadFile, NothingFound, NotNeeded, OutputError, SourceMissing
from cudalock.files import read_member, read_small, stays_inside, write_atomically
from cudalock.text import read_json, read_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cudalock.environment import Inventory, Layout
    from cudalock.matrix.facts import FileCopy
    from cudalock.matrix.matrix import Matrix

RECORD: Final = "cudalock-placed.json"
SCHEMA: Final = "cudalock.placed/1"

_LARGEST: Final = 256 << 20
"""Bytes that are copied; the compiler of NVIDIA has a tenth of that."""

Content = dict[str, bytes]
"""Files below site-packages, by their path with slashes."""


class NeededPlace(NamedTuple):
    """A place that some package in `base`, a site-packages folder, needs."""

    base: Path
    place: FileCopy

    @property
    def is_there(self) -> bool:
        return (self.base / self.place.put).exists()


class Placed(NamedTuple):
    """The result: the files that are new, or gone; and those that were left as they are."""

    files: tuple[Path, ...]
    left: tuple[Path, ...] = ()


def find_wanted(layout: Layout, matrix: Matrix) -> list[NeededPlace]:
    """Return the places of an environment where a package needs files, whether they are there or
    not.

    Raises NotNeeded if the package that looks for them brings them along, NothingFound if there is
    no such package.
    """
    copies, brought = [], []
    for base in layout.site_packages:
        for place in matrix.file_copies:
            if not (base / place.beside).is_file():
                continue
            if place.unless and all((base / file).is_file() for file in place.unless):
                brought.append(base / place.unless[0])
            else:
                copies.append(NeededPlace(base, place))
    if brought and not copies:
        raise NotNeeded(
            f"nothing has to be put into `{layout.prefix}`: what is installed there brings its own,"
            f" `{brought[0]}`"
        )
    if not copies:
        looked = ", ".join(dict.fromkeys(f"`{place.beside}`" for place in matrix.file_copies))
        raise NothingFound(
            f"nothing has to be put into `{layout.prefix}`: no package there looks for such files"
            f" (it would have {looked})"
        )
    return copies


def install(
    copies: Iterable[NeededPlace],
    inventory: Inventory,
    matrix: Matrix,
    wheel: Callable[[FileCopy], Path],
) -> Placed:
    """Put what is not there. `wheel` gives the wheel of a place whose source no package has.

    Nothing is written before all sources are at hand. Raises SourceMissing and what `wheel`
    raises, OutputError where the folder cannot be written to.
    """
    copies = [copy for copy in copies if not copy.is_there]
    for copy in copies:
        _check_installed(copy.place, inventory, matrix)
    contents = [(copy.base, _content(copy, wheel)) for copy in copies]
    placed: list[Path] = []
    for base, content in contents:
        placed += _put(base, content)
    return Placed(tuple(placed))


def remove(layout: Layout) -> Placed:
    """Take away what was put, and the folders that were made for it and are empty now.

    A file that changed since is left. Raises NotNeeded where nothing was put.
    """
    records = [base / RECORD for base in layout.site_packages if (base / RECORD).is_file()]
    if not records:
        raise NotNeeded(f"cudalock has put nothing into `{layout.prefix}`")
    gone: list[Path] = []
    left: list[Path] = []
    for record in records:
        _take_away(record, gone, left)
    return Placed(tuple(gone), tuple(left))


# -- where it comes from ----------------------------------------------------------------------


def _check_installed(place: FileCopy, inventory: Inventory, matrix: Matrix) -> None:
    """The package that a place belongs to must be there: putting one file of it is not enough."""
    if inventory.find(place.project):
        return
    file = PurePosixPath(place.put).name
    raise SourceMissing(
        f"`{place.project}`, which has `{file}`, is not installed there",
        hints=[f'`python -m pip install "{_fitting(place.project, inventory, matrix)}"`'],
    )


def _fitting(project: str, inventory: Inventory, matrix: Matrix) -> str:
    """A requirement on the release of the CUDA that the environment's other parts are of."""
    parts = {other.project for other in matrix.file_copies} - {project}
    for part in sorted(parts):
        there = inventory.find(part)
        release = there.public.split(".")[:2] if there else []
        numbers = [number for number in map(read_number, release) if number is not None]
        if len(numbers) == 2:
            versions = matrix.toolkits.versions(project, tuple(numbers))
            if versions:
                return f"{project}=={versions[0]}"
    return project


def _content(copy: NeededPlace, wheel: Callable[[FileCopy], Path]) -> Content:
    """The files to be written, by where they go."""
    place = copy.place
    source = copy.base / place.source
    if source.exists():
        files = [source] if source.is_file() else sorted(_files_below(source))
        files_read = {file.relative_to(source).as_posix(): file.read_bytes() for file in files}
    else:
        files_read = _unpacked(wheel(place), place.source)
    return {
        place.put if name == "." else f"{place.put}/{name}": files_read[name] for name in files_read
    }


def _files_below(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _unpacked(wheel: Path, source: str) -> Content:
    """The files at or below `source` in a wheel, by the rest of their path."""
    try:
        with ZipFile(wheel) as archive:
            names = _names(archive, source)
            if sum(archive.getinfo(name).file_size for name in names) > _LARGEST:
                raise BadFile(f"the files of `{source}` in `{wheel}` are too large")
            return {
                str(PurePosixPath(name).relative_to(source)): read_member(
                    archive, archive.getinfo(name), _LARGEST
                )
                for name in names
            }
    except BadFile:
        raise
    except Exception as error:  # zipfile and the decompressors raise what they like
        raise BadFile(f"`{wheel}` cannot be read as a wheel: {error}") from None


def _names(archive: ZipFile, source: str) -> list[str]:
    names = [
        name
        for name in sorted(archive.namelist())
        if not name.endswith("/") and (name == source or name.startswith(f"{source}/"))
    ]
    if not names or not all(map(stays_inside, names)):
        raise BadFile(f"`{archive.filename}` has no `{source}`")
    return names


# -- writing and undoing ----------------------------------------------------------------------


class _Record(NamedTuple):
    """What was put below one folder: the files with their sha256, and the folders made for them."""

    files: dict[str, str]
    folders: list[str]

    @classmethod
    def read(cls, path: Path) -> _Record:
        try:
            document = read_json(read_small(path))
            record = cls(dict(document["files"]), list(document["folders"]))
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise BadFile(f"`{path}` cannot be read: {error}") from None
        if not all(stays_inside(str(name)) for name in (*record.files, *record.folders)):
            raise BadFile(f"`{path}` names files outside its folder")
        return record

    def write(self, path: Path) -> None:
        document = {"schema": SCHEMA, "files": self.files, "folders": self.folders}
        write_atomically(
            path, (json.dumps(document, indent=2, sort_keys=True) + "\n").encode("ascii")
        )


def _put(base: Path, content: Content) -> list[Path]:
    """Write the record, then the files: what is interrupted can be undone."""
    path = base / RECORD
    record = _Record.read(path) if path.is_file() else _Record({}, [])
    digests = {name: _digest(file_content) for name, file_content in content.items()}
    folders = {*record.folders, *_missing_folders(base, content)}
    try:
        _Record({**record.files, **digests}, sorted(folders)).write(path)
        for name, file_content in content.items():
            (base / name).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(base / name, file_content)
    except OSError as error:
        raise OutputError(f"cannot write into `{base}`: {error.strerror or error}") from None
    return [base / name for name in content]


def _missing_folders(base: Path, content: Content) -> set[str]:
    parents = {parent for name in content for parent in PurePosixPath(name).parents}
    return {str(parent) for parent in parents if not (base / parent).exists()}


def _take_away(path: Path, gone: list[Path], left: list[Path]) -> None:
    base, record = path.parent, _Record.read(path)
    try:
        for name, digest in sorted(record.files.items()):
            file = base / name
            if not file.is_file():
                continue
            if _digest(file.read_bytes()) == digest:
                file.unlink()
                gone.append(file)
            else:
                left.append(file)
        for name in sorted(record.folders, reverse=True):
            with suppress(OSError):  # it is gone, or somebody put something else there
                (base / name).rmdir()
        path.unlink()
    except OSError as error:
        raise OutputError(f"cannot write into `{base}`: {error.strerror or error}") from None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
