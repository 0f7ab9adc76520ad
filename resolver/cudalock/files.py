"""Find folders, files and programs, judge names that come from outside, and write files atomically.

What depends on the system takes `os.name` as an argument: Windows' rules are tested everywhere.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from cudalock.errors import BadFile, MatrixError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from zipfile import ZipFile, ZipInfo

DATA_VARIABLE: Final = "CUDALOCK_DATA_DIR"

HEADER: Final = "matrix.toml"
"""The file of a matrix that says which edition it is."""

SWITCHES: Final = "switches.json"
"""The file of a matrix that names the switches of the command line."""


INTERRUPTIBLE: Final = 0.2
"""Seconds of one wait for another thread: on Windows Ctrl-C is noticed only between waits."""


def home() -> Path:
    """Return the user's home folder, a path that does not exist if the system knows no user.

    That is so where a container is run under a bare number. Nothing is cached then.
    """
    try:
        return Path.home()
    except RuntimeError:
        return Path("/nonexistent")


def expanded(path: Path) -> Path:
    """Expand a leading `~` or `~name` of a path, unless there is no such user."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path


DATA_PACKAGE: Final = "cudalock_matrix"
"""The package of the data's own wheel, `cudalock-matrix`, which is released more often."""
RELEASE: Final = "release.json"
"""The file in it that names its edition, its format, and the sha256 of each of its files."""
DATA_FORMAT: Final = 1
"""What this version reads; a data wheel of another format is left alone."""


def data_directory() -> Path:
    """Return the matrix of the data's own wheel if it is newer than the one shipped inside the
    package, else that one, else the checkout's `matrix/`.

    Raises MatrixError if none is there, and for a data wheel that is damaged.
    """
    own = _shipped()
    # Beside the package alone: a folder of that name elsewhere on the path is anybody's.
    beside = Path(__file__).resolve().parents[1] / DATA_PACKAGE
    return beside if (beside / RELEASE).is_file() and _is_newer(beside, own) else own


def release_digests(directory: Path) -> Mapping[str, str]:
    """Return the sha256 of each file of a data wheel, by its path; none for another folder.

    Raises MatrixError for a list that cannot be read.
    """
    if directory.name != DATA_PACKAGE or not (directory / RELEASE).is_file():
        return {}
    return dict(_release(directory)["files"])


def check_released(path: str | os.PathLike[str], content: bytes) -> None:
    """Raise MatrixError if a file of a data wheel is not what the wheel's list says."""
    # A solve reads a hundred files of a matrix, for which pathlib is slow.
    if DATA_PACKAGE not in os.fspath(path) or DATA_PACKAGE not in (parts := Path(path).parts):
        return
    import hashlib

    depth = parts.index(DATA_PACKAGE) + 1
    name = "/".join(parts[depth:])
    expected = release_digests(Path(*parts[:depth])).get(name)
    if expected is not None and hashlib.sha256(content).hexdigest() != expected:
        raise MatrixError(name, "", "is not as it was released: reinstall cudalock-matrix")


@cache
def _release(directory: Path) -> Mapping[str, Any]:
    try:
        release: dict[str, Any] = json.loads((directory / RELEASE).read_bytes())
        if not isinstance(release["files"], dict):
            raise ValueError
    except (OSError, ValueError, LookupError, TypeError):
        raise MatrixError(RELEASE, "", "is damaged: reinstall cudalock-matrix") from None
    return release


@cache
def _is_newer(beside: Path, own: Path) -> bool:
    from cudalock import toml

    release = _release(beside)
    if release.get("format") != DATA_FORMAT:
        return False
    header = toml.loads((own / HEADER).read_text(encoding="utf-8"))
    editions = [str(release["version"]), str(header["version"])]
    try:
        newer, older = (tuple(map(int, edition.split("."))) for edition in editions)
    except ValueError:
        return False
    return newer > older


def _shipped() -> Path:
    here = Path(__file__).resolve()
    # Not importlib.resources: importing it takes longer than reading what it finds.
    shipped = here.parent / "data"
    checkout = here.parents[2] / "matrix"
    for directory in (shipped, checkout):
        if (directory / HEADER).is_file():
            return directory
    raise MatrixError(HEADER, "", "is missing: the installation is damaged; reinstall it")


