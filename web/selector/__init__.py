"""The page that a visitor chooses on: `index.html`, its style, and its scripts.

`choices` reads what there is to choose from the matrix, `form` writes the form, and `building` the
page. In the browser `app.js` is the page, `view.js` lays out an answer (at build time too, for the
first one), `worker.js` runs `engine.js`, and so does `ask.mjs` in Node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from web.site import Site


def build(site: Site) -> None:
    """Write the page and its files. Raises Unavailable without Node, which lays out its answer."""
    from web.selector.building import build_page

    build_page(site)
