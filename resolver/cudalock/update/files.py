"""The files of the generated half: read as tables, a release a line, and put in place whole."""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cudalock.errors import OutputError
from cudalock.files import (
    HEADER,
    LARGEST_DATA,
    data_folder,
    read_small,
    read_text,
    replace_patiently,
    write_atomically,
)
from cudalock.matrix.matrix import Matrix
from cudalock.matrix.store import (
    COMPILED,
    CURRENT,
    MANIFEST,
    USER_FOLDER,
    USER_SCHEMA,
    checksum,
    compile_tables,
)
from cudalock.text import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

GENERATED: Final = ("index", "cuda")


class IndexFile(NamedTuple):
    """One file of index/ as tables."""

    project: str
    retrieved: str
    sources: tuple[str, ...]
    releases: dict[str, Any]
    older: tuple[str, ...] | None = None
    """the platforms that wheels of older releases are for; see `Coverage`"""
    gaps: bool = False
    """whether releases between the rows may have none; see `Coverage`"""

    def text(self) -> str:
        """Return the file's text: the same for the same rows."""
        # A release a line, so that a diff of two matrices shows which releases changed.
        lines = ",\n".join(
            f'"{version}": {json.dumps(table, separators=(",", ":"))}'
            for version, table in self.releases.items()
        )
        head = (
            f'"project": {json.dumps(self.project)},\n"retrieved": "{self.retrieved}",\n'
            f'"sources": {json.dumps(list(self.sources))}'
        )
        if self.older is not None:
            head += f',\n"older": {json.dumps(list(self.older))}'
        if self.gaps:
            head += ',\n"gaps": true'
        return f'{{\n{head},\n"releases": {{\n{lines}\n}}\n}}\n'


def read_index_file(matrix: Matrix, project: str) -> IndexFile | None:
    """Return the rows of a project; None if there is none. Raises MatrixError for a damaged
    file."""
    project_rows = matrix.project(project)
    if project_rows is None:
        return None
    table = read_json(read_text(matrix.file(f"index/{project}.json")))
    return IndexFile(
        project,
        project_rows.retrieved,
        project_rows.sources,
        table["releases"],
        project_rows.older,
        project_rows.gaps,
    )


def copy_matrix(matrix: Matrix, folder: Path) -> None:
    """Copy all files of a matrix, those of the user's update in their places."""
    folder.mkdir(parents=True)
    for name, source in curated_files(matrix).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / name)
    for name in GENERATED:
        (folder / name).mkdir(parents=True, exist_ok=True)
        paths = {path.name for path in (matrix.directory / name).glob("*.json")}
        if matrix.user_matrix:
            paths |= {
                path.rpartition("/")[2]
                for path in matrix.user_matrix.files
                if path.startswith(f"{name}/")
            }
        for file in sorted(paths):
            source = matrix.file(f"{name}/{file}")
            if source.is_file():
                shutil.copyfile(source, folder / name / file)


def curated_files(matrix: Matrix) -> dict[str, Path]:
    """Return where each file is that is not of the generated half, by its path in the matrix."""
    if matrix.user_matrix is not None and matrix.user_matrix.is_whole:
        names = [name for name in matrix.user_matrix.files if not _is_generated(name)]
        return {name: matrix.file(name) for name in sorted(names)}
    paths = sorted(path for path in matrix.directory.rglob("*") if path.is_file())
    names = [path.relative_to(matrix.directory).as_posix() for path in paths]
    return {
        name: path
        for name, path in zip(names, paths, strict=True)
        if not _is_generated(name) and not any(part.startswith(".") for part in name.split("/"))
    }


def _is_generated(name: str) -> bool:
    return name.partition("/")[0] in GENERATED


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write texts below a folder, by their paths in it."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # Line ends are part of the checksums, which have to be the same on Windows.
        path.write_text(text, encoding="utf-8", newline="\n")


def with_version(folder: Path, version: str) -> None:
    """Write the version into a whole matrix, and compile it again."""
    header = folder / HEADER
    lines = read_text(header).split("\n")
    # Only this line: the header is written by people, with comments.
    lines = [f'version = "{version}"' if line.startswith("version =") else line for line in lines]
    header.write_text("\n".join(lines), encoding="utf-8", newline="\n")
    (folder / COMPILED).write_text(compile_tables(folder), encoding="utf-8", newline="\n")


_STAGE: Final = ".cudalock-"
"""How the name of a scratch folder begins."""

_DAY: Final = 86_400.0


