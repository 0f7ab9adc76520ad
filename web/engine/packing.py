"""Runs inside Pyodide at build time: compile, see what is needed when, and pack it.

Compiled by the Python that will run it, with hashes that nobody checks in place of times, so that
two builds give the same bytes. What the first answer needs goes into one pack, what other questions
need into a second, and the rest of the standard library and of the engine into one more each; the
matrix likewise, but its rest stays as single files.
"""

from __future__ import annotations

import gzip
import json
import sys
import zipfile
from importlib.util import source_hash
from pathlib import Path
from typing import Any

STDLIB = "/lib/python3.14"
PACKAGES = f"{STDLIB}/site-packages"
DATA = f"{PACKAGES}/cudalock/data"
LEFT_OUT = ("idlelib", "lib2to3", "pydoc_data", "test", "turtledemo", "_pyrepl", "ensurepip")
"""Of the standard library: nothing that has no terminal and no window needs them."""


def compiled(source: bytes, name: str) -> bytes:
    """Return the content of a `.pyc` that is never compared with its source."""
    from importlib._bootstrap_external import _code_to_hash_pyc  # type: ignore[attr-defined]

    code = compile(source, name, "exec", dont_inherit=True, optimize=2)
    return bytes(_code_to_hash_pyc(code, source_hash(source), False))


def stdlib_files() -> dict[str, bytes]:
    """Return the compiled standard library, by path."""
    files = {}
    archive = next(path for path in sys.path if path.endswith(".zip"))
    with zipfile.ZipFile(archive) as stock:
        for name in sorted(stock.namelist()):
            if not name.endswith(".py") or name.startswith(LEFT_OUT):
                continue
            files[f"{STDLIB}/{name}c"] = compiled(stock.read(name), name)
    return files


