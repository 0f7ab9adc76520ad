"""Whether the installed stack is compatible, with itself and with the machine: by the engine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from cudalock.doctor.fixes import changing, fixed, solving
from cudalock.environment.repairs import Fix
from cudalock.findings import Finding
from cudalock.versions import is_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.compat.installed import ExaminedEnvironment
    from cudalock.compat.pins import PinConflict

ALONE: Final = frozenset(["CL102"])
"""The codes that count among findings about a single pin. It is installed, so where to get it is no
question any more; but it may have been yanked since."""


def examine(subject: ExaminedEnvironment) -> Iterator[Finding]:
    """Yield conflicts among what is installed, by metadata and by fact, and with GPU, driver and
    glibc.

    Each that can be fixed has the command, which was judged as well.
    """
    yield from _not_known(subject)
    pins = [
        subject.pin_of(installed) for installed in subject.stack() if is_version(installed.version)
    ]
    judge = subject.judge()
    judgement = judge.examine(pins)
    for defect in judgement.single:
        if defect.finding.code in ALONE:
            yield defect.finding
    clashes = _not_the_same(judgement.conflicts, subject)
    resolved_again = _resolved_again(clashes, subject)
    compatible = judgement.compatible
    for clash in judge.with_fixes(clashes, compatible) if resolved_again is None else clashes:
        plain = replace(clash.finding, fix=None)
        yield fixed(plain, resolved_again) if resolved_again else _fixed(clash, subject)
    for warning in judge.with_warning_fixes(judgement.warnings, compatible):
        yield _fixed(warning, subject)


def _not_known(subject: ExaminedEnvironment) -> Iterator[Finding]:
    """Yield a note for a build of one's own or a nightly: nothing is known about it."""
    for installed in subject.stack():
        is_central = (
            installed.name == subject.matrix.framework or installed.name in subject.matrix.ranked
        )
        if is_central and not subject.builds(installed):
            project = subject.universe.project(installed.name)
            is_known = project is not None and installed.version in project
            lacks = f"to have a wheel for {subject.layout.target.label}" if is_known else "here"
            yield Finding(
                "CL105",
                "note",
                f"{installed} is not known {lacks} (matrix {subject.matrix.version}): what goes "
                "with it was not judged",
                members=(installed.name,),
            )


def _not_the_same(clashes: list[PinConflict], subject: ExaminedEnvironment) -> list[PinConflict]:
    """Return the conflicts without those that blame the machine by a fact of the framework's
    own."""
    ids = {
        fact
        for conflict in clashes
        if _is_of_framework(conflict, subject)
        for fact in conflict.finding.facts
    }
    of_machine = {id for id in ids if subject.matrix.fact(id).of_machine}
    return [
        conflict
        for conflict in clashes
        if _is_of_framework(conflict, subject) or of_machine.isdisjoint(conflict.finding.facts)
    ]


def _is_of_framework(clash: PinConflict, subject: ExaminedEnvironment) -> bool:
    """Whether it is about the framework individually."""
    return [member.name for member in clash.members] == [subject.matrix.framework]


def _resolved_again(clashes: list[PinConflict], subject: ExaminedEnvironment) -> Fix | None:
    """Return the fix of a framework which does not suit the machine: another one brings
    other libraries, and needs other builds of whatever was built for it."""
    framework = subject.framework
    if framework is None or not any(_is_of_framework(conflict, subject) for conflict in clashes):
        return None
    return solving(subject, f"{framework.name}=={framework.public}", framework.name)


def _fixed(clash: PinConflict, subject: ExaminedEnvironment) -> Finding:
    """Return the finding of a conflict with its fix; without a known one, with what it has."""
    return fixed(clash.finding, _fix(clash, subject))


def _fix(clash: PinConflict, subject: ExaminedEnvironment) -> Fix | None:
    if not clash.changes:
        return None
    # Another framework brings other libraries, so everything beside it is solved again.
    for change in clash.changes:
        if change.old.name == subject.matrix.framework:
            return solving(subject, f"{change.old.name}{change.specifier}", change.old.name)
    fixes = [changing(change, subject) for change in clash.changes]
    return Fix(
        " and ".join(fix.text for fix in fixes),
        tuple(step for fix in fixes for step in fix.repairs),
    )
