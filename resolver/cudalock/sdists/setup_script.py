"""Follow a setup.py as far as constants go, without running it.

Names have the constants that they are assigned; an environment variable is not set; whatever else
is called has an unknown result. Of an `if` whose test is known only one branch is followed. So
`if os.getenv("BUILD_CUDA") == "1":` compiles nothing, and a function that is never named is not
looked into.
"""

from __future__ import annotations

import ast
import operator
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

LARGEST_VALUE: Final = 10_000
"""Characters or elements of a value: `"x" * 10**9` is not followed."""
DEEPEST: Final = 60
"""Expressions inside one another."""

SETUP: Final = "setup"


class _Unknown:
    """The value of what cannot be followed."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown()


@dataclass
class Script:
    """What a setup.py does, as far as it can be followed."""

    arguments: dict[str, Any] = field(default_factory=dict)
    """those of `setup()`, by name; UNKNOWN for a value that is computed"""
    is_open: bool = False
    """whether `setup()` gets arguments that cannot be told, or is not called in sight"""
    uses: set[str] = field(default_factory=set)
    """the last part of each name that is read: `Extension` for `setuptools.Extension()`"""
    stops: bool = False
    """whether it ends with an error of its own: `raise SystemExit("use another project")`"""
    imports: set[str] = field(default_factory=set)
    """modules that have to be there: imports inside `try`, or a branch that may not be taken, are
    not"""


def follow(text: str) -> Script | None:
    """Return what a script does; None for a text that this Python cannot parse."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    try:
        return _Follower().run(module)
    except RecursionError:
        return Script(is_open=True)


