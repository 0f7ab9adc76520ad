"""Make the folder that the page loads the resolver from, and the manifest of what is in it."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import zipfile
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import cudalock
from web.engine.licences import licences
from web.site import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from web.site import Site

HERE: Final = Path(__file__).parent
WEB: Final = HERE.parent
PYODIDE: Final = WEB / "node_modules" / "pyodide"
RUNTIME: Final = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm")
"""The files of Pyodide that are published; its standard library is packed anew."""
BUNDLED: Final = {
    "packaging": "packaging",
    "resolvelib": "resolvelib",
    "tomlkit": "tomlkit",
    "yaml": "pyyaml",
}
"""The libraries that the engine needs, by the name of their package; each with its project."""
LEFT_OUT: Final = ("cli", "live", "indexes", "update", "doctor", "activate", "keep", "lint")
"""Parts of cudalock for which a browser has no network, no environment or no terminal."""
MODULES: Final = ("boot", "pageapi", "pasted", "state")


def build_engine(site: Site) -> None:
    """Write `engine/` of the site: a folder for Pyodide, one for the rest, and `manifest.json`.

    Both are named for what is in them, so that a browser may keep them for good. Raises
    Unavailable without Node, or without what npm installs.
    """
    node = shutil.which("node")
    if node is None:
        raise Unavailable("Node is missing: install nodejs 20 or newer")
    if not (PYODIDE / "pyodide.mjs").is_file():
        raise Unavailable("Pyodide is missing: run `npm ci --ignore-scripts --prefix web`")
    root = site.folder / "engine"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    with TemporaryDirectory() as scratch:
        staged, out = Path(scratch, "staged"), Path(scratch, "out")
        _stage(staged)
        out.mkdir()
        questions = (HERE / "questions.json").read_text(encoding="utf-8")
        _pack(node, staged, site.matrix.directory, out, questions)
        formats = json.loads((out / "formats.json").read_text(encoding="utf-8"))
        (out / "formats.json").unlink()
        _write_empty_zip(out / "stdlib.zip")
        (out / "licences.txt").write_text(licences(PYODIDE, BUNDLED.values()), encoding="utf-8")
        engine = _published(out, root)
        runtime_out = Path(scratch, "runtime")
        runtime_out.mkdir()
        for name in RUNTIME:
            shutil.copyfile(PYODIDE / name, runtime_out / name)
        runtime = _published(runtime_out, root)
    manifest = {
        "matrix": site.matrix.version,
        "engine": f"engine/{engine}",
        "runtime": f"engine/{runtime}",
        "formats": formats,
        "files": _sizes(root),
    }
    text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
    (root / "manifest.json").write_text(text, encoding="utf-8")


def _stage(folder: Path) -> None:
    """Copy the engine's sources, and those of its libraries, into a folder."""
    package = Path(cudalock.__file__).parent
    skipped = shutil.ignore_patterns("__pycache__", "*.pyc", "data", "_yaml*", "*.so", "*.pyi")
    shutil.copytree(package, folder / "cudalock", ignore=skipped)
    for name in LEFT_OUT:
        shutil.rmtree(folder / "cudalock" / name)
    for name in BUNDLED:
        spec = find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            raise Unavailable(f"{name} is missing: run `pip install -e .`")
        shutil.copytree(spec.submodule_search_locations[0], folder / name, ignore=skipped)
    target = folder / "web" / "engine"
    target.mkdir(parents=True)
    shutil.copyfile(WEB / "__init__.py", folder / "web" / "__init__.py")
    for name in ("__init__", *MODULES):
        shutil.copyfile(HERE / f"{name}.py", target / f"{name}.py")


def _pack(node: str, staged: Path, matrix: Path, out: Path, questions: str) -> None:
    command = [node, *map(str, (HERE / "pack.mjs", PYODIDE, staged, matrix, out))]
    done = subprocess.run(command, input=questions, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"packing the engine failed:\n{done.stderr[-4000:]}")


def _write_empty_zip(path: Path) -> None:
    """Pyodide takes its standard library from a zip, and ours is in a pack."""
    with zipfile.ZipFile(path, "w"):
        pass


def _published(folder: Path, root: Path) -> str:
    """Move a folder below `root` and return its name, which changes with any of its files."""
    digest = hashlib.sha256()
    for path in _files(folder):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    name = digest.hexdigest()[:12]
    shutil.copytree(folder, root / name)
    return name


def _files(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in folder.rglob("*") if path.is_file())


def _sizes(root: Path) -> dict[str, Any]:
    """Return size and digest of each file below the engine's folder, but for the single ones of
    the matrix."""
    return {
        path.relative_to(root).as_posix(): {
            "size": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in _files(root)
        if path.parent.parent == root
    }


def versions() -> dict[str, str]:
    """Return the version of each project that is bundled."""
    package = json.loads((PYODIDE / "package.json").read_text(encoding="utf-8"))
    bundled = {project: metadata.version(project) for project in BUNDLED.values()}
    return {"pyodide": package["version"], **bundled}
