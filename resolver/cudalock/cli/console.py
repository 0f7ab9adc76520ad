"""The one place that writes to a stream or a file.

Results go to standard output with `emit` or to a file with `write_text`; everything else goes to
standard error with `tell`. Results are the same bytes everywhere. Messages suit the stream: colour
on a terminal, and signs that a console's code page lacks spelled in ASCII.
"""

from __future__ import annotations

import codecs
import errno
import os
import re
import stat
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import click

from cudalock.cli import activity
from cudalock.cli.narrow import as_wanted
from cudalock.errors import CudalockError, OutputError
from cudalock.files import write_atomically
from cudalock.text import (
    ascii_text,
    shell_word,
    visible,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


_KEYS: Final = r"(?m)^(error|warning|hint|note|builders|newer|needs|install):"
_COLOURS: Final = {"error": "red", "warning": "yellow", "hint": "cyan"}


def error_text(error: CudalockError) -> str:
    """Return `error: ...`, then after a blank line `hint: ...` for each hint, unwrapped."""
    hints = [f"hint: {' '.join(hint.split())}" for hint in error.hints]
    return "\n".join([f"error: {error.message}", *([""] if hints else []), *hints])


def tell(text: str) -> None:
    """Write a message and a newline to standard error.

    The key that opens a line (`error:`, `hint:`, `needs:`) is coloured where colour is wanted.
    Never raises for what the stream cannot show, nor for a stream that is closed.
    """
    activity.end()
    stream = sys.stderr
    if stream is None:  # pythonw, or started with the descriptor closed
        return
    shown = _showable(text, stream.encoding or "ascii")
    try:
        colour = wants_colour(stream)
        click.echo(
            re.sub(_KEYS, _coloured_key, shown) if colour else shown, file=stream, color=colour
        )
        stream.flush()
    except (OSError, ValueError):
        _silence(stream)


def warn(text: str) -> None:
    """Write a warning to standard error."""
    tell(f"warning: {text}")


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Callable[[str, int, int | None], None]]:
    """Show bars on standard error for downloads: call it with name, bytes done, bytes in all.

    Without a terminal nothing is shown.
    """
    activity.end()
    stream = sys.stderr
    if quiet or stream is None or not stream.isatty():
        yield lambda file, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    bars = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
    tasks: dict[str, Any] = {}

    def advance(file: str, done: int, total: int | None) -> None:
        if file not in tasks:
            tasks[file] = bars.add_task(file, total=total)
        bars.update(tasks[file], completed=done, total=total, visible=done != total)

    with bars:
        yield advance


