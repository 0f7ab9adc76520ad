"""`python -m bench.models FOLDER`: write `matrix/names/models.json` from wheels.

The file says from which release on transformers knows a model type or a tokenizer, and vllm an
architecture, so that `diagnose` can place `KeyError: 'qwen3'`. FOLDER has a folder of wheels for
each of the two; those that have no such list yet are left out. The wheels are read, never imported.
"""

from __future__ import annotations

import re
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from packaging.utils import parse_wheel_filename
from packaging.version import Version

from bench.arguments import render
from bench.names import FOLDER, edges_of

FILE: Final = FOLDER / "models.json"


class _List(NamedTuple):
    """Where a project lists its models."""

    word: str
    """what one of them is called"""
    files: re.Pattern[str]
    entry: re.Pattern[str]


LISTS: Final = {
    "transformers": (
        _List(
            "model type",
            re.compile(r"^transformers/models/auto/(?:configuration_auto|auto_mappings)\.py$"),
            re.compile(
                r"""\(\s*"([a-z0-9_.-]+)",\s*"\w+Config"|"([a-z0-9_.-]+)":\s*"\w+Config\""""
            ),
        ),
        _List(
            "tokenizer",
            re.compile(r"^transformers/models/auto/tokenization_auto\.py$"),
            re.compile(r'"([A-Z]\w*Tokenizer(?:Fast)?)"'),
        ),
    ),
    "vllm": (
        _List(
            "architecture",
            re.compile(r"^vllm/model_executor/models/(?:registry|__init__)\.py$"),
            re.compile(r'"([A-Z]\w+)":\s*\('),
        ),
    ),
}


def models_of(wheel: Path, listed: _List) -> frozenset[str]:
    """Return the models that a wheel lists."""
    with zipfile.ZipFile(wheel) as archive:
        paths = [path for path in archive.namelist() if listed.files.search(path)]
        text = "".join(archive.read(path).decode("utf-8", "replace") for path in paths)
    return frozenset("".join(match.groups("")) for match in listed.entry.finditer(text))


def changed(by_release: Mapping[str, frozenset[str]]) -> dict[str, list[int]]:
    """Return model to the positions of the releases at which it comes and goes."""
    releases = list(by_release)
    rows = {}
    for name in sorted({name for names in by_release.values() for name in names}):
        there = [at for at, release in enumerate(releases) if name in by_release[release]]
        if len(there) < len(releases):
            rows[name] = edges_of(there, len(releases))
    return rows


def main() -> None:
    """Read the folders of wheels, and write the file."""
    projects = {}
    for project, lists in LISTS.items():
        wheels: dict[Version, Path] = {}
        for wheel in (Path(sys.argv[1]) / project).glob("*.whl"):
            wheels[parse_wheel_filename(wheel.name)[1]] = wheel
        found = {
            str(version): [models_of(wheels[version], listed) for listed in lists]
            for version in sorted(wheels)
        }
        by_release = {release: names for release, names in found.items() if all(names)}
        rows = {
            listed.word: changed({release: names[at] for release, names in by_release.items()})
            for at, listed in enumerate(lists)
        }
        projects[project] = (list(by_release), rows)
    source = "the lists of models in the wheels of the releases that it lists"
    FILE.write_text(render(source, projects), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
