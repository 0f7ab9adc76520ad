"""The documentation as a site: `docs/`, and a reference that is generated.

    docs/*.md ─> sources ─┐
    click, codes, facts, schemas ─> reference ─┤─> mkdocs ─> SITE/docs/
    a command's output, the matrix ─> pictures ┘

`sources` copies the pages and leads links that leave `docs/` to copies, `reference` writes what the
code has, `pictures` draws. A warning of mkdocs is an error, and so is a link that leads nowhere.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from datetime import datetime, timezone
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from web.manual import pictures, reference, sources
from web.site import Unavailable

if TYPE_CHECKING:
    from cudalock.matrix.matrix import Matrix
    from web.site import Site

CONFIG: Final = Path(__file__).parent / "mkdocs.yml"
STYLE: Final = ":root > * { --md-code-hl-number-color: var(--md-code-fg-color); }\n"
"""Beside the theme's: half of a version in another colour reads as a fault."""
NEEDED: Final = ("mkdocs", "material")


def build(site: Site) -> None:
    """Build the documentation into the site's `docs/`.

    Raises Unavailable without mkdocs, and mkdocs' Abort for a warning.
    """
    if any(find_spec(name) is None for name in NEEDED):
        raise Unavailable('the documentation needs mkdocs-material: pip install -e ".[docs]"')
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "docs"
        write_sources(site.matrix, folder)
        _run_mkdocs(site, folder)


def write_sources(matrix: Matrix, folder: Path) -> None:
    """Write everything that mkdocs reads, generated pages and pictures too."""
    pages = {
        **sources.pages(),
        **reference.pages(matrix),
        "pictures/terminal.svg": pictures.terminal(),
        "pictures/torch-cuda-gpu.svg": pictures.chart(matrix),
        "style.css": STYLE,
    }
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


def _run_mkdocs(site: Site, folder: Path) -> None:
    # Imported here: without the extra the other steps of the build are of use.
    from mkdocs.commands.build import build as build_pages
    from mkdocs.config import load_config

    year, month, day = map(int, site.matrix.version.split(".")[:3])
    made = datetime(year, month, day, tzinfo=timezone.utc)
    # mkdocs writes the day of the build into its sitemap otherwise.
    os.environ["SOURCE_DATE_EPOCH"] = str(int(made.timestamp()))
    target = site.folder / "docs"
    shutil.rmtree(target, ignore_errors=True)
    logging.getLogger("mkdocs").setLevel(logging.WARNING)
    config = load_config(
        str(CONFIG),
        docs_dir=str(folder),
        site_dir=str(target),
        site_url=f"{site.address}/docs/" if site.address else "",
        strict=True,
    )
    config.plugins.on_startup(command="build", dirty=False)
    build_pages(config)
