"""The licences of what the page brings along: written out beside it, from what is installed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

MPL: Final = "axe-core/LICENSE"
"""Pyodide's npm package has no text of its licence, which is the one of a package beside it."""

PYTHON_LICENCE: Final = "https://docs.python.org/3/license.html"
RULE: Final = "=" * 100


def licences(pyodide: Path, projects: Iterable[str]) -> str:
    """Return the names, versions, sources and licences of what is bundled."""
    return "\n\n".join([_head(), *_sections(pyodide, projects)]) + "\n"


def _head() -> str:
    return (
        "This page runs cudalock (Apache-2.0) in the browser. What is bundled with it, compiled and"
        " otherwise\nunchanged, has these licences; the names link to the sources."
    )


def _sections(pyodide: Path, projects: Iterable[str]) -> Iterator[str]:
    package = json.loads((pyodide / "package.json").read_text(encoding="utf-8"))
    text = pyodide.parent / MPL
    yield _section(
        f"pyodide {package['version']} ({package['license']})",
        "https://github.com/pyodide/pyodide",
        text.read_text(encoding="utf-8") if text.is_file() else "https://mozilla.org/MPL/2.0/",
    )
    yield _section(
        "CPython, in Pyodide, with its standard library (PSF-2.0)",
        "https://github.com/python/cpython",
        _python_licence(),
    )
    for project in projects:
        found = metadata.distribution(project)
        files = [file for file in found.files or () if _is_licence(file.parts)]
        texts = [Path(str(found.locate_file(file))).read_text(encoding="utf-8") for file in files]
        urls = [url.split(", ", 1)[1] for url in found.metadata.get_all("Project-URL") or ()]
        yield _section(
            f"{found.name} {found.version}",
            next((url for url in urls if "github.com" in url), found.metadata["Home-page"] or ""),
            "\n\n".join(texts),
        )


def _is_licence(parts: tuple[str, ...]) -> bool:
    in_metadata = any(part.endswith(".dist-info") for part in parts)
    return in_metadata and parts[-1].upper().startswith(("LICEN", "COPYING", "NOTICE"))


def _section(title: str, url: str, text: str) -> str:
    return f"{RULE}\n{title}\n{url}\n\n{text.strip()}"


def _python_licence() -> str:
    """Python's licence as it lies beside its library, else where it is published."""
    for folder in (Path(os.__file__).parent, Path(os.__file__).parents[2]):
        for name in ("LICENSE.txt", "LICENSE"):
            if (folder / name).is_file():
                return (folder / name).read_text(encoding="utf-8")
    return PYTHON_LICENCE
