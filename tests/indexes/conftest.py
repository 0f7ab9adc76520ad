"""What the tests of indexes share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from cudalock.indexes import client

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty cache, no settings of pip's, and no waiting."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("CUDALOCK_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(client, "BACK_OFF", 0)
