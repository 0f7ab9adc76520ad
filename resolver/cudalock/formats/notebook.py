"""A lock as a notebook, for Colab, Kaggle and Jupyter.

Its first cell writes the lock into a file, the second installs it: what the runtime has in a pinned
version stays as it is, a preinstalled torch for one. A module that was imported before its package
changed stays in memory, so the kernel is then restarted. The third cell compares what is installed
with the lock. The cells use nothing but the standard library.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from cudalock.errors import Contradiction
from cudalock.formats import Format, InstallCommand, WriteOptions, constraints, requirements_txt
from cudalock.formats.conda import one_python
from cudalock.lock.sources import needs_own_build
from cudalock.targets.pythons import minor_pair
from cudalock.text import listed, one_line

if TYPE_CHECKING:
    from cudalock.lock import Lock

SCHEMA: Final = "cudalock.notebook/1"
FILE: Final = "lock.ipynb"
LOCK: Final = "requirements.lock.txt"
"""The file that the first cell writes, where the notebook runs."""

CONSTRAINTS: Final = constraints.FILE
"""The file of what has to stay, which the command of a lock names that keeps something."""
_PROGRAM: Final = re.compile(r"^(?:\S+ -m )?(?:uv )?pip install")

_START: Final = """\
import importlib.metadata
import re
import sys

if sys.version_info[:2] != {python}:
    here = ".".join(map(str, sys.version_info[:2]))
    raise RuntimeError(f"this lock is for Python {version}, and this runtime has {{here}}")

text = open("{file}", encoding="utf-8").read()
names = re.findall(r"^([a-z0-9-]+)(?:==| @ )", text, re.MULTILINE)


def versions():
    found = {{}}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


before = versions()
"""
_RESTART: Final = """\
# What is in memory already is the old version of what changed.
importlib.invalidate_caches()
changed = {name for name, version in versions().items() if version != before[name]}
loaded = {module.partition(".")[0] for module in sys.modules}
stale = sorted(
    name
    for module, packages in importlib.metadata.packages_distributions().items()
    for name in {re.sub("[-_.]+", "-", package).lower() for package in packages}
    if module in loaded and name in changed and before[name] is not None
)
if stale:
    print("restarting the kernel, since these were in use:", ", ".join(dict.fromkeys(stale)))
    print("run the cells below once it is back")
    get_ipython().kernel.do_shutdown(restart=True)
else:
    print("installed; no restart is needed")
"""
_COMPARE: Final = """\
import importlib.metadata
import re

text = open("{file}", encoding="utf-8").read()
pins = dict(re.findall(r"^([a-z0-9-]+)==([^\\s;]+)", text, re.MULTILINE))
differs = {{}}
for name, version in pins.items():
    try:
        found = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        found = "not installed"
    # A lock without a local version takes any build of that version.
    if version not in (found, found.partition("+")[0]):
        differs[name] = f"{{found}}, and the lock has {{version}}"
print(differs or "everything is as in the lock")
"""


def render(lock: Lock, options: WriteOptions) -> str:
    """Return the notebook's text, of nbformat 4.5.

    Raises Contradiction for a lock of several Pythons or targets, and for one that is compiled.
    """
    _check(lock)
    written = options._replace(filename=LOCK)
    text = requirements_txt.render(lock, written)
    commands = dict(requirements_txt.install_commands(lock, written))
    python = minor_pair(lock.target.python)
    fields = {"python": python, "version": ".".join(map(str, python)), "file": LOCK}
    # A lock of what to add has the one command that installs beside what is there.
    tool = options.installer if options.installer in commands else next(iter(commands))
    line = "!uv pip install --python {sys.executable} -q" if tool == "uv" else "%pip install -q"
    install = _PROGRAM.sub(lambda _: line, commands[tool], count=1)
    cells = [
        f"%%writefile {LOCK}\n{text}",
        *(
            [
                f"%%writefile {CONSTRAINTS}\n"
                + constraints.render(lock, options._replace(filename=CONSTRAINTS))
            ]
            if CONSTRAINTS in shlex.split(commands[tool])
            else []
        ),
        f"{_START.format(**fields)}\n{install}\n\n{_RESTART}",
        _COMPARE.format(**fields),
    ]
    # By this table `cudalock check --fresh` finds the command, and `-o` a notebook to replace.
    # Colab and Kaggle offer a kernel of this name, whatever their Python.
    document = {
        "cells": [_cell(source) for source in cells],
        "metadata": {
            "cudalock": {
                "schema": SCHEMA,
                "command": one_line(lock.command),
                "matrix": lock.matrix_version,
            },
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(document, indent=1, ensure_ascii=True) + "\n"


def _check(lock: Lock) -> None:
    one_python(lock, "a notebook")
    if needs_own_build(lock):
        names = listed(dict.fromkeys(pin.name for pin in lock.built))
        raise Contradiction(
            f"a notebook installs a lock in one step, and {names} is compiled after others are"
            " installed",
            hints=["--format requirements"],
        )


def _cell(source: str) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        # The same lock, the same bytes: no random id.
        "id": hashlib.sha256(source.encode()).hexdigest()[:8],
        "metadata": {},
        "outputs": [],
        "source": source.rstrip("\n").splitlines(keepends=True),
    }


def install_commands(_lock: Lock, options: WriteOptions) -> tuple[InstallCommand, ...]:
    """Return how the notebook is used: it is opened, and its cells are run."""
    name = PurePath(options.filename or FILE).as_posix()
    return (InstallCommand("notebook", f"open {one_line(name)} and run its cells in order"),)


FORMAT: Final = Format(render, FILE, install_commands, all_hashes=True)
