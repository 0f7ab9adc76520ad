"""What is installed and plugged in here.

`layout` finds an environment's folders and its Python, `distributions` reads what is installed,
`gpu` queries the driver, `other_gpus` finds those of AMD and Intel, `libraries` finds CUDA's,
`build_record` reads what an installed framework says of itself, `installer` has the command that
installs, and `repairs` are the steps that change what is installed. Nothing of an environment is
ever imported; an interpreter is run to describe itself, isolated.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cudalock.targets.accelerators import CUDA

if TYPE_CHECKING:
    from cudalock.environment.distributions import Installed, Inventory, read_inventory
    from cudalock.environment.gpu import Machine, detect
    from cudalock.environment.layout import Layout, active_layout, find_layout

_HOMES = {
    "Installed": "distributions",
    "Inventory": "distributions",
    "Layout": "layout",
    "Machine": CUDA.detector,
    "active_layout": "layout",
    "detect": CUDA.detector,
    "find_layout": "layout",
    "read_inventory": "distributions",
}


def __getattr__(name: str) -> Any:
    # `solve` looks for a GPU on its way, and reads no environment: it should not pay for that.
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Installed",
    "Inventory",
    "Layout",
    "Machine",
    "active_layout",
    "detect",
    "find_layout",
    "read_inventory",
]
