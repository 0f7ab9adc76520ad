"""Real environments, broken in known ways, fixed by `doctor --fix` and undone byte for byte."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bench.fixes import judge, make, read_cases

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.network

LIGHT = [case for case in read_cases() if case.get("test")]
"""Those with wheels of a few megabytes; `python -m bench.fixes --heavy` runs all."""


@pytest.mark.parametrize("case", LIGHT, ids=lambda case: case["name"].split()[0])
def test_found_planned_fixed_and_undone(
    case: dict[str, Any], tmp_path: Path, network_environment: Mapping[str, str]
) -> None:
    # Without the cache of its own: what uv has downloaded before serves as well.
    variables = {**network_environment}
    variables.pop("UV_CACHE_DIR")
    prefix = tmp_path / "env"
    make(case, prefix, variables)
    outcome = judge(case, prefix)
    assert outcome.trouble is None
