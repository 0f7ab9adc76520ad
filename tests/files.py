"""Files written for a test, with the folders that they lie in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def write_all(root: Path, files: Mapping[str, str]) -> Path:
    """Each file at its path under `root`, which comes back."""
    for name, text in files.items():
        write(root / name, text)
    return root
