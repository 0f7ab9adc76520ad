"""Look up when a project's public names came and went: `matrix/names/PROJECT.json`.

`python -m bench.names` writes these files from the projects' wheels.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from cudalock.files import LARGEST_DATA, read_small
from cudalock.text import read_json

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


class NameTable:
    """The names of one project. `releases` are the examined ones, oldest first."""

    def __init__(self, releases: list[str], modules: dict[str, dict[str, list[int]]]) -> None:
        self._releases = releases
        self._modules = modules

    def spans(self, module: str, name: str) -> list[Span]:
        """Return the spans of a name in a module; none if it never changed, or never was there.

        For `transformers.x.Name` the module's own spans count where the table has no name.
        """
        rows = self._modules.get(module, {})
        # `transformers.x` has rows for its names; the empty name stands for the module itself.
        # A module of that name counts more than a line about it: triton 3.2 lists `ops` in
        # `__all__`, and has no such folder.
        module_edges = self._modules.get(f"{module}.{name}", {}).get("")
        edges = module_edges or rows.get(name) or rows.get("") or []
        return [
            self._span(edges[at], edges[at + 1] if at + 1 < len(edges) else None)
            for at in range(0, len(edges), 2)
        ]

    def _span(self, first: int, gone: int | None) -> Span:
        return Span(
            self._releases[first] if first else None,
            self._releases[gone] if gone is not None else None,
        )


@cache
def read_name_table(path: Path) -> NameTable | None:
    """Return the table in a file; None where there is no such file."""
    try:
        table = read_json(read_small(path, LARGEST_DATA))
    except OSError:
        return None
    return NameTable(table["releases"], table["modules"])


ARGUMENTS: Final = f"{FOLDER}/arguments.json"


class DatedArgument(NamedTuple):
    """An argument of a project's function that came or went with releases."""

    project: str
    spans: tuple[Span, ...]


@cache
def _read_arguments(path: Path) -> dict[str, dict[str, Any]]:
    try:
        projects: dict[str, dict[str, Any]] = read_json(read_small(path, LARGEST_DATA))["projects"]
    except OSError:
        return {}
    return projects


def arguments_named(path: Path, function: str, argument: str) -> list[DatedArgument]:
    """Return what the projects know of an argument of a function, `Trainer.__init__`."""
    found = []
    for project, row in _read_arguments(path).items():
        edges = row["callables"].get(function, {}).get(argument)
        if edges is not None:
            releases: list[str] = row["releases"]
            spans = [
                Span(
                    releases[edges[at]] if edges[at] else None,
                    releases[edges[at + 1]] if at + 1 < len(edges) else None,
                )
                for at in range(0, len(edges), 2)
            ]
            found.append(DatedArgument(project, tuple(spans)))
    return found
