"""Each planted fault is found, and where nothing is planted nothing is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cudalock import toml
from cudalock.doctor import ExaminedEnvironment, examine
from cudalock.environment import Machine, find_layout, read_inventory
from cudalock.environment.gpu import Gpu
from cudalock.matrix.universe import ClosedUniverse
from tests.environments import lay_out, pretend
from tests.paths import CASES

if TYPE_CHECKING:
    from cudalock.matrix.matrix import Matrix

PLANTED = toml.loads((CASES / "doctor.toml").read_text(encoding="utf-8"))["case"]


def planted(case: dict[str, Any], prefix: Path, matrix: Matrix) -> ExaminedEnvironment:
    lay_out(case, prefix, matrix)
    layout = find_layout(prefix)
    gpus = tuple(Gpu(f"GPU {each}", each) for each in case.get("gpus", ()))
    machine = Machine(gpus, case.get("driver"))
    return ExaminedEnvironment(
        layout, read_inventory(layout.site_packages), machine, ClosedUniverse(matrix)
    )


@pytest.mark.parametrize("case", PLANTED, ids=lambda case: case["name"])
def test_planted_faults(
    case: dict[str, Any], tmp_path: Path, matrix: Matrix, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch)
    findings = examine(planted(case, tmp_path, matrix))
    found = [f"{each.severity} {each}" for each in findings]
    assert len(found) == len(case["finds"]), found
    for line, start in zip(found, case["finds"], strict=True):
        assert line.startswith(start)
    for finding, fix in zip(findings, case.get("fixes", ()), strict=False):
        assert fix in (finding.fix or "")
