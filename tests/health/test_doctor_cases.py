"""Each planted fault is found, and where nothing is planted nothing is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cudalock import toml
from cudalock.environment import Machine, find_layout, read_inventory
from cudalock.environment.gpu import Gpu
from cudalock.goals import Request, read_request
from cudalock.health import Subject, examine
from tests.environments import (
    install,
    install_lock,
    install_stub,
    make_tree,
    solved,
    uninstall,
    write,
)
from tests.paths import CASES

if TYPE_CHECKING:
    from cudalock.matrix import Matrix

PLANTED = toml.loads((CASES / "doctor.toml").read_text(encoding="utf-8"))["case"]


def laid_out(case: dict[str, Any], prefix: Path, matrix: Matrix) -> Subject:
    request = Request(
        words=(case["words"],),
        platform=(case.get("platform", "linux"),),
        python=(case.get("python", "3.11"),),
    )
    goal, target = read_request(request, matrix)
    folder = make_tree(prefix, target)
    install_lock(folder, solved(goal, target, matrix), matrix)
    for name in case.get("remove", ()):
        uninstall(folder, name)
    for name, version, *file in case.get("add", ()):
        install(folder, name, version, matrix, target=target, file=file[0] if file else None)
    for name, version, tags, module in case.get("stubs", ()):
        install_stub(folder, name, version, tags=tags, imports=[module])
    for path in case.get("files", ()):
        write(folder / path, "")
    for path in case.get("prefix_files", ()):
        (prefix / "pyvenv.cfg").unlink(missing_ok=True)
        write(prefix / path, "")
    layout = find_layout(prefix)
    gpus = tuple(Gpu(f"GPU {each}", each) for each in case.get("gpus", ()))
    machine = Machine(gpus, case.get("driver"))
    return Subject(layout, read_inventory(layout.site_packages), machine, matrix)


@pytest.mark.parametrize("case", PLANTED, ids=lambda case: case["name"])
def test_planted_faults(case: dict[str, Any], tmp_path: Path, matrix: Matrix) -> None:
    findings = examine(laid_out(case, tmp_path, matrix))
    found = [f"{each.severity} {each}" for each in findings]
    assert len(found) == len(case["finds"]), found
    for line, start in zip(found, case["finds"], strict=True):
        assert line.startswith(start)
    for finding, fix in zip(findings, case.get("fixes", ()), strict=False):
        assert fix in (finding.fix or "")
