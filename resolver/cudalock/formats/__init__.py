"""Formats a lock can be written in.

A format is a module of this package and a row of `FORMATS`: `requirements_txt`, `constraints`,
`hold` (overrides, and whatever else keeps in place what is there), `pylock` (with `pylock_lines`
for several lines), `json_lock` (with `json_lines`), `dockerfile`, `conda` (an environment.yml),
`pixi` (a pixi.toml), `notebook`, `cyclonedx` (a bill of materials), for uv `uv.project` (a
pyproject.toml) and `uv.lock`, and `poetry` (a pyproject.toml with several lines). The module
defines `FORMAT`, and is imported when it is used, so that a run pays only for the format it writes.

`header` writes the comments at the head of each file, `python_ranges` turns Pythons into version
ranges. In `uv`, `plan` says what a project file needs, `record` what an earlier run wrote into it,
`toml_lists` edits lists in place.
"""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final

from cudalock.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cudalock.lock import FileUrl, Lock
    from cudalock.lock.lines import LinedLock
    from cudalock.matrix.matrix import Matrix

INSTALLERS: Final = ("pip", "uv")
"""The values of `--installer`."""


class WriteOptions(NamedTuple):
    """The options of the command line about writing a lock. Each format reads those that concern
    it."""

    hashes: str = "auto"
    """auto (all, or none if one is missing), require or off"""
    index_url: str | None = None
    """the package index to name in the file"""
    extra_index_urls: tuple[str, ...] = ()
    filename: str | None = None
    """the name of the file to write, without its folder; None for standard output"""
    addresses: Mapping[str, FileUrl] = {}
    """by wheel file name, the URLs that the matrix lacks"""
    urls: bool = False
    """whether a wheel with a URL is written as that URL"""
    wheels: str | None = None
    """a folder, as an installer sees it: wheels are written as paths into it"""
    folder: Path | None = None
    """where the file will be; None for standard output"""
    offline: bool = False
    lines_as: str = "extras"
    """what the lines of a project become in one file: extras or groups"""
    installer: str = "pip"
    """pip or uv: what a file that installs by itself runs"""
    matrix: Matrix | None = None
    """the facts in use, for a format that needs them; None for the embedded ones"""


DEFAULTS: Final = WriteOptions()


class InstallCommand(NamedTuple):
    """How a tool installs a lock."""

    tool: str
    """pip, uv, or what else installs from the file"""
    command: str


def _no_commands(_lock: Lock, _options: WriteOptions) -> tuple[InstallCommand, ...]:
    return ()


def _no_check(_filename: str) -> None:
    """Accept every file name."""


def _beside(filename: str) -> str:
    """Return `requirements.lock.txt` for `requirements.txt`."""
    name = PurePath(filename)
    return f"{name.stem}.lock{name.suffix}"


def _of_line(filename: str, line: str) -> str:
    """Return `requirements-cu126.txt` for `requirements.txt`."""
    name = PurePath(filename)
    return f"{name.stem}-{line}{name.suffix}"


def _no_remarks(_options: WriteOptions) -> Iterable[str]:
    return ()


def _no_companions(_lock: Lock, _options: WriteOptions) -> Mapping[str, str]:
    return {}


def _no_names(_filename: str) -> tuple[str, ...]:
    return ()