def data_folder() -> Path:
    """Return the user's data folder, which need not exist: CUDALOCK_DATA_DIR, else the system's.

    Every command asks for it, and importing platformdirs takes a tenth of a solve; a test holds
    this to what platformdirs says.
    """
    named = os.environ.get(DATA_VARIABLE)
    if named:
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home() / "AppData/Local") / "cudalock"
    if sys.platform == "darwin":
        return home() / "Library" / "Application Support" / "cudalock"
    xdg = os.environ.get("XDG_DATA_HOME", "").strip()
    return (Path(xdg) if xdg else home() / ".local" / "share") / "cudalock"


def relative(path: str | os.PathLike[str], start: str | os.PathLike[str]) -> str:
    """Return a path as seen from a folder; the absolute one where none leads there.

    On Windows none leads to another drive or server.
    """
    try:
        return os.path.relpath(path, start)
    except ValueError:
        return os.path.abspath(path)  # noqa: PTH100 (a link stays a link)


def slashed(name: str, os_name: str = os.name) -> str:
    """Return a path with `/`, as a file of a repository is called on every system."""
    return name.replace("\\", "/") if os_name == "nt" else name


def is_file(path: str | os.PathLike[str]) -> bool:
    """Return whether a file is there, also for a name that no file system takes.

    Path.is_file raises for a name that is too long.
    """
    return os.path.isfile(path)  # noqa: PTH113


def resolved(path: str | os.PathLike[str]) -> Path:
    """Return a path with its links followed, as far as they lead.

    Path.resolve raises RuntimeError for a link to itself, before Python 3.13.
    """
    return Path(os.path.realpath(path))


def is_junction(path: str | os.PathLike[str]) -> bool:
    """Return whether a folder of Windows is another one by a junction, as `os.walk` follows it
    before Python 3.12: one that leads to a parent has no end."""
    # `stat.IO_REPARSE_TAG_MOUNT_POINT`, which only Windows' Python has.
    try:
        return getattr(os.lstat(path), "st_reparse_tag", 0) == 0xA0000003
    except OSError:
        return False


def extended(path: str, os_name: str = os.name) -> str:
    """Return an absolute path in the form for which Windows has no limit of 260 characters."""
    if os_name != "nt" or path.startswith("\\\\"):
        return path
    return "\\\\?\\" + path.replace("/", "\\")


def files_in(folder: Path, suffix: str) -> list[str]:
    """Return the sorted names of a folder's files that end with `suffix`; none without a folder.

    Every solve lists hundreds, for which pathlib is slow.
    """
    try:
        names = os.listdir(folder)  # noqa: PTH208
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(name for name in names if name.endswith(suffix))


def size_below(folder: Path) -> int:
    """Return the bytes of all files below a folder; what cannot be read counts nothing."""
    total = 0
    for parent, _, names in os.walk(extended(str(folder))):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(parent, name)).st_size  # noqa: PTH118 (long paths)
    return total


def write_atomically(
    target: Path, content: bytes, mode: int | None = None, *, to_disk: bool = False
) -> None:
    """Write a file completely or not at all: to a new one beside it, which then replaces it.

    `mode` is the mode of the file that is replaced. `to_disk` waits until the disk has it:
    some file systems report only then that it is full. Raises OSError, and leaves nothing then.
    """
    fresh = target.with_name(f".cudalock-{os.urandom(6).hex()}.tmp")
    try:
        with fresh.open("xb") as file:
            file.write(content)
            if to_disk:
                file.flush()
                os.fsync(file.fileno())
        if mode is not None:
            fresh.chmod(mode)
        replace_patiently(fresh, target)
    except BaseException:
        with suppress(OSError):
            fresh.unlink()
        raise


_PAUSES: Final = (0.05, 0.1, 0.2, 0.4)
"""Seconds between attempts; pip tries for a second too."""


