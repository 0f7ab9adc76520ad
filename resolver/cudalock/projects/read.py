"""The one way in: any file of a repository, read; and which files of a repository there are."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final

from cudalock.errors import BadFile
from cudalock.projects.model import Problem, ProjectFile
from cudalock.projects.syntax.text import read_bytes
from cudalock.urls import can_be_split

if TYPE_CHECKING:
    from cudalock.projects.model import Encoding, Place
    from cudalock.projects.readers.requirements import Nested
    from cudalock.projects.syntax.text import Text

STDIN: Final = "-"
"""The name of standard input, which is read as a requirements file."""

_NAMES: Final = (
    ("pyproject", r"pyproject\.toml"),
    ("pylock", r"pylock(\.[^./\\]+)?\.toml"),
    ("uv-lock", r"uv\.lock"),
    ("poetry-lock", r"poetry\.lock"),
    ("pdm-lock", r"pdm\.lock"),
    ("environment", r"(conda[-_.])?env(ironment)?([-_.].*)?\.ya?ml|.*[-_.]env(ironment)?\.ya?ml"),
    ("dockerfile", r"(.*\.)?(dockerfile|containerfile)([-_.].*)?"),
    ("setup-cfg", r"setup\.cfg"),
    ("setup-py", r"setup\.py"),
    ("python-version", r"\.python-versions?"),
    ("constraints", r"(.*[-_.])?constraints?([-_.].*)?\.(txt|in)"),
    ("requirements", r"(.*[-_.])?(requirements?|reqs?)([-_.].*)?\.(txt|in|pip)"),
)
KINDS: Final = tuple(kind for kind, _ in _NAMES)
"""The kinds of file. "constraints" are read as requirements files are."""

_TEMPLATES: Final = (".jinja", ".jinja2", ".j2", ".tmpl", ".template", ".dockerignore", ".md")

_MEGABYTE: Final = 1024 * 1024
_LIMITS: Final = {
    "requirements": 4,
    "constraints": 4,
    "pylock": 8,
    "uv-lock": 8,
    "poetry-lock": 8,
    "pdm-lock": 8,
}
"""Megabytes; 1 for the kinds that only people write. No file of a repository is near that."""

_MOST: Final = max(_LIMITS.values()) * _MEGABYTE

_SKIPPED: Final = {
    "__pycache__",
    "node_modules",
    "site-packages",
    "venv",
    "virtualenv",
    "build",
    "dist",
}
_FOUND: Final = {*KINDS} - {"setup-py", "python-version"}
_MAX_DEPTH: Final = 32
_MAX_FILES: Final = 500


def kind_of(name: str | PurePath) -> str | None:
    """The kind of file that a name means, None for none. The folder counts for `requirements/`."""
    path = PurePath(name)
    lower = path.name.lower()
    if lower.endswith(_TEMPLATES):
        return None
    for kind, pattern in _NAMES:
        if re.fullmatch(pattern, lower):
            return kind
    if lower.endswith((".txt", ".in")) and path.parent.name.lower() in ("requirements", "reqs"):
        return "requirements"
    return None


def find_files(directory: Path) -> list[Path]:
    """The files of a repository that `check` reads, by path. Environments and the like are skipped.

    Raises BadFile for a directory that cannot be read.
    """
    if not directory.is_dir():
        raise BadFile(f"`{directory}` is no directory")
    found: list[Path] = []
    for folder, folders, names in os.walk(directory):
        if "pyvenv.cfg" in names or "conda-meta" in folders:
            folders.clear()
            continue
        folders[:] = sorted(
            each for each in folders if each not in _SKIPPED and not each.startswith(".")
        )
        here = Path(folder)
        wanted = [here / each for each in sorted(names) if kind_of(here / each) in _FOUND]
        # A pipe nobody writes to would be waited for.
        found += [each for each in wanted if each.is_file()]
    return found


def read_file(
    file: str | PurePath, stdin: bytes | None = None, *, kind: str | None = None
) -> ProjectFile:
    """What a file says; `-` is standard input, for which `stdin` may stand in.

    `kind` overrules what the name means. Raises BadFile for a file that cannot be read at all, is
    too large, or is of no known kind; what is wrong within it is in `problems`.
    """
    name = str(file)
    known = kind or kind_of_named(name)
    content = _content(name, stdin)
    return _Reading(stdin).read(name, content, known, known == "constraints", ())


def kind_of_named(name: str) -> str:
    """The kind of a file that somebody named: a `.txt` of any name is a requirements file.

    Raises BadFile for a name that means nothing.
    """
    if name == STDIN:
        return "requirements"
    known = kind_of(name)
    if known is None and PurePath(name).suffix.lower() in (".txt", ".in", ".lock", ""):
        known = "requirements"
    if known is None and PurePath(name).suffix.lower() in (".yml", ".yaml"):
        known = "environment"
    if known is None:
        raise BadFile(
            f"`{name}` is no file that is read here, by its name",
            hints=[
                "a requirements file, pyproject.toml, pylock.toml, uv.lock, poetry.lock, "
                "pdm.lock, environment.yml or Dockerfile"
            ],
        )
    return known


def _content(name: str, stdin: bytes | None) -> bytes:
    try:
        if name == STDIN:
            return sys.stdin.buffer.read(_MOST + 1) if stdin is None else stdin
        with Path(name).open("rb") as opened:
            return opened.read(_MOST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise BadFile(f"`{name}` cannot be read: {reason or error}") from None


class _Reading:
    """One call of `read_file`: which files were read, so that each is read once."""

    def __init__(self, stdin: bytes | None) -> None:
        self.stdin = stdin
        self.seen: set[tuple[str, bool]] = set()

    def read(
        self, name: str, content: bytes, kind: str, constraint: bool, above: tuple[str, ...]
    ) -> ProjectFile:
        shown = "standard input" if name == STDIN else name
        limit = _LIMITS.get(kind, 1)
        if len(content) > limit * _MEGABYTE:
            raise BadFile(f"`{shown}` is larger than {limit} MiB, and is not read")
        text, encoding, problems = read_bytes(content, shown)
        identity = _identity(name)
        self.seen.add((identity, constraint))

        def nested(inner: str, is_constraint: bool, start: int, end: int) -> ProjectFile | None:
            found = self._nested(name, inner, is_constraint, (*above, identity))
            place = text.place(start, end)
            if isinstance(found, str):
                # A Dockerfile names files of its image, which need not be here.
                problems.extend([Problem(place, found)] if kind != "dockerfile" else [])
                return None
            return found and replace(found, named_at=place)

        return _checked(_read(kind, text, encoding, constraint, nested), problems)

    def _nested(
        self, name: str, inner: str, constraint: bool, above: tuple[str, ...]
    ) -> ProjectFile | str | None:
        """A file that another one names; a sentence if it cannot be read, None if it has been."""
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", inner):
            return f"`{inner}` is on the network, and only local files are read"
        path = inner if name == STDIN else str(Path(name).parent / inner)
        identity = _identity(path)
        if _identity(os.path.normpath(path)) == identity:
            path = os.path.normpath(path)
        if identity in above:
            return f"`{inner}` includes itself"
        if len(above) >= _MAX_DEPTH or len(self.seen) >= _MAX_FILES:
            return f"`{inner}` is not read: too many files include one another"
        if (identity, constraint) in self.seen:
            return None
        try:
            if Path(path).exists() and not Path(path).is_file():
                return f"`{inner}` is no file"
            content = _content(path, None)
            kind = kind_of(path)
            if kind not in _INCLUDED:
                kind = "constraints" if constraint else "requirements"
            return self.read(path, content, kind, constraint, above)
        except (OSError, ValueError) as error:  # as above, or a name that is too long
            reason = error.strerror if isinstance(error, OSError) else None
            return f"such a file name cannot be{f': {reason}' if reason else ''}"
        except BadFile as error:
            return error.message


def _checked(file: ProjectFile, problems: list[Problem]) -> ProjectFile:
    """The file with these problems, and without the addresses that cannot be taken apart."""
    said: list[tuple[Place, str | None]] = [(each.place, each.url) for each in file.declared]
    said += [(each.place, each.url) for each in file.indexes]
    said += [(each.place, each.url) for each in file.sources]
    bad = {place for place, url in said if url and not can_be_split(url)}
    problems += [Problem(place, "this is no address") for place in sorted(bad)]
    if not problems:
        return file
    return replace(
        file,
        declared=tuple(each for each in file.declared if each.place not in bad),
        indexes=tuple(each for each in file.indexes if each.place not in bad),
        sources=tuple(each for each in file.sources if each.place not in bad),
        problems=(*file.problems, *problems),
    )


_INCLUDED: Final = {"pylock", "requirements", "constraints"}
"""What `-r` may name."""


def _identity(name: str) -> str:
    try:
        return name if name == STDIN else os.path.realpath(name)
    except ValueError:  # a name with a NUL in it
        return name


def _read(
    kind: str, text: Text, encoding: Encoding, constraint: bool, nested: Nested
) -> ProjectFile:
    """What the reader of a kind makes of a text; its module is imported only now."""
    read = import_module(f"cudalock.projects.{_MODULES[kind]}").read
    more: dict[str, Any] = {"nested": nested} if kind in _NESTING else {}
    if kind in ("requirements", "constraints"):
        more["constraint"] = constraint
    file: ProjectFile = read(text, encoding, **more)
    return file


_NESTING: Final = {"requirements", "constraints", "environment", "dockerfile"}
"""Kinds whose files may name others."""

_MODULES: Final = {
    "requirements": "readers.requirements",
    "constraints": "readers.requirements",
    "environment": "readers.conda_env",
    "dockerfile": "readers.dockerfile",
    "pyproject": "readers.pyproject",
    "pylock": "locks.pylock",
    "uv-lock": "locks.uv",
    "poetry-lock": "locks.poetry",
    "pdm-lock": "locks.pdm",
    "setup-cfg": "readers.setup_cfg",
    "setup-py": "readers.setup_py",
    "python-version": "readers.python_version",
}
