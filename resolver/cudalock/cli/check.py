"""`cudalock check`: check that the pins of files exist and are compatible."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from cudalock.cli import CONTEXT, index_map_option, matrix_option
from cudalock.cli.advisories import advisory_findings, open_advisories
from cudalock.cli.completing import completed
from cudalock.cli.help import SectionedCommand
from cudalock.cli.options import (
    OptionValues,
    TargetOptions,
    advisory_options,
    image_option,
    target_options,
)
from cudalock.cli.settings import ProjectSettings
from cudalock.cli.universe import MirroredMatrices, open_matrix
from cudalock.errors import Contradiction, NothingAsked
from cudalock.files import resolved
from cudalock.records import replace
from cudalock.targets.facets import FACETS
from cudalock.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cudalock.check.selection import Selection
    from cudalock.findings import Finding
    from cudalock.goals import Request
    from cudalock.indexes.osv import Advisories
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.universe import Universe
    from cudalock.projects.model import ProjectFile
    from cudalock.targets import Target

STDIN = "-"
FORMATS = ("text", "full", "json", "github", "sarif")


@click.command(
    cls=SectionedCommand,
    short_help="Check that pins are compatible.",
    context_settings=CONTEXT,
    examples=(
        ("cudalock check", "every file of this folder"),
        (
            "cudalock check --fix requirements.txt --platform windows --python 3.11",
            "rewrite the pins that cannot work there",
        ),
        ("pip freeze | cudalock check - --here", "what is installed, judged for this machine"),
    ),
)
@click.argument("files", nargs=-1, metavar="[FILE|DIR]...", shell_complete=completed("file"))
@target_options
@image_option
@click.option("--here", is_flag=True, help="Check for this machine: its Python, GPU and driver.")
@click.option("--fix", is_flag=True, help="Rewrite the pins that have to change.")
@click.option(
    "--fresh",
    is_flag=True,
    help="Check that each lockfile is still what its recorded command produces.",
)
@click.option(
    "--select",
    metavar="CODE,...",
    multiple=True,
    help="Report only these codes: CL2, CL103.",
    shell_complete=completed("code"),
)
@click.option(
    "--ignore",
    metavar="CODE,...",
    multiple=True,
    help="Do not report these codes.",
    shell_complete=completed("code"),
)
@click.option("--strict", is_flag=True, help="Treat warnings as errors.")
@click.option("--exit-zero", is_flag=True, help="End with status 0 even if there are errors.")
@click.option("--require-files", is_flag=True, help="End with status 2 without a file to check.")
@click.option(
    "--output-format",
    "--format",
    "format",
    type=click.Choice(FORMATS),
    help="Output format (default: full on a terminal, else text).",
)
@click.option("--json", "as_json", is_flag=True, help="Same as --format json.")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Write to FILE, not to standard output.",
    shell_complete=completed("file"),
)
@advisory_options
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
    format: str | None,
    as_json: bool,
    output: str | None,
    matrix: str | None,
    index_map: tuple[str, ...],
    quiet: bool,
    offline: bool,
    **_flags: Any,
) -> None:
    """Check the pins in each FILE and print problems as `file:line:col: CODE message`.

    FILE is a requirements file, pyproject.toml, pylock.toml, uv.lock, poetry.lock, pdm.lock,
    environment.yml, pixi.toml, Dockerfile, notebook or a list of packages as `pip list` prints it;
    - is standard input. Of a directory, and without FILE of the current one, every such file is
    checked.

    The targets come from the options, else from `targets` in [tool.cudalock] of pyproject.toml.
    Without either, a pin passes if it works on one common target; this machine is ignored unless
    --here is given. `# cudalock: ignore[CODE]` at the end of a line silences a code there, and
    `cudalock explain CODE` says what a code means.

    Exit status: 0 no errors; 1 errors, or --fix changed a file; 2 invalid input.
    """
    from cudalock.check.selection import Selection
    from cudalock.findings import is_failure

    settings = ProjectSettings.find(folder_of_all(files))
    parsed = OptionValues(ctx, settings)
    selection = Selection.of(
        parsed.texts("select"), parsed.texts("ignore"), settings.per_file_ignores
    )
    if as_json and format not in (None, "json"):
        raise Contradiction(f"`--json` cannot be combined with `--format {format}`")
    layout = "json" if as_json else parsed.text("format") or _usual_format(output)
    universe = open_matrix(matrix)
    mirrored = MirroredMatrices(universe.matrix, index_map or settings.index_map, matrix)
    names = _in_folders(expanded_names(files) or ["."])
    if not names:
        where = ", ".join(f"`{name}`" for name in files) or "this directory"
        _tell_nothing_to_check(where, is_error=parsed.is_set("require_files"), quiet=quiet)
    examined = Examined([], [], set(), {})
    if fresh:
        findings = selection.of_findings(_stale(names, mirrored))
    elif fix and STDIN in names:
        raise Contradiction(
            "`--fix` cannot be combined with `-`: standard input cannot be rewritten"
        )
    else:
        targets = _targets(TargetOptions.of(ctx, settings), universe, here=here, quiet=quiet)
        image = parsed.text("image")
        if image is not None:
            targets = _on_image(image, targets, universe)
        osv = parsed.text("osv")
        wanted = osv or parsed.is_set("advisories")
        known = open_advisories(osv, offline=offline) if wanted else None
        run = Run(fix=fix, offline=offline, image=image, advisories=known)
        findings = _checked(names, mirrored, targets, selection, examined, run)
    _deliver(findings, universe.matrix, examined, layout, output)
    if names and not quiet:
        _report(names, findings, examined)
    failed = is_failure(findings, strict=parsed.is_set("strict"))
    ctx.exit(1 if (examined.made or failed) and not parsed.is_set("exit_zero") else 0)


def _tell_nothing_to_check(where: str, *, is_error: bool, quiet: bool) -> None:
    from cudalock.cli.console import tell

    if is_error:
        raise NothingAsked(f"no file to check in {where}", hints=["`cudalock check FILE`"])
    if not quiet:
        tell(f"no file to check in {where}")


def _usual_format(output: str | None) -> str:
    from cudalock.cli.console import is_terminal

    return "full" if output in (None, STDIN) and is_terminal() else "text"


def folder_of_all(files: Sequence[str]) -> Path:
    """Return the folder that has all of the files in it: where their settings are looked for."""
    paths = [Path(name) for name in files if name != STDIN]
    folders = [path if path.is_dir() else path.parent for path in paths]
    if not folders:
        return Path()
    try:
        return Path(os.path.commonpath([resolved(folder) for folder in folders]))
    except ValueError:  # on several drives of Windows
        return Path()


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


def _in_folders(names: Iterable[str]) -> list[str]:
    """Return the names, each folder replaced by its files that can be checked."""
    from cudalock.projects.read import find_files

    return [
        found
        for name in names
        for found in (
            [path.as_posix() for path in find_files(Path(name))]
            if name != STDIN and Path(name).is_dir()
            else [name]
        )
    ]


# -- checking -----------------------------------------------------------------------------------


class Run(NamedTuple):
    """How files are checked."""

    fix: bool
    offline: bool
    image: str | None = None
    """the base image of what names none itself"""
    advisories: Advisories | None = None
    """where known vulnerabilities of the pins are looked up, if somebody asked"""


class Examined(NamedTuple):
    """What checking files leaves besides findings."""

    made: list[str]
    """sentences on what `--fix` changed"""
    possible: list[str]
    """sentences on what it could change"""
    fixable: set[tuple[str, tuple[str, ...]]]
    """the code and members of each finding that it could mend"""
    texts: dict[str, str]
    """the files' content by name, as it is now"""


