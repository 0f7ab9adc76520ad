"""`cudalock check`: whether the pins of files can be had and go together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cudalock.cli import CONTEXT
from cudalock.cli.options import target_options
from cudalock.cli.universe import load_matrix, matrix_option
from cudalock.errors import Contradiction
from cudalock.targets.facets import FACETS
from cudalock.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cudalock.findings import Finding
    from cudalock.goals import Request
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.universe import Universe
    from cudalock.projects.model import ProjectFile
    from cudalock.targets import Here, Target

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
def check(ctx: click.Context, /, files: tuple[str, ...], **given: Any) -> None:
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
    from cudalock.matrix.universe import ClosedUniverse

    universe = ClosedUniverse(load_matrix(given["matrix"]))
    names = list(files) or _found()
    if given["fresh"]:
        findings = _stale(names, universe)
        changed: list[str] = []
    else:
        findings, changed = _checked(names, universe, given)
    _deliver(findings, universe.matrix, given)
    if not given["quiet"]:
        _report(names, findings, changed, fixing=given["fix"])
    ctx.exit(1 if changed or is_failure(findings, strict=given["strict"]) else 0)


def _found() -> list[str]:
    from cudalock.projects.read import find_files

    return [each.as_posix() for each in find_files(Path())]


# -- checking -----------------------------------------------------------------------------------


def _checked(
    names: Sequence[str], universe: Universe, given: dict[str, Any]
) -> tuple[list[Finding], list[str]]:
    """The findings of every file, each once, and what `--fix` changed."""
    from cudalock.check import check_file
    from cudalock.projects.read import read_file

    if given["fix"] and STDIN in names:
        raise Contradiction("`--fix` changes files, and standard input is none")
    matrix, targets = universe.matrix, _targets(given, universe)
    stdin = _stdin() if STDIN in names else None
    found: dict[tuple[object, ...], Finding] = {}
    changed: list[str] = []
    for name in names:
        file = read_file(name, stdin)
        stated = targets or _own_targets(file, universe)
        if given["fix"]:
            findings = _mended(file, matrix, stated, changed)
        else:
            findings = check_file(file, matrix, stated).findings
        for finding in findings:
            found.setdefault((finding.code, finding.place, finding.members), finding)
    return list(found.values()), changed


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


def _targets(given: dict[str, Any], universe: Universe) -> list[Target]:
    """The targets that options state; what they leave open is not stated in them."""
    from cudalock.cli.options import read_target_defaults, read_target_words

    flags = {name: tuple(given[name]) for name in FACETS}
    if given["here"]:
        return _targets_here(flags, universe, quiet=given["quiet"])
    if any(flags.values()):
        return targets_stated(flags, universe)
    words = read_target_words()
    return (
        targets_of(words, universe) if words else targets_stated(read_target_defaults(), universe)
    )


def targets_stated(values: Mapping[str, Any], universe: Universe) -> list[Target]:
    """The targets that values of the options state, by the options' names."""
    from cudalock.goals import Request

    return _read(Request(**values), universe) if any(values.values()) else []


def _targets_here(flags: Mapping[str, Any], universe: Universe, *, quiet: bool) -> list[Target]:
    """This machine, as far as no option says otherwise; what was detected is told."""
    from cudalock.cli.machine import Looking, at_environments
    from cudalock.goals import Request

    looking = Looking(universe.matrix)
    found = _read(at_environments(Request(**flags)), universe, looking.here)
    if not quiet:
        looking.tell(found)
    return [replace(target, stated=frozenset(FACETS)) for target in found]


def _own_targets(file: ProjectFile, universe: Universe) -> list[Target]:
    return targets_of([said.value for said in file.targets], universe)


def targets_of(words: Iterable[str], universe: Universe) -> list[Target]:
    """The targets that `targets` of [tool.cudalock] names: "linux 3.11", "Windows py3.12"."""
    import re

    from cudalock.goals import Request

    found = []
    for text in words:
        plain = re.sub(r"(?<![\w.+])(3\.\d{1,2}(?:\.\d+)?t?)(?![\w.])", r"py\1", text)
        found += _read(Request(words=(plain,)), universe)
    return found


def _read(request: Request, universe: Universe, here: Here | None = None) -> list[Target]:
    from cudalock.goals import RequestedProject, read_requests

    asked = (RequestedProject(universe.matrix.framework or ""),)
    questions = read_requests(request._replace(asked=asked), universe, here=here or _nowhere())
    return [target for _, target in questions]


def _nowhere() -> Here:
    """What is not stated is filled in by the file that is checked, and not by this machine."""
    from cudalock.targets import LIKELY, LIKELY_PYTHONS, Here

    return Here(
        python=lambda: (LIKELY_PYTHONS[0], False),
        platform=lambda: (LIKELY[0], None, None),
        gpus_and_driver=lambda: ((), None),
    )


# -- locks --------------------------------------------------------------------------------------


def _stale(names: Sequence[str], universe: Universe) -> list[Finding]:
    from cudalock.cli.fresh import stale

    return [finding for name in names for finding in stale(name, universe)]


# -- what to show -------------------------------------------------------------------------------


def _deliver(findings: list[Finding], matrix: Matrix, given: dict[str, Any]) -> None:
    from cudalock.check.reports import REPORTS
    from cudalock.cli.console import emit, write_text

    text = REPORTS[given["format"] or "text"](findings, matrix.version)
    if given["output"] and given["output"] != STDIN:
        write_text(given["output"], text)
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
