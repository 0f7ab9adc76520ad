"""The command line: a group whose commands are imported when they are called.

Whatever goes wrong below ends here as a message and an exit status, never as a traceback.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from cudalock.errors import BadFile, CudalockError, OutputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

COMMANDS = {
    "activate": "cudalock.cli.activate",
    "cache": "cudalock.cli.cache",
    "check": "cudalock.cli.check",
    "completion": "cudalock.cli.completion",
    "diagnose": "cudalock.cli.diagnose",
    "doctor": "cudalock.cli.doctor",
    "explain": "cudalock.cli.explain",
    "fetch": "cudalock.cli.fetch",
    "generate": "cudalock.cli.generate",
    "help": "cudalock.cli.show_help",
    "lsp": "cudalock.cli.lsp",
    "matrix": "cudalock.cli.matrix",
    "mcp": "cudalock.cli.mcp",
    "solve": "cudalock.cli.solve",
    "why-not": "cudalock.cli.why_not",
}
"""Command to the module that defines it, in a function of the same name."""

COMMAND_SECTIONS = {
    "Make a lock": ("solve", "generate", "fetch"),
    "Check what is there": ("check", "doctor", "diagnose"),
    "Understand": ("explain", "why-not", "matrix", "help"),
    "Set up": ("activate", "completion", "cache", "mcp", "lsp"),
}
"""Title to the commands of that section, in the order of the help."""

CONTEXT = {"help_option_names": ["-h", "--help"]}
"""Settings of every command."""

MATRIX_HELP = "Use the matrix in DIR; `embedded` is the one shipped with cudalock."


def matrix_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--matrix`."""
    return click.option("--matrix", metavar="DIR", help=MATRIX_HELP)(command)


