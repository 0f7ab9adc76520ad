"""Every test here is marked `web`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.web.built import EVERYTHING

HERE: Final = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder; all questions and pages take longer than other tests may."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.web)
            if EVERYTHING:
                item.add_marker(pytest.mark.timeout(3000))