def engine_files(folder: Path) -> dict[str, bytes]:
    """Return the compiled engine and its data files, by path."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        name = path.relative_to(folder).as_posix()
        content = path.read_bytes()
        if path.suffix == ".py":
            files[f"{PACKAGES}/{name}c"] = compiled(content, name)
        else:
            files[f"{PACKAGES}/{name}"] = content
    return files


def module_paths(files: dict[str, bytes]) -> set[str]:
    """Return the files of the modules that are imported by now."""
    paths = set()
    for name in list(sys.modules):
        for root in (STDLIB, PACKAGES):
            stem = f"{root}/{name.replace('.', '/')}"
            paths |= {f"{stem}.pyc", f"{stem}/__init__.pyc"} & files.keys()
    return paths


class Opened:
    """Which files of some folders are opened."""

    def __init__(self, folders: dict[str, str]) -> None:
        """`folders` maps each folder to where its files will lie."""
        self.paths: set[str] = set()
        self._folders = folders

    def on_open(self, event: str, arguments: tuple[Any, ...]) -> None:
        """The audit hook."""
        if event != "open" or not isinstance(arguments[0], str):
            return
        for folder, later in self._folders.items():
            if arguments[0].startswith(folder):
                self.paths.add(later + arguments[0][len(folder) :])


def pack(files: dict[str, bytes]) -> bytes:
    """Return files as one: the length of a table, the table, and their contents; compressed."""
    table = json.dumps([[path, len(files[path])] for path in sorted(files)]).encode()
    parts = [len(table).to_bytes(4, "little"), table, *(files[path] for path in sorted(files))]
    return gzip.compress(b"".join(parts), 9, mtime=0)


def main(staged: str, matrix: str, out: str, questions: str, lock: str) -> None:
    """Write the packs of the engine in `staged` and the matrix in `matrix` into `out`.

    `questions` are two lists: those of a first answer, and others, of each kind. `lock` is the list
    of packages that Pyodide comes with, of which none is used.
    """
    first, others = json.loads(questions)
    baseline = set(sys.modules)
    stdlib = stdlib_files()
    # What compiling imported counts only if something else imports it too.
    for name in set(sys.modules) - baseline:
        if name.partition(".")[0] not in ("importlib", "zipfile", "gzip", "pathlib", "json"):
            del sys.modules[name]
    engine = engine_files(Path(staged))
    data = {
        f"{DATA}/{path.relative_to(matrix).as_posix()}": path.read_bytes()
        for path in sorted(Path(matrix).rglob("*.json"))
    }
    data |= {
        f"{DATA}/{path.name}": path.read_bytes() for path in sorted(Path(matrix).glob("*.toml"))
    }
    opened = Opened({f"{matrix}/": f"{DATA}/", f"{staged}/": f"{PACKAGES}/"})
    sys.addaudithook(opened.on_open)
    sys.path.insert(0, staged)
    code = {**stdlib, **engine}
    page = _page(matrix)
    needed = [_ask(page, first, code, opened)]
    _write_formats(page, Path(out), first[0]["state"])
    needed.append(_ask(page, others, code, opened))
    for always in ("compiled.json", "switches.json", "matrix.toml"):
        needed[0].add(f"{DATA}/{always}")
    needed[0] |= {f"{PACKAGES}/web/__init__.pyc", f"{PACKAGES}/web/engine/__init__.pyc"}
    needed[0] |= {f"{PACKAGES}/web/engine/boot.pyc"}
    _write(Path(out), stdlib, engine, data, needed, json.loads(lock))


def _page(matrix: str) -> Any:
    from cudalock.matrix.matrix import Matrix
    from web.engine.pageapi import Page

    folder = Path(matrix)
    tables = json.loads((folder / "compiled.json").read_bytes())
    return Page(Matrix(folder, {name: table for name, (_, table) in tables.items()}))


def _ask(page: Any, questions: list[Any], code: dict[str, bytes], opened: Opened) -> set[str]:
    for question in questions:
        answer = json.loads(page.answer(json.dumps(question)))
        if answer["answer"] == "wrong":
            raise ValueError(f"{question}: {answer}")
    return module_paths(code) | opened.paths


def _write_formats(page: Any, out: Path, state: Any) -> None:
    """Write which formats can be made here, by the name of their file."""
    from web.engine.pageapi import offline_formats

    formats = []
    for name in offline_formats():
        question = {"ask": "file", "state": state, "format": name}
        answer = json.loads(page.answer(json.dumps(question)))
        # One takes a library that is not here, one is for what is added to an environment.
        if answer["answer"] == "yes":
            formats.append({"format": name, "filename": answer["file"]["filename"]})
    (out / "formats.json").write_text(json.dumps(formats), encoding="utf-8")


def _write(
    out: Path,
    stdlib: dict[str, bytes],
    engine: dict[str, bytes],
    data: dict[str, bytes],
    needed: list[set[str]],
    lock: dict[str, Any],
) -> None:
    first, all_needed = needed[0], needed[0] | needed[1]
    files = {**stdlib, **engine, **data}
    later = {
        "more.pack": {path for path in all_needed - first if path in files},
        "library.pack": {path for path in stdlib if path not in all_needed},
        "rest.pack": {path for path in engine if path not in all_needed},
    }
    packs = {
        "stdlib.pack": {path for path in stdlib if path in first},
        "engine.pack": {path for path in engine if path in first},
        "matrix.pack": {path for path in data if path in first},
        **later,
    }
    sources = {path: name for name, paths in later.items() for path in paths}
    for path in data.keys() - first - later["more.pack"]:
        name = path.removeprefix(f"{DATA}/")
        sources[path] = f"data/{name}"
        (out / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (out / "data" / name).write_bytes(data[path])
    for name, paths in packs.items():
        content = pack({path: files[path] for path in paths})
        (out / name).write_bytes(content)
        print(f"{name}: {len(paths)} files, {len(content)} bytes")
    late = {"late": sources, "lock": {"info": lock["info"], "packages": {}}}
    text = json.dumps(late, separators=(",", ":"), sort_keys=True)
    (out / "late.pack").write_bytes(gzip.compress(text.encode(), 9, mtime=0))