def replace_patiently(source: Path, target: Path, os_name: str = os.name) -> None:
    """Rename a file or folder over another. On Windows a virus scanner may hold a new one shortly.

    Raises OSError.
    """
    for pause in _PAUSES if os_name == "nt" else ():
        try:
            source.replace(target)
        except PermissionError:
            time.sleep(pause)
        else:
            return
    source.replace(target)


# -- reading --------------------------------------------------------------------------------------

SMALL: Final = 4 << 20
"""Bytes: no settings file is larger."""
PART: Final = 1 << 20
"""Bytes that are read at once."""

_OF_THE_SHELL: Final = ("/dev/fd/", "/proc/self/fd/", "/dev/stdin")
"""Where a shell shows a program the pipe of `<(command)`; somebody writes to it."""


ROOTS: Final = "CUDALOCK_ROOTS"
"""The variable with the folders that files may be read below, separated as in PATH. The server for
agents sets it: a file that is read names others (`-r ../secrets`), whatever the agent asked."""


def is_rooted(path: str | os.PathLike[str]) -> bool:
    """Return whether a file may be read: without ROOTS every one may. Links are followed."""
    stated = os.environ.get(ROOTS)
    if not stated:
        return True
    real = os.path.realpath(path)
    return any(
        os.path.commonpath([root, real]) == root
        for root in map(os.path.realpath, stated.split(os.pathsep))
        if os.path.splitdrive(root)[0] == os.path.splitdrive(real)[0]
    )


