"""Look up when a project's public names came and went: `matrix/names/PROJECT.json`.

`python -m bench.names` writes these files from the projects' wheels.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cudalock.files import LARGEST_DATA, read_small
from cudalock.text import read_json
from cudalock.versions import accepts, is_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

FOLDER: Final = "names"

Edges = tuple[int, ...]
"""the positions of the releases where something comes and goes: `(3, 7)` is in releases 3 to 6"""


class Span(NamedTuple):
    """The releases that have a name, as far as they were examined."""

    first: str | None
    """the first release with it; None where the oldest examined one has it"""
    gone: str | None
    """the first release without it again; None where the newest examined one has it"""

    @property
    def specifier(self) -> str:
        """The releases with the name, as a PEP 440 specifier."""
        bounds = [f">={self.first}" if self.first else "", f"<{self.gone}" if self.gone else ""]
        return ",".join(filter(None, bounds))


def _before(spans: Iterable[Span], oldest: str, version: str | None) -> tuple[Span, ...]:
    """Return the spans as they are for a version that is older than every examined release: what
    the oldest one has came with it at the latest."""
    if version is None or not is_version(version) or accepts(f">={oldest}", version):
        return tuple(spans)
    return tuple(Span(span.first or oldest, span.gone) for span in spans)


class NameTable:
    """The names of one project. `releases` are the examined ones, oldest first."""

    def __init__(self, releases: list[str], modules: dict[str, dict[str, list[int]]]) -> None:
        self._releases = releases
        self._modules = modules

    def spans(
        self, module: str, name: str, version: str | None = None, *, is_there: bool = False
    ) -> tuple[Span, ...]:
        """Return the spans of a name in a module; none if it never changed, or never was there.

        For `transformers.x.Name` the module's own spans count where the table has no name, unless
        the module `is_there`, as a message says. `version` is the installed one, if known.
        """
        rows = self._modules.get(module, {})
        # `transformers.x` has rows for its names; the empty name stands for the module itself.
        # A module of that name counts more than a line about it: triton 3.2 lists `ops` in
        # `__all__`, and has no such folder.
        module_edges = self._modules.get(f"{module}.{name}", {}).get("")
        of_module = [] if is_there else rows.get("", [])
        edges = module_edges or rows.get(name) or of_module
        return _before(_spans_of(self._releases, edges), self._releases[0], version)

    @property
    def examined(self) -> tuple[str, str]:
        """The oldest and the newest release that was examined."""
        return self._releases[0], self._releases[-1]

    def has_module(self, module: str) -> bool:
        """Return whether the table has rows for a module, of which some release may lack it."""
        return module in self._modules


@cache
def read_name_table(path: Path) -> NameTable | None:
    """Return the table in a file; None where there is no such file."""
    try:
        table = read_json(read_small(path, LARGEST_DATA))
    except OSError:
        return None
    return NameTable(table["releases"], table["modules"])


ARGUMENTS: Final = f"{FOLDER}/arguments.json"
"""`Class.method` or a function, to its arguments."""
MEMBERS: Final = f"{FOLDER}/members.json"
"""A class to its methods, properties and attributes."""
MODELS: Final = f"{FOLDER}/models.json"
"""`model type` or `architecture`, to the models that a project knows."""
PACKAGES: Final = f"{FOLDER}/packages.json"
"""The modules of projects that are called otherwise."""


class DatedName(NamedTuple):
    """Something of a project that came or went with releases."""

    project: str
    owner: str
    """what it belongs to: a function, a class, or a word for the kind"""
    oldest: str
    """the oldest release that was examined"""
    spans: tuple[Span, ...]

    def spans_for(self, version: str | None) -> tuple[Span, ...]:
        """Return the spans as they are for an installed version, if known."""
        return _before(self.spans, self.oldest, version)


@cache
def _read_rows(path: Path) -> dict[str, dict[str, Any]]:
    try:
        projects: dict[str, dict[str, Any]] = read_json(read_small(path, LARGEST_DATA))["projects"]
    except OSError:
        return {}
    return projects


def dated_names(path: Path, owner: str, name: str) -> list[DatedName]:
    """Return what the projects know of a name that belongs to an owner: an argument of a function
    (`Trainer.__init__`), a member of a class, or of the class that it is derived from."""
    found = []
    for project, table in _read_rows(path).items():
        rows = table["rows"]
        families = table.get("families", {})
        known = owner if owner in rows else _family(owner, families)
        edges = rows.get(known, {}).get(name)
        if edges is not None:
            found.append(_dated(project, owner, table, edges))
    return found


def _family(owner: str, families: dict[str, str]) -> str:
    """Return the class that a class of a name such as `QwenTokenizer` is derived from."""
    return next((base for end, base in families.items() if owner.endswith(end)), owner)


def owners_of(path: Path, suffix: str, name: str) -> list[DatedName]:
    """Return what the projects know of a name, of all owners that end with `suffix`."""
    return [
        _dated(project, owner, table, rows[name])
        for project, table in _read_rows(path).items()
        for owner, rows in table["rows"].items()
        if owner.endswith(suffix) and name in rows
    ]


def _dated(project: str, owner: str, table: dict[str, Any], edges: list[int]) -> DatedName:
    releases = table["releases"]
    return DatedName(project, owner, releases[0], tuple(_spans_of(releases, edges)))


def _spans_of(releases: list[str], edges: list[int]) -> Iterator[Span]:
    for at in range(0, len(edges), 2):
        first, gone = edges[at], edges[at + 1] if at + 1 < len(edges) else None
        yield Span(releases[first] if first else None, releases[gone] if gone is not None else None)


@cache
def _read_packages(path: Path) -> dict[str, str]:
    try:
        packages: dict[str, str] = read_json(read_small(path, LARGEST_DATA))["packages"]
    except OSError:
        return {}
    return packages


def project_of_package(path: Path, module: str) -> str | None:
    """Return the project that a module is of, where the two have other names: `PIL` of pillow,
    `google.protobuf` of protobuf."""
    packages = _read_packages(path)
    while module:
        if module in packages:
            return packages[module]
        module = module.rpartition(".")[0]
    return None
