"""The kinds of files that are read, one row for each.

A new kind is a row here and a module with a function `read`; the hooks' patterns in
.pre-commit-hooks.yaml say the same for pre-commit, which cannot ask us (a test compares them).
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Final

from cudalock.errors import BadFile
from cudalock.records import NamedTuple

STDIN: Final = "-"
"""The name of standard input, which is read as a requirements file or a list of packages."""

MEGABYTE: Final = 1024 * 1024


class FileKind(NamedTuple):
    """One kind of file, and how each command treats it."""

    name: str
    pattern: str
    """a regular expression for a whole file name in lower case"""
    module: str
    """below `cudalock.projects`; its `read` makes the ProjectFile"""
    megabytes: int = 1
    """what is larger is not read: 1 for what only people write, more for what tools write"""
    names_files: bool = False
    """whether it may name other files, as `-r` does"""
    is_included: bool = False
    """whether another file may name it with `-r` or `-c`"""
    is_lock: bool = False
    is_checked: bool = True
    """whether `check` without arguments looks for it"""
    declares: bool = False
    """whether it has the requirements of a repository, so that `generate` looks beside it"""
    on_problem: str = "skip"
    """what `generate` does about an entry that cannot be read: `refuse` the file, `refuse-empty`
    (only where nothing else of it can be read), or `skip` the entry"""


KINDS: Final = (
    FileKind(
        "pyproject",
        r"pyproject\.toml",
        "readers.pyproject",
        names_files=True,
        declares=True,
        on_problem="refuse-empty",
    ),
    FileKind(
        "pylock",
        r"pylock(\.[^./\\]+)?\.toml",
        "locks.pylock",
        megabytes=8,
        is_included=True,
        is_lock=True,
    ),
    FileKind("uv-lock", r"uv\.lock", "locks.uv", megabytes=8, is_lock=True),
    FileKind("poetry-lock", r"poetry\.lock", "locks.poetry", megabytes=8, is_lock=True),
    FileKind("pdm-lock", r"pdm\.lock", "locks.pdm", megabytes=8, is_lock=True),
    # No lock of Python's packages: it limits the framework that the kernels were built for.
    FileKind("kernels-lock", r"kernels\.lock", "locks.kernels", is_included=True),
    # `environment.yml` is conda's own name; `conda-env.yaml`, `env-gpu.yml` and
    # `gpu_environment.yaml` are in public repositories.
    FileKind(
        "environment",
        r"(conda[-_.])?env(ironment)?([-_.].*)?\.ya?ml|.*[-_.]env(ironment)?\.ya?ml",
        "readers.conda_env",
        names_files=True,
        declares=True,
        on_problem="refuse-empty",
    ),
    FileKind("pixi", r"pixi\.toml", "readers.pixi", declares=True, on_problem="refuse-empty"),
    # `gpu.Dockerfile`, `Dockerfile.cuda`, and Podman's `Containerfile`.
    FileKind(
        "dockerfile",
        r"(.*\.)?(dockerfile|containerfile)([-_.].*)?",
        "readers.dockerfile",
        names_files=True,
    ),
    # Pictures are in it as text.
    FileKind("notebook", r".*\.ipynb", "readers.notebook", megabytes=32, names_files=True),
    FileKind(
        "setup-cfg",
        r"setup\.cfg",
        "readers.setup_cfg",
        declares=True,
        on_problem="refuse-empty",
    ),
    FileKind("setup-py", r"setup\.py", "readers.setup_py", is_checked=False, declares=True),
    FileKind("python-version", r"\.python-versions?", "readers.python_version", is_checked=False),
    FileKind(
        "constraints",
        r"(.*[-_.])?constraints?([-_.].*)?\.(txt|in)",
        "readers.requirements",
        megabytes=4,
        names_files=True,
        is_included=True,
        on_problem="refuse",
    ),
    FileKind(
        "requirements",
        r"(.*[-_.])?(requirements?|reqs?)([-_.].*)?\.(txt|in|pip)",
        "readers.requirements",
        megabytes=4,
        names_files=True,
        is_included=True,
        declares=True,
        on_problem="refuse",
    ),
    FileKind(
        "package-list",
        r"(?!)",  # by its content: see `read_file`
        "readers.package_list",
        megabytes=4,
        is_checked=False,
    ),
)
"""In the order in which a name is compared: `constraints` before the wider `requirements`."""

BY_NAME: Final = {kind.name: kind for kind in KINDS}

LARGEST: Final = max(kind.megabytes for kind in KINDS) * MEGABYTE
"""Bytes."""

_TEMPLATES: Final = (".jinja", ".jinja2", ".j2", ".tmpl", ".template", ".dockerignore", ".md")
"""Endings of files that are made into such a file, or only describe one."""


def kind_of(name: str | PurePath) -> str | None:
    """Return the kind that a file name means, None for none. A folder `requirements/` counts."""
    path = PurePath(name)
    lower = path.name.lower()
    if lower.endswith(_TEMPLATES):
        return None
    for kind in KINDS:
        if re.fullmatch(kind.pattern, lower):
            return kind.name
    # `requirements/dev.txt`: the name alone means nothing, and any other `dev.txt` may be prose.
    if lower.endswith((".txt", ".in")) and path.parent.name.lower() in ("requirements", "reqs"):
        return "requirements"
    return None


def kind_of_named(name: str) -> str:
    """Return the kind of a file that somebody named: a `.txt` of any name is a requirements file.

    Its content may show that it is a list of packages: see `read_file`. Raises BadFile for a name
    that means nothing.
    """
    if name == STDIN:
        return "requirements"
    kind = kind_of(name)
    # pip reads `-r NAME` of any name as requirements; Rye calls its locks requirements.lock.
    if kind is None and PurePath(name).suffix.lower() in (".txt", ".in", ".lock", ""):
        kind = "requirements"
    # `conda env create -f` takes a file of any name.
    if kind is None and PurePath(name).suffix.lower() in (".yml", ".yaml"):
        kind = "environment"
    if kind is None:
        raise BadFile(
            f"unknown kind of file: `{name}`",
            hints=[
                "a requirements file, pyproject.toml, pylock.toml, uv.lock, poetry.lock, "
                "pdm.lock, environment.yml, pixi.toml, Dockerfile or notebook"
            ],
        )
    return kind
