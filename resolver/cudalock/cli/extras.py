"""Libraries that only some commands need, and that only an extra installs."""

from __future__ import annotations

from typing import Final

from cudalock.errors import UsageError

EXTRAS: Final = {"mcp": "mcp>=2,<3", "lsp": "pygls>=2,<3"}
"""An extra to the requirement that it stands for; pyproject.toml has the same."""


def needed(extra: str, command: str) -> None:
    """Raise UsageError, saying how to install it, if the library of an extra is not there."""
    from importlib.util import find_spec

    from cudalock.versions import leading_name

    library = leading_name(EXTRAS[extra])
    if find_spec(library) is None:
        raise UsageError(
            f"`{command}` needs the package `{library}`",
            hints=[f'install "{EXTRAS[extra]}" into the environment of cudalock'],
        )