@contextmanager
def steps(*, quiet: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """Show one bar on standard error: call it with the last step, the steps done, and all steps.

    Without a terminal it is a line after a while, and then a line each time as long again.
    """
    stream = sys.stderr
    if quiet or stream is None:
        yield lambda last, done, total: None
        return
    if not stream.isatty():
        yield _line_after_a_while()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    bars = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bars.add_task("", total=None)

    def advance(last: str, done: int, total: int) -> None:
        bars.update(task, description=last, completed=done, total=total)

    with bars:
        yield advance


PAUSE: Final = 30.0
"""Seconds between two lines of progress where there is no terminal."""


def _line_after_a_while() -> Callable[[str, int, int], None]:
    from time import monotonic

    shown = monotonic()

    def advance(last: str, done: int, total: int) -> None:
        nonlocal shown
        if monotonic() - shown >= PAUSE:
            shown = monotonic()
            tell(f"{done} of {total} done, the last is {last}")

    return advance


def is_interactive() -> bool:
    """Return whether messages go to a person's terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


def is_terminal() -> bool:
    """Return whether results go to a person's terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def wants_colour(stream: IO[Any]) -> bool:
    """Return whether to colour: NO_COLOR forbids it, else FORCE_COLOR or a terminal wants it."""
    if os.environ.get("NO_COLOR"):
        return False
    forced = os.environ.get("FORCE_COLOR")
    if forced:
        return forced != "0"
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _coloured_key(match: re.Match[str]) -> str:
    return click.style(match[0], fg=_COLOURS.get(match[1]), bold=True)


def _showable(text: str, encoding: str) -> str:
    """Return the text as a console with this encoding can show it.

    Control characters become `?`: a file name in an error must not move the cursor.
    """
    printable = "".join(
        c if c.isprintable() or c == "\n" else "?"
        for c in text.replace("\r\n", "\n").replace("\t", " ")
    )
    try:
        printable.encode(encoding)
    except LookupError:
        return ascii_text(printable)
    except UnicodeEncodeError:
        # Letter by letter: a path in the message keeps what can be shown of it.
        return "".join(c if _is_encodable(c, encoding) else ascii_text(c) for c in printable)
    return printable


def _is_encodable(letter: str, encoding: str) -> bool:
    try:
        letter.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def console_encoding() -> str:
    """Return the encoding in which cmd reads what a program prints: the console's code page."""
    if os.name != "nt":
        return "utf-8"
    import ctypes

    # Type checkers on other systems know no `windll`.
    page = vars(ctypes)["windll"].kernel32.GetConsoleOutputCP()
    name = f"cp{page}" if page else "utf-8"
    try:
        codecs.lookup(name)
    except LookupError:
        return "utf-8"
    return name


def is_coloured() -> bool:
    """Return whether results may have colours: see `wants_colour`."""
    return sys.stdout is not None and wants_colour(sys.stdout)


def emit(text: str, encoding: str = "utf-8", *, styled: bool = False) -> None:
    """Write a result to standard output, with the newlines it has and no other controls.

    With `styled` it has colours, and what came from outside was made visible before.
    A reader that went away (`| head`) is no error. Raises OutputError if the text cannot be
    written.
    """
    activity.end()
    stream = sys.stdout
    if stream is None:
        raise OutputError("cannot write to standard output: it is closed")
    text = as_wanted(text)
    try:
        stream.flush()
        shown = text if styled else visible(text)
        if hasattr(stream, "buffer"):
            stream.buffer.write(shown.encode(encoding, "replace"))
        else:  # a StringIO, in a test
            stream.write(shown)
        stream.flush()
    except OSError as error:
        # Else Python flushes again when it ends, and reports that as an error of its own.
        _silence(stream)
        if not _is_closed_pipe(error):
            raise OutputError(f"cannot write to standard output: {_reason(error)}") from None


def _is_closed_pipe(error: OSError) -> bool:
    # Windows reports EINVAL for a pipe without a reader.
    return isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL)


def _silence(stream: IO[Any]) -> None:
    """Redirect the stream, and what it still buffers, to the null device."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a file whole or not at all, as UTF-8 with the newlines the text has.

    The text goes into a new file beside it, which then takes its place and keeps its mode. A
    symbolic link stays a link. A pipe or device is written to as it is. Raises OutputError, naming
    the path and the reason, when that is impossible; a file that was there is then as it was.
    """
    write_bytes(path, text.encode("utf-8", "replace"))


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file as `write_text` does, from bytes."""
    try:
        # Follow links first: replacing a link would leave its target unchanged.
        target = Path(path).resolve()
        mode = _mode(target)
        if mode is not None and not stat.S_ISREG(mode):
            _write_special(target, mode, content)
        else:
            _check_writable(target, mode)
            permissions = None if mode is None else stat.S_IMODE(mode)
            write_atomically(target, content, permissions, to_disk=True)
    except (OSError, RuntimeError, ValueError) as error:
        # resolve() raises RuntimeError for a loop of links, ValueError for a NUL in the name.
        hints = _hints(error, Path(path))
        raise OutputError(f"cannot write `{path}`: {_reason(error)}", hints=hints) from None


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def _write_special(target: Path, mode: int, content: bytes) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    with suppress(BrokenPipeError), target.open("wb") as file:
        file.write(content)


def _check_writable(target: Path, mode: int | None) -> None:
    # Renaming over a read-only file would work, but its owner protected it. The mode is checked
    # too, since for root every file is writable.
    if mode is not None and not (mode & 0o222 and os.access(target, os.W_OK)):
        raise PermissionError(errno.EACCES, "the file is read-only")


def _hints(error: Exception, path: Path) -> tuple[str, ...]:
    if isinstance(error, IsADirectoryError):
        return (f"-o {shell_word(str(path / 'requirements.txt'))}",)
    if isinstance(error, FileNotFoundError) and not path.parent.exists():
        return (f"mkdir {shell_word(str(path.parent))}",)
    return ()


def _reason(error: BaseException) -> str:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return text[:1].lower() + text[1:]
