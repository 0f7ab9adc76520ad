"""Files as people have them, broken and good, each with what is to be found in it.

A case is a file under cases/check, named for its story and its kind. Comments at its top tell the
story, where it comes from, the targets (as flags) it is judged for, and what is expected: code,
severity, line and column, the projects it is about, and the facts. `--update` writes what is found;
the difference is for review.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cudalock.check import check
from cudalock.cli.options import target_request
from cudalock.goals.targets import read_targets, targets_of
from cudalock.matrix.universe import ClosedUniverse
from cudalock.projects.read import read_file
from cudalock.targets.facets import FACETS
from tests.paths import CASES

if TYPE_CHECKING:
    from cudalock.findings import Finding
    from cudalock.matrix.matrix import Matrix
    from cudalock.projects.model import ProjectFile
    from cudalock.targets import Target

FILES = CASES / "check"
KINDS = {
    "requirements.txt": "requirements",
    "pyproject.toml": "pyproject",
    "Dockerfile": "dockerfile",
    "environment.yml": "environment",
    "uv.lock": "uv-lock",
    "poetry.lock": "poetry-lock",
    "pylock.toml": "pylock",
    "setup.cfg": "setup-cfg",
}
EXPECTED = re.compile(r"^# expect: (.*)$", re.MULTILINE)
TARGET = re.compile(r"^# target: (.*)$", re.MULTILINE)


def cases() -> list[Path]:
    return sorted(FILES.iterdir())


def targets(text: str, matrix: Matrix) -> list[Target]:
    found = []
    for line in TARGET.findall(text):
        words = shlex.split(line)
        flags = {
            name.removeprefix("--"): (value,)
            for name, value in zip(words[::2], words[1::2], strict=True)
        }
        assert flags.keys() <= set(FACETS)
        found += read_targets(target_request(flags), ClosedUniverse(matrix))
    return found


def stated(file: ProjectFile, text: str, matrix: Matrix) -> list[Target]:
    return targets(text, matrix) or targets_of(
        [each.value for each in file.targets], ClosedUniverse(matrix)
    )


def shown(finding: Finding) -> str:
    place = finding.place
    where = f"{place.line}:{place.column}" if place else "-"
    facts = "".join(f" [{fact}]" for fact in finding.facts)
    return f"{finding.code} {finding.severity} {where} {' '.join(finding.members)}{facts}"


@pytest.mark.parametrize("path", cases(), ids=lambda path: path.name)
def test_case(path: Path, matrix: Matrix, request: pytest.FixtureRequest) -> None:
    kind = next(kind for ending, kind in KINDS.items() if path.name.endswith(ending))
    text = path.read_text(encoding="utf-8")
    file = read_file(path, kind=kind)
    found = [shown(each) for each in check(file, matrix, stated(file, text, matrix))]
    if request.config.getoption("--update"):
        _write(path, text, found)
        return
    assert found == EXPECTED.findall(text), path.name


def _write(path: Path, text: str, found: list[str]) -> None:
    """The expectations after the other comments at the top. Lines move, and so it takes two."""
    head, rest = [], text.splitlines(keepends=True)
    while rest and rest[0].startswith("# "):
        line = rest.pop(0)
        head += [] if line.startswith("# expect: ") else [line]
    before = len(text.splitlines()) - len(rest)
    moved = len(head) + len(found) - before
    expected = [f"# expect: {_moved(each, moved)}\n" for each in found]
    path.write_text("".join([*head, *expected, *rest]), encoding="utf-8")


def _moved(shown: str, by: int) -> str:
    return re.sub(
        r"^(\S+ \S+ )(\d+):", lambda match: f"{match[1]}{int(match[2]) + by}:", shown, count=1
    )


def test_there_are_enough() -> None:
    assert len(cases()) >= 80
