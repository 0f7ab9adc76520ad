"""Environments to look at: stub distributions with the METADATA that the real ones have.

A lock is laid out as an installer would have done it; what a case plants in it comes from the
matrix as well, whose rows are the METADATA of the wheels.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import sys
import venv
from importlib.metadata import distribution
from typing import TYPE_CHECKING, Any

from cudalock.environment import find_layout
from cudalock.environment import layout as layout_module
from cudalock.goals import Request, read_request
from cudalock.lock.build import from_resolution
from cudalock.matrix.universe import ClosedUniverse
from cudalock.solving import solve
from tests.files import write

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import pytest

    from cudalock.goals import Goal
    from cudalock.lock import Lock
    from cudalock.matrix.matrix import Matrix
    from cudalock.targets import Target

PYC = shutil.ignore_patterns("__pycache__")


def pretend(patch: pytest.MonkeyPatch) -> None:
    """Environments are looked at on one machine, and their interpreters are one Python, wherever
    the tests run: what is wrong with an environment depends on both."""
    ask = layout_module._ask

    def asked(*words: Any) -> Any:
        answer = ask(*words)
        there: dict[str, Any] = {
            "system": "linux",
            "machine": "x86_64",
            "libc": "glibc 2.36",
            "macos": "",
        }
        return answer and answer._replace(version="3.11.9", free_threaded=False, **there)

    patch.setattr(layout_module, "_ask", asked)
    patch.setattr(layout_module, "this_platform", lambda: ("linux-x86_64", "2.36", None))


def lay_out(case: Mapping[str, Any], prefix: Path, matrix: Matrix) -> Path:
    """The lock of a case, and what the case takes away and plants; gives the site-packages.

    words, platform, python   the goal whose lock is there
    remove                    names whose *.dist-info is taken away
    add                       (name, version, or also the wheel's file) of the matrix
    stubs                     (name, version, tags, import names...) of no one
    files, prefix_files       empty files in the site-packages, in a prefix that is no venv
    """
    platform, python = case.get("platform", "linux"), case.get("python", "3.11")
    request = Request(words=(case["words"],), platform=(platform,), python=(python,))
    goal, target = read_request(request, ClosedUniverse(matrix))
    folder = make_tree(prefix, target)
    install_lock(folder, solved(goal, target, matrix), matrix)
    for name in case.get("remove", ()):
        uninstall(folder, name)
    for name, version, *file in case.get("add", ()):
        install(folder, name, version, matrix, target=target, file=file[0] if file else None)
    for name, version, tags, *imports in case.get("stubs", ()):
        install_stub(folder, name, version, tags=tags, imports=imports)
    for path in case.get("files", ()):
        write(folder / path)
    for path in case.get("prefix_files", ()):
        (prefix / "pyvenv.cfg").unlink(missing_ok=True)
        write(prefix / path)
    return folder


def make_tree(prefix: Path, target: Target) -> Path:
    """An environment without an interpreter, as of a target; gives its site-packages."""
    if target.platform.startswith("windows"):
        folder = prefix / "Lib" / "site-packages"
        write(prefix / "pyvenv.cfg", f"home = C:\\Python\nversion = {target.python}\n")
    else:
        short = ".".join(target.python.split(".")[:2])
        folder = prefix / "lib" / f"python{short}" / "site-packages"
        write(prefix / "pyvenv.cfg", f"home = /usr/bin\nversion = {target.python}\n")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def make_venv_with_pip(prefix: Path) -> None:
    """Make a real virtual environment with a copy of the pip that the tests run with.

    ensurepip would unpack another one, which takes seconds.
    """
    venv.create(prefix, symlinks=sys.platform != "win32")
    folder = find_layout(prefix).site_packages[0]
    pip = distribution("pip")
    for part in sorted({file.parts[0] for file in pip.files or ()} - {".."}):
        shutil.copytree(str(pip.locate_file(part)), folder / part, ignore=PYC)


def solved(goal: Goal, target: Target, matrix: Matrix) -> Lock:
    """The lock of a goal."""
    return from_resolution(solve(goal, target, ClosedUniverse(matrix)), "a test")


def install_lock(folder: Path, lock: Lock, matrix: Matrix) -> None:
    """Every pin of a lock."""
    for pin in lock.pins:
        install(
            folder,
            pin.name,
            pin.version,
            matrix,
            target=lock.target,
            file=pin.wheel.file,
            url=pin.wheel.url,
        )


def install(
    folder: Path,
    name: str,
    version: str,
    matrix: Matrix,
    *,
    target: Target,
    file: str | None = None,
    url: str | None = None,
) -> Path:
    """One distribution of the matrix, from the wheel of this name, or from one for the target."""
    public, _, local = version.partition("+")
    project = matrix.project(name)
    assert project is not None, name
    found = [
        (build, wheel.tags, wheel.file(public, build.local))
        for build in project.release(public).builds
        for wheel in build.wheels
        if (not file or wheel.file(public, build.local) == file)
        and (file or ((build.local or "") == local and target.tags().rank(wheel.tags) is not None))
    ]
    assert found, f"no wheel of {name} {version} {file or ''}"
    build, tags, chosen = found[0]
    direct = url if build.builder is not None else None
    return install_stub(
        folder,
        name,
        version,
        requires=build.requires,
        tags=tags,
        imports=matrix.component(name).imports,
        url=f"https://example.org/{chosen}" if direct is None and build.builder else direct,
    )


def install_stub(
    folder: Path,
    name: str,
    version: str,
    *,
    requires: Iterable[str] = (),
    tags: str = "py3-none-any",
    imports: Iterable[str] = (),
    url: str | None = None,
) -> Path:
    """A distribution of these words: its *.dist-info, and an empty package for each import name."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    lines += [f"Requires-Dist: {text}" for text in requires]
    write(info / "METADATA", "\n".join([*lines, "", ""]))
    write(info / "WHEEL", f"Wheel-Version: 1.0\nTag: {tags}\n")
    write(info / "INSTALLER", "pip\n")
    record = []
    for module in imports:
        text = f"# {name}\n"
        write(folder / module / "__init__.py", text)
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()
        record.append(f"{module}/__init__.py,sha256={digest.rstrip('=')},{len(text)}")
    write(info / "RECORD", "\n".join([*record, ""]))
    if url:
        write(info / "direct_url.json", json.dumps({"url": url, "archive_info": {}}))
    return info


def uninstall(folder: Path, name: str) -> None:
    """Take a distribution's *.dist-info away."""
    for info in folder.glob(f"{name.replace('-', '_')}-*.dist-info"):
        shutil.rmtree(info)