def _checked(
    names: Sequence[str],
    mirrored: MirroredMatrices,
    targets: Sequence[Target],
    selection: Selection,
    examined: Examined,
    run: Run,
) -> list[Finding]:
    """Return the wanted findings of all files, each once, and add to `examined`."""
    from cudalock.check import check_file, pins_outside
    from cudalock.check.fix_text import fix_file, rewrite
    from cudalock.cli.console import write_bytes
    from cudalock.matrix.universe import ClosedUniverse
    from cudalock.projects.read import read_file

    # Read once, since `-` may be given twice.
    stdin = _stdin() if STDIN in names else None
    unique: dict[tuple[object, ...], Finding] = {}
    for name in names:
        file = read_file(name, stdin)
        matrix = mirrored.of(file)
        stated = targets or _own_targets(file, ClosedUniverse(matrix))
        checked = check_file(file, matrix, stated, run.image)
        if not run.offline and (pins := pins_outside(checked, matrix)):
            from cudalock.live.outside_pins import look_up_pins

            matrix = matrix.overlaid(look_up_pins(pins, matrix))
            checked = check_file(file, matrix, stated, run.image)
        if run.fix:
            checked = fix_file(
                checked, matrix, stated, write_bytes, examined.made, selection, run.image
            )
        elif name != STDIN:
            for rewritten in rewrite(checked, matrix, selection):
                examined.possible.extend(rewritten.changes)
                examined.fixable.update((mend.code, mend.members) for mend in rewritten.mended)
        examined.texts.update((part.name, part.text) for part in checked.file.files())
        found = list(checked.findings)
        if run.advisories is not None:
            found += advisory_findings(checked.file, run.advisories, matrix, stated)
        for finding in selection.of_findings(found):
            # A file that two others include with `-r` is checked twice.
            unique.setdefault((finding.code, finding.place, finding.members), finding)
    return list(unique.values())


