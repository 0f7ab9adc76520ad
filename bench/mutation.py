"""One changed line of the package, and how it is put into a process that has imported it.

mutmut says what may be changed, and how. It leaves out what runs while a module is imported, type
annotations, docstrings, and functions with another decorator than `staticmethod` and `classmethod`.
"""

from __future__ import annotations

import ast
import importlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
PACKAGE: Final = ROOT / "resolver" / "cudalock"
AREAS: Final = ("resolution", "conflicts", "lock", "formats", "compat", "solving.py")
"""What is changed: the engine, locks, formats, and the judgement of pins."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change of a few lines of one function."""

    path: str
    """below the root of the repository"""
    function: str
    """`name`, or `Class.name`"""
    line: int
    """the first line that changes, from 1"""
    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def key(self) -> str:
        """What tells it from others, also after lines moved."""
        return "\n".join([self.path, self.function, *self.before, "->", *self.after])

    def source(self) -> str:
        """The text of the file with the change. Raises ValueError if its lines have changed."""
        lines = self._text().splitlines()
        start = self._place() - 1
        return "\n".join([*lines[:start], *self.after, *lines[start + len(self.before) :]]) + "\n"

    def lines(self) -> set[int]:
        """The lines that run when what changes does: of its statement, without what is below it."""
        place = self._place()
        found = {place}
        for node in ast.walk(ast.parse(self._text())):
            if isinstance(node, (ast.stmt, ast.match_case)):
                first, last = _extent(node)
                if first <= place <= last:
                    found = set(range(first, last + 1))
        return found

    def _text(self) -> str:
        return (ROOT / self.path).read_text(encoding="utf-8")

    def _place(self) -> int:
        """The first line that changes, also where lines above it came or went."""
        lines = self._text().splitlines()
        places = [
            number
            for number in range(1, len(lines) - len(self.before) + 2)
            if tuple(lines[number - 1 : number - 1 + len(self.before)]) == self.before
        ]
        if not places:
            raise ValueError(f"{self.path} has changed at line {self.line}")
        return min(places, key=lambda place: abs(place - self.line))


def _extent(node: ast.stmt | ast.match_case) -> tuple[int, int]:
    """The lines of a statement, or of its head if others are below it."""
    if isinstance(node, ast.match_case):
        return node.pattern.lineno, node.body[0].lineno - 1
    body = getattr(node, "body", None) or getattr(node, "cases", None)
    if not body:
        return node.lineno, node.end_lineno or node.lineno
    first = body[0].pattern if isinstance(body[0], ast.match_case) else body[0]
    return node.lineno, max(node.lineno, first.lineno - 1)


# -- the sample -----------------------------------------------------------------------------------


def files() -> list[Path]:
    """Every file that is changed, in order."""
    found = []
    for area in AREAS:
        path = PACKAGE / area
        found += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return found


def sample(size: int, seed: int) -> list[Mutant]:
    """Some of all mutants, in random order: the same for the same seed and code."""
    every = [(path, number) for path in files() for number in range(len(_mutations(path)[1]))]
    chosen = random.Random(seed).sample(every, len(every))
    found: dict[str, Mutant] = {}
    for path, number in chosen:
        if len(found) == size:
            break
        mutant = _mutant(path, number)
        if mutant is not None:
            found.setdefault(mutant.key, mutant)
    return list(found.values())


_parsed: dict[Path, tuple[Any, list[Any]]] = {}


def _mutations(path: Path) -> tuple[Any, list[Any]]:
    """A file as libcst has it, and mutmut's mutations of its functions."""
    if path not in _parsed:
        from libcst import MetadataWrapper, parse_module
        from mutmut.mutation.file_mutation import MutationVisitor
        from mutmut.mutation.mutators import mutation_operators
        from mutmut.mutation.pragma_handling import IgnoredCode

        visitor = MutationVisitor(mutation_operators, IgnoredCode(set(), set(), set()))
        wrapper = MetadataWrapper(parse_module(path.read_text(encoding="utf-8")))
        module = wrapper.visit(visitor)
        names = _functions(module)
        of_functions = [
            each for each in visitor.mutations if id(each.contained_by_top_level_function) in names
        ]
        _parsed[path] = module, of_functions
    return _parsed[path]


