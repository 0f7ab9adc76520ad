"""The one way to read a file of a repository, and to find which files it has."""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final

from cudalock.errors import BadFile
from cudalock.files import is_junction, read_limited
from cudalock.projects.kinds import BY_NAME, LARGEST, MEGABYTE, STDIN, kind_of, kind_of_named
from cudalock.projects.model import FileProblem, ProjectFile
from cudalock.projects.syntax.package_list import is_package_list
from cudalock.projects.syntax.text import read_bytes
from cudalock.records import replace
from cudalock.urls import is_splittable

if TYPE_CHECKING:
    from cudalock.projects.model import Encoding, Place
    from cudalock.projects.readers.requirements import Nested
    from cudalock.projects.syntax.text import Text

_SKIPPED: Final = {
    "__pycache__",
    "node_modules",
    "site-packages",
    "venv",
    "virtualenv",
    "build",
    "dist",
}
_ENVIRONMENT: Final = re.compile(r"^dependencies:[ \t]*$", re.MULTILINE)
_CHANNELS: Final = re.compile(r"^(?:channels|name):", re.MULTILINE)
_MAX_DEPTH: Final = 32
_MAX_FILES: Final = 500


def find_files(directory: Path) -> list[Path]:
    """Return the files of a repository that `check` reads, by path; skip environments and the like.

    Raises BadFile for a directory that cannot be read.
    """
    if not directory.is_dir():
        raise BadFile(f"`{directory}` is not a directory")
    paths: list[Path] = []
    for folder, folders, names in os.walk(directory):
        # The marker files of venv and conda: environments have any name, and thousands of files.
        if "pyvenv.cfg" in names or "conda-meta" in folders:
            folders.clear()
            continue
        # In place: os.walk enters only what is left in the list. Sorted: findings come in this
        # order, and an operating system lists folders in any.
        folders[:] = sorted(
            each
            for each in folders
            if each not in _SKIPPED
            and not each.startswith(".")
            and not is_junction(os.path.join(folder, each))  # noqa: PTH118
        )
        here = Path(folder)
        read_here = [here / each for each in sorted(names) if _is_checked(here / each)]
        # A pipe nobody writes to would be waited for.
        paths += [each for each in read_here if each.is_file()]
    return paths


def _is_checked(path: Path) -> bool:
    kind = kind_of(path)
    return kind is not None and BY_NAME[kind].is_checked


def read_file(
    file: str | PurePath,
    stdin: bytes | None = None,
    *,
    kind: str | None = None,
    is_content: bool = False,
) -> ProjectFile:
    """Read a file; `-` is standard input, for which `stdin` are bytes to use instead.

    With `is_content` they are the bytes of `file` itself: an editor has changed it, and not saved.
    `kind` overrules what the name means. Where the name says nothing, the content tells a list of
    installed packages, or conda's environment, from a requirements file. Raises BadFile for a file
    that cannot be read at all, is too large, or is of no known kind; what is wrong within it is in
    `problems`.
    """
    name = str(file)
    known = kind or kind_of_named(name)
    content = stdin if is_content and stdin is not None else _content(name, stdin)
    is_open = kind is None and known == "requirements" and kind_of(name) is None
    return _FileReading(stdin, is_open).read(name, content, known, known == "constraints", ())


def _content(name: str, stdin: bytes | None) -> bytes:
    try:
        if name == STDIN:
            # A byte more than allowed shows that a file is too large, without reading all of it.
            return sys.stdin.buffer.read(LARGEST + 1) if stdin is None else stdin
        return read_limited(name, LARGEST)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise BadFile(f"`{name}` cannot be read: {reason or error}") from None


