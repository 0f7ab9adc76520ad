"""The matrix's own files, and the list of their digests by which they are checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.update.from_site import FILES, digest_list, files_of

if TYPE_CHECKING:
    from cudalock.matrix.matrix import Matrix


def matrix_files(matrix: Matrix) -> dict[str, bytes]:
    """Return the files that `cudalock matrix update --from` reads, by their paths."""
    contents = files_of(matrix)
    return {
        "matrix/digests.json": digest_list(matrix.version, contents),
        **{f"matrix/{FILES}/{name}": content for name, content in contents.items()},
    }
