"""The folders in which an environment keeps the CUDA libraries that pip installed.

NVIDIA's cuda-pathfinder finds and loads one library by its name, for the process and on the path in
which it runs. It cannot find the folders of another environment, for a shell and for programs that
the shell starts; its table of folders is what a test compares ours with.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cudalock.environment.layout import Layout
    from cudalock.matrix import facts
    from cudalock.matrix.matrix import Matrix


class LibraryFolders(NamedTuple):
    """Where libraries are, for one environment."""

    folders: tuple[Path, ...]
    """those of the CUDA runtime first, the others sorted; the first site-packages comes first"""
    root: Path | None
    """the folder that the CUDA runtime was installed in, with `bin` or `lib` below it"""


def find_libraries(layout: Layout, matrix: Matrix) -> LibraryFolders:
    """Return the library folders of an environment; none if pip installed no CUDA library."""
    where = matrix.libraries(layout.platform.partition("-")[0])
    if where is None:
        return LibraryFolders((), None)
    return look(layout.site_packages, where)


def look(site_packages: Iterable[Path], where: facts.Libraries) -> LibraryFolders:
    """Return the same below given folders."""
    folders: dict[Path, None] = {}
    roots = []
    for base in site_packages:
        root = _root(base, where)
        files = [
            folder
            for pattern in where.folders
            for folder in sorted(base.glob(pattern))
            if _holds(folder, where.files)
        ]
        folders.update(dict.fromkeys(_runtime_first(files, root)))
        roots += [root] if root else []
    return LibraryFolders(tuple(folders), roots[0] if roots else None)


def _runtime_first(folders: list[Path], root: Path | None) -> list[Path]:
    """Return the folders with the runtime's first, and otherwise in their order."""
    return sorted(folders, key=lambda folder: root is None or root not in folder.parents)


def _holds(folder: Path, patterns: tuple[str, ...]) -> bool:
    # pip leaves an empty folder, or one with a __pycache__, where a library was.
    return folder.is_dir() and any(
        fnmatchcase(file.name.lower(), pattern) for file in folder.iterdir() for pattern in patterns
    )


def _root(base: Path, where: facts.Libraries) -> Path | None:
    """Return two folders below site-packages: `nvidia/cuda_runtime`, `nvidia/cu13`."""
    for pattern in where.runtime:
        runtimes = sorted(base.glob(pattern))
        if runtimes:
            return base.joinpath(*runtimes[-1].relative_to(base).parts[:2])
    return None
