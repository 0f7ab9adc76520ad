"""`python -m bench.names PROJECT FOLDER`: write `matrix/names/PROJECT.json` from wheels.

The file says which public names and modules of a project came and went with its releases, so that
`diagnose` can place `cannot import name X from Y`. Names that every examined release has are left
out. The wheels are read, never imported; one a minor version is enough:

    pip download --no-deps --only-binary :all: --dest wheels peft==0.4.0
    python -m bench.names peft wheels
"""

from __future__ import annotations

import ast
import json
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from packaging.utils import parse_wheel_filename
from packaging.version import Version

FOLDER: Final = Path(__file__).parents[1] / "matrix" / "names"

PARSED: Final = 100_000
"""Bytes of a module that are parsed; definitions of longer ones are read line by line."""

DEPTH: Final = 2
"""Parts of the longest dotted path that is listed: `transformers.utils`. With four parts, the table
of transformers alone has a megabyte."""

DEEPER: Final = re.compile(
    r"google\.protobuf\.[a-z]\w*$|lightning\.[a-z]\w*\.[a-z]\w*$"
    r"|(?:keras|outlines|urllib3)\.(?:fsm|preprocessing|util|utils)\.[a-z]\w*$"
    r"|(?:accelerate|bitsandbytes|datasets|deepspeed|huggingface_hub|mmcv|mmengine"
    r"|peft|pytorch_lightning|timm|torchaudio|torchvision|trl|xformers)\.[a-z]\w*\.[a-z]\w*$"
    r"|diffusers\.(?:utils|loaders|models)\.[a-z]\w*$|sglang\.srt\.[a-z]\w*$"
    r"|vllm\.(?:config|distributed|engine|entrypoints|lora|model_executor)\.[a-z]\w*$"
    r"|transformers\.(?:utils|generation|integrations)\.[a-z]\w*$"
    r"|transformers\.models\.(?:bert|clip|gemma2?|gpt2|llama|mistral|mixtral|phi3?|qwen2|qwen2_vl"
    r"|qwen3|t5|whisper)\.modeling_\w+$"
    r"|torch\.(?:utils\.(?:data|_pytree|checkpoint|cpp_extension|tensorboard)|nn\.[a-z]\w*"
    r"|distributed\.(?:_tensor|[a-z]\w*)|cuda\.[a-z]\w*|optim\.lr_scheduler|ao\.[a-z]\w*"
    r"|onnx\.[a-z]\w*|fx\.[a-z]\w*|backends\.[a-z]\w*)$"
)
"""Paths of more parts from which others import what they define, all the same."""

_DEFINITION: Final = re.compile(
    r"^(?:class|def|async def)\s+(\w+)|^(\w+)(?:\s*:[^=\n]+)?\s*=", re.M
)
_SKIPPED: Final = re.compile(
    r"(?:^|/)(?:tests?|testing|examples|benchmarks)/|modeling_(?:tf|flax)_"
)

STUBS: Final = {"torch/_C/_VariableFunctions.pyi": "torch", "torch/_C/__init__.pyi": "torch"}
"""Stubs of compiled modules, whose names their package has as its own."""

Modules = Mapping[str, frozenset[str]]


def names_of(wheel: Path) -> Modules:
    """Return module to the names that it defines, imports or exports; of a module from which nobody
    imports, nothing but that it is there."""
    files: dict[str, tuple[str, bool]] = {}
    with zipfile.ZipFile(wheel) as archive:
        for path in archive.namelist():
            is_stub = path in STUBS
            if _SKIPPED.search(path) or not (path.endswith(".py") or is_stub):
                continue
            if ".data/" in path or ".dist-info/" in path:
                continue
            module = STUBS.get(path) or path[:-3].replace("/", ".").removesuffix(".__init__")
            text = archive.read(path).decode("utf-8", "replace")
            before, is_package = files.get(module, ("", False))
            files[module] = f"{before}\n{text}", is_package or path.endswith("/__init__.py")
    names = {
        module: _public_names(module, files) if _is_public(module) else set() for module in files
    }
    for module in files:
        parent, _, last = module.rpartition(".")
        if parent:
            names.setdefault(parent, set()).add(last)
    return {module: frozenset(found) for module, found in names.items()}


def _public_names(
    module: str, files: Mapping[str, tuple[str, bool]], above: frozenset[str] = frozenset()
) -> set[str]:
    """Return the names of a module, with those of the modules of which it imports all."""
    if module not in files or module in above:
        return set()
    text, is_package = files[module]
    own, sources = _names(text, module, is_package)
    found = set(own)
    for source in sources:
        names = _public_names(source, files, above | {module})
        found |= {name for name in names if not name.startswith("_")}
    return found


