"""What a shell has to evaluate so that an environment's CUDA libraries are found first.

Each shell's text can be evaluated again and again: what is first already stays as it is.
"""

from __future__ import annotations

import re
from pathlib import PurePath, PureWindowsPath
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SEARCH_PATH: Final = {True: "PATH", False: "LD_LIBRARY_PATH"}
"""The variable that names library folders, by whether it is Windows."""

ROOT: Final = "CUDA_PATH"


class Activation(NamedTuple):
    """What is to be set."""

    folders: tuple[PurePath, ...]
    root: PurePath | None
    is_windows: bool

    @property
    def variable(self) -> str:
        return SEARCH_PATH[self.is_windows]

    @property
    def separator(self) -> str:
        return ";" if self.is_windows else ":"


def write(shell: str, activation: Activation) -> str:
    """The lines for one of :data:`SHELLS`.

    Raises UsageError for a folder whose name cannot be written in such a variable or shell.
    """
    never = ';"' if activation.is_windows else ":;"
    for folder in activation.folders:
        _refuse(never, folder, activation.variable)
    return SHELLS[shell](activation)


def _refuse(characters: str, folder: PurePath, where: str) -> None:
    refused = sorted(
        {
            character
            for character in str(folder)
            if character in characters or not character.isprintable()
        }
    )
    if refused:
        raise UsageError(
            f"`{folder}` cannot be written into {where}: it has {' '.join(map(repr, refused))}",
            hints=["move the environment to a folder without it"],
        )


def _sh(activation: Activation) -> str:
    """bash, zsh, dash and the like; on Windows they are MSYS, with paths of their own."""
    folders = [_msys(folder) for folder in activation.folders]
    name = activation.variable
    first = _sh_quoted(":".join(folders))
    lines = [
        f'case "${{{name}-}}:" in',
        f"  {first}:*) ;;",
        f'  *) {name}={first}"${{{name}:+:${name}}}" ;;',
        "esac",
        f"export {name}",
    ]
    if activation.root:
        lines.append(f"export {ROOT}={_sh_quoted(str(activation.root))}")
    return _lines(lines)


def _fish(activation: Activation) -> str:
    """fish keeps a variable named *PATH as a list, and joins it with colons for programs."""
    name = activation.variable
    lines = [
        f"set -l cudalock_first {' '.join(_fish_quoted(_msys(f)) for f in activation.folders)}",
        "set -l cudalock_rest",
        f"for cudalock_folder in ${name}",
        "  # An empty one would be the current directory.",
        '  test -z "$cudalock_folder"; or contains -- $cudalock_folder $cudalock_first',
        "  or set cudalock_rest $cudalock_rest $cudalock_folder",
        "end",
        f"set -gx {name} $cudalock_first $cudalock_rest",
    ]
    if activation.root:
        lines.append(f"set -gx {ROOT} {_fish_quoted(str(activation.root))}")
    return _lines(lines)


def _powershell(activation: Activation) -> str:
    folders = ", ".join(_powershell_quoted(str(folder)) for folder in activation.folders)
    name, separator = activation.variable, activation.separator
    lines = [
        f"$cudalockFirst = @({folders})",
        f"$cudalockRest = @(\"$env:{name}\" -split '{separator}' |"
        " Where-Object { $_ -and $cudalockFirst -notcontains $_ })",
        f"$env:{name} = ($cudalockFirst + $cudalockRest) -join '{separator}'",
        "Remove-Variable cudalockFirst, cudalockRest",
    ]
    if activation.root:
        lines.append(f"$env:{ROOT} = {_powershell_quoted(str(activation.root))}")
    return _lines(lines)


def _cmd(activation: Activation) -> str:
    """Each line is a complete command: `for /f` runs them one by one."""
    if not activation.is_windows:
        raise UsageError(
            "cmd is a shell of Windows, and this environment is not", hints=["--shell bash"]
        )
    for folder in activation.folders:
        _refuse("%=!^*", folder, "a variable by cmd")
    name = activation.variable
    first = "".join(f"{folder};" for folder in activation.folders)
    # %PATH:x=% is PATH without x.
    lines = [f'set "{name}={first}%{name}:{first}=%"']
    if activation.root:
        lines.append(f'set "{ROOT}={activation.root}"')
    return _lines(lines)


def _lines(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _msys(folder: PurePath) -> str:
    """`C:\\x` as a POSIX shell on Windows has it in PATH: `/c/x`."""
    if not isinstance(folder, PureWindowsPath):
        return str(folder)
    if re.match(r"[A-Za-z]:", folder.drive):
        return f"/{folder.drive[0].lower()}{folder.as_posix()[2:]}"
    # `//server/share/x`
    return folder.as_posix()


def _sh_quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _powershell_quoted(text: str) -> str:
    """A string of PowerShell in ASCII: it reads a program's output in the console's code page."""
    quoted = ["'" + part.replace("'", "''") + "'" for part in re.split("[^\x00-\x7f]", text)]
    others = [f"[char]::ConvertFromUtf32({ord(letter)})" for letter in text if not letter.isascii()]
    parts = [part for pair in zip(quoted, [*others, ""], strict=True) for part in pair if part]
    return parts[0] if len(parts) == 1 else f"({' + '.join(parts)})"


SHELLS: Final[Mapping[str, Callable[[Activation], str]]] = {
    "powershell": _powershell,
    "cmd": _cmd,
    "bash": _sh,
    "fish": _fish,
}

_KINDS: Final = {"pwsh": "powershell", "powershell": "powershell", "cmd": "cmd", "fish": "fish"}


def guess_shell(*, is_windows: bool) -> str:
    """Return the shell that cudalock was started from, as a key of :data:`SHELLS`.

    If it is unknown, PowerShell on Windows and a POSIX shell elsewhere.
    """
    import shellingham

    try:
        name, _ = shellingham.detect_shell()
    except (shellingham.ShellDetectionFailure, NotImplementedError, OSError):
        return "powershell" if is_windows else "bash"
    return _KINDS.get(name, "bash")
