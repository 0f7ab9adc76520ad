"""A larger matrix of the same shape: more releases, builders and wheels, made up from a seed.

Each release of the projects below gets copies: later patch or post releases, whose requirements and
labels speak of each other as the originals' do. So the same goals have answers of the same kind.
"""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

FAMILY: Final = ("torch", "torchvision", "torchaudio", "xformers")
"""Copied in step: the second copy of torchvision 0.20.1 wants the second copy of torch 2.5.1."""

OTHERS: Final = ("flash-attn", "flash-attn-3", "bitsandbytes", "triton-windows")

_PLAIN = re.compile(r"\d+(?:\.\d+)+")
_TORCH_PIN = re.compile(r"\btorch==(\d+\.\d+\.\d+)(?![\d.]*\*)")

Release = dict[str, Any]


def scaled(source: Path, destination: Path, factor: int, seed: int = 0) -> Path:
    """Write a copy of a matrix with ``factor`` times the wheels; gives ``destination`` back."""
    shutil.copytree(source, destination)
    if factor > 1:
        chance = random.Random(seed)
        builders = _more_builders(destination / "matrix.toml", factor)
        for name in (*FAMILY, *OTHERS):
            path = destination / "index" / f"{name}.json"
            if path.exists():
                _scale_file(path, name, factor, builders, chance)
        _recompile(destination)
    return destination


def count_wheels(directory: Path) -> int:
    """How many wheels a matrix holds of the projects that are scaled."""
    total = 0
    for name in (*FAMILY, *OTHERS):
        path = directory / "index" / f"{name}.json"
        releases = json.loads(path.read_text(encoding="utf-8"))["releases"] if path.exists() else {}
        for release in releases.values():
            total += sum(len(build["wheels"]) for build in release.get("builds", [release]))
    return total


def copied_version(version: str, number: int) -> str:
    """The version of the ``number``-th copy: later than the original, earlier than its successor.

    `2.5.1` gives 2.5.101, as no release has a hundredth patch; others get a post release.
    """
    if _PLAIN.fullmatch(version):
        *most, last = version.split(".")
        return ".".join([*most, str(int(last) + 100 * number)])
    base, _, post = version.partition(".post")
    return f"{base}.post{1000 * (int(post) if post.isdigit() else 1) + number}"


def _scale_file(
    path: Path, name: str, factor: int, builders: dict[str, list[str]], chance: random.Random
) -> None:
    table = json.loads(path.read_text(encoding="utf-8"))
    releases: dict[str, Release] = dict(table["releases"])
    for version, release in table["releases"].items():
        for number in range(1, factor):
            copy = _copied(release, name in FAMILY, number, builders, chance)
            releases.setdefault(copied_version(version, number), copy)
    path.write_text(_text(table, releases), encoding="utf-8")


def _copied(
    release: Release,
    in_step: bool,
    number: int,
    builders: dict[str, list[str]],
    chance: random.Random,
) -> Release:
    text = json.dumps(release)
    if in_step:
        text = _TORCH_PIN.sub(lambda pin: f"torch=={copied_version(pin[1], number)}", text)
    copy: Release = json.loads(text)
    for build in copy.get("builds", [copy]):
        labels = build.get("labels", {})
        if in_step and str(labels.get("torch", "")).count(".") == 2:
            labels["torch"] = copied_version(labels["torch"], number)
        if "builder" in build:
            build["builder"] = chance.choice(builders[build["builder"]])
        for row in build["wheels"]:
            row[1] = f"{chance.getrandbits(256):064x}" if row[1] else None
    return copy


def _text(table: dict[str, Any], releases: dict[str, Release]) -> str:
    """An index file as it has to be: a release a line, oldest first."""
    from packaging.version import Version

    head = json.dumps({key: value for key, value in table.items() if key != "releases"}, indent=0)
    lines = [
        f"{json.dumps(version)}: {json.dumps(releases[version], separators=(',', ':'))}"
        for version in sorted(releases, key=Version)
    ]
    return head[: -len("\n}")] + ',\n"releases": {\n' + ",\n".join(lines) + "\n}\n}\n"


def _more_builders(path: Path, factor: int) -> dict[str, list[str]]:
    """Add namesakes of each builder to the header; gives them by the builder they are like."""
    text = path.read_text(encoding="utf-8")
    head, *tables = text.split("[[builder]]\n")
    found: dict[str, list[str]] = {}
    for table in tables:
        match = re.search(r'^id = "(.+)"', table, re.MULTILINE)
        if match:
            found[match[1]] = [match[1]]
    added = list(_namesakes(tables, found, factor))
    path.write_text("[[builder]]\n".join([head, *tables, *added]), encoding="utf-8")
    return found


def _namesakes(tables: list[str], found: dict[str, list[str]], factor: int) -> Iterator[str]:
    for builder, table in zip(list(found), tables, strict=True):
        # Every third: the projects grow faster than the number of people who build them.
        for number in range(1, factor, 3):
            name = f"{builder}-{number}"
            found[builder].append(name)
            yield "\n" + table.replace(f'id = "{builder}"', f'id = "{name}"') + "\n"


def _recompile(directory: Path) -> None:
    """The header has changed, so the compiled copy of the tables has to be made again."""
    try:
        from cudalock.matrix.store import COMPILED, compile_tables
    except ImportError:
        return
    (directory / COMPILED).write_text(compile_tables(directory), encoding="utf-8")
