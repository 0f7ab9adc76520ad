"""`cudalock completion`: a shell completes commands, options and their values."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cudalock.cli import CONTEXT
from cudalock.cli.help import SectionedCommand
from cudalock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

SHELLS: Final = ("bash", "zsh", "fish", "powershell")
_BEGIN: Final = "# >>> cudalock completion >>>"
_END: Final = "# <<< cudalock completion <<<"

_LINES: Final = {
    "bash": 'eval "$(cudalock completion bash)"',
    "zsh": 'eval "$(cudalock completion zsh)"',
    "powershell": "cudalock completion powershell | Out-String | Invoke-Expression",
}
"""What a shell's start-up file has to run. fish reads a folder of scripts instead."""


@click.command(
    cls=SectionedCommand,
    short_help="Complete words in your shell.",
    context_settings=CONTEXT,
    examples=(
        ("cudalock completion bash --install", "from the next shell on"),
        ("cudalock completion fish", "print the script"),
    ),
)
@click.argument("shell", required=False, type=click.Choice(SHELLS))
@click.option("--install", is_flag=True, help="Add it to the shell's start-up file.")
@click.option("--uninstall", is_flag=True, help="Remove it from there.")
def completion(shell: str | None, install: bool, uninstall: bool) -> None:
    """Print the script that makes SHELL complete commands, options and values: platforms, GPUs,
    components, tables, codes and facts. Without SHELL, it is the one that runs cudalock.

    --install adds a marked block to ~/.bashrc, ~/.zshrc or PowerShell's profile, or a file to
    fish's folder of completions. --uninstall removes it.

    Exit status: 0 done; 2 the shell or its start-up file cannot be used.
    """
    from cudalock.cli.console import emit, tell

    shell = shell or _running_shell()
    if install and uninstall:
        raise UsageError("`--install` and `--uninstall` cannot be combined")
    if not (install or uninstall):
        emit(script(shell))
        return
    path = start_up_file(shell)
    changed = _edited(path, shell, add=install)
    verb = "added to" if install else "removed from"
    tell(f"{verb} `{path}`" if changed else f"`{path}` needs no change")
    if install and changed:
        tell("it works in every new shell")


def script(shell: str) -> str:
    """Return what the shell has to run. Raises UsageError where click does not know the shell."""
    from click.shell_completion import get_completion_class

    from cudalock.cli import main

    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(
            f"the click that is installed cannot complete words in {shell}",
            hints=["`pip install -U click`"],
        )
    return kind(main, {}, "cudalock", "_CUDALOCK_COMPLETE").source()


def start_up_file(shell: str) -> Path:
    """Return the file that a shell reads when it starts; it need not exist."""
    from cudalock.files import home

    configuration = Path(os.environ.get("XDG_CONFIG_HOME") or home() / ".config")
    places: dict[str, Callable[[], Path]] = {
        "bash": lambda: home() / ".bashrc",
        "zsh": lambda: Path(os.environ.get("ZDOTDIR") or home()) / ".zshrc",
        "fish": lambda: configuration / "fish" / "completions" / "cudalock.fish",
        "powershell": lambda: (
            home() / "Documents" / "PowerShell" / "Microsoft.PowerShell_profile.ps1"
            if os.name == "nt"
            else configuration / "powershell" / "Microsoft.PowerShell_profile.ps1"
        ),
    }
    return places[shell]()


def _edited(path: Path, shell: str, *, add: bool) -> bool:
    """Add or remove the block in a file; return whether that changed it."""
    from cudalock.cli.console import write_bytes

    try:
        old = path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise UsageError(f"`{path}` cannot be read: {error.strerror or error}") from None
    if shell == "fish":
        # The whole file is ours.
        new = script(shell).encode() if add else b""
    else:
        newline = b"\r\n" if b"\r\n" in old else b"\n"
        block = newline.join(line.encode() for line in (_BEGIN, _LINES[shell], _END)) + newline
        rest = old.replace(block, b"")
        gap = newline if rest and not rest.endswith(b"\n") else b""
        new = rest + gap + block if add else rest
    if new == old:
        return False
    if shell == "fish" and not add:
        path.unlink()
        return True
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, new)
    return True


def _running_shell() -> str:
    from cudalock.activate.shells import guess_shell

    # One home knows the shells' names; zsh reads what is written for bash there, but not here.
    shell = guess_shell(is_windows=os.name == "nt")
    if shell == "bash" and "zsh" in os.environ.get("SHELL", ""):
        return "zsh"
    if shell not in SHELLS:
        raise UsageError(
            f"{shell} completes no words of programs",
            hints=[f"`cudalock completion {known}`" for known in SHELLS],
        )
    return shell