def _functions(module: Any) -> dict[int, str]:
    """The names of functions and methods, by the identity of their nodes."""
    found: dict[int, str] = {}
    for statement in module.body:
        name = getattr(getattr(statement, "name", None), "value", "")
        if type(statement).__name__ == "FunctionDef":
            found[id(statement)] = name
        elif type(statement).__name__ == "ClassDef":
            for each in statement.body.body:
                if type(each).__name__ == "FunctionDef":
                    found[id(each)] = f"{name}.{each.name.value}"
    return found


def _mutant(path: Path, number: int) -> Mutant | None:
    """A mutation as changed lines; None for one that is no Python, or changes nothing."""
    module, mutations = _mutations(path)
    mutation = mutations[number]
    changed = module.deep_replace(mutation.original_node, mutation.mutated_node).code
    try:
        ast.parse(changed)
    except SyntaxError:
        return None
    before, after = module.code.splitlines(), changed.splitlines()
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    stop = 0
    while stop < min(len(before), len(after)) - start and before[-1 - stop] == after[-1 - stop]:
        stop += 1
    if start == len(before) == len(after):
        return None
    return Mutant(
        path.relative_to(ROOT).as_posix(),
        _functions(module)[id(mutation.contained_by_top_level_function)],
        start + 1,
        tuple(before[start : len(before) - stop]),
        tuple(after[start : len(after) - stop]),
    )


# -- in a process ---------------------------------------------------------------------------------


class NotApplicable(Exception):
    """A change that the function in this process cannot take."""


def apply(mutant: Mutant) -> None:
    """Give the function in this process the changed code; whoever imported it has it as well.

    Raises NotApplicable if it is not found, or closes over other names than before.
    """
    module = importlib.import_module(_module_name(mutant.path))
    function: Any = module
    for name in mutant.function.split("."):
        function = vars(function).get(name)
    function = getattr(function, "__func__", function)
    if not isinstance(function, FunctionType):
        raise NotApplicable(mutant.function)
    text = mutant.source()
    whole = compile(text, str(module.__file__), "exec", dont_inherit=True)
    for code in _codes(whole):
        same_name = code.co_name == function.__code__.co_name
        if same_name and code.co_firstlineno == function.__code__.co_firstlineno:
            try:
                function.__code__ = code
            except ValueError as error:
                raise NotApplicable(str(error)) from None
            _set_defaults(function, text)
            return
    raise NotApplicable(mutant.function)


def _module_name(path: str) -> str:
    parts = Path(path).relative_to("resolver").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _codes(each)


def _set_defaults(function: FunctionType, text: str) -> None:
    """Values of arguments that are left out are not in a function's code."""
    line = function.__code__.co_firstlineno
    for node in ast.walk(ast.parse(text)):
        # The code of a function begins with its first decorator.
        if isinstance(node, ast.FunctionDef) and line in (
            node.lineno,
            *(decorator.lineno for decorator in node.decorator_list),
        ):
            function.__defaults__ = _changed(node.args.defaults, function.__defaults__)
            by_name = function.__kwdefaults__
            if by_name:
                values = _changed(node.args.kw_defaults, tuple(by_name.values())) or ()
                function.__kwdefaults__ = dict(zip(by_name, values, strict=True))


def _changed(
    written: Sequence[ast.expr | None], values: tuple[Any, ...] | None
) -> tuple[Any, ...] | None:
    """The values of defaults as they are written, where that is plain."""
    given = [each for each in written if each is not None]
    if values is None or len(given) != len(values):
        return values
    return tuple(
        each.value if isinstance(each, ast.Constant) else value
        for each, value in zip(given, values, strict=True)
    )


__all__ = ["Mutant", "NotApplicable", "apply", "files", "sample"]
