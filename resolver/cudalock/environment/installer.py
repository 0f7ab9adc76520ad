"""The command that installs into an environment of a certain kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.text import shell_word

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cudalock.environment.distributions import Inventory
    from cudalock.environment.layout import Layout

UV_KINDS = ("uv", "uv tool")
"""The kinds of environments that uv makes, without pip."""


def install_command(layout: Layout, inventory: Inventory) -> str:
    """Return `PATH -m pip install`; without a pip in the environment, uv's command, or another
    Python's pip."""
    where = shell_word(str(layout.interpreter or "python"))
    # pipx shares one pip between its environments, which `-m pip` finds.
    if inventory.find("pip") is not None or layout.kind == "pipx" or layout.interpreter is None:
        return f"{where} -m pip install"
    # uv makes environments without pip.
    if layout.kind in UV_KINDS:
        return f"uv pip install --python {where}"
    # pip installs into another environment with `--python` since 22.3.
    return f"python -m pip --python {where} install"


def uninstall_command(layout: Layout, inventory: Inventory) -> str:
    """Return the command that uninstalls, without the names: `PATH -m pip uninstall`."""
    return install_command(layout, inventory).replace(" install", " uninstall")


def pip_version(layout: Layout) -> str | None:
    """Return the version of the environment's own pip, read from the name of its metadata; None
    where it has none."""
    for folder in layout.site_packages:
        for found in sorted(folder.glob("pip-*.dist-info")):
            return found.name.removeprefix("pip-").removesuffix(".dist-info")
    return None


def refusal(layout: Layout) -> tuple[str, str] | None:
    """Return why pip refuses to install there, and the command for an environment where it does
    not; None if it installs."""
    if not layout.managed:
        return None
    why = f"`{layout.prefix}` is managed by its system, and pip installs nothing there"
    return why, f"`{shell_word(str(layout.interpreter))} -m venv .venv`"


def installing(layout: Layout, inventory: Inventory, words: Iterable[str]) -> str:
    """Return the whole command for these requirements, options and URLs."""
    # What is named was solved or installed before; pip would add dependencies of its own choice.
    return " ".join([install_command(layout, inventory), "--no-deps", *map(shell_word, words)])
