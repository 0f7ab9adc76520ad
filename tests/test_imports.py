"""Imports point one way, and each library is seen where it belongs and nowhere else."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.paths import RESOLVER

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = RESOLVER / "cudalock"

LAYERS = [
    {"errors", "records", "plain", "versions", "names", "text", "urls", "toml", "files", "mirrors"},
    {"targets"},
    {"goals", "matrix"},
    {"resolution"},
    {"conflicts", "lock", "solving"},
    {
        "formats",
        "projects",
        "environment",
        "sdists",
        "indexes",
        "show",
        "lint",
        "update",
        "findings",
    },
    {"live", "compat", "activate", "generate"},
    {"keep"},
    {"check", "diagnose", "doctor"},
    {"cli"},
]
"""Lower layers first. A module imports from its own layer and those before it."""

HOMES = {
    "click": {"cli"},
    "lsprotocol": {"cli"},
    "mcp": {"cli"},
    "pygls": {"cli"},
    "anyio": {"cli"},
    "resolvelib": {"resolution"},
    "httpx": {"indexes", "update"},
    "unearth": {"indexes"},
    "hishel": {"indexes"},
    "platformdirs": {"indexes"},
    "tomlkit": {"formats", "projects"},
    "cyclonedx": {"formats"},
    "packageurl": {"formats"},
    "shellingham": {"activate"},
    "pynvml": {"environment"},
    "yaml": {"projects"},
}
"""Libraries with one place."""

OUTSIDE = {"", "__main__"}
"""The front doors, `cudalock` itself and `python -m cudalock`, see everything."""


def rank(part: str) -> int:
    return next(level for level, layer in enumerate(LAYERS) if part in layer)


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a module: several tests walk through all of them."""
    return tuple(ast.walk(tree_of(path)))


