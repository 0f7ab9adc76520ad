"""`python -m bench.members FOLDER`: write `matrix/names/members.json` from wheels.

The file says which methods, properties and attributes of public classes came and went with the
releases of projects, so that `diagnose` can place `'DynamicCache' object has no attribute
'seen_tokens'`. FOLDER is that of `bench.arguments`. The wheels are read, never imported.
"""

from __future__ import annotations

import ast
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeGuard

from bench.arguments import SKIPPED, by_project, render
from bench.names import FOLDER, edges_of

FILE: Final = FOLDER / "members.json"
FAMILIES: Final = {
    "transformers": {
        "Tokenizer": "PreTrainedTokenizerBase",
        "TokenizerFast": "PreTrainedTokenizerBase",
        "Config": "PreTrainedConfig",
        "ForCausalLM": "PreTrainedModel",
        "ForConditionalGeneration": "PreTrainedModel",
        "ForSequenceClassification": "PreTrainedModel",
        "Model": "PreTrainedModel",
        "Processor": "ProcessorMixin",
    },
    "diffusers": {"Pipeline": "DiffusionPipeline", "Scheduler": "SchedulerMixin"},
}
"""How names end that are derived from a class: most of them are not worth a row each."""
LEFT_OUT: Final = (
    "vllm",
    "sglang",
    "torch",
    "deepspeed",
    "torchvision",
    "triton",
    "trl",
    "torchmetrics",
)
"""Projects whose classes are few that others call the methods of."""
Members = Mapping[str, frozenset[str]]
"""A class to the names of its members, with those of the classes that it is derived from"""


def members_of(wheel: Path) -> Members:
    """Return what the classes of a wheel have."""
    own: dict[str, frozenset[str]] = {}
    bases: dict[str, frozenset[str]] = {}
    with zipfile.ZipFile(wheel) as archive:
        for path in archive.namelist():
            if path.endswith(".py") and not SKIPPED.search(path):
                text = archive.read(path).decode("utf-8", "replace")
                # Where two modules have one name, a member of either is one.
                for name, members, above in _classes(text):
                    own[name] = own.get(name, frozenset()) | members
                    bases[name] = bases.get(name, frozenset()) | above
    return {name: _with_bases(name, own, bases) for name in own}


def _with_bases(
    name: str, own: Members, bases: Members, seen: frozenset[str] = frozenset()
) -> frozenset[str]:
    if name in seen or name not in own:
        return frozenset()
    above = (_with_bases(base, own, bases, seen | {name}) for base in bases[name])
    return own[name].union(*above)


# Most modules of a release are those of the one before.
@lru_cache(maxsize=1 << 15)
def _classes(text: str) -> tuple[tuple[str, frozenset[str], frozenset[str]], ...]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return ()
    return tuple(
        (node.name, frozenset(_members(node)), frozenset(_bases(node)))
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )


def _bases(node: ast.ClassDef) -> Iterator[str]:
    for base in node.bases:
        yield ast.unparse(base).rpartition(".")[2]


def _members(node: ast.ClassDef) -> Iterator[str]:
    for child in node.body:
        match child:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield child.name
                yield from _set_on_self(child)
            case ast.ClassDef():
                yield child.name
            case _:
                for part in ast.walk(child):
                    match part:
                        case ast.Name(id=name, ctx=ast.Store()):
                            yield name
                        case ast.FunctionDef() | ast.AsyncFunctionDef():
                            yield part.name


def _set_on_self(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for part in ast.walk(function):
        match part:
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                yield name
            # `setattr(self, "name", ...)` and `self.register_buffer("name", ...)`
            case ast.Call() if part.args and _sets_a_name(part):
                yield from (str(one.value) for one in part.args if _is_word(one))


def _sets_a_name(call: ast.Call) -> bool:
    match call.func:
        case ast.Name(id=word) | ast.Attribute(attr=word):
            pass
        case _:
            return False
    return word in ("setattr", "register_buffer", "register_parameter", "add_module")


def _is_word(node: ast.expr) -> TypeGuard[ast.Constant]:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def changed(by_release: Mapping[str, Members]) -> dict[str, dict[str, list[int]]]:
    """Return class to member to the positions of the releases at which it comes and goes, of the
    classes that every release in between has."""
    releases = list(by_release)
    table: dict[str, dict[str, list[int]]] = {}
    for name in sorted({name for members in by_release.values() for name in members}):
        states = [by_release[release].get(name) for release in releases]
        rows = {}
        for member in _public(states):
            has: list[int] = []
            last = False
            for position, state in enumerate(states):
                # A release without the class does not end a member. What `__getattr__` makes up is
                # asked for only where a program says that it is not there.
                last = last if state is None else member in state
                has += [position] if last else []
            if any(state is not None and member not in state for state in states):
                rows[member] = edges_of(has, len(releases))
        if rows:
            table[name] = rows
    return table


def _public(states: Iterable[frozenset[str] | None]) -> list[str]:
    every = {member for state in states if state for member in state}
    return sorted(member for member in every if not member.startswith("__"))


def main() -> None:
    """Read the folders of wheels, and write the file."""
    source = "the classes in the wheels of the releases that it lists"
    rows = {
        project: (list(by_release), changed(by_release))
        for project, by_release in by_project(Path(sys.argv[1]), members_of)
        if project not in LEFT_OUT
    }
    FILE.write_text(render(source, rows, FAMILIES), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
