"""The command that installs into an environment, as its kind has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.text import shell_word

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cudalock.environment.distributions import Inventory
    from cudalock.environment.layout import Layout

_UV_KINDS = ("uv", "uv tool")


def install_command(layout: Layout, inventory: Inventory) -> str:
    """`PATH -m pip install`; where the environment has no pip of its own, uv's, or that of another
    Python."""
    where = shell_word(str(layout.interpreter or "python"))
    if inventory.find("pip") is not None or layout.kind == "pipx" or layout.interpreter is None:
        return f"{where} -m pip install"
    if layout.kind in _UV_KINDS:
        return f"uv pip install --python {where}"
    return f"python -m pip --python {where} install"


def pip_version(layout: Layout) -> str | None:
    """Return the version of the environment's own pip, read from the name of its metadata; None
    where it has none."""
    for folder in layout.site_packages:
        for found in sorted(folder.glob("pip-*.dist-info")):
            return found.name.removeprefix("pip-").removesuffix(".dist-info")
    return None


def refusal(layout: Layout) -> tuple[str, str] | None:
    """Why pip installs nothing there, and the command that makes an environment where it does; None
    where it installs."""
    if not layout.managed:
        return None
    why = f"`{layout.prefix}` is managed by its system, and pip installs nothing there"
    return why, f"`{shell_word(str(layout.interpreter))} -m venv .venv`"


def installing(layout: Layout, inventory: Inventory, words: Iterable[str]) -> str:
    """The whole command for these requirements, options and addresses."""
    return " ".join([install_command(layout, inventory), "--no-deps", *map(shell_word, words)])
