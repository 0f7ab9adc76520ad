"""What tests of formats for uv share."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.local_index import clean_environment
from tests.recorded import MAIN, RecordedIndex

if TYPE_CHECKING:
    from collections.abc import Mapping


@pytest.fixture(scope="module")
def uv_environment(
    recorded: RecordedIndex, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, str]:
    """One cache for a module. Without a project's configuration uv forgets half of its indexes."""
    scratch = tmp_path_factory.mktemp("uv")
    environment = dict(clean_environment(scratch, recorded.url(MAIN)))
    del environment["UV_NO_CONFIG"]
    # Of itself uv passes by this interpreter where it is an environment's, and may find no other.
    return {**environment, "UV_PYTHON": sys.executable}
