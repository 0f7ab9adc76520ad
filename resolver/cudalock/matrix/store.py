"""Where a matrix's files are, and how they are read quickly.

**The curated half.** Parsing TOML takes longer than solving. So `matrix/compiled.json` holds the
same tables as JSON, each beside a checksum of the file that it was made from. A file that has
changed since is parsed itself: the TOML files are the truth, whatever the copy says.
`matrix/switches.json` holds what the command line takes from them: its help must not wait for the
whole matrix. This writes both:

    python -m cudalock.matrix.store matrix

**The generated half.** What the user's `matrix update` brought lies over the embedded files:

    DATA/matrix/current          the name of the folder in use: one small file, replaced at once
    DATA/matrix/VERSION/         manifest.json, and those files of index/ and cuda/ that differ;
                                 the curated half as well, if `--from` brought a whole matrix

Each of those files is checked against the manifest when it is read; for one that is damaged or
missing the embedded one is used, with a warning.
"""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from cudalock.errors import MatrixError
from cudalock.files import (
    HEADER,
    LARGEST_DATA,
    SWITCHES,
    check_released,
    data_folder,
    files_in,
    read_small,
)
from cudalock.matrix import shared_files
from cudalock.matrix.components import check_component
from cudalock.text import read_json

COMPILED: Final = "compiled.json"
COMPONENTS: Final = "components"
NAMESAKES: Final = "namesakes.toml"
"""See :mod:`cudalock.matrix.namesakes`, which most goals do not need."""
PHRASES: Final = "phrases.toml"
"""See :mod:`cudalock.matrix.phrases`."""
_NO_COMPONENTS: Final = (HEADER, shared_files.FILE, NAMESAKES, PHRASES)

USER_FOLDER: Final = "matrix"
CURRENT: Final = "current"
MANIFEST: Final = "manifest.json"
USER_SCHEMA: Final = "cudalock.refreshed/1"

Tables = dict[str, dict[str, Any]]
"""The table of each TOML file, by file name."""


# -- the curated half ---------------------------------------------------------------------------


def read_tables(directory: Path, user_matrix: UserMatrix | None = None) -> Tables:
    """Read the table of each TOML file of a matrix, those of a user's whole one in their place.

    Raises MatrixError naming a file that cannot be read.
    """
    if user_matrix is not None and user_matrix.is_whole:
        compiled = _read_compiled(user_matrix.path(COMPILED) or directory / COMPILED)
        paths = _paths_of(directory, user_matrix)
    else:
        compiled = _read_compiled(directory / COMPILED)
        paths = toml_files(directory)
    tables: Tables = {}
    for path in paths:
        try:
            content = read_small(path, LARGEST_DATA)
        except OSError as error:
            raise MatrixError(path.name, "", f"cannot be read: {error}") from None
        check_released(path, content)
        # A component file without a copy was added by hand, or its user edits it: it counts at
        # once.
        compiled_from, table = compiled.get(path.name, ("", {}))
        is_fresh = compiled_from == _text_checksum(content)
        tables[path.name] = table if is_fresh else _parse(path.name, content)
    return tables


def toml_files(directory: Path) -> list[Path]:
    """Return the paths of the header, of what stands beside it, and of the components."""
    folder = directory / COMPONENTS
    shared = (directory / name for name in (shared_files.FILE, NAMESAKES, PHRASES))
    return [
        directory / HEADER,
        *(path for path in shared if path.is_file()),
        *(folder / name for name in files_in(folder, ".toml")),
    ]


def _paths_of(directory: Path, user_matrix: UserMatrix) -> list[Path]:
    """Return the TOML files of a user's whole matrix: a component that it lacks was withdrawn."""
    names = [name for name in list(user_matrix.files) if _is_read(name)]
    # The embedded file stands in for a damaged one, if there is one.
    paths = [user_matrix.path(name) or directory / name for name in sorted(names)]
    return [path for path in paths if path.is_file()]


def _is_read(name: str) -> bool:
    folder, _, file = name.rpartition("/")
    if folder:
        return folder == COMPONENTS and file.endswith(".toml")
    return file in (HEADER, shared_files.FILE, NAMESAKES, PHRASES)


def of_components(tables: Tables) -> Tables:
    """Return the tables of the component files alone."""
    return {name: table for name, table in tables.items() if name not in _NO_COMPONENTS}