def open_file(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file to read its bytes.

    Raises OSError, also for a device, and for a named pipe: nobody may ever write to it.
    """
    name = os.fspath(path)
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    # Opening a named pipe waits until somebody writes to it.
    descriptor = os.open(name, flags | getattr(os, "O_NONBLOCK", 0))
    file = os.fdopen(descriptor, "rb")
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
        if not stat.S_ISREG(mode) and name.lower() != os.devnull:
            if not name.startswith(_OF_THE_SHELL):
                kind = "a named pipe" if stat.S_ISFIFO(mode) else "a device"
                raise OSError(errno.EINVAL, f"it is {kind}, not a file", name)
            os.set_blocking(descriptor, True)
    except BaseException:
        file.close()
        raise
    return file


def read_limited(path: str | os.PathLike[str], limit: int, *, of_machine: bool = False) -> bytes:
    """Return the bytes of a file, at most `limit` and one more, by which a larger one is noticed.

    `of_machine` is a file at a fixed place, which no input names. Raises OSError as `open_file`
    does, and outside the roots.
    """
    if not of_machine and not is_rooted(path):
        reason = "it is outside the folders that may be read"
        raise PermissionError(errno.EACCES, reason, os.fspath(path))
    with open_file(path) as file:
        # In parts: one read takes memory for all that it may return, however little there is.
        parts, left = [], limit + 1
        while left and (part := file.read(min(left, PART))):
            parts.append(part)
            left -= len(part)
    return b"".join(parts)


def read_small(
    path: str | os.PathLike[str], limit: int = SMALL, *, of_machine: bool = False
) -> bytes:
    """Return the bytes of a file. Raises OSError as `read_limited` does, and for a larger one."""
    content = read_limited(path, limit, of_machine=of_machine)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"it is larger than {limit >> 20} MiB", os.fspath(path))
    return content


_BOUNDED_METHODS: Final = (0, 8)
"""How zipfile compresses what it can decompress in steps: not at all, or by deflate."""


def read_member(archive: ZipFile, member: ZipInfo, limit: int) -> bytes:
    """Return the bytes of a member of a zip. Raises ValueError for more than `limit`.

    So does what is compressed by bz2 or LZMA: zipfile unpacks either in one piece, and a few bytes
    may become gigabytes. What zipfile raises of a damaged file is raised as well.
    """
    if member.compress_type not in _BOUNDED_METHODS:
        raise ValueError("it is compressed as no wheel is")
    # The size in the directory may be a lie: what is read is bounded as well.
    with archive.open(member) as opened:
        content = opened.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"it unpacks to more than {limit >> 20} MiB")
    return content


LARGEST_DATA: Final = 256 << 20
"""Bytes of a file of a matrix; the largest has 800 KB."""


def read_text(path: str | os.PathLike[str], limit: int = LARGEST_DATA) -> str:
    """Return the text of a file in UTF-8, its line ends as `\\n`.

    Raises OSError as `read_small` does, and UnicodeDecodeError.
    """
    content = read_small(path, limit)
    check_released(path, content)
    text = content.decode("utf-8")
    return text.replace("\r\n", "\n") if "\r" in text else text


# -- programs and the environment -----------------------------------------------------------------


def variable(environ: Mapping[str, str], name: str, os_name: str = os.name) -> str | None:
    """Return the value of an environment variable; None without one.

    The names of Windows' variables have no case, and a copy of `os.environ` has them in upper case.
    """
    if name in environ or os_name != "nt":
        return environ.get(name)
    folded = name.upper()
    return next((text for key, text in environ.items() if key.upper() == folded), None)


NO_CURRENT_FOLDER: Final = {"NoDefaultCurrentDirectoryInExePath": "1"}
"""The variable by which programs on Windows do not look into the current folder for others."""

_EXECUTABLES: Final = (".com", ".exe")
_SCRIPTS: Final = (".bat", ".cmd")


def find_program(
    name: str, environ: Mapping[str, str] = os.environ, *, scripts: bool = False
) -> str | None:
    """Return the absolute path of the program that PATH has under a name; None without one.

    See :func:`find_programs`.
    """
    return next(find_programs(name, environ, scripts=scripts), None)


def find_programs(
    name: str,
    environ: Mapping[str, str] = os.environ,
    *,
    scripts: bool = False,
    os_name: str = os.name,
    is_program: Callable[[str], bool] | None = None,
) -> Iterator[str]:
    """Yield the absolute path of each program that PATH has under a name.

    Only the absolute folders of PATH are searched. `shutil.which` and Windows itself search the
    current folder first, which may be anybody's repository. Windows' batch files are programs only
    with `scripts`: cmd expands what is passed to them, so they must get no text from outside.
    """
    is_windows = os_name == "nt"
    is_program = is_program or _is_program
    path = variable(environ, "PATH", os_name) or ""
    names = [name]
    if is_windows:
        endings = (*_EXECUTABLES, *(_SCRIPTS if scripts else ()))
        names = [name] if name.lower().endswith(endings) else [name + end for end in endings]
    flavour = PureWindowsPath if is_windows else PurePosixPath
    for text in path.split(";" if is_windows else ":"):
        folder = flavour(text.strip('"') if is_windows else text)
        if not folder.is_absolute():
            continue
        yield from (file for file in (str(folder / each) for each in names) if is_program(file))


def _is_program(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)  # noqa: PTH113


# -- names from outside ---------------------------------------------------------------------------

_SAFE_NAME: Final = r"[A-Za-z0-9_][A-Za-z0-9._+!-]*"
_RESERVED: Final = r"(?i)(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?"
_LONGEST_NAME: Final = 200
"""Characters of a file name; file systems take 255 bytes, and a download needs some for itself."""

DISTRIBUTIONS: Final = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz")
"""The endings of the files that indexes have."""


def is_safe_name(name: str) -> bool:
    """Return whether a name from outside is a plain file name on every system.

    `C:x` is on another drive on Windows, `x:y` a stream of `x`, `nul.whl` a device and `x.` is `x`.
    """
    return (
        re.fullmatch(_SAFE_NAME, name) is not None
        and re.fullmatch(_RESERVED, name) is None
        and not name.endswith(".")
        and len(name) <= _LONGEST_NAME
    )


def distribution_name(name: str, where: str) -> str:
    """Return the name of a wheel or source distribution that `where` has; raises BadFile else."""
    if is_safe_name(name) and name.endswith(DISTRIBUTIONS):
        return name
    raise BadFile(f"{where} names a file `{name}`, which is not the name of a wheel")


def stays_inside(name: str) -> bool:
    """Return whether a relative path from outside stays below its folder, on every system."""
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    return not (
        posix.is_absolute()
        or windows.drive
        or windows.root
        or ".." in windows.parts
        or ":" in name
        or "\0" in name
    )
