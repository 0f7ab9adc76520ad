"""What the readers of pylock.toml, uv.lock, poetry.lock and pdm.lock have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cudalock.projects.model import Declared, LockedFile
from cudalock.projects.syntax.pep508 import is_name, is_specifier
from cudalock.urls import file_of
from cudalock.versions import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cudalock.projects.model import Place
    from cudalock.projects.syntax.toml import Key
    from cudalock.projects.syntax.toml_file import TomlFile


def tables(file: TomlFile, *key: str) -> Iterator[tuple[Key, dict[str, Any]]]:
    """Yield the tables of the array at a path; note a problem for one that is invalid or
    unnamed."""
    for place, table in file.items(*key):
        if not isinstance(table, dict):
            file.problem(place, "expected a table")
        elif not isinstance(table.get("name"), str) or not is_name(table["name"]):
            file.problem(place, "it has no name")
        elif not isinstance(table.get("version", ""), str):
            file.problem(place, "its version must be a string")
        else:
            yield place, table


def locked(file: TomlFile, key: Key, package: Mapping[str, Any]) -> Declared:
    """Return the entry with its name, version and span; each lock's own reader adds the rest."""
    place = _place(file, key, package)
    # A package from a folder or a repository may have no version in a lock.
    version = package.get("version")
    specifier = f"=={version}" if version else ""
    is_known = is_specifier(specifier)
    return Declared(
        name=canonical(package["name"]),
        text=file.text.text[place.start : place.end],
        place=place,
        specifier=specifier if is_known else "",
        role="locked",
        syntax="locked",
        ignored=file.text.ignored(place.start, place.end),
        problem=None if is_known else f"invalid version `{version}`",
    )


def _place(file: TomlFile, key: Key, package: Mapping[str, Any]) -> Place:
    """Return the span from the name to the version, which tools write next; else of the name."""
    name = file.node((*key, "name"))
    end = name
    if "version" in package:
        version = file.node((*key, "version"))
        # Not farther: another order of keys would make a span that has a whole list of files.
        end = version if name.end < version.start < name.end + 200 else name
    return file.text.place(name.key_start, end.end + int(end.is_string))


def locked_file(table: object) -> LockedFile | None:
    """Read a file of a lock, whichever of the usual keys it has; None without a name."""
    if not isinstance(table, dict):
        return None
    url = string(table, "url") or string(table, "path")
    # poetry.lock and pdm.lock have `file`, pylock.toml `name`, and uv.lock `filename` where the URL
    # is the package's source.
    name = string(table, "file") or string(table, "filename") or string(table, "name")
    name = name or file_of(url or "")
    size = table.get("size")
    if not name:
        return None
    # bool is a subclass of int, and `size = true` is no size.
    return LockedFile(name, url, tuple(hashes(table)), size if type(size) is int else None)


def hashes(table: Mapping[str, Any]) -> Iterator[str]:
    """Yield the hashes of a file: `hash = "sha256:..."`, or a table of them as in pylock.toml."""
    if isinstance(table.get("hash"), str):
        yield table["hash"]
    digests = table.get("hashes")
    for kind, digest in digests.items() if isinstance(digests, dict) else ():
        if isinstance(digest, str):
            yield f"{kind}:{digest}"


def files_of(tables: object) -> tuple[LockedFile, ...]:
    """The files of a list, those that have a name."""
    files = map(locked_file, tables if isinstance(tables, list) else [tables])
    return tuple(file for file in files if file is not None)


def hashes_of(files: tuple[LockedFile, ...]) -> tuple[str, ...]:
    """Return the hashes of all files, sorted, without duplicates."""
    return tuple(sorted({digest for file in files for digest in file.hashes}))


def string(table: Mapping[str, Any], key: str) -> str | None:
    """The string at a key; None for anything else."""
    text = table.get(key)
    return text if isinstance(text, str) else None