class _FileReading:
    """One call of `read_file`: which files were read, so that each is read once."""

    def __init__(self, stdin: bytes | None, is_open: bool) -> None:
        """`is_open`: whether the first file may turn out to be a list of packages."""
        self.stdin = stdin
        self.is_open = is_open
        self.seen: set[tuple[str, bool]] = set()

    def read(
        self, name: str, content: bytes, kind: str, constraint: bool, above: tuple[str, ...]
    ) -> ProjectFile:
        shown = "standard input" if name == STDIN else name
        limit = BY_NAME[kind].megabytes
        if len(content) > limit * MEGABYTE:
            raise BadFile(f"`{shown}` is larger than {limit} MiB, and is not read")
        text, encoding, problems = read_bytes(content, shown)
        if self.is_open and not above:
            kind = _kind_of_content(text.text, kind)
        identity = _identity(name)
        # With the role: a file that is named with `-r` and with `-c` is read as both.
        self.seen.add((identity, constraint))

        def nested(inner: str, is_constraint: bool, start: int, end: int) -> ProjectFile | None:
            inner_file = self._nested(name, inner, is_constraint, (*above, identity))
            place = text.place(start, end)
            if isinstance(inner_file, str):
                # A Dockerfile names files of its image, and a notebook of where it runs.
                is_elsewhere = kind in ("dockerfile", "notebook")
                problems.extend([] if is_elsewhere else [FileProblem(place, inner_file)])
                return None
            return inner_file and replace(inner_file, named_at=place)

        return _checked(_read(kind, text, encoding, constraint, nested), problems)

    def _nested(
        self, name: str, inner: str, constraint: bool, above: tuple[str, ...]
    ) -> ProjectFile | str | None:
        """A file that another one names; a sentence if it cannot be read, None if it has been."""
        # A scheme has two letters at least: `C://reqs.txt` is a path of Windows.
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", inner):
            return f"`{inner}` is on the network, and only local files are read"
        # pip takes such a name as relative to the file that has it, not to the working directory.
        path = inner if name == STDIN else str(Path(name).parent / inner)
        identity = _identity(path)
        # `a/../b.txt` is `b.txt` only if `a` is not a symlink: then `..` is beside the link's
        # target.
        if _identity(os.path.normpath(path)) == identity:
            path = os.path.normpath(path)
        if identity in above:
            return f"`{inner}` includes itself"
        # Bounds on what a repository can make a check read.
        if len(above) >= _MAX_DEPTH or len(self.seen) >= _MAX_FILES:
            return f"`{inner}` is not read: too many files include one another"
        if (identity, constraint) in self.seen:
            return None
        try:
            if Path(path).exists() and not Path(path).is_file():
                return f"`{inner}` is not a file"
            content = _content(path, None)
            kind = kind_of(path)
            # Like pip, which parses whatever is named as requirements, except that a pylock.toml is
            # a lock.
            if kind is None or not BY_NAME[kind].is_included:
                kind = "constraints" if constraint else "requirements"
            return self.read(path, content, kind, constraint, above)
        except (OSError, ValueError) as error:  # as above, or a name that is too long
            reason = error.strerror if isinstance(error, OSError) else None
            return f"such a file name cannot be{f': {reason}' if reason else ''}"
        except BadFile as error:
            return error.message


def _kind_of_content(text: str, kind: str) -> str:
    """The kind of a text under a name that says nothing; `kind` where it does not show."""
    if _ENVIRONMENT.search(text) and _CHANNELS.search(text):
        return "environment"
    return "package-list" if is_package_list(text) else kind


def _checked(file: ProjectFile, problems: list[FileProblem]) -> ProjectFile:
    """Return the file with these problems, and without the URLs that cannot be split."""
    # `http://[::1` makes urllib raise ValueError, and everything after this splits URLs freely.
    places: list[tuple[Place, str | None]] = [
        (declared.place, declared.url) for declared in file.declared
    ]
    places += [(declared.place, declared.url) for declared in file.indexes]
    places += [(declared.place, declared.url) for declared in file.sources]
    bad = {place for place, url in places if url and not is_splittable(url)}
    problems += [FileProblem(place, "invalid URL") for place in sorted(bad)]
    if not problems:
        return file
    return replace(
        file,
        declared=tuple(declared for declared in file.declared if declared.place not in bad),
        indexes=tuple(declared for declared in file.indexes if declared.place not in bad),
        sources=tuple(declared for declared in file.sources if declared.place not in bad),
        problems=(*file.problems, *problems),
    )


def _identity(name: str) -> str:
    try:
        return name if name == STDIN else os.path.realpath(name)
    except ValueError:  # a name with a NUL in it
        return name


def _read(
    kind: str, text: Text, encoding: Encoding, constraint: bool, nested: Nested
) -> ProjectFile:
    """Read a text with the reader of its kind, whose module is imported only now."""
    row = BY_NAME[kind]
    read = import_module(f"cudalock.projects.{row.module}").read
    options: dict[str, Any] = {"nested": nested} if row.names_files else {}
    if kind in ("requirements", "constraints"):
        options["constraint"] = constraint
    file: ProjectFile = read(text, encoding, **options)
    return file