# Most modules of a release are those of the one before.
@lru_cache(maxsize=1 << 15)
def _names(text: str, module: str, is_package: bool) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the names of a module, and the modules of which it imports all names."""
    if len(text) > PARSED and not is_package:
        return frozenset(match[1] or match[2] for match in _DEFINITION.finditer(text)), ()
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return frozenset(), ()
    stars: list[tuple[str, str]] = []
    body = tree.body
    if not is_package and DEEPER.match(module):
        body = [node for node in body if not isinstance(node, (ast.Import, ast.ImportFrom))]
    found = frozenset(_top_level(body, module, is_package, stars))
    return found, tuple(source for _, source in stars)


def _top_level(
    body: list[ast.stmt], module: str, is_package: bool, stars: list[tuple[str, str]]
) -> Iterator[str]:
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case ast.Import():
                yield from ((alias.asname or alias.name).split(".")[0] for alias in node.names)
            case ast.ImportFrom():
                if node.names[0].name == "*":
                    stars.append((module, _absolute(node, module, is_package)))
                yield from (alias.asname or alias.name for alias in node.names)
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                yield from (target.id for target in targets if isinstance(target, ast.Name))
                # `_import_structure = {"x": ["Name"]}` and `_import_structure["x"].append("Name")`
                # are how packages with lazy imports list their names, as `__all__` is elsewhere.
                if is_package or any(ast.unparse(target) == "__all__" for target in targets):
                    yield from _strings(node.value)
            case ast.Expr(value=ast.Call()) if is_package:
                yield from _strings(node.value)
            case _:
                for field in ("body", "orelse", "finalbody"):
                    yield from _top_level(getattr(node, field, []), module, is_package, stars)
                for handler in getattr(node, "handlers", []):
                    yield from _top_level(handler.body, module, is_package, stars)


def _absolute(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    parts = module.split(".")
    parents = parts[: len(parts) - node.level + is_package] if node.level else []
    return ".".join([*parents, *([node.module] if node.module else [])])


def _strings(node: ast.AST | None) -> Iterator[str]:
    for child in ast.walk(node) if node else ():
        if isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield from [child.value] if child.value.isidentifier() else []


def changed(by_release: Mapping[str, Modules]) -> dict[str, dict[str, list[int]]]:
    """Return module to name to the positions of the releases at which the name comes and goes.

    `[3, 7]`: the name is in releases 3 to 6; `[3]`: from 3 on. The module's own are under "".
    """
    releases = list(by_release)
    table: dict[str, dict[str, list[int]]] = {}
    for module in sorted({module for modules in by_release.values() for module in modules}):
        there = [position for position, r in enumerate(releases) if module in by_release[r]]
        rows = {"": edges_of(there, len(releases))} if len(there) < len(releases) else {}
        if not _is_public(module):
            if rows and module.count(".") < DEPTH:
                table[module] = rows
            continue
        every = {name for r in releases for name in by_release[r].get(module, ())}
        for name in sorted(every):
            has = [p for p in there if name in by_release[releases[p]][module]]
            if has != there and not name.startswith("__"):
                rows[name] = edges_of(has, len(releases))
        if rows:
            table[module] = rows
    return table


def _is_public(module: str) -> bool:
    """Return whether others import from a module: private and deep ones are a tenfold of names."""
    if DEEPER.match(module):
        return True
    parts = module.split(".")
    return len(parts) <= DEPTH and not any(part.startswith("_") for part in parts)


def edges_of(positions: list[int], count: int) -> list[int]:
    edges: list[int] = []
    for position in positions:
        if edges and edges[-1] == position:
            edges[-1] = position + 1
        else:
            edges += [position, position + 1]
    return edges[:-1] if edges and edges[-1] == count else edges


def render(project: str, by_release: Mapping[str, Modules]) -> str:
    """Return the file's text, a module a line."""
    lines = [
        f"{json.dumps(module)}: {json.dumps(rows, separators=(',', ':'), sort_keys=True)}"
        for module, rows in changed(by_release).items()
    ]
    head = json.dumps(list(by_release), separators=(",", ":"))
    source = f"the modules inside the {project} wheels {', '.join(by_release)}"
    return (
        f'{{"project": {json.dumps(project)},\n"source": {json.dumps(source)},\n'
        f'"releases": {head},\n"modules": {{\n' + ",\n".join(lines) + "\n}}\n"
    )


def main() -> None:
    """Read the wheels of a folder, and write the file."""
    project, folder = sys.argv[1], Path(sys.argv[2])
    wheels: dict[Version, Path] = {}
    for wheel in folder.glob("*.whl"):
        name, version, *_ = parse_wheel_filename(wheel.name)
        if name == project:
            wheels[version] = wheel
    by_release = {str(version): names_of(wheels[version]) for version in sorted(wheels)}
    FOLDER.mkdir(exist_ok=True)
    text = render(project, by_release)
    (FOLDER / f"{project}.json").write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
