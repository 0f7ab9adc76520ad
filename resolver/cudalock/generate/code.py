"""Which components a repository's code uses: its Python files and notebooks, read and never run."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.errors import BadFile
from cudalock.files import is_junction, read_limited, read_small
from cudalock.generate.imports import Import, imports_of
from cudalock.projects.syntax.notebook import Command, read_notebook

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

MAX_BYTES: Final = 2 * 1024 * 1024
MAX_FILES: Final = 5000
_SKIPPED: Final = {
    *("__pycache__", "node_modules", "site-packages", "venv", "virtualenv", "env"),
    *("build", "dist"),
}
_ASIDE: Final = {"test", "tests", "testing", "doc", "docs", "benchmark", "benchmarks", "conftest"}
"""Folders whose code tests or describes the repository: what it imports is reported, not
required."""
_BUILD: Final = {"setup.py"}
"""Run by whoever builds the repository, with the requirements of the build."""


class Used(NamedTuple):
    """A component that the code imports. `optional` if it runs without."""

    component: str
    module: str
    file: str
    line: int
    cell: int | None
    optional: bool

    @property
    def origin(self) -> str:
        """Where, for people: `train.py:12`, `demo.ipynb cell 3:1`."""
        cell = f" cell {self.cell}" if self.cell is not None else ""
        return f"{self.file}{cell}:{self.line}"


class NotebookLine(NamedTuple):
    """A command of a notebook that installs something."""

    file: str
    command: Command

    @property
    def origin(self) -> str:
        return f"{self.file} cell {self.command.cell}:{self.command.line}"


@dataclass(frozen=True, slots=True)
class Code:
    """What the code of a repository uses and installs."""

    used: tuple[Used, ...] = ()
    installs: tuple[NotebookLine, ...] = ()
    files: int = 0
    """Python files looked at"""
    notebooks: int = 0
    notes: tuple[str, ...] = ()
    """sentences about what was not read, and why"""


def read_code(
    root: Path, imports: Mapping[str, str], elsewhere: Collection[Path] = frozenset()
) -> Code:
    """Return what Python files and notebooks under `root` use; `imports` maps modules to
    components.

    The repository's own modules are no components, and what the folders `elsewhere` use is
    optional: they have files of their own that require it. Raises BadFile if `root` cannot be read.
    """
    return _Scan(root, imports, elsewhere).read()


def read_code_file(path: Path, imports: Mapping[str, str]) -> Code:
    """Return what a single file of Python, or a notebook, uses."""
    scan = _Scan(path.parent, imports, frozenset())
    scan.read_file(path, frozenset())
    return scan.code()


def submodules(root: Path) -> set[Path]:
    """Return the folders of a repository that are git submodules, by its .gitmodules."""
    try:
        text = read_small(root / ".gitmodules").decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return set()
    return {Path(path) for path in re.findall(r"(?m)^\s*path\s*=\s*(\S.*?)\s*$", text)}


class _Scan:
    """The state of one walk over a repository."""

    def __init__(self, root: Path, imports: Mapping[str, str], elsewhere: Collection[Path]) -> None:
        self.root = root
        self.elsewhere = elsewhere
        self.imports = imports
        roots = sorted({module.partition(".")[0] for module in imports})
        # Most files import no component, and need not be parsed: it takes a hundred times longer.
        self.mention = re.compile(rb"\b(?:" + "|".join(roots).encode() + rb")\b")
        self.used: list[Used] = []
        self.installs: list[NotebookLine] = []
        self.notes: list[str] = []
        self.files = self.notebooks = 0

    def read(self) -> Code:
        paths = list(self._paths())
        own = _own_modules(self.root, paths)
        for path in paths:
            if self.files + self.notebooks >= MAX_FILES:
                self.notes.append(f"only the first {MAX_FILES} Python files were read")
                break
            self.read_file(path, own)
        return self.code()

    def code(self) -> Code:
        """Return what was read so far."""
        return Code(
            tuple(self.used), tuple(self.installs), self.files, self.notebooks, tuple(self.notes)
        )

    def _paths(self) -> Iterator[Path]:
        if not self.root.is_dir():
            raise BadFile(f"`{self.root}` is not a directory")
        for folder, folders, names in os.walk(self.root):
            # A virtual environment inside the repository imports everything that it has installed.
            if "pyvenv.cfg" in names or "conda-meta" in folders:
                folders.clear()
                continue
            folders[:] = sorted(
                name
                for name in folders
                if name not in _SKIPPED
                and not name.startswith(".")
                and not is_junction(Path(folder) / name)
            )
            for name in sorted(names):
                if name.endswith((".py", ".ipynb")):
                    yield Path(folder) / name

    def read_file(self, path: Path, own: frozenset[str]) -> None:
        """Read one file; `own` are modules that are the repository's own."""
        name = path.relative_to(self.root).as_posix()
        try:
            # A pipe or a device would be waited for.
            if not path.is_file():
                return
            content = read_limited(path, MAX_BYTES)
        except OSError as error:
            self.notes.append(f"{name} was not read: {error.strerror or error}")
            return
        if len(content) > MAX_BYTES:
            self.notes.append(f"{name} was not read: it has more than {MAX_BYTES} bytes")
            return
        # A script's own folder comes first in sys.path: `import triton` is a triton.py beside it.
        beside = own | {sibling.stem for sibling in path.parent.glob("*.py")}
        aside = path.name in _BUILD or _is_aside(name) or self._is_elsewhere(Path(name))
        if path.suffix == ".ipynb":
            self.notebooks += 1
            self._read_notebook(name, content, beside, aside)
        else:
            self.files += 1
            if self.mention.search(content):
                self._note_imports(name, content, None, beside, aside)

    def _is_elsewhere(self, name: Path) -> bool:
        return any(folder in self.elsewhere for folder in name.parents)

    def _read_notebook(self, name: str, content: bytes, own: frozenset[str], aside: bool) -> None:
        try:
            notebook = read_notebook(content)
        except ValueError as error:
            self.notes.append(f"{name} was not read: {error}")
            return
        self.installs += [NotebookLine(name, command) for command in notebook.commands]
        for cell in notebook.cells:
            if self.mention.search(cell.source.encode("utf-8", "replace")):
                self._note_imports(name, cell.source, cell.number, own, aside)

    def _note_imports(
        self, name: str, source: bytes | str, cell: int | None, own: frozenset[str], aside: bool
    ) -> None:
        try:
            imports = imports_of(source)
        except ValueError as error:
            where = name if cell is None else f"{name} cell {cell}"
            self.notes.append(f"{where} was not read: {error}")
            return
        self.used += self._components(name, cell, imports, own, aside)

    def _components(
        self,
        name: str,
        cell: int | None,
        imports: Iterable[Import],
        own: frozenset[str],
        aside: bool,
    ) -> Iterator[Used]:
        for imported in imports:
            component = self._component(imported.module)
            if component is not None and imported.module.partition(".")[0] not in own:
                optional = imported.optional or aside
                yield Used(component, imported.module, name, imported.line, cell, optional)

    def _component(self, module: str) -> str | None:
        """Return the component whose import name is the longest start of a dotted name."""
        # `google.protobuf` and `google.cloud` are of different projects.
        while module:
            if module in self.imports:
                return self.imports[module]
            module = module.rpartition(".")[0]
        return None


def _own_modules(root: Path, paths: Iterable[Path]) -> frozenset[str]:
    """Return the top-level modules of the repository itself: in the root, and in `src`."""
    own = set()
    for path in paths:
        parts = path.relative_to(root).parts
        # The src layout is an import root of its own.
        if parts[0] == "src" and len(parts) > 1:
            parts = parts[1:]
        if len(parts) == 1:
            own.add(path.stem)
        elif path.name == "__init__.py" and len(parts) == 2:
            own.add(parts[0])
    return frozenset(own)


def _is_aside(name: str) -> bool:
    *folders, file = name.lower().split("/")
    return not _ASIDE.isdisjoint(folders) or file.startswith("test_") or file == "conftest.py"


__all__ = ["Code", "NotebookLine", "Used", "read_code", "read_code_file", "submodules"]
