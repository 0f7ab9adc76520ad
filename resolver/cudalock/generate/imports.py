"""What Python source imports, by parsing it. Nothing of it is ever run."""

from __future__ import annotations

import ast
import warnings
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_FORGIVEN: Final = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
"""Code that catches one of these goes on without the module."""


class Import(NamedTuple):
    """A module that is imported, by its dotted name; `optional` if the code runs without it: inside
    `try` that catches the failure, under `if`, or for a type checker."""

    module: str
    line: int
    optional: bool


def imports_of(source: bytes | str) -> list[Import]:
    """Return every absolute import, in the order of the source.

    Raises ValueError, in a sentence, for what Python cannot parse.
    """
    try:
        with warnings.catch_warnings():
            # An odd escape in somebody's string is not ours to report.
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, MemoryError, RecursionError, OverflowError) as error:
        line = f" (line {error.lineno})" if isinstance(error, SyntaxError) and error.lineno else ""
        raise ValueError(f"it is not Python that can be parsed{line}") from None
    return list(_imports(tree))


def _imports(tree: ast.AST) -> Iterator[Import]:
    # A stack of its own: code may be nested deeper than Python's.
    waiting: list[tuple[ast.AST, bool]] = [(tree, False)]
    imports: list[Import] = []
    while waiting:
        node, optional = waiting.pop()
        if isinstance(node, ast.Import):
            imports += [Import(alias.name, node.lineno, optional) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            # A relative import is of the repository itself.
            if node.level == 0 and node.module:
                imports.append(Import(node.module, node.lineno, optional))
        else:
            waiting += [(child, optional or loose) for child, loose in _children(node)]
    return iter(sorted(imports, key=lambda imported: imported.line))


def _children(node: ast.AST) -> Iterator[tuple[ast.AST, bool]]:
    """Yield the children of a node, each with whether the code may do without it."""
    if isinstance(node, ast.Try):
        loose = any(map(_catches_absence, node.handlers))
        # The fallback after `except ImportError` is a choice too: one of both modules is enough.
        parts = ((node.body, loose), (node.handlers, loose), (node.orelse, loose))
        for body, is_loose in (*parts, (node.finalbody, False)):
            yield from ((child, is_loose) for child in body)
    # `if TYPE_CHECKING:`, `if args.use_flash:`, `if sys.platform == "win32":` need not be true.
    elif isinstance(node, ast.If):
        is_main = _is_main(node.test)
        for child in (*node.body, *node.orelse):
            yield child, not is_main
    else:
        yield from ((child, False) for child in ast.iter_child_nodes(node))


def _catches_absence(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(kind, ast.Name) and kind.id in _FORGIVEN for kind in kinds)


def _is_main(test: ast.expr) -> bool:
    """Whether it is `if __name__ == "__main__"`: a program's main part is no option."""
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.left, ast.Name)
        and test.left.id == "__name__"
    )


__all__ = ["Import", "imports_of"]
