"""`cudalock activate`: make a shell find pip-installed CUDA libraries first."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cudalock.cli import CONTEXT, matrix_option
from cudalock.cli.help import SectionedCommand
from cudalock.cli.universe import load_matrix
from cudalock.errors import Contradiction, NothingFound, UsageError
from cudalock.versions import holds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.activate.placement import Placed
    from cudalock.activate.shells import Activation
    from cudalock.environment import Layout
    from cudalock.environment.libraries import LibraryFolders
    from cudalock.matrix.facts import Fact, FileCopy
    from cudalock.matrix.matrix import Matrix

SCHEMA: Final = "cudalock.activate/1"
SHELLS = ("powershell", "cmd", "bash", "fish")
SNIPPET = "\0"
"""What `--python` is without a path: no path contains NUL."""


@click.command(
    cls=SectionedCommand,
    short_help="Put pip-installed CUDA libraries first.",
    context_settings=CONTEXT,
)
@click.option(
    "--python",
    metavar="[PATH]",
    is_flag=False,
    flag_value=SNIPPET,
    help="The environment, or its interpreter; without PATH, print Python code.",
)
@click.option("--snippet", is_flag=True, help="Same as --python without PATH.")
@click.option("--shell", type=click.Choice(SHELLS), help="Shell to write for (default: detected).")
@click.option("--install", is_flag=True, help="Copy files to where an old Triton looks for them.")
@click.option("--uninstall", is_flag=True, help="Remove what --install copied.")
@click.option("--wheels", metavar="DIR", help="With --install: take missing wheels from DIR.")
@click.option("--offline", is_flag=True, help="With --install: do not use the network.")
@click.option("--json", "as_json", is_flag=True, help="Print the folders as JSON.")
@matrix_option
@click.option("-q", "--quiet", is_flag=True, help="Print nothing on standard error.")
def activate(
    python: str | None,
    snippet: bool,
    shell: str | None,
    install: bool,
    uninstall: bool,
    wheels: str | None,
    offline: bool,
    matrix: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Print commands that make a shell find an environment's pip-installed CUDA libraries first.

    They set CUDA_PATH, and PATH on Windows or LD_LIBRARY_PATH on Linux. Evaluate them:

    \b
      bash, zsh    eval "$(cudalock activate)"
      fish         cudalock activate | source
      PowerShell   cudalock activate | Out-String | Invoke-Expression
      cmd          for /f "delims=" %i in ('cudalock activate --shell cmd') do @call %i

    `cudalock activate --python` prints lines for the top of a Python program that do the same on
    Windows. A Linux process reads LD_LIBRARY_PATH only when it starts.

    --install copies the files that an old Triton for Windows lacks to where it looks for them;
    --uninstall removes them. The environment is the active one, or that of --python.

    Exit status: 0 done; 1 no such libraries, or nothing to copy; 2 invalid input; 3 network error.
    """
    modes = [
        name
        for name, is_given in {
            "--python": python == SNIPPET,
            "--snippet": snippet,
            "--install": install,
            "--uninstall": uninstall,
        }.items()
        if is_given
    ]
    others = ["--shell"] * bool(shell) + ["--json"] * as_json
    if len(modes) > 1 or (modes and others) or len(others) > 1:
        listed = " and ".join(f"`{option}`" for option in [*modes, *others])
        raise Contradiction(f"{listed} cannot be combined")
    if (wheels or offline) and not install:
        raise Contradiction("`--wheels` and `--offline` need `--install`")
    facts = load_matrix(matrix)
    if snippet or python == SNIPPET:
        _print_snippet(facts)
    elif uninstall:
        _uninstall(_layout(python), quiet=quiet)
    elif install:
        _install(_layout(python), facts, wheels, offline=offline, quiet=quiet)
    elif as_json:
        _print_json(_layout(python), facts)
    else:
        _print_shell(_layout(python), facts, shell, quiet=quiet)


def _layout(python: str | None) -> Layout:
    from cudalock.environment import active_layout, find_layout

    return find_layout(Path(python)) if python else active_layout()


def _print_snippet(matrix: Matrix) -> None:
    from cudalock.activate.snippet import snippet
    from cudalock.cli.console import emit
    from cudalock.targets import WINDOWS

    where = matrix.libraries(WINDOWS.name)
    assert where is not None, f"the matrix has no libraries of {WINDOWS.name}"
    emit(snippet(where))


# -- for a shell ------------------------------------------------------------------------------


def _print_shell(layout: Layout, matrix: Matrix, shell: str | None, *, quiet: bool) -> None:
    from cudalock.activate.shells import Activation, guess_shell, write
    from cudalock.cli.console import console_encoding, emit, tell

    libraries = _libraries(layout, matrix)
    activation = Activation(libraries.folders, libraries.root, layout.is_windows)
    if layout.is_windows and os.name != "nt":
        shell = shell or "powershell"
        activation = _for_windows(activation, layout, shell)
    shell = shell or guess_shell(is_windows=layout.is_windows)
    # cmd reads what it runs in the console's code page.
    encoding = console_encoding() if shell == "cmd" else "utf-8"
    text = write(shell, activation)
    # Before anything is written: half of the commands would set half of the variables.
    try:
        text.encode(encoding)
    except UnicodeEncodeError as error:
        raise UsageError(
            f"the console's code page, {encoding}, has no `{text[error.start : error.end]}`",
            hints=["`chcp 65001`, then the same command", "--shell powershell"],
        ) from None
    emit(text, encoding)
    if not quiet:
        for fact in _notes(matrix, layout):
            tell(_note(fact))


