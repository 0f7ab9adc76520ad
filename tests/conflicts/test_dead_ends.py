"""A requirement that only a source distribution meets is told with the way that leads to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cudalock.errors import NoSolution
from cudalock.goals import Goal
from cudalock.matrix.universe import ClosedUniverse
from cudalock.solving import solve
from cudalock.targets import Target
from tests.small_matrix import matrix_of, release

if TYPE_CHECKING:
    from pathlib import Path

CONF = {"2.3.0": release("parser==4.9.*", "yaml"), "2.4.0": release("yaml")}
PARSER = {"4.9.3": release(wheel=False), "4.13.0": release()}


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (
            ["conf==2.3.0"],
            [
                "the goal requires conf==2.3.0",
                "conf 2.3.0 requires parser==4.9.* (its metadata)",
                "parser 4.9.3 has no wheel, only a source distribution",
            ],
        ),
        (
            ["app"],
            [
                "the goal requires app",
                "app 1.0 requires conf<2.4 (its metadata)",
                "conf 2.3.0 requires parser==4.9.* (its metadata)",
                "parser 4.9.3 has no wheel, only a source distribution",
            ],
        ),
        (
            ["other"],
            [
                "the goal requires other",
                "other 1.0 requires nowhere (its metadata)",
                "nowhere is not in the matrix; `--live` queries the package index as well",
            ],
        ),
    ],
)
def test_the_way_to_what_cannot_be_had(wanted: list[str], told: list[str], tmp_path: Path) -> None:
    matrix = matrix_of(
        tmp_path,
        {
            "conf": CONF,
            "parser": PARSER,
            "yaml": {"6.0": release()},
            "app": {"1.0": release("conf<2.4")},
            "other": {"1.0": release("nowhere")},
        },
    )
    with pytest.raises(NoSolution) as caught:
        solve(
            Goal(requirements=tuple(wanted)), Target("3.11", "linux-x86_64"), ClosedUniverse(matrix)
        )
    lines = [line.strip() for line in caught.value.message.splitlines()[1:]]
    assert lines == told


def test_what_only_a_search_shows_is_told_with_the_target(tmp_path: Path) -> None:
    """No two of the three can be alike, and the third version of `c` wants a newer glibc."""
    newer = {"sdist": True, "wheels": [["py3-none-manylinux_2_31_x86_64", "0" * 64]]}
    ring = {"a": "b", "b": "c", "c": "a"}
    projects = {
        one: {version: release(f"{other}!={version}") for version in ("1.0", "2.0")}
        for one, other in ring.items()
    }
    projects["c"]["3.0"] = {"requires": [], **newer}
    with pytest.raises(NoSolution) as caught:
        solve(
            Goal(("a", "b", "c")),
            Target("3.11", "linux-x86_64"),
            ClosedUniverse(matrix_of(tmp_path, projects)),
        )
    lines = [line.strip() for line in caught.value.message.splitlines()[1:]]
    assert lines == ["the goal requires a", "the target is assumed to have glibc 2.28"]
    assert "--glibc 2.31" in caught.value.hints[0]
