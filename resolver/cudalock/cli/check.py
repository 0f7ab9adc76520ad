"""`cudalock check`: whether the pins of files can be had and go together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cudalock.cli import CONTEXT, matrix_option
from cudalock.cli.options import TargetOptions, target_options
from cudalock.cli.settings import Settings
from cudalock.cli.universe import open_matrix
from cudalock.errors import Contradiction
from cudalock.targets.facets import FACETS
from cudalock.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cudalock.findings import Finding
    from cudalock.goals import Request
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.universe import Universe
    from cudalock.projects.model import ProjectFile
    from cudalock.targets import Target

STDIN = "-"
FORMATS = ("text", "json", "github", "sarif")
MAX_ROUNDS = 4
"""How often a file is mended and looked at again: a change may bring another to light."""


@click.command(short_help="Whether pins go together.", context_settings=CONTEXT)
@click.argument("files", nargs=-1, metavar="[FILE]...")
@target_options
@click.option("--here", is_flag=True, help="For this machine: its Python, GPU and driver too.")
@click.option("--fix", is_flag=True, help="Rewrite the pins that have to change, and no more.")
@click.option("--fresh", is_flag=True, help="Whether each lock still answers its own command.")
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@click.option("--format", type=click.Choice(FORMATS), help="text unless another is said.")
@click.option("-o", "--output", metavar="FILE", help="Write there and not to standard output.")
@click.option("--offline", is_flag=True, help="Never use the network; it is not needed.")
@matrix_option
@click.option("-q", "--quiet", is_flag=True, help="Nothing on standard error.")
@click.pass_context
def check(
    ctx: click.Context,
    /,
    files: tuple[str, ...],
    here: bool,
    fix: bool,
    fresh: bool,
    strict: bool,
    format: str | None,
    output: str | None,
    matrix: str | None,
    quiet: bool,
    **_flags: Any,
) -> None:
    """Say what is wrong with the pins in each FILE, as `file:line:col: CODE message`.

    FILE is a requirements file, pyproject.toml, pylock.toml, uv.lock, poetry.lock, pdm.lock,
    environment.yml or Dockerfile; - is standard input, as `pip freeze` writes. Without any, the
    files of the current directory are looked for.

    The targets are those that options state, else `targets` of [tool.cudalock] in pyproject.toml.
    Without either, what holds on some likely target is fine: what this machine has does not count,
    unless --here asks for it. A line is not complained about under
    `# cudalock: ignore[CODE]`.

    Exit status: 0 no errors; 1 errors, or a file was changed; 2 the question was wrong.
    """
    from cudalock.findings import is_failure

    universe = open_matrix(matrix)
    names = list(files) or _found()
    changed: list[str] = []
    if fresh:
        findings = _stale(names, universe)
    elif fix and STDIN in names:
        raise Contradiction("`--fix` changes files, and standard input is none")
    else:
        targets = _targets(TargetOptions.of(ctx, Settings.read()), universe, here=here, quiet=quiet)
        findings = _checked(names, universe, targets, changed if fix else None)
    _deliver(findings, universe.matrix, format or "text", output)
    if not quiet:
        _report(names, findings, changed, fixing=fix)
    ctx.exit(1 if changed or is_failure(findings, strict=strict) else 0)


def _found() -> list[str]:
    from cudalock.projects.read import find_files

    return [each.as_posix() for each in find_files(Path())]


# -- checking -----------------------------------------------------------------------------------


def _checked(
    names: Sequence[str], universe: Universe, targets: Sequence[Target], changed: list[str] | None
) -> list[Finding]:
    """The findings of every file, each once. `changed` takes what `--fix` changes."""
    from cudalock.check import check_file
    from cudalock.projects.read import read_file

    stdin = _stdin() if STDIN in names else None
    found: dict[tuple[object, ...], Finding] = {}
    for name in names:
        file = read_file(name, stdin)
        stated = targets or _own_targets(file, universe)
        if changed is not None:
            findings = _mended(file, universe.matrix, stated, changed)
        else:
            findings = check_file(file, universe.matrix, stated).findings
        for finding in findings:
            found.setdefault((finding.code, finding.place, finding.members), finding)
    return list(found.values())


def _stdin() -> bytes:
    import sys

    return sys.stdin.buffer.read()


def _mended(
    file: ProjectFile, matrix: Matrix, targets: Sequence[Target], changed: list[str]
) -> list[Finding]:
    """Mends a file until nothing more can be; what is still found then."""
    from cudalock.check import check_file
    from cudalock.check.fix_text import rewrite
    from cudalock.cli.console import write_bytes
    from cudalock.projects.read import read_file

    checked = check_file(file, matrix, targets)
    for _ in range(MAX_ROUNDS):
        rewritten = rewrite(checked, matrix)
        if not rewritten:
            break
        for each in rewritten:
            write_bytes(each.file.name, each.content)
            changed += [f"{each.file.name}: {says}" for says in each.changes]
        checked = check_file(read_file(file.name), matrix, targets)
    return checked.findings


# -- targets ------------------------------------------------------------------------------------


def _targets(
    options: TargetOptions, universe: Universe, *, here: bool, quiet: bool
) -> list[Target]:
    """The targets that options and settings state; what they leave open is not stated in them."""
    from cudalock.cli.machine import targets_of, targets_stated

    if here:
        return _targets_here(options.request, universe, quiet=quiet)
    return targets_of(options.phrases, universe) or targets_stated(options.merged, universe)


def _targets_here(request: Request, universe: Universe, *, quiet: bool) -> list[Target]:
    """This machine, as far as no option says otherwise; what was detected is told."""
    from cudalock.cli.machine import Looking, at_environments, read_targets

    looking = Looking(universe.matrix)
    targets = read_targets(at_environments(request), universe, looking.here)
    if not quiet:
        looking.tell(targets)
    return [replace(target, stated=frozenset(FACETS)) for target in targets]


def _own_targets(file: ProjectFile, universe: Universe) -> list[Target]:
    from cudalock.cli.machine import targets_of

    return targets_of([said.value for said in file.targets], universe)


# -- locks --------------------------------------------------------------------------------------


def _stale(names: Sequence[str], universe: Universe) -> list[Finding]:
    from cudalock.cli.fresh import stale

    return [finding for name in names for finding in stale(name, universe)]


# -- what to show -------------------------------------------------------------------------------


def _deliver(findings: list[Finding], matrix: Matrix, layout: str, output: str | None) -> None:
    from cudalock.check.reports import REPORTS
    from cudalock.cli.console import emit, write_text

    text = REPORTS[layout](findings, matrix.version)
    if output and output != STDIN:
        write_text(output, text)
    elif text:
        emit(text)


def _report(
    names: Sequence[str], findings: list[Finding], changed: list[str], *, fixing: bool
) -> None:
    from cudalock.cli.console import tell
    from cudalock.findings import SEVERITIES

    if not names:
        tell("there is no file that check reads below this directory")
        return
    for says in changed:
        tell(f"changed: {says}")
    counts = [(sum(each.severity == one for each in findings), one) for one in SEVERITIES]
    said = ", ".join(counted(n, word) for n, word in counts if n) or "no findings"
    mendable = not fixing and any(each.severity == "error" and each.fix for each in findings)
    files = counted(len(names), "file")
    tell(f"{files}: {said}{'; `--fix` mends what it can' if mendable else ''}")
