"""This machine: the parts of a target that nobody stated."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cudalock.errors import BadTarget
from cudalock.files import read_small
from cudalock.records import dataclass, field
from cudalock.targets.platforms import LINUX, MACOS, of_machine
from cudalock.targets.pythons import (
    PYTHON,
    ask,
    checked_python,
    interpreters_on_path,
    parse_python,
)
from cudalock.targets.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def current_python(
    environ: Mapping[str, str] = os.environ, directory: Path | None = None
) -> tuple[str, bool]:
    """Return the Python to use if none is stated, as `parse_python` does.

    That of VIRTUAL_ENV or CONDA_PREFIX; else what `.python-version` in `directory` (the current
    one) names; else this interpreter, unless pipx or uv made it for cudalock alone: then the
    `python3` of PATH, if there is one.
    """
    return (
        _active_python(environ)
        or _pinned_python(directory or Path())
        or _python_on_path(environ)
        or _this_python()
    )


def is_a_tools(prefix: Path) -> bool:
    """Tell whether pipx or uv made an environment for one tool, or it lies in uv's cache."""
    receipts = ("pipx_metadata.json", "uv-receipt.toml")
    return any((prefix / name).is_file() for name in receipts) or any(
        (parent / "CACHEDIR.TAG").is_file() for parent in prefix.parents
    )


def _no_probe() -> tuple[tuple[str, ...], str | None]:
    """Return no GPU and no driver: whoever wants them detected passes a function that does."""
    return (), None


@dataclass(frozen=True, slots=True)
class Here:
    """The functions that detect what nobody stated. A test passes others."""

    python: Callable[[], tuple[str, bool]] = current_python
    platform: Callable[[], tuple[str, str | None, str | None]] = field(
        default_factory=lambda: this_platform
    )
    gpus_and_driver: Callable[[], tuple[tuple[str, ...], str | None]] = _no_probe
    l4t: Callable[[], str | None] = field(default_factory=lambda: this_l4t)


def current(here: Here | None = None) -> Target:
    """Return this machine with the active environment's Python, as a target with nothing stated.

    Raises BadTarget on a machine that no wheels are built for.
    """
    here = here or Here()
    python, free_threaded = here.python()
    platform, glibc, macos = here.platform()
    gpus, driver = here.gpus_and_driver()
    return Target(python, platform, free_threaded, glibc, macos, gpus, driver)


def _this_python() -> tuple[str, bool]:
    import sysconfig

    version = "{}.{}.{}".format(*sys.version_info[:3])
    return version, bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def _active_python(environ: Mapping[str, str]) -> tuple[str, bool] | None:
    """Return the active environment's Python; None for a broken one.

    The lock's header shows which Python was used instead.
    """
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        prefix = environ.get(variable)
        if not prefix:
            continue
        # No process to start for the environment that cudalock itself runs in.
        if Path(prefix) == Path(sys.prefix):
            return _this_python()
        try:
            return checked_python(*ask(Path(prefix)))
        except BadTarget:
            continue
    return None


def _python_on_path(
    environ: Mapping[str, str], prefix: Path = Path(sys.prefix)
) -> tuple[str, bool] | None:
    if not is_a_tools(prefix):
        return None
    for executable in interpreters_on_path(environ):
        if executable.parent.parent != prefix:
            try:
                return checked_python(*ask(executable))
            except BadTarget:
                continue
    return None


def _pinned_python(directory: Path) -> tuple[str, bool] | None:
    """Return the first version in `.python-version`; a path there is not run."""
    try:
        lines = read_small(directory / ".python-version").decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    # pyenv allows several versions and comments; the first version is its default.
    for line in lines:
        word = line.partition("#")[0].strip()
        if re.fullmatch(PYTHON, word):
            try:
                return parse_python(word)
            except BadTarget:
                continue
    return None


def this_platform() -> tuple[str, str | None, str | None]:
    """Return `(platform, glibc, macOS version)` of this machine, as `parse_platform` does."""
    import platform
    import sysconfig

    machine = machine_of_python(platform.machine(), sysconfig.get_platform(), sys.maxsize)
    return platform_of(sys.platform, machine, _this_glibc(), platform.mac_ver()[0])


SMALL: Final = "32-bit Python"
"""The machine of a Python that no wheel of the stack fits, whatever its processor can do."""


def machine_of_python(machine: str, built_for: str, largest: int) -> str:
    """Return the machine whose wheels a Python takes.

    It is that of `sysconfig.get_platform()`, not of `platform.machine()`: a Python for another
    processor may be emulated. `largest` is its `sys.maxsize`.
    """
    if largest < 1 << 32:
        return SMALL
    return built_for.removeprefix("win-") if built_for.startswith("win-") else machine


def platform_of(
    system: str, machine: str, glibc: str | None, macos: str
) -> tuple[str, str | None, str | None]:
    """Return the same for a Python by its `sys.platform`, `platform.machine()`, glibc and macOS.

    Raises BadTarget where no wheels are built for it.
    """
    if machine == SMALL:
        raise BadTarget(
            "this is a 32-bit Python, and the wheels of the stack are for 64 bits",
            hints=["install a 64-bit Python", "--platform windows"],
        )
    row = of_machine(system, machine)
    if row is None or (row.system is LINUX and glibc is None):
        raise BadTarget(
            f"no wheels are built for this machine ({system}, {machine.lower()},"
            f" {'glibc ' + glibc if glibc else 'no glibc'}): state the platform to solve for",
            hints=["--platform linux"],
        )
    if row.system is LINUX:
        return row.name, glibc, None
    if row.system is not MACOS:
        return row.name, None, None
    return row.name, None, _macos_version(macos)


def _macos_version(text: str) -> str | None:
    """Return the version that tags count: of macOS 11 and later the major one alone.

    None where Python does not know it. A Python built with an old SDK takes 11 and all later for
    10.16.
    """
    match = re.match(r"([0-9]{1,3})(?:\.([0-9]{1,3}))?", text)
    if match is None:
        return None
    major, minor = int(match[1]), int(match[2] or 0)
    if (major, minor) == (10, 16):
        return "11.0"
    return f"{major}.0" if major >= 11 else f"{major}.{minor}"


_L4T_RELEASE: Final = Path("/etc/nv_tegra_release")


def this_l4t(path: Path = _L4T_RELEASE) -> str | None:
    """Return the version of Jetson Linux here, `36.4.3`; None on any other machine."""
    try:
        text = read_small(path, of_machine=True).decode("ascii", "replace")
    except OSError:
        return None
    # `# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64`
    match = re.match(r"# R([0-9]{2}) \(release\), REVISION: ([0-9.]{1,9})", text)
    return f"{match[1]}.{match[2]}" if match else None


def _this_glibc() -> str | None:
    try:
        return read_glibc(os.confstr("CS_GNU_LIBC_VERSION"))
    except (AttributeError, ValueError, OSError):
        return None


def read_glibc(text: str | None) -> str | None:
    """Return `2.39` for the `glibc 2.39` of os.confstr; None for anything else."""
    match = re.match(r"glibc ([0-9]{1,3}\.[0-9]{1,3})", text or "")
    return match[1] if match else None
