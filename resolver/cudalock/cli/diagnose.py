"""`cudalock diagnose`: what an error message means, and the command that fixes it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cudalock.cli import CONTEXT, matrix_option
from cudalock.cli.completing import completed
from cudalock.cli.help import SectionedCommand
from cudalock.cli.universe import load_matrix
from cudalock.errors import BadFile, NothingFound, UsageError
from cudalock.files import read_limited
from cudalock.targets import LIKELY, PLATFORMS
from cudalock.targets.facets import FACETS, OF_ACCELERATOR
from cudalock.text import json_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.diagnose import Diagnosis
    from cudalock.diagnose.machine import Clues
    from cudalock.diagnose.symptoms import Match
    from cudalock.matrix.matrix import Matrix

SCHEMA: Final = "cudalock.diagnose/1"
SHOWN: Final = 3
"""Explanations in full; more would hide the first."""
_NAMED: Final = 8
"""Versions that are listed of those that were read."""
_WIDEST: Final = 160
"""Characters of a line that are quoted."""
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

    facts = load_matrix(matrix)
    flags = _clues_of_flags(python, platform, gpu, driver, facts)
    diagnosis = engine.diagnose(_read(text), facts, flags, LocalMachine(facts).here)
    if as_json:
        emit(_json(diagnosis, facts))
    elif diagnosis.is_list:
        emit(f"no conflict is known among these versions (matrix {facts.version})\n")
        emit(f"read from the text: {'; '.join(_read_from(diagnosis))}\n")
    elif diagnosis.is_known:
        emit("".join(f"{line}\n" for line in _lines(diagnosis)))
    if not diagnosis.is_known and not diagnosis.is_list:
        error = _unknown(diagnosis, facts)
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


def _clues_of_flags(
    python: str | None, platform: str | None, gpu: str | None, driver: str | None, matrix: Matrix
) -> Clues:
    """Return the machine that the options state. Raises BadTarget for one that cannot be."""
    from cudalock.diagnose.machine import Clues
    from cudalock.goals import check_platform, machines_of, read_gpus
    from cudalock.targets import PLATFORMS, parse_platform, parse_python

    models = read_gpus([gpu] if gpu else [], matrix.gpus)
    if platform:
        check_platform(parse_platform(platform)[0], models)
    elif machines := machines_of(models):
        platform = PLATFORMS[machines[0]].flag
    version = None
    if python:
        version, free_threaded = parse_python(python)
        version += "t" if free_threaded else ""
    return Clues(version, platform, models[0].architecture if models else None, driver)


# -- for people -------------------------------------------------------------------------------


def _lines(diagnosis: Diagnosis) -> Iterator[str]:
    in_full = [match for match in diagnosis.matches if match.is_named][:SHOWN]
    for match in in_full:
        yield from _of_match(match)
    others = [match for match in diagnosis.matches if match not in in_full]
    for match in others[:SHOWN]:
        yield f"or: {match.component} {match.says}   [{match.fact.id}]"
    if len(others) > SHOWN:
        yield f"or: {len(others) - SHOWN} more that are less likely; --json lists them"
    for clash in diagnosis.clashes:
        ids = f"   [{', '.join(clash.facts)}]" if clash.facts else ""
        yield f"conflict: {clash.sentence}{ids}"
    inputs = list(_read_from(diagnosis))
    if inputs:
        yield f"read from the text: {'; '.join(inputs)}"
    yield from _remedy(diagnosis)


def _of_match(match: Match) -> Iterator[str]:
    yield f"{match.component} {match.says}   [{match.fact.id}]"
    # What a log has in it must not move the cursor.
    shown = "".join(c if c.isprintable() else "?" for c in match.seen.replace("\t", " "))
    short = shown if len(shown) <= _WIDEST else shown[: _WIDEST - 4] + " ..."
    yield f"  line {match.line}: {short}"
    if match.fix:
        yield f"  {'try' if match.cure == 'none' else 'fix'}: {match.fix}"
    yield f"  source: {match.fact.source[0]}"


def _read_from(diagnosis: Diagnosis) -> Iterator[str]:
    pins = [f"{pin.name} {pin.version}" for pin in diagnosis.pins]
    more = [f"{len(pins) - _NAMED} more"] if len(pins) > _NAMED else []
    if pins:
        yield ", ".join([*pins[:_NAMED], *more])
    names = ("Python", "", "GPU", "driver", "glibc")
    parts = zip(names, diagnosis.clues, strict=True)
    machine = [f"{name} {clue}".strip() for name, clue in parts if clue]
    if machine:
        yield ", ".join(machine)


def _remedy(diagnosis: Diagnosis) -> Iterator[str]:
    remedy = diagnosis.remedy
    if remedy is None:
        yield f"no command: {_why_none(diagnosis)}"
        if len([match for match in diagnosis.matches if match.is_named]) > 1:
            yield "to decide between them: cudalock doctor --python PATH (of the environment)"
        return
    if diagnosis.pins and not remedy.changes and not remedy.added:
        yield "the versions stay, and their wheels change: the command names wheels that fit"
    yield f"recommend: {remedy.command}"
    for name, before, after in remedy.changes:
        yield f"  {name} {before} -> {after}"
    for name, version in remedy.added:
        yield f"  {name} {version}, which the text names no version of"
    if remedy.assumed:
        yield f"  assumed: this machine's {' and '.join(remedy.assumed)}; the text names none"


def _why_none(diagnosis: Diagnosis) -> str:
    """Return why there is no command: what is missing for one, or that none can help."""
    best = diagnosis.matches[:1]
    cure = best[0].cure if best else "versions"
    if cure == "none":
        return "no other version of a package changes this"
    if cure == "system":
        return "other versions do not fix this; the machine or the program does, see above"
    needed = {demand.template.name for match in best for demand in match.fact.of_machine}
    missing = [
        name for name in OF_ACCELERATOR if name in needed and not getattr(diagnosis.clues, name)
    ]
    if missing:
        parts = " and ".join(FACETS[name].title for name in missing)
        return f"the text does not name the {parts}; add --{missing[0]}"
    return "no versions are known to fix this from what the text states; see above"


def _unknown(diagnosis: Diagnosis, matrix: Matrix) -> NothingFound:
    from cudalock.diagnose import count_symptoms

    messages = count_symptoms(matrix)
    inputs = "; ".join(_read_from(diagnosis))
    more = f"\nread from the text: {inputs}" if inputs else ""
    return NothingFound(
        f"no known message in the text: it has none of {messages} (matrix {matrix.version}){more}",
        hints=[
            "paste more: a traceback from `Traceback` on, a pip log from its first error",
            "`cudalock doctor` examines the environment itself",
        ],
    )


# -- for programs -----------------------------------------------------------------------------


def _json(diagnosis: Diagnosis, matrix: Matrix) -> str:
    remedy = diagnosis.remedy
    document = {
        "schema": SCHEMA,
        "matrix": matrix.version,
        "facts": [
            {
                "id": match.fact.id,
                "component": match.component,
                "says": match.says,
                "effect": match.fact.effect,
                "cure": match.cure,
                "fix": match.fix,
                "source": list(match.fact.source),
                "line": match.line,
                "seen": match.seen,
            }
            for match in diagnosis.matches
        ],
        "clashes": [
            {"code": clash.code, "says": clash.sentence, "facts": list(clash.facts)}
            for clash in diagnosis.clashes
        ],
        "pins": [
            {"name": pin.name, "version": pin.version, "line": pin.line} for pin in diagnosis.pins
        ],
        "machine": dict(diagnosis.clues._asdict()),
        "command": remedy and remedy.command,
        "changes": [
            {"name": name, "from": before, "to": after}
            for name, before, after in (remedy.changes if remedy else ())
        ],
        "added": [
            {"name": name, "version": version} for name, version in (remedy.added if remedy else ())
        ],
        "assumed": list(remedy.assumed) if remedy else [],
    }
    return json_text(document)
