"""`cudalock diagnose`: what a message means, and the command that mends it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cudalock.cli import CONTEXT, matrix_option
from cudalock.cli.universe import load_matrix
from cudalock.errors import BadFile, NothingFound, UsageError
from cudalock.targets import LIKELY, PLATFORMS
from cudalock.targets.facets import OF_ACCELERATOR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.diagnose import Diagnosis
    from cudalock.diagnose.machine import Clues
    from cudalock.diagnose.symptoms import Match
    from cudalock.matrix.matrix import Matrix

SCHEMA: Final = "cudalock.diagnose/1"
SHOWN: Final = 3
"""How many facts are told in full."""
_NAMED: Final = 8
_WIDEST: Final = 160
_FILES: Final = (".log", ".txt", ".out", ".err")

_PLATFORMS = ", ".join(PLATFORMS[name].flag for name in LIKELY[:2])


@click.command(short_help="What an error message means.", context_settings=CONTEXT)
@click.argument("text", nargs=-1, metavar="[TEXT|-|FILE]")
@click.option("--python", metavar="V", help="The Python it was, if the text does not tell.")
@click.option("--platform", metavar="P", help=f"The platform: {_PLATFORMS}, ...")
@click.option("--gpu", metavar="NAME|CC", help="The GPU.")
@click.option("--driver", metavar="V", help="The driver.")
@click.option("--json", "as_json", is_flag=True, help="The same value as JSON.")
@matrix_option
def diagnose(
    text: tuple[str, ...],
    python: str | None,
    platform: str | None,
    gpu: str | None,
    driver: str | None,
    as_json: bool,
    matrix: str | None,
) -> None:
    """Explain an error message, a traceback or a pip log, and show the `solve` command that mends
    it.

    TEXT is the message itself or the file that holds it; `-`, or nothing, reads it from standard
    input. Versions, Python, platform and GPU are read from it; the options add what it leaves out,
    and this machine the rest. A command is solved before it is shown.

    Exit status: 0 explained; 1 nothing in the text is known; 2 the question was wrong.
    """
    from cudalock import diagnose as diagnosis
    from cudalock.cli.console import emit
    from cudalock.cli.machine import Looking

    facts = load_matrix(matrix)
    said = _said(python, platform, gpu, driver, facts)
    found = diagnosis.diagnose(_read(text), facts, said, Looking(facts).here)
    if as_json:
        emit(_json(found, facts))
    elif found.is_known:
        emit("".join(f"{line}\n" for line in _lines(found)))
    if not found.is_known:
        raise _unknown(found, facts)


def _read(words: tuple[str, ...]) -> str:
    from cudalock.diagnose import decode

    if words in ((), ("-",)):
        if not words and sys.stdin.isatty():
            raise UsageError(
                "no text to look at",
                hints=['`cudalock diagnose "message"`', "`... | cudalock diagnose -`"],
            )
        return decode(sys.stdin.buffer.read())
    text = " ".join(words)
    try:
        is_file = len(words) == 1 and "\n" not in text and Path(text).is_file()
    except (OSError, ValueError):  # too long for a name, say
        is_file = False
    if is_file:
        try:
            return decode(Path(text).read_bytes())
        except OSError as error:
            raise BadFile(f"`{text}` cannot be read: {error.strerror or error}") from None
    if len(words) == 1 and "\n" not in text and _is_folder(text):
        raise BadFile(f"`{text}` is a folder: name the file in it")
    if len(words) == 1 and len(text.split()) == 1 and Path(text).suffix.lower() in _FILES:
        raise BadFile(f"there is no file `{text}`")
    return text


def _is_folder(text: str) -> bool:
    try:
        return ("/" in text or "\\" in text) and Path(text).is_dir()
    except (OSError, ValueError):
        return False


def _said(
    python: str | None, platform: str | None, gpu: str | None, driver: str | None, matrix: Matrix
) -> Clues:
    """What the options tell. Raises BadTarget for what cannot be."""
    from cudalock.diagnose.machine import Clues
    from cudalock.errors import BadTarget
    from cudalock.targets import parse_platform, parse_python

    if platform:
        parse_platform(platform)
    version = None
    if python:
        version, free_threaded = parse_python(python)
        version += "t" if free_threaded else ""
    capability = matrix.gpus.find(gpu) if gpu else None
    if gpu and capability is None:
        raise BadTarget(f"`{gpu}` is no GPU or compute capability known here")
    return Clues(version, platform, capability, driver)


# -- for people -------------------------------------------------------------------------------


def _lines(found: Diagnosis) -> Iterator[str]:
    for match in found.matches[:SHOWN]:
        yield from _of_match(match)
    for match in found.matches[SHOWN:]:
        yield f"or: {match.fact.component} {match.fact.says}   [{match.fact.id}]"
    for clash in found.clashes:
        ids = f"   [{', '.join(clash.facts)}]" if clash.facts else ""
        yield f"these versions clash: {clash.sentence}{ids}"
    read = list(_read_from(found))
    if read:
        yield f"read from the text: {'; '.join(read)}"
    yield from _remedy(found)


def _of_match(match: Match) -> Iterator[str]:
    fact = match.fact
    yield f"{fact.component} {fact.says}   [{fact.id}]"
    # What a log holds must not move the cursor.
    seen = "".join(c if c.isprintable() else "?" for c in match.seen.replace("\t", " "))
    short = seen if len(seen) <= _WIDEST else seen[: _WIDEST - 4] + " ..."
    yield f"  line {match.line}: {short}"
    if fact.fix:
        yield f"  fix: {fact.fix}"
    yield f"  source: {fact.source[0]}"


def _read_from(found: Diagnosis) -> Iterator[str]:
    pins = [f"{pin.name} {pin.version}" for pin in found.pins]
    more = [f"{len(pins) - _NAMED} more"] if len(pins) > _NAMED else []
    if pins:
        yield ", ".join([*pins[:_NAMED], *more])
    clues = found.clues
    names = ("Python", "", "GPU", "driver", "glibc")
    told = [f"{name} {value}".strip() for name, value in zip(names, clues, strict=True) if value]
    if told:
        yield ", ".join(told)


def _remedy(found: Diagnosis) -> Iterator[str]:
    remedy = found.remedy
    if remedy is None:
        yield f"no command: {_why_none(found)}"
        return
    if found.pins and not remedy.changes and not remedy.added:
        yield "these versions go together; the command names the wheels of them that do"
    yield f"mend: {remedy.command}"
    for name, had, has in remedy.changes:
        yield f"  {name} {had} -> {has}"
    yield from (f"  {name}, of which the text has none: {has}" for name, has in remedy.added)
    if remedy.assumed:
        yield f"  assumed, as the text does not tell it: {' and '.join(remedy.assumed)}"


def _why_none(found: Diagnosis) -> str:
    """What is missing for one, or that none can help."""
    asked = {demand.template.name for match in found.matches for demand in match.fact.of_machine}
    missing = [name for name in OF_ACCELERATOR if name in asked and not getattr(found.clues, name)]
    if missing:
        return f"the text does not tell the {' or the '.join(missing)}; --{missing[0]} does"
    return "no versions are known that mend it; what does is said above"


def _unknown(found: Diagnosis, matrix: Matrix) -> NothingFound:
    from cudalock.diagnose import count_symptoms

    messages, components = count_symptoms(matrix)
    read = "; ".join(_read_from(found))
    more = f"\nread from it: {read}" if read else ""
    return NothingFound(
        f"nothing in the text is known: it was looked through for {messages} messages of"
        f" {', '.join(components)} (matrix {matrix.version}){more}",
        hints=["`cudalock doctor` looks at the environment itself"],
    )


# -- for programs -----------------------------------------------------------------------------


def _json(found: Diagnosis, matrix: Matrix) -> str:
    remedy = found.remedy
    value = {
        "schema": SCHEMA,
        "matrix": matrix.version,
        "facts": [
            {
                "id": match.fact.id,
                "component": match.fact.component,
                "says": match.fact.says,
                "effect": match.fact.effect,
                "fix": match.fact.fix,
                "source": list(match.fact.source),
                "line": match.line,
                "seen": match.seen,
            }
            for match in found.matches
        ],
        "clashes": [
            {"code": each.code, "says": each.sentence, "facts": list(each.facts)}
            for each in found.clashes
        ],
        "pins": [
            {"name": pin.name, "version": pin.version, "line": pin.line} for pin in found.pins
        ],
        "machine": dict(found.clues._asdict()),
        "command": remedy and remedy.command,
        "changes": [
            {"name": name, "from": had, "to": has}
            for name, had, has in (remedy.changes if remedy else ())
        ],
        "added": [{"name": name, "version": has} for name, has in (remedy.added if remedy else ())],
        "assumed": list(remedy.assumed) if remedy else [],
    }
    return json.dumps(value, indent=2, sort_keys=True) + "\n"