def _remove_abandoned(stage: Path) -> None:
    """Remove what killed updates left beside a new scratch folder: one of today may be in use."""
    now = stage.stat().st_mtime
    for folder in stage.parent.glob(f"{_STAGE}*"):
        with suppress(OSError):
            if folder.is_dir() and now - folder.lstat().st_mtime > _DAY:
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def stage_beside(output: Path | None) -> Iterator[Path]:
    """Make a scratch folder on the disk that the result goes to, and remove it afterwards.

    Raises OutputError, also for errors of the disk while it is in use.
    """
    # Renaming a folder works within one disk only, and the temporary folder may be on another.
    place = output.absolute().parent if output is not None else data_folder() / USER_FOLDER
    try:
        place.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=_STAGE, dir=place))
        _remove_abandoned(stage)
    except OSError as error:
        raise OutputError(f"cannot write `{place}`: {error.strerror or error}") from None
    try:
        yield stage
    except OSError as error:
        raise OutputError(f"cannot write `{stage}`: {error.strerror or error}") from None
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def publish(
    stage: Path, matrix: Matrix, output: Path | None, version: str, *, whole: bool = False
) -> str:
    """Write the version into a staged matrix and put it in place; return where it is.

    `whole` says that the curated half is for the user as well. Raises OutputError, also if another
    update was put there since `matrix` was read: its rows would be lost.
    """
    if output is None or output.exists():
        now = Matrix.load(output, warn=lambda damage: None)
        if now.version != matrix.version:
            raise OutputError(
                f"another update was faster, {now.version} is there now; nothing is written",
                hints=["the same command again: most of what was asked is in the cache"],
            )
    with_version(stage, version)
    if output is not None:
        put_in_place(stage, output)
        return str(output)
    return str(install_user_matrix(stage, matrix, version, data_folder(), whole=whole))


def put_in_place(stage: Path, target: Path) -> None:
    """Make `target` the same as `stage`. A new folder appears whole, by one renaming.

    In a folder that exists, a checkout say, each file that differs is replaced whole, the header
    first: after an interruption the next update finds rows that changed, and gives them a version
    of their own. Nothing else there is touched. Raises OutputError.
    """
    try:
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            replace_patiently(stage, target)
            return
        names = sorted(
            (path.relative_to(stage) for path in stage.rglob("*") if path.is_file()),
            key=lambda name: (
                name.as_posix() != HEADER,
                name.parts[0] in GENERATED,
                name.as_posix(),
            ),
        )
        for name in names:
            _replace(stage / name, target / name)
    except OSError as error:
        raise OutputError(f"cannot write `{target}`: {error.strerror or error}") from None


def _replace(source: Path, target: Path) -> None:
    content = read_small(source, LARGEST_DATA)
    with suppress(OSError):
        # Git on Windows checks files out with CRLF.
        if read_small(target, LARGEST_DATA).replace(b"\r\n", b"\n") == content:
            return
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, content)


def install_user_matrix(
    stage: Path, matrix: Matrix, version: str, data: Path, *, whole: bool = False
) -> Path:
    """Install the generated half of a staged matrix over the embedded one, for this user; the whole
    of it if `whole` is set, or the one in use is whole.

    Of the generated half only files that differ from the embedded ones are kept. The folder is made
    beside its place, and its name is written last, by one renaming: an interruption before leaves
    the old one in use. Raises OutputError.
    """
    root = data / USER_FOLDER
    new_folder, folder = stage.parent / "refreshed", root / version
    whole = whole or (matrix.user_matrix is not None and matrix.user_matrix.is_whole)
    files: dict[str, str] = {}
    try:
        for path in sorted(path for path in stage.rglob("*") if path.is_file()):
            name = path.relative_to(stage).as_posix()
            is_generated = _is_generated(name)
            if not is_generated and not whole:
                continue
            content = read_small(path, LARGEST_DATA)
            if not is_generated or not _is_embedded(matrix.directory / name, content):
                (new_folder / name).parent.mkdir(parents=True, exist_ok=True)
                (new_folder / name).write_bytes(content)
                files[name] = checksum(content)
        new_folder.mkdir(parents=True, exist_ok=True)
        manifest = {
            "schema": USER_SCHEMA,
            "version": version,
            "base": matrix.embedded_version,
            "files": files,
        }
        (new_folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="ascii")
        shutil.rmtree(folder, ignore_errors=True)
        replace_patiently(new_folder, folder)
        write_atomically(root / CURRENT, version.encode("ascii"))
    except OSError as error:
        raise OutputError(f"cannot write `{folder}`: {error.strerror or error}") from None
    _clean(root, keep=version)
    return folder


def drop_user_matrix(data: Path) -> None:
    """Remove a user's update: it is damaged, or older than the embedded matrix."""
    root = data / USER_FOLDER
    with suppress(OSError):
        # The name first: without it the folders are not in use.
        (root / CURRENT).unlink(missing_ok=True)
        _clean(root)


def _clean(root: Path, keep: str | None = None) -> None:
    """Remove other versions; a hidden folder belongs to another update in progress."""
    for other in root.iterdir():
        if other.is_dir() and other.name != keep and not other.name.startswith("."):
            shutil.rmtree(other, ignore_errors=True)


def _is_embedded(path: Path, content: bytes) -> bool:
    try:
        return read_small(path, LARGEST_DATA).replace(b"\r\n", b"\n") == content.replace(
            b"\r\n", b"\n"
        )
    except OSError:
        return False


__all__ = [
    "IndexFile",
    "copy_matrix",
    "curated_files",
    "drop_user_matrix",
    "publish",
    "read_index_file",
    "stage_beside",
    "write_files",
]