class Format(NamedTuple):
    """What a format's module defines, under the name `FORMAT`."""

    render: Callable[[Lock, WriteOptions], str]
    """Return the file's text. Raises HashesMissing if required hashes are not published."""
    filename: str
    """what the file is called unless `-o` names it"""
    install_commands: Callable[[Lock, WriteOptions], tuple[InstallCommand, ...]] = _no_commands
    """Return the commands that install the file, none if no tool does."""
    needs_urls: bool = False
    """whether the URL of every wheel has to be known before it is rendered"""
    edits_file: bool = False
    """whether a file that exists is edited, and keeps all that is not the lock's"""
    paths_from_file: bool = False
    """whether paths in the file start at the file; else where the installer runs"""
    check_name: Callable[[str], None] = _no_check
    """Raise OutputError for a file name that installers do not accept."""
    all_hashes: bool = False
    """whether one wheel without a hash leaves those of all others out of the file"""
    pip_needed: str | None = None
    """the oldest pip that reads it; None for any"""
    beside: Callable[[str], str] | None = _beside
    """Return a name of the same format for a lock beside a file of this name; None for none."""
    made_from: str | None = None
    """the file that it is made from where that lies in the same folder, and then belongs to"""
    remarks: Callable[[WriteOptions], Iterable[str]] = _no_remarks
    """Return sentences about files beside the lock that change what it means."""
    needs_matrix: bool = False
    """whether it reads facts besides the lock"""
    companions: Callable[[Lock, WriteOptions], Mapping[str, str]] = _no_companions
    """Return the further files that belong beside it: their texts by name."""
    companion_names: Callable[[str], tuple[str, ...]] = _no_names
    """Return the names that such files may have, by the name of the file itself."""
    of_line: Callable[[str, str], str] | None = _of_line
    """Return the name of one line's file for the name of a project's lock and that of the line;
    None where the tool reads files of one name."""
    lines: str | None = None
    """the module that writes several lines into one file, and defines `LINES`; None where each line
    has to have its own file"""


class LinedFormat(NamedTuple):
    """How a format writes the lines of a project into one file."""

    render: Callable[[LinedLock, WriteOptions], str]
    """Return the file's text. Raises as `Format.render` does."""
    install_commands: Callable[[LinedLock, WriteOptions], tuple[InstallCommand, ...]]
    """Return the commands that install a line."""
    by_index: bool = False
    """whether the file names an index for a line, from which everything is taken that is there"""
    parts: tuple[str, ...] = ("extras", "groups")
    """what `--as` may make of the lines, the default first; nothing where the file has them as they
    are"""


def load_lines(kind: Format) -> LinedFormat | None:
    """Import the module with which a format writes several lines; None if it has none."""
    if kind.lines is None:
        return None
    known: LinedFormat = import_module(f"cudalock.formats.{kind.lines}").LINES
    return known


class _Row(NamedTuple):
    module: str
    suffix: str
    """the ending of a file name that means this format; empty where what the file has does"""
    pattern: str = r"(?!)"
    """a regular expression for further file names that do"""


FORMATS: Final = {
    "requirements": _Row("requirements_txt", ".txt"),
    "pylock": _Row("pylock", "pylock.toml"),
    "uv": _Row("uv.project", "pyproject.toml"),
    "poetry": _Row("poetry", ""),
    "uv-lock": _Row("uv.lock", "uv.lock"),
    "constraints": _Row("constraints", "constraints.txt"),
    "dockerfile": _Row(
        "dockerfile", "dockerfile", r"(dockerfile|containerfile)[._].*|(.*\.)?containerfile"
    ),
    "conda": _Row(
        "conda",
        "environment.yml",
        r"(conda[-_.])?env(ironment)?([-_.].*)?\.ya?ml|.*[-_.]env(ironment)?\.ya?ml",
    ),
    "pixi": _Row("pixi", "pixi.toml"),
    "notebook": _Row("notebook", ".ipynb"),
    "overrides": _Row("hold", "overrides.txt"),
    "cyclonedx": _Row("cyclonedx", ".cdx.json", r"bom\.json"),
    "json": _Row("json_lock", ".json"),
}
"""Each format by the name that `--format` takes."""


def load_format(name: str) -> Format:
    """Import the module of a format and return what it defines."""
    module = import_module(f"cudalock.formats.{FORMATS[name].module}")
    known: Format = module.FORMAT
    return known


def format_of(path: str | PurePath) -> str | None:
    """Return the name of the format that a file's name means, or None if it means none."""
    name = PurePath(path).name.lower()
    if name.startswith("pylock.") and name.endswith(".toml"):  # pylock.NAME.toml of PEP 751
        return "pylock"
    matching = [known for known, row in FORMATS.items() if row.suffix and name.endswith(row.suffix)]
    # The longest ending: `constraints.txt` is not just any `.txt`.
    by_ending = max(matching, key=lambda known: len(FORMATS[known].suffix), default=None)
    by_pattern = (known for known, row in FORMATS.items() if re.fullmatch(row.pattern, name))
    return next(by_pattern, by_ending)
