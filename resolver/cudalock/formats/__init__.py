"""Formats a lock can be written in, by name and by file name.

A format's module is imported when it renders, so a solve pays only for the one it writes:
`requirements_txt`, `constraints`, `pylock`, `json_lock`, and for uv `project` (by `plan`, and
`record` of what it wrote before) and `lock`. `header` begins each file, `python_ranges` makes
ranges of Pythons, `toml_lists` edits lists in a file that is there.
"""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from cudalock.lock import FileUrl, Lock


class Options(NamedTuple):
    """What the command line says about writing. Each format takes what concerns it.

    `filename` is the name of the file to be written, without its folder. `addresses` are those that
    the matrix lacks, by wheel file. With `urls` a wheel is written as its address wherever it has
    one. `wheels` is a folder as an installer will see it: then wheels are written as paths into it.
    `folder` is where the file will be, None for standard output. `offline` forbids the network.
    """

    hashes: str = "auto"
    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    filename: str | None = None
    addresses: Mapping[str, FileUrl] = {}
    urls: bool = False
    wheels: str | None = None
    folder: Path | None = None
    offline: bool = False


class Format(NamedTuple):
    """One way to write a lock.

    `suffix` is the file name's ending that means it. `commands` gives the tools that install such a
    file, each with its command: a format that no tool installs has none. One that `needs_addresses`
    is given those of every wheel. One with `edit` puts a lock into the text of a file that exists.
    `check_name` raises OutputError for a file name that installers do not take. Paths in a file of
    a format that is `seen_from_itself` start at the file, in others where the installer runs.
    `remarks` are sentences about what lies beside the file.
    """

    name: str
    suffix: str
    summary: str
    write: Callable[[Lock, Options], str]
    commands: Callable[[Lock, Options], tuple[tuple[str, str], ...]]
    needs_addresses: bool = False
    edit: Callable[[str, Lock, Options], str] | None = None
    check_name: Callable[[str], None] | None = None
    seen_from_itself: bool = False
    remarks: Callable[[Options], Iterable[str]] = lambda options: ()

    def render(self, lock: Lock, options: Options | None = None) -> str:
        """The text. Raises HashesMissing if `options` require hashes that are not published."""
        return self.write(lock, options or Options())


def format_for(path: str | PurePath) -> Format | None:
    """The format that a file's name means, None where it means none of them."""
    name = PurePath(path).name.lower()
    if name.startswith("pylock.") and name.endswith(".toml"):
        return FORMATS["pylock"]
    known = [each for each in FORMATS.values() if name.endswith(each.suffix)]
    return max(known, key=lambda each: len(each.suffix), default=None)


def _write_requirements(lock: Lock, options: Options) -> str:
    from cudalock.formats import requirements_txt

    return requirements_txt.render(
        lock,
        options.hashes,
        options.index_url,
        options.extra_index_urls,
        filename=options.filename or requirements_txt.FILE,
        urls=options.urls,
        wheels=options.wheels,
    )


def _requirements_commands(lock: Lock, options: Options) -> tuple[tuple[str, str], ...]:
    from cudalock.formats import requirements_txt

    return requirements_txt.install_commands(
        lock,
        hashes=options.hashes,
        extra_index_urls=options.extra_index_urls,
        filename=options.filename or requirements_txt.FILE,
        urls=options.urls,
        wheels=options.wheels,
    )


def _write_pylock(lock: Lock, options: Options) -> str:
    from cudalock.formats import pylock

    return pylock.render(
        lock,
        options.addresses,
        hashes=options.hashes,
        wheels=options.wheels,
        filename=options.filename or pylock.FILE,
        given=(options.index_url, *options.extra_index_urls),
    )


def _pylock_commands(lock: Lock, options: Options) -> tuple[tuple[str, str], ...]:
    from cudalock.formats import pylock

    return pylock.install_commands(lock, options.filename or pylock.FILE)


def _check_pylock_name(filename: str) -> None:
    from cudalock.formats import pylock

    pylock.check_name(filename)


def _write_constraints(lock: Lock, options: Options) -> str:
    from cudalock.formats import constraints

    return constraints.render(lock, filename=options.filename or constraints.FILE)


def _write_uv(lock: Lock, options: Options) -> str:
    from cudalock.formats.uv import project as uv_project

    return uv_project.render(lock, options)


def _edit_uv(existing: str, lock: Lock, options: Options) -> str:
    from cudalock.formats.uv import project as uv_project

    return uv_project.edit(existing, lock, options)


def _uv_remarks(options: Options) -> Iterable[str]:
    from cudalock.formats.uv import project as uv_project

    return uv_project.remarks(options)


def _write_uv_lock(lock: Lock, options: Options) -> str:
    from cudalock.formats.uv import lock as uv_lock

    return uv_lock.render(lock, options)


def _uv_commands(lock: Lock, options: Options) -> tuple[tuple[str, str], ...]:
    return (("uv", "uv sync"),)


def _uv_lock_commands(lock: Lock, options: Options) -> tuple[tuple[str, str], ...]:
    return (("uv", "uv sync --frozen"),)


def _no_commands(lock: Lock, options: Options) -> tuple[tuple[str, str], ...]:
    return ()


def _write_json(lock: Lock, options: Options) -> str:
    from cudalock.formats import json_lock
    from cudalock.lock import require_hashes

    if options.hashes == "require":
        require_hashes(lock)
    return json_lock.render(lock)


def _registry(formats: Sequence[Format]) -> Mapping[str, Format]:
    return {known.name: known for known in formats}


FORMATS: Final = _registry(
    (
        Format(
            "requirements",
            ".txt",
            "requirements.txt, for pip and uv",
            _write_requirements,
            _requirements_commands,
        ),
        Format(
            "pylock",
            "pylock.toml",
            "pylock.toml (PEP 751), for pip and uv",
            _write_pylock,
            _pylock_commands,
            needs_addresses=True,
            check_name=_check_pylock_name,
            seen_from_itself=True,
        ),
        Format(
            "constraints",
            "constraints.txt",
            "the stack's versions, for pip -c and PIP_CONSTRAINT",
            _write_constraints,
            _no_commands,
        ),
        Format(
            "uv",
            "pyproject.toml",
            "pyproject.toml of a uv project",
            _write_uv,
            _uv_commands,
            edit=_edit_uv,
            remarks=_uv_remarks,
        ),
        Format(
            "uv-lock",
            "uv.lock",
            "uv.lock, written by uv for that pyproject.toml",
            _write_uv_lock,
            _uv_lock_commands,
            remarks=_uv_remarks,
        ),
        Format(
            "json",
            ".json",
            "JSON, for programs (schema cudalock.solve/1)",
            _write_json,
            _no_commands,
        ),
    )
)
"""Every format, by the name `--format` takes."""
