"""The page as it is published, built once for all tests; and what this machine lacks for that."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NoReturn

import pytest

from cudalock.matrix.matrix import EMBEDDED, Matrix
from tests.paths import MATRIX, RESOLVER, ROOT
from web.build import Site, build

WEB: Final = ROOT / "web"
MODULES: Final = WEB / "node_modules"
NPM: Final = "run `npm ci --ignore-scripts --prefix web`"
EVERYTHING: Final = os.environ.get("CUDALOCK_WEB") == "1"
"""Whether all questions are asked, and what is missing is a failure: `.ci/web` sets it."""


def missing(what: str) -> NoReturn:
    """Skip the test, or fail it where everything was installed."""
    if EVERYTHING:
        pytest.fail(what)
    pytest.skip(what)


def node() -> str:
    """Return the path of Node, which has to have Pyodide."""
    path = shutil.which("node")
    if path is None:
        missing("Node is missing: install nodejs 20 or newer")
    if not (MODULES / "pyodide").is_dir():
        missing(f"Pyodide is missing: {NPM}")
    return path


def chromium() -> str:
    """Return the path of the system's Chromium, or of the one that CUDALOCK_CHROMIUM names."""
    named = os.environ.get("CUDALOCK_CHROMIUM")
    names = [named] if named else ["chromium", "chromium-browser", "google-chrome"]
    path = next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        missing("Chromium is missing: run `apt-get install chromium`, or set CUDALOCK_CHROMIUM")
    if find_spec("playwright") is None:
        missing('Playwright is missing: run `pip install -e ".[web]"`')
    return path


def script(name: str) -> str:
    """Return the text of a file that npm installed."""
    path = MODULES / name
    if not path.is_file():
        missing(f"{name.partition('/')[0]} is missing: {NPM}")
    return path.read_text(encoding="utf-8")


def site(tmp: Path) -> Path:
    """Return the folder of the built page; whoever comes second waits for the first.

    It is kept below `build/`, by what it is made from, so that a second run does not build it.
    """
    node()
    kept = ROOT / "build" / "web" / _digest()
    lock = kept.with_suffix(".lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    while not kept.is_dir():
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            # One that was killed while it built left its lock behind.
            if time.time() - lock.stat().st_mtime > 240:
                lock.unlink(missing_ok=True)
            time.sleep(0.2)
            continue
        try:
            made = tmp / "site"
            made.mkdir(exist_ok=True)
            build_into(made)
            shutil.copytree(made, kept.with_suffix(".new"), dirs_exist_ok=True)
            kept.with_suffix(".new").rename(kept)
        finally:
            lock.unlink(missing_ok=True)
    return kept


def build_into(folder: Path, *steps: str) -> None:
    """Build the page into a folder, or some steps of it."""
    reasons = build(Site(folder, "", Matrix.load(EMBEDDED)), steps or ("engine", "selector"))
    assert not reasons


def _digest() -> str:
    digest = hashlib.sha256()
    for root in (WEB, RESOLVER, MATRIX):
        for path in sorted(root.rglob("*")):
            if path.is_file() and not {"node_modules", "__pycache__"} & set(path.parts):
                digest.update(f"{path.relative_to(ROOT).as_posix()}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]