def _for_windows(activation: Activation, layout: Layout, shell: str) -> Activation:
    """Return the folders as Windows has them, for an environment that is seen from Linux.

    Raises UsageError for a shell whose programs are those of Linux.
    """
    from cudalock.activate.wsl import windows_folder
    from cudalock.cli.console import warn

    if shell in ("bash", "fish"):
        raise UsageError(
            f"`{layout.prefix}` is an environment of Windows, and {shell} starts programs of Linux"
            " here: they cannot load its libraries, and Windows does not get their variables",
            hints=["--shell powershell", "--shell cmd"],
        )
    folders = [windows_folder(folder, os.environ) for folder in activation.folders]
    root = windows_folder(activation.root, os.environ) if activation.root else None
    if None in folders:
        warn(
            f"`{layout.prefix}` is on no drive of Windows: the paths are those of this machine, and"
            " have to be replaced there"
        )
        return activation
    known = tuple(folder for folder in folders if folder is not None)
    return activation._replace(folders=known, root=root)


def _libraries(layout: Layout, matrix: Matrix) -> LibraryFolders:
    from cudalock.environment.libraries import find_libraries

    libraries = find_libraries(layout, matrix)
    if not libraries.folders:
        raise NothingFound(
            f"pip has installed no CUDA libraries into `{layout.prefix}` ({layout.target.label})",
            hints=["`cudalock solve --toolkit 12.4.1:cudart,cublas,nvrtc` shows what to install"],
        )
    return libraries


def _print_json(layout: Layout, matrix: Matrix) -> None:
    from cudalock.cli.console import emit
    from cudalock.text import json_text

    libraries = _libraries(layout, matrix)
    emit(
        json_text(
            {
                "schema": SCHEMA,
                "environment": str(layout.prefix),
                "target": layout.target.label,
                "folders": [str(folder) for folder in libraries.folders],
                "root": None if libraries.root is None else str(libraries.root),
                "notes": [
                    {"fact": fact.id, "says": f"{fact.component} {fact.says}"}
                    for fact in _notes(matrix, layout)
                ],
            }
        )
    )


def _note(fact: Fact) -> str:
    return f"note: {fact.component} {fact.says}   [{fact.id}]"


def _notes(matrix: Matrix, layout: Layout) -> Iterator[Fact]:
    """Yield facts on libraries that are found through variables, which no lock decides."""

    markers = layout.target.marker_environment()
    for fact in matrix.component(matrix.toolkit_component).facts:
        applies = holds(fact.when, markers)
        if fact.scope == "environment" and applies:
            yield fact


# -- files ------------------------------------------------------------------------------------


def _install(
    layout: Layout, matrix: Matrix, wheels: str | None, *, offline: bool, quiet: bool
) -> None:
    from tempfile import TemporaryDirectory

    from cudalock.activate import placement
    from cudalock.cli.console import tell
    from cudalock.environment import read_inventory

    files = placement.find_wanted(layout, matrix)
    with TemporaryDirectory(prefix="cudalock-") as scratch:

        def wheel(place: FileCopy) -> Path:
            return _wheel(place, layout, matrix, wheels, offline, Path(scratch))

        placed = placement.install(files, read_inventory(layout.site_packages), matrix, wheel)
    _tell_files(placed)
    if not quiet and not placed.files:
        tell("all files are there already")
    if not quiet:
        for fact in dict.fromkeys(file.place.fact for file in files):
            tell(_note(matrix.fact(fact)))


def _wheel(
    place: FileCopy,
    layout: Layout,
    matrix: Matrix,
    wheels: str | None,
    offline: bool,
    scratch: Path,
) -> Path:
    """Return the wheel from `--wheels`, else from the package index, if that is allowed."""
    from cudalock.activate import wheel_files

    if wheels:
        wheel = wheel_files.in_folder(Path(wheels), place, layout.target, matrix)
        if wheel is not None:
            return wheel
    chosen = wheel_files.choose_wheel(place, layout.target, matrix)
    if offline or wheels:
        raise wheel_files.missing(chosen, str(layout.prefix))
    return wheel_files.bring(chosen, scratch)


def _uninstall(layout: Layout, *, quiet: bool) -> None:
    from cudalock.activate import placement
    from cudalock.cli.console import tell

    placed = placement.remove(layout)
    _tell_files(placed)
    for file in placed.left:
        tell(f"warning: `{file}` was changed since it was copied, and is not removed")
    if not quiet and not placed.files:
        tell("nothing to remove")


def _tell_files(placed: Placed) -> None:
    from cudalock.cli.console import emit

    emit("".join(f"{file}\n" for file in placed.files))
