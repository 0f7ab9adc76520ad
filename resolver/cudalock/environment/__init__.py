"""What is installed and plugged in here.

`layout` finds an environment's folders and its Python, `distributions` reads what is installed.
Nothing of an environment is ever imported; an interpreter is asked about itself, isolated.
"""

from cudalock.environment.distributions import Installed, Inventory, read_inventory
from cudalock.environment.layout import Layout, active_layout, find_layout

__all__ = [
    "Installed",
    "Inventory",
    "Layout",
    "active_layout",
    "find_layout",
    "read_inventory",
]