def compile_tables(directory: Path) -> str:
    """Return the text of `compiled.json` for a matrix: one line for each TOML file."""
    lines = []
    for path in toml_files(directory):
        content = read_small(path, LARGEST_DATA)
        table = json.dumps(_parse(path.name, content), separators=(",", ":"), sort_keys=True)
        lines.append(f'"{path.name}": ["{_text_checksum(content)}", {table}]')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def compile_switches(directory: Path) -> str:
    """Return the text of `switches.json`: the framework, and the switch of each project with one.

    They stand in the order in which commands are written: by rank, then by name.
    """
    tables = of_components(read_tables(directory)).values()
    ranked = sorted(
        (table.get("rank", sys.maxsize), table["name"], table["switch"])
        for table in tables
        if "switch" in table
    )
    frameworks = (table["name"] for table in tables if table.get("role") == "framework")
    switches = {name: switch for _, name, switch in ranked}
    return json.dumps({"framework": next(frameworks, None), "switches": switches}, indent=1) + "\n"


def _read_compiled(path: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    """Read the compiled copy; empty if there is none, or an unreadable one."""
    try:
        content = read_small(path, LARGEST_DATA)
        check_released(path, content)
        compiled: dict[str, tuple[str, dict[str, Any]]] = read_json(content)
    except (OSError, ValueError):
        return {}
    return compiled


def _text_checksum(content: bytes) -> str:
    """Return the checksum of a text file, whatever line ends a checkout gave it."""
    return checksum(content.replace(b"\r\n", b"\n") if b"\r" in content else content)


def _parse(name: str, content: bytes) -> dict[str, Any]:
    from cudalock import toml

    try:
        # Through JSON, so that a parsed table and a compiled one are equal: TOML has dates.
        table: dict[str, Any] = json.loads(
            json.dumps(toml.loads(content.decode("utf-8")), default=str)
        )
    except ValueError as error:
        raise MatrixError(name, "", f"cannot be read: {error}") from None
    # Only here: the copy was made from files that passed.
    if name == shared_files.FILE:
        shared_files.check_shared_files(table)
    elif name not in _NO_COMPONENTS:
        check_component(table, name)
    return table


# -- the user's updates of the generated half ---------------------------------------------------


class UserMatrix:
    """Files of index/ and cuda/ that the user's `matrix update` brought, or a whole matrix."""

    def __init__(
        self, directory: Path, manifest: Mapping[str, Any], warn: Callable[[str], None]
    ) -> None:
        """`warn` is called with a sentence for each file that turns out to be damaged."""
        self.directory = directory
        self.version: str = manifest["version"]
        self.files: dict[str, str] = dict(manifest["files"])
        """the checksum of each file, by its path below `directory`: `index/torch.json`"""
        self.is_damaged = False
        """whether a damaged file was read so far"""
        self.is_whole = HEADER in self.files
        """whether it has a curated half as well"""
        self._warn = warn

    def path(self, name: str) -> Path | None:
        """Return where a file is, `index/torch.json`; None if it is not here, or damaged."""
        expected = self.files.get(name)
        if expected is None:
            return None
        path = self.directory / name
        try:
            content = read_small(path, LARGEST_DATA)
        except OSError:
            content = b""
        if checksum(content) == expected:
            return path
        # Each file is warned about once, and its embedded version is used from now on.
        del self.files[name]
        self.is_damaged = True
        self._warn(damage(path))
        return None


def find_user_matrix(
    embedded: str, warn: Callable[[str], None], folder: Path | None = None
) -> UserMatrix | None:
    """Return the user's matrix if it is newer than the embedded one of version `embedded`.

    `folder` is the user's data folder. Without a user's matrix this costs a single look for a file.
    """
    root = (folder or data_folder()) / USER_FOLDER
    try:
        current = read_small(root / CURRENT, LARGEST_DATA).decode("ascii").strip()
    except (OSError, ValueError):
        return None
    try:
        manifest = read_json(read_small(root / current / MANIFEST, LARGEST_DATA))
        if manifest["schema"] != USER_SCHEMA or not isinstance(manifest["files"], dict):
            raise ValueError
        user_matrix = UserMatrix(root / current, manifest, warn)
        is_newer = version_key(user_matrix.version) > version_key(embedded)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        # The name comes from the user's disk, where anything may have been written over it.
        warn(damage(root / (current[:80] or CURRENT)))
        return None
    return user_matrix if is_newer else None


def version_key(version: str) -> tuple[int, ...]:
    """Return a key that sorts versions of a matrix, `2026.11.21.2`. Raises ValueError."""
    return tuple(int(part) for part in version.split("."))


def checksum(content: bytes) -> str:
    """Return a checksum that changes with the file; it guards against accidents, not attacks."""
    return f"{len(content)}-{zlib.crc32(content):08x}"


def damage(path: Path) -> str:
    """Return the warning about a damaged file."""
    return (
        f"`{path}` is damaged: the embedded matrix is used instead; `cudalock matrix update` "
        "repairs it"
    )


def main() -> None:
    """Write `compiled.json` and `switches.json` into the matrix that the command line names."""
    directory = Path(sys.argv[1])
    for name, text in (
        (COMPILED, compile_tables(directory)),
        (SWITCHES, compile_switches(directory)),
    ):
        (directory / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
