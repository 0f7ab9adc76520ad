"""`cudalock doctor`: find the problems of an environment, and their fixes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from cudalock.cli import CONTEXT, matrix_option
from cudalock.cli.completing import completed
from cudalock.cli.help import SectionedCommand
from cudalock.cli.universe import load_matrix
from cudalock.errors import Contradiction
from cudalock.targets.accelerators import ACCELERATORS, CUDA
from cudalock.text import counted, either

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cudalock.compat.installed import ExaminedEnvironment
    from cudalock.environment import Layout, Machine
    from cudalock.findings import Finding
    from cudalock.matrix.matrix import Matrix

SCHEMA = "cudalock.doctor/1"


@click.command(
    cls=SectionedCommand,
    short_help="Find problems in an environment.",
    context_settings=CONTEXT,
    examples=(
        ("cudalock doctor", "the active environment"),
        ("cudalock doctor --python .venv --import", "another one, and import what is in it"),
        ("cudalock doctor --lock requirements.txt", "compare it with its lock"),
    ),
)
@click.option(
    "--python",
    metavar="PATH",
    help="The environment, or its interpreter.",
    shell_complete=completed("folder"),
)
@click.option(
    "--lock",
    metavar="FILE",
    help="Also compare it with this lockfile.",
    shell_complete=completed("file"),
)
@click.option(
    "--import", "imports", is_flag=True, help="Also import the stack, and try it on the GPU."
)
@click.option(
    "--gpu", metavar="NAME|CC", multiple=True, help="Assume this GPU is present. Repeatable."
)
@click.option("--driver", metavar="VERSION", help="Assume this driver is installed.")
@click.option(
    "--no-detect",
    is_flag=True,
    envvar="CUDALOCK_NO_DETECT",
    help="Do not detect this machine's GPU and driver.",
)
@click.option("--fix", is_flag=True, help="Fix what was found; the plan is shown first.")
@click.option("--undo", is_flag=True, help="Undo the last --fix, also an interrupted one.")
@click.option("-y", "--yes", is_flag=True, help="With --fix or --undo: do it without confirmation.")
@click.option("--strict", is_flag=True, help="Treat warnings as errors.")
@click.option("--json", is_flag=True, help=f"Print JSON ({SCHEMA}).")
@matrix_option
@click.pass_context
def doctor(
    ctx: click.Context,
    python: str | None,
    lock: str | None,
    imports: bool,
    gpu: tuple[str, ...],
    driver: str | None,
    no_detect: bool,
    fix: bool,
    undo: bool,
    yes: bool,
    strict: bool,
    json: bool,
    matrix: str | None,
) -> None:
    """Examine what is installed in an environment: the active one, or that of --python.

    Files are read, and nothing is imported. Reported are conflicts by metadata or by a known fact,
    packages that are installed twice or missing, a CUDA build that does not suit GPU or driver, and
    CUDA libraries that are found first. A Windows environment can be examined on Linux.

    --import runs the environment's Python: it imports each package of the stack, what requires one
    and the compiled packages that they require, each in a process of its own, and tries it.

    --lock compares versions and files: without --import its verdict is "as locked; not imported".

    --fix shows what it would install and remove, and does that once you agree: with the
    environment's own pip or uv, and nowhere else. What is replaced stays in `.cudalock-rollback`
    there until the next fix, and --undo brings it back.

    Exit status: 0 healthy; 1 problems; 2 invalid input; 3 network error.
    """
    from cudalock.cli.console import emit

    if yes and not (fix or undo):
        raise Contradiction("`--yes` needs `--fix` or `--undo`")
    if fix and undo:
        raise Contradiction("`--fix` and `--undo` cannot be combined")
    if undo:
        from cudalock.cli.doctor_fix import undo_fix

        ctx.exit(undo_fix(_layout(python), yes=yes, json=json))
    from cudalock.doctor import arrange, examine
    from cudalock.doctor.pending import examine as find_pending
    from cudalock.findings import is_failure

    facts = load_matrix(matrix)
    layout = _layout(python)
    machine = _machine(layout, facts, gpu, driver, look=not no_detect)
    subject = _subject(
        layout,
        machine,
        facts,
        looked=layout.runs and not no_detect,
        stated=bool(gpu or driver),
    )
    findings = [
        *find_pending(layout),
        *(_against(lock, subject) if lock else ()),
        *examine(subject),
    ]
    if imports:
        from cudalock.doctor.imports import examine as run

        findings += run(subject)
    findings = arrange(findings)
    looked_at = LookedAt(lock=lock is not None, imports=imports)
    if fix:
        from cudalock.cli.doctor_fix import Views, fix_environment

        views = Views(_text, _document, lambda: _again(subject), looked_at)
        ctx.exit(fix_environment(subject, findings, views, yes=yes, json=json, strict=strict))
    emit(_json(subject, findings, looked_at) if json else _text(subject, findings, looked_at))
    if is_failure(findings, strict=strict):
        ctx.exit(1)


class LookedAt(NamedTuple):
    """What of an environment was compared and run, beside its files."""

    lock: bool
    imports: bool


def _layout(python: str | None) -> Layout:
    from cudalock.environment import active_layout, find_layout

    return find_layout(Path(python)) if python else active_layout()


def _machine(
    layout: Layout, matrix: Matrix, gpus: tuple[str, ...], driver: str | None, *, look: bool
) -> Machine:
    """Return the stated GPUs and driver, else those here if the environment runs here."""
    from cudalock.environment import Machine, detect
    from cudalock.environment.gpu import Gpu
    from cudalock.goals import check_platform, parse_driver, read_gpus
    from cudalock.targets.detect import this_l4t

    is_asked = look and layout.runs and not (gpus and driver)
    machine = detect(matrix.gpus.architecture) if is_asked else Machine()
    if gpus:
        models = read_gpus(gpus, matrix.gpus)
        check_platform(layout.target.platform, models)
        machine = machine._replace(
            gpus=tuple(Gpu(model.name, model.architecture) for model in models)
        )
    l4t = this_l4t() if look and layout.runs else None
    jetpacks = matrix.jetpacks
    jetpack = jetpacks.of_l4t(l4t) if l4t else jetpacks.usual_for(machine.capabilities)
    if jetpack and layout.target.platform == jetpacks.platform:
        machine = machine._replace(jetpack=jetpack.version)
    if driver:
        machine = machine._replace(driver=parse_driver(driver), trouble=None)
    return machine


def _subject(
    layout: Layout, machine: Machine, matrix: Matrix, *, looked: bool, stated: bool
) -> ExaminedEnvironment:
    from cudalock.compat.installed import ExaminedEnvironment
    from cudalock.environment import read_inventory
    from cudalock.matrix.universe import ClosedUniverse

    return ExaminedEnvironment(
        layout=layout,
        inventory=read_inventory(layout.site_packages),
        machine=machine,
        universe=ClosedUniverse(matrix),
        # Variables of this process mean nothing to an environment of another machine.
        environ=dict(os.environ) if layout.runs else {},
        machine_probed=looked,
        machine_overridden=stated,
    )


def _again(subject: ExaminedEnvironment) -> ExaminedEnvironment:
    """Return the same environment, read again."""
    from dataclasses import replace

    from cudalock.environment import find_layout, read_inventory

    layout = find_layout(subject.layout.prefix)
    return replace(subject, layout=layout, inventory=read_inventory(layout.site_packages))


def _against(lock: str, subject: ExaminedEnvironment) -> Iterator[Finding]:
    from cudalock.doctor.lock import examine
    from cudalock.projects.read import read_file

    yield from examine(subject, read_file(lock))


# -- text -------------------------------------------------------------------------------------


def _text(subject: ExaminedEnvironment, findings: Iterable[Finding], looked_at: LookedAt) -> str:
    return "".join(f"{line}\n" for line in _lines(subject, list(findings), looked_at))


def _lines(
    subject: ExaminedEnvironment, findings: list[Finding], looked_at: LookedAt
) -> Iterator[str]:
    layout = subject.layout
    yield f"{layout.prefix} ({layout.kind}): {layout.target.label}"
    yield f"machine: {str(subject.machine) or _no_machine(subject)}"
    stack = ", ".join(str(package) for package in _members(subject))
    yield f"stack: {stack or 'not installed'}"
    yield ""
    for finding in findings:
        yield f"{finding.severity}: {finding}"
        if finding.fix:
            yield f"  fix: {finding.fix}"
    if findings:
        yield ""
    yield _verdict(findings, looked_at)


def _no_machine(subject: ExaminedEnvironment) -> str:
    if subject.machine.trouble:
        return f"the {CUDA.vendor} driver does not respond"
    vendors = either([row.vendor for row in ACCELERATORS.values() if row.is_build])
    return f"no GPU of {vendors}" if subject.machine_probed else "not examined"


def _verdict(findings: list[Finding], looked_at: LookedAt) -> str:
    from cudalock.findings import SEVERITIES

    counts = {severity: sum(f.severity == severity for f in findings) for severity in SEVERITIES}
    verdict = "unhealthy" if counts["error"] else "healthy"
    # That versions and files agree says nothing of whether it can be imported.
    if looked_at.lock and not looked_at.imports and not counts["error"]:
        verdict = "as locked; not imported"
    summary = ", ".join(counted(n, severity) for severity, n in counts.items() if n)
    return f"{verdict}: {summary}" if summary else verdict


def _members(subject: ExaminedEnvironment) -> Iterator[Any]:
    from cudalock.compat.stack import Stack
    from cudalock.targets.accelerators import is_vendor_library

    stack = Stack(subject.universe)
    for package in subject.stack():
        if package.name in stack and not is_vendor_library(package.name):
            yield package


# -- JSON -------------------------------------------------------------------------------------


def _json(subject: ExaminedEnvironment, findings: Iterable[Finding], looked_at: LookedAt) -> str:
    import json

    return json.dumps(_document(subject, findings, looked_at), indent=2, ensure_ascii=True) + "\n"


def _document(
    subject: ExaminedEnvironment, findings: Iterable[Finding], looked_at: LookedAt
) -> dict[str, Any]:
    from cudalock.findings import is_failure

    findings = list(findings)
    layout, machine = subject.layout, subject.machine
    return {
        "schema": SCHEMA,
        "matrix": subject.matrix.version,
        "environment": {
            "prefix": str(layout.prefix),
            "kind": layout.kind,
            "interpreter": str(layout.interpreter) if layout.interpreter else None,
            "runs": layout.runs,
            "python": layout.target.python_text,
            "platform": layout.platform,
            "glibc": layout.glibc,
        },
        "machine": {
            "looked": subject.machine_probed,
            "gpus": [gpu._asdict() for gpu in machine.gpus],
            "driver": machine.driver,
            "trouble": machine.trouble,
        },
        "stack": [{"name": each.name, "version": each.version} for each in _members(subject)],
        "healthy": not is_failure(findings),
        "imported": looked_at.imports,
        "findings": [_finding(subject.matrix, each) for each in findings],
    }


def _finding(matrix: Matrix, finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "name": finding.rule.name,
        "severity": finding.severity,
        "message": finding.sentence,
        "members": list(finding.members),
        "facts": [
            {"id": id, "says": matrix.fact(id).says, "source": list(matrix.fact(id).source)}
            for id in finding.facts
        ],
        "fix": finding.fix,
    }
