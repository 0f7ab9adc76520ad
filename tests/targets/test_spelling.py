"""Platforms, Pythons' tags and accelerators are spelled in `targets`, and nowhere else."""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import TYPE_CHECKING

import pytest

from cudalock.targets.accelerators import ACCELERATORS, LIBRARIES
from cudalock.targets.platforms import PLATFORMS, SYSTEMS
from tests.paths import RESOLVER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGE = RESOLVER / "cudalock"

WORDS = {
    *(row.name for row in PLATFORMS.values()),
    *(row.flag for row in PLATFORMS.values()),
    *(row.machine for row in PLATFORMS.values()),
    *(row.arch for row in PLATFORMS.values()),
    *(row.conda for row in PLATFORMS.values()),
    *(row.docker or row.name for row in PLATFORMS.values()),
    *(spelling for row in PLATFORMS.values() for spelling in row.spellings),
    *(value for system in SYSTEMS for value in system.markers.values()),
    *(system.name for system in SYSTEMS),
    # How platform tags begin.
    *("manylinux", "macosx"),
} - {"nt", "mac", "wsl", "wsl2"}
"""What the tables of `targets` have, without what is too short to tell from other words, and
without the Linux of Windows, whose folder of drivers is a path like any other."""

SPELLED = re.compile(
    "|".join(rf"(?<![A-Za-z0-9]){re.escape(word)}(?![a-z0-9])" for word in sorted(WORDS))
    + r"|manylinux|macosx|\bcp3\d|win_amd64|win_arm64"
)

ACCELERATOR = re.compile("|".join([*ACCELERATORS, *LIBRARIES]))

ALLOWED = {
    # Programs for other interpreters, which cannot import the tables.
    "activate/snippet.py": 1,
    "environment/layout.py": 1,
    # pip's own words, and a sentence about what they mean.
    "diagnose/reader.py": 1,
    "diagnose/statements.py": 1,
    # Sentences for people, and an example in one.
    "activate/shells.py": 1,
    "activate/wsl.py": 1,
    "cli/activate.py": 3,
    "cli/image.py": 1,
    "formats/dockerfile.py": 2,
    "goals/request.py": 1,
    # Examples in the help.
    "cli/check.py": 1,
    "cli/solve.py": 3,
    "cli/tools.py": 2,
    "cli/why_not.py": 1,
    "cli/options.py": 1,
    "cli/settings.py": 1,
    # Type checkers follow no other form of this comparison, and os.killpg is not on Windows.
    "doctor/imports.py": 1,
    # What pixi, and the variants of kernels, call platforms.
    "projects/locks/kernels.py": 6,
    "projects/readers/pixi.py": 7,
    # The name of a field of the JSON documents.
    "formats/json_lock.py": 1,
}
"""How many strings of a module may spell a platform, at most; the comments say why."""

JSON_KEYS = {
    "cli/completing.py",
    "cli/help.py",
    "cli/tools.py",
    "formats/cyclonedx.py",
    "formats/json_lock.py",
    "formats/pylock.py",
    "generate/report.py",
    "matrix/containers.py",
}
"""Modules whose documents have keys that are accelerators' names, or that list such options."""

VENDOR_TABLES = {"show/export.py", "show/vendor.py", "update/"}
"""Modules about NVIDIA's own tables, `cuda/cudnn.json`, which have its words for columns."""


def modules() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if path.parent.name != "targets"]


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def _is_of_this_machine(node: ast.AST) -> bool:
    """`sys.platform == "win32"` and `os.name == "nt"`: the form that type checkers understand, and
    a question about the machine that cudalock runs on, not about a target."""
    return (
        isinstance(node, ast.Compare)
        and isinstance(node.left, ast.Attribute)
        and ast.unparse(node.left) in ("sys.platform", "os.name")
    )


@cache
def strings(path: Path) -> tuple[str, ...]:
    """The string constants of a module that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        constant
        for node in ast.walk(tree)
        if _is_of_this_machine(node)
        for constant in ast.walk(node)
    }
    skipped |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return tuple(
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in skipped
    )


def spelled(path: Path) -> Iterator[str]:
    return (text for text in strings(path) if SPELLED.search(text))


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_no_platform_is_spelled(path: Path) -> None:
    found = list(spelled(path))
    assert len(found) <= ALLOWED.get(name_of(path), 0), found


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_no_accelerator_is_a_literal(path: Path) -> None:
    name = name_of(path)
    if name in JSON_KEYS or any(name.startswith(start) for start in VENDOR_TABLES):
        return
    assert [text for text in strings(path) if ACCELERATOR.fullmatch(text)] == []


@pytest.mark.parametrize(
    "text",
    [
        "linux",
        "win_amd64",
        "cp311-cp311-",
        "manylinux_2_(\\d+)_",
        "sys_platform == 'darwin'",
        "AMD64",
    ],
)
def test_what_is_seen(text: str) -> None:
    assert SPELLED.search(text)


@pytest.mark.parametrize("text", ["window", "the Linuxes", "cp", "machine", "winner"])
def test_what_is_not(text: str) -> None:
    assert not SPELLED.search(text)
