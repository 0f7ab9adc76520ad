"""The way back: what is there before a fix, saved so that it can be restored whatever happens.

The folder `.cudalock-rollback` in the environment has `rollback.json`, the state of every file
below site-packages and of the scripts, and a hard link to each file that the fix may replace: that
takes no room, and needs no index afterwards. A file system without hard links gets copies. The
folder appears with one rename, complete, before the first change; so at any moment there is either
nothing to undo, or everything that undoing takes.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cudalock.errors import BadFile, Contradiction, OutputError
from cudalock.files import extended, read_small, stays_inside, write_atomically
from cudalock.text import read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

FOLDER: Final = ".cudalock-rollback"
SCHEMA: Final = "cudalock.rollback/1"

WHEELS: Final = "wheels"
"""What is appended to that for the folder of the downloads."""

APPLYING: Final = "applying"
APPLIED: Final = "applied"
UNDOING: Final = "undoing"
_STATES: Final = (APPLYING, APPLIED, UNDOING)

_LARGEST: Final = 256 << 20
"""Bytes of a list of files; one of 100,000 files has ten million."""

_PYC: Final = "__pycache__"


class FileState(NamedTuple):
    """What tells whether a file is the same as before."""

    size: int
    modified: int
    """in nanoseconds"""
    mode: int
    link: str | None = None
    """where a symbolic link leads"""

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)


States = dict[str, FileState]
"""Files and folders by their path below the environment, with slashes."""


@dataclass(frozen=True)
class RollBack:
    """What a fix changes, and what was there before."""

    prefix: Path
    state: str
    """`applying` until the fix is complete: an interruption leaves that"""
    roots: tuple[str, ...]
    """the folders whose every file was listed"""
    extra: tuple[str, ...]
    """the files outside them that the fix writes or removes"""
    before: States
    packages: tuple[dict[str, Any], ...]
    """name, version, URL and sha256 of each package before and after, for people"""
    command: str
    after: States | None = None
    """None until the fix is complete"""

    @property
    def folder(self) -> Path:
        return self.prefix / FOLDER

    def saved(self, path: str) -> Path:
        """The copy of a file."""
        return self.folder / "saved" / path


# -- the state of files -------------------------------------------------------------------------


def read_states(prefix: Path, roots: Iterable[str], extra: Iterable[str]) -> States:
    """Return the state of every file below the roots, and of the extra ones that are there."""
    states: States = {}
    for root in roots:
        _walk(prefix, root, states)
    for path in extra:
        with suppress(OSError):
            states[path] = _state(_full(prefix, path))
    return states


def _walk(prefix: Path, folder: str, states: States) -> None:
    try:
        # A list, so that the folder is closed before those below it are opened.
        with os.scandir(_full(prefix, folder)) as scan:
            inside = list(scan)
    except OSError:
        return
    for one in inside:
        path = f"{folder}/{one.name}" if folder != "." else one.name
        if one.name == FOLDER:
            continue
        with suppress(OSError):
            states[path] = _state(one.path)
            if states[path].is_folder:
                _walk(prefix, path, states)


def _full(prefix: Path, path: str) -> str:
    return extended(f"{prefix}/{path}")


def _state(path: str) -> FileState:
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        return FileState(0, 0, stat.S_IFLNK, os.readlink(path))  # noqa: PTH115
    if stat.S_ISDIR(status.st_mode):
        # Size and time of a folder change with its files, which are listed by themselves.
        return FileState(0, 0, stat.S_IFDIR)
    return FileState(status.st_size, status.st_mtime_ns, status.st_mode)


# -- saving -------------------------------------------------------------------------------------


def begin(roll_back: RollBack, paths: Iterable[str]) -> None:
    """Save what a fix may replace, as the step that makes it undoable.

    Raises Contradiction where an interrupted fix waits, OutputError where nothing can be saved.
    """
    pending = read(roll_back.prefix)
    if pending is not None and pending.state != APPLIED:
        raise interrupted(roll_back.prefix)
    fresh = roll_back.folder.with_name(f"{FOLDER}.new")
    try:
        _discard(fresh)
        fresh.mkdir(parents=True)
        _check_room(roll_back, paths, fresh)
        for path in paths:
            source = roll_back.prefix / path
            if path in roll_back.before and not roll_back.before[path].is_folder:
                _link(source, fresh / "saved" / path)
        _write(roll_back, fresh)
        # What an earlier fix saved goes now: there is one way back, that of the last fix.
        discard(roll_back.prefix)
        fresh.rename(roll_back.folder)
    except OSError as error:
        raise OutputError(
            f"cannot save what is in `{roll_back.prefix}`: {error.strerror or error}"
        ) from None


def interrupted(prefix: Path) -> Contradiction:
    """Return the error for an environment in which a fix was interrupted."""
    return Contradiction(
        f"a fix of `{prefix}` was interrupted, and has to be undone first",
        hints=["`cudalock doctor --undo` with the same `--python`"],
    )


def _check_room(roll_back: RollBack, paths: Iterable[str], folder: Path) -> None:
    """Raise OSError where copies are needed and have no room. Links need none."""
    probe = folder / "probe"
    probe.touch()
    try:
        os.link(probe, folder / "linked")
    except OSError:
        needed = sum(roll_back.before[path].size for path in paths if path in roll_back.before)
        free = shutil.disk_usage(folder).free
        if needed > free:
            raise OSError(
                errno.ENOSPC, f"copies take {needed} bytes, and {free} are free"
            ) from None
    finally:
        for name in ("probe", "linked"):
            (folder / name).unlink(missing_ok=True)


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    one, other = extended(str(source)), extended(str(target))
    try:
        os.link(one, other, follow_symlinks=False)
    except (OSError, NotImplementedError):
        shutil.copy2(one, other, follow_symlinks=False)


def complete(roll_back: RollBack) -> RollBack:
    """Record what the fix left, and drop the copies of what it did not change."""
    after = read_states(roll_back.prefix, roll_back.roots, roll_back.extra)
    done = replace(roll_back, state=APPLIED, after=after)
    # The record first: from then on only the copies of what differs are needed to undo.
    _write(done, done.folder)
    for path, before in roll_back.before.items():
        if after.get(path) == before and not before.is_folder:
            with suppress(OSError):
                done.saved(path).unlink()
    return done


def clean(prefix: Path) -> None:
    """Remove what an interrupted run left beside the folder: wheels, and halves of it."""
    for suffix in ("new", "old", WHEELS):
        _discard(prefix / f"{FOLDER}.{suffix}")


def discard(prefix: Path) -> None:
    """Remove what an earlier fix saved. A rename first: half of it must not look whole."""
    folder = prefix / FOLDER
    if folder.exists():
        old = folder.with_name(f"{FOLDER}.old")
        _discard(old)
        folder.rename(old)
        _discard(old)


def _discard(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(extended(str(folder)))


# -- the files ----------------------------------------------------------------------------------


def _write(roll_back: RollBack, folder: Path) -> None:
    document = {
        "schema": SCHEMA,
        "state": roll_back.state,
        "prefix": str(roll_back.prefix),
        "command": roll_back.command,
        "packages": list(roll_back.packages),
        "roots": list(roll_back.roots),
        "extra": list(roll_back.extra),
    }
    lists = {"before": roll_back.before, "after": roll_back.after}
    for name, states in lists.items():
        if states is not None:
            text = json.dumps(states, separators=(",", ":"))
            write_atomically(folder / f"{name}.json", text.encode("ascii"))
    # Last: it says that the others are complete.
    text = json.dumps(document, indent=2) + "\n"
    write_atomically(folder / "rollback.json", text.encode("ascii"), to_disk=True)


def read(prefix: Path) -> RollBack | None:
    """Return what can be undone; None for nothing. Raises BadFile for what cannot be read."""
    folder = prefix / FOLDER
    if not (folder / "rollback.json").is_file():
        return None
    try:
        document = read_json(read_small(folder / "rollback.json", _LARGEST))
        if document["schema"] != SCHEMA or document["state"] not in _STATES:
            raise ValueError("it is of another version of cudalock")
        after = folder / "after.json"
        roll_back = RollBack(
            prefix=prefix,
            state=document["state"],
            roots=tuple(map(str, document["roots"])),
            extra=tuple(map(str, document["extra"])),
            before=_read_states(folder / "before.json"),
            packages=tuple(dict(row) for row in document["packages"]),
            command=str(document["command"]),
            # An interruption before the state is written may leave the list: it does not count.
            after=_read_states(after)
            if document["state"] != APPLYING and after.is_file()
            else None,
        )
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise BadFile(f"`{folder}` cannot be read: {error}") from None
    paths = [*roll_back.roots, *roll_back.extra, *roll_back.before, *(roll_back.after or ())]
    # Any package may write into the folder, and undoing removes what this names.
    if not all(path == "." or stays_inside(path) for path in paths):
        raise BadFile(f"`{folder}` names files outside the environment")
    return roll_back


def _read_states(path: Path) -> States:
    rows = read_json(read_small(path, _LARGEST))
    return {
        str(name): FileState(int(size), int(modified), int(mode), link)
        for name, (size, modified, mode, link) in rows.items()
    }


# -- undoing ------------------------------------------------------------------------------------


class Undo(NamedTuple):
    """What restoring an environment takes."""

    remove: tuple[str, ...]
    """files and folders that were not there, the deepest first"""
    restore: tuple[str, ...]
    lost: tuple[str, ...]
    """what was changed and never saved"""
    changed_since: tuple[str, ...]
    """what somebody else changed after the fix"""


def plan_undo(roll_back: RollBack) -> Undo:
    """Return what has to be done to the files for everything to be as before."""
    now = read_states(roll_back.prefix, roll_back.roots, roll_back.extra)
    before, after = roll_back.before, roll_back.after
    if after is None:
        touched = {path for path in {*now, *before} if now.get(path) != before.get(path)}
    else:
        touched = {path for path in {*after, *before} if after.get(path) != before.get(path)}
    touched |= set(_compiled(touched, now, before))
    # A program that ran since compiled what it imported: that is no change of a package.
    foreign = {
        path
        for path in touched
        if path.endswith(".pyc") and path not in before and _source(path) in before
    }
    touched -= {path for path in foreign if now.get(_source(path)) == before[_source(path)]}
    touched = {path for path in touched if now.get(path) != before.get(path)}
    since = (
        [path for path in sorted(touched) if now.get(path) != after.get(path) and _PYC not in path]
        if after is not None and roll_back.state == APPLIED
        else []
    )
    restore = sorted(path for path in touched if path in before)
    lost = [
        path
        for path in restore
        if not before[path].is_folder and not os.path.lexists(roll_back.saved(path))
    ]
    return Undo(
        remove=tuple(sorted((path for path in touched if path not in before), reverse=True)),
        restore=tuple(restore),
        lost=tuple(lost),
        changed_since=tuple(since),
    )


def _compiled(touched: Iterable[str], now: States, before: States) -> Iterator[str]:
    """Yield the compiled files that a program has written since for what was installed."""
    folders = {path.rpartition("/")[0] for path in touched if path.endswith(".py")}
    for path in now:
        folder, cache, _ = path.rpartition(f"/{_PYC}")
        if cache and folder in folders and now[path] != before.get(path):
            yield path


def _source(path: str) -> str:
    """Return the module that a file of a `__pycache__` was compiled from."""
    folder, _, name = path.rpartition("/")
    return f"{folder.removesuffix(_PYC)}{name.partition('.')[0]}.py"


def undo(
    roll_back: RollBack, steps: Undo, progress: Callable[[int], None] = lambda done: None
) -> None:
    """Bring everything back, and remove the folder. Interrupted, it can be started again.

    Raises OutputError for a file that cannot be written.
    """
    try:
        _write(replace(roll_back, state=UNDOING), roll_back.folder)
        prefix = roll_back.prefix
        for path in steps.remove:
            _remove(_full(prefix, path))
        for number, path in enumerate(steps.restore):
            state = roll_back.before[path]
            target = prefix / path
            if state.is_folder:
                if target.is_symlink() or target.is_file():
                    target.unlink()
                target.mkdir(parents=True, exist_ok=True)
            elif path not in steps.lost:
                _restore(roll_back.saved(path), target, state)
            progress(number)
        discard(prefix)
        clean(prefix)
    except OSError as error:
        raise OutputError(
            f"cannot restore `{roll_back.prefix}`: {error.strerror or error}",
            hints=["`cudalock doctor --undo` continues where it stopped"],
        ) from None


def _restore(saved: Path, target: Path, state: FileState) -> None:
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(extended(str(target)))
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".cudalock-{os.urandom(6).hex()}.tmp")
    # Linked, not moved: an undo that is interrupted needs the copy again.
    _link(saved, fresh)
    os.replace(extended(str(fresh)), extended(str(target)))  # noqa: PTH105 (long paths)
    # Two names of one file: the rename did nothing (POSIX).
    fresh.unlink(missing_ok=True)
    if not stat.S_ISLNK(state.mode):
        target.chmod(stat.S_IMODE(state.mode))


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        if stat.S_ISDIR(os.lstat(path).st_mode):
            # Not empty where somebody put a file of his own into it.
            with suppress(OSError):
                os.rmdir(path)  # noqa: PTH106 (long paths)
        else:
            os.unlink(path)  # noqa: PTH108


# -- one at a time ------------------------------------------------------------------------------


@contextmanager
def locked(prefix: Path) -> Iterator[tuple[int, ...]]:
    """Keep other runs out of an environment; yield the descriptors that a child has to inherit.

    A killed run leaves its installer behind, which goes on: as long as that has the lock, nothing
    can be undone. Raises Contradiction.
    """
    try:
        import fcntl
    except ImportError:  # Windows has none, and ends the children of a console with it
        yield ()
        return
    try:
        # The folder itself: a file of its own would have to be removed, and locked against that.
        descriptor = os.open(prefix, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise OutputError(f"cannot read `{prefix}`: {error.strerror or error}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise Contradiction(
            f"an installation into `{prefix}` is still running",
            hints=["wait for its end, then the same command"],
        ) from None
    try:
        yield (descriptor,)
    finally:
        os.close(descriptor)


__all__ = [
    "APPLIED",
    "APPLYING",
    "FOLDER",
    "RollBack",
    "Undo",
    "begin",
    "clean",
    "complete",
    "interrupted",
    "locked",
    "plan_undo",
    "read",
    "read_states",
    "undo",
]
