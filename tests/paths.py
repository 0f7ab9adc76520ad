"""Where things are in a checkout, whatever folder a test lies in."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
RESOLVER: Final = ROOT / "resolver"
MATRIX: Final = ROOT / "matrix"
CASES: Final = ROOT / "tests" / "cases"
