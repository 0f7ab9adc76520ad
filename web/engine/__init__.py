"""The resolver in the visitor's browser: what is packed for it, and what runs there.

`pageapi` answers the page's questions; `state` is what a visitor chose and `pasted` what a pasted
text is. `boot` starts them in the browser. `building` makes the folder that the page loads, for
which `packing` compiles and packs inside Pyodide. Nothing is imported here: this file is in the
browser as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from web.site import Site


def build(site: Site) -> None:
    """Build the engine's files. Raises Unavailable without Node or its packages."""
    from web.engine.building import build_engine

    build_engine(site)