def _stdin() -> bytes:
    import sys

    return sys.stdin.buffer.read()


# -- targets ------------------------------------------------------------------------------------


def _targets(
    options: TargetOptions, universe: Universe, *, here: bool, quiet: bool
) -> list[Target]:
    """Return the targets that options and settings state, none if they state none."""
    from cudalock.goals.targets import targets_of, targets_stated

    if here:
        return _targets_here(options.request, universe, quiet=quiet)
    return targets_of(options.phrases, universe) or targets_stated(options.merged, universe)


def _on_image(text: str, targets: list[Target], universe: Universe) -> list[Target]:
    """Return the targets on an image: with its Python and glibc, where they state none.

    Raises UnknownName and UnknownVersion for an image of which nothing is known.
    """
    from cudalock.cli.image import read_image
    from cudalock.goals import Request
    from cudalock.goals.targets import read_targets
    from cudalock.targets import LINUX
    from cudalock.targets.platforms import likeliest

    base = read_image(text, universe.matrix)
    flag = base.platform if base.platform != LINUX.name else likeliest(LINUX).flag
    python = (base.python,) if base.python else ()
    glibc = (base.glibc,) if base.glibc else ()
    stated = Request(python=python, platform=(flag,), glibc=glibc)
    return targets or read_targets(stated, universe)


def _targets_here(request: Request, universe: Universe, *, quiet: bool) -> list[Target]:
    """Return this machine as a target; options win over what is detected, which is reported."""
    from cudalock.cli.machine import LocalMachine, at_environments
    from cudalock.goals.targets import read_targets

    local = LocalMachine(universe.matrix)
    targets = read_targets(at_environments(request), universe, local.here)
    if not quiet:
        local.report(targets)
    return [replace(target, stated=frozenset(FACETS)) for target in targets]


def _own_targets(file: ProjectFile, universe: Universe) -> list[Target]:
    from cudalock.goals.targets import targets_of

    return targets_of([phrase.value for phrase in file.targets], universe)


# -- locks --------------------------------------------------------------------------------------


def _stale(names: Sequence[str], mirrored: MirroredMatrices) -> list[Finding]:
    from cudalock.cli.fresh import stale

    return [finding for name in names for finding in stale(name, mirrored)]


# -- what to show -------------------------------------------------------------------------------


def _deliver(
    findings: list[Finding],
    matrix: Matrix,
    examined: Examined,
    layout: str,
    output: str | None,
) -> None:
    from cudalock.check.reports import REPORTS, CheckReport
    from cudalock.cli.console import emit, is_coloured, write_text

    to_stdout = not output or output == STDIN
    colour = layout == "full" and to_stdout and is_coloured()
    report = CheckReport(findings, matrix.version, examined.texts, examined.fixable)
    text = REPORTS[layout](report._replace(style=_style) if colour else report)
    if output and not to_stdout:
        write_text(output, text)
    elif text:
        emit(text, styled=colour)


_STYLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "place": {"bold": True},
    "fixable": {"fg": "green"},
    "error": {"fg": "red", "bold": True},
    "warning": {"fg": "yellow", "bold": True},
    "note": {"fg": "cyan", "bold": True},
}


def _style(words: str, role: str) -> str:
    return click.style(words, **_STYLES[role])


def _report(names: Sequence[str], findings: list[Finding], examined: Examined) -> None:
    from cudalock.cli.console import tell
    from cudalock.findings import SEVERITIES

    for change in examined.made:
        tell(f"changed: {change}")
    counts = [
        (sum(finding.severity == severity for finding in findings), severity)
        for severity in SEVERITIES
    ]
    findings_text = ", ".join(counted(n, word) for n, word in counts if n) or "no findings"
    files = counted(len(names), "file")
    fixable = sum((finding.code, finding.members) in examined.fixable for finding in findings)
    advice = f"; `--fix` fixes {fixable} of {len(findings)} [*]" if fixable else ""
    tell(f"{files}: {findings_text}{advice}")
    if findings and not examined.made:
        codes = dict.fromkeys(finding.code for finding in findings)
        tell(f"`cudalock explain {next(iter(codes))}` says what that code means")
