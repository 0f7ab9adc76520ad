"""`cudalock check`: check that the pins of files exist and are compatible."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from cudalock.cli import CONTEXT, matrix_option
from cudalock.cli.options import TargetOptions, index_map_option, target_options
from cudalock.cli.settings import ProjectSettings
from cudalock.cli.universe import MirroredMatrices, open_matrix
from cudalock.errors import Contradiction
from cudalock.targets.facets import FACETS
from cudalock.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cudalock.check import Checked
    from cudalock.findings import Finding
    from cudalock.goals import Request
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.universe import Universe
    from cudalock.projects.model import ProjectFile
    from cudalock.targets import Target

STDIN = "-"
FORMATS = ("text", "json", "github", "sarif")
MAX_ROUNDS = 4
"""How often a file is fixed and checked again: a fix may reveal another conflict."""


@click.command(short_help="Check that pins are compatible.", context_settings=CONTEXT)
@click.argument("files", nargs=-1, metavar="[FILE]...")
@target_options
@click.option("--here", is_flag=True, help="Check for this machine: its Python, GPU and driver.")
@click.option("--fix", is_flag=True, help="Rewrite the pins that have to change.")
@click.option(
    "--fresh",
    is_flag=True,
    help="Check that each lockfile is still what its recorded command produces.",
)
@click.option("--strict", is_flag=True, help="Treat warnings as errors.")
@click.option("--format", type=click.Choice(FORMATS), help="Output format (default: text).")
@click.option("-o", "--output", metavar="FILE", help="Write to FILE, not to standard output.")
@click.option("--offline", is_flag=True, help="Do not look up pins that the matrix lacks.")
@index_map_option
@matrix_option
@click.option("-q", "--quiet", is_flag=True, help="Print nothing on standard error.")
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
    index_map: tuple[str, ...],
    quiet: bool,
    offline: bool,
    **_flags: Any,
) -> None:
    """Check the pins in each FILE and print problems as `file:line:col: CODE message`.

    FILE is a requirements file, pyproject.toml, pylock.toml, uv.lock, poetry.lock, pdm.lock,
    environment.yml, Dockerfile or a list of packages as `pip list` prints it; - is standard input.
    Without FILE, the files of the current directory are checked.

    The targets come from the options, else from `targets` in [tool.cudalock] of pyproject.toml.
    Without either, a pin passes if it works on one common target; this machine is ignored unless
    --here is given. `# cudalock: ignore[CODE]` at the end of a line silences a code there.

    Exit status: 0 no errors; 1 errors, or --fix changed a file; 2 invalid input.
    """
    from cudalock.findings import is_failure

    settings = ProjectSettings.read()
    universe = open_matrix(matrix)
    mirrored = MirroredMatrices(universe.matrix, index_map or settings.index_map, matrix)
    names = expanded_names(files) or _files_here()
    changes = Changes([], [])
    if fresh:
        findings = _stale(names, mirrored)
    elif fix and STDIN in names:
        raise Contradiction(
            "`--fix` cannot be combined with `-`: standard input cannot be rewritten"
        )
    else:
        targets = _targets(TargetOptions.of(ctx, settings), universe, here=here, quiet=quiet)
        findings = _checked(names, mirrored, targets, changes, fix=fix, offline=offline)
    _deliver(findings, universe.matrix, format or "text", output)
    if not quiet:
        _report(names, findings, changes)
    ctx.exit(1 if changes.made or is_failure(findings, strict=strict) else 0)


def expanded_names(files: Iterable[str], os_name: str = os.name) -> list[str]:
    """Return the names of files, with the patterns that no shell of Windows expands expanded."""
    if os_name != "nt":
        return list(files)
    from glob import glob

    names: list[str] = []
    for name in files:
        matching = [] if os.path.exists(name) else sorted(glob(name))  # noqa: PTH110, PTH207
        names += matching or [name]
    return names


def _files_here() -> list[str]:
    from cudalock.projects.read import find_files

    return [path.as_posix() for path in find_files(Path())]


# -- checking -----------------------------------------------------------------------------------


class Changes(NamedTuple):
    """Sentences on what `--fix` changed, or could change."""

    made: list[str]
    possible: list[str]


def _checked(
    names: Sequence[str],
    mirrored: MirroredMatrices,
    targets: Sequence[Target],
    changes: Changes,
    *,
    fix: bool,
    offline: bool,
) -> list[Finding]:
    """Return the findings of all files, each once, and add to `changes`."""
    from cudalock.check import check_file, pins_outside
    from cudalock.check.fix_text import rewrite
    from cudalock.matrix.universe import ClosedUniverse
    from cudalock.projects.read import read_file

    # Read once, since `-` may be given twice.
    stdin = _stdin() if STDIN in names else None
    unique: dict[tuple[object, ...], Finding] = {}
    for name in names:
        file = read_file(name, stdin)
        matrix = mirrored.of(file)
        stated = targets or _own_targets(file, ClosedUniverse(matrix))
        checked = check_file(file, matrix, stated)
        if not offline and (pins := pins_outside(checked, matrix)):
            from cudalock.live.outside_pins import look_up_pins

            matrix = matrix.overlaid(look_up_pins(pins, matrix))
            checked = check_file(file, matrix, stated)
        if fix:
            findings = _fixed(checked, matrix, stated, changes.made)
        else:
            findings = checked.findings
            if name != STDIN:
                for rewritten in rewrite(checked, matrix):
                    changes.possible.extend(rewritten.changes)
        for finding in findings:
            # A file that two others include with `-r` is checked twice.
            unique.setdefault((finding.code, finding.place, finding.members), finding)
    return list(unique.values())


def _stdin() -> bytes:
    import sys

    return sys.stdin.buffer.read()


def _fixed(
    checked: Checked, matrix: Matrix, targets: Sequence[Target], changed: list[str]
) -> list[Finding]:
    """Fix a file as long as something can be fixed, and return the findings that are left."""
    from cudalock.check import check_file
    from cudalock.check.fix_text import rewrite
    from cudalock.cli.console import write_bytes
    from cudalock.projects.read import read_file

    name = checked.file.name
    # Each round reads the file again: spans of the last one are out of date.
    for _ in range(MAX_ROUNDS):
        rewritten = rewrite(checked, matrix)
        if not rewritten:
            break
        for new in rewritten:
            write_bytes(new.file.name, new.content)
            changed += [f"{new.file.name}: {change}" for change in new.changes]
        checked = check_file(read_file(name), matrix, targets)
    return checked.findings


# -- targets ------------------------------------------------------------------------------------


def _targets(
    options: TargetOptions, universe: Universe, *, here: bool, quiet: bool
) -> list[Target]:
    """Return the targets that options and settings state, none if they state none."""
    from cudalock.cli.machine import targets_of, targets_stated

    if here:
        return _targets_here(options.request, universe, quiet=quiet)
    return targets_of(options.phrases, universe) or targets_stated(options.merged, universe)


def _targets_here(request: Request, universe: Universe, *, quiet: bool) -> list[Target]:
    """Return this machine as a target; options win over what is detected, which is reported."""
    from cudalock.cli.machine import LocalMachine, at_environments, read_targets

    local = LocalMachine(universe.matrix)
    targets = read_targets(at_environments(request), universe, local.here)
    if not quiet:
        local.report(targets)
    return [replace(target, stated=frozenset(FACETS)) for target in targets]


def _own_targets(file: ProjectFile, universe: Universe) -> list[Target]:
    from cudalock.cli.machine import targets_of

    return targets_of([phrase.value for phrase in file.targets], universe)


# -- locks --------------------------------------------------------------------------------------


def _stale(names: Sequence[str], mirrored: MirroredMatrices) -> list[Finding]:
    from cudalock.cli.fresh import stale

    return [finding for name in names for finding in stale(name, mirrored)]


# -- what to show -------------------------------------------------------------------------------


def _deliver(findings: list[Finding], matrix: Matrix, layout: str, output: str | None) -> None:
    from cudalock.check.reports import REPORTS
    from cudalock.cli.console import emit, write_text

    text = REPORTS[layout](findings, matrix.version)
    if output and output != STDIN:
        write_text(output, text)
    elif text:
        emit(text)


def _report(names: Sequence[str], findings: list[Finding], changes: Changes) -> None:
    from cudalock.cli.console import tell
    from cudalock.findings import SEVERITIES

    if not names:
        tell("no file to check in this directory")
        return
    for change in changes.made:
        tell(f"changed: {change}")
    counts = [
        (sum(finding.severity == severity for finding in findings), severity)
        for severity in SEVERITIES
    ]
    findings_text = ", ".join(counted(n, word) for n, word in counts if n) or "no findings"
    files = counted(len(names), "file")
    pins = counted(len(changes.possible), "pin")
    advice = f"; `--fix` changes {pins} to fix errors" if changes.possible else ""
    tell(f"{files}: {findings_text}{advice}")
