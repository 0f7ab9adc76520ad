"""`python -m bench.arguments FOLDER`: write `matrix/names/arguments.json` from wheels.

The file says which arguments of functions and methods came and went with the releases of projects,
so that `diagnose` can place `X.__init__() got an unexpected keyword argument 'y'`. FOLDER has a
folder of wheels for each project; one a minor version is enough. The wheels are read, never
imported.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

from packaging.utils import parse_wheel_filename
from packaging.version import Version

from bench.names import FOLDER, edges_of

FILE: Final = FOLDER / "arguments.json"
SKIPPED: Final = re.compile(
    r"(?:^|/)(?:tests?|testing|examples|benchmarks|cli|commands|inference)/|\.data/"
)
KEPT: Final = {
    "vllm": re.compile(r"(?:\w*EngineArgs|LLM|\w+Params|LoRARequest|\w*LLMEngine|\w+Config)\b"),
    "torch": re.compile(r"(?!_)\w+(?:\.__init__)?$"),
}
"""The callables that are listed of projects with many that nobody else calls."""
HARMLESS: Final = (
    "property",
    "staticmethod",
    "classmethod",
    "abstractmethod",
    "no_grad",
    "_defaults_from_env_vars",
)
"""Decorators that take no other keywords than what they decorate."""
ANYTHING: Final = "**"
"""Among the arguments of what takes any keyword."""

Found = TypeVar("Found")

Arguments = Mapping[str, frozenset[str]]
"""`Class.method`, or a function, to the names of its arguments"""


def arguments_of(wheel: Path) -> Arguments:
    """Return what the functions, methods and dataclasses of a wheel take by name."""
    found: dict[str, frozenset[str]] = {}
    with zipfile.ZipFile(wheel) as archive:
        for path in archive.namelist():
            if not path.endswith(".py") or SKIPPED.search(path):
                continue
            # Where two modules have one name, an argument of either is one.
            for name, arguments in _read(archive.read(path).decode("utf-8", "replace")):
                found[name] = found.get(name, frozenset()) | arguments
    return found


# Most modules of a release are those of the one before.
@lru_cache(maxsize=1 << 15)
def _read(text: str) -> tuple[tuple[str, frozenset[str]], ...]:
    try:
        return tuple(_callables(ast.parse(text).body, ""))
    except (SyntaxError, ValueError):
        return ()


def _callables(body: list[ast.stmt], owner: str) -> Iterator[tuple[str, frozenset[str]]]:
    fields: set[str] = set()
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                if node.name == "__init__" or not node.name.startswith("_"):
                    yield owner + node.name, _taken(node.args) | _renamed(node.decorator_list)
            case ast.ClassDef() if not owner:
                is_dataclass = any("dataclass" in ast.unparse(d) for d in node.decorator_list)
                for name, arguments in _callables(node.body, f"{node.name}."):
                    if is_dataclass or not name.endswith(".<fields>"):
                        yield name.replace("<fields>", "__init__"), arguments
            case ast.AnnAssign(target=ast.Name(id=name)) if owner:
                fields.add(name)
            case ast.If() | ast.Try() if not owner:
                yield from _callables(node.body, owner)
    if fields:
        yield f"{owner}<fields>", frozenset(fields)


def _taken(arguments: ast.arguments) -> frozenset[str]:
    names = {one.arg for one in (*arguments.args, *arguments.kwonlyargs)} - {"self", "cls"}
    return frozenset(names | ({ANYTHING} if arguments.kwarg else set()))


def _renamed(decorators: list[ast.expr]) -> frozenset[str]:
    """Return the old arguments that decorators still take: `@deprecate_kwarg("tokenizer")` names
    them, and what one without arguments takes is unknown."""
    taken: set[str] = set()
    for decorator in decorators:
        if isinstance(decorator, ast.Call):
            constants = (node for node in ast.walk(decorator) if isinstance(node, ast.Constant))
            taken |= {node.value for node in constants if isinstance(node.value, str)}
        elif ast.unparse(decorator).rpartition(".")[2] not in HARMLESS:
            taken.add(ANYTHING)
    return frozenset(name for name in taken if name == ANYTHING or name.isidentifier())


def changed(by_release: Mapping[str, Arguments]) -> dict[str, dict[str, list[int]]]:
    """Return callable to argument to the positions of the releases at which it comes and goes."""
    releases = list(by_release)
    table: dict[str, dict[str, list[int]]] = {}
    for name in sorted({name for arguments in by_release.values() for name in arguments}):
        states = [by_release[release].get(name) for release in releases]
        rows = {}
        for argument in sorted({a for state in states if state for a in state} - {ANYTHING}):
            taken, last = [], None
            for position, state in enumerate(states):
                # A release without the callable does not end an argument.
                is_taken = last if state is None else argument in state or ANYTHING in state
                last = is_taken
                taken += [position] if is_taken else []
            refusing = [state for state in states if state and argument not in state]
            if any(ANYTHING not in state for state in refusing):
                rows[argument] = edges_of(taken, len(releases))
        if rows:
            table[name] = rows
    return table


Rows = Mapping[str, Mapping[str, list[int]]]
"""An owner to a name to the positions of the releases at which it comes and goes"""


def kept(project: str, rows: Rows) -> Rows:
    """Return the rows of a project that are listed."""
    pattern = KEPT.get(project)
    return {name: row for name, row in rows.items() if pattern is None or pattern.match(name)}


def by_project(
    folder: Path, read: Callable[[Path], Found]
) -> Iterator[tuple[str, dict[str, Found]]]:
    """Yield project and, by release, what `read` makes of its wheel, of a folder of folders."""
    for project in sorted(path for path in folder.iterdir() if path.is_dir()):
        wheels: dict[Version, Path] = {}
        for wheel in project.glob("*.whl"):
            name, version, *_ = parse_wheel_filename(wheel.name)
            if name == project.name:
                wheels[version] = wheel
        yield project.name, {str(version): read(wheels[version]) for version in sorted(wheels)}


def render(
    source: str,
    projects: Mapping[str, tuple[Sequence[str], Rows]],
    families: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> str:
    """Return a file's text, a project a line; `families` are a project's ends of names, and the
    class that such a name is derived from."""
    lines = []
    for project, (releases, rows) in projects.items():
        row: dict[str, Any] = {"releases": list(releases), "rows": rows}
        row |= {"families": families[project]} if project in families else {}
        compact = json.dumps(row, separators=(",", ":"), sort_keys=True)
        lines.append(f"{json.dumps(project)}: {compact}")
    return f'{{"source": {json.dumps(source)},\n"projects": {{\n' + ",\n".join(lines) + "\n}}\n"


def main() -> None:
    """Read the folders of wheels, and write the file."""
    source = "the signatures in the wheels of the releases that it lists"
    rows = {
        project: (list(by_release), kept(project, changed(by_release)))
        for project, by_release in by_project(Path(sys.argv[1]), arguments_of)
    }
    FILE.write_text(render(source, rows), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
