"""setup.py, parsed and never run: the literal lists that it passes to `setup()`."""

from __future__ import annotations

import ast
import warnings
from typing import TYPE_CHECKING, Final

from cudalock.projects.model import Declared, FileProblem, ProjectFile, StatedValue
from cudalock.projects.syntax.pep508 import entry, is_specifier, parse
from cudalock.versions import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.projects.model import Encoding
    from cudalock.projects.syntax.text import Text

_COMPUTED: Final = "is computed in part, and nothing of a repository is run"


def read(text: Text, encoding: Encoding) -> ProjectFile:
    """Read the file's literals. Names of fields that it computes are in `dynamic`."""
    module = _parse(text)
    if isinstance(module, FileProblem):
        return ProjectFile(text.name, "setup-py", text.text, encoding, problems=(module,))
    return _Setup(text, module).read(encoding)


def _parse(text: Text) -> ast.Module | FileProblem:
    try:
        # Old files have `"\d"` and `is "x"`, of which the parser warns on standard error.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text.text)
    except SyntaxError as error:
        start = text.offset(error.lineno or 1, error.offset or 1)
        return FileProblem(text.place(start, start), f"this is not Python: {error.msg}")
    # A NUL is a ValueError, brackets nested too deeply one of the others, depending on the Python.
    except (ValueError, RecursionError, MemoryError):
        return FileProblem(text.place(0, 0), "this is not Python that can be read")


class _Setup:
    """The state of reading one file. `values` are those of names that are assigned at the top
    level."""

    def __init__(self, text: Text, module: ast.Module) -> None:
        self.text = text
        self.values: dict[str, ast.expr] = {}
        self.problems: list[FileProblem] = []
        self.computed: list[str] = []
        self.call: ast.Call | None = None
        for statement in module.body:
            self._note(statement)
        # Anywhere, since `setup()` is often in `if __name__ == "__main__":` or a function.
        for node in ast.walk(module):
            if isinstance(node, ast.Call) and _called(node) == "setup":
                self.call = node

    def _note(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
            if isinstance(target, ast.Name):
                self.values[target.id] = statement.value
        # `REQUIRES += [...]` under no condition; below an `if`, assignments are not seen at all.
        elif isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
            name = statement.target.id
            if name in self.values and isinstance(statement.op, ast.Add):
                self.values[name] = ast.BinOp(self.values[name], ast.Add(), statement.value)

    def read(self, encoding: Encoding) -> ProjectFile:
        keywords = {key.arg: key.value for key in self.call.keywords} if self.call else {}
        # `setup(**kwargs)`: whatever it has, dependencies may be among it.
        if self.call is not None and None in keywords:
            self.computed.append("dependencies")
        declared = list(self._requirements("dependencies", keywords.get("install_requires"), None))
        extras = self._resolved(keywords.get("extras_require"))
        if isinstance(extras, ast.Dict):
            for key, listed in zip(extras.keys, extras.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    group = f"extra:{canonical(key.value)}"
                    declared += self._requirements("optional-dependencies", listed, group)
        elif extras is not None:
            self.computed.append("optional-dependencies")
        name = self._string(keywords.get("name"))
        python = self._string(keywords.get("python_requires"))
        return ProjectFile(
            self.text.name,
            "setup-py",
            self.text.text,
            encoding,
            declared=tuple(declared),
            requires_python=python if python and is_specifier(python.value) else None,
            dynamic=tuple(dict.fromkeys(self.computed)),
            notes=tuple(f"`{field}` {_COMPUTED}" for field in dict.fromkeys(self.computed)),
            problems=tuple(self.problems),
            project=canonical(name.value) if name else None,
        )

    def _resolved(self, node: ast.expr | None) -> ast.expr | None:
        """Return what a name stands for, following assignments of names to names."""
        # Ten steps: `a = b` and `b = a` would go on for ever.
        for _ in range(10):
            if not isinstance(node, ast.Name) or node.id not in self.values:
                break
            node = self.values[node.id]
        return node

    def _string(self, node: ast.expr | None) -> StatedValue | None:
        node = self._resolved(node)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return StatedValue(node.value, self.text.place(*self._span(node, node.value)))
        return None

    def _requirements(
        self, field: str, node: ast.expr | None, group: str | None
    ) -> Iterator[Declared]:
        # The depth bounds sums such as `x += x`, each of which doubles the list.
        for constant in self._constants(field, node, 20):
            yield from self._requirement(constant, group)

    def _constants(self, field: str, node: ast.expr | None, depth: int) -> Iterator[ast.Constant]:
        """The strings of a list, of a sum of lists, or of one string."""
        node = self._resolved(node)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node
        elif isinstance(node, ast.List | ast.Tuple):
            for element in node.elts:
                inner = element.value if isinstance(element, ast.Starred) else element
                yield from self._constants(field, inner, depth - 1) if depth else ()
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and depth:
            yield from self._constants(field, node.left, depth - 1)
            yield from self._constants(field, node.right, depth - 1)
        # `extras_require=None` is as good as none; anything else that is no literal is computed.
        elif node is not None and not (isinstance(node, ast.Constant) and node.value is None):
            self.computed.append(field)

    def _requirement(self, node: ast.Constant, group: str | None) -> Iterator[Declared]:
        """Yield the requirements of a string, one a line."""
        start, end = self._span(node, str(node.value))
        exact = self.text.text[start:end] == node.value
        position = 0
        for line in str(node.value).splitlines(keepends=True):
            offset, position = position, position + len(line)
            # setuptools takes `torch  # why` in a string of several lines.
            text = line.partition(" #")[0].strip()
            if not text or text.startswith("#"):
                continue
            first = start + offset + len(line) - len(line.lstrip())
            place = (
                self.text.place(first, first + len(text)) if exact else self.text.place(start, end)
            )
            parsed = parse(text)
            if parsed.problem is not None:
                message = f"invalid requirement `{text}`: {parsed.problem}"
                self.problems.append(FileProblem(place, message))
                continue
            where = self.text.place(first + parsed.version[0], first + parsed.version[1])
            written = self.text.text[place.start : place.end]
            ignored = self.text.ignored(place.start, place.end)
            yield entry(parsed, written, place, where if exact else None, ignored, group=group)

    def _span(self, node: ast.expr, text: str) -> tuple[int, int]:
        """Return the span between a string's quotes, if that text is the value; else of the
        literal."""
        # ast counts columns in bytes of UTF-8.
        start = self.text.offset_of_byte(node.lineno, node.col_offset)
        end = self.text.offset_of_byte(node.end_lineno or node.lineno, node.end_col_offset or 0)
        written = self.text.text[start:end]
        inside = written.find(text)
        # Eight characters at most are quotes and prefix (`rb"""..."""`). More means that literals
        # are joined or have escapes, and `find` met the value by chance.
        if inside >= 0 and len(written) - len(text) <= 8:
            return start + inside, start + inside + len(text)
        return start, end


def _called(call: ast.Call) -> str | None:
    """The name that a call calls: `setup` for `setup()` and `setuptools.setup()`."""
    if isinstance(call.func, ast.Name):
        return call.func.id
    return call.func.attr if isinstance(call.func, ast.Attribute) else None


__all__ = ["read"]
