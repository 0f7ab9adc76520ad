"""`--advisories`: known vulnerabilities of pins, and the nearest stack without them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from cudalock.errors import Contradiction, GaveUp
from cudalock.findings import RULES, Finding
from cudalock.records import replace
from cudalock.text import either, listed, shell_command

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cudalock.cli.options import OutputOptions
    from cudalock.compat.advisories import SafeStack
    from cudalock.goals import Query
    from cudalock.indexes.osv import Advisories, Advisory
    from cudalock.lock import Lock
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.universe import Universe
    from cudalock.projects.model import Declared, ProjectFile
    from cudalock.targets import Target

CODE: Final = "CL109"
LONGEST: Final = 120
"""Characters of an advisory's summary in a line."""


def open_advisories(place: str | None, *, offline: bool) -> Advisories:
    """Return the advisories of OSV's service, or of a dump.

    Raises Contradiction for the service with `--offline`, and BadFile for an unreadable dump.
    """
    from cudalock.indexes.client import Web
    from cudalock.indexes.osv import Advisories

    if offline and (place is None or "://" in place):
        raise Contradiction(
            "`--advisories` queries a service, which `--offline` forbids",
            hints=["`--osv DIR` with a dump of OSV's advisories"],
        )
    # An old answer would hide what was found since.
    web = Web(stale=False)
    click.get_current_context().call_on_close(web.close)
    return Advisories(web, place)


def with_advisories(
    lock: Lock, queries: Sequence[Query], universe: Universe, options: OutputOptions
) -> Lock:
    """Return the lock with what is known of its pins, if it is asked for.

    A solution without the vulnerabilities is searched for a lock of one target.
    """
    if not (options.advisories or options.osv):
        return lock
    from cudalock.lock import PinAdvisory

    known = open_advisories(options.osv, offline=options.offline)
    affected = known.of_pins((pin.name, pin.version) for pin in lock.pins)
    rows = tuple(
        PinAdvisory(name, version, row.id, row.aliases, _brief(row), row.fixed, row.url)
        for name, version, row in affected
    )
    safe = None
    # What to add to an environment changes nothing of what is there.
    if rows and len(queries) == 1 and not lock.installer:
        pins = {pin.name: pin.version for pin in lock.pins}
        safe = _safe_stack(queries[0], pins, [row.name for row in rows], known, universe)
    command = _command(safe, queries[0][1], options) if safe is not None else None
    return replace(lock, advisories=rows, safe_command=command)


def _safe_stack(
    query: Query,
    pins: dict[str, str],
    vulnerable: Iterable[str],
    known: Advisories,
    universe: Universe,
) -> SafeStack | None:
    from cudalock.compat.advisories import nearest_safe_stack

    try:
        return nearest_safe_stack(query, pins, vulnerable, known, universe)
    except GaveUp:
        # That there is none was not shown either: nothing is said of one.
        return None


def _command(safe: SafeStack, target: Target, options: OutputOptions) -> str:
    from cudalock.goals import command_words

    words = ["cudalock", "solve", *command_words(safe.goal, target), *options.words]
    return shell_command(words)


def _brief(advisory: Advisory) -> str:
    text = advisory.summary
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3].rstrip()}..."


# -- files ----------------------------------------------------------------------------------------


def advisory_findings(
    file: ProjectFile, known: Advisories, matrix: Matrix, targets: Sequence[Target]
) -> list[Finding]:
    """Return a finding for each pin of a file with a known vulnerability."""
    declared = [
        entry
        for part in file.files()
        for entry in part.declared
        if entry.version and entry.manager == "pypi" and not entry.is_ignored(CODE)
    ]
    pins = {entry.name: entry.version or "" for entry in declared}
    affected: dict[tuple[str, str], list[Advisory]] = {}
    for name, version, advisory in known.of_pins(
        (entry.name, entry.version or "") for entry in declared
    ):
        affected.setdefault((name, version), []).append(advisory)
    if not affected:
        return []
    safe = _safe_pins(file, pins, {name for name, _ in affected}, known, matrix, targets)
    return [
        _finding(entry, advisory, safe)
        for entry in declared
        for advisory in affected.get((entry.name, entry.version or ""), ())
    ]


def _safe_pins(
    file: ProjectFile,
    pins: dict[str, str],
    vulnerable: Iterable[str],
    known: Advisories,
    matrix: Matrix,
    targets: Sequence[Target],
) -> str | None:
    """Return the pins of the file to change, as they are written; None if no solution is known."""
    from cudalock.check.targets import completed, likely
    from cudalock.compat.advisories import changed_versions
    from cudalock.goals import Goal, ProjectRequirement
    from cudalock.matrix.universe import ClosedUniverse
    from cudalock.targets.accelerators import is_vendor_library

    held = {
        name: version.partition("+")[0]
        for name, version in pins.items()
        # What a build pins by itself follows it.
        if version.partition("+")[0] in matrix.versions(name) and not is_vendor_library(name)
    }
    wanted = [name for name in vulnerable if name in held]
    target = next(iter(completed(targets[0], file) if targets else likely(file)), None)
    if not wanted or target is None:
        return None
    # Pins as requirements: those that have to move yield, and all others are kept if they can be.
    goal = Goal(ProjectRequirement.pin(*pin) for pin in held.items())
    safe = _safe_stack((goal, target), held, wanted, known, ClosedUniverse(matrix))
    if safe is None:
        return None
    changed = changed_versions(held, safe.versions)
    return listed(f"`{name}=={new}`" for name, _, new in changed) if changed else None


def _finding(declared: Declared, advisory: Advisory, safe: str | None) -> Finding:
    fixed = f"fixed in {either(advisory.fixed)}" if advisory.fixed else "and no version fixes it"
    says = (
        f"{declared.name} {declared.version} has a known vulnerability: {advisory.label}, {fixed}"
    )
    summary = _brief(advisory)
    return Finding(
        CODE,
        RULES[CODE].severity,
        f"{says}: {summary}" if summary else says,
        fix=safe,
        place=declared.place,
        members=(declared.name, advisory.id),
    )