def index_map_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--index-map`."""
    return click.option(
        "--index-map",
        metavar="ORIGINAL=MIRROR",
        multiple=True,
        help="Use a mirror for every URL that begins so. ORIGINAL is a URL, or a name such as"
        " pytorch. Repeatable.",
    )(command)


INTERRUPTED = 130
"""128 + SIGINT, as shells count it; for another signal it is 128 + that."""
INTERNAL = 70
"""EX_SOFTWARE of sysexits.h: an error of cudalock's own."""


# Python collects garbage once more when a process ends: a tenth of a solve's time, for nothing.
atexit.register(gc.freeze)


class LazyGroup(click.Group):
    """A group that imports a command's module only to run it or to list it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command = getattr(import_module(module), cmd_name.replace("-", "_"))
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command of the words, `solve` if they are a goal without one."""
        if args and args[0] not in COMMANDS and not ctx.resilient_parsing:
            from cudalock.cli.help import refuse_or_solve

            args = refuse_or_solve(args, COMMANDS)
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = {flag for option in self.get_params(ctx) for flag in option.opts}
        if args and args[0].startswith("-") and args[0] not in own and not ctx.resilient_parsing:
            # `cudalock --torch 2.5.1`: only a goal begins with an option.
            args = ["solve", *args]
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from cudalock.cli.help import write_commands

        write_commands(self, ctx, formatter, COMMAND_SECTIONS)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command and exit with its status; without `standalone_mode` raise its errors."""
        words = list(sys.argv[1:] if args is None else args)
        # click only raises then: printing errors and choosing the exit status is done below.
        if not standalone_mode:
            return super().main(words, prog_name, complete_var, False, **extra)
        # One command and the process ends: collecting garbage takes a tenth of the time.
        gc.disable()
        try:
            with _stopping():
                status = super().main(words, prog_name, complete_var, False, **extra)
        except Exception as error:  # the last place that can turn it into a sentence
            _fail(error, words)
        except KeyboardInterrupt as stopped:
            sys.exit(_stop_status(stopped))
        finally:
            # The process ends, and a collection on its way out would take a twentieth of the time.
            if args is None:
                gc.freeze()
            # A test goes on in the same process.
            gc.enable()
        # `ctx.exit(n)` makes click return n; a command's own return value is None.
        sys.exit(status if isinstance(status, int) else 0)


@contextmanager
def _stopping() -> Iterator[None]:
    """Treat other signals that end a process like an interrupt: temporary files are removed."""

    def stop(number: int, _frame: object) -> NoReturn:
        raise KeyboardInterrupt(number)

    # SIGBREAK: Windows sends it for Ctrl-Break and where the console is closed.
    names = ("SIGTERM", "SIGHUP", "SIGBREAK")
    signals = [getattr(signal, name) for name in names if hasattr(signal, name)]
    # nohup makes a process ignore SIGHUP: leave that. Only the main thread may set signals, and
    # elsewhere it is a ValueError.
    handled = [
        signal_number
        for signal_number in signals
        if signal.getsignal(signal_number) is signal.SIG_DFL
    ]
    with suppress(ValueError):
        for signal_number in handled:
            signal.signal(signal_number, stop)
    try:
        yield
    finally:
        with suppress(ValueError):
            for signal_number in handled:
                signal.signal(signal_number, signal.SIG_DFL)


def _stop_status(stopped: BaseException | None) -> int:
    number = stopped.args[0] if stopped is not None and stopped.args else signal.SIGINT
    return INTERRUPTED - signal.SIGINT + int(number)


def _fail(error: Exception, words: Sequence[str]) -> NoReturn:
    """Print an error on standard error, for JSON on standard output too; exit with its status."""
    # click wraps an interrupt, and the signal is in the original.
    if isinstance(error, click.Abort):
        sys.exit(_stop_status(error.__cause__))
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        sys.exit(error.exit_code)
    from cudalock.cli.console import error_text, tell

    if isinstance(error, click.ClickException):
        error = _of_click(error)
    elif isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
        # A file of cudalock's own that is missing is a fault, not the user's.
        # Help and versions are written by click; results go through console.emit.
        error = _of_stream(error) if error.filename is None else _of_file(error)
    if isinstance(error, CudalockError):
        _write_error_json(error, error.exit_status, words)
        tell(error_text(error))
        sys.exit(error.exit_status)
    verbose = "-v" in words or "--verbose" in words
    if verbose:
        import traceback

        tell("".join(traceback.format_exception(error)).rstrip())
    internal = _internal(error, verbose=verbose)
    _write_error_json(internal, INTERNAL, words)
    tell(error_text(internal))
    sys.exit(INTERNAL)


def _write_error_json(error: CudalockError, status: int, words: Sequence[str]) -> None:
    from cudalock.cli.error_json import error_json, is_wanted

    # What cannot be written there is told on standard error, as is why.
    if is_wanted(words) and not error.has_document and not isinstance(error, OutputError):
        from cudalock.cli.console import emit

        with suppress(OutputError):
            emit(error_json(error, status))


def _of_click(error: click.ClickException) -> UsageError:
    hints: tuple[str, ...] = ()
    if isinstance(error, click.UsageError) and error.ctx is not None:
        hints = (f"`{error.ctx.command_path} --help`",)
    return UsageError(error.format_message(), hints=hints)


def _of_stream(error: OSError) -> OutputError:
    return OutputError(f"cannot write to standard output: {error.strerror or error}")


_SHOWN: Final = 200
"""Characters of a file's name in a message: the longest are those that no file system takes."""


def _of_file(error: OSError) -> BadFile:
    name = os.fsdecode(error.filename) if not isinstance(error.filename, int) else "a file"
    shown = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}..."
    reason = error.strerror or type(error).__name__
    return BadFile(f"cannot use `{shown}`: {reason[:1].lower()}{reason[1:]}")


def _internal(error: Exception, *, verbose: bool) -> CudalockError:
    reason = " ".join(str(error).split())
    return CudalockError(
        f"cudalock: internal error: {type(error).__name__}: {reason}; please report it",
        hints=() if verbose else ("run the command with `-v` to see where it happened",),
    )


def _print_version(ctx: click.Context, _param: click.Parameter, is_given: bool) -> None:
    if not is_given or ctx.resilient_parsing:
        return
    from cudalock import __version__
    from cudalock.cli.console import warn
    from cudalock.matrix.matrix import Matrix

    click.echo(f"cudalock {__version__} (matrix {Matrix.load(None, warn).described})")
    ctx.exit()


@click.group(cls=LazyGroup, context_settings=CONTEXT)
@click.option(
    "-V",
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the versions of cudalock and of its matrix.",
)
def main() -> None:
    """Turn a goal such as "torch 2.5.1 + FA2 on Windows py3.11" into a lock.

    \b
      cudalock solve "torch 2.5.1 + FA2 on Windows py3.11"
      cudalock check requirements.txt
      cudalock help solve
    """
