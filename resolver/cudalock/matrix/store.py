"""The curated TOML files, read quickly.

Parsing TOML takes longer than solving. So `matrix/compiled.json` holds the same tables as JSON,
each beside a digest of the file it was made from. A file that has changed since is read itself: the
TOML files are the truth, whatever the copy says.

`matrix/switches.json` holds what the command line takes from them: its help must not wait for the
whole matrix. This writes both:

    python -m cudalock.matrix.store matrix
"""

from __future__ import annotations

import json
import sys
import zlib
from pathlib import Path
from typing import Any, Final

from cudalock.errors import MatrixError
from cudalock.files import HEADER, SWITCHES, files_in
from cudalock.matrix.components import check_component

COMPILED: Final = "compiled.json"
COMPONENTS: Final = "components"

Tables = dict[str, dict[str, Any]]


def read_tables(directory: Path) -> Tables:
    """The table of each TOML file of a matrix, by file name.

    Raises MatrixError naming a file that cannot be read.
    """
    copy = _copy(directory)
    tables: Tables = {}
    for path in toml_files(directory):
        try:
            content = path.read_bytes()
        except OSError as error:
            raise MatrixError(path.name, "", f"cannot be read: {error}") from None
        digest, table = copy.get(path.name, ("", {}))
        tables[path.name] = table if digest == _digest(content) else _parse(path.name, content)
    return tables


def toml_files(directory: Path) -> list[Path]:
    """The header and the component files, sorted."""
    folder = directory / COMPONENTS
    return [directory / HEADER, *(folder / name for name in files_in(folder, ".toml"))]


def compile_tables(directory: Path) -> str:
    """The text of `compiled.json`: a file a line."""
    lines = []
    for path in toml_files(directory):
        content = path.read_bytes()
        table = json.dumps(_parse(path.name, content), separators=(",", ":"), sort_keys=True)
        lines.append(f'"{path.name}": ["{_digest(content)}", {table}]')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def compile_switches(directory: Path) -> str:
    """The text of `switches.json`: the framework, and the switch of each project that has one.

    They stand in the order in which commands are written: by rank, then by name.
    """
    tables = [table for name, table in read_tables(directory).items() if name != HEADER]
    ranked = sorted(
        (table.get("rank", sys.maxsize), table["name"], table["switch"])
        for table in tables
        if "switch" in table
    )
    framework = next((t["name"] for t in tables if t.get("role") == "framework"), None)
    switches = {name: switch for _, name, switch in ranked}
    return json.dumps({"framework": framework, "switches": switches}, indent=1) + "\n"


def _copy(directory: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    """The compiled copy; empty where there is none that can be read."""
    try:
        found: dict[str, tuple[str, dict[str, Any]]] = json.loads(
            (directory / COMPILED).read_bytes()
        )
    except (OSError, ValueError):
        return {}
    return found


def _digest(content: bytes) -> str:
    """Tells versions of one file apart; it guards against a stale copy, not against an attack.

    Line ends do not count: a checkout may have changed them.
    """
    plain = content.replace(b"\r\n", b"\n")
    return f"{len(plain)}-{zlib.crc32(plain):08x}"


def _parse(name: str, content: bytes) -> dict[str, Any]:
    from cudalock import toml

    try:
        table: dict[str, Any] = json.loads(
            json.dumps(toml.loads(content.decode("utf-8")), default=str)
        )
    except ValueError as error:
        raise MatrixError(name, "", f"cannot be read: {error}") from None
    if name != HEADER:
        # Only here: the copy was made from files that passed.
        check_component(table, name)
    return table


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
