"""`cudalock diagnose`: what an error message means, and the command that fixes it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from cudalock.cli import CONTEXT, matrix_option
from cudalock.cli.completing import completed
from cudalock.cli.help import SectionedCommand
from cudalock.cli.universe import load_matrix
from cudalock.errors import BadFile, NothingFound, UsageError
from cudalock.files import read_limited
from cudalock.targets import LIKELY, PLATFORMS
from cudalock.text import json_text

_LARGEST: Final = 64 << 20
"""Bytes of a text."""
_FILES: Final = (".log", ".txt", ".out", ".err")

_PLATFORMS = ", ".join(PLATFORMS[name].flag for name in LIKELY[:2])


class _TextCommand(SectionedCommand):
    """Take an argument that begins with `-` and has blanks in it as text, not as an option.

    Issue templates and `transformers-cli env` begin their lines so.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        is_text = [word.startswith("-") and len(word.split()) > 1 for word in args]
        texts = [word for word, text in zip(args, is_text, strict=True) if text]
        if texts and "--" not in args:
            options = [word for word, text in zip(args, is_text, strict=True) if not text]
            args = [*options, "--", *texts]
        return super().parse_args(ctx, args)


@click.command(
    cls=_TextCommand,
    short_help="Explain an error message.",
    context_settings=CONTEXT,
    examples=(
        ('cudalock diagnose "undefined symbol: _ZN3c104cuda9SetDeviceEi"', "one line of an error"),
        ("python train.py 2>&1 | cudalock diagnose -", "whatever a program prints"),
    ),
)
@click.argument("text", nargs=-1, metavar="[TEXT|-|FILE]", shell_complete=completed("file"))
@click.option("--python", metavar="V", help="Python version, if the text does not name it.")
@click.option("--platform", metavar="P", help=f"Platform: {_PLATFORMS}, ...")
@click.option(
    "--gpu",
    metavar="NAME|CC",
    help="GPU name or compute capability.",
    shell_complete=completed("gpu"),
)
@click.option("--driver", metavar="V", help="NVIDIA driver version.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@matrix_option
@click.pass_context
def diagnose(
    ctx: click.Context,
    text: tuple[str, ...],
    python: str | None,
    platform: str | None,
    gpu: str | None,
    driver: str | None,
    as_json: bool,
    matrix: str | None,
) -> None:
    """Explain an error message, a traceback or a pip log, and print the `solve` command that fixes
    it.

    TEXT is the message itself or a file; `-`, or nothing, reads standard input. Versions, Python,
    platform, GPU and driver are read from the text. The options add what the text leaves out, and
    the rest is taken from this machine. A command is solved before it is printed, and printed only
    if its solution changes what the cause rests on. A list of versions without an error is checked.

    Exit status: 0 explained; 1 no known message in the text, or its cause is neither in packages
    nor in the machine (memory, the program, a model file, the network); 2 invalid input.
    """
    from cudalock import diagnose as engine
    from cudalock.cli.console import emit
    from cudalock.cli.machine import LocalMachine
    from cudalock.diagnose import report
    from cudalock.diagnose.machine import clues_of_flags

    facts = load_matrix(matrix)
    flags = clues_of_flags(facts, python, platform, gpu, driver)
    diagnosis = engine.diagnose(_read(text), facts, flags, LocalMachine(facts).here)
    if as_json:
        emit(json_text(report.as_document(diagnosis, facts)))
    elif diagnosis.is_list:
        emit("".join(f"{line}\n" for line in report.lines_of_list(diagnosis, facts)))
    elif diagnosis.is_known:
        emit("".join(f"{line}\n" for line in report.lines(diagnosis)))
    if not diagnosis.is_known and not diagnosis.is_list:
        error = report.nothing_found(diagnosis, facts)
        error.has_document = as_json
        raise error
    if diagnosis.is_elsewhere:
        ctx.exit(NothingFound.exit_status)


def _bounded(content: bytes, name: str) -> bytes:
    if len(content) > _LARGEST:
        raise BadFile(
            f"`{name}` is larger than {_LARGEST >> 20} MiB",
            hints=["`tail -n 1000 FILE | cudalock diagnose -`: the error is near the end"],
        )
    return content


def _read(words: tuple[str, ...]) -> str:
    from cudalock.diagnose import decode

    if words in ((), ("-",)):
        if not words and sys.stdin.isatty():
            raise UsageError(
                "no text to explain",
                hints=['`cudalock diagnose "message"`', "`... | cudalock diagnose -`"],
            )
        return decode(_bounded(sys.stdin.buffer.read(_LARGEST + 1), "standard input"))
    text = " ".join(words)
    try:
        is_file = len(words) == 1 and "\n" not in text and Path(text).exists()
        is_file = is_file and not Path(text).is_dir()
    except (OSError, ValueError):  # too long for a name, say
        is_file = False
    if is_file:
        try:
            return decode(_bounded(read_limited(text, _LARGEST), text))
        except OSError as error:
            raise BadFile(f"`{text}` cannot be read: {error.strerror or error}") from None
    if len(words) == 1 and "\n" not in text and _is_folder(text):
        raise BadFile(f"`{text}` is a folder: give a file in it")
    if len(words) == 1 and len(text.split()) == 1 and Path(text).suffix.lower() in _FILES:
        raise BadFile(f"no such file: `{text}`")
    return text


def _is_folder(text: str) -> bool:
    try:
        return ("/" in text or "\\" in text) and Path(text).is_dir()
    except (OSError, ValueError):
        return False