def part_of(path: Path) -> str:
    """The module or package right under cudalock that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py").replace("__init__", "")


def imports(path: Path) -> Iterator[str]:
    """The dotted name of each import of a file, at its top or in a function."""
    for node in nodes_of(path):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} is a relative import"
            yield str(node.module)
            if node.module == "cudalock":
                for alias in node.names:
                    yield f"cudalock.{alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name


def for_types_only(path: Path) -> set[str]:
    """The dotted names imported under TYPE_CHECKING."""
    blocks = [
        node
        for node in nodes_of(path)
        if isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    ]
    nodes = [node for block in blocks for child in block.body for node in ast.walk(child)]
    return {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    part = part_of(path)
    if part in OUTSIDE:
        return
    typing_only = for_types_only(path)
    for name in imports(path):
        root, _, rest = name.partition(".")
        other = rest.partition(".")[0]
        if root != "cudalock" or not rest or other.startswith("__") or name in typing_only:
            continue
        assert rank(other) <= rank(part), f"{part} imports {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_libraries_stay_where_they_belong(path: Path) -> None:
    part = part_of(path)
    for name in imports(path):
        homes = HOMES.get(name.partition(".")[0])
        assert homes is None or part in homes, f"{part} imports {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_markers_are_parsed_in_one_place(path: Path) -> None:
    """Where no two threads do it at once: see `cudalock.versions`."""
    made = {
        alias.asname or alias.name
        for node in nodes_of(path)
        if isinstance(node, ast.ImportFrom)
        and node.module in ("packaging.markers", "packaging.requirements")
        for alias in node.names
    } & {"Marker", "Requirement", "ParsedRequirement"}
    called = {
        node.func.id
        for node in nodes_of(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert path.name == "versions.py" or not made & called


def import_graph() -> dict[str, set[str]]:
    """For each module those that it imports, at once, late or for its types alone."""
    names = {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
        for path in modules()
    }
    graph: dict[str, set[str]] = {name: set() for name in names}
    for name, path in names.items():
        for node in nodes_of(path):
            if not isinstance(node, ast.ImportFrom):
                continue
            base = str(node.module).removeprefix("cudalock").removeprefix(".")
            for alias in node.names:
                inner = f"{base}.{alias.name}".removeprefix(".")
                graph[name].add(inner if inner in names else base)
    return {name: imported & names.keys() - {name} for name, imported in graph.items()}


def circles(graph: dict[str, set[str]]) -> set[frozenset[str]]:
    """The sets of modules that each reach one another."""

    def reachable(start: str) -> set[str]:
        seen: set[str] = set()
        todo = [start]
        while todo:
            for name in graph[todo.pop()] - seen:
                seen.add(name)
                todo.append(name)
        return seen

    reach = {name: reachable(name) for name in graph}
    return {
        frozenset(other for other in reach[name] if name in reach[other])
        for name in graph
        if name in reach[name]
    }


def test_there_is_no_import_circle() -> None:
    """Late imports and those for types alone count as well."""
    assert circles(import_graph()) == set()


def test_circles_are_seen() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}
    assert circles(graph) == {frozenset({"b", "c"})}


def test_class_names_are_unique() -> None:
    homes: dict[str, set[str]] = {}
    for path in modules():
        for node in nodes_of(path):
            if isinstance(node, ast.ClassDef):
                homes.setdefault(node.name, set()).add(str(path.relative_to(PACKAGE)))
    twice = {name: files for name, files in homes.items() if len(files) > 1}
    assert twice == {}


def test_every_part_has_a_layer() -> None:
    parts = {part_of(path) for path in modules()} - OUTSIDE
    assert parts <= set().union(*LAYERS)


MAPPED = [
    path.parent
    for path in modules()
    if path.name == "__init__.py" and part_of(path) not in {*OUTSIDE, "cli"}
]


@pytest.mark.parametrize("package", MAPPED, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_package_says_what_each_of_its_modules_is_for(package: Path) -> None:
    """The commands of `cli` say it themselves, in their help."""
    text = (package / "__init__.py").read_text(encoding="utf-8")
    told = ast.get_docstring(ast.parse(text)) or ""
    modules = {path.stem for path in package.glob("*.py")} - {"__init__"}
    assert modules <= set(re.findall(r"\w+", told))
    inside = {path.stem for path in package.iterdir()}
    assert set(re.findall(r":mod:`(\w+)`", told)) <= inside


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import cudalock", ["packaging", "click", "resolvelib", "cudalock.errors"]),
        (
            "import cudalock.cli",
            ["packaging", "resolvelib", "cudalock.matrix.matrix", "cudalock.cli.console"],
        ),
        (
            "import cudalock.cli.solve",
            ["resolvelib", "cudalock.matrix.matrix", "cudalock.resolution"],
        ),
        (
            "import cudalock.resolution.problem",
            ["cudalock.goals.request", "cudalock.goals.phrase", "cudalock.matrix.gpus"],
        ),
    ],
)
def test_nothing_is_imported_before_it_is_used(statement: str, absent: list[str]) -> None:
    code = f"{statement}; import sys; print([n for n in {absent!r} if n in sys.modules])"
    environment = {"PYTHONPATH": str(PACKAGE.parent), "SYSTEMROOT": "C:\\Windows"}
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


FLAGS = ("--python", "3.11", "--platform", "linux", "--offline")
LINES = "torch==2.5.1\ntorchvision==0.20.1\nrequests==2.32.3\nsome-own-project==1.0\n"
USUAL = {
    "solve": ("solve", "--torch", "2.5.1", "--fa2", *FLAGS),
    "check": ("check", "requirements.txt"),
    "no": (
        *("solve", "--torch", "2.4.1", "bitsandbytes==0.43.0", "triton-windows==3.2.0.post21"),
        *("--python", "3.11", "--platform", "windows", "--offline"),
    ),
}
"""What people do most, over the matrix alone."""
COUNTED = """
import json, sys
from cudalock import versions
from cudalock.cli import main
from cudalock.matrix import components, matrix
from cudalock.resolution import model
counts = dict.fromkeys(("candidates", "facts", "projects"), 0)
def count(owner, name, key):
    function = getattr(owner, name)
    def counted(*words, **others):
        counts[key] += 1
        return function(*words, **others)
    setattr(owner, name, counted)
count(model.Candidate, "__init__", "candidates")
count(components, "_read_fact", "facts")
count(matrix, "read_project", "projects")
try:
    main(sys.argv[1:])
except SystemExit as ended:
    counts["status"] = ended.code
