"""The uv.lock of a project that has several lines: uv writes it, and each line is compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cudalock.errors import BadFile, LockDiffers
from cudalock.formats import DEFAULTS, InstallCommand, LinedFormat, WriteOptions
from cudalock.formats.uv import lined as uv_lined
from cudalock.formats.uv import plan as uv_plan
from cudalock.formats.uv import project as uv_project
from cudalock.formats.uv.lock import FILE, written_by_uv
from cudalock.lock.wheels import targets_of
from cudalock.text import shell_word
from cudalock.urls import file_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.lock.lines import LinedLock
    from cudalock.projects.model import ProjectFile


def render(lined: LinedLock, options: WriteOptions = DEFAULTS) -> str:
    """Return the text that uv writes. Raises as the render of one lock does."""
    text = written_by_uv(_project(lined, options), options)
    differences = list(compare(lined, text, options))
    if differences:
        raise LockDiffers("uv resolves to other pins than the lines", differences)
    return text


def _project(lined: LinedLock, options: WriteOptions) -> str:
    """Return the project file of the lines: the one beside it, or a new one."""
    beside = options._replace(filename=uv_project.FILE)
    path = options.folder / uv_project.FILE if options.folder is not None else None
    existing = uv_project.read_existing(path) if path else None
    if existing is None:
        return uv_lined.edit(uv_project.EMPTY, lined, beside)
    if uv_lined.edit(existing, lined, beside) != existing:
        raise BadFile(
            f"`{path}` does not contain these lines, and {FILE} is made from it",
            hints=[f"{lined.command} -o {shell_word(str(path))}"],
        )
    return existing


def compare(lined: LinedLock, text: str, options: WriteOptions) -> Iterator[str]:
    """Yield how the text of a uv.lock differs from the lines, target by target."""
    from cudalock.projects.locks.graph import entries_for
    from cudalock.projects.read import read_file

    file = read_file("-", text.encode(), kind="uv-lock")
    for line in lined.lines:
        fork = _fork(file, line.name)
        for target in line.lock.targets:
            entries = entries_for(file, target.marker_environment(), fork)
            # By its file where uv has a URL: METADATA may have another version than the name.
            there = {
                entry.name: file_of(entry.url) if entry.url else entry.version for entry in entries
            }
            for pin in line.lock.pins:
                if target not in targets_of(pin, line.lock):
                    continue
                by_address = uv_plan.by_address(pin, options)
                here = file_of(pin.wheel.url or "") if by_address else pin.version
                if there.get(pin.name) != here:
                    yield (
                        f"{pin.name} of {line.name} on {target.platform_label}, Python"
                        f" {target.python_text}: {here} in the lock,"
                        f" {there.get(pin.name) or 'nothing'} in uv's"
                    )


def _fork(file: ProjectFile, name: str) -> str | None:
    """Return the extra or group of a line as the markers of uv.lock name it."""
    return next((fork for fork in file.forks if fork.endswith(f"-{name}")), None)


def install_commands(lined: LinedLock, options: WriteOptions) -> tuple[InstallCommand, ...]:
    """Return the commands that install each line as it is locked."""
    commands = uv_lined.install_commands(lined, options)
    return tuple(
        command._replace(command=command.command.replace("uv sync", "uv sync --frozen", 1))
        for command in commands
    )


LINES: Final = LinedFormat(render, install_commands, by_index=True)
