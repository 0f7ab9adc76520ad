"""What an installed build of the framework says of itself: its accelerator and its C++ ABI.

Its files are read with bounds, and nothing of them is run: the assignments of one Python file are
parsed, and of one shared object the symbols are listed.
"""

from __future__ import annotations

import ast
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from cudalock.files import read_small
from cudalock.matrix.facts import NONE

if TYPE_CHECKING:
    from pathlib import Path

    from cudalock.matrix.facts import BuildRecord

LARGEST_LIBRARY: Final = 64 << 20
"""Bytes of a library of which the symbols are read; libc10 has one or two million."""
LARGEST_FILE: Final = 1 << 18


def read_build_record(folder: Path, record: BuildRecord) -> dict[str, str]:
    """Return the labels of the build in a folder of packages, as far as its files show them."""
    return {**_accelerators(folder / record.file, record), **_symbols(folder, record)}


def _accelerators(path: Path, record: BuildRecord) -> dict[str, str]:
    values = _assigned(path)
    labels = {
        label: version
        for label, variable in record.variables.items()
        if (version := _release(values.get(variable)))
    }
    if labels or not values.keys() & set(record.variables.values()):
        return labels
    # A build for no accelerator has None for each.
    return {next(iter(record.variables)): NONE}


def _release(value: object) -> str | None:
    """Return `12.9` of `12.9`, `6.4` of ROCm's `6.4.43482-0f2d60242`."""
    match = re.match(r"[0-9]+\.[0-9]+", value) if isinstance(value, str) else None
    return match[0] if match else None


def _assigned(path: Path) -> dict[str, object]:
    """The names that a Python file assigns a literal to; empty where it cannot be read."""
    try:
        tree = ast.parse(read_small(path, LARGEST_FILE))
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return {}
    values: dict[str, object] = {}
    targets: list[ast.expr]
    for statement in tree.body:
        if isinstance(statement, ast.AnnAssign):
            targets, value = [statement.target], statement.value
        elif isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        else:
            continue
        if isinstance(value, ast.Constant):
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            values |= dict.fromkeys(names, value.value)
    return values


def _symbols(folder: Path, record: BuildRecord) -> dict[str, str]:
    # Imported here: a known build needs no look at its libraries.
    from cudalock.indexes.elf import read_links

    try:
        links = read_links(read_small(folder / record.library, LARGEST_LIBRARY))
    except OSError:
        return {}
    labels: dict[str, str] = {}
    if links is None:
        return labels
    for label, patterns in record.symbols.items():
        values = {
            value
            for pattern, value in patterns.items()
            if any(fnmatchcase(symbol, pattern) for symbol in links.defined)
        }
        # One that defines both has neither ABI for itself.
        if len(values) == 1:
            labels[label] = values.pop()
    return labels


__all__ = ["read_build_record"]