counts["specifiers"] = versions.specifier_set.cache_info().currsize
print("\\n" + json.dumps([sorted(sys.modules), counts]), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[set[str], dict[str, int]]]:
    """The modules that usual commands import, and what they count."""
    folder = tmp_path_factory.mktemp("usual")
    (folder / "requirements.txt").write_text(LINES, encoding="utf-8")
    # Who has used the network before has a cache, and a hint that could be asked for there.
    (folder / "CUDALOCK_CACHE_DIR").mkdir()
    (folder / "CUDALOCK_CACHE_DIR" / "http.db").touch()
    environment = {
        **{name: str(folder / name) for name in ("CUDALOCK_CACHE_DIR", "CUDALOCK_DATA_DIR")},
        "PYTHONPATH": str(PACKAGE.parent),
        "SYSTEMROOT": "C:\\Windows",
    }
    found = {}
    for kind, words in USUAL.items():
        ran = subprocess.run(
            [sys.executable, "-c", COUNTED, *words],
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
        )
        modules, counts = json.loads(ran.stderr.splitlines()[-1])
        found[kind] = (set(modules), counts)
    return found


NEVER = {
    *("dataclasses", "logging", "subprocess", "importlib.metadata", "email", "ssl", "sqlite3"),
    *("tomlkit", "httpx", "hishel", "unearth", "rich", "yaml", "platformdirs"),
    *("packaging.requirements", "packaging.markers", "packaging.utils", "packaging.tags"),
    *("cudalock.indexes.client", "cudalock.generate", "cudalock.diagnose", "cudalock.doctor"),
    *("cudalock.matrix.jetpack", "cudalock.goals.vocabulary"),
}
"""What no usual command needs. Each took a twentieth of its time or more, or brings what does."""
ABSENT = {
    "solve": {"cudalock.check", "cudalock.compat", "cudalock.projects", "cudalock.goals.phrase"},
    "check": {"resolvelib", "cudalock.lock.build", "cudalock.goals.phrase", "cudalock.matrix.gpus"},
    "no": {"resolvelib", "cudalock.check", "cudalock.lock.build", "cudalock.matrix.gpus"},
}


@pytest.mark.parametrize("kind", USUAL)
def test_a_usual_command_imports_what_it_needs(
    usual: dict[str, tuple[set[str], dict[str, int]]], kind: str
) -> None:
    modules, counts = usual[kind]
    assert counts["status"] == (kind == "no")
    assert modules & (NEVER | ABSENT[kind]) == set()


MOST = {
    "solve": {"candidates": 650, "facts": 290, "projects": 32, "specifiers": 130},
    "check": {"candidates": 650, "facts": 300, "projects": 40, "specifiers": 180},
    "no": {"candidates": 1400, "facts": 260, "projects": 25, "specifiers": 260},
}
"""A fifth more than it is: 330 projects and 1,000 facts are there to be read."""


@pytest.mark.parametrize("kind", USUAL)
def test_a_usual_command_reads_a_part_of_the_matrix(
    usual: dict[str, tuple[set[str], dict[str, int]]], kind: str
) -> None:
    _, counts = usual[kind]
    assert {key: counts[key] for key in MOST[kind] if counts[key] > MOST[kind][key]} == {}


def test_the_front_door() -> None:
    import cudalock
    from cudalock.errors import CudalockError
    from cudalock.goals import Goal
    from cudalock.targets import Target

    assert (cudalock.Goal, cudalock.Target) == (Goal, Target)
    assert cudalock.CudalockError is CudalockError
    assert callable(cudalock.solve)
    with pytest.raises(AttributeError, match="nosuch"):
        _ = cudalock.nosuch


# -- names for types ------------------------------------------------------------------------------


def _is_for_types(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def _names_in(node: ast.AST) -> set[str]:
    imports = (each for each in ast.walk(node) if isinstance(each, ast.Import | ast.ImportFrom))
    return {alias.asname or alias.name for each in imports for alias in each.names}


def used_at_run_time(tree: ast.Module) -> set[str]:
    """The names that are imported for types alone and used by what runs: neither mypy nor ruff
    says so, and the line ends in a NameError."""
    for_types = [node for node in tree.body if _is_for_types(node)]
    names = {name for node in for_types for name in _names_in(node)}
    skipped = {id(part) for node in for_types for part in ast.walk(node)}
    runs = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            names -= _names_in(node)
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if annotation is not None:
                skipped |= {id(part) for part in ast.walk(annotation)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and id(node) not in skipped:
            runs.add(node.id)
    return names & runs


def test_what_runs_uses_no_name_for_types() -> None:
    wrong = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import x\ndef f(): x.y\n"
    assert used_at_run_time(ast.parse(wrong)) == {"x"}
    found = {
        path.as_posix(): names for path in modules() if (names := used_at_run_time(tree_of(path)))
    }
    assert found == {}
