"""`cudalock doctor --fix` and `--undo`: show the plan, ask, carry it out, and report."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from cudalock.files import size_below, slashed
from cudalock.text import bytes_text, counted, shell_word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.compat.installed import ExaminedEnvironment
    from cudalock.doctor.repair.plan import PackageChange, Plan
    from cudalock.doctor.repair.rollback import RollBack, Undo
    from cudalock.doctor.repair.run import Difference
    from cudalock.environment import Layout
    from cudalock.findings import Finding


class Views(NamedTuple):
    """How `doctor` shows an environment, and reads it again."""

    text: Callable[[ExaminedEnvironment, list[Finding], Any], str]
    document: Callable[[ExaminedEnvironment, list[Finding], Any], dict[str, Any]]
    read_again: Callable[[], ExaminedEnvironment]
    looked_at: Any
    """what was compared and run before the fix, as `doctor` has it"""


def fix_environment(
    subject: ExaminedEnvironment,
    findings: list[Finding],
    views: Views,
    *,
    yes: bool,
    json: bool,
    strict: bool,
) -> int:
    """Show the plan for the findings, carry it out if that is agreed to; return the exit status."""
    from cudalock.cli.console import emit, progress
    from cudalock.doctor.repair import run
    from cudalock.doctor.repair.plan import make_plan
    from cudalock.doctor.repair.wheels import WheelFinder
    from cudalock.findings import is_failure

    run.check_fixable(subject)
    finder = WheelFinder(subject.target, subject.matrix.mirrors)
    try:
        plan = make_plan(subject, findings, finder.find)
    finally:
        finder.close()
    document = {
        **views.document(subject, findings, views.looked_at),
        "plan": _plan_document(plan),
        "applied": False,
    }
    if not json:
        emit(views.text(subject, findings, views.looked_at))
        emit("".join(f"{line}\n" for line in ["", *_plan_lines(plan, subject)]))
    if plan.is_empty or not _agreed(yes=yes, json=json):
        if json:
            emit(_json(document))
        return 1 if is_failure(findings, strict=strict) else 0
    with progress(quiet=json) as advance:
        differences = run.apply(
            plan, subject, _command(subject.layout), subject.matrix.mirrors, advance
        )
    again = views.read_again()
    remaining = _examine(again)
    # Imports are tried whether or not they were before: files in place do not show that it works.
    after = views.looked_at._replace(imports=True)
    if json:
        document |= {"applied": True, "differences": [each._asdict() for each in differences]}
        document["after"] = views.document(again, remaining, after)
        emit(_json(document))
    else:
        emit("".join(f"{line}\n" for line in _report(plan, differences, subject.layout)))
        emit(views.text(again, remaining, after))
    return 1 if differences or is_failure(remaining, strict=strict) else 0


def _examine(subject: ExaminedEnvironment) -> list[Finding]:
    from cudalock.doctor import arrange, examine
    from cudalock.doctor.imports import examine as run_trials

    return arrange([*examine(subject), *run_trials(subject)])


def _agreed(*, yes: bool, json: bool) -> bool:
    """Whether to go on. Without a terminal nobody can be asked: then only with `--yes`."""
    from cudalock.cli.console import tell

    if yes:
        return True
    if json or not sys.stdin.isatty():
        if not json:
            tell("nothing was changed: add `--yes` to carry out the plan")
        return False
    return click.confirm("Carry out this plan?", default=False, err=True)


def _command(layout: Layout) -> str:
    return f"cudalock doctor --fix --python {shell_word(slashed(str(layout.prefix)))}"


# -- the plan -----------------------------------------------------------------------------------


def _plan_lines(plan: Plan, subject: ExaminedEnvironment) -> Iterator[str]:
    if plan.is_empty:
        yield "plan: there is nothing that can be fixed by installing"
    else:
        sizes = [wheel.size for wheel in plan.wheels]
        known = bytes_text(sum(size or 0 for size in sizes))
        unknown = sum(size is None for size in sizes)
        suffix = f" and {counted(unknown, 'file')} of unknown size" if unknown else ""
        yield f"plan for {subject.layout.prefix}: downloads {known}{suffix}"
    for change in plan.changes:
        yield f"  {change.name}: {change.versions}{_origin(change)}"
        for finding in change.reasons:
            yield f"    because of {finding}"
    for folder in plan.folders:
        yield f"  remove `{folder}` ({bytes_text(size_below(folder))})"
    yield f"  not touched: {counted(plan.untouched, 'other package')}"
    for unfixed in plan.unfixed:
        yield f"  remains: {unfixed.finding}"
        if unfixed.why or unfixed.finding.fix:
            yield f"    {unfixed.why or f'fix: {unfixed.finding.fix}'}"


def _origin(change: PackageChange) -> str:
    wheel = change.wheel
    if wheel is None:
        return ""
    size = bytes_text(wheel.size) if wheel.size is not None else "size unknown"
    return f" ({size} from {wheel.source})"


def _report(plan: Plan, differences: list[Difference], layout: Layout) -> Iterator[str]:
    done = counted(len(plan.wheels), "package")
    yield f"installed {done}; `cudalock doctor --undo --python {layout.prefix}` undoes it"
    for difference in differences:
        yield f"not as planned: {difference}"
    yield ""


def _plan_document(plan: Plan) -> dict[str, Any]:
    return {
        "changes": [
            {
                "name": change.name,
                "from": change.before.version if change.before else None,
                "to": change.wheel.version if change.wheel else None,
                "url": change.wheel.url if change.wheel else None,
                "source": change.wheel.source if change.wheel else None,
                "sha256": change.wheel.sha256 if change.wheel else None,
                "size": change.wheel.size if change.wheel else None,
                "codes": [finding.code for finding in change.reasons],
                "reasons": [finding.sentence for finding in change.reasons],
            }
            for change in plan.changes
        ],
        "folders": [str(folder) for folder in plan.folders],
        "untouched": plan.untouched,
        "remaining": [
            {
                "code": unfixed.finding.code,
                "message": unfixed.finding.sentence,
                "why": unfixed.why,
                "fix": unfixed.finding.fix,
            }
            for unfixed in plan.unfixed
        ],
    }


def _json(document: dict[str, Any]) -> str:
    import json

    return json.dumps(document, indent=2, ensure_ascii=True) + "\n"


# -- undoing ------------------------------------------------------------------------------------


def undo_fix(layout: Layout, *, yes: bool, json: bool) -> int:
    """Show what undoing does, do it if that is agreed to, and return the exit status."""
    from cudalock.cli.console import emit, tell
    from cudalock.doctor.repair import rollback, run

    with rollback.locked(layout.prefix):
        # Read under the lock: a fix that is still running would change what is read.
        roll_back, steps = run.read_undo(layout)
        document = {"schema": "cudalock.undo/1", **_undo_document(roll_back, steps)}
        if not json:
            emit("".join(f"{line}\n" for line in _undo_lines(roll_back, steps)))
        agreed = _agreed(yes=yes, json=json)
        if agreed:
            rollback.undo(roll_back, steps)
    if json:
        emit(_json({**document, "applied": agreed}))
    elif agreed:
        emit(f"undone: {layout.prefix} is as it was before the fix\n")
    if steps.lost:
        tell(f"warning: {counted(len(steps.lost), 'file')} could not be restored")
    return 1 if steps.lost or not agreed else 0


def _undo_lines(roll_back: RollBack, steps: Undo) -> Iterator[str]:
    yield f"undo `{roll_back.command}` in {roll_back.prefix}:"
    for row in roll_back.packages:
        yield f"  {row['name']}: {_version(row['after'])} -> {_version(row['before'])}"
    yield (
        f"  {counted(len(steps.restore), 'file')} restored,"
        f" {counted(len(steps.remove), 'file')} removed"
    )


def _version(row: dict[str, Any] | None) -> str:
    return str(row["version"]) if row else "not installed"


def _undo_document(roll_back: RollBack, steps: Undo) -> dict[str, Any]:
    return {
        "prefix": str(roll_back.prefix),
        "state": roll_back.state,
        "packages": list(roll_back.packages),
        "restore": len(steps.restore),
        "remove": len(steps.remove),
        "lost": list(steps.lost),
    }


__all__ = ["Views", "fix_environment", "undo_fix"]