_Body = list[ast.stmt]
_COMPARISONS: Final[Mapping[type[ast.cmpop], Callable[[Any, Any], Any]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_METHODS: Final = frozenset(
    {"lower", "upper", "strip", "split", "splitlines", "startswith", "endswith", "replace", "join"}
)
_BUILTINS: Final[Mapping[str, Callable[..., Any]]] = {
    "int": int,
    "bool": bool,
    "str": str,
    "len": len,
    "list": list,
    "tuple": tuple,
    "sorted": sorted,
}
_LEAVING: Final = (ast.Return, ast.Raise, ast.Break, ast.Continue)
_MUTATORS: Final = frozenset(
    {"append", "extend", "insert", "update", "setdefault", "remove", "pop"}
)


class _Follower:
    """One script. `names` has the values of the module's names, `bodies` its functions."""

    def __init__(self) -> None:
        self.script = Script()
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.bodies: dict[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef] = {}
        self.referenced: set[str] = set()
        self._seen_setup = False
        # Whether the statement at hand is reached whatever the unknown values are.
        self._is_certain = True
        self._has_returned = False
        self._tried = 0
        self._depth = 0

    def run(self, module: ast.Module) -> Script:
        self._statements(module.body)
        # What is named may be called: the bodies of functions, and of those that these name.
        visited: set[str] = set()
        while waiting := sorted(self.referenced & self.bodies.keys() - visited):
            for name in waiting:
                visited.add(name)
                for base in getattr(self.bodies[name], "bases", ()):
                    self._value(base)
                outer, self.names = self.names, {**self.names, **dict(_locals(self.bodies[name]))}
                # An import in a function fails where it is called, which may be inside a `try`.
                self._tried += 1
                self._is_certain, self._has_returned = True, False
                self._statements(self.bodies[name].body)
                self._tried -= 1
                self.names = outer
        if not self._seen_setup:
            self.script.is_open = True
        return self.script

    # -- statements -----------------------------------------------------------------------------

    def _statements(self, body: _Body) -> None:
        for statement in body:
            if self._has_returned:
                return
            self._statement(statement)

    def _statement(self, statement: ast.stmt) -> None:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self.bodies[statement.name] = statement
                self.names[statement.name] = UNKNOWN
                for decorator in statement.decorator_list:
                    self._value(decorator)
            case ast.If():
                self._if(statement)
            case ast.Assign():
                self._assign(statement.targets, self._value(statement.value))
            case ast.AnnAssign(value=ast.expr() as expression):
                self._assign([statement.target], self._value(expression))
            case ast.AugAssign():
                self._augment(statement)
            case ast.Import():
                for alias in statement.names:
                    self._import(alias.name)
                    self.names[(alias.asname or alias.name).partition(".")[0]] = UNKNOWN
            case ast.ImportFrom():
                if not statement.level and statement.module:
                    self._import(statement.module)
                for alias in statement.names:
                    self.names[alias.asname or alias.name] = UNKNOWN
            case ast.Try():
                self._try(statement)
            case ast.For() | ast.AsyncFor() | ast.While() | ast.With() | ast.AsyncWith():
                self._block(statement)
            case ast.Match():
                self._value(statement.subject)
                with self._uncertain(statement):
                    for match_case in statement.cases:
                        self._statements(match_case.body)
            case ast.Expr():
                self._value(statement.value)
            case ast.Return() | ast.Raise():
                self._leave(statement)
            case _:
                for child in ast.iter_child_nodes(statement):
                    if isinstance(child, ast.expr):
                        self._value(child)

    def _leave(self, statement: ast.Return | ast.Raise) -> None:
        for child in ast.iter_child_nodes(statement):
            if isinstance(child, ast.expr):
                self._value(child)
        if self._is_certain:
            self._has_returned = True
            self.script.stops |= isinstance(statement, ast.Raise)

    @contextmanager
    def _uncertain(self, statement: ast.stmt) -> Iterator[None]:
        """Follow parts of a statement that may not be reached, and what comes after it."""
        before, self._is_certain = self._is_certain, False
        yield
        leaves = any(isinstance(node, _LEAVING) for node in ast.walk(statement))
        self._is_certain = before and not leaves

    def _if(self, statement: ast.If) -> None:
        test = self._value(statement.test)
        if test is not UNKNOWN:
            self._statements(statement.body if test else statement.orelse)
            return
        before = dict(self.names)
        with self._uncertain(statement):
            self._statements(statement.body)
            first, self.names = self.names, before
            self._statements(statement.orelse)
        self._join(first, self.names)

    def _join(self, first: dict[str, Any], second: dict[str, Any]) -> None:
        """Keep the values on which two branches agree."""
        self.names = {
            name: first[name] if name in first and _same(first[name], second.get(name)) else UNKNOWN
            for name in {*first, *second}
        }

    def _try(self, statement: ast.Try) -> None:
        # An import that may fail is no requirement of the build.
        is_optional = any(not _raises(handler) for handler in statement.handlers)
        self._tried += is_optional
        before = dict(self.names)
        raises = any(isinstance(node, ast.Raise) for node in statement.body)
        if not raises:
            self._statements(statement.body)
        with self._uncertain(statement):
            self._statements(statement.body if raises else [])
            self._statements(statement.orelse)
            self._tried -= is_optional
            after = self.names
            # What is imported after a failure is not what the build was made for.
            self._tried += 1
            for handler in statement.handlers:
                self.names = dict(before)
                self._statements(handler.body)
                self._join(after, self.names)
                after = self.names
            self._tried -= 1
        self._statements(statement.finalbody)

    def _block(
        self, statement: ast.For | ast.AsyncFor | ast.While | ast.With | ast.AsyncWith
    ) -> None:
        """Follow a loop or a `with` one time; the names that it assigns are unknown after it."""
        match statement:
            case ast.For() | ast.AsyncFor():
                self._value(statement.iter)
                bodies = [statement.body, statement.orelse]
            case ast.While():
                self._value(statement.test)
                bodies = [statement.body, statement.orelse]
            case _:
                for with_item in statement.items:
                    self._value(with_item.context_expr)
                bodies = [statement.body]
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self.names[node.id] = UNKNOWN
            elif isinstance(node, ast.Call):
                self._forget_changed(node)
        with self._uncertain(statement):
            for body in bodies:
                self._statements(body)

    def _assign(self, targets: list[ast.expr], assigned: Any) -> None:
        for target in targets:
            match target:
                case ast.Name():
                    self.names[target.id] = assigned
                case ast.Subscript(value=ast.Name(id=name)):
                    self.names[name] = UNKNOWN
                case _:
                    for node in ast.walk(target):
                        if isinstance(node, ast.Name):
                            self.names[node.id] = UNKNOWN

    def _augment(self, statement: ast.AugAssign) -> None:
        added = self._value(statement.value)
        if isinstance(statement.target, ast.Name):
            before = self.names.get(statement.target.id, UNKNOWN)
            is_sum = isinstance(statement.op, ast.Add)
            self.names[statement.target.id] = _added(before, added) if is_sum else UNKNOWN
        else:
            self._assign([statement.target], UNKNOWN)

    def _import(self, module: str) -> None:
        if not self._tried and self._is_certain:
            self.script.imports.add(module.partition(".")[0])

    # -- expressions ----------------------------------------------------------------------------

    def _value(self, node: ast.expr | None) -> Any:
        """Return the value of an expression, and note what it calls."""
        if node is None:
            return None
        self._depth += 1
        if self._depth > DEEPEST:
            raise RecursionError
        try:
            return self._bounded(self._followed(node))
        finally:
            self._depth -= 1

    @staticmethod
    def _bounded(followed: Any) -> Any:
        is_long = isinstance(followed, str | list | tuple | dict) and len(followed) > LARGEST_VALUE
        return UNKNOWN if is_long else followed

    def _followed(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant():
                return node.value
            case ast.Name():
                self.referenced.add(node.id)
                self.script.uses.add(node.id)
                return self.names.get(node.id, UNKNOWN)
            case ast.Attribute():
                self._value(node.value)
                self.script.uses.add(node.attr)
                return UNKNOWN
            case ast.List() | ast.Tuple() | ast.Set():
                elements = [self._value(element) for element in node.elts]
                return elements if isinstance(node, ast.List) else tuple(elements)
            case ast.Dict():
                return self._dict(node)
            case ast.Call():
                return self._call(node)
            case ast.BoolOp():
                return self._bool(node)
            case ast.UnaryOp(op=ast.Not()):
                operand = self._value(node.operand)
                return UNKNOWN if operand is UNKNOWN else not operand
            case ast.Compare():
                return self._compare(node)
            case ast.BinOp():
                left, right = self._value(node.left), self._value(node.right)
                return _added(left, right) if isinstance(node.op, ast.Add) else UNKNOWN
            case ast.IfExp():
                test = self._value(node.test)
                if test is UNKNOWN:
                    self._value(node.body)
                    self._value(node.orelse)
                    return UNKNOWN
                return self._value(node.body if test else node.orelse)
            case ast.Starred():
                self._value(node.value)
                return UNKNOWN
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self._value(child)
                    elif isinstance(child, ast.comprehension):
                        self._value(child.iter)
                return UNKNOWN

    def _dict(self, node: ast.Dict) -> Any:
        table: dict[Any, Any] = {}
        for key, content in zip(node.keys, node.values, strict=True):
            key_value = UNKNOWN if key is None else self._value(key)
            content_value = self._value(content)
            if not isinstance(key_value, str):
                return UNKNOWN
            table[key_value] = content_value
        return table

    def _bool(self, node: ast.BoolOp) -> Any:
        is_or = isinstance(node.op, ast.Or)
        outcome: Any = UNKNOWN
        for operand in node.values:
            outcome = self._value(operand)
            if outcome is not UNKNOWN and bool(outcome) is is_or:
                return outcome
            if outcome is UNKNOWN:
                # The others may be evaluated or not.
                for other in node.values[node.values.index(operand) + 1 :]:
                    self._value(other)
                return UNKNOWN
        return outcome

    def _compare(self, node: ast.Compare) -> Any:
        operands = [self._value(node.left), *map(self._value, node.comparators)]
        if any(_is_open(operand) for operand in operands):
            return UNKNOWN
        try:
            return all(
                _COMPARISONS[type(op)](left, right)
                for op, left, right in zip(node.ops, operands, operands[1:], strict=False)
            )
        except TypeError:
            return UNKNOWN

    def _call(self, node: ast.Call) -> Any:
        name = _last_name(node.func)
        owner = self._value(node.func.value) if isinstance(node.func, ast.Attribute) else None
        if isinstance(node.func, ast.Attribute):
            self.script.uses.add(node.func.attr)
        else:
            self._value(node.func)
        positional = [self._value(argument) for argument in node.args]
        named = {keyword.arg: self._value(keyword.value) for keyword in node.keywords}
        self._forget_changed(node)
        if name == SETUP:
            self._setup(named)
            return UNKNOWN
        if _is_environment(node.func):
            return positional[1] if len(positional) > 1 else named.get("default")
        if name == "dict" and isinstance(node.func, ast.Name) and not positional:
            return UNKNOWN if None in named else named
        if _is_open([*positional, *named.values()]) or None in named:
            return UNKNOWN
        return self._known_call(node.func, owner, positional)

    @staticmethod
    def _known_call(function: ast.expr, owner: Any, positional: list[Any]) -> Any:
        try:
            if isinstance(function, ast.Name) and function.id in _BUILTINS:
                return _BUILTINS[function.id](*positional)
            is_text = isinstance(owner, str) and isinstance(function, ast.Attribute)
            if is_text and function.attr in _METHODS:  # type: ignore[attr-defined]
                return getattr(owner, function.attr)(*positional)  # type: ignore[attr-defined]
        except (TypeError, ValueError, OverflowError):
            pass
        return UNKNOWN

    def _forget_changed(self, node: ast.Call) -> None:
        """Forget a list or table that a call changes."""
        function = node.func
        if (
            isinstance(function, ast.Attribute)
            and function.attr in _MUTATORS
            and isinstance(function.value, ast.Name)
        ):
            self.names[function.value.id] = UNKNOWN

    def _setup(self, named: dict[str | None, Any]) -> None:
        self._seen_setup = True
        spread = named.pop(None, {})
        if isinstance(spread, dict):
            named = {**spread, **named}
        else:
            self.script.is_open = True
        for argument, given in named.items():
            known = self.script.arguments.setdefault(str(argument), given)
            if not _same(known, given):
                self.script.arguments[str(argument)] = UNKNOWN


def _raises(handler: ast.ExceptHandler) -> bool:
    return isinstance(handler.body[-1], ast.Raise)


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def _is_environment(node: ast.expr) -> bool:
    """Tell `os.getenv`, `os.environ.get` and `environ.get`."""
    return ast.unparse(node) in ("os.getenv", "getenv", "os.environ.get", "environ.get")


def _is_open(content: Any) -> bool:
    """Tell whether a value is unknown, or has an unknown part."""
    if isinstance(content, list | tuple):
        return any(map(_is_open, content))
    if isinstance(content, dict):
        return any(map(_is_open, content.values()))
    return content is UNKNOWN


def _added(left: Any, right: Any) -> Any:
    is_sum = isinstance(left, str | list | tuple) and type(left) is type(right)
    return left + right if is_sum else UNKNOWN


def _same(left: Any, right: Any) -> bool:
    return left is right or (not _is_open(left) and not _is_open(right) and left == right)


def _locals(
    definition: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef,
) -> Iterator[tuple[str, Any]]:
    """Yield the names that a function binds, all unknown: it may be called with anything."""
    for node in ast.walk(definition):
        if isinstance(node, ast.arg):
            yield node.arg, UNKNOWN
        elif isinstance(node, ast.Global | ast.Nonlocal):
            for name in node.names:
                yield name, UNKNOWN


def is_standard(module: str) -> bool:
    """Return whether a module is of the standard library, of this Python or of an earlier one."""
    return module in sys.stdlib_module_names or module in ("distutils", "imp", "pipes", "asynchat")


def is_open(content: Any) -> bool:
    """Return whether a value, or a part of it, cannot be told."""
    return _is_open(content)
