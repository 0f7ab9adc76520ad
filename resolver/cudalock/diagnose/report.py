"""The explanation of a text as lines for people, and as a document for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cudalock.diagnose import count_symptoms
from cudalock.diagnose.statements import MissingName
from cudalock.diagnose.versions import REQUESTED
from cudalock.errors import NothingFound
from cudalock.targets.facets import FACETS, OF_ACCELERATOR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.diagnose import Diagnosis
    from cudalock.diagnose.symptoms import Match
    from cudalock.matrix.matrix import Matrix

SCHEMA: Final = "cudalock.diagnose/1"
SHOWN: Final = 3
"""Explanations in full; more would hide the first."""
_NAMED: Final = 8
"""Versions that are listed of those that were read."""
_WIDEST: Final = 160
"""Characters of a line that are quoted."""


def lines(diagnosis: Diagnosis) -> Iterator[str]:
    """Yield the explanation of a text that could be explained, for people."""
    in_full = [match for match in diagnosis.matches if match.is_named][:SHOWN]
    for match in in_full:
        yield from _of_match(match)
    in_brief = [match for match in diagnosis.matches if match not in in_full]
    for match in in_brief[:SHOWN]:
        yield f"or: {match.component} {match.says}   [{match.fact.id}]"
    if len(in_brief) > SHOWN:
        yield f"or: {len(in_brief) - SHOWN} more that are less likely; --json lists them"
    for clash in diagnosis.clashes:
        ids = f"   [{', '.join(clash.facts)}]" if clash.facts else ""
        yield f"conflict: {clash.sentence}{ids}"
    inputs = list(read_from(diagnosis))
    if inputs:
        yield f"read from the text: {'; '.join(inputs)}"
    yield from _remedy(diagnosis)


def lines_of_list(diagnosis: Diagnosis, matrix: Matrix) -> Iterator[str]:
    """Yield what there is to report of a list of versions without an error."""
    yield f"no conflict is known among these versions (matrix {matrix.version})"
    yield f"read from the text: {'; '.join(read_from(diagnosis))}"


def _of_match(match: Match) -> Iterator[str]:
    yield f"{match.component} {match.says}   [{match.fact.id}]"
    # What a log has in it must not move the cursor.
    shown = "".join(c if c.isprintable() else "?" for c in match.seen.replace("\t", " "))
    short = shown if len(shown) <= _WIDEST else shown[: _WIDEST - 4] + " ..."
    yield f"  line {match.line}: {short}"
    if match.fix:
        yield f"  {'try' if match.cure == 'none' else 'fix'}: {match.fix}"
    yield f"  source: {match.fact.source[0]}"


def read_from(diagnosis: Diagnosis) -> Iterator[str]:
    """Yield what was read from the text: versions, and the machine."""
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
        yield f"no command: {why_no_command(diagnosis)}"
        if len([match for match in diagnosis.matches if match.is_named]) > 1:
            yield "to decide between them: cudalock doctor --python PATH (of the environment)"
        return
    if diagnosis.pins and not remedy.changes and not remedy.added:
        yield "the versions stay, and their wheels change: the command names wheels that fit"
    yield f"recommend: {remedy.command}"
    if not remedy.changes and not any(pin.trust > REQUESTED for pin in diagnosis.pins):
        # Nothing in the text says what the change would be from.
        yield "  a new environment, as the text names no versions; for yours: cudalock doctor --fix"
    for name, before, after in remedy.changes:
        yield f"  {name} {before} -> {after}"
    for name, version in remedy.added:
        public, plus, label = version.partition("+")
        build = f" (build {label})" if plus else ""
        yield f"  {name} {public}{build}: the text names no version of it"
    if remedy.assumed:
        yield f"  assumed: this machine's {' and '.join(remedy.assumed)}; the text names none"


def why_no_command(diagnosis: Diagnosis) -> str:
    """Return why there is no command: what is missing for one, or that none can help."""
    best = diagnosis.matches[:1]
    cure = best[0].cure if best else "versions"
    if cure == "none":
        is_outside = best and isinstance(best[0].statement, MissingName)
        return f"no other version of a package{' of this stack' if is_outside else ''} changes this"
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


def nothing_found(diagnosis: Diagnosis, matrix: Matrix) -> NothingFound:
    """Return the error for a text without a known message."""
    messages = count_symptoms(matrix)
    inputs = "; ".join(read_from(diagnosis))
    more = f"\nread from the text: {inputs}" if inputs else ""
    return NothingFound(
        f"no known message in the text: it has none of {messages} (matrix {matrix.version}){more}",
        hints=[
            "paste more: a traceback from `Traceback` on, a pip log from its first error",
            "`cudalock doctor` examines the environment itself",
        ],
    )


def as_document(diagnosis: Diagnosis, matrix: Matrix) -> dict[str, Any]:
    """Return all of it as values of JSON: `cudalock.diagnose/1`."""
    remedy = diagnosis.remedy
    return {
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
